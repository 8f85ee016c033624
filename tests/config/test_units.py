"""Durations and sizes."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from proxy.config.units import (
    DURATION,
    SIZE,
    Quantity,
    duration_text,
    parse_duration,
    parse_size,
    size_text,
)

DURATIONS = [("15s", 15.0), ("250ms", 0.25), ("1m", 60.0), ("2h", 7200.0), ("0s", 0.0)]
SIZES = [("0B", 0), ("100B", 100), ("1KiB", 1024), ("64KiB", 65536), ("4MiB", 4 << 20)]


@pytest.mark.parametrize(("text", "seconds"), [*DURATIONS, ("1.5s", 1.5), ("0.5h", 1800.0)])
def test_duration_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "count"), [*SIZES, ("2GiB", 2 << 30), ("1024B", 1024)])
def test_size_in_bytes(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_duration_text_is_the_one_to_write(text: str, seconds: float) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(("text", "count"), SIZES)
def test_size_text_is_the_one_to_write(text: str, count: int) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    "text", ["", "15", "s", "1 s", "-1s", "1m30s", "1w", "1S", "1us", ".5s", "1e3s", "١s", "1s\n"]
)
def test_bad_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "1", "KiB", "1 KiB", "1KB", "1k", "1kib", "1.5KiB", "-1B", "1TiB", "1B\n"]
)
def test_bad_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


TIMEOUT = Quantity(DURATION, "10ms", "1h")
THRESHOLD = Quantity(SIZE, "1B", "1KiB", can_be_off=True)


def test_ends_of_the_range_are_in_it() -> None:
    assert [TIMEOUT.validate(text) for text in ("10ms", "1h")] == [0.01, 3600.0]


@pytest.mark.parametrize("text", ["9ms", "3601s"])
def test_out_of_range_is_refused_and_not_clamped(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="must be from 10ms to 1h"):
        TIMEOUT.validate(text)


@pytest.mark.parametrize("value", [15, 1.5, True, "15", ["15s"], "off"])
def test_value_without_a_unit_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError, match=r"with its unit, such as 15s, 250ms or 1m$"):
        TIMEOUT.validate(value)


def test_off_is_none_where_it_is_allowed() -> None:
    assert THRESHOLD.validate("off") is None
    assert THRESHOLD.text(None) == "off"
    with pytest.raises(PydanticCustomError, match=r"or off$"):
        THRESHOLD.validate("never")


def test_editors_get_a_pattern_for_the_text() -> None:
    adapter: TypeAdapter[object] = TypeAdapter(Annotated[int, THRESHOLD])
    schema = adapter.json_schema()
    assert schema == {"type": "string", "pattern": "^(?:([0-9]{1,12})(B|KiB|MiB|GiB)|off)$"}
    assert adapter.validate_python("512B") == 512
    with pytest.raises(ValidationError):
        adapter.validate_python(512)
