"""What the descriptor says of each value of an answer, as the walk asks for it.

Belongs here: types of messages and fields, made on first use and shared by all comparators that
have the same `Plans`. Does not: what a shape makes of them (`comparison.legacy_plans`), paths and
rules (`comparison.places`), comparing.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, NamedTuple, TypeAlias

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from proxy.comparison.paths import ELEMENT, VALUE, step_of
from proxy.comparison.reading import Json
from proxy.comparison.times import Moment, moment
from proxy.transcoding.protojson.kinds import (
    Kind as FieldKind,
)
from proxy.transcoding.protojson.kinds import (
    accepted_names,
    element,
    enum_type,
    field_kind,
    is_map,
    map_entry,
    message_kind,
    message_type,
)


class Form(Enum):
    """How a value is walked."""

    SCALAR = auto()
    MESSAGE = auto()
    LIST = auto()
    MAP = auto()
    ANY = auto()
    OPEN = auto()  # no schema: any JSON


class Inline:
    """An object that is no message of its own: a group of fields, or what stands around a message.

    *members* are its own; *full_name* is what it is called in sentences.
    """

    __slots__ = ("full_name", "members")

    def __init__(self, full_name: str, members: tuple["Member", ...]) -> None:
        self.full_name = full_name
        self.members = members

    def __repr__(self) -> str:
        return f"<Inline {self.full_name}>"


#: What the members of an object are read from.
Described: TypeAlias = Descriptor | Inline


class Writing(NamedTuple):
    """How values are written where ProtoJSON would not write them so.

    *separator* is of a list in one text. *substitute* stands for nothing, if it is not None.
    *moment* reads an instant.
    """

    separator: str | None = None
    substitute: Json = None
    moment: Callable[[Json], Moment | None] = moment


PROTOJSON: Final = Writing()


class Type:
    """What is known of the values at one place.

    *kind* is that of a scalar, one with a JSON form of its own included; *enum* and *message* are
    of such values, *element* of lists and maps. *implicit* says that nothing and the default mean
    the same: fields without presence, lists and maps. *writing* is how it is written.
    """

    __slots__ = ("element", "enum", "form", "implicit", "kind", "message", "senses", "writing")

    def __init__(
        self,
        form: Form,
        kind: FieldKind = FieldKind.VALUE,
        *,
        implicit: bool = False,
        enum: EnumDescriptor | None = None,
        message: Described | None = None,
        element: "Type | None" = None,
        writing: Writing = PROTOJSON,
    ) -> None:
        self.form = form
        self.kind = kind
        self.implicit = implicit
        self.enum = enum
        self.message = message
        self.element = element
        self.writing = writing
        #: How its scalars may be read; `notations.senses_of` makes it on first use.
        self.senses: Any = None

    def __repr__(self) -> str:
        return f"<Type {self.form.name} {self.kind.name}>"

    @property
    def inner(self) -> "Type":
        """The type of elements and map values; without a schema they have none either."""
        return self.element or OPEN


OPEN: Final = Type(Form.OPEN)
TEXT: Final = Type(Form.SCALAR, FieldKind.STRING)

#: Kinds of well-known types whose JSON may be anything.
_OPEN_KINDS: Final = frozenset({FieldKind.STRUCT, FieldKind.VALUE, FieldKind.LIST_VALUE})


class Member(NamedTuple):
    """A member of an object: its name in JSON, which paths have, and all *names* that are read.

    *proto_name* is a field's, "" where a shape gives the names. *private* says that the schema
    forbids to show what is there; *computed*, that it is no field: nobody sends it, and it does not
    count for coverage.
    """

    name: str
    names: tuple[str, ...]
    type: Type
    proto_name: str = ""
    private: bool = False
    computed: bool = False


class MessagePlan(NamedTuple):
    """The members of one kind of object: by every key that names one, and by folded key."""

    members: tuple[Member, ...]
    by_key: dict[str, Member]
    by_fold: dict[str, Member]


def fold(name: str) -> str:
    """A name without its case, in whichever convention it is written.

    >>> fold("display_name") == fold("DisplayName") == fold("display-name")
    True
    """
    return name.replace("_", "").replace("-", "").lower()


class Plans:
    """Shapes and message plans by descriptor, each made once; for the use of one thread."""

    __slots__ = ("_messages", "_types")

    def __init__(self) -> None:
        self._messages: dict[Described, MessagePlan] = {}
        self._types: dict[Descriptor, Type] = {}

    def __repr__(self) -> str:
        return f"<Plans of {len(self._messages)} messages>"

    def message(self, described: Described) -> MessagePlan:
        """The members of a message type, or of another object."""
        plan = self._messages.get(described)
        if plan is None:
            plan = self._messages[described] = self._plan(described)
        return plan

    def answer(self, descriptor: Descriptor, field: FieldDescriptor | None = None) -> Type:
        """The type of a whole answer: a message, or one field of it."""
        return self.of_message(descriptor) if field is None else self.field(field)

    def field(self, field: FieldDescriptor) -> Type:
        """The type of a field."""
        if is_map(field):
            return Type(Form.MAP, implicit=True, element=self._one(map_entry(field)[1]))
        if field.is_repeated:
            return Type(Form.LIST, implicit=True, element=self._one(field))
        return self._one(field, implicit=not field.has_presence)

    def of_message(self, descriptor: Descriptor) -> Type:
        """The type of a message type that is neither a wrapper nor open-ended by its field."""
        type_ = self._types.get(descriptor)
        if type_ is None:
            type_ = self._types[descriptor] = _message_type(descriptor)
        return type_

    def _one(self, field: FieldDescriptor, *, implicit: bool = False) -> Type:
        """The type of one value of a field."""
        if field.message_type is not None:
            return self.of_message(message_type(field))
        enum = enum_type(field) if field.enum_type is not None else None
        return Type(Form.SCALAR, field_kind(field), implicit=implicit, enum=enum)

    def _plan(self, described: Described) -> MessagePlan:
        if isinstance(described, Inline):
            return plan_of(described.members)
        by_name = {field.name: self._member(field) for field in described.fields}
        accepted = accepted_names(described).items()
        by_key = {key: by_name[field.name] for key, field in accepted}
        return MessagePlan(tuple(by_name.values()), by_key, _folded(by_key))

    def _member(self, field: FieldDescriptor) -> Member:
        names = tuple(dict.fromkeys((field.json_name, field.name)))
        return Member(field.json_name, names, self.field(field), field.name, is_private(field))


def plan_of(members: tuple[Member, ...]) -> MessagePlan:
    """The plan of an object with these members, of which the first has a name that two have."""
    by_key = {name: member for member in reversed(members) for name in member.names}
    return MessagePlan(members, by_key, _folded(by_key))


def is_private(field: FieldDescriptor) -> bool:
    """Whether the schema forbids to show values of *field*, or some of them (`debug_redact`)."""
    value = element(field)
    enum = value.enum_type
    return any(each.GetOptions().debug_redact for each in (field, value)) or (
        enum is not None and any(each.GetOptions().debug_redact for each in enum.values)
    )


def _folded(by_key: dict[str, Member]) -> dict[str, Member]:
    """The fields by folded key, without those keys that fold to the same and mean two fields."""
    found: dict[str, Member] = {}
    unclear: set[str] = set()
    for key, member in by_key.items():
        if found.setdefault(fold(key), member) is not member:
            unclear.add(fold(key))
    return {key: member for key, member in found.items() if key not in unclear}


def _message_type(descriptor: Descriptor) -> Type:
    kind = message_kind(descriptor)
    if kind is FieldKind.MESSAGE:
        return Type(Form.MESSAGE, message=descriptor)
    if kind is FieldKind.WRAPPER:
        return Type(Form.SCALAR, field_kind(descriptor.fields_by_name["value"]))
    if kind is FieldKind.ANY:
        return Type(Form.ANY, message=descriptor)
    return OPEN if kind in _OPEN_KINDS else Type(Form.SCALAR, kind)


#: Most fields of an answer that count for coverage: messages that use each other widely have
#: more paths than anybody fills.
MOST_FIELDS: Final = 5000


def leaf_paths(plans: Plans, type_: Type, path: str) -> list[str]:
    """The paths that count for coverage, the shorter first: of fields that lead to no others.

    A message that is within itself counts as one field there. `places.Place.leaf` agrees.
    """
    waiting: list[tuple[str, Type, tuple[Described, ...]]] = [(path, type_, ())]
    found: list[str] = []
    for place, here, around in waiting:  # which grows on the way
        if not leads_on(here, around):
            found.append(place)
        elif here.message is None:
            step = VALUE if here.form is Form.MAP else ELEMENT
            waiting.append((place + step, here.inner, around))
        else:
            members = [each for each in plans.message(here.message).members if not each.computed]
            inside = (*around, here.message)
            waiting += [(place + step_of(each.name), each.type, inside) for each in members]
        if len(found) + len(waiting) > 2 * MOST_FIELDS:
            break
    return found[:MOST_FIELDS]


def leads_on(type_: Type, around: tuple[Described, ...]) -> bool:
    """Whether the places that count are below: not where a message would begin to repeat."""
    if type_.form in (Form.LIST, Form.MAP):
        return type_.writing.separator is None
    if type_.form is not Form.MESSAGE or type_.message is None or type_.message in around:
        return False
    message = type_.message
    return bool(message.members if isinstance(message, Inline) else message.fields)
