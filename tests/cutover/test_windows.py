"""Windows of the week: their text, and the moments inside."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.windows import DAYS, Window

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = "Mon-Thu 09:00-16:00 Europe/Berlin"


def berlin(day: int, hour: int, minute: int = 0, *, month: int = 11, fold: int = 0) -> datetime:
    """A wall-clock time in Berlin, of 2026; the 23rd of November is a Monday."""
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (berlin(23, 9), True),  # it opens with its first minute
        (berlin(23, 8, 59), False),
        (berlin(23, 15, 59), True),
        (berlin(23, 16), False),  # and is closed with its last
        (berlin(26, 12), True),  # Thursday
        (berlin(27, 12), False),  # Friday
        (berlin(22, 12), False),  # Sunday
        (datetime(2026, 11, 23, 8, 30, tzinfo=UTC), True),  # 09:30 in Berlin
        (datetime(2026, 11, 24, 0, 30, tzinfo=timezone(timedelta(hours=14))), True),  # Mon 11:30
    ],
)
def test_a_window_is_read_on_its_own_wall_clock(moment: datetime, is_open: bool):
    assert Window.parse(OFFICE).is_open(moment) is is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (berlin(27, 22), True),  # Friday evening
        (berlin(28, 5, 59), True),  # the rest of it, on Saturday
        (berlin(28, 6), False),
        (berlin(27, 5), False),  # Friday morning is Thursday's, which is not in it
        (berlin(28, 22), False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_opens(moment: datetime, is_open: bool):
    assert Window.parse("Fri 22:00-06:00 Europe/Berlin").is_open(moment) is is_open


def test_an_hour_that_daylight_saving_skips_is_in_no_window():
    window = Window.parse("Sun 02:00-03:00 Europe/Berlin")
    night = datetime(2026, 3, 28, 22, tzinfo=UTC)
    assert not any(window.is_open(night + timedelta(minutes=each)) for each in range(8 * 60))


def test_a_window_into_the_skipped_hour_ends_where_the_clock_jumps():
    window = Window.parse("Sun 01:30-02:30 Europe/Berlin")
    before, after = datetime(2026, 3, 29, 0, 59, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert (window.is_open(before), window.is_open(after)) == (True, False)


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_is_repeated_is_in_its_window_both_times(fold: int):
    window = Window.parse("Sun 02:00-03:00 Europe/Berlin")
    assert window.is_open(berlin(25, 2, 30, month=10, fold=fold))


def test_a_repeated_hour_makes_the_window_an_hour_longer():
    window = Window.parse("Sun 02:00-03:00 Europe/Berlin")
    night = datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert sum(window.is_open(night + timedelta(minutes=each)) for each in range(8 * 60)) == 120


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("Mon", {0}),
        ("Mon-Thu", {0, 1, 2, 3}),
        ("Mon,Wed", {0, 2}),
        ("Fri-Mon", {4, 5, 6, 0}),  # over the weekend
        ("Sun-Sat", {0, 1, 2, 3, 4, 5, 6}),
        ("Tue-Tue", {1}),
        ("Mon-Tue,Tue,Sat-Sun", {0, 1, 5, 6}),
    ],
)
def test_days_may_be_listed_ranged_and_wrapped(days: str, expected: set[int]):
    assert Window.parse(f"{days} 09:00-10:00 UTC").days == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not days, times and a zone"),
        ("Mon 09:00-16:00", "not days, times and a zone"),
        ("Mon 09:00 - 16:00 UTC", "not days, times and a zone"),
        ("mon 09:00-16:00 UTC", "'mon' is not a day: Mon, Tue"),
        ("Mon- 09:00-16:00 UTC", "'' is not a day"),
        ("Mon,,Tue 09:00-16:00 UTC", "'' is not a day"),
        ("Mon-Tue-Wed 09:00-16:00 UTC", "'Tue-Wed' is not a day"),
        ("Mon 09:00 UTC", "'09:00' is not two times"),
        ("Mon 9:00-16:00 UTC", "'9:00' is not a time such as 09:00"),
        ("Mon 09:00-16.00 UTC", "'16.00' is not a time"),
        ("Mon 09:60-16:00 UTC", "'09:60' is no time of a day"),
        ("Mon 09:00-24:01 UTC", "'24:01' is no time of a day"),
        ("Mon 24:00-06:00 UTC", "cannot open at 24:00"),
        ("Mon 09:00-09:00 UTC", "has no length"),
        ("Mon 09:00-16:00 Europe/Berln", "'Europe/Berln' is not a time zone"),
        ("Mon 09:00-16:00 Europe", "'Europe' is not a time zone"),  # a folder of zones
        ("Mon 09:00-16:00 ../../etc/passwd", "is not a time zone"),
        ("Mon 09:00-16:00 /etc/localtime", "is not a time zone"),
        ("Mon 09:00-16:00 \udcff", "is not a time zone"),
        ("Mon 09:00-16:00 \0", "is not a time zone"),
    ],
)
def test_a_text_that_is_no_window_is_told_what_is_wrong(text: str, message: str):
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        Window.parse(text)


def test_a_whole_day_ends_at_24_00():
    window = Window.parse("Mon 00:00-24:00 UTC")
    inside = [datetime(2026, 11, 22, 23, 59, tzinfo=UTC) + timedelta(minutes=m) for m in (0, 1)]
    assert [window.is_open(each) for each in inside] == [False, True]
    assert not window.is_open(datetime(2026, 11, 24, 0, 0, tzinfo=UTC))


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="without a zone"):
        Window.parse(OFFICE).is_open(datetime(2026, 11, 23, 12))  # noqa: DTZ001


windows = st.builds(
    lambda days, times, zone: Window(frozenset(days), *times, ZoneInfo(zone)),
    st.sets(st.integers(0, len(DAYS) - 1), min_size=1),
    st.lists(st.integers(0, 1439), min_size=2, max_size=2, unique=True),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kolkata"]),
)


@given(windows)
def test_the_text_of_a_window_is_read_back_as_itself(window: Window):
    assert Window.parse(str(window)) == window


@given(windows, st.integers(0, 7 * 1440 - 1))
def test_the_zone_of_the_moment_does_not_matter(window: Window, minute: int):
    moment = datetime(2026, 10, 19, tzinfo=UTC) + timedelta(minutes=minute)
    assert window.is_open(moment) is window.is_open(moment.astimezone(BERLIN))
