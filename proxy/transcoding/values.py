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

#: Makes a field's value of text: a Python scalar, or a message of the field's type.
#: Raises `ValueError`, with a message for the client, for text that is no such value.
TextParser = Callable[[str], Any]

_FLOAT32: Final = Struct("<f")
#: Digits that fit into every integer type.
_FEW_DIGITS: Final = 9

_BOOLS: Final = MappingProxyType({"true": True, "false": False})


def text_parser(field: FieldDescriptor, codecs: Codecs) -> TextParser | None:
    """The parser for one value of *field*: for one element when it is repeated.

    None when the field's type has no text form: ordinary messages, groups and `Any`.
    """
    kind = field_kind(field)
    if field.message_type is not None:
        return _message_parser(field.message_type, kind, codecs)
    if field.enum_type is not None:
        return _null if kind is Kind.NULL else _enum_parser(field.enum_type)
    return _SCALARS[kind]


def _message_parser(message: Descriptor, kind: Kind, codecs: Codecs) -> TextParser | None:
    if kind is Kind.WRAPPER:
        return _wrapper_parser(message)
    if kind is Kind.FIELD_MASK:
        return _mask_parser(message, codecs.message(message))
    if kind in (Kind.TIMESTAMP, Kind.DURATION):
        return _quoted_parser(codecs.message(message))
    return _json_parser(codecs.message(message)) if kind in _JSON else None


def _wrapper_parser(message: Descriptor) -> TextParser:
    make, parse = message_class(message), _SCALARS[field_kind(message.fields_by_name["value"])]
    return lambda text: make(value=parse(text))


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


def _enum_parser(enum: EnumDescriptor) -> TextParser:
    """Names, aliases too, and whole numbers; a closed enum has no numbers but its own."""
    names = {value.name: value.number for value in enum.values}

    def parse(text: str) -> int:
        number = names.get(text)
        if number is None:
            number = enum_number(enum, Number(text) if WHOLE(text) else text)
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


def _float(text: str) -> float:
    """Rounds to single precision here, so that the value compares equal to the field's."""
    rounded: float = _FLOAT32.unpack(_FLOAT32.pack(floating(Kind.FLOAT, text)))[0]
    return rounded


def _bool(text: str) -> bool:
    value = _BOOLS.get(text)
    if value is None:
        raise ValueError(f"expected true or false, not {excerpt(text)}")
    return value


def _string(text: str) -> str:
    if "\0" in text:
        raise ValueError("the text holds a NUL character")
    return text


_SCALARS: Final[Mapping[Kind, TextParser]] = MappingProxyType(
    {
        **{kind: _integer_parser(kind) for kind in INTEGERS},
        Kind.FLOAT: _float,
        Kind.DOUBLE: partial(floating, Kind.DOUBLE),
        Kind.BOOL: _bool,
        Kind.STRING: _string,
        Kind.BYTES: blob,
    }
)

_JSON: Final = frozenset({Kind.STRUCT, Kind.VALUE, Kind.LIST_VALUE})
