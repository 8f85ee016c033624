"""The strict path of legacy JSON: a body of any form, read by the layouts with exact error texts.

Belongs here: where members stand and which forms they have, over the walk of ProtoJSON. Does not:
speed (`parser_source`), the rules of values, which are ProtoJSON's own (`protojson.strict`).

What is at fault is named by its proto path, as ever; who answers a client writes that as a legacy
path. What is no field, such as a group, is named by its key.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.shape.forms import Absence, Form
from proxy.shape.layout import Layouts, Member
from proxy.shape.unshape_forms import Canonical, canonical, from_text, reads_null, token
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson.faults import cut, excerpt, joined
from proxy.transcoding.protojson.kinds import is_map, nullable, owner
from proxy.transcoding.protojson.options import SURELY_READABLE, JsonOptions
from proxy.transcoding.protojson.reader import (
    JsonObject,
    JsonValue,
    describe,
    read,
    too_deep,
)
from proxy.transcoding.protojson.strict import Members, Walk, require_readable

#: Puts a body into the message that it is for.
Reader = Callable[["ShapedWalk", Any, JsonValue], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a key of a legacy object means: a member, and what makes ProtoJSON's of its value."""

    member: Member
    unshaped: Callable[[JsonValue, str], JsonValue]


class Entries:
    """The keys of each message type; filled as types are met."""

    def __init__(self, layouts: Layouts) -> None:
        self.layouts = layouts
        #: Levels of messages that one level of JSON is at most, in the types met so far.
        self.levels = 1
        self._types: dict[str, dict[str, Entry]] = {}
        self._groups: dict[Member, dict[str, Entry]] = {}

    def __repr__(self) -> str:
        return f"<Entries of {len(self._types)} types>"

    def of(self, descriptor: Descriptor) -> dict[str, Entry]:
        """The keys of the legacy object of a type."""
        found = self._types.get(descriptor.full_name)
        if found is None:
            layout = self.layouts.of(descriptor)
            found = _by_key(layout.members)
            self.levels = max(self.levels, *(len(each.steps) for _, each in layout.leaves()), 1)
            self._types[descriptor.full_name] = found
        return found

    def inside(self, group: Member) -> dict[str, Entry]:
        """The keys of a group."""
        found = self._groups.get(group)
        if found is None:
            found = self._groups[group] = _by_key(group.members)
        return found

    def value(self, known: FieldDescriptor) -> Callable[[JsonValue, str], JsonValue]:
        """What makes ProtoJSON's of the value of a field that stands alone."""
        rules = self.layouts.rules
        return _unshaped(known, rules.form_of(known), rules.separator_of(known))


def _by_key(members: tuple[Member, ...]) -> dict[str, Entry]:
    """Keys of fields go before those of what answers have in addition."""
    entries = {each.key: Entry(each, _as_it_is) for each in members if each.document is not None}
    for member in members:
        if member.document is None:
            entry = Entry(member, _unshaped_member(member))
            entries.update(dict.fromkeys(member.names, entry))
    return entries


def _as_it_is(value: JsonValue, _path: str) -> JsonValue:
    return value


def _unshaped_member(member: Member) -> Callable[[JsonValue, str], JsonValue]:
    known, form = member.field, member.form
    if known is None or form is None:
        return _as_it_is
    unshaped = _unshaped(known, form, member.separator)
    if member.absence is not Absence.SUBSTITUTE:
        return unshaped
    absent = token(member.substitute)

    def read_unless_absent(value: JsonValue, path: str) -> JsonValue:
        is_absent = isinstance(value, str | bool) and _token(value) == absent
        return None if is_absent else unshaped(value, path)

    return read_unless_absent


def _token(value: str | bool) -> str:
    return str(value) if isinstance(value, str) else token(value)


def _unshaped(
    known: FieldDescriptor, form: Form, separator: str | None
) -> Callable[[JsonValue, str], JsonValue]:
    """What makes ProtoJSON's of a field's value: of each element, of the values of a map."""
    if separator is not None:
        return _joined_list(from_text(form), separator)
    read_one = canonical(form)
    if read_one is None:
        return _as_it_is
    one = _one(read_one, keeps_null=not reads_null(form))
    if is_map(known):
        return lambda value, path: _map_values(one, value, path)
    if known.is_repeated:
        return lambda value, path: _elements(one, value, path)
    return one


def _one(read_one: Canonical, *, keeps_null: bool) -> Callable[[JsonValue, str], JsonValue]:
    def unshaped(value: JsonValue, path: str) -> JsonValue:
        if value is None and keeps_null:
            return None
        try:
            return read_one(value)
        except ValueError as error:
            raise RequestError(str(error), field=path) from None

    return unshaped


def _elements(one: Callable[[JsonValue, str], JsonValue], value: JsonValue, path: str) -> JsonValue:
    if not isinstance(value, list):
        return value
    return [one(item, f"{path}[{index}]") for index, item in enumerate(value)]


def _map_values(
    one: Callable[[JsonValue, str], JsonValue], value: JsonValue, path: str
) -> JsonValue:
    if not isinstance(value, JsonObject):
        return value
    return JsonObject([(key, one(item, f"{path}[{cut(key)}]")) for key, item in value.pairs])


def _joined_list(read_one: Canonical, separator: str) -> Callable[[JsonValue, str], JsonValue]:
    one = _one(read_one, keeps_null=False)

    def unshaped(value: JsonValue, path: str) -> JsonValue:
        if value is None:
            return None
        if type(value) is not str:
            message = f"expected text with {excerpt(separator)} in it, not {describe(value)}"
            raise RequestError(message, field=path)
        pieces = value.split(separator) if value else []
        return [one(piece, f"{path}[{index}]") for index, piece in enumerate(pieces)]

    return unshaped


@dataclass(slots=True)
class ShapedWalk(Walk):
    """One legacy body on its way into one message."""

    entries: Entries = field(kw_only=True)

    def fields(self, message: Any, members: Members, path: str) -> None:
        """Put the members of a legacy object into its message."""
        place = _Place(self, message, path)
        place.take(self.entries.of(message.DESCRIPTOR), members, "")

    def alone(self, message: Any, known: FieldDescriptor, value: JsonValue) -> None:
        """Put the value of one field, which a body is as a whole, into its message."""
        self.field(message, known, self.entries.value(known)(value, known.name), known.name)


@dataclass(slots=True)
class _Place:
    """One legacy object that is being read, with the groups in it."""

    walk: ShapedWalk
    message: Any
    path: str
    given: set[Member] = field(default_factory=set)
    oneofs: dict[str, dict[str, str]] = field(default_factory=dict)

    def take(self, entries: dict[str, Entry], members: Members, around: str) -> None:
        """Read the members of the object or of a group in it; *around* is the group's key."""
        for name, value in members.items():
            entry = entries.get(name)
            if entry is None:
                self.unknown(name, value, around)
            elif entry.member.document is not None:
                self.walk.check(value, joined(self.path, cut(name)))
            elif entry.member.members:
                self.group(entry.member, value)
            else:
                self.one(entry, value)

    def group(self, member: Member, value: JsonValue) -> None:
        """Read a group; null is an empty one."""
        if value is not None:
            members = self.walk.members(value, joined(self.path, member.key))
            self.take(self.walk.entries.inside(member), members, member.key)

    def one(self, entry: Entry, value: JsonValue) -> None:
        """Read a field, through those that are flattened on the way."""
        member, message, path = entry.member, self.message, self.path
        *through, known = member.steps
        whole = joined(path, ".".join(step.name for step in member.steps))
        if member in self.given:
            raise RequestError("the field is given twice, in two spellings", field=whole)
        self.given.add(member)
        value = entry.unshaped(value, whole)
        if value is None and not nullable(known):
            return
        for step in through:
            self.claim(path, step, whole)
            message, path = getattr(message, step.name), joined(path, step.name)
            message.SetInParent()
        self.claim(path, known, whole)
        self.walk.field(message, known, value, whole)

    def claim(self, path: str, known: FieldDescriptor, whole: str) -> None:
        """Refuse a second field of a oneof of the message at *path*."""
        self.walk.claim(self.oneofs.setdefault(path, {}), known, whole)

    def unknown(self, name: str, value: JsonValue, around: str) -> None:
        """Read an extension, or pass over what is no member."""
        descriptor = self.message.DESCRIPTOR
        extension = None if around else self.walk.extension(descriptor, name)
        if extension is None:
            self.walk.skip(value, name, joined(self.path, around) if around else self.path)
            return
        inner = joined(self.path, f"[{extension.full_name}]")
        unshaped = self.walk.entries.value(extension)(value, inner)
        self.walk.field(self.message, extension, unshaped, inner)


@dataclass(frozen=True, slots=True)
class ShapedParser:
    """Parses legacy bodies for the types of one pool, as `StrictParser` does ProtoJSON."""

    pool: DescriptorPool
    options: JsonOptions
    entries: Entries

    def message(self, descriptor: Descriptor, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a whole message. Returns the names of unknown fields under `warn`."""
        return self.read(descriptor, body, lambda walk, made, value: walk.message(made, value, ""))

    def field(self, known: FieldDescriptor, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read one field's value. Returns a message of the field's type that has only it."""
        return self.read(
            owner(known), body, lambda walk, made, value: walk.alone(made, known, value)
        )

    def read(
        self, descriptor: Descriptor, body: bytes, put: Reader
    ) -> tuple[Message, tuple[str, ...]]:
        """Read a body that *put* knows how to put into a message of the type."""
        walk = ShapedWalk(self.pool, self.options, {}, entries=self.entries)
        message = message_class(descriptor)()
        put(walk, message, read(body, self.options.max_depth))
        # Flattened fields are levels of messages that the JSON does not show.
        if too_deep(body.decode(), SURELY_READABLE // self.entries.levels):
            require_readable(message)
        return message, tuple(walk.unknown)
