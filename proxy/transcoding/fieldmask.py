"""The leaves of a JSON body as field paths: what a PATCH changes.

Belongs here: JSON keys to proto paths, and filling a request's one `FieldMask` with them. Does
not: checking the body, which the codec has done before.
A leaf is a field that a mask can name (AIP-134, AIP-161): a path goes into ordinary messages and
stops at lists, maps and messages whose JSON is not an object of their fields.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.parameters import FieldTables, Form, Node
from proxy.transcoding.protojson.kinds import Kind, field_kind, message_kind

#: Digits from which an integer of an ignored field is not worth reading.
_LONG_INTEGER: Final = 1000


class Leaf(NamedTuple):
    """A field that a JSON body names, as a dotted proto path, with the JSON that it holds."""

    path: str
    value: Any


class JsonLeaves:
    """Finds the leaves of the JSON bodies of one binding. Immutable, made at load.

    *prefix* is what stands before a leaf's path in the request: `record.`, or "" for body `*`.
    """

    __slots__ = ("_names", "prefix")

    def __init__(self, names: Mapping[str, Node], prefix: str) -> None:
        self._names = names
        self.prefix = prefix

    def __repr__(self) -> str:
        return f"<JsonLeaves of {len(self._names)} names under {self.prefix!r}>"

    def of(self, body: bytes, content_type: str | None = None) -> list[Leaf]:  # noqa: ARG002
        """The leaves of a body that the codec has accepted, ordered by path, without the prefix.

        Unknown keys have no path and are left out, and so are extensions, which no mask can name.
        """
        value = DECODER.decode(body.decode())
        return sorted(_leaves(self._names, value), key=lambda leaf: leaf.path)


def json_leaves(binding: Binding, tables: FieldTables) -> JsonLeaves | None:
    """What finds the leaves of a binding's bodies, or None where a body is not JSON with leaves."""
    body = binding.body
    if is_raw(binding):
        return None
    if isinstance(body, FieldDescriptor):
        (node,) = tables.nodes(binding.method.input_type, [body])
        return JsonLeaves(node.inside, f"{node.name}.") if node.form is Form.MESSAGE else None
    if body is Body.NONE or message_kind(binding.method.input_type) is not Kind.MESSAGE:
        return None
    return JsonLeaves(tables.names(binding.method.input_type), "")


def _integer(text: str) -> int | str:
    """Integers stay text where they are too long for `int` to read (4,300 digits)."""
    return int(text) if len(text) < _LONG_INTEGER else text


DECODER: Final = json.JSONDecoder(parse_int=_integer)


def _leaves(names: Mapping[str, Node], value: Any, prefix: str = "") -> Iterator[Leaf]:
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        node = names.get(key)
        if node is None or _is_dropped(node, inner):
            continue
        if node.form is Form.MESSAGE and inner:
            yield from _leaves(node.inside, inner, f"{prefix}{node.name}.")
        else:  # `null` clears the field and `{}` makes an empty message of it
            yield Leaf(prefix + node.name, inner)


def _is_dropped(node: Node, value: Any) -> bool:
    """Whether the codec has dropped the name of an enum value that it does not know.

    A mask that named the field all the same would make the backend clear it.
    """
    return node.enum is not None and isinstance(value, str) and value not in node.enum


class MaskFiller:
    """Fills the one `FieldMask` of a PATCH request, the field *name*, whose body is a field."""

    __slots__ = ("_leaves", "name")

    def __init__(self, name: str, leaves: JsonLeaves) -> None:
        self.name = name
        self._leaves = leaves

    def __repr__(self) -> str:
        return f"<MaskFiller of {self.name}>"

    def fill(self, message: Message, body: bytes, content_type: str | None = None) -> None:
        """Name the body's leaves in the mask, unless the client gave a mask.

        A body `{}` makes a mask that is present and empty.
        """
        if message.HasField(self.name):
            return
        mask = getattr(message, self.name)
        mask.SetInParent()
        mask.paths.extend(leaf.path for leaf in self._leaves.of(body, content_type))


def mask_filler(binding: Binding, leaves: JsonLeaves | None) -> MaskFiller | None:
    """The filler of a binding, or None where a mask is the client's own business.

    There is one when the rule is PATCH, the body is a message field (an ordinary one, whose JSON
    has leaves) and the request has exactly one FieldMask: as grpc-gateway does it.
    """
    if leaves is None or binding.http_method != "PATCH" or isinstance(binding.body, Body):
        return None
    mask = _one_mask(binding.method.input_type)
    return None if mask is None else MaskFiller(mask.name, leaves)


def has_one_mask(message: Descriptor) -> bool:
    """Whether *message* has exactly one FieldMask, which a PATCH can fill."""
    return _one_mask(message) is not None


def _one_mask(message: Descriptor) -> FieldDescriptor | None:
    masks = [field for field in message.fields if field_kind(field) is Kind.FIELD_MASK]
    return masks[0] if len(masks) == 1 and not masks[0].is_repeated else None
