"""Envelopes of answers: what stands around a message, and where the message stands in it.

Belongs here: the source that fills an envelope, and legacy paths of whole bodies. Does not: the
message itself (`layout`, `printer_source`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.forms_source import named
from proxy.shape.holes import Document, Hole, Members, Text, as_text
from proxy.shape.layout import Layouts
from proxy.shape.options import Envelope
from proxy.shape.printer_source import PrinterSource, attribute, document_expression
from proxy.shape.style import ShapedStyle
from proxy.transcoding.protojson.parser_source import References, indented

#: The hole that is the message, or the root that stands for it.
WHOLE: Final = ""
#: What the names of holes begin with that are no fields; the one that is made here.
AT: Final = "@"
COUNT: Final = "@count"


@dataclass(frozen=True, slots=True)
class EnvelopeSource:
    """The source of a function, made when what it refers to is known."""

    name: str
    text: Callable[[References], str]


def root_of(
    message: Descriptor, field: FieldDescriptor | None, envelope: Envelope
) -> FieldDescriptor | None:
    """The field that stands in place of the message, None for all of it.

    Raises `ValueError` when the type lacks it.
    """
    if envelope.root is None:
        return field
    if envelope.root not in message.fields_by_name:
        raise ValueError(f"{message.full_name} has no field {envelope.root}")
    return message.fields_by_name[envelope.root]


def values_asked(envelope: Envelope) -> frozenset[str]:
    """The names of holes whose values come from elsewhere."""
    return frozenset(name for name in envelope.body.names if name.startswith(AT) and name != COUNT)


def envelope_source(
    style: ShapedStyle, message: Descriptor, field: FieldDescriptor | None, envelope: Envelope
) -> EnvelopeSource:
    """The source that fills an envelope: `function(m, values)`."""
    root = root_of(message, field, envelope)
    name = named("envelope", (message.full_name, root and root.name, envelope))

    def text(refs: References) -> str:
        source = style.source(refs)
        variables: dict[str, str] = {}
        lines: list[str] = []
        for hole in envelope.body.names:
            if hole not in variables:
                variables[hole] = f"e{len(variables)}"
                lines += _hole_lines(source, refs, variables[hole], hole, message, root)
        filled = document_expression(envelope.body, variables)
        refs.define("as_text", as_text)
        return "\n".join(
            [f"def {name}(m, values, depth=1):", *indented([*lines, f"return {filled}"])]
        )

    return EnvelopeSource(name, text)


def _hole_lines(
    source: PrinterSource,
    refs: References,
    variable: str,
    hole: str,
    message: Descriptor,
    root: FieldDescriptor | None,
) -> list[str]:
    if hole == COUNT:
        if root is None or not root.is_repeated:
            raise ValueError(f"{{{COUNT}}} needs a list in place of {{}}")
        return [f"{variable} = len({attribute('m', root)})"]
    if hole.startswith(AT):
        return [f"{variable} = values.get({hole!r})"]
    if hole != WHOLE:
        return source.hole(variable, hole, "m", message)
    if root is not None:
        return source.hole(variable, root.name, "m", message)
    return [f"{variable} = {refs.message(message)}(m, depth)"]


class BodyPaths:
    """Legacy paths of the whole body of an answer, its envelope included.

    *message* is the type of the answer, *field* the part of it that is the body by its rule. Proto
    paths begin at *message*, or at *field* where there is one, as those of answers do.
    """

    def __init__(
        self,
        layouts: Layouts,
        message: Descriptor,
        field: FieldDescriptor | None = None,
        envelope: Envelope | None = None,
    ) -> None:
        self._layouts = layouts
        self._message = message
        self._root = field if envelope is None else root_of(message, field, envelope)
        whole = Document(Text((Hole(WHOLE),)))
        self._holes = tuple(_holes_of(whole if envelope is None else envelope.body, ""))

    def __repr__(self) -> str:
        return f"<BodyPaths of {self._message.full_name}>"

    @property
    def holes(self) -> tuple[tuple[str, str], ...]:
        """Where each hole stands that is alone in its text: (legacy path, name of the hole)."""
        return self._holes

    def path(self, path: str) -> str | None:
        """Where the field at a proto path of the message stands; None for what answers lack."""
        for place, name in self._holes:
            if name != WHOLE and name == path:
                return place
        root = "" if self._root is None else self._root.name
        inside = _behind(path, root)
        legacy = None if inside is None else self._layouts.path(self._message, path)
        if legacy is None:
            return None
        if self._root is not None:
            key = self._layouts.path(self._message, root) or root
            legacy = legacy[len(key) :].removeprefix(".")
        return next((_joined(p, legacy) for p, name in self._holes if name == WHOLE), None)

    def proto_path(self, path: str) -> str | None:
        """The proto path, from the message, of a legacy path; None for what is no field."""
        for place, name in self._holes:
            if name.startswith(AT):
                continue
            if name != WHOLE and path == place:
                return name
            inside = _behind(path, place)
            if name == WHOLE and inside is not None:
                return self._inside(inside)
        return None

    def _inside(self, path: str) -> str | None:
        if self._root is None:
            return self._layouts.proto_path(self._message, path)
        key = self._layouts.path(self._message, self._root.name) or self._root.name
        return self._layouts.proto_path(self._message, _joined(key, path))


def _holes_of(document: Document, path: str) -> Iterator[tuple[str, str]]:
    content = document.content
    if isinstance(content, Members):
        for key, inner in content.pairs:
            yield from _holes_of(inner, _joined(path, key))
    elif isinstance(content, Text):
        match content.pieces:
            case (Hole(name),):
                yield path, name
    elif isinstance(content, tuple):
        for index, inner in enumerate(content):
            yield from _holes_of(inner, f"{path}[{index}]")


def _behind(path: str, prefix: str) -> str | None:
    """What follows *prefix* in *path*: "" when nothing does, None when it does not begin so."""
    if not prefix:
        return path
    if not path.startswith(prefix):
        return None
    rest = path[len(prefix) :]
    if rest.startswith("."):
        return rest[1:]
    return rest if not rest or rest.startswith("[") else None


def _joined(path: str, inside: str) -> str:
    separator = "." if path and inside and not inside.startswith("[") else ""
    return f"{path}{separator}{inside}"
