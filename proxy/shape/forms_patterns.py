"""Patterns of timestamps: text with directives, compiled once, exact both ways.

Belongs here: patterns and their time zones. Does not: ProtoJSON's own texts
(`transcoding.protojson.moments`), numbers (`forms_times`). The time zone database is read when a
format is made, never per value.

A directive is `%` and a letter for a part: `%Y` `%m` `%d` `%H` `%M` `%S`, `%I` and `%p` (twelve
hours, AM or PM), `%b` `%B` `%a` `%A` (names in English), `%f` (six digits of the fraction; `%3f`,
`%6f`, `%9f` that many), `%z` (`+0100`), `%:z` (`+01:00`), `%K` (`Z` for UTC, else `+01:00`), `%-d`
`%-m` `%-H` `%-I` (no zero in front), `%F` and `%T` (date and time of ISO 8601), `%%`.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from proxy.shape.pattern_source import (
    SHORT_DAYS,
    SHORT_MONTHS,
    Part,
    Pieces,
    offset_s,
    pieces_of,
    quick_reader_of,
    writer_of,
)
from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.protojson.moments import DAY_S, EPOCH, FIRST_S, LAST_S

#: Days of a time zone whose offset is kept; and formats that are.
DAYS_KEPT: Final = 4096
FORMATS: Final = 256

#: What a moment is made of, and what can say it.
_NEEDED: Final[dict[str, frozenset[str]]] = {
    "the year": frozenset({"year"}),
    "the month": frozenset({"month", "month_name"}),
    "the day": frozenset({"day"}),
    "the hour": frozenset({"hour", "hour12"}),
    "the minute": frozenset({"minute"}),
    "the second": frozenset({"second"}),
}
#: Digits of the fraction that a directive writes.
_DIGITS: Final = {"f": 6, "3f": 3, "6f": 6, "9f": 9}


class MomentFormat:
    """One pattern in one time zone. Raises `ValueError` for a bad one, with what is wrong.

    >>> day = MomentFormat("%-d %b %Y %T", "UTC")
    >>> day.text(0, 0), day.read("1 Jan 1970 00:00:00")
    ('1 Jan 1970 00:00:00', (0, 0))
    """

    def __init__(self, pattern: str, zone: str) -> None:
        self.pattern = pattern
        self.zone = zone
        self._zone = zone_of(zone)
        pieces: Pieces = tuple(pieces_of(pattern))
        self._parts = tuple(piece for piece in pieces if isinstance(piece, Part))
        _check(pattern, self._parts)
        self._digits = max((n for name, n in _DIGITS.items() if f"%{name}" in pattern), default=0)
        self._match = re.compile(_expression(pieces), re.ASCII).fullmatch
        self._read = quick_reader_of(pieces, is_utc=self._zone is None)
        #: The text of a moment: seconds since the epoch, and nanoseconds. Raises `ValueError`
        #: outside of the years 1 to 9999.
        self.text = writer_of(pieces, None if self._zone is None else _offsets(self._zone))

    def __repr__(self) -> str:
        return f"<MomentFormat {self.pattern!r} in {self.zone}>"

    @property
    def losses(self) -> tuple[str, ...]:
        """What a text of this pattern does not say of a moment."""
        says = {part.says for part in self._parts}
        lost = [name for name, sayers in _NEEDED.items() if not sayers & says]
        if "hour" not in says and "half" not in says and "hour12" in says:
            lost.append("whether it is before noon")
        if self._digits < max(_DIGITS.values()):
            lost.append("nanoseconds")
        if self._zone is not None and "offset" not in says:
            lost.append("which of two hours it is when clocks are put back")
        return tuple(lost)

    def read(self, text: str) -> tuple[int, int]:
        """The seconds since the epoch and the nanoseconds that a text says."""
        if self._read is not None:
            try:
                return self._read(text)
            except (ValueError, KeyError):
                pass  # the slow way takes the rest, and says what is wrong
        return self._read_slowly(text)

    def _read_slowly(self, text: str) -> tuple[int, int]:
        found = self._match(text)
        if found is None:
            raise ValueError(f"expected a time as {self.pattern}, not {excerpt(text)}")
        said = found.groupdict()
        try:
            seconds = self._seconds(said)
        except (ValueError, OverflowError):
            raise ValueError(f"there is no time {excerpt(text)} in {self.zone}") from None
        if not FIRST_S <= seconds <= LAST_S:
            raise ValueError(f"the time {excerpt(text)} is not within the years 0001 to 9999")
        return seconds, int(said.get("fraction", "0").ljust(9, "0"))

    def _seconds(self, said: dict[str, str]) -> int:
        date = (int(said.get("year", "1970")), _month(said), int(said.get("day", "1")))
        time = (_hour(said), int(said.get("minute", "0")), int(said.get("second", "0")))
        local = datetime(*date, *time, tzinfo=_zone_said(said.get("offset")) or self._zone or UTC)
        if not _is_weekday(said.get("weekday"), local):
            raise ValueError(local)
        if local.astimezone(UTC).astimezone(local.tzinfo).replace(fold=0) != local:
            raise ValueError(local)  # an hour that clocks jumped over
        since = local - EPOCH
        return since.days * DAY_S + since.seconds


@lru_cache(maxsize=FORMATS)
def moment_format(pattern: str, zone: str) -> MomentFormat:
    """The format of a pattern in a time zone, made once. Raises `ValueError` for a bad one."""
    return MomentFormat(pattern, zone)


def zone_of(name: str) -> ZoneInfo | None:
    """A time zone by its name, None for UTC. Raises `ValueError` for one that is not known."""
    if name == "UTC":
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # some names are folders of the database
        raise ValueError(f"there is no time zone {name}") from None


def _offsets(zone: ZoneInfo) -> Callable[[int], int]:
    """What gives the offset of a zone at a moment, in seconds."""

    def exact_s(seconds: int) -> int:
        moment = (EPOCH + timedelta(seconds=seconds)).astimezone(zone)
        return int((moment.utcoffset() or timedelta()).total_seconds())

    @lru_cache(maxsize=DAYS_KEPT)
    def whole_day_s(day: int) -> int | None:
        """The offset of a day at whose ends it is the same: no zone changes it twice in a day."""
        first, last = exact_s(day * DAY_S), exact_s(day * DAY_S + DAY_S - 1)
        return first if first == last else None

    def at(seconds: int) -> int:
        if not FIRST_S <= seconds <= LAST_S:
            raise ValueError("a Timestamp is out of range")
        try:
            offset = whole_day_s(seconds // DAY_S)
            return exact_s(seconds) if offset is None else offset
        except OverflowError:
            raise ValueError("a Timestamp is out of range in its time zone") from None

    return at


def _check(pattern: str, parts: tuple[Part, ...]) -> None:
    says = [part.says for part in parts]
    twice = next((each for each in says if says.count(each) > 1), None)
    if twice is not None:
        raise ValueError(f"{pattern} says the {twice} twice")
    if not parts:
        raise ValueError(f"{pattern} says nothing of a time")
    for one, other in (("hour", "hour12"), ("month", "month_name")):
        if one in says and other in says:
            raise ValueError(f"{pattern} says the {one} twice")


def _expression(pieces: Pieces) -> str:
    return "".join(
        f"(?P<{piece.says}>{piece.expression})" if isinstance(piece, Part) else re.escape(piece)
        for piece in pieces
    )


def _month(said: dict[str, str]) -> int:
    name = said.get("month_name")
    return int(said.get("month", "1")) if name is None else SHORT_MONTHS.index(name[:3]) + 1


def _hour(said: dict[str, str]) -> int:
    if "hour12" not in said:
        return int(said.get("hour", "0"))
    hour = int(said["hour12"])
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if said.get("half") == "PM" else 0)


def _is_weekday(name: str | None, local: datetime) -> bool:
    return name is None or SHORT_DAYS[local.weekday()] == name[:3]


def _zone_said(text: str | None) -> timezone | None:
    """The offset that a text says, if it says one."""
    return None if text is None else timezone(timedelta(seconds=offset_s(text)))
