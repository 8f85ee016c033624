"""The leaves of a legacy body as proto paths: what a PATCH changes.

Belongs here: legacy keys to proto paths, for masks and for those who explain a request. Does not:
checking the body, which the codec has done before.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.errors import RequestError
from proxy.shape.shells import Shell
from proxy.shape.unshape import Entries, Entry
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.fieldmask import DECODER, JsonLeaves, Leaf
from proxy.transcoding.protojson.kinds import (
    Kind,
    enum_type,
    field_kind,
    message_kind,
    message_type,
)
from proxy.transcoding.protojson.reader import Number


class ShapedLeaves(JsonLeaves):
    """Finds the leaves of the legacy bodies of one type. Immutable, made at load.

    *within* are the keys of the envelope that lead to the message.
    """

    def __init__(
        self, entries: Entries, message: Descriptor, prefix: str, within: tuple[str, ...]
    ) -> None:
        super().__init__({}, prefix)
        self._entries = entries
        self._message = message
        self._within = within

    def __repr__(self) -> str:
        return f"<ShapedLeaves of {self._message.full_name} under {self.prefix!r}>"

    def of(self, body: bytes, content_type: str | None = None) -> list[Leaf]:  # noqa: ARG002
        """The leaves of a body that the codec has accepted, ordered by path, without the prefix."""
        value = DECODER.decode(body.decode())
        for key in self._within:
            value = value.get(key)
        found = self._inside(self._entries.of(self._message), value, "")
        return sorted(found, key=lambda leaf: leaf.path)

    def _inside(self, entries: dict[str, Entry], value: Any, prefix: str) -> Iterator[Leaf]:
        if not isinstance(value, dict):
            return
        for key, inner in value.items():
            entry = entries.get(key)
            if entry is None or entry.member.document is not None:
                continue
            if entry.member.members:
                yield from self._inside(self._entries.inside(entry.member), inner, prefix)
            elif not _is_dropped(entry, inner):
                yield from self._field(entry, inner, prefix)

    def _field(self, entry: Entry, value: Any, prefix: str) -> Iterator[Leaf]:
        member = entry.member
        path = prefix + ".".join(step.name for step in member.steps)
        inner = None if member.steps[-1].is_repeated else member.inner
        if inner is not None and value:
            yield from self._inside(self._entries.of(inner), value, f"{path}.")
        else:  # `null` clears the field and `{}` makes an empty message of it
            yield Leaf(path, value)


def _is_dropped(entry: Entry, value: Any) -> bool:
    """Whether the codec has dropped the name of an enum value that it does not know."""
    known = entry.member.steps[-1]
    if not isinstance(value, str) or known.is_repeated or field_kind(known) is not Kind.ENUM:
        return False
    try:
        name = entry.unshaped(value, "")
    except RequestError:
        return True
    return isinstance(name, str) and not (
        isinstance(name, Number) or name in enum_type(known).values_by_name
    )


def shaped_leaves(binding: Binding, entries: Entries, shell: Shell | None) -> JsonLeaves | None:
    """What finds the leaves of a binding's bodies; None where a body is not JSON with leaves."""
    body, message = binding.body, binding.method.input_type
    within = () if shell is None else shell.place_of(body)
    if is_raw(binding) or within is None or body is Body.NONE:
        return None
    if isinstance(body, FieldDescriptor):
        if body.is_repeated or field_kind(body) is not Kind.MESSAGE:
            return None
        return ShapedLeaves(entries, message_type(body), f"{body.name}.", within)
    if message_kind(message) is not Kind.MESSAGE:
        return None
    return ShapedLeaves(entries, message, "", within)
