"""Times and spans of time as JSON has them in the wild, read for what they mean.

Belongs here: ISO 8601 and its looser relatives, HTTP dates, numbers since 1970, spans. Does not:
what follows when two of them are unequal (`comparison.notations`).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from proxy.comparison.numbers import number_text, scaled
from proxy.comparison.reading import Json

#: Longest text that is looked at, in characters.
LONGEST: Final = 64
SECOND_NS: Final = 1_000_000_000
#: Below it a number counts seconds, below a thousand times it milliseconds, and so on: as seconds
#: it is the year 5138, as milliseconds 1973.
SECONDS_BELOW: Final = 100_000_000_000

DAY_S: Final = 86_400

#: ISO 8601 and what is close to it: a day alone, a space for the T, no offset, the name of a zone
#: after it (Java's `[Europe/Berlin]`, Go's ` CET`).
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?"
    r"\s?(?:[Zz]|UTC|([+-])(\d\d):?(\d\d)?(?: [A-Z]{3,5})?)?(?:\[[\w/+-]{1,40}\])?)?",
    re.ASCII,
).fullmatch
#: RFC 9110 section 5.6.7, and mail's with an offset in digits (RFC 5322 section 3.3).
_HTTP_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|UTC?|[+-]\d{4})", re.ASCII
).fullmatch
#: What .NET wrote before it wrote ISO 8601: milliseconds since 1970, whatever the offset says.
_NET_DATE: Final = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/", re.ASCII).fullmatch
_ISO_SPAN: Final = re.compile(
    r"(-?)P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})(?:\.(\d{1,9}))?S)?)?",
    re.ASCII,
).fullmatch
_PLAIN_SPAN: Final = re.compile(
    r"(-?)()(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,12})(?:\.(\d{1,9}))?s)?", re.ASCII
).fullmatch
#: Hours, minutes and seconds, with days as .NET or Python writes them.
_COLON_SPAN: Final = re.compile(
    r"(-?)(?:(\d{1,9})(?:\.| days?, ))?(\d{1,9}):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII
).fullmatch


class Moment(NamedTuple):
    """An instant in nanoseconds since 1970, and what its last written digit counts, likewise."""

    at_ns: int
    unit_ns: int


def moment(value: Json) -> Moment | None:
    """An instant: from text, a number of some unit, or an object of seconds and nanos.

    Text is ISO 8601, where a missing offset is UTC, or an HTTP date. The unit of a number is the
    one that makes its date likely: see `SECONDS_BELOW`.

    >>> moment("2024-01-02T04:04:05+01:00") == moment(b"1704164645")
    True
    >>> moment(b"1704164645000") == moment("2024-01-02T03:04:05.000Z")
    True
    """
    if isinstance(value, str):
        return written_moment(value) or _epoch(value)
    if isinstance(value, dict):
        parts = _parts(value)
        return None if parts is None else Moment(parts, 1)
    return _epoch(value)


def written_moment(text: str) -> Moment | None:
    """An instant that is written as a date, with or without a time.

    >>> written_moment("2024-01-02") == written_moment("/Date(1704153600000)/")
    False
    >>> same_moment("2024-01-02", "/Date(1704153600000)/")
    True
    """
    if not 10 <= len(text) <= LONGEST:
        return None
    match = _MOMENT(text)
    if match is None:
        return _http_date(text) or _net_date(text)
    date, time, second, fraction, sign, hours, minutes = match.groups(default="")
    try:
        at = datetime.fromisoformat(f"{date}T{time or '00:00'}:{second or '00'}+00:00")
    except ValueError:
        return None
    offset_s = int(hours or 0) * 3600 + int(minutes or 0) * 60
    whole_s = _since_epoch_s(at) - (-offset_s if sign == "-" else offset_s)
    unit_ns = SECOND_NS // 10 ** len(fraction) if second else (60 if time else DAY_S) * SECOND_NS
    return Moment(whole_s * SECOND_NS + int(fraction.ljust(9, "0")), unit_ns)


def _http_date(text: str) -> Moment | None:
    if not _HTTP_DATE(text):
        return None
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    # An offset of -0000 says that there is none (RFC 5322).
    return Moment(_since_epoch_s(at.replace(tzinfo=at.tzinfo or UTC)) * SECOND_NS, SECOND_NS)


def _net_date(text: str) -> Moment | None:
    match = _NET_DATE(text)
    return Moment(int(match[1]) * 1_000_000, 1_000_000) if match else None


def _since_epoch_s(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def _epoch(value: Json) -> Moment | None:
    text = number_text(value)
    count = None if text is None else scaled(text)
    if text is None or count is None:
        return None
    unit = 1
    while abs(count) >= SECONDS_BELOW * SECOND_NS * unit and unit < SECOND_NS:
        unit *= 1000
    digits = len(text.partition(".")[2]) if text.lstrip("-").replace(".", "").isdecimal() else 9
    return Moment(count // unit, max(SECOND_NS // unit // 10**digits, 1))


def _parts(value: Mapping[str, Json]) -> int | None:
    """A Timestamp or Duration that is written as its message."""
    if not value or not value.keys() <= {"seconds", "nanos"}:
        return None
    seconds, nanos = (number_text(value.get(name, b"0")) for name in ("seconds", "nanos"))
    whole = None if seconds is None else scaled(seconds)
    rest = None if nanos is None else scaled(nanos)
    return None if whole is None or rest is None else whole + rest // SECOND_NS


def same_moment(first: Json, second: Json) -> bool:
    """Whether both are one instant, as far as the coarser of the two can say.

    >>> same_moment("2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05Z")
    True
    """
    return is_same_moment(moment(first), moment(second))


def is_same_moment(one: Moment | None, other: Moment | None) -> bool:
    """Whether both are there, and one instant as far as the coarser of the two can say."""
    if one is None or other is None:
        return False
    unit_ns = max(one.unit_ns, other.unit_ns)
    return one.at_ns // unit_ns == other.at_ns // unit_ns


def same_written_moment(first: Json, second: Json) -> bool:
    """Whether both are one instant and one of them is surely meant as a date and time."""
    written = any(isinstance(value, str) and written_moment(value) for value in (first, second))
    return written and same_moment(first, second)


def span(value: Json) -> int | None:
    """A span of time in nanoseconds: "1.5s", "PT1M", "1m30s", "0:01:30", a number, an object.

    A number counts seconds.

    >>> span("90s") == span("PT1M30S") == span("1m30s") == span("0:01:30") == span(b"90")
    True
    """
    if isinstance(value, dict):
        return _parts(value)
    if not isinstance(value, str):
        return scaled(value.decode()) if isinstance(value, bytes) else None
    if not 1 < len(value) <= LONGEST:
        return None
    match = _ISO_SPAN(value) or _PLAIN_SPAN(value) or _COLON_SPAN(value)
    if match is None or not any(match.groups()[1:]):
        return None
    sign, *parts, fraction = match.groups(default="")
    days, hours, minutes, seconds = (int(part or 0) for part in parts)
    total_s = days * DAY_S + hours * 3600 + minutes * 60 + seconds
    total_ns = total_s * SECOND_NS + int(fraction.ljust(9, "0"))
    return -total_ns if sign else total_ns


def same_span(first: Json, second: Json) -> bool:
    """Whether both are one span of time; numbers may count seconds or milliseconds.

    >>> same_span("90s", b"90000"), same_span("90s", "90.000s")
    (True, True)
    """
    one, other = span(first), span(second)
    if one is None or other is None:
        return False
    if isinstance(first, bytes) == isinstance(second, bytes):
        return one == other
    return one == other or (one if isinstance(first, bytes) else other) == 1000 * (
        other if isinstance(first, bytes) else one
    )
