"""What a shape has to do with the messages of one RPC: what is wrong, and which keys do anything.

Belongs here: options of shapes against descriptors. Does not: files and lines, and which of several
layers a key is from (`routing.shape_problems`).

A key is told as the options have it: ("fields", "Record.create_time", "timestamp").
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from proxy.shape.envelope_checks import (
    Fault,
    Findings,
    Key,
    check_envelope,
    guess,
    hole_faults,
)
from proxy.shape.forms import Form
from proxy.shape.layout import Layout, Layouts, Member
from proxy.shape.losses import Loss, flattened_losses, losses
from proxy.shape.names import selects, selects_field
from proxy.shape.options import Envelope, FieldShape, Forms
from proxy.transcoding.binding import Binding
from proxy.transcoding.protojson.kinds import (
    Kind,
    element,
    enum_type,
    field_kind,
    is_map,
    owner,
    reachable,
    wrapped,
)

#: The key of forms that a kind of values goes by.
_KEYS: Final[dict[Kind, frozenset[str]]] = {
    Kind.INT64: frozenset({"int64"}),
    Kind.UINT64: frozenset({"int64"}),
    Kind.INT32: frozenset({"int32"}),
    Kind.UINT32: frozenset({"int32"}),
    Kind.FLOAT: frozenset({"floating"}),
    Kind.DOUBLE: frozenset({"floating"}),
    Kind.BOOL: frozenset({"boolean"}),
    Kind.BYTES: frozenset({"binary"}),
    Kind.ENUM: frozenset({"enum", "enum_prefix"}),
    Kind.TIMESTAMP: frozenset({"timestamp", "time_zone"}),
    Kind.DURATION: frozenset({"duration"}),
}
_FORMS: Final = tuple(each.name for each in fields(Forms))


def check_shape(
    layouts: Layouts, envelope: Envelope | None, bindings: Sequence[Binding]
) -> Findings:
    """Hold a shape against the messages of an RPC, of which *bindings* has all bindings."""
    check = _Check(layouts, bindings)
    faults = tuple(check.faults(envelope))
    return Findings(faults, frozenset(check.used))


def keys_of(field: FieldDescriptor, form: Form) -> frozenset[str]:
    """The keys of forms that have a meaning for a field."""
    kind = field_kind(element(field))
    kind = field_kind(wrapped(element(field))) if kind is Kind.WRAPPER else kind
    keys = _KEYS.get(kind, frozenset())
    if kind is Kind.TIMESTAMP and form.style != "pattern":
        keys -= {"time_zone"}
    return keys | _absence_keys(field)


def _absence_keys(field: FieldDescriptor) -> frozenset[str]:
    if field.has_presence:
        return frozenset({"unset"})
    if is_map(field):
        return frozenset({"zero", "empty_map"})
    if field.is_repeated:
        is_scalar = field.message_type is None
        return frozenset({"zero", "empty_list"}) | ({"separator"} if is_scalar else frozenset())
    return frozenset({"zero", "empty_text"} if field_kind(field) is Kind.STRING else {"zero"})


class _Check:
    def __init__(self, layouts: Layouts, bindings: Sequence[Binding]) -> None:
        self.used: set[Key] = set()
        self._layouts = layouts
        self._shape = layouts.shape
        self._bindings = bindings
        method = bindings[0].method
        every = {
            each.full_name: each
            for root in (method.input_type, method.output_type)
            for each in reachable(root)
        }
        self._types = list(every.values())
        self._lossy = set[str]()

    def faults(self, envelope: Envelope | None) -> Iterator[Fault]:
        yield from self._ambiguous()
        yield from self._of_fields()
        yield from self._of_enums()
        layouts: list[Layout] = []
        for descriptor in self._types:
            try:
                layouts.append(self._layouts.of(descriptor))
            except ValueError as error:
                yield Fault(self._flattening(str(error)), str(error))
                self._use_all(descriptor)
        for layout in layouts:
            self._use_wide(layout.descriptor)
            yield from self._of_layout(layout)
        self.used.update(("lossy", entry) for entry in self._lossy)
        if envelope is None:
            return
        for binding in self._bindings:
            found = check_envelope(envelope, binding)
            self.used |= found.used
            yield from found.faults

    def _use_all(self, descriptor: Descriptor) -> None:
        """Take it that all keys for a type do something: what is wrong with it hides whether."""
        self._use_wide(descriptor)
        self._lossy |= self._shape.lossy
        for group in self._shape.groups:
            if selects(group.selector, descriptor):
                places = range(len(group.fields))
                self.used.update(("nest", group.selector, group.key, index) for index in places)
        for addition in self._shape.additions:
            if selects(addition.selector, descriptor):
                self.used.add(("add", addition.selector, addition.key))

    # Selectors

    def _ambiguous(self) -> Iterator[Fault]:
        """Selectors that name two types, and two that name one field."""
        parts = (
            *((("fields", f.selector), f.selector.rpartition(".")[0]) for f in self._shape.fields),
            *((("nest", g.selector), g.selector) for g in self._shape.groups),
            *((("add", a.selector), a.selector) for a in self._shape.additions),
        )
        for key, selector in parts:
            named = sorted(t.full_name for t in self._types if selects(selector, t))
            if len(named) > 1:
                yield Fault(key, f"names {' and '.join(named)}: write more of the name")
        first: dict[str, str] = {}
        for said in self._shape.fields:
            for field in self._selected(said):
                other = first.setdefault(field.full_name, said.selector)
                if other != said.selector:
                    yield Fault(("fields", said.selector), f"is the same field as {other}")

    def _selected(self, said: FieldShape) -> Iterator[FieldDescriptor]:
        for descriptor in self._types:
            yield from (f for f in descriptor.fields if selects_field(said.selector, f))

    def _flattening(self, message: str) -> Key:
        """The key of the field that a message about flattening begins with."""
        name = message.partition(" ")[0]
        said = next(s for s in self._shape.fields if f".{name}".endswith(f".{s.selector}"))
        return ("fields", said.selector, "flatten")

    # Fields and enums

    def _of_fields(self) -> Iterator[Fault]:
        for said in self._shape.fields:
            type_name, _, name = said.selector.rpartition(".")
            for descriptor in self._types:
                if not selects(type_name, descriptor):
                    continue
                field = descriptor.fields_by_name.get(name)
                if field is None:
                    hint = guess(name, descriptor.fields_by_name)
                    yield Fault(("fields", said.selector), f"{type_name} has no field {name}{hint}")
                else:
                    yield from self._of_field(said, field)

    def _of_field(self, said: FieldShape, field: FieldDescriptor) -> Iterator[Fault]:
        key: Key = ("fields", said.selector)
        self.used.update((*key, each) for each in ("name", "also", "drop", "flatten"))
        self.used.add(key)
        form = self._layouts.rules.form_of(field)
        for name in _FORMS:
            if getattr(said.forms, name) is None:
                continue
            self.used.add((*key, name))
            if name not in keys_of(field, form):
                yield Fault((*key, name), f"has no meaning for {_described(field, form)}")

    def _of_enums(self) -> Iterator[Fault]:
        for table in self._shape.enums:
            for enum in self._enums():
                if selects(table.selector, enum):
                    for name, _ in table.values:
                        self.used.add(("enums", table.selector, name))
                        if name not in enum.values_by_name:
                            message = f"{enum.name} has no value {name}"
                            hint = guess(name, enum.values_by_name)
                            yield Fault(("enums", table.selector, name), message + hint)

    def _enums(self) -> list[EnumDescriptor]:
        every = (element(field) for each in self._types for field in each.fields)
        found = {
            enum_type(field).full_name: enum_type(field)
            for field in every
            if field_kind(field) is Kind.ENUM
        }
        return list(found.values())

    def _use_wide(self, descriptor: Descriptor) -> None:
        """Note which wide choices say something of a type's fields."""
        if descriptor.fields:
            self.used.add(("names",))
        for field in descriptor.fields:
            said = self._layouts.said_of(field)
            if said is not None and said.drop:
                continue
            for name in keys_of(field, self._layouts.rules.form_of(field)):
                if said is None or getattr(said.forms, name) is None:
                    self.used.add(("forms", name))

    # Layouts

    def _of_layout(self, layout: Layout) -> Iterator[Fault]:
        yield from self._shared_keys(layout.members, layout.descriptor)
        for member in layout.members:
            if member.members:
                yield from self._shared_keys(member.members, layout.descriptor)
        for _, member in layout.leaves():
            if len(member.steps) == 1:
                yield from self._of_losses(member.steps[0], losses(member, member.steps[0]))
        for field in layout.descriptor.fields:
            said = self._layouts.said_of(field)
            if said is not None and said.flatten is not None:
                absence, _ = self._layouts.rules.absence_of(field)
                yield from self._of_losses(field, flattened_losses(absence))
        yield from self._of_groups(layout)
        for addition in self._shape.additions:
            if selects(addition.selector, layout.descriptor):
                key: Key = ("add", addition.selector, addition.key)
                self.used.add(key)
                yield from hole_faults(key, addition.document, layout.descriptor)

    def _shared_keys(self, members: Sequence[Member], descriptor: Descriptor) -> Iterator[Fault]:
        owners: dict[str, Member] = {}
        for member in members:
            for name in (member.key, *member.names[1:]):
                other = owners.setdefault(name, member)
                if other is not member:
                    key = max(self._key_of(member), self._key_of(other), key=len)
                    both = f"{_told(other)} and {_told(member)}"
                    yield Fault(key, f"{both} of {descriptor.name} would both be {name}")

    def _key_of(self, member: Member) -> Key:
        """The key that gives a member its name."""
        if member.document is not None:
            selector = next(a.selector for a in self._shape.additions if a.key == member.key)
            return ("add", selector, member.key)
        if not member.steps:
            selector = next(g.selector for g in self._shape.groups if g.key == member.key)
            return ("nest", selector, member.key)
        said = self._layouts.said_of(member.steps[0])
        if said is None:
            return ("names",)
        return ("fields", said.selector, "flatten" if len(member.steps) > 1 else "name")

    def _of_groups(self, layout: Layout) -> Iterator[Fault]:
        inside = Counter(
            name
            for group in self._shape.groups
            if selects(group.selector, layout.descriptor)
            for name in group.fields
        )
        for group in self._shape.groups:
            if not selects(group.selector, layout.descriptor):
                continue
            for index, name in enumerate(group.fields):
                key: Key = ("nest", group.selector, group.key, index)
                self.used.add(key)
                field = layout.descriptor.fields_by_name.get(name)
                if field is None:
                    hint = guess(name, layout.descriptor.fields_by_name)
                    yield Fault(key, f"{layout.descriptor.name} has no field {name}{hint}")
                elif field in layout.dropped:
                    yield Fault(key, f"{name} is dropped")
                elif inside[name] > 1:
                    yield Fault(key, f"{name} is in two groups")

    def _of_losses(self, field: FieldDescriptor, found: Iterable[Loss]) -> Iterator[Fault]:
        """What is lost of a field, but for what may be."""
        for key, message in found:
            allowed = {
                entry for entry in self._shape.lossy if entry == key or selects_field(entry, field)
            }
            self._lossy |= allowed
            if not allowed:
                at = self._form_key(field, key)
                name = f"{owner(field).name}.{field.name}"
                yield Fault(at, f"{message}, for {name}; if that may be, name it in lossy")

    def _form_key(self, field: FieldDescriptor, key: str) -> Key:
        """The key that gives a field the form that *key* is about."""
        said = self._layouts.said_of(field)
        if key == "enum":
            enum = enum_type(element(field))
            for table in self._shape.enums:
                if selects(table.selector, enum):
                    return ("enums", table.selector)
        if said is not None and getattr(said.forms, key) is not None:
            return ("fields", said.selector, key)
        return ("forms", key)


def _told(member: Member) -> str:
    """A member as people know it."""
    if member.steps:
        return ".".join(step.name for step in member.steps)
    return f"the group {member.key}" if member.document is None else f"the addition {member.key}"


def _described(field: FieldDescriptor, form: Form) -> str:
    if is_map(field):
        return "a map of such values"
    plural = "a list of such values" if field.is_repeated else "such a field"
    return f"{plural} ({form.kind.name.lower()})"
