"""Bare text to the value of one field: what a path capture or a query value means.

Belongs here: one table from kinds to readers of text. Does not: which field a name means
(`transcoding.parameters`), percent-decoding (`transcoding.percent`), the rules of the scalars and
of the well-known types (`transcoding.protojson`).
Path and query text is not JSON: booleans, numbers and enums are read bare. The text of a
well-known type is what ProtoJSON has between the quotes, or the JSON itself where it has none.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from struct import Struct
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from proxy.errors import RequestError
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import Codecs, MessageCodec
from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.protojson.kinds import Kind, field_kind
from proxy.transcoding.protojson.reader import Number
from proxy.transcoding.protojson.scalars import (
    INTEGERS,
    WHOLE,
    blob,
    enum_number,
    floating,
    integer,
)
from proxy.transcoding.texts import (
    SPEC,
    TextForms,
    bool_reader,
    float_reader,
    go_nanoseconds,
    integer_reader,
)

#: Makes a field's value of text: a Python scalar, or a message of the field's type.
#: Raises `ValueError`, with a message for the client, for text that is no such value.
TextParser = Callable[[str], Any]

_FLOAT32: Final = Struct("<f")
#: Digits that fit into every integer type.
_FEW_DIGITS: Final = 9


def text_parser(
    field: FieldDescriptor, codecs: Codecs, forms: TextForms = SPEC
) -> TextParser | None:
    """The parser for one value of *field*: for one element when it is repeated.

    None when the field's type has no text form: ordinary messages, groups and `Any`.
    """
    kind = field_kind(field)
    if field.message_type is not None:
        return _message_parser(field.message_type, kind, codecs, forms)
    if field.enum_type is not None:
        return _null if kind is Kind.NULL else _enum_parser(field.enum_type, forms)
    return _scalar_parser(kind, forms)


def _scalar_parser(kind: Kind, forms: TextForms) -> TextParser:
    if kind is Kind.BOOL:
        return bool_reader(forms.bools)
    if forms.numbers == "json" or kind not in _NUMBERS:
        return _SCALARS[kind]
    if kind in INTEGERS:
        return integer_reader(kind)
    read = float_reader(kind, forms.numbers)
    return _single(read) if kind is Kind.FLOAT else read


def _message_parser(
    message: Descriptor, kind: Kind, codecs: Codecs, forms: TextForms
) -> TextParser | None:
    if kind is Kind.WRAPPER:
        return _wrapper_parser(message, forms)
    if kind is Kind.FIELD_MASK:
        if forms.masks == "keep":
            return _plain_mask_parser(message)
        return _mask_parser(message, codecs.message(message))
    if kind is Kind.DURATION and forms.durations == "go":
        return _go_duration_parser(message, _quoted_parser(codecs.message(message)))
    if kind in (Kind.TIMESTAMP, Kind.DURATION):
        return _quoted_parser(codecs.message(message))
    if forms.values == "text":
        return _value_parser(message) if kind is Kind.VALUE else None
    return _json_parser(codecs.message(message)) if kind in _JSON else None


def _wrapper_parser(message: Descriptor, forms: TextForms) -> TextParser:
    parse = _scalar_parser(field_kind(message.fields_by_name["value"]), forms)
    make = message_class(message)
    return lambda text: make(value=parse(text))


def _value_parser(message: Descriptor) -> TextParser:
    make = message_class(message)
    return lambda text: make(string_value=_string(text))


def _plain_mask_parser(message: Descriptor) -> TextParser:
    make = message_class(message)
    return lambda text: make(paths=_string(text).split(","))


def _go_duration_parser(message: Descriptor, parse_proto: TextParser) -> TextParser:
    """Reads Go's texts, and ProtoJSON's where it has more room than Go."""
    make = message_class(message)

    def parse(text: str) -> Any:
        nanoseconds = go_nanoseconds(text)
        if nanoseconds is None:
            return parse_proto(text)
        sign = -1 if nanoseconds < 0 else 1
        seconds, nanos = divmod(abs(nanoseconds), 10**9)
        return make(seconds=sign * seconds, nanos=sign * nanos)

    return parse


def _quoted_parser(codec: MessageCodec) -> TextParser:
    def parse(text: str) -> Any:
        try:
            return codec.parse(json.dumps(text).encode())[0]
        except RequestError as error:
            raise ValueError(error.status.message) from error

    return parse


def _json_parser(codec: MessageCodec) -> TextParser:
    def parse(text: str) -> Any:
        try:
            return codec.parse(text.encode())[0]
        except RequestError as error:
            raise ValueError(f"{excerpt(text)} is not its JSON: {error.status.message}") from error

    return parse


def _mask_parser(message: Descriptor, codec: MessageCodec) -> TextParser:
    """Reads lowerCamel paths as ProtoJSON does, and takes proto names as they are.

    ProtoJSON refuses an underscore; query parameters are often typed by hand, peers take both,
    and a path with an underscore has only one meaning. Spaces after commas would become part of
    a path that no message has.
    """
    make, parse_camel = message_class(message), _quoted_parser(codec)

    def parse(text: str) -> Any:
        pieces = text.split(",")
        if any(path != path.strip() for path in pieces):
            raise ValueError(f"the field mask {excerpt(text)} has spaces around a path")
        if "_" not in text:
            return parse_camel(text)
        if not all(pieces):
            raise ValueError(f"the field mask {excerpt(text)} has an empty path")
        paths = ([path] if "_" in path else parse_camel(path).paths for path in pieces)
        return make(paths=chain.from_iterable(paths))

    return parse


def _enum_parser(enum: EnumDescriptor, forms: TextForms) -> TextParser:
    """Names, aliases too, and whole numbers; a closed enum has no numbers but its own."""
    fold, numbers = forms.enums == "ignore_case", enum.values_by_number
    names = {value.name: value.number for value in enum.values}
    # A name as it is written goes before one that is another in other letters.
    folded = {name.lower(): number for name, number in names.items()} if fold else {}

    def parse(text: str) -> int:
        number = names.get(text)
        if number is None and fold:
            number = folded.get(text.lower())
        if number is None:
            number = enum_number(enum, Number(text) if WHOLE(text) else text)
            if forms.enum_numbers == "known" and number not in numbers:
                raise ValueError(f"{excerpt(text)} is not a value of {enum.full_name}")
        return number

    return parse


def _integer_parser(kind: Kind) -> TextParser:
    def parse(text: str) -> int:
        if len(text) <= _FEW_DIGITS and text.isdecimal() and text.isascii() and text[0] != "0":
            return int(text)
        return integer(kind, text)

    return parse


def _null(text: str) -> int:
    if text not in ("null", "NULL_VALUE", "0"):
        raise ValueError(f"expected null, not {excerpt(text)}")
    return 0


def _single(read: Callable[[str], float]) -> TextParser:
    """Rounds to single precision here, so that the value compares equal to the field's."""

    def parse(text: str) -> float:
        rounded: float = _FLOAT32.unpack(_FLOAT32.pack(read(text)))[0]
        return rounded

    return parse


def _string(text: str) -> str:
    if "\0" in text:
        raise ValueError("the text holds a NUL character")
    return text


_SCALARS: Final[Mapping[Kind, TextParser]] = MappingProxyType(
    {
        **{kind: _integer_parser(kind) for kind in INTEGERS},
        Kind.FLOAT: _single(partial(floating, Kind.FLOAT)),
        Kind.DOUBLE: partial(floating, Kind.DOUBLE),
        Kind.STRING: _string,
        Kind.BYTES: blob,
    }
)

_NUMBERS: Final = frozenset({*INTEGERS, Kind.FLOAT, Kind.DOUBLE})

_JSON: Final = frozenset({Kind.STRUCT, Kind.VALUE, Kind.LIST_VALUE})
