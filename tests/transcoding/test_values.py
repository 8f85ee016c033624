"""Bare text to values, kind by kind; the query vectors run the same parsers in test_query."""

import math
import struct
from typing import Any, Final

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.transcoding.values import text_parser
from tests.transcoding.request_schema import (
    LIBRARY,
    STRICT,
    codecs_of,
    field_of,
    message_type,
    pool_of,
    vector_pool,
)

STEADY: Final = settings(derandomize=True, deadline=None)
SHAPES = "testvectors.v1.QueryShapes"


def field(name: str) -> FieldDescriptor:
    return field_of(message_type(vector_pool("query_shapes.proto"), SHAPES), name)


def value(name: str, text: str) -> Any:
    parse = text_parser(field(name), codecs_of(vector_pool("query_shapes.proto")))
    assert parse is not None
    return parse(text)


def closed_value(text: str) -> Any:
    pool = pool_of(STRICT)
    closed = field_of(message_type(pool, "strict.v1.Request"), "closed")
    parse = text_parser(closed, codecs_of(pool))
    assert parse is not None
    return parse(text)


INTEGERS = {
    (32, True): ("num_int32", "num_sint32", "num_sfixed32", "box_int32"),
    (64, True): ("num_int64", "num_sint64", "num_sfixed64", "box_int64"),
    (32, False): ("num_uint32", "num_fixed32", "box_uint32"),
    (64, False): ("num_uint64", "num_fixed64", "box_uint64"),
}
KINDS = [(name, *kind) for kind, names in INTEGERS.items() for name in names]


def limits(bits: int, signed: bool) -> tuple[int, int]:
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


@pytest.mark.parametrize(("name", "bits", "signed"), KINDS)
def test_integers_reach_their_limits_and_no_further(name: str, bits: int, signed: bool) -> None:
    lowest, highest = limits(bits, signed)
    for number in (lowest, highest):
        parsed = value(name, str(number))
        assert getattr(parsed, "value", parsed) == number
    for number in (lowest - 1, highest + 1):
        with pytest.raises(ValueError, match=f"{bits}-bit integer"):
            value(name, str(number))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.0", 1),
        ("1e2", 100),
        ("1E+2", 100),
        ("10e-1", 1),
        ("-0", 0),
        ("0e999999999999999999", 0),
        ("0.0e5", 0),
        ("12.50e1", 125),
        ("1" + "0" * 5000 + "e-5000", 1),
        ("9007199254740993.0", 2**53 + 1),
        ("9.223372036854775807e18", 2**63 - 1),
    ],
)
def test_integers_in_the_forms_of_json_are_exact(text: str, number: int) -> None:
    assert value("num_int64", text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "+1", "1.", ".5", "1.5", "1e", "1e-1", "0x1", "1_0", "01", "-01", "--1"),
        *("١", "1\n", "NaN", "1e999999999", "1e-999999999", "1e99999999999999999999", "1" * 5000),
    ],
)
def test_what_is_no_64_bit_integer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64-bit integer"):
        value("num_int64", text)


@STEADY
@given(st.integers(-(2**63), 2**63 - 1))
def test_every_64_bit_integer_is_read_back(number: int) -> None:
    assert value("num_int64", str(number)) == number


@STEADY
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_read_back(number: float) -> None:
    assert value("num_double", repr(number)) == number


@STEADY
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_every_float_is_read_back(number: float) -> None:
    assert value("num_float", repr(number)) == number


def test_floats_are_rounded_once_to_single_precision() -> None:
    assert value("num_float", "0.1") == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    with pytest.raises(ValueError, match="is out of the range of a float"):
        value("num_float", "3.5e38")
    with pytest.raises(ValueError, match="is out of the range of a double"):
        value("num_double", "1e400")


def test_numbers_that_are_not_finite_have_json_s_names() -> None:
    assert math.isnan(value("num_double", "NaN"))
    assert value("num_float", "-Infinity") == -math.inf
    for text in ("nan", "inf", "+Infinity", "1_0", "1e", "", "١"):
        with pytest.raises(ValueError, match="expected a number"):
            value("num_double", text)


def test_negative_zero_keeps_its_sign() -> None:
    assert math.copysign(1, value("num_double", "-0")) == -1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("YQ", b"a"),
        ("YQ==", b"a"),
        ("YWI=", b"ab"),
        ("YWI", b"ab"),
        ("-_-_", b"\xfb\xff\xbf"),
        ("+/+/", b"\xfb\xff\xbf"),
    ],
)
def test_base64_of_both_alphabets_padded_or_not(text: str, expected: bytes) -> None:
    assert value("blob", text) == expected


@pytest.mark.parametrize("text", ["Y", "YQ=", "Y===", "=", "====", "Y Q=", "YQ==YQ==", "é", "Y\n"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected base64"):
        value("blob", text)


def test_enums_by_name_and_number() -> None:
    assert value("flavor", "SOUR") == value("flavor", "2") == 2
    assert value("flavor", "-1") == -1
    assert value("flavor", "99") == 99
    for text in ("sour", "", "2147483648", "1.0", "007"):
        with pytest.raises(ValueError, match=r"Flavor|32-bit"):
            value("flavor", text)


def test_a_closed_enum_has_no_numbers_but_its_own() -> None:
    assert closed_value("1") == 1
    with pytest.raises(ValueError, match=r"is not a value of .*Closed"):
        closed_value("2")


def test_null_value_is_null() -> None:
    pool = pool_of(LIBRARY)
    null = field_of(message_type(pool, "google.protobuf.Value"), "null_value")
    parse = text_parser(null, codecs_of(pool))
    assert parse is not None
    assert parse("null") == parse("NULL_VALUE") == parse("0") == 0
    with pytest.raises(ValueError, match="expected null"):
        parse("1")


def test_a_string_is_taken_as_it_is_but_for_nul() -> None:
    assert value("text", '"a"\n') == '"a"\n'
    with pytest.raises(ValueError, match="NUL"):
        value("text", "a\0")
    with pytest.raises(ValueError, match="NUL"):
        value("box_text", "\0")


def test_wrappers_hold_what_the_scalar_would() -> None:
    assert value("box_float", "0.1").value == value("num_float", "0.1")
    assert value("box_blob", "YQ").value == b"a"
    with pytest.raises(ValueError, match="expected true or false"):
        value("box_flag", "1")


def test_time_and_duration_text_is_protojson_without_quotes() -> None:
    moment = value("moment", "1970-01-01T00:00:01.5Z")
    assert (moment.seconds, moment.nanos) == (1, 500_000_000)
    assert value("wait", "-1.5s").nanos == -500_000_000
    for name, text in (("moment", '"'), ("wait", "1s\\"), ("moment", "\0"), ("wait", "")):
        with pytest.raises(ValueError, match="expected a"):
            value(name, text)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", []),
        ("fooBar,a.bC", ["foo_bar", "a.b_c"]),
        ("foo_bar,a.bC", ["foo_bar", "a.b_c"]),
        ("line_2", ["line_2"]),
        ("*", ["*"]),
    ],
)
def test_masks_take_camel_and_proto_names(text: str, paths: list[str]) -> None:
    assert list(value("mask", text).paths) == paths


@pytest.mark.parametrize("text", ["a, b_c", "a, b", "a,,b", "a_b,", ","])
def test_a_mask_has_neither_spaces_nor_empty_paths(text: str) -> None:
    with pytest.raises(ValueError, match="mask"):
        value("mask", text)


def test_struct_value_and_list_are_json_text() -> None:
    assert value("bag", '{"a": [1]}')["a"][0] == 1
    assert value("anything", "null").WhichOneof("kind") == "null_value"
    assert len(value("row", "[1, 2]")) == 2
    for name, text in (("bag", "[]"), ("row", "{}"), ("anything", "{"), ("anything", "")):
        with pytest.raises(ValueError, match="is not its JSON: "):
            value(name, text)


@pytest.mark.parametrize("name", ["leaf", "parcel", "leaves"])
def test_ordinary_messages_and_any_have_no_text(name: str) -> None:
    assert text_parser(field(name), codecs_of(vector_pool("query_shapes.proto"))) is None
