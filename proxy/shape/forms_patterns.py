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
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.protojson.moments import (
    DAY_S,
    EPOCH,
    FIRST_S,
    LAST_S,
    MINUTES,
    SECOND_NS,
    TWO_DIGITS,
    date_text,
)

#: From when on all time zones change at whole minutes: Liberia did not in 1972.
SETTLED_S: Final = 94_694_400
#: Offsets of a time zone that are kept, by the minute; and formats that are.
OFFSETS: Final = 4096
FORMATS: Final = 256

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHORT_MONTHS: Final = tuple(name[:3] for name in MONTHS)
SHORT_DAYS: Final = tuple(name[:3] for name in DAYS)

_DIRECTIVE: Final = re.compile(r"%(-?[a-zA-Z]|[369]f|:z|%)?")
_SHORTHANDS: Final = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S"}


class _Part(NamedTuple):
    """One directive: what it says, Python for its text, the pattern that reads it.

    In the Python, d is the date as ISO 8601 has it, t the time `HH:MM`, s the second of the day, n
    the nanoseconds, day counts from 1970-01-01, o is the offset in seconds.
    """

    says: str
    python: str
    expression: str


_PARTS: Final[dict[str, _Part]] = {
    "Y": _Part("year", "d[:4]", r"\d{4}"),
    "m": _Part("month", "d[5:7]", r"\d\d"),
    "-m": _Part("month", "str(int(d[5:7]))", r"\d\d?"),
    "b": _Part("month_name", "SHORT_MONTHS[int(d[5:7]) - 1]", "|".join(SHORT_MONTHS)),
    "B": _Part("month_name", "MONTHS[int(d[5:7]) - 1]", "|".join(MONTHS)),
    "d": _Part("day", "d[8:]", r"\d\d"),
    "-d": _Part("day", "str(int(d[8:]))", r"\d\d?"),
    "a": _Part("weekday", "SHORT_DAYS[(day + 3) % 7]", "|".join(SHORT_DAYS)),
    "A": _Part("weekday", "DAYS[(day + 3) % 7]", "|".join(DAYS)),
    "H": _Part("hour", "t[:2]", r"\d\d"),
    "-H": _Part("hour", "str(s // 3600)", r"\d\d?"),
    "I": _Part("hour12", "TWO_DIGITS[(s // 3600 + 11) % 12 + 1]", r"\d\d"),
    "-I": _Part("hour12", "str((s // 3600 + 11) % 12 + 1)", r"\d\d?"),
    "p": _Part("half", "('AM' if s < 43200 else 'PM')", "AM|PM"),
    "M": _Part("minute", "t[3:]", r"\d\d"),
    "S": _Part("second", "TWO_DIGITS[s % 60]", r"\d\d"),
    "f": _Part("fraction", "f'{n // 1000:06d}'", r"\d{6}"),
    "3f": _Part("fraction", "f'{n // 1000000:03d}'", r"\d{3}"),
    "6f": _Part("fraction", "f'{n // 1000:06d}'", r"\d{6}"),
    "9f": _Part("fraction", "f'{n:09d}'", r"\d{9}"),
    "z": _Part("offset", "offset_text(o, '')", r"[+-]\d{4}"),
    ":z": _Part("offset", "offset_text(o, ':')", r"[+-]\d\d:\d\d"),
    "K": _Part("offset", "(offset_text(o, ':') if o else 'Z')", r"Z|[+-]\d\d:\d\d"),
}
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


def offset_text(offset_s: int, colon: str) -> str:
    """An offset from UTC. Raises `ValueError` for one with seconds, as before time zones.

    >>> offset_text(-12_600, ":")
    '-03:30'
    """
    minutes, seconds = divmod(abs(offset_s), 60)
    if seconds:
        raise ValueError("a Timestamp has an offset of seconds in its time zone")
    sign = "-" if offset_s < 0 else "+"
    return f"{sign}{minutes // 60:02d}{colon}{minutes % 60:02d}"


_NAMES: Final = {
    "DAYS": DAYS,
    "MONTHS": MONTHS,
    "SHORT_DAYS": SHORT_DAYS,
    "SHORT_MONTHS": SHORT_MONTHS,
    "TWO_DIGITS": TWO_DIGITS,
    "offset_text": offset_text,
}


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
        pieces = tuple(_pieces(pattern))
        self._parts = tuple(piece for piece in pieces if isinstance(piece, _Part))
        _check(pattern, self._parts)
        self._digits = max((n for name, n in _DIGITS.items() if f"%{name}" in pattern), default=0)
        self._offset_s = _no_offset if self._zone is None else _offsets(self._zone)
        joined = " + ".join(p.python if isinstance(p, _Part) else repr(p) for p in pieces)
        self._text: Callable[[str, str, int, int, int, int], str] = eval(  # noqa: S307  a table's
            f"lambda d, t, s, n, day, o: {joined}", dict(_NAMES)
        )
        self._match = re.compile(_expression(pieces), re.ASCII).fullmatch

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

    def text(self, seconds: int, nanos: int) -> str:
        """The text of a moment since the epoch. Raises `ValueError` outside years 1 to 9999."""
        if not 0 <= nanos < SECOND_NS:
            raise ValueError("a Timestamp is out of range")
        offset = self._offset_s(seconds)
        day, second = divmod(seconds + offset, DAY_S)
        return self._text(date_text(day), MINUTES[second // 60], second, nanos, day, offset)

    def read(self, text: str) -> tuple[int, int]:
        """The seconds since the epoch and the nanoseconds that a text says."""
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
        local = datetime(*date, *time, tzinfo=_zone_said(said) or self._zone or UTC)
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


def _no_offset(_seconds: int) -> int:
    return 0


def _offsets(zone: ZoneInfo) -> Callable[[int], int]:
    """What gives the offset of a zone at a moment, in seconds."""

    def offset_s(seconds: int) -> int:
        moment = (EPOCH + timedelta(seconds=seconds)).astimezone(zone)
        return int((moment.utcoffset() or timedelta()).total_seconds())

    by_minute = lru_cache(maxsize=OFFSETS)(lambda minute: offset_s(minute * 60))

    def offset_of(seconds: int) -> int:
        if not FIRST_S <= seconds <= LAST_S:
            raise ValueError("a Timestamp is out of range")
        try:
            return offset_s(seconds) if seconds < SETTLED_S else by_minute(seconds // 60)
        except OverflowError:
            raise ValueError("a Timestamp is out of range in its time zone") from None

    return offset_of


def _pieces(pattern: str) -> Iterator[str | _Part]:
    """The literal texts and the parts of a pattern."""
    for short, meaning in _SHORTHANDS.items():
        pattern = re.sub(rf"(?<!%)((?:%%)*){short}", rf"\g<1>{meaning}", pattern)
    end = 0
    for found in _DIRECTIVE.finditer(pattern):
        if found.start() > end:
            yield pattern[end : found.start()]
        end = found.end()
        if found[1] == "%":
            yield "%"
        elif found[1] not in _PARTS:
            raise ValueError(f"{pattern[found.start() : end + 1]} is no directive of {pattern}")
        else:
            yield _PARTS[found[1]]
    if pattern[end:]:
        yield pattern[end:]


def _check(pattern: str, parts: tuple[_Part, ...]) -> None:
    says = [part.says for part in parts]
    twice = next((each for each in says if says.count(each) > 1), None)
    if twice is not None:
        raise ValueError(f"{pattern} says the {twice} twice")
    if not parts:
        raise ValueError(f"{pattern} says nothing of a time")
    for one, other in (("hour", "hour12"), ("month", "month_name")):
        if one in says and other in says:
            raise ValueError(f"{pattern} says the {one} twice")


def _expression(pieces: tuple[str | _Part, ...]) -> str:
    return "".join(
        f"(?P<{piece.says}>{piece.expression})" if isinstance(piece, _Part) else re.escape(piece)
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


def _zone_said(said: dict[str, str]) -> timezone | None:
    """The offset that a text says."""
    text = said.get("offset")
    if text is None:
        return None
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
