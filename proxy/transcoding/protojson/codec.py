"""Codecs: JSON bytes to messages and wire bytes, and back, for the types of one pool.

Belongs here: the way of a body through the fast path, and to the strict path when that gives
up; the way of a message out; foreign exceptions turned into ours. Does not: the rules.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, MappingProxyType
from typing import Any, Final, Protocol

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, EncodeError, Message

from proxy.errors import RequestError
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson.faults import DecodeFailure
from proxy.transcoding.protojson.kinds import (
    FLOATING,
    Kind,
    element,
    field_kind,
    message_kind,
    nullable,
    owner,
    reachable,
    wrapped,
)
from proxy.transcoding.protojson.options import JsonOptions
from proxy.transcoding.protojson.program import Parser, Printer, Program
from proxy.transcoding.protojson.strict import StrictParser
from proxy.transcoding.protojson.structs import Unexpected
from proxy.transcoding.protojson.style import Style
from proxy.transcoding.protojson.unknown import MET_UNKNOWN, UnknownNames

#: What the fast path ends in when a body is for the strict path: a guard of generated code, a
#: converter, the decoder, or protobuf's own check of a range or a type.
GIVE_UP: Final = (ValueError, TypeError, KeyError, RecursionError)
#: What a printer ends in when a message has no JSON form.
UNPRINTABLE: Final = (ValueError, TypeError, DecodeError, RecursionError)

#: A zero with a minus and no fraction, which the decoder gives as the integer 0. The look-behind
#: keeps out what ends in "-0" inside a string; it stands last, so that the search is for "-0".
MINUS_ZERO: Final = re.compile(rb"-0(?![.\deE])(?<![^:,\[\s]-0)").search


def structural_quotes(body: bytes) -> int:
    r"""How many quotation marks of valid JSON open or close a string.

    Every string of a JSON text has two of them, so a decoder that saw every string has seen half
    this number. One that drops the first of two equal keys has seen fewer: it has lost that key
    at least. So the comparison finds every duplicate key, and never finds one that is not there.

    Quotation marks inside strings follow an odd number of backslashes. Taking the pairs of
    backslashes out leaves one backslash before each of those marks and before no other.

    >>> structural_quotes(rb'{"a\\\\": "b\"c"}')
    4
    """
    if b"\\" not in body:
        return body.count(b'"')
    unpaired = body.replace(b"\\\\", b"")
    return unpaired.count(b'"') - unpaired.count(b'\\"')


#: Values that an answer has beside those of its message, by their names.
Values = Mapping[str, Any]


class AnswerPrinter(Protocol):
    """Writes whole answers in which there is more than the message."""

    @property
    def asks(self) -> frozenset[str]:
        """The names of the values that it takes from elsewhere."""
        ...

    def print(self, answer: Message, values: Values | None) -> bytes:
        """The JSON of an answer. Raises `DecodeFailure` when it has none."""
        ...


class BodyParser(Protocol):
    """Reads bodies by exact rules. Each returns the names of unknown fields under `warn`."""

    def message(self, descriptor: Descriptor, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a whole message. Raises `RequestError`."""
        ...

    def field(self, field: FieldDescriptor, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read one field's value, into a message that has only it. Raises `RequestError`."""
        ...


class Codecs:
    """The codecs of one pool under one set of options; each is made once and kept.

    *known* is what the codecs of another pool have compiled: see `codes`. *style* is how messages
    are written and read, as ProtoJSON without it, and *strict* reads what the style's parsers do
    not; *names* finds unknown fields in what these have read.
    """

    def __init__(
        self,
        pool: DescriptorPool,
        options: JsonOptions | None = None,
        known: Mapping[str, CodeType] = MappingProxyType({}),
        style: Style | None = None,
        strict: BodyParser | None = None,
        names: UnknownNames | None = None,
    ) -> None:
        self.options = options or JsonOptions()
        self._shared = Shared(
            Program(pool, self.options, known, style),
            strict or StrictParser(pool, self.options),
            (names or UnknownNames()) if self.options.unknown_fields == "warn" else None,
        )
        self._messages: dict[str, MessageCodec] = {}
        self._fields: dict[str, FieldCodec] = {}

    def __repr__(self) -> str:
        return f"<Codecs {len(self._messages)} messages, {len(self._fields)} fields>"

    @property
    def shape(self) -> Hashable | None:
        """What makes the JSON another than ProtoJSON, None where nothing does."""
        return None

    def answer(
        self,
        message: Descriptor,  # noqa: ARG002  for those who have one
        field: FieldDescriptor | None,  # noqa: ARG002
        *,
        streams: bool,  # noqa: ARG002
    ) -> AnswerPrinter | None:
        """What prints answers of a type, or of its field that is the body; None: its codec does.

        *streams* says that they are messages of a stream.
        """
        return None

    @property
    def codes(self) -> Mapping[str, CodeType]:
        """The compiled code of all codecs so far, by its source."""
        return self._shared.program.codes

    def prepare(self, descriptor: Descriptor) -> Iterator[None]:
        """Compile for a message type what its codec needs, in short steps of the iterator."""
        return self._shared.program.add(descriptor)

    def message(self, descriptor: Descriptor) -> "MessageCodec":
        """The codec of a message type of the pool."""
        codec = self._messages.get(descriptor.full_name)
        if codec is None:
            codec = MessageCodec(descriptor, self._shared)
            self._messages[descriptor.full_name] = codec
        return codec

    def field(self, field: FieldDescriptor) -> "FieldCodec":
        """The codec of the value of one field, for a body or an answer that is just that."""
        codec = self._fields.get(field.full_name)
        if codec is None:
            codec = FieldCodec(field, self._shared)
            self._fields[field.full_name] = codec
        return codec


@dataclass(frozen=True, slots=True)
class Shared:
    """What the codecs of one pool have in common. *names* is there under `warn` alone."""

    program: Program
    strict: BodyParser
    names: UnknownNames | None


class TwoPaths(ABC):
    """Reading a body: fast when it is plain, strictly when it is anything else."""

    def __init__(self, shared: Shared, *, floating: bool) -> None:
        self._shared = shared
        self._floating = floating

    def parse(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a JSON body into a new message.

        Returns the message and, when `unknown_fields` is `warn`, the paths of unknown fields.
        Raises `RequestError` (400) with the path of the field at fault.
        """
        try:
            return self.parse_fast(body)
        except GIVE_UP:
            return self.parse_strictly(body)

    def parse_into(self, message: Message, body: bytes) -> tuple[str, ...]:
        """Read a JSON body and merge it into *message*; returns and raises as `parse` does."""
        parsed, unknown = self.parse(body)
        message.MergeFrom(parsed)
        return unknown

    def _finder(self, body: bytes, strings: int) -> UnknownNames | None:
        """What finds the unknown fields, if the number of *strings* says that there are any.

        Raises `Unexpected` for what the decoder hides: an equal key, the sign of a zero.
        """
        if structural_quotes(body) != 2 * (strings % MET_UNKNOWN):
            raise Unexpected
        if self._floating and MINUS_ZERO(body):
            raise Unexpected
        return self._shared.names if strings >= MET_UNKNOWN else None

    @abstractmethod
    def parse_fast(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read what the generated parser takes. Raises one of `GIVE_UP` for anything else."""

    @abstractmethod
    def parse_strictly(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a body by the exact rules; returns and raises as `parse` does."""


class MessageCodec(TwoPaths):
    """Reads and writes the messages of one type."""

    def __init__(self, descriptor: Descriptor, shared: Shared) -> None:
        self.descriptor = descriptor
        super().__init__(shared, floating=holds_floating(descriptor))
        self._class: Any = message_class(descriptor)
        self._from_string: Callable[[bytes], Message] = self._class.FromString
        self._print: Printer = shared.program.printer(descriptor)
        ordinary = message_kind(descriptor) is Kind.MESSAGE
        self._read: Parser = shared.program.parser(descriptor) if ordinary else not_fast

    def __repr__(self) -> str:
        return f"<MessageCodec {self.descriptor.full_name}>"

    @property
    def source(self) -> str:
        """The generated Python source for this type, without the types of its fields."""
        return self._shared.program.source(self.descriptor.full_name)

    def parse_fast(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read what the generated parser takes. Raises one of `GIVE_UP` for anything else."""
        message: Message = self._class()
        strings = self._read(orjson.loads(body), message, 1)
        finder = self._finder(body, strings)
        return message, finder.of_message(self.descriptor, orjson.loads(body)) if finder else ()

    def parse_strictly(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a body by the exact rules; returns and raises as `parse` does."""
        return self._shared.strict.message(self.descriptor, body)

    def json_to_wire(self, body: bytes) -> bytes:
        """The wire bytes of the message that a JSON body holds. Raises `RequestError`."""
        message: Any = self.parse(body)[0]
        try:
            wire: bytes = message.SerializeToString()
        except EncodeError:
            missing = message.FindInitializationErrors()
            raise RequestError("a required field is missing", field=missing[0]) from None
        return wire

    def wire_to_json(self, wire: bytes) -> bytes:
        """The JSON of a message in wire bytes. Raises `DecodeFailure`."""
        try:
            return self.print(self._from_string(wire))
        except DecodeError:
            name = self.descriptor.full_name
            raise DecodeFailure(f"the bytes are not a valid message of type {name}") from None

    def print(self, message: Message) -> bytes:
        """The JSON of a message, in one line. Raises `DecodeFailure` when it has none."""
        try:
            return orjson.dumps(self._print(message, 1))
        except UNPRINTABLE as error:
            raise unprintable(self.descriptor.full_name, error) from error


class FieldCodec(TwoPaths):
    """Reads and writes the value of one field: a message, a list, a map or a scalar.

    What it reads is a message that has nothing but this field. A body of `null` leaves the field
    unset, unless null is a value of its type.
    """

    def __init__(self, field: FieldDescriptor, shared: Shared) -> None:
        self.field = field
        super().__init__(shared, floating=floats_within(field))
        self._class: Any = message_class(owner(field))
        self._read: Parser = shared.program.field_parser(field)
        self._print: Printer = shared.program.field_printer(field)
        self._nullable = nullable(field)
        self._unset: Any = {} if field_kind(field) is Kind.MESSAGE else None

    def __repr__(self) -> str:
        return f"<FieldCodec {self.field.full_name}>"

    @property
    def source(self) -> str:
        """The generated Python source for this field, without the types that it holds."""
        return self._shared.program.source(self.field.full_name)

    def parse_fast(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read what the generated parser takes. Raises one of `GIVE_UP` for anything else."""
        value = orjson.loads(body)
        if value is None and not self._nullable:
            raise Unexpected
        message: Message = self._class()
        strings = self._read(value, message, 0)
        finder = self._finder(body, strings)
        return message, finder.of_field(self.field, orjson.loads(body)) if finder else ()

    def parse_strictly(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a body by the exact rules; returns and raises as `parse` does."""
        return self._shared.strict.field(self.field, body)

    def print(self, message: Message) -> bytes:
        """The JSON of the field of *message*, set or not. Raises `DecodeFailure`.

        A message field that is not set is written `{}`, or `null` when its type has a JSON form
        of its own.
        """
        try:
            return orjson.dumps(self._json(message))
        except UNPRINTABLE as error:
            raise unprintable(self.field.full_name, error) from error

    def _json(self, message: Message) -> Any:
        single = self.field.message_type is not None and not self.field.is_repeated
        if single and not message.HasField(self.field.name):
            return self._unset
        return self._print(getattr(message, self.field.name), 1)


def not_fast(_value: Any, _message: Any, _depth: int) -> int:
    """The parser of types that only the strict path reads: those with a JSON of their own."""
    raise Unexpected


def holds_floating(descriptor: Descriptor) -> bool:
    """Whether the JSON of a type can hold a floating-point number."""
    return any(floats(field) for each in reachable(descriptor) for field in each.fields)


def floats_within(field: FieldDescriptor) -> bool:
    """Whether the JSON of a field can hold a floating-point number."""
    inner = element(field).message_type
    if inner is not None and message_kind(inner) is Kind.MESSAGE:
        return holds_floating(inner)
    return floats(field)


def floats(field: FieldDescriptor) -> bool:
    """Whether a value of the field, or its elements, is written with floating-point numbers."""
    value = element(field)
    kind = field_kind(value)
    return (field_kind(wrapped(value)) if kind is Kind.WRAPPER else kind) in FLOATING


def unprintable(name: str, error: Exception) -> DecodeFailure:
    """What to raise when a message or field has no JSON form."""
    # Only errors that this package raises are of this very class; others speak of internals.
    reason = f": {error}" if type(error) is ValueError else ""
    return DecodeFailure(f"{name} has no JSON form{reason}")
