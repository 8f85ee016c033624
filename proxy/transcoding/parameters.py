"""Which field a query parameter's name means: one table of names per message type.

Belongs here: names, brackets, dotted paths. Does not: the query string and setting fields
(`transcoding.query`), the meaning of a value's text (`transcoding.values`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.transcoding.protojson import Codecs
from proxy.transcoding.protojson.kinds import (
    Kind,
    accepted_names,
    field_kind,
    is_map,
    map_entry,
)
from proxy.transcoding.texts import SPEC, TextForms
from proxy.transcoding.values import TextParser, text_parser

#: Steps of a dotted name. As deep as a JSON body may be; protobuf itself stops near there.
MAX_DEPTH: Final = 100


class Form(Enum):
    """How a field can be given in a query."""

    VALUE = "one value"
    LIST = "one value per parameter"
    MAP = "name[key]=value"
    MESSAGE = "by the fields inside"
    MESSAGES = "not at all: a list of messages"
    OPAQUE = "not at all: a message that holds one of any type"


#: Why a dotted name cannot go on behind a field.
NOT_ENTERED: Final = MappingProxyType(
    {
        Form.VALUE: "is not a message with named fields",
        Form.LIST: "is repeated, so a name cannot go on behind it",
        Form.MAP: "is a map: its entries are given as name[key]=value",
        Form.MESSAGES: "is a list of messages, which only a body can hold",
        Form.OPAQUE: "is of type Any, which only a body can hold",
    }
)

#: Messages with a text of their own, whose fields some name all the same: `moment.seconds=5`.
_WITH_FIELDS: Final = frozenset({Kind.TIMESTAMP, Kind.DURATION, Kind.FIELD_MASK})

#: Why a name cannot end at a field.
NOT_ENDED: Final = MappingProxyType(
    {
        Form.MAP: "is a map: its entries are given as name[key]=value",
        Form.MESSAGE: "is a message: the fields inside are given by dotted names",
        Form.MESSAGES: "is a list of messages, which only a body can hold",
        Form.OPAQUE: "is of type Any, which only a body can hold",
    }
)


class Parameter(NamedTuple):
    """A field that a name means. *path* is dotted, of proto names; *key* is a map key's text.

    *contested* says that the field, or one on the way to it, is in a oneof with others.
    """

    parents: tuple["Node", ...]
    node: "Node"
    path: str
    contested: bool
    key: str | None = None


class Node:
    """A field as path and query see it. *inside* are the names of a MESSAGE's fields.

    *parse* refuses any text where the form takes none, *parse_key* where it is no map. *oneof* is
    "" when no other field shares it. *alone* is the parameter that the field's name without dots
    means, None when it cannot mean one. *enum* are the names of an enum's values. *is_entered* says
    that a name may go on behind a value, *has_entries* that it may with brackets.
    """

    __slots__ = (
        "alone",
        "enum",
        "form",
        "has_entries",
        "has_presence",
        "inside",
        "is_entered",
        "is_list",
        "is_mask",
        "name",
        "oneof",
        "parse",
        "parse_key",
        "put",
        "wrapper",
    )

    def __init__(
        self,
        field: FieldDescriptor,
        inside: Mapping[str, "Node"],
        codecs: Codecs,
        texts: TextForms = SPEC,
    ):
        self.name: str = field.name
        self.has_presence: bool = field.has_presence
        self.inside = inside
        self.enum = field.enum_type.values_by_name if field.enum_type is not None else None
        key, value = map_entry(field) if is_map(field) else (None, field)
        parse = text_parser(value, codecs, texts)
        self.form = _form(field, has_text=parse is not None)
        self.parse: TextParser = parse or _no_text
        self.has_entries = key is None or texts.maps
        self.parse_key: TextParser = (key and text_parser(key, codecs, texts)) or _no_text
        self.is_list = self.form is Form.LIST
        self.put: Callable[[Message, Any], None] = _setter(field)
        kind = field_kind(field) if self.form is Form.VALUE else None
        self.wrapper = kind is Kind.WRAPPER
        self.is_mask = kind is Kind.FIELD_MASK
        self.is_entered = texts.inside_well_known and kind in _WITH_FIELDS
        shared = field.containing_oneof
        self.oneof: str = shared.name if shared is not None and len(shared.fields) > 1 else ""
        takes_text = self.form in (Form.VALUE, Form.LIST)
        self.alone = Parameter((), self, self.name, bool(self.oneof)) if takes_text else None

    def __repr__(self) -> str:
        return f"<Node {self.name}: {self.form.value}>"

    @property
    def takes_keys(self) -> bool:
        """Whether it is a map whose entries a query can give."""
        return self.parse_key is not _no_text


def _no_text(_: str) -> NoReturn:
    raise ValueError("no text can give this field")


def _form(field: FieldDescriptor, *, has_text: bool) -> Form:
    if is_map(field):
        return Form.MAP
    if has_text:
        return Form.LIST if field.is_repeated else Form.VALUE
    if field.is_repeated:
        return Form.MESSAGES
    return Form.OPAQUE if field_kind(field) is Kind.ANY else Form.MESSAGE


def _setter(field: FieldDescriptor) -> Callable[[Message, Any], None]:
    """How one parsed value gets into a message; also makes the messages on the way present."""
    name = field.name
    if field.is_repeated:
        return lambda parent, value: getattr(parent, name).append(value)
    if field.message_type is None:
        return lambda parent, value: setattr(parent, name, value)
    return lambda parent, value: getattr(parent, name).CopyFrom(value)


class FieldTables:
    """The names of all fields of all messages that were asked for; one for many bindings."""

    def __init__(self, codecs: Codecs, texts: TextForms = SPEC) -> None:
        self._codecs = codecs
        self._texts = texts
        self._names: dict[Descriptor, dict[str, Node]] = {}
        self._nodes: dict[FieldDescriptor, Node] = {}
        self._any_required = False

    def __repr__(self) -> str:
        return f"<FieldTables of {len(self._names)} messages>"

    def names(self, message: Descriptor) -> Mapping[str, Node]:
        """The names of *message*'s fields, as in a JSON body, to nodes that lead further."""
        known = self._names.get(message)
        if known is not None:
            return known
        reached, waiting = [], [message]
        while waiting:
            current = waiting.pop()
            if current not in self._names:
                self._names[current] = {}
                reached.append(current)
                waiting += filter(None, (field.message_type for field in current.fields))
        for descriptor in reached:
            self._fill(descriptor)
        return self._names[message]

    def node(self, field: FieldDescriptor, inside: Mapping[str, Node]) -> Node:
        """The node of a field with the names *inside* of it; made once."""
        return Node(field, inside, self._codecs, self._texts)

    def nodes(self, message: Descriptor, fields: Iterable[FieldDescriptor]) -> tuple[Node, ...]:
        """The nodes of *fields*: of *message*, or of messages that it leads to."""
        self.names(message)
        return tuple(self._nodes[field] for field in fields)

    def may_require(self, message: Descriptor) -> bool:
        """Whether *message*, or one that it leads to, may have a `required` field (proto2).

        False is certain; True only says that some message of the tables has one.
        """
        self.names(message)
        return self._any_required

    def _fill(self, message: Descriptor) -> None:
        for field in message.fields:
            inside = self._names[field.message_type] if field.message_type else {}
            self._nodes[field] = self.node(field, inside)
            self._any_required |= field.is_required
        named = accepted_names(message).items()
        self._names[message].update((name, self._nodes[field]) for name, field in named)


def resolve(names: Mapping[str, Node], name: str) -> Parameter | None:
    """The field that the parameter *name* means in a message with these *names*; None when unknown.

    Raises `RequestError` for a field that a query cannot give, or not in that way.
    """
    node = names.get(name)
    if node is not None and node.alone is not None:
        return node.alone
    dotted, bracket, rest = name.partition("[")
    found = _walk(names, dotted.split("."))
    if found is None:
        return None
    if bracket:
        return _map_entry(found, rest) if found.node.has_entries else None
    if found.node.form in NOT_ENDED:
        raise RequestError(NOT_ENDED[found.node.form], field=found.path)
    return found


def _walk(names: Mapping[str, Node], steps: list[str]) -> Parameter | None:
    if len(steps) > MAX_DEPTH:
        raise RequestError(f"a parameter's name has more than {MAX_DEPTH} steps")
    parents: list[Node] = []
    while (node := names.get(steps[len(parents)])) is not None:
        rest = steps[len(parents) + 1 :]
        if not rest or node.wrapper:
            # `box.value` is the long way to say `box`; a wrapper has no other field.
            return parameter_of((*parents, node)) if rest in ([], ["value"]) else None
        if node.form is not Form.MESSAGE and not node.is_entered:
            raise RequestError(NOT_ENTERED[node.form], field=parameter_of((*parents, node)).path)
        parents.append(node)
        names = node.inside
    return None


def parameter_of(nodes: Sequence[Node]) -> Parameter:
    """The parameter at the end of *nodes*, which lead from the request to a field."""
    path = ".".join(node.name for node in nodes)
    return Parameter(tuple(nodes[:-1]), nodes[-1], path, any(node.oneof for node in nodes))


def _map_entry(found: Parameter, rest: str) -> Parameter:
    key, closing, beyond = rest.rpartition("]")
    if found.node.form is not Form.MAP:
        raise RequestError("is not a map, so it has no [key]", field=found.path)
    if found.node.parse is _no_text:
        raise RequestError("is a map of messages, which only a body can hold", field=found.path)
    if not closing or beyond:
        raise RequestError("a map entry is given as name[key]=value", field=found.path)
    return found._replace(key=key)
