"""What a shape makes of the types of values: legacy keys, groups, envelopes, forms.

Belongs here: types and plans of legacy JSON, from the layouts of a shape. Does not: how its values
are read (`comparison.legacy_senses`), where things stand in it (`shape.layout`).

Both answers to a request of a shaped route are legacy JSON: the old host's as it is, gRPC's as
clients would get it. So paths are legacy paths, and every value is known by the field that it is.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.legacy_senses import moment_reader, senses_of_form
from proxy.comparison.reading import Json
from proxy.comparison.schema import (
    OPEN,
    PROTOJSON,
    TEXT,
    Described,
    Form,
    Inline,
    Member,
    MessagePlan,
    Plans,
    Type,
    Writing,
    is_private,
    plan_of,
)
from proxy.shape.envelope import AT, WHOLE, root_of
from proxy.shape.forms import Absence
from proxy.shape.holes import Document, Hole, Members, Scalar, Text
from proxy.shape.layout import Layouts
from proxy.shape.layout import Member as LegacyMember
from proxy.shape.options import Envelope, ShapeOptions
from proxy.shape.printer_source import field_steps
from proxy.transcoding.protojson import JsonOptions
from proxy.transcoding.protojson.kinds import (
    enum_type,
    is_map,
    map_entry,
    reachable,
)


class Written(NamedTuple):
    """How both bodies are written, where that is not ProtoJSON alone.

    *shape* is None where only a program has a hand in it. With *by_program* a program has made the
    body of what the shape says: nothing describes it.
    """

    json: JsonOptions
    shape: ShapeOptions | None
    by_program: bool = False


class Asked(NamedTuple):
    """Which bodies: those of *message*, or of its *field*; of answers, or, *sent*, of requests."""

    message: Descriptor
    field: FieldDescriptor | None
    streams: bool = False
    sent: bool = False


class Found(NamedTuple):
    """The type of a value, and whether the schema forbids to show it."""

    type: Type
    private: bool = False


class LegacyPlans(Plans):
    """Types and plans of messages under one shape, each made once; for the use of one thread."""

    __slots__ = ("_fields", "_layouts")

    def __init__(self, shape: ShapeOptions, json: JsonOptions) -> None:
        super().__init__()
        self._layouts = Layouts(shape.messages, json)
        self._fields: dict[tuple[FieldDescriptor, bool], Type] = {}

    @property
    def layouts(self) -> Layouts:
        """Where the fields stand."""
        return self._layouts

    def field(self, field: FieldDescriptor) -> Type:
        """The type of a field."""
        if is_map(field):
            return Type(Form.MAP, implicit=True, element=self._value(map_entry(field)[1], field))
        if field.is_repeated:
            separator = self._layouts.rules.separator_of(field)
            writing = PROTOJSON if separator is None else Writing(separator=separator)
            return Type(
                Form.LIST, implicit=True, element=self._value(field, field), writing=writing
            )
        return self._value(field, field, implicit=not field.has_presence)

    def _value(
        self, value: FieldDescriptor, field: FieldDescriptor, *, implicit: bool = False
    ) -> Type:
        """The type of one value: of *field*, its elements, or the values of its map."""
        key = field, value is field
        if key not in self._fields:
            self._fields[key] = self._made(value, field, implicit=implicit)
        return self._fields[key]

    def _made(self, value: FieldDescriptor, field: FieldDescriptor, *, implicit: bool) -> Type:
        form = self._layouts.rules.form_of(field)
        plain = self._one(value, implicit=implicit)
        if plain.form is not Form.SCALAR:
            return plain
        enum = enum_type(value) if value.enum_type is not None else None
        made = Type(
            Form.SCALAR,
            plain.kind,
            implicit=implicit,
            enum=enum,
            writing=Writing(substitute=self._substitute(field), moment=moment_reader(form)),
        )
        made.senses = senses_of_form(form, enum)
        return made

    def _substitute(self, field: FieldDescriptor) -> Json:
        absence, substitute = self._layouts.rules.absence_of(field)
        return _json(substitute) if absence is Absence.SUBSTITUTE else None

    # Objects

    def _plan(self, described: Described) -> MessagePlan:
        if isinstance(described, Inline):
            return plan_of(described.members)
        return plan_of(tuple(map(self._member_of, self._layouts.of(described).members)))

    def _member_of(self, said: LegacyMember) -> Member:
        names = said.names or (said.key,)
        if said.document is not None:
            found = self._document(said.document, self._holes(said.about))
            private = found.private or any(map(is_private, said.within))
            return Member(said.key, names, found.type, private=private, computed=True)
        if said.field is None:
            inside = tuple(map(self._member_of, said.members))
            type_ = Type(Form.MESSAGE, message=Inline(f"the group {said.key}", inside))
            return Member(said.key, names, type_)
        private = any(map(is_private, said.steps))
        return Member(said.key, names, self.field(said.field), private=private)

    # Documents with holes

    def within(
        self, message: Descriptor, field: FieldDescriptor | None, envelope: Envelope
    ) -> "Found":
        """What stands at the root of bodies in an envelope; *field* is the body by its rule."""
        root = root_of(message, field, envelope)

        def hole(name: str) -> Found:
            if name != WHOLE:
                return self._holes(message)(name)
            if root is None:
                return Found(self.of_message(message))
            return Found(self.field(root), is_private(root))

        return self._document(envelope.body, hole)

    def _holes(self, message: Descriptor | None) -> Callable[[str], Found]:
        def hole(name: str) -> Found:
            if message is None or name.startswith(AT):
                return Found(OPEN)
            steps = field_steps(message, name)
            return Found(self.field(steps[-1]), any(map(is_private, steps)))

        return hole

    def _document(self, document: Document, hole: Callable[[str], Found]) -> Found:
        """The type of a document; *hole* gives those of its holes."""
        content = document.content
        if isinstance(content, Members):
            inside = tuple(self._literal(key, each, hole) for key, each in content.pairs)
            return Found(Type(Form.MESSAGE, message=Inline("the document", inside)))
        if isinstance(content, Text):
            return _text(content, hole)
        if isinstance(content, tuple):
            every = [self._document(each, hole) for each in content]
            private = any(each.private for each in every)
            return Found(Type(Form.LIST), private)
        return Found(OPEN)

    def _literal(self, key: str, document: Document, hole: Callable[[str], Found]) -> Member:
        found = self._document(document, hole)
        computed = all(name.startswith(AT) for name in document.names)
        return Member(key, (key,), found.type, private=found.private, computed=computed)


def _text(text: Text, hole: Callable[[str], Found]) -> Found:
    match text.pieces:
        case (Hole(name),):
            return hole(name)
    private = any(hole(name).private for name in text.names)
    return Found(TEXT, private)


def _json(value: Scalar) -> Json:
    if value is None or isinstance(value, (bool, str)):
        return value
    return str(value).encode()


def plans_key(written: Written | None) -> Hashable:
    """What the plans follow from: equal for bodies whose messages are written alike."""
    if written is None or written.shape is None:
        return None
    return written.shape.messages, written.json


def plans_of(written: Written | None) -> Plans:
    """The plans for bodies that are so written, as ProtoJSON without *written*."""
    if written is None or written.shape is None:
        return Plans()
    return LegacyPlans(written.shape, written.json)


def body_of(plans: Plans, asked: Asked, written: Written | None) -> Found:
    """What stands at the root of bodies; of a stream, the list of its messages.

    *plans* are those for how they are *written*.
    """
    found = _body(plans, asked, written)
    return Found(Type(Form.LIST, element=found.type), found.private) if asked.streams else found


def _body(plans: Plans, asked: Asked, written: Written | None) -> Found:
    message, field = asked.message, asked.field
    private = field is not None and is_private(field)
    if written is not None and written.by_program and not asked.sent:
        # A program may have put any field anywhere.
        inside = (each for found in reachable(message) for each in found.fields)
        return Found(OPEN, private or any(map(is_private, inside)))
    shape = None if written is None else written.shape
    envelope = None if shape is None else shape.request if asked.sent else shape.answer
    if envelope is None or not isinstance(plans, LegacyPlans):
        return Found(plans.answer(message, field), private)
    if asked.streams and not envelope.each:
        return Found(plans.answer(message, field), private)
    return plans.within(message, field, envelope)
