"""The times of the week in which a ramp may take a step by itself.

Belongs here: the text of a window, and whether a moment is inside. Does not: what happens there
(`ramp`), what time it is (an argument).

A window is read on the wall clock of its zone, so it follows the people who watch: an hour that
daylight saving skips is in no window, and one that it repeats is in its window twice. The rules
of the zones are data of the system or of the distribution `tzdata`, read when a window is parsed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from zoneinfo import ZoneInfo

#: In the order of `datetime.weekday`.
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_WEEK: Final = len(DAYS)
_MINUTES_PER_HOUR: Final = 60
_MINUTES_PER_DAY: Final = 24 * _MINUTES_PER_HOUR
_TIME: Final = re.compile(r"([0-9]{2}):([0-9]{2})")
_EXAMPLE: Final = "Mon-Thu 09:00-16:00 Europe/Berlin"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of chosen days: from *opens* to before *closes*, in minutes of the day.

    A window that closes no later than it opens crosses midnight and belongs to the day on which
    it opens: `Fri 22:00-06:00` is open on Saturday at five. *days* are 0 (Monday) to 6.
    """

    days: frozenset[int]
    opens: int
    closes: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<days> <from>-<to> <zone>`. Raises ValueError, which says what is wrong with it.

        Days are `Mon`, `Mon-Thu`, `Fri-Mon` (over the weekend) and several of them with commas;
        times are of 24 hours, with 24:00 for the end of a day; the zone is an IANA name.

        >>> str(Window.parse("Mon,Wed-Thu 09:00-16:30 Europe/Berlin"))
        'Mon,Wed,Thu 09:00-16:30 Europe/Berlin'
        >>> Window.parse("Mon-Fri 9:00-16:00 UTC")
        Traceback (most recent call last):
        ValueError: '9:00' is not a time such as 09:00
        """
        parts = text.split()
        if len(parts) != 3:
            raise ValueError(f"not days, times and a zone, such as {_EXAMPLE}")
        days, times, zone = parts
        opens, closes = _times(times)
        return cls(frozenset(_days(days)), opens, closes, _zone(zone))

    def is_open(self, at: datetime) -> bool:
        """Whether the moment *at* is inside. Raises ValueError for a time without a zone.

        >>> from datetime import UTC
        >>> Window.parse("Sat 22:00-02:00 UTC").is_open(datetime(2026, 11, 22, 1, 59, tzinfo=UTC))
        True
        """
        if at.tzinfo is None:
            raise ValueError("a time without a zone is in no window")
        local = at.astimezone(self.zone)
        minute = local.hour * _MINUTES_PER_HOUR + local.minute
        today, yesterday = local.weekday(), (local.weekday() - 1) % _WEEK
        if self.opens < self.closes:
            return today in self.days and self.opens <= minute < self.closes
        return (today in self.days and minute >= self.opens) or (
            yesterday in self.days and minute < self.closes
        )

    def __str__(self) -> str:
        days = ",".join(DAYS[day] for day in sorted(self.days))
        return f"{days} {_clock_text(self.opens)}-{_clock_text(self.closes)} {self.zone.key}"


def _clock_text(minute: int) -> str:
    return f"{minute // _MINUTES_PER_HOUR:02}:{minute % _MINUTES_PER_HOUR:02}"


def _days(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _day(first)
        end = _day(last) if dash else begin
        yield from ((begin + offset) % _WEEK for offset in range((end - begin) % _WEEK + 1))


def _day(name: str) -> int:
    if name not in DAYS:
        raise ValueError(f"{name!r} is not a day: {', '.join(DAYS)}")
    return DAYS.index(name)


def _times(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"{text!r} is not two times such as 09:00-16:00")
    opens, closes = _minute(first), _minute(last)
    if opens == _MINUTES_PER_DAY:
        raise ValueError("a window cannot open at 24:00: say 00:00, of the next day")
    if opens == closes:
        raise ValueError(f"{text!r} has no length; a whole day is 00:00-24:00")
    return opens, closes


def _minute(text: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 09:00")
    hour, minute = int(match[1]), int(match[2])
    moment = hour * _MINUTES_PER_HOUR + minute
    if minute >= _MINUTES_PER_HOUR or moment > _MINUTES_PER_DAY:
        raise ValueError(f"{text!r} is no time of a day: 00:00 to 24:00")
    return moment


def _zone(name: str) -> ZoneInfo:
    # OSError is what zoneinfo raises for a name that is a folder of zones, such as `Europe`;
    # KeyError is the base of its own error for a name that is nowhere.
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin or UTC") from None
