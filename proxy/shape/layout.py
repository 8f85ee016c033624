"""Layouts: where the fields of each message type stand in legacy JSON, and under which keys.

Belongs here: the one place that says it, for everybody who writes, reads, compares or names legacy
JSON. Does not: code that writes or reads, forms of values (`forms`), the envelope (`envelope`).
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.forms import Absence, Form, FormRules
from proxy.shape.holes import Document, Scalar
from proxy.shape.names import field_key, prefixed, selects, selects_field
from proxy.shape.options import Case, FieldShape, Group, ShapeOptions
from proxy.transcoding.protojson.kinds import Kind, element, field_kind, is_map, message_type
from proxy.transcoding.protojson.options import JsonOptions

#: A name and what follows it in brackets: positions of lists, keys of maps.
_STEP: Final = re.compile(r"([^.\[]+)((?:\[[^\]]*\])*)\.?")


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One member of the legacy object of a message.

    Of a field: *steps* lead to it from the message, more than one through fields that are
    flattened; *form* is that of its value or elements, and *separator* makes one text of a list.
    Of a group: *members* are its own, it has no steps. Of what answers have in addition: *document*
    says it, with paths of fields of the type *about*, to whose message *within* leads. *names* are
    all keys that are read, *key*, the one that is written, first; an addition has none.
    """

    key: str
    names: tuple[str, ...]
    steps: tuple[FieldDescriptor, ...] = ()
    form: Form | None = None
    separator: str | None = None
    absence: Absence = Absence.OMIT
    substitute: Scalar = None
    members: tuple["Member", ...] = ()
    document: Document | None = None
    about: Descriptor | None = None
    within: tuple[FieldDescriptor, ...] = ()
    #: The type of the messages that the field or its elements are, if they are objects.
    inner: Descriptor | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        # Asked for with each request that is read, and made once.
        object.__setattr__(self, "inner", _objects(self.field))

    @property
    def field(self) -> FieldDescriptor | None:
        """The field, None of a group and of an addition."""
        return self.steps[-1] if self.steps else None

    def flattened(self, depth: int) -> FieldDescriptor | None:
        """The field that is flattened *depth* steps down on the way here, if one is."""
        way = self.within if self.document is not None else self.steps[:-1]
        return way[depth] if len(way) > depth else None


def _objects(of: FieldDescriptor | None) -> Descriptor | None:
    if of is None or field_kind(element(of)) is not Kind.MESSAGE:
        return None
    return message_type(element(of))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The members of the legacy object of one message type, in the order of its fields.

    *dropped* are the fields that it lacks.
    """

    descriptor: Descriptor
    members: tuple[Member, ...]
    dropped: tuple[FieldDescriptor, ...] = ()

    def leaves(self) -> Iterator[tuple[tuple[str, ...], Member]]:
        """The members that are fields, those in groups with the keys that lead to them."""
        for member in self.members:
            if member.steps:
                yield (member.key,), member
            for inner in member.members:
                yield (member.key, inner.key), inner

    def find(self, steps: tuple[FieldDescriptor, ...]) -> tuple[tuple[str, ...], Member] | None:
        """The member that *steps* lead to, or begin with, and the keys that lead to it."""
        for keys, member in self.leaves():
            if member.steps == steps[: len(member.steps)]:
                return keys, member
        return None


class Layouts:
    """The layouts of all types under one shape, each made once.

    *json* are the options of the codec, whose names and forms count where the shape says nothing.
    """

    def __init__(self, shape: ShapeOptions, json: JsonOptions | None = None) -> None:
        self.shape = shape
        self.json = json or JsonOptions()
        self.case: Case = shape.names or self.json.names
        self.rules = FormRules(shape, self.json)
        self._layouts: dict[str, Layout] = {}

    def __repr__(self) -> str:
        return f"<Layouts of {len(self._layouts)} types>"

    def of(self, descriptor: Descriptor) -> Layout:
        """The layout of an ordinary message type.

        Raises `ValueError` for a field that is flattened into itself, or is no single message.
        """
        return self._of(descriptor, ())

    def path(self, root: Descriptor, path: str) -> str | None:
        """The legacy path of a proto path of *root*; None for a field that is dropped.

        Positions and keys in brackets stay where they are. A field that is flattened is where its
        members are: its parent, "" at the top. What is no field, or inside of JSON of any form,
        stays as it is.
        """
        layout, keys, steps = self.of(root), list[str](), list[FieldDescriptor]()
        for found in _STEP.finditer(path):
            field = _owner(layout, steps).fields_by_name.get(found[1])
            if field is None:
                return ".".join([*keys, path[found.start() :]])
            if self.is_dropped(field):
                return None
            steps.append(field)
            place = layout.find(tuple(steps))
            if place is None:
                continue  # flattened: its members follow
            keys += [*place[0][:-1], place[0][-1] + found[2]]
            inner = place[1].inner
            if inner is None:
                return _ended(keys, path, found.end())
            layout, steps = self.of(inner), []
        return ".".join(keys)

    def proto_path(self, root: Descriptor, path: str) -> str | None:
        """The proto path of a legacy path of *root*; None for what is no field, as a group."""
        members, names = self.of(root).members, list[str]()
        for found in _STEP.finditer(path):
            member = next((each for each in members if found[1] in each.names), None)
            if member is None:
                return None
            members = member.members
            if member.steps:
                names += [step.name for step in member.steps]
                names[-1] += found[2]
                inner = member.inner
                if inner is None:
                    return _ended(names, path, found.end())
                members = self.of(inner).members
        return ".".join(names) if names or not path else None

    # Making one

    def _of(self, descriptor: Descriptor, around: tuple[str, ...]) -> Layout:
        layout = self._layouts.get(descriptor.full_name)
        if layout is None:
            layout = self._make(descriptor, (*around, descriptor.full_name))
            self._layouts[descriptor.full_name] = layout
        return layout

    def _make(self, descriptor: Descriptor, around: tuple[str, ...]) -> Layout:
        members: list[Member] = []
        dropped: list[FieldDescriptor] = []
        for field in descriptor.fields:
            said = self.said_of(field)
            if said is not None and said.drop:
                dropped.append(field)
            elif said is not None and said.flatten is not None:
                members += self._flattened(field, said.flatten, around)
            else:
                members.append(self._member(field, said))
        if self.shape.names is None:
            members = _spelled(members, self.case)
        members = self._grouped(descriptor, members)
        members += [
            Member(each.key, (), document=each.document, about=descriptor)
            for each in self.shape.additions
            if selects(each.selector, descriptor)
        ]
        return Layout(descriptor, tuple(members), tuple(dropped))

    def said_of(self, field: FieldDescriptor) -> FieldShape | None:
        """What the shape says of this very field."""
        return next((e for e in self.shape.fields if selects_field(e.selector, field)), None)

    def is_dropped(self, field: FieldDescriptor) -> bool:
        """Whether answers lack the field and requests may not have it."""
        said = self.said_of(field)
        return said is not None and said.drop

    def _member(self, field: FieldDescriptor, said: FieldShape | None) -> Member:
        key = (said and said.name) or field_key(field, self.case)
        absence, substitute = self.rules.absence_of(field)
        return Member(
            key,
            (key, *(said.also if said is not None else ())),
            (field,),
            self.rules.form_of(field),
            self.rules.separator_of(field),
            absence,
            substitute,
        )

    def _flattened(
        self, field: FieldDescriptor, prefix: str, around: tuple[str, ...]
    ) -> Iterator[Member]:
        if field.is_repeated or is_map(field) or field_kind(field) is not Kind.MESSAGE:
            raise ValueError(f"{field.full_name} is no single message that could be flattened")
        inner = message_type(field)
        if inner.full_name in around:
            raise ValueError(f"{field.full_name} would be flattened into itself")
        for member in self._of(inner, around).members:
            yield self._behind(field, prefix, member)

    def _behind(self, field: FieldDescriptor, prefix: str, member: Member) -> Member:
        """A member of a flattened field as one of the message around it."""
        return replace(
            member,
            key=prefixed(prefix, member.key, self.case),
            names=tuple(prefixed(prefix, name, self.case) for name in member.names),
            steps=(field, *member.steps) if member.steps else (),
            within=() if member.steps else (field, *member.within),
            members=tuple(replace(each, steps=(field, *each.steps)) for each in member.members),
        )

    def _grouped(self, descriptor: Descriptor, members: list[Member]) -> list[Member]:
        for group in self.shape.groups:
            if selects(group.selector, descriptor):
                members = _with_group(members, group, self.rules.group_absence)
        return members


def _spelled(members: list[Member], case: Case) -> list[Member]:
    """The members with ProtoJSON's other spelling among their names, where none has that name.

    So it is where the shape neither says a case nor gives the field a name of its own.
    """
    taken = {name for member in members for name in member.names}
    return [
        replace(member, names=(*member.names, *(_other_spelling(member, case) - taken)))
        for member in members
    ]


def _other_spelling(member: Member, case: Case) -> frozenset[str]:
    known = member.field
    if known is None or len(member.steps) > 1 or member.key != field_key(known, case):
        return frozenset()
    return frozenset({known.name, known.json_name})


def _with_group(members: list[Member], said: Group, absence: Absence) -> list[Member]:
    """The members with those of a group in it, which stands where the first one stood."""
    inside = [each for each in members if each.steps and each.steps[0].name in said.fields]
    if not inside:
        return members
    place = members.index(inside[0])
    group = Member(said.key, (said.key,), members=tuple(inside), absence=absence)
    rest = [each for each in members if each not in inside]
    return [*rest[:place], group, *rest[place:]]


def _owner(layout: Layout, steps: list[FieldDescriptor]) -> Descriptor:
    """The type that the next name of a path is a field of."""
    return message_type(steps[-1]) if steps else layout.descriptor


def _ended(names: list[str], path: str, end: int) -> str:
    """The path of *names*, and what is left of *path* behind them."""
    return ".".join([*names, path[end:]] if path[end:] else names)
