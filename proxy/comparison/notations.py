"""One scalar, read for what it means: so that a value written otherwise is told from another value.

Belongs here: which kind of difference two unequal scalars are, bytes, enums and masks. Does not:
numbers and times themselves (`comparison.numbers`, `comparison.times`), objects and lists, rules.
"""

import re
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.descriptor import EnumDescriptor

from proxy.comparison.kinds import Kind
from proxy.comparison.numbers import ZERO, double, number, number_text, single
from proxy.comparison.reading import Json
from proxy.comparison.schema import Form, Type, fold
from proxy.comparison.times import (
    SECOND_NS,
    moment,
    same_moment,
    same_span,
    same_written_moment,
    span,
)
from proxy.transcoding.protojson.kinds import Kind as FieldKind
from proxy.transcoding.protojson.scalars import base64_bytes

#: Longest text that is looked at as the name or number of an enum's value, in characters.
LONGEST_NAME: Final = 200

_HEX: Final = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})+)").fullmatch

#: Reads a value for what it means, None when it cannot be read so.
Reader: TypeAlias = Callable[[Json], Hashable | None]
Same: TypeAlias = Callable[[Json, Json], bool]


class Sense(NamedTuple):
    """One way to read the values of a kind.

    Two that mean the same differ by *alike* when they have one JSON type, else by *unlike*.
    """

    read: Reader
    same: Same
    alike: Kind
    unlike: Kind


def enum_number(names: Mapping[str, Hashable], value: Json) -> Hashable | None:
    """The number of an enum's value: from a number, or a name in any case; see `enum_names`."""
    text = number_text(value)
    if text is not None:
        return number(value)
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        return None
    return names.get(_loose(value))


def enum_names(enum: EnumDescriptor) -> dict[str, Hashable | None]:
    """The numbers of an enum's values by name without its case, with and without the prefix.

    The prefix is the enum's own name, as style guides demand it: `COLOR_RED` of `Color`.
    """
    prefix = fold(enum.name)
    full = {_loose(each.name): number(str(each.number)) for each in enum.values}
    return {name.removeprefix(prefix) or name: value for name, value in full.items()} | full


def _loose(name: str) -> str:
    return fold(name.replace(" ", ""))


def blob(value: Json) -> bytes | None:
    """Bytes from base64 of either alphabet, padded or not, in one line or in several."""
    if not isinstance(value, str):
        return None
    try:
        return base64_bytes("".join(value.split()))
    except ValueError:
        return None


#: How truths are written where there is no word for them, or one of another language.
_TRUTHS: Final[Mapping[str, bool]] = {"true": True, "false": False, "1": True, "0": False}


def truth(value: Json) -> bool | None:
    """A truth: from one, its word in any case, or 1 and 0.

    >>> truth(True), truth("False"), truth(b"1"), truth("yes")
    (True, False, True, None)
    """
    if isinstance(value, bool):
        return value
    text = value.decode() if isinstance(value, bytes) else value
    return _TRUTHS.get(text.lower()) if isinstance(text, str) else None


def hex_blob(value: Json) -> bytes | None:
    """Bytes from hexadecimal digits of either case."""
    match = _HEX(value) if isinstance(value, str) else None
    return bytes.fromhex(match[1]) if match else None


def _same_blob(first: Json, second: Json) -> bool:
    """Whether both are base64 of the same bytes, or one is base64 and the other hexadecimal."""
    one, other = blob(first), blob(second)
    if one is not None and one in (other, hex_blob(second)):
        return True
    return other is not None and other == hex_blob(first)


def _mask(value: Json) -> Hashable | None:
    return fold(value) if isinstance(value, str) else None


def _instant(value: Json) -> Hashable | None:
    """The second of an instant: fractions are for a closer look."""
    at = moment(value)
    return None if at is None else at.at_ns // SECOND_NS


def _plain_number(value: Json) -> Hashable | None:
    return number(value) if isinstance(value, bytes) else None


def same_by(read: Reader) -> Same:
    """Sameness by what a reader gives."""

    def same(first: Json, second: Json) -> bool:
        one = read(first)
        return one is not None and one == read(second)

    return same


def _one_is_number(first: Json, second: Json) -> bool:
    """Whether both are the same number and at least one is not in quotes."""
    bare = isinstance(first, bytes) or isinstance(second, bytes)
    return bare and same_by(number)(first, second)


def _sense(read: Reader, alike: Kind, unlike: Kind, same: Same | None = None) -> Sense:
    return Sense(read, same or same_by(read), alike, unlike)


_WRITTEN: Final = _sense(
    _instant, Kind.TIMESTAMP_FORMAT, Kind.TIMESTAMP_FORMAT, same_written_moment
)
_SHORT: Final = (_sense(number, Kind.NUMBER_REPR, Kind.TYPE), _WRITTEN)
_LONG: Final = (_sense(number, Kind.NUMBER_REPR, Kind.INT64_STRING), _WRITTEN)

#: How the values of each kind may be read, the likeliest first; an enum's are by its names.
SENSES: Final[Mapping[FieldKind, tuple[Sense, ...]]] = {
    FieldKind.INT32: _SHORT,
    FieldKind.UINT32: _SHORT,
    FieldKind.INT64: _LONG,
    FieldKind.UINT64: _LONG,
    FieldKind.DOUBLE: (_sense(double, Kind.NUMBER_REPR, Kind.TYPE), _WRITTEN),
    FieldKind.FLOAT: (_sense(single, Kind.NUMBER_REPR, Kind.TYPE),),
    FieldKind.BOOL: (_sense(truth, Kind.TYPE, Kind.TYPE),),
    FieldKind.STRING: (_WRITTEN._replace(read=lambda _: None),),
    FieldKind.BYTES: (_sense(blob, Kind.BYTES_ENCODING, Kind.BYTES_ENCODING, _same_blob),),
    FieldKind.FIELD_MASK: (_sense(_mask, Kind.KEY_CASE, Kind.KEY_CASE),),
    FieldKind.TIMESTAMP: (
        _sense(_instant, Kind.TIMESTAMP_FORMAT, Kind.TIMESTAMP_FORMAT, same_moment),
    ),
    FieldKind.DURATION: (_sense(span, Kind.TIMESTAMP_FORMAT, Kind.TIMESTAMP_FORMAT, same_span),),
    FieldKind.VALUE: (
        _sense(_plain_number, Kind.NUMBER_REPR, Kind.INT64_STRING, _one_is_number),
        _WRITTEN,
    ),
}


def senses_of(type_: Type) -> tuple[Sense, ...]:
    """How the scalars of a type may be read; made once for each type."""
    senses: tuple[Sense, ...] | None = type_.senses
    if senses is None:
        senses = type_.senses = _senses(type_)
    return senses


def _senses(type_: Type) -> tuple[Sense, ...]:
    if type_.enum is None:
        return SENSES.get(type_.kind, ())
    read = partial(enum_number, enum_names(type_.enum))
    return (_sense(read, Kind.ENUM_REPR, Kind.ENUM_REPR),)


def classify(type_: Type, first: Json, second: Json) -> tuple[Kind, ...]:
    """The kinds of difference between two unequal values that are there and not both containers.

    A value that has another JSON type and is another value too, where the schema tells how to
    read it, has two kinds.

    >>> classify(Type(Form.SCALAR, FieldKind.INT64), "12", b"12")
    (<Kind.INT64_STRING: 'int64_string'>,)
    >>> classify(Type(Form.SCALAR, FieldKind.INT64), "12", b"13")
    (<Kind.INT64_STRING: 'int64_string'>, <Kind.VALUE: 'value'>)
    """
    alike = json_type(first) == json_type(second)
    senses = senses_of(type_)
    for sense in senses:
        if sense.same(first, second):
            return (sense.alike if alike else sense.unlike,)
    if alike:
        return (Kind.VALUE,)
    for sense in senses[:1] if type_.form is Form.SCALAR else ():
        if None not in (sense.read(first), sense.read(second)):
            return (sense.unlike, Kind.VALUE)
    return (Kind.TYPE,)


def is_one_value(type_: Type, sent: Json, held: Json) -> bool:
    """Whether a field that holds *held* has all of what was *sent*, however that was written.

    Null is the default. Digits that a float has cut are lost, those that a double has are not:
    other readers of JSON have no more.
    """
    if sent is None or held is None:
        return is_default(type_, held if sent is None else sent)
    if type_.form is not Form.SCALAR or type_.kind is FieldKind.STRING:
        return _same_plain_number(sent, held)
    if type_.kind is FieldKind.FLOAT:
        return _same_double(sent, held)
    return any(sense.same(sent, held) for sense in senses_of(type_))


_same_plain_number: Final = same_by(_plain_number)
_same_double: Final = same_by(double)

#: The words of `Excerpt.type`.
TYPES: Final[Mapping[type, str]] = {
    str: "string",
    bytes: "number",
    bool: "bool",
    type(None): "null",
    dict: "object",
    list: "array",
}


def json_type(value: Json) -> str:
    """The JSON type of a value; one that cannot be told is an object's of several values."""
    return TYPES.get(type(value), "object")


def meaning(type_: Type, value: Json) -> Hashable:
    """What a scalar means, whichever way it is written; values that differ in it are unequal.

    None for what may as well not be there: null, and the default of a field without presence.
    The other way round it does not hold: fractions of seconds are left out.
    """
    if value is None:
        return None
    if type_.kind is FieldKind.STRING and isinstance(value, str):
        return value if value or not type_.implicit else None
    senses = senses_of(type_)
    read = senses[0].read(value) if senses else None
    if read is not None:
        return None if type_.implicit and read in _ZEROS else (read,)
    if isinstance(value, (str, bool)):
        return value if value or not type_.implicit else None
    return value if isinstance(value, bytes) else (json_type(value),)


#: What readers give for defaults: numbers and enums, floating-point numbers, bytes.
_ZEROS: Final = (ZERO, 0.0, b"")


def is_default(type_: Type, value: Json) -> bool:
    """Whether a value is what a field without presence has when nothing was said.

    >>> is_default(Type(Form.SCALAR, FieldKind.INT64, implicit=True), "0")
    True
    """
    if type_.writing.substitute is not None and value == type_.writing.substitute:
        return True
    if not type_.implicit:
        return False
    if type_.enum is not None:
        return senses_of(type_)[0].read(value) == number(str(type_.enum.values[0].number))
    if type_.kind in _NUMBERS:
        return number(value) == ZERO or value == ""
    if type_.kind is FieldKind.BOOL:
        return senses_of(type_)[0].read(value) is False or value == ""
    return isinstance(value, (str, list, dict)) and not value


_NUMBERS: Final = frozenset(
    {*(FieldKind.INT32, FieldKind.UINT32, FieldKind.INT64, FieldKind.UINT64)}
    | {FieldKind.FLOAT, FieldKind.DOUBLE}
)
