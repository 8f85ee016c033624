"""One scalar: the exact rules from a value of the JSON reader to a field's value, and back.

All readers raise `ValueError` with a message for people; who knows the field adds its path.
"""

import math
import re
import struct
from binascii import a2b_base64
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Final

from google.protobuf.descriptor import EnumDescriptor

from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.protojson.kinds import Kind
from proxy.transcoding.protojson.reader import JsonValue, Number, describe, has_surrogate

#: The grammar of a JSON number (RFC 8259, section 6).
NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
#: The one way to write an integer as a map key.
WHOLE: Final = re.compile(r"0|-?[1-9][0-9]*").fullmatch
#: More digits than any 64-bit integer has; longer text is looked at as a decimal.
SHORT: Final = 20
#: The smallest magnitude that rounds to infinity as a 32-bit float.
FLOAT_LIMIT: Final = 3.4028235677973366e38
#: Stands for a whole number that no kind has.
TOO_LARGE: Final = 10**SHORT
FLOAT_WORDS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
#: The smallest 32-bit float that has its full precision, and so six digits that read back.
FLOAT_NORMAL: Final = 2.0**-126
URL_SAFE: Final = str.maketrans("-_", "+/")
FLOAT32: Final = struct.Struct("<f")

#: Kind: (what it is called, smallest, largest).
INTEGERS: Final = {
    Kind.INT32: ("a 32-bit integer", -(2**31), 2**31 - 1),
    Kind.UINT32: ("an unsigned 32-bit integer", 0, 2**32 - 1),
    Kind.INT64: ("a 64-bit integer", -(2**63), 2**63 - 1),
    Kind.UINT64: ("an unsigned 64-bit integer", 0, 2**64 - 1),
}


class UnknownEnumName(ValueError):
    """A text that names no value of the enum."""


def integer(kind: Kind, value: JsonValue) -> int:
    """An integer of a kind: a JSON number or the text of one, with no fraction but zero."""
    name, low, high = INTEGERS[kind]
    if not isinstance(value, str) or not NUMBER(value):
        raise ValueError(f"expected {name}, not {describe(value)}")
    number = _whole(value, name)
    if not low <= number <= high:
        raise ValueError(f"{describe(value)} is out of the range of {name}")
    return number


def _whole(text: str, name: str) -> int:
    """The whole number that is written; one that is far too large for any kind may be off."""
    if len(text) <= SHORT and WHOLE(text):
        return int(text)
    try:
        number = Decimal(text)
    except InvalidOperation:  # the exponent has more digits than a Decimal can hold
        return TOO_LARGE
    if number.adjusted() > SHORT and number:
        return TOO_LARGE
    if number != number.to_integral_value():
        raise ValueError(f"expected {name}, not the fraction {excerpt(text)[1:-1]}")
    return int(number)


def floating(kind: Kind, value: JsonValue) -> float:
    """A float or double: a JSON number, the text of one, or NaN, Infinity, -Infinity as text."""
    if type(value) is str and value in FLOAT_WORDS:
        return FLOAT_WORDS[value]
    if not isinstance(value, str) or not NUMBER(value):
        raise ValueError(f"expected a number, not {describe(value)}")
    number = float(value)
    limit = FLOAT_LIMIT if kind is Kind.FLOAT else math.inf
    if not -limit < number < limit:
        raise ValueError(f"{describe(value)} is out of the range of a {kind.name.lower()}")
    return number


def boolean(value: JsonValue) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, not {describe(value)}")
    return value


def string(value: JsonValue) -> str:
    """A text that UTF-8 can hold."""
    if type(value) is not str:
        raise ValueError(f"expected text, not {describe(value)}")
    if has_surrogate(value):
        raise ValueError("the text has half of a surrogate pair")
    return value


def blob(value: JsonValue) -> bytes:
    """Bytes from base64."""
    if type(value) is not str:
        raise ValueError(f"expected base64 text, not {describe(value)}")
    try:
        return base64_bytes(value)
    except ValueError:
        raise ValueError(f"expected base64 text, not {describe(value)}") from None


def base64_bytes(text: str) -> bytes:
    r"""Bytes from base64 of the standard or the URL-safe alphabet, padded or not (RFC 4648).

    >>> base64_bytes("-_8"), base64_bytes("+/8=")
    (b'\xfb\xff', b'\xfb\xff')
    """
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        padding = "" if "=" in text else "=" * (-len(text) % 4)
        return a2b_base64(text.translate(URL_SAFE) + padding, strict_mode=True)


def enum_number(enum: EnumDescriptor, value: JsonValue) -> int:
    """The number of an enum value from its name or number. An open enum takes any number."""
    if type(value) is str:
        # Text that is no UTF-8 makes protobuf's tables fail with errors of their own.
        named = enum.values_by_name.get(string(value))
        if named is None:
            raise UnknownEnumName(f"{excerpt(value)} is not a value of {enum.full_name}")
        return named.number
    if not isinstance(value, Number):
        raise ValueError(f"expected a value of {enum.full_name}, not {describe(value)}")
    number = integer(Kind.INT32, value)
    if enum.is_closed and number not in enum.values_by_number:
        raise ValueError(f"{describe(value)} is not a value of {enum.full_name}")
    return number


def null(value: JsonValue) -> int:
    """The one value of `NullValue`: null, its name, or its number."""
    if value is None or value == "NULL_VALUE":
        return 0
    if type(value) is str:
        raise UnknownEnumName(f"expected null, not {describe(string(value))}")
    if isinstance(value, Number) and integer(Kind.INT32, value) == 0:
        return 0
    raise ValueError(f"expected null, not {describe(value)}")


#: The reader of each scalar kind but the enums.
SCALAR_READERS: Final[dict[Kind, Callable[[JsonValue], object]]] = {
    **{kind: partial(integer, kind) for kind in INTEGERS},
    Kind.FLOAT: partial(floating, Kind.FLOAT),
    Kind.DOUBLE: partial(floating, Kind.DOUBLE),
    Kind.BOOL: boolean,
    Kind.STRING: string,
    Kind.BYTES: blob,
    Kind.NULL: null,
}


def map_key(kind: Kind, text: str) -> int | bool | str:
    """A map key from the key of a JSON object."""
    if kind is Kind.STRING:
        return string(text)
    if kind is Kind.BOOL:
        if text not in BOOL_KEYS:
            raise ValueError(f'expected the key "true" or "false", not {excerpt(text)}')
        return BOOL_KEYS[text]
    if not WHOLE(text):
        raise ValueError(f"expected {INTEGERS[kind][0]} as a key, not {excerpt(text)}")
    return integer(kind, text)


BOOL_KEYS: Final = {"true": True, "false": False}


def float_word(value: float) -> str:
    """How JSON writes a number that is not finite."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def float_json(value: float) -> float | str:
    """A 32-bit float as orjson is to write it: with the fewest digits that read back as it."""
    if value - value != 0.0:
        return float_word(value)
    for digits in (6, 7, 8) if abs(value) >= FLOAT_NORMAL else range(1, 9):
        shorter = float(f"{value:.{digits}g}")
        if shorter == value or _as_float32(shorter) == value:
            return shorter
    return float(f"{value:.9g}")


def _as_float32(value: float) -> float:
    try:
        nearest: float = FLOAT32.unpack(FLOAT32.pack(value))[0]
    except OverflowError:
        return math.inf
    return nearest


def minus_zero(value: float) -> bool:
    """Whether a number is -0.0, which a field without presence does send."""
    return math.copysign(1.0, value) < 0
