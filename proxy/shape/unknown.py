"""Unknown members of legacy JSON that was read on the fast path: their paths, in a second pass.

Belongs here: the counterpart of `transcoding.protojson.unknown` under layouts. Does not: refusing
them, which is for the strict path; both name the same in the same order.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.shells import Content, Shell, Whole
from proxy.shape.unshape import Entries, Entry
from proxy.transcoding.protojson.faults import cut, joined
from proxy.transcoding.protojson.kinds import Kind, element, field_kind, is_map, message_type
from proxy.transcoding.protojson.unknown import MOST_UNKNOWN, UnknownNames


class ShapedUnknown(UnknownNames):
    """Finds the unknown members of decoded legacy JSON that is otherwise known to fit."""

    def __init__(self, entries: Entries) -> None:
        super().__init__()
        self._entries = entries

    def of_message(self, descriptor: Descriptor, value: Any) -> tuple[str, ...]:
        """Paths of unknown members in the object of a message."""
        return tuple(islice(self._message(descriptor, value, ""), MOST_UNKNOWN))

    def of_field(self, field: FieldDescriptor, value: Any) -> tuple[str, ...]:
        """Paths of unknown members in the value of a field."""
        return tuple(islice(self._value(field, value, field.name), MOST_UNKNOWN))

    def of_envelope(self, shell: Shell, value: Any) -> tuple[str, ...]:
        """Paths of unknown members in a body with its envelope."""
        found = self._envelope(shell.message, shell.content, value, "")
        return tuple(islice(found, MOST_UNKNOWN))

    def _message(self, descriptor: Descriptor, members: Any, path: str) -> Iterator[str]:
        yield from self._object(self._entries.of(descriptor), members, path, path)

    def _object(
        self, entries: dict[str, Entry], members: Any, path: str, place: str
    ) -> Iterator[str]:
        """Those of an object at *place*, which is a message at *path* or a group of it."""
        for key, value in members.items():
            entry = entries.get(key)
            if entry is None:
                yield joined(place, cut(key))
            elif entry.member.members and value is not None:
                inside = self._entries.inside(entry.member)
                yield from self._object(inside, value, path, joined(path, entry.member.key))
            elif entry.member.steps:
                names = ".".join(step.name for step in entry.member.steps)
                yield from self._value(entry.member.steps[-1], value, joined(path, names))

    def _value(self, field: FieldDescriptor, value: Any, path: str) -> Iterator[str]:
        if value is None or field_kind(element(field)) is not Kind.MESSAGE:
            return
        inner = message_type(element(field))
        if not field.is_repeated:
            yield from self._message(inner, value, path)
            return
        pairs = value.items() if is_map(field) else enumerate(value)
        for key, item in pairs:
            yield from self._message(inner, item, f"{path}[{cut(str(key))}]")

    def _envelope(
        self, message: Descriptor, content: dict[str, Content], value: Any, place: str
    ) -> Iterator[str]:
        for key, inner in content.items():
            member = value.get(key)
            if isinstance(inner, Whole):
                yield from self._message(message, member, "")
            elif isinstance(inner, tuple):
                yield from self._value(inner[-1], member, ".".join(step.name for step in inner))
            elif isinstance(inner, dict):
                yield from self._envelope(message, inner, member, joined(place, cut(key)))
        yield from (joined(place, cut(key)) for key in value if key not in content)
