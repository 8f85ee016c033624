"""When two unequal values agree by a rule's check.

Belongs here: one function per check of scalars. Does not: where a rule holds
(`comparison.rules`), lists (`comparison.lists`).
"""

import re
from collections.abc import Callable
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from proxy.comparison.notations import blob
from proxy.comparison.numbers import number, number_text
from proxy.comparison.patterns import LONGEST_MATCHED, check_pattern
from proxy.comparison.reading import Json
from proxy.comparison.rules import (
    Check,
    Format,
    Ignore,
    Number,
    OneOf,
    Precision,
    Present,
    Timestamp,
)
from proxy.comparison.times import SECOND_NS, Moment, moment

#: Without traps: a number that is too large becomes infinite, and is near to nothing.
_EXACT_ENOUGH: Final = Context(prec=50, traps=[])
#: Longest numbers that are compared with a tolerance, in characters.
LONGEST_NUMBER: Final = 400

UNITS_NS: Final[dict[Precision | None, int]] = {
    "s": SECOND_NS,
    "ms": 1_000_000,
    "us": 1000,
    "ns": 1,
    None: 1,
}

_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
).fullmatch


def agrees(
    check: Check, first: Json, second: Json, read: Callable[[Json], Moment | None] = moment
) -> bool:
    """Whether a check takes two unequal values for equal; null stands for absence too.

    *read* is for instants.

    >>> agrees(Number(abs=0.1), b"1.0", b"1.05"), agrees(Number(abs=0.1), b"1.0", "1.05")
    (True, False)
    """
    if isinstance(check, Timestamp):
        return _timestamp(check, first, second, read)
    test = CHECKS.get(type(check))
    return test is not None and test(check, first, second)


def _number(check: Number, first: Json, second: Json) -> bool:
    texts = number_text(first), number_text(second)
    if type(first) is not type(second) or None in texts:
        return False
    if max(len(text or "") for text in texts) > LONGEST_NUMBER:
        return False
    one, other = (_EXACT_ENOUGH.create_decimal(text or "") for text in texts)
    context = _EXACT_ENOUGH
    apart = context.abs(context.subtract(one, other))
    if not apart.is_finite():
        return False
    larger = context.max(context.abs(one), context.abs(other))
    near = context.multiply(Decimal(str(check.rel)), larger)
    return bool(apart <= Decimal(str(check.abs)) or (near.is_finite() and apart <= near))


def _timestamp(
    check: Timestamp, first: Json, second: Json, read: Callable[[Json], Moment | None]
) -> bool:
    one, other = read(first), read(second)
    if type(first) is not type(second) or one is None or other is None:
        return False
    unit_ns = UNITS_NS[check.precision]
    apart_ns = abs(one.at_ns // unit_ns - other.at_ns // unit_ns) * unit_ns
    return apart_ns <= check.tolerance_s * SECOND_NS


def _format(check: Format, first: Json, second: Json) -> bool:
    if check.name == "regex":
        fits: Callable[[str], object] = _pattern(check.regex)
    else:
        fits = FORMATS[check.name]
    return all(isinstance(value, str) and bool(fits(value)) for value in (first, second))


@lru_cache(maxsize=1024)
def _pattern(regex: str) -> Callable[[str], object]:
    match = check_pattern(regex).fullmatch
    return lambda text: len(text) <= LONGEST_MATCHED and match(text) is not None


def is_uuid(text: str) -> bool:
    """A UUID in the form of RFC 9562, in either case."""
    try:
        return len(text) == 36 and str(UUID(text)) == text.lower()
    except ValueError:
        return False


def is_rfc3339(text: str) -> bool:
    """A date and time as RFC 3339 has it, with an offset."""
    return _RFC3339(text) is not None and moment(text) is not None


def is_base64(text: str) -> bool:
    """Base64 of either alphabet, padded or not."""
    return blob(text) is not None


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "uuid": is_uuid,
    "rfc3339": is_rfc3339,
    "base64": is_base64,
}


def _one_of(check: OneOf, first: Json, second: Json) -> bool:
    allowed = {_token(value) for value in check.values}
    return _json_token(first) in allowed and _json_token(second) in allowed


def _token(value: str | int | float | bool | None) -> object:
    if value is None or isinstance(value, (bool, str)):
        return (type(value), value)
    return (bytes, number(str(value).encode()))


def _json_token(value: Json) -> object:
    if value is None or isinstance(value, (bool, str)):
        return (type(value), value)
    return (bytes, number(value)) if isinstance(value, bytes) else ()


def _present(_: Present, first: Json, second: Json) -> bool:
    return first is not None and second is not None


CHECKS: Final[dict[type, Callable[[Any, Json, Json], bool]]] = {
    Number: _number,
    Format: _format,
    OneOf: _one_of,
    Present: _present,
    Ignore: lambda *_: True,
}
