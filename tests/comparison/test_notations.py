"""Scalars read for what they mean: numbers, times, spans, enums, default values."""

from typing import Any

import pytest

from proxy.comparison.kinds import Kind
from proxy.comparison.notations import classify, is_default, json_type, meaning
from proxy.comparison.numbers import double, number, scaled, single
from proxy.comparison.reading import Ambiguous, read
from proxy.comparison.schema import Form, Plans, Type
from proxy.comparison.times import SECOND_NS, moment, same_moment, same_span, span
from tests.comparison.messages import field

INSTANT = 1704164645 * SECOND_NS


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("2024-01-02T03:04:05Z", 0),
        ("2024-01-02t03:04:05z", 0),
        ("2024-01-02 03:04:05 UTC", 0),
        ("2024-01-02T03:04:05", 0),
        ("2024-01-02T03:04:05,25Z", 250_000_000),
        ("2024-01-02T03:04:05.1234567891Z", 123_456_789),
        ("2024-01-02T08:34:05+05:30", 0),
        ("2024-01-01T19:04:05-0800", 0),
        ("2024-01-02T04:04:05+01", 0),
        ("2024-01-02T03:04Z", -5 * SECOND_NS),
        ("Tue, 02 Jan 2024 03:04:05 GMT", 0),
        ("1704164645", 0),
        ("1704164645.5", 500_000_000),
        (b"1704164645000", 0),
        (b"1704164645000001", 1000),
        (b"1704164645000000007", 7),
        (b"1.704164645e9", 0),
        ({"seconds": "1704164645", "nanos": b"5"}, 5),
        ({"seconds": b"1704164645"}, 0),
        ("Tue, 2 Jan 2024 03:04:05 -0000", 0),
        ("Tue, 02 Jan 2024 02:04:05 -0100", 0),
        ("2024-01-02 04:04:05.5 +0100 CET", 500_000_000),
        ("2024-01-02T03:04:05Z[Etc/GMT+1]", 0),
        ("/Date(1704164645123)/", 123_000_000),
    ],
)
def test_a_time_is_read_however_it_is_written(text: Any, nanos: int) -> None:
    at = moment(text)
    assert at is not None
    assert at.at_ns == INSTANT + nanos


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "2024-01",
            "2024-01-02T",
            "2024-02-30",
            "2024-02-30T00:00:00Z",
            "2024-01-02T25:00:00Z",
            "noon",
        ),
        *("٢٠٢٤-01-02T03:04:05Z", "Tue, 99 Jan 2024 03:04:05 GMT", "1" * 50, "1e99999"),
        *({}, {"seconds": "x"}, {"seconds": b"1", "other": b"1"}, [], None, True),
        "2024-01-02T03:04:05" + "0" * 60,
    ],
)
def test_what_is_no_time_is_not_read_as_one(value: Any) -> None:
    assert moment(value) is None


def test_times_are_the_same_as_far_as_the_coarser_one_can_say() -> None:
    assert same_moment("2024-01-02T03:04:05.999Z", b"1704164645")
    assert same_moment(b"1704164645.9", "2024-01-02T03:04:05.987Z")
    assert not same_moment(b"1704164645.9", "2024-01-02T03:04:05.887Z")
    assert same_moment("2024-01-02T03:04Z", "2024-01-02T03:04:59Z")
    assert not same_moment("2024-01-02T03:04:05.001Z", "2024-01-02T03:04:05.002Z")
    assert not same_moment("noon", "noon")


@pytest.mark.parametrize(
    "text",
    ["90s", "90.000s", "1m30s", "PT1M30S", "PT90S", b"90", b"9e1", {"seconds": b"90"}],
)
def test_a_span_is_read_however_it_is_written(text: Any) -> None:
    assert span(text) == 90 * SECOND_NS


@pytest.mark.parametrize("text", ["", "s", "P", "PT", "90", "1d", "-s", "9" * 80 + "s", None, []])
def test_what_is_no_span_is_not_read_as_one(text: Any) -> None:
    assert span(text) is None


def test_spans_may_be_negative_and_numbers_may_count_milliseconds() -> None:
    assert span("-1.5s") == -span("1.5s")  # type: ignore[operator]
    assert span("P1DT2H") == 26 * 3600 * SECOND_NS
    assert same_span(b"90000", "90s")
    assert same_span("90s", b"90000")
    assert not same_span(b"90000", b"90")
    assert not same_span("90000s", "90s")
    assert not same_span("soon", "90s")


def test_numbers_are_equal_by_all_of_their_digits() -> None:
    assert number(b"100") == number(b"1e2") == number(b"1.00E+2") == number("10e1")
    assert number(b"0") == number(b"-0.000") == number(b"0e99")
    assert number(b"-1") != number(b"1")
    assert number(b"9007199254740993") != number(b"9007199254740992.0")
    assert number(b"1e9999999999") == "1e9999999999"
    assert number("1_0") is number(" 1") is number("") is number(None) is number("١") is None


def test_numbers_of_a_kind_are_equal_by_what_it_can_hold() -> None:
    assert double(b"9007199254740993") == double(b"9007199254740992")
    assert double(b"1e999") != double(b"2e999")
    assert double("NaN") == "NaN"
    assert double("nan") is None
    assert single(b"16777217") == single(b"16777216")
    assert single("Infinity") == "Infinity"
    assert single(b"1e300") == 1e300
    assert scaled("-1.5e1") == -15 * SECOND_NS
    assert scaled("0.0000000001") == 0
    assert scaled("1e30") == 10**39
    assert scaled("1e32") is scaled("x") is None


def type_of(name: str) -> Type:
    return Plans().field(field(name))


def test_defaults_are_those_of_the_kind() -> None:
    defaults = {
        "id": "",
        "number": "0",
        "count": b"0",
        "weight": b"-0.0",
        "paid": False,
        "signature": "",
        "color": "COLOR_UNSPECIFIED",
        "items": [],
        "labels": {},
    }
    for name, value in defaults.items():
        assert is_default(type_of(name), value), name
    for name in ("comment", "card", "limit", "customer", "createTime", "nothing"):
        if name != "createTime":
            assert not any(is_default(type_of(name), value) for value in defaults.values()), name
    assert not is_default(type_of("id"), b"0")
    assert is_default(type_of("paid"), b"0")
    assert not is_default(type_of("paid"), b"1")
    assert not is_default(type_of("count"), False)


def test_what_means_the_same_has_one_meaning() -> None:
    assert meaning(type_of("number"), "12") == meaning(type_of("number"), b"12.0") is not None
    assert meaning(type_of("color"), "red") == meaning(type_of("color"), b"1") is not None
    assert meaning(type_of("color"), "purple") == "purple"
    assert meaning(type_of("create_time"), b"1704164645") == meaning(
        type_of("create_time"), "2024-01-02T03:04:05.9Z"
    )
    for name, value in (
        ("id", ""),
        ("count", b"0"),
        ("paid", False),
        ("color", b"0"),
        ("id", None),
    ):
        assert meaning(type_of(name), value) is None
    assert meaning(type_of("comment"), "") == ""
    assert meaning(type_of("id"), ["a"]) == ("array",)
    assert meaning(type_of("id"), b"1") == b"1"


def test_an_enum_of_a_thousand_letters_is_not_looked_for() -> None:
    assert classify(type_of("color"), "x" * 1000, "COLOR_RED") == (Kind.VALUE,)


def test_a_value_of_another_type_that_cannot_be_read_differs_in_its_type() -> None:
    assert classify(type_of("number"), "many", b"12") == (Kind.TYPE,)
    assert classify(type_of("create_time"), "noon", b"1704164645") == (Kind.TYPE,)
    assert classify(type_of("paid"), "true", True) == (Kind.TYPE,)
    assert classify(Type(Form.OPEN), b"1", "2") == (Kind.TYPE,)


def test_values_of_a_key_that_was_given_twice_are_kept() -> None:
    value = read(b'{"a": 1, "a": 2, "b": [1, 1]}')
    assert isinstance(value, dict)
    assert value["a"] == Ambiguous([b"1", b"2"])
    assert value["a"] != Ambiguous([b"2", b"1"])
    assert value["a"] != [b"1", b"2"]
    assert repr(value["a"]) == "<Ambiguous of 2 values>"
    assert json_type(value["a"]) == "object"
