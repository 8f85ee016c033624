"""Numbers and ISO 8601 texts for times and durations, both ways."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shape.forms_times import (
    DURATION_NS,
    EPOCH_NS,
    NUMBER_PRINTERS,
    NUMBER_READERS,
    iso_duration,
    read_iso_duration,
)
from proxy.transcoding.protojson.moments import FIRST_S, LAST_S, LONGEST_S, SECOND_NS

NANOSECONDS = st.integers(-LONGEST_S * SECOND_NS, LONGEST_S * SECOND_NS)


def split(nanoseconds: int) -> tuple[int, int]:
    seconds, nanos = divmod(abs(nanoseconds), SECOND_NS)
    return (-seconds, -nanos) if nanoseconds < 0 else (seconds, nanos)


@given(st.integers(FIRST_S, LAST_S), st.integers(0, SECOND_NS - 1), st.sampled_from(list(EPOCH_NS)))
def test_an_epoch_reads_back_to_its_unit(seconds: int, nanos: int, style: str) -> None:
    number = NUMBER_PRINTERS[style](seconds, nanos)
    written = orjson.dumps(number).decode()
    assert NUMBER_READERS[style](written) == (seconds, nanos - nanos % EPOCH_NS[style])


@given(NANOSECONDS, st.sampled_from([*DURATION_NS, "iso8601"]))
def test_a_duration_reads_back_exactly(nanoseconds: int, style: str) -> None:
    value = NUMBER_PRINTERS[style](*split(nanoseconds))
    written = value if isinstance(value, str) else orjson.dumps(value).decode()
    assert NUMBER_READERS[style](written) == split(nanoseconds)


@given(NANOSECONDS)
def test_an_iso_duration_reads_back(nanoseconds: int) -> None:
    assert read_iso_duration(iso_duration(*split(nanoseconds))) == split(nanoseconds)


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("epoch_s", "1e99"),
        ("epoch_s", "1e100"),
        ("epoch_s", "1e-10"),
        ("epoch_s", ""),
        ("epoch_s", "0x1"),
        ("epoch_s", "１"),
        ("epoch_s", "01"),
        ("epoch_s", "1.0000000001"),
        ("epoch_s", str(LAST_S + 1)),
        ("epoch_ns", "0.5"),
        ("epoch_ms", "1." + "0" * 27 + "1"),
        ("seconds", str(LONGEST_S + 1)),
        ("milliseconds", "NaN"),
        ("iso8601", "P"),
        ("iso8601", "PT"),
        ("iso8601", "P1DT"),
        ("iso8601", "P1Y"),
        ("iso8601", "P1M"),
        ("iso8601", "P1W"),
        ("iso8601", "PT1S1H"),
        ("iso8601", "PT1.5H"),
        ("iso8601", "PT1.0000000001S"),
        ("iso8601", "PT999999999999S"),
        ("iso8601", "5s"),
    ],
)
def test_what_is_no_such_value_is_refused(style: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|longer|within|finer"):
        NUMBER_READERS[style](text)


@pytest.mark.parametrize("style", [*DURATION_NS, "iso8601"])
@pytest.mark.parametrize(
    ("seconds", "nanos"), [(LONGEST_S + 1, 0), (1, -1), (-1, 1), (0, SECOND_NS)]
)
def test_a_duration_out_of_range_has_no_form(style: str, seconds: int, nanos: int) -> None:
    with pytest.raises(ValueError, match="Duration"):
        NUMBER_PRINTERS[style](seconds, nanos)


@pytest.mark.parametrize(("seconds", "nanos"), [(FIRST_S - 1, 0), (LAST_S + 1, 0), (0, -1)])
def test_a_timestamp_out_of_range_has_no_form(seconds: int, nanos: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        NUMBER_PRINTERS["epoch_ms"](seconds, nanos)
