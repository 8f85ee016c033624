"""The strict path: JSON to a message by the exact rules, with the exact error texts.

Belongs here: whatever a body may hold, walked field by field over the exact reader. Does not:
speed. The generated parser hands a whole body to this module as soon as it meets anything that
it does not expect; what both accept, they understand alike. Source of the rules: the ProtoJSON
page of protobuf.dev and the protobuf conformance suite.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from proxy.errors import RequestError
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import moments, scalars
from proxy.transcoding.protojson.faults import cut, excerpt, joined
from proxy.transcoding.protojson.kinds import (
    NULLABLE,
    Kind,
    accepted_names,
    enum_type,
    field_kind,
    is_map,
    map_entry,
    message_kind,
    nullable,
    owner,
)
from proxy.transcoding.protojson.options import DEEPEST, SURELY_READABLE, JsonOptions
from proxy.transcoding.protojson.reader import (
    JsonObject,
    JsonValue,
    Number,
    describe,
    has_surrogate,
    read,
    too_deep,
)
from proxy.transcoding.protojson.unknown import MOST_UNKNOWN

Members: TypeAlias = dict[str, JsonValue]
#: The names that each type takes, by the type's full name; filled as types are met.
NameTables: TypeAlias = dict[str, dict[str, FieldDescriptor]]


@dataclass(frozen=True, slots=True)
class StrictParser:
    """Parses bodies for the types of one pool."""

    pool: DescriptorPool
    options: JsonOptions
    names: NameTables = field(default_factory=dict)

    def message(self, descriptor: Descriptor, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a whole message. Returns the names of unknown fields under `warn`."""
        walk = Walk(self.pool, self.options, self.names)
        message = message_class(descriptor)()
        walk.message(message, read(body, self.options.max_depth), "")
        if too_deep(body.decode(), SURELY_READABLE):
            require_readable(message)
        return message, tuple(walk.unknown)

    def field(self, field: FieldDescriptor, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read one field's value. Returns a message of the field's type that has only it."""
        walk = Walk(self.pool, self.options, self.names)
        message = message_class(owner(field))()
        walk.field(message, field, read(body, self.options.max_depth), field.name)
        if too_deep(body.decode(), SURELY_READABLE):
            require_readable(message)
        return message, tuple(walk.unknown)


def require_readable(message: Any) -> None:
    """Refuse what no server could parse: JSON within its limit, but messages beyond protobuf's.

    A level of a `Struct` is three messages: the value, the struct and its entry. Raises
    `RequestError`.
    """
    try:
        message.FromString(message.SerializePartialToString())
    except DecodeError:
        reason = f"the request makes messages that are nested deeper than {DEEPEST} levels"
        raise RequestError(reason) from None


@dataclass(slots=True)
class Walk:
    """One body on its way into one message."""

    pool: DescriptorPool
    options: JsonOptions
    tables: NameTables
    unknown: list[str] = field(default_factory=list)

    # Messages

    def message(self, message: Any, value: JsonValue, path: str) -> None:
        """Read a message of any kind."""
        kind = message_kind(message.DESCRIPTOR)
        if kind is Kind.MESSAGE:
            self.fields(message, self.members(value, path), path)
        else:
            MESSAGE_READERS[kind](self, message, value, path)

    def fields(self, message: Any, members: Members, path: str) -> None:
        """Read the members of an object into an ordinary message."""
        descriptor = message.DESCRIPTOR
        names = self.names(descriptor)
        given: dict[str, FieldDescriptor] = {}
        oneofs: dict[str, str] = {}
        for name, value in members.items():
            known = names.get(name) or self.extension(descriptor, name)
            if known is None:
                self.skip(value, name, path)
                continue
            inner = joined(path, f"[{known.full_name}]" if known.is_extension else known.name)
            if known.full_name in given:
                raise RequestError("the field is given twice, in two spellings", field=inner)
            given[known.full_name] = known
            if value is not None or nullable(known):
                self.claim(oneofs, known, inner)
            self.field(message, known, value, inner)

    def names(self, descriptor: Descriptor) -> dict[str, FieldDescriptor]:
        """The keys of a type."""
        found = self.tables.get(descriptor.full_name)
        if found is None:
            found = self.tables[descriptor.full_name] = accepted_names(descriptor)
        return found

    def claim(self, oneofs: dict[str, str], known: FieldDescriptor, path: str) -> None:
        """Note that *known* is given; refuse it when another field of its oneof is, too."""
        if known.containing_oneof is None:
            return
        oneof = known.containing_oneof.name
        other = oneofs.setdefault(oneof, known.name)
        if other != known.name:
            raise RequestError(
                f"only one field of the oneof {oneof} may be given, and {other} is", field=path
            )

    def extension(self, descriptor: Descriptor, name: str) -> FieldDescriptor | None:
        """The extension that the key `[package.name]` names, if it is one of *descriptor*."""
        if not (name.startswith("[") and name.endswith("]") and descriptor.is_extendable):
            return None
        try:
            found = self.pool.FindExtensionByName(name[1:-1])
        except KeyError:
            return None
        return found if found.containing_type is descriptor else None

    def members(self, value: JsonValue, path: str) -> Members:
        """The members of a JSON object. Raises when it is none, or has a key twice."""
        if not isinstance(value, JsonObject):
            raise RequestError(f"expected an object, not {describe(value)}", field=path)
        if len(value.pairs) > self.options.max_object_keys:
            raise RequestError(
                f"the object has more than {self.options.max_object_keys} keys", field=path
            )
        members: Members = {}
        for name, member in value.pairs:
            if name in members:
                raise RequestError(f"the key {excerpt(name)} is given twice", field=path)
            if has_surrogate(name):
                raise RequestError("a key has half of a surrogate pair", field=path)
            members[name] = member
        return members

    # Fields

    def field(self, message: Any, known: FieldDescriptor, value: JsonValue, path: str) -> None:
        """Read the value of a field; null leaves it unset, unless null is a value of it."""
        if value is None and not nullable(known):
            return
        if is_map(known):
            self.map(slot(message, known), known, value, path)
        elif known.is_repeated:
            self.list(slot(message, known), known, value, path)
        elif known.message_type is not None:
            inner = slot(message, known)
            inner.SetInParent()
            self.message(inner, value, path)
        else:
            for scalar in self.scalar(known, value, path):
                assign(message, known, scalar)

    def list(self, items: Any, known: FieldDescriptor, value: JsonValue, path: str) -> None:
        """Read the elements of a repeated field."""
        if not isinstance(value, list):
            raise RequestError(f"expected an array, not {describe(value)}", field=path)
        for index, item in enumerate(value):
            inner = f"{path}[{index}]"
            self.not_null(known, item, inner)
            if known.message_type is not None:
                self.message(items.add(), item, inner)
            else:
                items.extend(self.scalar(known, item, inner))

    def map(self, items: Any, known: FieldDescriptor, value: JsonValue, path: str) -> None:
        """Read the entries of a map."""
        key_field, value_field = map_entry(known)
        for text, item in self.members(value, path).items():
            inner = f"{path}[{cut(text)}]"
            key = self.scalar_by(
                lambda text: scalars.map_key(field_kind(key_field), text), text, inner
            )
            self.not_null(value_field, item, inner)
            if value_field.message_type is not None:
                self.message(items[key], item, inner)
            else:
                for scalar in self.scalar(value_field, item, inner):
                    items[key] = scalar

    def not_null(self, known: FieldDescriptor, value: JsonValue, path: str) -> None:
        """Refuse null where it is no value."""
        if value is None and field_kind(known) not in NULLABLE:
            raise RequestError("null cannot stand in an array or a map", field=path)

    def scalar(self, known: FieldDescriptor, value: JsonValue, path: str) -> tuple[object, ...]:
        """The value, or nothing for an enum name that is unknown and may be."""
        try:
            if field_kind(known) is Kind.ENUM:
                return (scalars.enum_number(enum_type(known), value),)
            return (scalars.SCALAR_READERS[field_kind(known)](value),)
        except scalars.UnknownEnumName as error:
            if self.options.unknown_fields == "reject" or self.options.rejects_enum_names:
                raise RequestError(str(error), field=path) from None
            self.report(path)
            return ()
        except ValueError as error:
            raise RequestError(str(error), field=path) from None

    def scalar_by(self, reader: Callable[[Any], Any], value: JsonValue, path: str) -> Any:
        """What *reader* makes of a value; its errors name the path."""
        try:
            return reader(value)
        except ValueError as error:
            raise RequestError(str(error), field=path) from None

    # Unknown fields

    def skip(self, value: JsonValue, name: str, path: str) -> None:
        """Pass over a member that is no field, or refuse it."""
        inner = joined(path, cut(name))
        if self.options.unknown_fields == "reject":
            raise RequestError("there is no such field", field=inner)
        self.check(value, inner)
        self.report(inner)

    def report(self, path: str) -> None:
        """Note that something at *path* was not known."""
        if self.options.unknown_fields == "warn" and len(self.unknown) < MOST_UNKNOWN:
            self.unknown.append(path)

    def check(self, value: JsonValue, path: str) -> None:
        """Refuse in a value that is dropped what is refused everywhere."""
        if isinstance(value, list):
            for item in value:
                self.check(item, path)
        elif isinstance(value, JsonObject):
            for item in self.members(value, path).values():
                self.check(item, path)
        elif isinstance(value, Number):
            self.scalar_by(lambda number: scalars.floating(Kind.DOUBLE, number), value, path)
        elif isinstance(value, str):
            self.scalar_by(scalars.string, value, path)

    # Messages with a JSON form of their own

    def wrapper(self, message: Any, value: JsonValue, path: str) -> None:
        """Read a wrapper from its scalar."""
        for scalar in self.scalar(message.DESCRIPTOR.fields_by_name["value"], value, path):
            message.value = scalar

    def timestamp(self, message: Any, value: JsonValue, path: str) -> None:
        """Read a Timestamp from its text."""
        text = self.scalar_by(scalars.string, value, path)
        message.seconds, message.nanos = self.scalar_by(moments.timestamp, text, path)

    def duration(self, message: Any, value: JsonValue, path: str) -> None:
        """Read a Duration from its text."""
        text = self.scalar_by(scalars.string, value, path)
        message.seconds, message.nanos = self.scalar_by(moments.duration, text, path)

    def field_mask(self, message: Any, value: JsonValue, path: str) -> None:
        """Read a FieldMask from its text."""
        text = self.scalar_by(scalars.string, value, path)
        message.paths.extend(self.scalar_by(moments.mask_paths, text, path))

    def struct(self, message: Any, value: JsonValue, path: str) -> None:
        """Read a Struct from an object."""
        for name, member in self.members(value, path).items():
            self.value(message.fields[name], member, joined(path, cut(name)))

    def list_value(self, message: Any, value: JsonValue, path: str) -> None:
        """Read a ListValue from an array."""
        if not isinstance(value, list):
            raise RequestError(f"expected an array, not {describe(value)}", field=path)
        for index, item in enumerate(value):
            self.value(message.values.add(), item, f"{path}[{index}]")

    def value(self, message: Any, value: JsonValue, path: str) -> None:
        """Read a Value from any JSON."""
        if value is None:
            message.null_value = 0
        elif isinstance(value, bool):
            message.bool_value = value
        elif isinstance(value, Number):
            message.number_value = self.scalar_by(
                lambda number: scalars.floating(Kind.DOUBLE, number), value, path
            )
        elif isinstance(value, str):
            message.string_value = self.scalar_by(scalars.string, value, path)
        elif isinstance(value, list):
            message.list_value.SetInParent()
            self.list_value(message.list_value, value, path)
        else:
            message.struct_value.SetInParent()
            self.struct(message.struct_value, value, path)

    def any(self, message: Any, value: JsonValue, path: str) -> None:
        """Read an Any from an object with its type."""
        members = self.members(value, path)
        if not members:
            return
        url = members.pop("@type", None)
        inner = self.typed(url, path)
        if message_kind(inner.DESCRIPTOR) is Kind.MESSAGE:
            self.fields(inner, members, path)
        elif "value" not in members:
            raise RequestError('the "value" of an Any is missing', field=path)
        else:
            self.message(inner, members.pop("value"), path)
            for name, member in members.items():
                self.skip(member, name, path)
        message.type_url = url
        message.value = inner.SerializePartialToString(deterministic=True)

    def typed(self, url: JsonValue, path: str) -> Any:
        """An empty message of the type that the `@type` of an Any names."""
        if type(url) is not str:
            raise RequestError(
                f'the "@type" of an Any must be text, not {describe(url)}', field=path
            )
        self.scalar_by(scalars.string, url, path)
        prefix, slash, name = url.rpartition("/")
        try:
            if not (prefix and slash):
                raise KeyError(name)
            return message_class(self.pool.FindMessageTypeByName(name))()
        except KeyError:
            raise RequestError(
                f"the type {excerpt(url)} of an Any is not known", field=path
            ) from None


def slot(message: Any, known: FieldDescriptor) -> Any:
    """The value of a field or an extension, to be filled."""
    return message.Extensions[known] if known.is_extension else getattr(message, known.name)


def assign(message: Any, known: FieldDescriptor, value: object) -> None:
    """Set a scalar field or extension."""
    if known.is_extension:
        message.Extensions[known] = value
    else:
        setattr(message, known.name, value)


MESSAGE_READERS: Final[dict[Kind, Callable[[Walk, Any, JsonValue, str], None]]] = {
    Kind.WRAPPER: Walk.wrapper,
    Kind.TIMESTAMP: Walk.timestamp,
    Kind.DURATION: Walk.duration,
    Kind.FIELD_MASK: Walk.field_mask,
    Kind.STRUCT: Walk.struct,
    Kind.VALUE: Walk.value,
    Kind.LIST_VALUE: Walk.list_value,
    Kind.ANY: Walk.any,
}
