"""Patterns of timestamps: both ways, exact, and what they lose."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shape.forms_patterns import moment_format
from proxy.transcoding.protojson.moments import FIRST_S, LAST_S

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Africa/Monrovia")
#: Patterns that say all of a moment but its fraction, beside an offset.
PATTERNS = (
    "%Y-%m-%d %H:%M:%S",
    "%d/%b/%Y:%T",
    "%a, %d %b %Y %T GMT",
    "%A, %B %-d, %Y, %-I:%M:%S %p",
    "%Y%m%dT%H%M%S",
    "%-m/%-d/%Y %-H:%M:%S",
    "%%%F%%T%T",
    "%I:%M:%S %p on %d.%m.%Y",
)
OFFSETS = ("%z", "%:z", "%K")
FRACTIONS = {"%9f": 1, "%6f": 1000, "%f": 1000, "%3f": 1_000_000}
#: Within a day of the ends a zone has moments that are no date.
SECONDS = st.integers(FIRST_S + 86_400, LAST_S - 86_400)
MODERN = st.integers(0, 4_102_444_800)


@given(SECONDS, st.sampled_from(PATTERNS))
def test_a_text_in_utc_reads_back(seconds: int, pattern: str) -> None:
    chosen = moment_format(pattern, "UTC")
    assert chosen.read(chosen.text(seconds, 0)) == (seconds, 0)


@given(MODERN, st.sampled_from(PATTERNS), st.sampled_from(OFFSETS), st.sampled_from(ZONES))
def test_a_text_with_its_offset_reads_back(
    seconds: int, pattern: str, offset: str, zone: str
) -> None:
    chosen = moment_format(f"{pattern} {offset}", zone)
    if zone == "Africa/Monrovia" and seconds < 63_593_070:
        with pytest.raises(ValueError, match="offset of seconds"):
            chosen.text(seconds, 0)
    else:
        assert chosen.read(chosen.text(seconds, 0)) == (seconds, 0)


@given(MODERN, st.integers(0, 999_999_999), st.sampled_from(list(FRACTIONS)))
def test_a_fraction_is_cut_and_not_rounded(seconds: int, nanos: int, fraction: str) -> None:
    chosen = moment_format(f"%F %T.{fraction}", "UTC")
    kept = nanos - nanos % FRACTIONS[fraction]
    assert chosen.read(chosen.text(seconds, nanos)) == (seconds, kept)


@given(SECONDS, st.sampled_from(ZONES))
def test_a_text_says_what_the_time_zone_says(seconds: int, zone: str) -> None:
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    there = local.astimezone(ZoneInfo(zone))
    assert moment_format("%F %T", zone).text(seconds, 0) == there.isoformat(" ")[:19]


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30 00:00:00",
        "2024-02-29 24:00:00",
        "2024-02-29 00:60:00",
        "2024-02-29 00:00:60",
        "2024-02-29 00:00:00 ",
        " 2024-02-29 00:00:00",
        "2024-02-29 00:00",
        "2024-2-29 00:00:00",
        "२०२४-02-29 00:00:00",
        "2024-02-29 00:00:0\u0660",
        "0000-01-01 00:00:00",
        "2024-02-29T00:00:00",
        "",
    ],
)
def test_what_is_no_such_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        moment_format("%Y-%m-%d %H:%M:%S", "UTC").read(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%a %F %T", "Mon 2024-02-29 00:00:00"),
        ("%F %T%z", "2024-02-29 00:00:00+-300"),
        ("%F %T%z", "2024-02-29 00:00:00+2400"),
        ("%F %T%:z", "2024-02-29 00:00:00+01:60"),
        ("%F %T%K", "2024-02-29 00:00:00z"),
        ("%F %T%:z", "0001-01-01 00:00:00+01:00"),
        ("%F %I:%M:%S %p", "2024-02-29 00:00:00 AM"),
        ("%F %I:%M:%S %p", "2024-02-29 13:00:00 PM"),
        ("%F %T.%3f", "2024-02-29 00:00:00.1 3"),
        ("%F %T.%3f", "2024-02-29 00:00:00.-13"),
        ("%d %b %Y %T", "29 feb 2024 00:00:00"),
    ],
)
def test_what_contradicts_itself_or_the_pattern_is_refused(pattern: str, text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        moment_format(pattern, "UTC").read(text)


def test_an_hour_that_clocks_jumped_over_is_refused() -> None:
    chosen = moment_format("%F %T", "Europe/Berlin")
    assert chosen.read("2024-03-31 03:00:00") == (1_711_846_800, 0)
    with pytest.raises(ValueError, match=r"no time .* in Europe/Berlin"):
        chosen.read("2024-03-31 02:30:00")


def test_of_an_hour_that_there_is_twice_the_first_is_read() -> None:
    chosen = moment_format("%F %T", "Europe/Berlin")
    assert chosen.read("2024-10-27 02:30:00") == (1_729_989_000, 0)
    assert chosen.text(1_729_989_000 + 3600, 0) == "2024-10-27 02:30:00"


def test_an_offset_that_is_said_counts_more_than_the_time_zone() -> None:
    chosen = moment_format("%F %T%K", "Europe/Berlin")
    assert chosen.read("1970-01-01 00:00:00Z") == chosen.read("1970-01-01 02:00:00+02:00") == (0, 0)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("%Q", "%Q is no directive"),
        ("%Y %", "% is no directive"),
        ("%H %I", "says the hour twice"),
        ("%m %b", "says the month twice"),
        ("%Y %F", "says the year twice"),
        ("plain", "says nothing"),
        ("%%Y", "says nothing"),
    ],
)
def test_a_bad_pattern_says_what_is_wrong(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        moment_format(pattern, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "Europe", ""])
def test_a_time_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        moment_format("%F %T", zone)


@pytest.mark.parametrize(
    ("pattern", "zone", "lost"),
    [
        ("%FT%T.%9f%K", "Europe/Berlin", ()),
        ("%FT%T.%9f", "UTC", ()),
        ("%FT%T.%9f", "Europe/Berlin", ("which of two hours it is when clocks are put back",)),
        ("%FT%T", "UTC", ("nanoseconds",)),
        ("%FT%I:%M:%S.%9f", "UTC", ("whether it is before noon",)),
        ("%d.%m.", "UTC", ("the year", "the hour", "the minute", "the second", "nanoseconds")),
    ],
)
def test_a_pattern_knows_what_it_loses(pattern: str, zone: str, lost: tuple[str, ...]) -> None:
    assert moment_format(pattern, zone).losses == lost


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize(
    ("seconds", "nanos"), [(FIRST_S - 1, 0), (LAST_S + 1, 0), (0, -1), (0, 10**9), (2**62, 0)]
)
def test_a_moment_out_of_range_has_no_text(zone: str, seconds: int, nanos: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        moment_format("%F %T", zone).text(seconds, nanos)


@pytest.mark.parametrize(
    ("zone", "seconds"), [("America/St_Johns", FIRST_S), ("Asia/Kathmandu", LAST_S)]
)
def test_a_moment_whose_day_is_out_of_range_in_its_zone_has_no_text(
    zone: str, seconds: int
) -> None:
    with pytest.raises(ValueError, match="out of range"):
        moment_format("%F %T", zone).text(seconds, 0)


def test_a_day_on_which_clocks_change_has_two_offsets() -> None:
    chosen = moment_format("%F %T%:z", "Europe/Berlin")
    assert chosen.text(1_711_846_799, 0) == "2024-03-31 01:59:59+01:00"
    assert chosen.text(1_711_846_800, 0) == "2024-03-31 03:00:00+02:00"
    assert repr(chosen) == "<MomentFormat '%F %T%:z' in Europe/Berlin>"
