"""Timestamp, Duration and FieldMask: their JSON text and their fields, both ways.

Belongs here: one exact function per type and direction, used by the fast and the strict path
alike. All raise `ValueError` with a message for people. Source: `google/protobuf/timestamp.proto`,
`duration.proto`, `field_mask.proto`, RFC 3339.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from proxy.transcoding.protojson.faults import excerpt

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY_S: Final = 86_400
#: 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z in seconds since the epoch.
FIRST_S: Final = -62_135_596_800
LAST_S: Final = 253_402_300_799
#: Longest duration: about 10,000 years.
LONGEST_S: Final = 315_576_000_000
SECOND_NS: Final = 1_000_000_000

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


def timestamp_fields(text: str) -> dict[str, int]:
    """The fields of a Timestamp from its RFC 3339 text.

    >>> timestamp_fields("1970-01-01T00:00:01.5Z")
    {'seconds': 1, 'nanos': 500000000}
    """
    # The common form first. The slice pins every separator, so `fromisoformat`, which takes
    # many more forms, sees only this one; Python 3.13 and later also take hour 24.
    if len(text) == 20 and text[4::3] == "--T::Z" and text[11:13] != "24":
        try:
            return {"seconds": int(datetime.fromisoformat(text).timestamp())}
        except ValueError:
            pass  # the exact form below says what is wrong
    match = TIMESTAMP(text)
    if match is None:
        raise ValueError(f"expected an RFC 3339 timestamp, not {excerpt(text)}")
    local, fraction, sign, hours, minutes = match.groups()
    seconds = _since_epoch_s(local) - _offset_s(sign, hours, minutes)
    if not FIRST_S <= seconds <= LAST_S:
        raise ValueError(f"the timestamp {excerpt(text)} is not within the years 0001 to 9999")
    return {"seconds": seconds, "nanos": _nanos(fraction)}


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


def timestamp_json(seconds: int, nanos: int) -> datetime | str:
    """A Timestamp as orjson is to write it: a `datetime` when the seconds are whole, else text."""
    if not FIRST_S <= seconds <= LAST_S or not 0 <= nanos < SECOND_NS:
        raise ValueError("a Timestamp is out of range")
    moment = EPOCH + timedelta(seconds=seconds)
    return f"{moment.isoformat()[:19]}{_fraction(nanos)}Z" if nanos else moment


def duration_fields(text: str) -> dict[str, int]:
    """The fields of a Duration from its text.

    >>> duration_fields("-1.5s")
    {'seconds': -1, 'nanos': -500000000}
    """
    match = DURATION(text)
    if match is None:
        raise ValueError(f'expected a duration such as "1.5s", not {excerpt(text)}')
    sign, whole, fraction = match.groups()
    seconds, nanos = int(whole), _nanos(fraction)
    if seconds > LONGEST_S:
        raise ValueError(f"the duration {excerpt(text)} is longer than {LONGEST_S} seconds")
    if sign:
        seconds, nanos = -seconds, -nanos
    return {"seconds": seconds, "nanos": nanos} if nanos else {"seconds": seconds}


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
    digits = f"{nanos:09d}"
    if digits.endswith("000000"):
        return f".{digits[:3]}"
    return f".{digits[:6]}" if digits.endswith("000") else f".{digits}"


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
