"""Timestamp, Duration and FieldMask: their JSON text and their fields, both ways.

Belongs here: one exact function per type and direction, used by the fast and the strict path
alike. All raise `ValueError` with a message for people. Source: `google/protobuf/timestamp.proto`,
`duration.proto`, `field_mask.proto`, RFC 3339.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

from proxy.transcoding.protojson.faults import excerpt

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY: Final = EPOCH.toordinal()
DAY_S: Final = 86_400
#: 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z in seconds since the epoch.
FIRST_S: Final = -62_135_596_800
LAST_S: Final = 253_402_300_799
#: Longest duration: about 10,000 years; and how many digits keep below it whatever they are.
LONGEST_S: Final = 315_576_000_000
SAFE_DIGITS: Final = 11
SECOND_NS: Final = 1_000_000_000

#: Nanoseconds of the last digit of a fraction, by its number of digits; none has 0 or over 9.
NANOS: Final = {digits: 10 ** (9 - digits) for digits in range(1, 10)}
#: Dates that are kept as text and as number: a decade, in less than a megabyte.
DATES: Final = 4096
TWO_DIGITS: Final = tuple(f"{number:02d}" for number in range(60))
SECOND_S: Final = {text: second for second, text in enumerate(TWO_DIGITS)}
#: The minutes of a day as "HH:MM".
MINUTES: Final = tuple(f"{hour:02d}:{minute}" for hour in range(24) for minute in TWO_DIGITS)
MINUTE_S: Final = {text: 60 * minute for minute, text in enumerate(MINUTES)}

DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch
TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,9}))?"
    r"(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
).fullmatch
DURATION: Final = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII).fullmatch
CAPITAL: Final = re.compile(r"[A-Z]")
#: What a path must not hold if it is to come back from lowerCamelCase as it was.
ONE_WAY: Final = re.compile(r"[A-Z]|_(?![a-z])|,")
WORD_START: Final = re.compile(r"_([a-z])")


def timestamp(text: str) -> tuple[int, int]:
    """The seconds and nanoseconds of a Timestamp from its RFC 3339 text.

    >>> timestamp("1970-01-01T00:00:01.5Z")
    (1, 500000000)
    """
    try:
        return _plain_timestamp(text)
    except (ValueError, KeyError):
        pass  # the exact form below takes the rest, and says what is wrong
    match = TIMESTAMP(text)
    if match is None:
        raise ValueError(f"expected an RFC 3339 timestamp, not {excerpt(text)}")
    local, fraction, sign, hours, minutes = match.groups()
    seconds = _since_epoch_s(local) - _offset_s(sign, hours, minutes)
    if not FIRST_S <= seconds <= LAST_S:
        raise ValueError(f"the timestamp {excerpt(text)} is not within the years 0001 to 9999")
    return seconds, _nanos(fraction)


def _plain_timestamp(text: str) -> tuple[int, int]:
    """The common form: UTC as "Z". Raises `ValueError` or `KeyError` for any other."""
    seconds = day_start_s(text[:10]) + MINUTE_S[text[11:16]] + SECOND_S[text[17:19]]
    separators = text[10:20:3]
    if separators == "T::Z" and len(text) == 20:
        return seconds, 0
    fraction = text[20:-1]
    if separators != "T::." or text[-1] != "Z" or not (fraction.isascii() and fraction.isdecimal()):
        raise ValueError(text)
    return seconds, int(fraction) * NANOS[len(fraction)]


@lru_cache(maxsize=DATES)
def day_start_s(text: str) -> int:
    """When a day begins, in seconds since the epoch. Raises `ValueError` for a text that is none.

    >>> day_start_s("1970-01-02")
    86400
    """
    if not DATE(text):
        raise ValueError(text)
    return (date.fromisoformat(text).toordinal() - EPOCH_DAY) * DAY_S


def _since_epoch_s(local: str) -> int:
    try:
        since = datetime.fromisoformat(local + "+00:00") - EPOCH
    except ValueError:
        raise ValueError(f"there is no date and time {excerpt(local)}") from None
    return since.days * DAY_S + since.seconds


def _offset_s(sign: str | None, hours: str, minutes: str) -> int:
    if sign is None:
        return 0
    offset = int(hours) * 3600 + int(minutes) * 60
    return -offset if sign == "-" else offset


def _nanos(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0


def timestamp_text(seconds: int, nanos: int) -> str:
    """A Timestamp's text, in UTC with 0, 3, 6 or 9 digits of fraction.

    >>> timestamp_text(1, 500_000_000)
    '1970-01-01T00:00:01.500Z'
    """
    day, second = divmod(seconds, DAY_S)
    if not nanos:
        return f"{date_text(day)}T{MINUTES[second // 60]}:{TWO_DIGITS[second % 60]}Z"
    if not 0 < nanos < SECOND_NS:
        raise ValueError("a Timestamp is out of range")
    time = f"{MINUTES[second // 60]}:{TWO_DIGITS[second % 60]}"
    return f"{date_text(day)}T{time}{_fraction(nanos)}Z"


@lru_cache(maxsize=DATES)
def date_text(day: int) -> str:
    """The date of a day, counted from 1970-01-01. Raises `ValueError` outside years 1 to 9999.

    >>> date_text(-1)
    '1969-12-31'
    """
    if not FIRST_S <= day * DAY_S <= LAST_S:
        raise ValueError("a Timestamp is out of range")
    return date.fromordinal(day + EPOCH_DAY).isoformat()


def duration(text: str) -> tuple[int, int]:
    """The seconds and nanoseconds of a Duration from its text.

    >>> duration("-1.5s")
    (-1, -500000000)
    """
    digits = text[:-1]
    if len(digits) <= SAFE_DIGITS and digits.isdecimal() and digits.isascii() and text[-1] == "s":
        return int(digits), 0
    match = DURATION(text)
    if match is None:
        raise ValueError(f'expected a duration such as "1.5s", not {excerpt(text)}')
    sign, whole, fraction = match.groups()
    seconds, nanos = int(whole), _nanos(fraction)
    if seconds > LONGEST_S:
        raise ValueError(f"the duration {excerpt(text)} is longer than {LONGEST_S} seconds")
    return (-seconds, -nanos) if sign else (seconds, nanos)


def duration_text(seconds: int, nanos: int) -> str:
    """A Duration's text.

    >>> duration_text(0, -500_000_000)
    '-0.500s'
    """
    if not nanos and -LONGEST_S <= seconds <= LONGEST_S:
        return f"{seconds}s"
    if not -LONGEST_S <= seconds <= LONGEST_S or not -SECOND_NS < nanos < SECOND_NS:
        raise ValueError("a Duration is out of range")
    if seconds * nanos < 0:
        raise ValueError("the seconds and nanos of a Duration have different signs")
    sign = "-" if nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos))}s"


def _fraction(nanos: int) -> str:
    """The fraction with its point, in 3, 6 or 9 digits."""
    if not nanos % 1_000_000:
        return f".{nanos // 1_000_000:03d}"
    return f".{nanos:09d}" if nanos % 1000 else f".{nanos // 1000:06d}"


def mask_paths(text: str) -> list[str]:
    """The paths of a FieldMask from its text.

    >>> mask_paths("zone.ttlSeconds,name")
    ['zone.ttl_seconds', 'name']
    """
    if not text:
        return []
    paths = text.split(",")
    if "_" in text or not all(paths):
        raise ValueError(
            f"expected the field mask's paths in lowerCamelCase with commas, not {excerpt(text)}"
        )
    return [CAPITAL.sub(lambda match: "_" + match.group().lower(), path) for path in paths]


def mask_text(paths: Iterable[str]) -> str:
    """A FieldMask's text. Raises for a path that would not read back as it was."""
    return ",".join(map(_camel_path, paths))


def _camel_path(path: str) -> str:
    if ONE_WAY.search(path):
        raise ValueError(f"the field mask path {excerpt(path)} has no JSON form")
    return WORD_START.sub(lambda match: match.group(1).upper(), path)
