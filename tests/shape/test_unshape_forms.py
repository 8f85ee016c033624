"""Values in legacy forms, one by one, as the strict path and queries read them."""

import pytest

from proxy.shape.forms import Form
from proxy.shape.unshape_forms import canonical, from_text
from proxy.transcoding.protojson.kinds import Kind
from proxy.transcoding.protojson.reader import JsonValue, Number

PAIR = Form(Kind.BOOL, "table", ((True, 1), (False, None)))
WORDS = Form(Kind.BOOL, "table", ((True, "Y"), (False, "")))
HALVES = Form(Kind.BOOL, "table", ((True, 0.5), (False, 1.5)))
CODES = Form(Kind.ENUM, "table", ((0, 0), (1, 10), (2, 20)))
NAMES = Form(Kind.ENUM, "table", ((0, "none"), (1, "low")))

READ = [
    (PAIR, Number("1"), True),
    (PAIR, Number("1.0"), True),
    (PAIR, "1", True),
    (PAIR, None, False),
    (PAIR, True, True),
    (PAIR, False, False),
    (WORDS, "", False),
    (HALVES, Number("0.5"), True),
    (HALVES, Number("1.50"), False),
    (CODES, Number("10"), Number("1")),
    (CODES, "20", Number("2")),
    (CODES, Number("7"), Number("7")),
    (CODES, "OTHER", "OTHER"),
    (NAMES, "low", Number("1")),
    (NAMES, Number("1"), Number("1")),
    (Form(Kind.ENUM, "number"), "5", Number("5")),
    (Form(Kind.ENUM, "number"), "LOW", "LOW"),
    (Form(Kind.BYTES, "base64url"), "-_8", "-_8"),
    (Form(Kind.BYTES, "hex"), "", ""),
    (Form(Kind.DURATION, "milliseconds"), Number("-1.5"), "-0.001500s"),
    (Form(Kind.DURATION, "iso8601"), "PT1M", "60s"),
    (Form(Kind.TIMESTAMP, "epoch_ns"), "1", "1970-01-01T00:00:00.000000001Z"),
]
REFUSED = [
    (PAIR, Number("2")),
    (PAIR, Number("1e0")),
    (PAIR, Number("-0")),
    (PAIR, Number("1.0000000000000000001")),
    (PAIR, Number("1e400")),
    (PAIR, Number("1e99999999999999999999")),
    (PAIR, Number("9" * 5000)),
    (PAIR, "yes"),
    (PAIR, []),
    (WORDS, None),
    (CODES, Number("2")),
    (CODES, Number("2.0")),
    (Form(Kind.BYTES, "hex"), "0"),
    (Form(Kind.BYTES, "hex"), "0g"),
    (Form(Kind.BYTES, "hex"), " 00"),
    (Form(Kind.BYTES, "hex"), Number("00")),
    (Form(Kind.TIMESTAMP, "epoch_s"), True),
    (Form(Kind.TIMESTAMP, "epoch_s"), Number("1e999999999")),
    (Form(Kind.TIMESTAMP, "epoch_s"), Number("9" * 5000)),
    (Form(Kind.TIMESTAMP, "epoch_s"), Number("253402300800")),
    (Form(Kind.DURATION, "iso8601"), Number("1")),
    (Form(Kind.DURATION, "iso8601"), "P1Y"),
]


def named(value: object) -> str:
    return f"{type(value).__name__}-{value!s:.30}"


@pytest.mark.parametrize(("form", "value", "expected"), READ, ids=named)
def test_a_legacy_value_is_what_protojson_has(
    form: Form, value: JsonValue, expected: JsonValue
) -> None:
    read = canonical(form)
    assert read is not None
    found = read(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("form", "value"), REFUSED, ids=named)
def test_what_has_no_meaning_or_two_is_refused(form: Form, value: JsonValue) -> None:
    read = canonical(form)
    assert read is not None
    with pytest.raises(ValueError, match=r"expected|is not|not within|no number|finer"):
        read(value)


def test_a_number_of_any_length_is_left_to_the_rules_of_enums() -> None:
    read = canonical(CODES)
    assert read is not None
    long = Number("9" * 5000)
    assert read(long) is long


def test_bare_texts_are_values() -> None:
    assert from_text(Form(Kind.BOOL))("true") is True
    assert from_text(Form(Kind.BOOL))("1") == "1"
    assert from_text(Form(Kind.ENUM))("3") == Number("3")
    assert from_text(Form(Kind.STRING))("3") == "3"
    assert from_text(PAIR)("1") is True
