"""Numbers and texts for timestamps and durations, both ways.

Belongs here: epochs, numbers of seconds, ISO 8601 durations, and which words name a form. Does not:
patterns (`forms_patterns`), ProtoJSON's own texts (`transcoding.protojson.moments`). All raise
`ValueError` with a message for people.

A number with a fraction is read from its text, which is exact; a float is not.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Final

import orjson

from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.protojson.moments import FIRST_S, LAST_S, LONGEST_S, SECOND_NS

#: Nanoseconds of one unit of an epoch.
EPOCH_NS: Final = {
    "epoch_s": SECOND_NS,
    "epoch_ms": 1_000_000,
    "epoch_us": 1000,
    "epoch_ns": 1,
}
#: The words for texts, and their patterns.
PATTERNS: Final = {
    "rfc3339_s": "%FT%T%K",
    "rfc3339_ms": "%FT%T.%3f%K",
    "rfc3339_us": "%FT%T.%6f%K",
    "rfc3339_ns": "%FT%T.%9f%K",
    "rfc1123": "%a, %d %b %Y %T GMT",
}
#: All words for timestamps.
WORDS: Final = ("rfc3339", *PATTERNS, *EPOCH_NS)
#: Nanoseconds of the numbers for durations.
DURATION_NS: Final = {"seconds": SECOND_NS, "milliseconds": 1_000_000}
#: A number of nanoseconds below has at most 15 digits: the nearest float reads back as it was.
EXACT_NS: Final = 10**15
_INT64_BOUND: Final = 1 << 63
#: Longest number: all of its digits are exact in a Decimal, and more than any value here has.
MOST_DIGITS: Final = 27

_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,2})?", re.ASCII).fullmatch
_ISO_DURATION: Final = re.compile(
    r"(-?)P(?=[\dT])(?:(\d{1,9})D)?"
    r"(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,10})M)?(?:(\d{1,12})(?:\.(\d{1,9}))?S)?)?",
    re.ASCII,
).fullmatch


def epoch_number(style: str, seconds: int, nanos: int) -> int | orjson.Fragment:
    """A timestamp as whole units since the epoch; digits where these are more than 64 bits hold.

    >>> epoch_number("epoch_ms", -1, 500_000_000)
    -500
    """
    if not FIRST_S <= seconds <= LAST_S or not 0 <= nanos < SECOND_NS:
        raise ValueError("a Timestamp is out of range")
    units = (seconds * SECOND_NS + nanos) // EPOCH_NS[style]
    return units if -_INT64_BOUND <= units < _INT64_BOUND else orjson.Fragment(str(units))


def read_epoch(style: str, text: str) -> tuple[int, int]:
    """The seconds and nanoseconds of a number of units since the epoch, from its digits.

    >>> read_epoch("epoch_ms", "-500"), read_epoch("epoch_s", "1.5")
    ((-1, 500000000), (1, 500000000))
    """
    seconds, nanos = divmod(_nanoseconds(text, EPOCH_NS[style]), SECOND_NS)
    if not FIRST_S <= seconds <= LAST_S:
        raise ValueError(f"the time {excerpt(text)} is not within the years 0001 to 9999")
    return seconds, nanos


def duration_number(style: str, seconds: int, nanos: int) -> int | float | orjson.Fragment:
    """A duration as a number of units, exact: whole, a float, or digits that no float has.

    >>> duration_number("seconds", 3600, 0), duration_number("milliseconds", 0, 1_500_000)
    (3600, 1.5)
    """
    _check_duration(seconds, nanos)
    nanoseconds, unit_ns = seconds * SECOND_NS + nanos, DURATION_NS[style]
    whole, rest = divmod(nanoseconds, unit_ns)
    if not rest:
        return whole
    if -EXACT_NS < nanoseconds < EXACT_NS:
        return nanoseconds / unit_ns
    return orjson.Fragment(str(Decimal(nanoseconds) / unit_ns))


def read_duration(style: str, text: str) -> tuple[int, int]:
    """The seconds and nanoseconds of a duration from the digits of its number."""
    return _signed(_nanoseconds(text, DURATION_NS[style]), text)


def iso_duration(seconds: int, nanos: int) -> str:
    """A duration in ISO 8601, in hours, minutes and seconds.

    >>> iso_duration(3600, 0), iso_duration(-61, -500_000_000), iso_duration(0, 0)
    ('PT1H', '-PT1M1.5S', 'PT0S')
    """
    _check_duration(seconds, nanos)
    minutes, second = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{abs(nanos):09d}".rstrip("0") if nanos else ""
    parts = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes)
    if second or fraction or not parts:
        parts += f"{second}{fraction}S"
    return f"{'-' if seconds < 0 or nanos < 0 else ''}PT{parts}"


def read_iso_duration(text: str) -> tuple[int, int]:
    """The seconds and nanoseconds of an ISO 8601 duration of days, hours, minutes and seconds.

    Years, months and weeks are refused: the first two have no length.

    >>> read_iso_duration("P1DT2H"), read_iso_duration("-PT0.5S")
    ((93600, 0), (0, -500000000))
    """
    found = _ISO_DURATION(text)
    if found is None:
        raise ValueError(f"expected a duration such as PT1H30M, not {excerpt(text)}")
    sign, *parts, fraction = found.groups()
    days, hours, minutes, seconds = (int(part or 0) for part in parts)
    whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    nanoseconds = whole * SECOND_NS + int((fraction or "").ljust(9, "0"))
    return _signed(-nanoseconds if sign else nanoseconds, text)


def _nanoseconds(text: str, unit_ns: int) -> int:
    if len(text) > MOST_DIGITS or not _NUMBER(text):
        raise ValueError(f"expected a number, not {excerpt(text)}")
    # An exponent of two digits leaves room in the precision that Decimal has.
    exact = Decimal(text) * unit_ns
    if exact != exact.to_integral_value():
        raise ValueError(f"{excerpt(text)} is finer than a nanosecond")
    return int(exact)


def _signed(nanoseconds: int, text: str) -> tuple[int, int]:
    seconds, nanos = divmod(abs(nanoseconds), SECOND_NS)
    if seconds > LONGEST_S:
        raise ValueError(f"the duration {excerpt(text)} is longer than {LONGEST_S} seconds")
    return (-seconds, -nanos) if nanoseconds < 0 else (seconds, nanos)


def _check_duration(seconds: int, nanos: int) -> None:
    if not -LONGEST_S <= seconds <= LONGEST_S or not -SECOND_NS < nanos < SECOND_NS:
        raise ValueError("a Duration is out of range")
    if seconds * nanos < 0:
        raise ValueError("the seconds and nanos of a Duration have different signs")


#: What writes the seconds and nanos of a timestamp or duration, by style.
NUMBER_PRINTERS: Final[dict[str, Callable[[int, int], int | float | str | orjson.Fragment]]] = {
    **{style: partial(epoch_number, style) for style in EPOCH_NS},
    **{style: partial(duration_number, style) for style in DURATION_NS},
    "iso8601": iso_duration,
}
#: What reads them from the digits of a number or from a text.
NUMBER_READERS: Final[dict[str, Callable[[str], tuple[int, int]]]] = {
    **{style: partial(read_epoch, style) for style in EPOCH_NS},
    **{style: partial(read_duration, style) for style in DURATION_NS},
    "iso8601": read_iso_duration,
}
