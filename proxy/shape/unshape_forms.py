"""The value of one field in its legacy form, made into what ProtoJSON has for it.

Belongs here: exact readers from a value of the JSON reader, or from bare text, to what ProtoJSON
has. Does not: whether that is a value of the field (`transcoding.protojson.strict` says so), names
and places (`unshape`). All raise `ValueError` with a message for people.

Forms are read leniently where nothing is lost by it: a number may be a text of it, and ProtoJSON's
own form of a bool or an enum is taken where the form gives it no other meaning. What has two
meanings is refused.
"""

import re
from base64 import b64encode
from binascii import unhexlify
from collections.abc import Callable
from math import isfinite
from typing import Final

from proxy.shape.forms import Form
from proxy.shape.forms_patterns import moment_format
from proxy.shape.forms_times import NUMBER_READERS
from proxy.shape.holes import Scalar, as_text
from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.protojson.kinds import Kind
from proxy.transcoding.protojson.moments import duration_text, timestamp_text
from proxy.transcoding.protojson.reader import JsonValue, Number, describe
from proxy.transcoding.protojson.scalars import INTEGERS, WHOLE

#: Makes ProtoJSON's value of a legacy one.
Canonical = Callable[[JsonValue], JsonValue]

_HEXADECIMAL: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*", re.ASCII).fullmatch
#: A whole number, also as those write it who know floats alone.
_WHOLE_AS_FLOAT: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0+)?").fullmatch
#: Characters of a number with a fraction that a float holds exactly, as far as its text goes.
_EXACT_DIGITS: Final = 15
#: Digits of the numbers of enums, with their sign.
_ENUM_DIGITS: Final = 11
_BOOL_TEXTS: Final[dict[str, JsonValue]] = {"true": True, "false": False}
_NUMBERS: Final = frozenset({*INTEGERS, Kind.FLOAT, Kind.DOUBLE})


def canonical(form: Form) -> Canonical | None:
    """What makes ProtoJSON's value of a legacy one; None where they are the same.

    >>> from proxy.shape.forms import Form
    >>> read = canonical(Form(Kind.TIMESTAMP, "epoch_ms"))
    >>> read(Number("1500"))
    '1970-01-01T00:00:01.500Z'
    """
    if form.is_canonical or form.kind in _NUMBERS:
        return None  # a number and its text are one to ProtoJSON
    return _MAKERS[form.kind](form)


def from_text(form: Form) -> Canonical:
    """What makes ProtoJSON's value of a bare text: of a list's element, a parameter, a path.

    >>> from proxy.shape.forms import Form
    >>> from_text(Form(Kind.BOOL))("true")
    True
    """
    read = canonical(form)
    if read is not None:
        return _with_numbers(form, read) if form.kind is Kind.ENUM else read
    return _bare_text(form.kind)


def _with_numbers(form: Form, read: Canonical) -> Canonical:
    """*read* of an enum, which also takes the text of a number that the table does not have.

    A number that the enum lacks is written so in a list that is one text.
    """
    known = frozenset(tokens(form))

    def take(value: JsonValue) -> JsonValue:
        is_number = isinstance(value, str) and value not in known and WHOLE(value)
        return read(Number(value) if is_number else value)

    return take


def _bare_text(kind: Kind) -> Canonical:
    if kind is Kind.BOOL:
        return lambda value: _BOOL_TEXTS.get(value, value) if isinstance(value, str) else value
    if kind is Kind.ENUM:
        return _enum_text
    return lambda value: value


def _enum_text(value: JsonValue) -> JsonValue:
    return Number(value) if isinstance(value, str) and WHOLE(value) else value


def reads_null(form: Form) -> bool:
    """Whether null is a value in this form and not the absence of one."""
    return any(value is None for _, value in form.table)


def tokens(form: Form) -> dict[str, int | bool]:
    """The values of a table by the texts of what stands for them; of two alike, the first.

    >>> from proxy.shape.forms import Form
    >>> tokens(Form(Kind.BOOL, "table", ((True, 1), (False, "N"))))
    {'1': True, 'N': False}
    """
    found: dict[str, int | bool] = {}
    for value, legacy in form.table:
        found.setdefault(token(legacy), value)
    return found


def token(legacy: Scalar) -> str:
    """The text of a legacy value: of `1` and of `"1"` the same, null is "null"."""
    return "null" if legacy is None else as_text(legacy)


def _token_of(value: JsonValue) -> str | None:
    """The text of a value of the JSON reader, None of what no table holds."""
    if isinstance(value, Number):
        return _plain(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else None


def _found(known: dict[str, int | bool], value: JsonValue) -> int | bool | None:
    text = _token_of(value)
    return None if text is None else known.get(text)


def _plain(number: Number) -> str:
    """A number as a table has it: `1.0` is 1, and what a float does not hold is itself."""
    whole = _WHOLE_AS_FLOAT(number)
    if whole is not None:
        return whole[1]
    fraction = float(number)
    is_exact = len(number) <= _EXACT_DIGITS and isfinite(fraction)
    return as_text(fraction) if is_exact else str(number)


def _bool(form: Form) -> Canonical:
    known = tokens(form)
    expected = " or ".join(describe_legacy(legacy) for _, legacy in form.table)

    def read(value: JsonValue) -> JsonValue:
        found = _found(known, value)
        if found is None and isinstance(value, bool):
            return value
        if found is None:
            raise ValueError(f"expected {expected}, not {describe(value)}")
        return bool(found)

    return read


def _enum(form: Form) -> Canonical:
    if form.style == "number":
        return _enum_text
    known = tokens(form)
    # A table with numbers of its own says what a number means; without, it is the enum's number.
    has_numbers = any(type(legacy) in (int, float) for _, legacy in form.table)
    taken = {number for number, _ in form.table}

    def read(value: JsonValue) -> JsonValue:
        found = _found(known, value)
        if found is not None:
            return Number(found)
        text = _token_of(value) if has_numbers and isinstance(value, Number) else None
        if text and WHOLE(text) and len(text) <= _ENUM_DIGITS and int(text) in taken:
            raise ValueError(f"{describe(value)} is not a value of this field")
        return value

    return read


def describe_legacy(legacy: Scalar) -> str:
    """A value of a table, for messages."""
    return f'"{legacy}"' if isinstance(legacy, str) else token(legacy)


def _binary(form: Form) -> Canonical:
    if form.style != "hex":
        return lambda value: value  # both alphabets are read, padded or not

    def read(value: JsonValue) -> JsonValue:
        if type(value) is not str:
            raise ValueError(f"expected hexadecimal digits, not {describe(value)}")
        return b64encode(hexadecimal(value)).decode()

    return read


def hexadecimal(text: str) -> bytes:
    r"""Bytes from hexadecimal digits.

    >>> hexadecimal("00fF")
    b'\x00\xff'
    """
    if not _HEXADECIMAL(text):
        raise ValueError(f"expected hexadecimal digits, not {excerpt(text)}")
    return unhexlify(text)


def _timestamp(form: Form) -> Canonical:
    read_moment = moment_reader(form)

    def read(value: JsonValue) -> JsonValue:
        return timestamp_text(*read_moment(value))

    return read


def _duration(form: Form) -> Canonical:
    read_length = moment_reader(form)

    def read(value: JsonValue) -> JsonValue:
        return duration_text(*read_length(value))

    return read


def moment_reader(form: Form) -> Callable[[JsonValue], tuple[int, int]]:
    """What reads the seconds and nanos of a timestamp or a duration in a form of its own."""
    if form.style == "pattern":
        return _text_only(moment_format(form.pattern, form.zone).read, "text")
    if form.style == "iso8601":
        return _text_only(NUMBER_READERS[form.style], "text")
    read = NUMBER_READERS[form.style]

    def read_number(value: JsonValue) -> tuple[int, int]:
        if not isinstance(value, str):
            raise ValueError(f"expected a number, not {describe(value)}")
        return read(value)

    return read_number


def _text_only(
    read: Callable[[str], tuple[int, int]], wanted: str
) -> Callable[[JsonValue], tuple[int, int]]:
    def read_text(value: JsonValue) -> tuple[int, int]:
        if type(value) is not str:
            raise ValueError(f"expected {wanted}, not {describe(value)}")
        return read(value)

    return read_text


_MAKERS: Final[dict[Kind, Callable[[Form], Canonical]]] = {
    Kind.BOOL: _bool,
    Kind.ENUM: _enum,
    Kind.BYTES: _binary,
    Kind.TIMESTAMP: _timestamp,
    Kind.DURATION: _duration,
}
