"""Documents with holes: JSON that is made anew for each answer, from names to values.

Belongs here: reading such a document once, what names it has, and filling it. Does not: what the
names mean; whoever compiles a document says it.

A hole is a name in braces inside a text. A text that is one hole and nothing more becomes the value
itself, of any type; in a longer text the value is written into it. `{{` and `}}` are braces.

>>> page = Document.parse({"ok": True, "next": "/zones?page={page}", "size": "{size}"})
>>> page.fill({"page": 2, "size": 50}.__getitem__)
{'ok': True, 'next': '/zones?page=2', 'size': 50}
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

#: Gives the value of a hole by its name: anything that JSON can hold.
Lookup = Callable[[str], Any]

#: Deepest document, in nested lists and mappings: they are written by hand.
MAX_DEPTH: Final = 20

_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME: Final = re.compile(r"@?[A-Za-z_][\w-]*(?:\.[\w-]+)*|", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hole:
    """A place for a value; *name* is "" for the hole `{}`."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text of literal pieces and holes in their order."""

    pieces: tuple[str | Hole, ...]

    @classmethod
    def parse(cls, text: str) -> "Text":
        """Read a text with holes. Raises `ValueError` with the column of what is wrong.

        >>> Text.parse("/zones/{zone}").pieces
        ('/zones/', Hole(name='zone'))
        """
        return cls(tuple(_joined(_pieces(text))))

    @property
    def names(self) -> Iterator[str]:
        """The names of its holes, in their order."""
        return (piece.name for piece in self.pieces if isinstance(piece, Hole))

    def fill(self, value_of: Lookup) -> Any:
        """The value of the one hole that it is, else a text. Raises what *value_of* raises."""
        match self.pieces:
            case ():
                return ""
            case (Hole(name),):
                return value_of(name)
        return "".join(
            piece if isinstance(piece, str) else as_text(value_of(piece.name))
            for piece in self.pieces
        )

    def fill_text(self, value_of: Lookup) -> str:
        """As `fill`, always as a text."""
        return as_text(self.fill(value_of))


def as_text(value: Any) -> str:
    """How a value is written inside of a text: nothing for null, JSON for all that is no text.

    >>> as_text(None), as_text("a"), as_text(True), as_text([1])
    ('', 'a', 'true', '[1]')
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@dataclass(frozen=True, slots=True)
class Document:
    """JSON whose texts may have holes: a scalar, a `Text`, or documents in a list or mapping.

    *content* is a scalar, a `Text`, a tuple of documents, or a tuple of (key, document) pairs in
    `Members`.
    """

    content: "Scalar | Text | tuple[Document, ...] | Members"

    @classmethod
    def parse(cls, value: Any, path: str = "") -> "Document":
        """Read a document of scalars, lists and mappings with texts as keys.

        Raises `ValueError` for a bad hole, with its path (`errors[0].code`) and column, and for
        one that is nested too deeply. Keys have no holes.
        """
        return _parse(value, path, MAX_DEPTH)

    @property
    def names(self) -> Iterator[str]:
        """The names of all holes."""
        content = self.content
        if isinstance(content, Text):
            yield from content.names
        elif isinstance(content, Members):
            for _, inner in content.pairs:
                yield from inner.names
        elif isinstance(content, tuple):
            for inner in content:
                yield from inner.names

    def fill(self, value_of: Lookup) -> Any:
        """The document with its holes filled. Raises what *value_of* raises."""
        content = self.content
        if isinstance(content, Text):
            return content.fill(value_of)
        if isinstance(content, Members):
            return {key: inner.fill(value_of) for key, inner in content.pairs}
        if isinstance(content, tuple):
            return [inner.fill(value_of) for inner in content]
        return content


Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a mapping, in their order."""

    pairs: tuple[tuple[str, Document], ...]


def _parse(value: Any, path: str, depth: int) -> Document:
    if depth == 0:
        raise ValueError(f"{path}: more than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        inside = ((key, f"{path}.{key}" if path else str(key), each) for key, each in value.items())
        return Document(Members(tuple((key, _parse(e, at, depth - 1)) for key, at, e in inside)))
    if isinstance(value, list | tuple):
        return Document(tuple(_parse(e, f"{path}[{i}]", depth - 1) for i, e in enumerate(value)))
    if not isinstance(value, str):
        return Document(value)
    try:
        return Document(Text.parse(value))
    except ValueError as error:
        raise ValueError(f"{path}: {error}" if path else str(error)) from None


def _pieces(text: str) -> Iterator[str | Hole]:
    end = 0
    for found in _PIECE.finditer(text):
        yield text[end : found.start()]
        end = found.end()
        if found[0] in ("{{", "}}"):
            yield found[0][0]
        elif found[1] is None:
            raise ValueError(f"column {found.start() + 1}: a brace alone; write {found[0] * 2}")
        elif not _NAME.fullmatch(found[1]):
            raise ValueError(f"column {found.start() + 2}: '{found[1]}' is no name")
        else:
            yield Hole(found[1])
    yield text[end:]


def _joined(pieces: Iterator[str | Hole]) -> Iterator[str | Hole]:
    """The pieces with literal neighbours joined and empty ones left out."""
    literal = ""
    for piece in pieces:
        if isinstance(piece, str):
            literal += piece
            continue
        if literal:
            yield literal
        yield piece
        literal = ""
    if literal:
        yield literal
