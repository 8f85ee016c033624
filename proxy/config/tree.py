"""The node tree to plain values: what scalars mean, environment variables, equal keys.

Belongs here: text to text, number, truth value, list, mapping, and where each one stood. Does
not: which keys exist and what they may hold (`schema`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from proxy.config.source import ListNode, MappingNode, Node, ScalarNode, SyntaxProblem
from proxy.errors import Place, Problem

#: Keys and indexes from the top: `("routes", 2, "timeout")`.
Location = tuple[str | int, ...]
Value = str | int | float | bool | tuple["Value", ...] | dict[str, "Value"] | None

#: Values of one configuration, counted after aliases are spelled out: ten aliases of ten aliases
#: of ten … must not fill the memory. 10,000 routes of ten keys each fit five times.
MAX_VALUES: Final = 500_000

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
#: The words of YAML 1.2's core schema; `yes`, `on` and their like are text.
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
#: More digits than a number in a configuration can need; Python refuses to read 4,301 of them.
_MAX_DIGITS: Final = 40

#: Keys inside of whose values the word `null` is a value: documents, and tables of values.
_DOCUMENTS: Final = frozenset({"body", "violation", "error", "add", "enums", "bool"})
#: Keys of which it is a value itself.
_NULLABLE: Final = frozenset({"unset", "zero", "empty_list", "empty_map", "empty_text", "as"})

_VARIABLE: Final = re.compile(r"\$(?:(?P<escaped>\$\{)|\{(?P<name>[^}]*)\}|(?P<open>\{))")
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def path_text(location: Location) -> str:
    """A location as people write it.

    >>> path_text(("routes", 2, "request_headers", 0))
    'routes[2].request_headers[0]'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def parse_path(path: str) -> Location:
    """The location that `path_text` wrote.

    >>> parse_path("routes[2].timeout")
    ('routes', 2, 'timeout')
    """
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)
    return tuple(int(index) if index else name for index, name in parts)


def plain_value(text: str) -> Value:
    """What an unquoted scalar means: JSON's numbers, YAML 1.2's words, else text.

    >>> [plain_value(text) for text in ("8080", "1.5", "true", "yes", "010", "1:30", "0x10")]
    [8080, 1.5, True, 'yes', '010', '1:30', '0x10']
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS or not _NUMBER.fullmatch(text):
        return text
    return int(text) if _INTEGER.fullmatch(text) else float(text)


def _may_be_null(location: Location) -> bool:
    """Whether `null` at *location* is a value, and not the want of one.

    >>> _may_be_null(("shape", "errors", "body", "result")), _may_be_null(("routes", 0, "owner"))
    (True, False)
    """
    return location[-1] in _NULLABLE or not _DOCUMENTS.isdisjoint(location[:-1])


def _is_text(value: str) -> bool:
    """Whether a variable is text: Python keeps its other bytes as halves of surrogate pairs."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(slots=True)
class Tree:
    """Plain values of one or more files, with the place of every key and value.

    *templates* holds the text of each value that names environment variables, as written;
    *refused* are the locations of *problems*.
    """

    values: dict[str, Value] = field(default_factory=dict)
    keys: dict[Location, Place] = field(default_factory=dict)
    places: dict[Location, Place] = field(default_factory=dict)
    templates: dict[Location, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refused: set[Location] = field(default_factory=set)

    def key_place(self, location: Location) -> Place:
        """Where the key of a value stands, or the value where it has none."""
        place = self.keys.get(location)
        return self.place(location) if place is None else replace(place, path=path_text(location))

    def place(self, location: Location) -> Place:
        """Where a value stands, or the nearest thing around it that was written."""
        around = location
        while around and around not in self.places:
            around = around[:-1]
        found = self.places.get(around, Place("configuration"))
        return replace(found, path=path_text(location))

    def retype(self, location: Location) -> None:
        """Read the text that variables gave for *location* as an unquoted scalar.

        Text from variables stays text until the schema says that it wants a number or a truth
        value: YAML cannot tell, since `{port: ${PORT}}` needs quotes.
        """
        _retype(self.values, location)

    def refuse(self, place: Place, location: Location, message: str) -> None:
        """Note a problem with the value at *location*."""
        self.refused.add(location)
        self.problems.append(Problem(replace(place, path=path_text(location)), message))


def _retype(value: Any, location: Location) -> Any:
    """The container *value* with the text at *location* read anew; mappings change in place."""
    key: Any = location[0]
    inner = location[1:]
    new = _retype(value[key], inner) if inner else plain_value(value[key])
    if isinstance(value, dict):
        value[key] = new
        return value
    return value if new is value[key] else (*value[:key], new, *value[key + 1 :])


class TreeBuilder:
    """Adds files to a tree; *environ* is what `${NAME}` names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._tree = Tree()
        self._count = 0

    def add(self, root: MappingNode) -> None:
        """Add the top-level keys of one file. Raises `SyntaxProblem` past `MAX_VALUES`."""
        self._tree.places.setdefault((), root.place)
        self._mapping(root, (), self._tree.values)

    def build(self) -> Tree:
        """The tree of all files added."""
        return self._tree

    def _value(self, node: Node, location: Location) -> Value:
        self._tree.places[location] = node.place
        self._count += 1
        if self._count > MAX_VALUES:
            message = f"more than {MAX_VALUES} values once aliases are spelled out"
            raise SyntaxProblem(Problem(node.place, message))
        if isinstance(node, MappingNode):
            return self._mapping(node, location, {})
        if isinstance(node, ListNode):
            items = (self._value(item, (*location, i)) for i, item in enumerate(node.items))
            return tuple(items)
        return self._scalar(node, location)

    def _mapping(
        self, node: MappingNode, location: Location, into: dict[str, Value]
    ) -> dict[str, Value]:
        for key, value in node.entries:
            inner = (*location, key.text)
            if key.text in into:
                earlier = self._tree.keys[inner]
                self._tree.refuse(key.place, inner, f"is given twice; first at {earlier}")
                continue
            self._tree.keys[inner] = key.place
            into[key.text] = self._value(value, inner)
        return into

    def _scalar(self, node: ScalarNode, location: Location) -> Value:
        if "${" in node.text:
            self._tree.templates[location] = node.text
            return _VARIABLE.sub(lambda match: self._variable(match, node, location), node.text)
        value = plain_value(node.text) if node.plain else node.text
        if value is None and not (node.text and _may_be_null(location)):
            message = "has no value; give one, or leave the key out for its default"
            self._tree.refuse(node.place, location, message)
        return value

    def _variable(self, match: re.Match[str], node: ScalarNode, location: Location) -> str:
        if match["escaped"]:
            return "${"
        name, has_default, default = (match["name"] or "").partition(":-")
        if not _VARIABLE_NAME.fullmatch(name):
            message = (
                f"{match[0]} is not a variable; write ${{NAME}} or ${{NAME:-default}}, or $${{ for "
                "a plain ${"
            )
        elif has_default and not self._environ.get(name):
            return default
        elif name not in self._environ:
            message = f"the environment has no variable {name}"
        elif not _is_text(self._environ[name]):
            message = f"the variable {name} is not UTF-8"
        else:
            return self._environ[name]
        self._tree.refuse(node.place, location, message)
        return ""
