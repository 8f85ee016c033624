"""What kind of JSON a field has, and which names it goes by.

Belongs here: facts about descriptors that every other module of the codec needs. Does not:
values.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.empty_pb2 import Empty


class Kind(Enum):
    """The JSON form of one value: of a singular field, a list element or a map value."""

    INT32 = auto()
    UINT32 = auto()
    INT64 = auto()
    UINT64 = auto()
    FLOAT = auto()
    DOUBLE = auto()
    BOOL = auto()
    STRING = auto()
    BYTES = auto()
    ENUM = auto()
    NULL = auto()
    MESSAGE = auto()
    WRAPPER = auto()
    TIMESTAMP = auto()
    DURATION = auto()
    FIELD_MASK = auto()
    STRUCT = auto()
    VALUE = auto()
    LIST_VALUE = auto()
    ANY = auto()


SCALARS: Final = {
    FieldDescriptor.TYPE_INT32: Kind.INT32,
    FieldDescriptor.TYPE_SINT32: Kind.INT32,
    FieldDescriptor.TYPE_SFIXED32: Kind.INT32,
    FieldDescriptor.TYPE_UINT32: Kind.UINT32,
    FieldDescriptor.TYPE_FIXED32: Kind.UINT32,
    FieldDescriptor.TYPE_INT64: Kind.INT64,
    FieldDescriptor.TYPE_SINT64: Kind.INT64,
    FieldDescriptor.TYPE_SFIXED64: Kind.INT64,
    FieldDescriptor.TYPE_UINT64: Kind.UINT64,
    FieldDescriptor.TYPE_FIXED64: Kind.UINT64,
    FieldDescriptor.TYPE_FLOAT: Kind.FLOAT,
    FieldDescriptor.TYPE_DOUBLE: Kind.DOUBLE,
    FieldDescriptor.TYPE_BOOL: Kind.BOOL,
    FieldDescriptor.TYPE_STRING: Kind.STRING,
    FieldDescriptor.TYPE_BYTES: Kind.BYTES,
}

#: Messages whose JSON is not an object of their fields. `Empty` is not one of them.
SPECIAL: Final = {
    "google.protobuf.Any": Kind.ANY,
    "google.protobuf.Duration": Kind.DURATION,
    "google.protobuf.FieldMask": Kind.FIELD_MASK,
    "google.protobuf.ListValue": Kind.LIST_VALUE,
    "google.protobuf.Struct": Kind.STRUCT,
    "google.protobuf.Timestamp": Kind.TIMESTAMP,
    "google.protobuf.Value": Kind.VALUE,
    **{
        f"google.protobuf.{name}Value": Kind.WRAPPER
        for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String")
    },
    "google.protobuf.BytesValue": Kind.WRAPPER,
}

#: Kinds whose JSON form keeps floating-point numbers.
FLOATING: Final = frozenset(
    {Kind.FLOAT, Kind.DOUBLE, Kind.STRUCT, Kind.VALUE, Kind.LIST_VALUE, Kind.ANY}
)

#: Kinds of which a JSON null is a value rather than the absence of one.
NULLABLE: Final = frozenset({Kind.NULL, Kind.VALUE})

#: Kinds whose JSON is an object or array of any depth.
OPEN_ENDED: Final = frozenset({Kind.STRUCT, Kind.VALUE, Kind.LIST_VALUE, Kind.ANY})

#: What Python's messages have beside their fields. A field of such a name hides a method.
TAKEN_NAMES: Final = frozenset(name for name in dir(Empty) if not name.startswith("_"))


def message_kind(descriptor: Descriptor) -> Kind:
    """The kind of a message type."""
    return SPECIAL.get(descriptor.full_name, Kind.MESSAGE)


def field_kind(field: FieldDescriptor) -> Kind:
    """The kind of a field's value, or of its elements when it is repeated."""
    if field.message_type is not None:
        return message_kind(field.message_type)
    if field.enum_type is not None:
        return Kind.NULL if field.enum_type.full_name == "google.protobuf.NullValue" else Kind.ENUM
    return SCALARS[field.type]


def message_type(field: FieldDescriptor) -> Descriptor:
    """The type of a message field."""
    return cast(Descriptor, field.message_type)


def enum_type(field: FieldDescriptor) -> EnumDescriptor:
    """The type of an enum field."""
    return cast(EnumDescriptor, field.enum_type)


def owner(field: FieldDescriptor) -> Descriptor:
    """The message type that has the field."""
    return cast(Descriptor, field.containing_type)


def wrapped(field: FieldDescriptor) -> FieldDescriptor:
    """The `value` field of the wrapper type that *field* has."""
    return message_type(field).fields_by_name["value"]


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    entry = field.message_type
    return entry is not None and field.is_repeated and entry.GetOptions().map_entry


def map_entry(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """The key field and the value field of a map."""
    fields = message_type(field).fields_by_name
    return fields["key"], fields["value"]


def nullable(field: FieldDescriptor) -> bool:
    """Whether a JSON null sets the field."""
    return not field.is_repeated and field_kind(field) in NULLABLE


def element(field: FieldDescriptor) -> FieldDescriptor:
    """The field that says what one value is: the map's value field, else the field itself."""
    return map_entry(field)[1] if is_map(field) else field


def accepted_names(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Every JSON key that names a field: JSON names and proto names; JSON names win."""
    return {field.name: field for field in descriptor.fields} | {
        field.json_name: field for field in descriptor.fields
    }


def spellings(descriptor: Descriptor, field: FieldDescriptor, first: str) -> tuple[str, ...]:
    """The keys that name *field*, the one of option *first* ("json" or "proto") leading."""
    both = (field.json_name, field.name) if first == "json" else (field.name, field.json_name)
    names = accepted_names(descriptor)
    return tuple(dict.fromkeys(name for name in both if names[name] is field))


def children(descriptor: Descriptor) -> Iterator[Descriptor]:
    """The message types that the fields of a type hold and that are objects of fields."""
    for field in map(element, descriptor.fields):
        if field_kind(field) is Kind.MESSAGE:
            yield message_type(field)


def reachable(descriptor: Descriptor) -> list[Descriptor]:
    """The type and every ordinary message type below it, each once."""
    found = {descriptor.full_name: descriptor}
    waiting = [descriptor]
    while waiting:
        for child in children(waiting.pop()):
            if child.full_name not in found:
                found[child.full_name] = child
                waiting.append(child)
    return list(found.values())


def require_usable_names(descriptor: Descriptor) -> None:
    """Refuse a type that has, or leads to, a field named like a method of Python's messages.

    Raises `ValueError`: such messages can be neither filled nor sent.
    """
    for each in reachable(descriptor):
        for name in TAKEN_NAMES.intersection(each.fields_by_name):
            raise ValueError(f"the field {name} of {each.full_name} hides a method of messages")
