"""Numbers of JSON, exactly: no digit is lost, and no exponent makes one take long.

Belongs here: reading a number's text. Does not: what two unequal ones mean
(`comparison.notations`).
"""

import math
import re
import struct
from collections.abc import Hashable
from typing import Final

from proxy.comparison.reading import Json

#: A number (RFC 8259, section 6).
NUMBER: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?").fullmatch
#: More digits of an exponent than any number needs; such a number is equal to its own text only.
LONGEST_EXPONENT: Final = 9
#: Longest number, in characters, and largest shift of its point, that a time may have.
LONGEST_SCALED: Final = 40

_FLOAT32: Final = struct.Struct("<f")


def number_text(value: Json) -> str | None:
    """The text of a number, of one in quotes too."""
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, str) and NUMBER(value) else None


def number(value: Json) -> Hashable | None:
    """A number exactly: sign, digits without outer zeros, exponent. Linear in its length.

    >>> number(b"1e2") == number(b"100") == number("100.00")
    True
    """
    text = value.decode() if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return None
    if text.isdecimal() and text.isascii() and text[0] != "0":
        plain = text.rstrip("0")
        return ("", plain, len(text) - len(plain))
    match = NUMBER(text)
    if match is None:
        return None
    sign, whole, fraction, exponent = match.groups(default="")
    if len(exponent) > LONGEST_EXPONENT:
        return text
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return ZERO
    scale = int(exponent or 0) - len(fraction) + len(digits) - len(significant)
    return (sign, significant, scale)


#: What `number` gives for every zero.
ZERO: Final = ("", "", 0)


def double(value: Json) -> Hashable | None:
    """A number as a double; words such as "NaN" are themselves.

    >>> double(b"0.1") == double(b"0.1000000000000000055")
    True
    """
    if value in ("NaN", "Infinity", "-Infinity"):
        return str(value)
    text = number_text(value)
    if text is None:
        return None
    nearest = float(text)
    return number(value) if math.isinf(nearest) else nearest


def single(value: Json) -> Hashable | None:
    """A number as a 32-bit float."""
    nearest = double(value)
    if not isinstance(nearest, float):
        return nearest
    try:
        packed: float = _FLOAT32.unpack(_FLOAT32.pack(nearest))[0]
    except OverflowError:
        return nearest
    return packed


def scaled(text: str) -> int | None:
    """A number in billionths, cut below; None for one that is no time's.

    >>> scaled("1.5"), scaled("1e99999")
    (1500000000, None)
    """
    match = NUMBER(text) if len(text) <= LONGEST_SCALED else None
    if match is None:
        return None
    sign, whole, fraction, exponent = match.groups(default="")
    shift = int(exponent or 0) + 9 - len(fraction)
    if abs(shift) > LONGEST_SCALED:
        return None
    digits = int(whole + fraction)
    billionths: int = digits * 10**shift if shift >= 0 else digits // 10**-shift
    return -billionths if sign else billionths
