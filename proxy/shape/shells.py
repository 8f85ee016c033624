"""Where the message stands in the envelope of a request, and what else does.

Belongs here: the envelope's document, taken apart once. Does not: reading a body by it (`unwrap`).

Members of the document that are no holes may be left out or be anything: nothing is read from them.
A hole must be there. It is the whole value of a member, in objects alone: what stands in a list or
in a longer text cannot be told from what is around it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.envelope import root_of
from proxy.shape.forms_source import named
from proxy.shape.holes import Document, Hole, Members, Text
from proxy.shape.options import Envelope
from proxy.shape.printer_source import Steps, field_steps
from proxy.transcoding.binding import Body


@dataclass(frozen=True, slots=True)
class Whole:
    """A hole that is the message itself."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A member that may be anything."""


#: What a member of an envelope is: the message, a field of it, nothing, or an object of such.
Content = Whole | Steps | Ignored | dict[str, "Content"]


class Shell:
    """The envelope of one type's requests: by key what each member is. Immutable."""

    def __init__(
        self, message: Descriptor, field: FieldDescriptor | None, envelope: Envelope
    ) -> None:
        """Raises `ValueError` for a document that cannot be taken off."""
        root = root_of(message, field, envelope)
        if field is not None and root is not field:
            raise ValueError(
                f"the body is the field {field.name} by the rule, and not {envelope.root}"
            )
        self.message = message
        self.name = named("unwrap", (message.full_name, root and root.name, envelope))
        whole: Content = Whole() if root is None else (root,)
        content = _content(message, whole, envelope.body)
        if not isinstance(content, dict):
            raise ValueError("the envelope of requests must be an object")
        self.content: dict[str, Content] = content

    def __repr__(self) -> str:
        return f"<Shell of {self.message.full_name}>"

    def place_of(self, body: Body | FieldDescriptor) -> tuple[str, ...] | None:
        """The keys that lead to what is the body by the rule, None when nothing does."""
        wanted: Content = Whole() if isinstance(body, Body) else (body,)
        return next(_places(self.content, wanted, ()), None)


def _places(
    content: dict[str, Content], wanted: Content, around: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    for key, inner in content.items():
        if inner == wanted:
            yield (*around, key)
        elif isinstance(inner, dict):
            yield from _places(inner, wanted, (*around, key))


def _content(message: Descriptor, whole: Content, document: Document) -> Content:
    content = document.content
    if isinstance(content, Members):
        return {key: _content(message, whole, inner) for key, inner in content.pairs}
    if isinstance(content, Text):
        match content.pieces:
            case (Hole(""),):
                return whole
            case (Hole(name),) if not name.startswith("@"):
                return field_steps(message, name)
    if any(True for _ in document.names):
        raise ValueError("a hole of a request's envelope must be a whole member of an object")
    return Ignored()
