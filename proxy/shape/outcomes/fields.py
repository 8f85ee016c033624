"""Fields by their dotted proto paths: whether there are such, and their values as JSON.

Belongs here: one path of singular messages to a field, held against a message type and read from a
message. Does not: names of the legacy form, which a path never has here.
"""

from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final, TypeVar

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from proxy.shape.outcomes.options import Misfit
from proxy.transcoding.protojson import Codecs
from proxy.transcoding.protojson.faults import DecodeFailure

Found = TypeVar("Found")

_TIMESTAMP: Final = "google.protobuf.Timestamp"
_STRINGS: Final = frozenset({FieldDescriptor.TYPE_STRING})
_NUMBERS: Final = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32})
#: Messages whose JSON is one scalar.
_SCALARS: Final = frozenset(
    f"google.protobuf.{name}"
    for name in (
        *("Timestamp", "Duration", "FieldMask", "StringValue", "BytesValue", "BoolValue"),
        *("Int32Value", "Int64Value", "UInt32Value", "UInt64Value", "FloatValue", "DoubleValue"),
    )
)


class FieldAt:
    """A field of a message type: *fields* leads to it.

    Its value is None where it, or a message around it, is not set.
    """

    __slots__ = ("_parents", "_print", "fields", "leaf")

    def __init__(self, fields: tuple[FieldDescriptor, ...], codecs: Codecs | None) -> None:
        self.fields = fields
        self.leaf = fields[-1]
        self._parents = tuple(each.name for each in fields[:-1])
        self._print = _printer(self.leaf, codecs)

    def __repr__(self) -> str:
        return f"<FieldAt {'.'.join(each.name for each in self.fields)}>"

    def holder(self, message: Any) -> Any:
        """The message that has the field; None where it is not set."""
        for name in self._parents:
            if not message.HasField(name):
                return None
            message = getattr(message, name)
        return message

    def is_set(self, message: Message) -> bool:
        """Whether it has a value that is not its default, or has one at all where that shows."""
        holder = self.holder(message)
        if holder is None:
            return False
        name = self.leaf.name
        has_presence = self.leaf.has_presence
        return bool(holder.HasField(name) if has_presence else getattr(holder, name))

    def raw(self, message: Message) -> Any:
        """Its value as Python has it, None where it is not there."""
        holder = self.holder(message)
        name = self.leaf.name
        if holder is None or (self.leaf.has_presence and not holder.HasField(name)):
            return None
        return getattr(holder, name)

    def value(self, message: Message) -> Any:
        """Its value as JSON has it, None where it is not there."""
        holder = self.holder(message)
        name = self.leaf.name
        if holder is None or (self.leaf.has_presence and not holder.HasField(name)):
            return None
        return self._print(holder)

    def put(self, message: Any, value: Any) -> None:
        """Give it a value that is of its type. Messages around it come to be."""
        for name in self._parents:
            message = getattr(message, name)
        setattr(message, self.leaf.name, value)


def field_at(message: Descriptor, path: str, codecs: Codecs | None = None) -> FieldAt:
    """The field at a dotted path of proto names. Raises `LookupError` saying what is not there."""
    fields: list[FieldDescriptor] = []
    for name in path.split("."):
        at: Descriptor | None = fields[-1].message_type if fields else message
        if at is None or (fields and fields[-1].is_repeated):
            raise LookupError(f"{fields[-1].name} of {path} is no single message")
        found = at.fields_by_name.get(name)
        if found is None:
            raise LookupError(f"{at.full_name} has no field {name}")
        fields.append(found)
    return FieldAt(tuple(fields), codecs)


def scalar_at(message: Descriptor, path: str, codecs: Codecs | None = None) -> FieldAt:
    """A field whose JSON is one scalar. Raises `LookupError`."""
    found = field_at(message, path, codecs)
    leaf = found.leaf
    if leaf.is_repeated or (leaf.message_type and leaf.message_type.full_name not in _SCALARS):
        raise LookupError(f"{path} is no single value")
    return found


def text_at(message: Descriptor, path: str) -> FieldAt:
    """A field of type string. Raises `LookupError`."""
    found = field_at(message, path)
    if found.leaf.is_repeated or found.leaf.type not in _STRINGS:
        raise LookupError(f"{path} is no single text")
    return found


def number_at(message: Descriptor, path: str) -> FieldAt:
    """A field that is a whole number. Raises `LookupError`."""
    found = field_at(message, path)
    wide = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
    if found.leaf.is_repeated or found.leaf.cpp_type not in (*_NUMBERS, *wide):
        raise LookupError(f"{path} is no whole number")
    return found


def fitting(key: tuple[str, ...], find: Callable[[], Found]) -> Found:
    """What *find* finds. Raises `Misfit` at *key* when there is no such thing."""
    try:
        return find()
    except LookupError as error:
        raise Misfit(key, str(error.args[0])) from None


def http_date(field: FieldAt) -> Callable[[Message], str | None] | None:
    """What gives a Timestamp as HTTP does (RFC 9110 §5.6.7); None for a field of another type."""
    message_type = field.leaf.message_type
    if message_type is None or message_type.full_name != _TIMESTAMP or field.leaf.is_repeated:
        return None

    def of(message: Message) -> str | None:
        moment = field.raw(message)
        try:
            return None if moment is None else formatdate(moment.seconds, usegmt=True)
        except (ValueError, OverflowError, OSError):
            return None  # A year that dates of HTTP cannot have.

    return of


def _printer(leaf: FieldDescriptor, codecs: Codecs | None) -> Callable[[Any], Any]:
    """What gives the value of a field as JSON has it.

    Without *codecs* it is not to be called: the field is only held against its type then.
    """
    name = leaf.name
    if codecs is None or (leaf.type in _STRINGS and not leaf.is_repeated):
        return lambda message: getattr(message, name)
    print_field = codecs.field(leaf).print

    def of(message: Any) -> Any:
        try:
            return orjson.loads(print_field(message))
        except DecodeFailure:
            return None  # A time that no calendar has.

    return of
