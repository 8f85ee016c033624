"""JSON and YAML documents that others wrote, such as an OpenAPI document, as plain values.

Belongs here: text to values, and where a value stands. Does not: what a document means
(`inventory`); our own files, which are read more strictly (`source`, `tree`): here `null` is a
value, `${NAME}` is text and a merge key (`<<`) is followed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from proxy.config.source import (
    ListNode,
    MappingNode,
    Node,
    ScalarNode,
    SourceText,
    SyntaxProblem,
    parse_source,
)
from proxy.config.tree import plain_value
from proxy.errors import ConfigError, Place, Problem

#: Nesting of mappings and lists. Schemas written out in place are nested far deeper than our files.
MAX_DOCUMENT_DEPTH: Final = 200

_MERGE: Final = "<<"


@dataclass(frozen=True, slots=True)
class Document:
    """A document's values: mappings, lists, text, numbers, truth values, None.

    What an alias of YAML names is one object, however often it is named: it must not be changed.
    """

    name: str
    value: Mapping[str, Any] = field(repr=False)
    _root: MappingNode | None = field(repr=False, default=None)

    def place(self, *steps: str | int) -> Place:
        """Where the value at *steps* stands, with its path as a JSON pointer (RFC 6901).

        The line is that of the nearest thing around it that was written; of JSON there is none.
        """
        node: Node | None = self._root
        found = Place(self.name) if node is None else node.place
        for step in steps:
            node = None if node is None else _below(node, step)
            found = found if node is None else node.place
        pointer = "".join(f"/{_escaped(str(step))}" for step in steps)
        return Place(found.file, found.line, found.column, f"#{pointer}")


def read_document(source: SourceText) -> Document:
    r"""Read a document in JSON, or else in YAML. Raises `ConfigError` with the one problem.

    >>> read_document(SourceText("a.json", '{"a": [1, null]}')).value
    {'a': [1, None]}
    >>> document = read_document(SourceText("a.yaml", "a:\n  /b: {c: 1}"))
    >>> document.value, str(document.place("a", "/b"))
    ({'a': {'/b': {'c': 1}}}, 'a.yaml:2:7: #/a/~1b')
    """
    if source.text.lstrip("\ufeff \t\r\n").startswith("{"):
        return Document(source.name, _json(source))
    try:
        root = parse_source(source, max_depth=MAX_DOCUMENT_DEPTH)
        return Document(source.name, _Values().mapping(root), root)
    except SyntaxProblem as error:
        raise ConfigError([error.problem]) from error


def _json(source: SourceText) -> dict[str, Any]:
    text = source.text.removeprefix("\ufeff")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = Place(source.name, error.lineno, error.colno)
        raise ConfigError([Problem(place, f"is no JSON: {error.msg}")]) from error
    assert isinstance(value, dict)  # noqa: S101 - it begins with a brace
    return value


def _below(node: Node, step: str | int) -> Node | None:
    if isinstance(node, MappingNode):
        return next((value for key, value in node.entries if key.text == str(step)), None)
    if isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


class _Values:
    """Nodes to values, each node once: an alias of aliases must not fill the memory."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def mapping(self, node: MappingNode) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.entries:
            if key.plain and key.text == _MERGE:
                merged |= self._merged(value)
            elif key.text in own:
                problem = Problem(key.place, f"the key {key.text} is given twice")
                raise SyntaxProblem(problem)
            else:
                own[key.text] = self._value(value)
        return merged | own

    def _merged(self, node: Node) -> dict[str, Any]:
        """What a merge key brings: of several mappings the first that has a key."""
        if isinstance(node, MappingNode):
            return dict(self._value(node))
        items = node.items if isinstance(node, ListNode) else ()
        merged: dict[str, Any] = {}
        for item in reversed(items):
            merged |= self._merged(item)
        return merged

    def _value(self, node: Node) -> Any:
        if isinstance(node, ScalarNode):
            return plain_value(node.text) if node.plain else node.text
        if id(node) not in self._made:
            self._made[id(node)] = (
                self.mapping(node)
                if isinstance(node, MappingNode)
                else [self._value(item) for item in node.items]
            )
        return self._made[id(node)]
