"""Schemas of an OpenAPI document, one level at a time: a schema may be within itself.

Belongs here: JSON Schema as OpenAPI 2.0, 3.0 and 3.1 write it, to what a client sees of a value.
Does not: parameters and operations (`openapi`), the messages it is held against (`fields`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from proxy.inventory.references import REF, References, name_of

#: Members of one value that are looked at: a document may come from anywhere.
MAX_MEMBERS: Final = 2000

#: How the parts of a value are combined; those of the last two need not all be there.
_COMBINED: Final = ("allOf", "oneOf", "anyOf")
_BINARY: Final = frozenset({"binary", "file"})


@dataclass(frozen=True, slots=True)
class Schema:
    """What is said of one value; "" and empty where nothing is.

    *kind* is a type of JSON, *name* that of the schema when it has one. *members*, *items* and
    *values* (those of a map) are read by `Schemas.read` in their turn.
    """

    kind: str = ""
    format: str = ""
    name: str = ""
    members: Mapping[str, Any] = field(default_factory=dict, repr=False)
    required: frozenset[str] = frozenset()
    items: Any = field(default=None, repr=False)
    values: Any = field(default=None, repr=False)
    enum: tuple[Any, ...] = ()
    examples: tuple[Any, ...] = ()
    read_only: bool = False
    write_only: bool = False
    nullable: bool = False

    @property
    def is_list(self) -> bool:
        """Whether it is an array."""
        return self.kind == "array"

    @property
    def is_object(self) -> bool:
        """Whether it is an object with members of known names."""
        return bool(self.members)

    @property
    def is_binary(self) -> bool:
        """Whether it is no JSON but a file."""
        return self.format in _BINARY


class Schemas:
    """Reads schemas; the same node gives the same schema."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._read: dict[int, Schema] = {}

    def __repr__(self) -> str:
        return f"<Schemas: {len(self._read)} read>"

    def read(self, node: Any) -> Schema:
        """What *node* says of a value; nothing where it is no schema."""
        known = self._read.get(id(node))
        if known is None:
            known = self._combined(node, frozenset())
            self._read[id(node)] = known
        return known

    def element(self, schema: Schema) -> Schema:
        """What is said of the elements of an array."""
        return self.read(schema.items)

    def member(self, schema: Schema, name: str) -> Schema:
        """What is said of one member of an object."""
        return self.read(schema.members.get(name))

    def _combined(self, node: Any, around: frozenset[int]) -> Schema:
        """The schema of *node* and of all that it is combined of, but for what it is within."""
        target = self._references.follow(node)
        if not isinstance(target, dict) or id(target) in around:
            return Schema()
        inside = around | {id(target)}
        parts = [self._combined(part, inside) for part in _parts(target)]
        schema = _merged([_own(target), *parts])
        if isinstance(node, dict) and isinstance(node.get(REF), str):
            siblings = _own({key: value for key, value in node.items() if key != REF})
            schema = replace(_merged([siblings, schema]), name=name_of(node[REF]))
        return schema


def _parts(node: dict[str, Any]) -> Iterator[Any]:
    for key in _COMBINED:
        parts = node.get(key)
        if isinstance(parts, list):
            yield from parts


def _own(node: dict[str, Any]) -> Schema:
    """What a node says itself."""
    members = node.get("properties")
    return Schema(
        kind=_kind(node),
        format="binary" if node.get("type") == "file" else _text(node.get("format")),
        members=members if isinstance(members, dict) else {},
        required=_required(node.get("required")),
        items=node.get("items"),
        values=_values(node),
        enum=_enum(node),
        examples=_examples(node),
        read_only=node.get("readOnly") is True,
        write_only=node.get("writeOnly") is True,
        nullable=_nullable(node),
    )


def _nullable(node: dict[str, Any]) -> bool:
    """Whether null is a value: a key of its own before 3.1, and one of the types since."""
    given = node.get("type")
    return "null" in (given if isinstance(given, list) else [given]) or any(
        node.get(key) is True for key in ("nullable", "x-nullable")
    )


def _kind(node: dict[str, Any]) -> str:
    """The type; of several, as 3.1 has them, the one that is not `null`."""
    given = node.get("type")
    kinds = given if isinstance(given, list) else [given]
    named = next((kind for kind in kinds if isinstance(kind, str) and kind != "null"), "")
    if named == "file":
        return "string"
    if not named and "properties" in node:
        return "object"
    return "array" if not named and "items" in node else named


def _required(given: Any) -> frozenset[str]:
    """The members that must be there; a truth value is how 2.0 marks a parameter."""
    return frozenset(filter(_is_text, given)) if isinstance(given, list) else frozenset()


def _values(node: dict[str, Any]) -> Any:
    """What the values of a map are; None where it is none."""
    given = node.get("additionalProperties")
    if isinstance(given, dict):
        return given
    return {} if given is True and "properties" not in node else None


def _enum(node: dict[str, Any]) -> tuple[Any, ...]:
    given = node.get("enum")
    if "const" in node:
        return (node["const"],)
    return tuple(given) if isinstance(given, list) else ()


def _examples(node: dict[str, Any]) -> tuple[Any, ...]:
    several = node.get("examples")
    listed = several if isinstance(several, list) else []
    return (*([node["example"]] if "example" in node else []), *listed)


def _merged(schemas: Iterable[Schema]) -> Schema:
    """One schema of several: what an earlier one says comes first, members are put together."""
    each = list(schemas)
    members: dict[str, Any] = {}
    for schema in each:
        for name, node in schema.members.items():
            if name in members and members[name] is not node:
                # Each says something of it: an envelope has `result: {}`, and what it holds comes.
                members[name] = {"allOf": [members[name], node]}
            elif len(members) < MAX_MEMBERS:
                members[name] = node
    return Schema(
        kind=_first(schema.kind for schema in each),
        format=_first(schema.format for schema in each),
        name=_first(schema.name for schema in each),
        members=members,
        required=frozenset().union(*(schema.required for schema in each)),
        items=next((schema.items for schema in each if schema.items is not None), None),
        values=next((schema.values for schema in each if schema.values is not None), None),
        enum=next((schema.enum for schema in each if schema.enum), ()),
        examples=next((schema.examples for schema in each if schema.examples), ()),
        read_only=any(schema.read_only for schema in each),
        write_only=any(schema.write_only for schema in each),
        nullable=any(schema.nullable for schema in each),
    )


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
