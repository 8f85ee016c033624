"""YAML text to a tree of nodes with positions.

Belongs here: syntax, aliases, tags, limits on a text's shape. Does not: what a scalar means
(`tree`) or which keys exist (`schema`).

The tree is built from parser events and not by a YAML constructor: a constructor drops the
positions, silently keeps the last of two equal keys, and reads `yes`, `010` and `1:30` as a
boolean, an octal number and sixty-based arithmetic.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from proxy.errors import Place, Problem

#: Nesting of mappings and lists; the deepest configuration that makes sense needs six.
MAX_DEPTH: Final = 32

#: libyaml's parser where it is built in: a reload holds up requests while it reads.
PARSER: Final[type] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class SourceText:
    """One configuration file: its name, as problems shall show it, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A scalar as written. *plain* is False when it is quoted or a block: always text then."""

    text: str
    plain: bool
    place: Place


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    items: tuple["Node", ...]
    place: Place


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping as written: keys in order, equal keys kept."""

    entries: tuple[tuple[ScalarNode, "Node"], ...]
    place: Place


Node = ScalarNode | ListNode | MappingNode


class SyntaxProblem(ValueError):
    """A text that is no tree. Carries the one problem at which reading stopped."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def parse_source(
    source: SourceText, parser: type = PARSER, *, max_depth: int = MAX_DEPTH
) -> MappingNode:
    """Read the top-level mapping of *source*; empty text is an empty mapping.

    Raises `SyntaxProblem`. *parser* is one of PyYAML's loader classes.

    >>> tree = parse_source(SourceText("a.yaml", "version: 1"))
    >>> [(key.text, value.text, str(value.place)) for key, value in tree.entries]
    [('version', '1', 'a.yaml:1:10')]
    """
    try:
        return _Composer(source, parser, max_depth).document()
    except yaml.YAMLError as error:
        raise SyntaxProblem(_syntax_problem(source, error)) from error


def _syntax_problem(source: SourceText, error: yaml.YAMLError) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        text = ", ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark
        return Problem(Place(source.name, mark.line + 1, mark.column + 1), text)
    return _character_problem(source, error)


def _character_problem(source: SourceText, error: yaml.YAMLError) -> Problem:
    """The problem of a character that YAML forbids; its errors count bytes or characters."""
    code = getattr(error, "character", None)
    before = source.text.partition(chr(code))[0] if isinstance(code, int) else ""
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    shown = f" (U+{code:04X})" if isinstance(code, int) else ""
    return Problem(Place(source.name, line, column), f"a character YAML forbids{shown}")


class _Composer:
    """Builds the tree of one document from the events of *parser*."""

    def __init__(self, source: SourceText, parser: type, max_depth: int) -> None:
        self._file = source.name
        self._max_depth = max_depth
        self._events: Iterator[yaml.Event] = yaml.parse(source.text, Loader=parser)
        self._anchors: dict[str, Node] = {}

    def document(self) -> MappingNode:
        next(self._events)  # the start of the stream
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            return MappingNode((), Place(self._file, 1, 1))
        root = self._node(next(self._events), depth=1)
        next(self._events)  # the end of the document
        self._end_of_stream()
        return self._as_mapping(root)

    def _end_of_stream(self) -> None:
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._refused(event, "a file holds one YAML document; remove this one")

    def _as_mapping(self, root: Node) -> MappingNode:
        if isinstance(root, ScalarNode) and root.plain and not root.text:
            return MappingNode((), root.place)
        if not isinstance(root, MappingNode):
            raise SyntaxProblem(Problem(root.place, "a file must hold a mapping of keys"))
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._refused(event, f"tags are not used here: {tag}")
        if depth > self._max_depth:
            raise self._refused(event, f"nested deeper than {self._max_depth} levels")
        node = self._fresh(event, depth)
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        """The node of an anchor that is complete: an alias inside its own anchor finds none."""
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise self._refused(event, f"alias *{event.anchor} has no anchor before it")
        return node

    def _fresh(self, event: yaml.Event, depth: int) -> Node:
        place = self._place(event)
        if isinstance(event, yaml.MappingStartEvent):
            return MappingNode(tuple(self._entries(depth)), place)
        if isinstance(event, yaml.SequenceStartEvent):
            return ListNode(tuple(self._items(depth)), place)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - no other event starts a node
        return ScalarNode(event.value, event.implicit[0], place)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[tuple[ScalarNode, Node]]:
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, ScalarNode):
                raise self._refused(event, "a key must be plain text")
            yield key, self._node(next(self._events), depth + 1)

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        return Place(self._file, line, column)

    def _refused(self, event: yaml.Event, message: str) -> SyntaxProblem:
        return SyntaxProblem(Problem(self._place(event), message))
