"""Unknown fields on the fast path: dropped while a body is read, named when that is asked for.

Belongs here: what happens to members of an object that no field takes. Does not: refusing them,
which is for the strict path. Names are looked for in a second pass, so that bodies without
unknown fields pay nothing for the paths of fields.
"""

from collections.abc import Collection, Iterator
from enum import Enum, auto
from itertools import islice
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.transcoding.protojson.faults import cut, joined
from proxy.transcoding.protojson.kinds import (
    Kind,
    accepted_names,
    element,
    field_kind,
    is_map,
    message_type,
)
from proxy.transcoding.protojson.options import JsonOptions
from proxy.transcoding.protojson.structs import Unexpected

#: Most names of unknown fields that one body reports.
MOST_UNKNOWN: Final = 20
#: What an object with unknown fields adds to the number of strings; more than any body has.
MET_UNKNOWN: Final = 1 << 40


class Dropped:
    """Passes over what no field takes, within the limits that hold for everything."""

    def __init__(self, options: JsonOptions) -> None:
        self._max_depth = options.max_depth
        self._max_keys = options.max_object_keys

    def members(self, members: dict[str, Any], known: Collection[str], depth: int) -> int:
        """Pass over the members that are left of an object of *depth*.

        Returns the number of strings in their values plus `MET_UNKNOWN`. A key that is *known*
        stands for a field that was given in its other spelling, too, and the key of an extension
        may be known to the pool: both are for the strict path.
        """
        strings = MET_UNKNOWN
        for key, value in members.items():
            if key in known or key.startswith("["):
                raise Unexpected
            strings += self.strings(value, depth + 1)
        return strings

    def strings(self, value: Any, depth: int) -> int:
        """The number of strings in a value, keys included; *depth* is that of a container."""
        kind = type(value)
        if kind is str:
            return 1
        if kind is not dict and kind is not list:
            return 0
        if depth > self._max_depth or (kind is dict and len(value) > self._max_keys):
            raise Unexpected
        if kind is list:
            return sum([self.strings(item, depth + 1) for item in value])
        return len(value) + sum([self.strings(item, depth + 1) for item in value.values()])


class Shape(Enum):
    """How a field holds messages."""

    ONE = auto()
    LIST = auto()
    MAP = auto()


class Inner(NamedTuple):
    """A field that holds messages in which fields may be unknown."""

    name: str
    shape: Shape
    type: Descriptor


class UnknownNames:
    """Finds the unknown fields of decoded JSON that is otherwise known to fit its type."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Inner | None]] = {}

    def of_message(self, descriptor: Descriptor, value: Any) -> tuple[str, ...]:
        """Paths of unknown fields in the object of a message."""
        return tuple(islice(self._message(descriptor, value, ""), MOST_UNKNOWN))

    def of_field(self, field: FieldDescriptor, value: Any) -> tuple[str, ...]:
        """Paths of unknown fields in the value of a field."""
        inner = _inner(field)
        found = self._inside(inner, value, inner.name) if inner else ()
        return tuple(islice(found, MOST_UNKNOWN))

    def _message(self, descriptor: Descriptor, members: Any, path: str) -> Iterator[str]:
        table = self._table(descriptor)
        for key, value in members.items():
            if key not in table:
                yield joined(path, cut(key))
                continue
            inner = table[key]
            if inner is not None and value is not None:
                yield from self._inside(inner, value, joined(path, inner.name))

    def _inside(self, inner: Inner, value: Any, path: str) -> Iterator[str]:
        if inner.shape is Shape.ONE:
            yield from self._message(inner.type, value, path)
            return
        pairs = value.items() if inner.shape is Shape.MAP else enumerate(value)
        for key, item in pairs:
            yield from self._message(inner.type, item, f"{path}[{cut(str(key))}]")

    def _table(self, descriptor: Descriptor) -> dict[str, Inner | None]:
        table = self._tables.get(descriptor.full_name)
        if table is None:
            names = accepted_names(descriptor)
            table = {name: _inner(field) for name, field in names.items()}
            self._tables[descriptor.full_name] = table
        return table


def _inner(field: FieldDescriptor) -> Inner | None:
    value = element(field)
    if field_kind(value) is not Kind.MESSAGE:
        return None
    if is_map(field):
        return Inner(field.name, Shape.MAP, message_type(value))
    return Inner(field.name, Shape.LIST if field.is_repeated else Shape.ONE, message_type(value))
