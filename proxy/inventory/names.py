"""The names by which clients know the fields of messages, and what JSON they see there.

Belongs here: reading the layouts of a route's shape for names and kinds. Does not: which field
stands where (`shape.layout`), what a document says of it (`fields`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.layout import Layouts, Member
from proxy.shape.options import ShapeOptions
from proxy.transcoding.protojson.kinds import Kind, element, field_kind, is_map
from proxy.transcoding.protojson.options import JsonOptions

_NUMBER: Final = frozenset({"integer", "number"})
_INTEGER: Final = frozenset({"integer"})
_TEXT: Final = frozenset({"string"})
#: Nothing is known of the JSON: any schema will do.
_ANY: Final[frozenset[str]] = frozenset()

_KINDS: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.INT32: _INTEGER,
    Kind.UINT32: _INTEGER,
    Kind.INT64: _TEXT,
    Kind.UINT64: _TEXT,
    Kind.FLOAT: frozenset({"number"}),
    Kind.DOUBLE: frozenset({"number"}),
    Kind.BOOL: frozenset({"boolean"}),
    Kind.STRING: _TEXT,
    Kind.BYTES: _TEXT,
    Kind.ENUM: _TEXT,
    Kind.TIMESTAMP: _TEXT,
    Kind.DURATION: _TEXT,
    Kind.FIELD_MASK: _TEXT,
    Kind.MESSAGE: frozenset({"object"}),
    Kind.STRUCT: frozenset({"object"}),
    Kind.LIST_VALUE: frozenset({"array"}),
}
#: The JSON of forms that are not ProtoJSON's.
_STYLES: Final[Mapping[str, frozenset[str]]] = {
    "text": _TEXT,
    "number": _INTEGER,
    "epoch_s": _INTEGER,
    "epoch_ms": _INTEGER,
    "epoch_us": _INTEGER,
    "epoch_ns": _INTEGER,
    "seconds": _NUMBER,
    "milliseconds": _INTEGER,
}
_JSON_OF: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}
_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Key:
    """A name in legacy JSON: of a field, or of a group of them."""

    name: str
    member: Member

    @property
    def field(self) -> FieldDescriptor | None:
        """The field; None of a group and of what answers have in addition."""
        return self.member.field


class Names:
    """Names of one route: as its *shape* has them, or as ProtoJSON has them when that is None."""

    def __init__(self, shape: ShapeOptions | None, json: JsonOptions) -> None:
        self._is_shaped = shape is not None
        self.layouts = Layouts(shape or ShapeOptions(), json)

    def __repr__(self) -> str:
        return f"<Names by {self.layouts!r}>"

    def written(self, descriptor: Descriptor) -> dict[str, Key]:
        """What answers have of a message, by key."""
        return {each.key: Key(each.key, each) for each in self.layouts.of(descriptor).members}

    def read(self, descriptor: Descriptor) -> dict[str, Key]:
        """What requests may have of a message, by key; without a shape in either spelling."""
        found: dict[str, Key] = {}
        for member in self.layouts.of(descriptor).members:
            for name in self._read_names(member):
                found.setdefault(name, Key(member.key, member))
        return found

    def is_made(self, descriptor: Descriptor, name: str) -> bool:
        """Whether answers have a member of that name which the shape adds."""
        members = self.layouts.of(descriptor).members
        return any(each.key == name and each.document is not None for each in members)

    def _read_names(self, member: Member) -> Iterator[str]:
        yield from member.names
        if not self._is_shaped and member.field is not None:
            yield from (member.field.json_name, member.field.name)

    def inside(self, key: Key, *, reading: bool) -> dict[str, Key] | None:
        """The names one level below; None where a value has none."""
        if key.member.members:
            return {
                name: Key(each.key, each)
                for each in key.member.members
                for name in (each.names if reading else (each.key,))
            }
        inner = key.member.inner
        if inner is None:
            return None
        return self.read(inner) if reading else self.written(inner)

    def query(self, descriptor: Descriptor, name: str, *, brackets: bool = False) -> Key | None:
        """The field that the query parameter *name* gives: dotted, or a map's with `[key]`.

        With *brackets* they stand for dots, and `[]` for one more element of a list.
        """
        if brackets:
            name = _BRACKETS.sub(r".\1", name).removesuffix(".")
        plain = _BRACKETS.sub("", name)
        found = self._walk(descriptor, plain)
        if plain != name and (found is None or found.field is None or not is_map(found.field)):
            return None
        return found

    def _walk(self, descriptor: Descriptor, dotted: str) -> Key | None:
        names: dict[str, Key] | None = self.read(descriptor)
        found: Key | None = None
        for step in dotted.split("."):
            found = names.get(step) if names is not None else None
            if found is None:
                return None
            names = self.inside(found, reading=True)
        return found


def json_kinds(key: Key) -> frozenset[str]:
    """The types of JSON that answers have at *key*, of the elements of a list; empty for any."""
    form = key.member.form
    if key.field is None or form is None:
        return frozenset({"object"}) if key.member.members else _ANY
    if key.member.separator is not None:
        return _TEXT
    if form.style == "table":
        return frozenset(_JSON_OF[type(value)] for _, value in form.table if value is not None)
    return _KINDS.get(form.kind, _ANY) if form.is_canonical else _STYLES.get(form.style, _TEXT)


def is_listed(key: Key) -> bool:
    """Whether answers have an array at *key*."""
    field = key.field
    if field is None or key.member.separator is not None:
        return False
    return field.is_repeated and not is_map(field)


@cache
def word_of(field: FieldDescriptor) -> str:
    """What a field is, for people: `int64`, `enum Type`, `list of Record`.

    >>> from google.protobuf.struct_pb2 import Struct
    >>> word_of(Struct.DESCRIPTOR.fields_by_name["fields"])
    'map to Value'
    """
    value = element(field)
    kind = field_kind(value)
    word = kind.name.lower()
    if value.message_type is not None:
        word = value.message_type.name
    elif value.enum_type is not None:
        word = f"enum {value.enum_type.name}"
    if is_map(field):
        return f"map to {word}"
    return f"list of {word}" if field.is_repeated else word
