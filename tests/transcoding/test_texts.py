"""Texts of values that ProtoJSON does not know: what is read, what is refused, and as what."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.transcoding.protojson.kinds import Kind
from proxy.transcoding.protojson.scalars import floating, integer
from proxy.transcoding.texts import (
    BOOLS,
    BoolTexts,
    bool_reader,
    float_reader,
    go_nanoseconds,
    integer_reader,
)

steady = settings(derandomize=True, deadline=None)


@pytest.mark.parametrize(
    ("form", "true", "false", "refused"),
    [
        ("strict", "true", "false", "True 1 t TRUE yes"),
        ("python", "true True", "false False", "TRUE 1 t 0"),
        ("go", "1 t T true TRUE True", "0 f F false FALSE False", "tRue yes y on 2 00"),
        ("lenient", "1 t T y YES Yes true tRuE", "0 f N no NO false", "on off 2 01 truee"),
    ],
)
def test_truth_values(form: BoolTexts, true: str, false: str, refused: str) -> None:
    read = bool_reader(form)
    assert {read(text) for text in true.split()} == {True}
    assert {read(text) for text in false.split()} == {False}
    for text in [*refused.split(), "", " true", "\uff11"]:
        with pytest.raises(ValueError, match="expected true or false, not"):
            read(text)


def test_wider_truth_values_say_what_narrower_ones_do() -> None:
    for words in BOOLS.values():
        assert BOOLS["strict"].items() <= words.items()


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("+5", 5), ("-5", -5), ("007", 7), ("-0", 0), ("0" * 5000, 0)]
)
def test_decimal_integers(text: str, value: int) -> None:
    assert integer_reader(Kind.INT32)(text) == value


@pytest.mark.parametrize(
    "text", ["", "+", "1.0", "1e2", "0x10", "1_000", " 5", "5 ", "\u0665", "--5", "NaN", "9" * 5000]
)
def test_texts_that_are_no_decimal_integers(text: str) -> None:
    with pytest.raises(ValueError, match="a 32-bit integer"):
        integer_reader(Kind.INT32)(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(Kind.INT32, "2147483648"), (Kind.UINT32, "-1"), (Kind.UINT64, "+18446744073709551616")],
)
def test_integers_out_of_range(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match="out of the range"):
        integer_reader(kind)(text)


@steady
@given(st.integers(-(2**70), 2**70))
def test_a_plain_integer_is_the_same_in_each_form(number: int) -> None:
    assert outcome(integer_reader(Kind.INT64), str(number)) == outcome(
        lambda text: integer(Kind.INT64, text), str(number)
    )


def outcome(read: Any, text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".5", 0.5),
        ("5.", 5.0),
        ("+1.5e3", 1500.0),
        ("-.5", -0.5),
        ("00.5", 0.5),
        ("0.", 0.0),
        ("1e308", 1e308),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
    ],
)
def test_decimal_floats(text: str, value: float) -> None:
    for form in ("decimal", "c"):
        assert float_reader(Kind.DOUBLE, form)(text) == value


@pytest.mark.parametrize(
    "text", ["", ".", "+", "e5", ".e5", "1_0", "0x", "inf", "nan", "1e", "\u0665", "1 ", "abc"]
)
def test_texts_that_are_no_floats(text: str) -> None:
    for form in ("decimal", "c"):
        with pytest.raises(ValueError, match="expected a number"):
            float_reader(Kind.DOUBLE, form)(text)


def test_hexadecimal_floats_are_for_c_alone() -> None:
    read = float_reader(Kind.DOUBLE, "c")
    assert [read(text) for text in ("0x1p-2", "0X.8", "-0x10")] == [0.25, 0.5, -16.0]
    with pytest.raises(ValueError, match="expected a number"):
        float_reader(Kind.DOUBLE, "decimal")("0x1p-2")
    with pytest.raises(ValueError, match="out of the range"):
        read("0x1p99999")
    with pytest.raises(ValueError, match="expected a number"):
        read("0x..")


def test_the_sign_of_zero_counts() -> None:
    assert math.copysign(1, float_reader(Kind.DOUBLE, "decimal")("-.0")) == -1


@pytest.mark.parametrize("text", ["1e309", "-1e309", ".1e400", "9" * 400])
def test_floats_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="out of the range"):
        float_reader(Kind.DOUBLE, "decimal")(text)


@steady
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_json_writes_is_the_same_in_each_form(number: float) -> None:
    text = repr(number)
    for form in ("decimal", "c"):
        assert float_reader(Kind.DOUBLE, form)(text) == floating(Kind.DOUBLE, text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("1h2m3s", 3723 * 10**9),
        ("1.5h", 5400 * 10**9),
        ("-300ms", -300 * 10**6),
        ("+.5s", 5 * 10**8),
        ("1.s", 10**9),
        ("1us1\u00b5s1\u03bcs1ns", 3001),
        ("0.9ns", 0),
        ("2562047h47m16.854775807s", 2**63 - 1),
    ],
)
def test_durations_of_go(text: str, nanoseconds: int) -> None:
    assert go_nanoseconds(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    ["", "1", "s", ".s", "1 s", "1h 2m", "1d", "--1s", "2562047h47m16.854775808s", "1s" * 60],
)
def test_texts_that_are_no_durations_of_go(text: str) -> None:
    assert go_nanoseconds(text) is None
