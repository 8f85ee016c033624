"""Python source that puts decoded legacy JSON into a message, by its layout.

Belongs here: text of the generated parsers, one function per message type. Does not: running it
(`codecs`), values (`parser_forms`), the exact rules (`unshape`).

As in `transcoding.protojson.parser_source`, of which this is the counterpart under a shape: what a
well-behaved client sends is read, anything else raises, and the strict path reads the body again.

Names in the generated code: o object (g0, g1 … those of groups), m message, p one that is
flattened, n number of strings, v value, t the message that a value fills, c something for a moment.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from math import inf
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.forms import Absence, Form
from proxy.shape.forms_source import named
from proxy.shape.layout import Layouts, Member
from proxy.shape.parser_forms import filling_lines, piece_reader, scalar_lines
from proxy.shape.printer_source import Steps, attribute
from proxy.shape.unshape_forms import reads_null, token
from proxy.transcoding.protojson.kinds import (
    OPEN_ENDED,
    Kind,
    element,
    field_kind,
    is_map,
    map_entry,
    message_type,
    nullable,
    reachable,
    wrapped,
)
from proxy.transcoding.protojson.options import SURELY_READABLE, JsonOptions
from proxy.transcoding.protojson.parser_source import (
    CONVERSIONS,
    FILLINGS,
    KEY_CONVERSIONS,
    MAYBE_EMPTY,
    UNCHANGED,
    References,
    indented,
)
from proxy.transcoding.protojson.scalars import WHOLE

#: Kinds whose pieces of a text may be anything; the others are made by a function.
_PIECE_READERS: Final = frozenset(
    {Kind.INT32, Kind.UINT32, Kind.INT64, Kind.UINT64, Kind.ENUM, Kind.BOOL}
)


class ParserSource:
    """Makes the source of the parser of one type.

    *layouts* say what is read, *options* what the limits are.
    """

    def __init__(self, layouts: Layouts, options: JsonOptions, refs: References) -> None:
        self._layouts = layouts
        self._options = options
        self._refs = refs
        self._groups = count()
        self._oneofs: dict[tuple[object, ...], str] = {}

    def __repr__(self) -> str:
        return f"<ParserSource {self._layouts!r}>"

    def parser(self, descriptor: Descriptor, function: str) -> str:
        """The source of the parser of a message type."""
        members = self._layouts.of(descriptor).members
        lines = self._object("o", members, "depth")
        guard = f"if type(o) is not dict{self._depth_guard(descriptor)}: raise Unexpected"
        whole = [guard, "n = len(o)", *self.key_limit("o"), *self.flags, *lines, "return n"]
        return "\n".join([f"def {function}(o, m, depth):", *indented(whole)])

    @property
    def flags(self) -> list[str]:
        """Lines that must stand before those that were made so far."""
        return [f"{name} = 0" for name in self._oneofs.values()]

    def field_parser(self, field: FieldDescriptor, function: str) -> str:
        """The source of the parser of one field's value, which stands alone in a body."""
        lines = ["n = 0", *self.value(field, "depth"), "return n"]
        return "\n".join([f"def {function}(v, m, depth):", *indented(lines)])

    def value(self, field: FieldDescriptor, depth: str) -> list[str]:
        """Lines that put the value `v` into a field of `m`, which the body as a whole is for."""
        rules = self._layouts.rules
        return self._store(field, rules.form_of(field), rules.separator_of(field), "m", depth)

    def reached(self, steps: Steps, depth: str) -> list[str]:
        """Lines that put `v` into the field of `m` that *steps* lead to."""
        known = steps[-1]
        rules = self._layouts.rules
        lines, m = self._through(steps)
        form, separator = rules.form_of(known), rules.separator_of(known)
        return [*lines, *self._store(known, form, separator, m, depth)]

    # Objects

    def _object(self, o: str, members: tuple[Member, ...], depth: str) -> list[str]:
        """Lines that take all *members* from the object *o*, and then look at what is left."""
        pop = f"pop_{o}"
        lines = [f"{pop} = {o}.pop"]
        names = {name for each in members for name in each.names}
        for member in members:
            if member.document is not None:
                lines += [] if member.key in names else self.passed_over(member.key, pop, depth)
            elif member.members:
                lines += self._group(member, pop, depth)
            elif member.form is not None:
                lines += self._member(member, member.form, pop, depth)
        return [*lines, self.rest(o, names, depth)]

    def rest(self, o: str, names: Iterable[str], depth: str) -> str:
        """The line for members of the object *o* that nothing has taken."""
        if self._options.unknown_fields == "reject":
            return f"if {o}: raise Unexpected"
        return f"if {o}: n += dropped.members({o}, {self._refs.names(names)}, {depth})"

    def key_limit(self, o: str) -> list[str]:
        """The line that keeps the object *o* within the limit of keys."""
        return [f"if len({o}) > {self._options.max_object_keys}: raise Unexpected"]

    def passed_over(self, key: str, pop: str, depth: str) -> list[str]:
        """Lines for what answers have in addition, and clients may send back."""
        return [
            f"v = {pop}({key!r}, ABSENT)",
            f"if v is not ABSENT: n += dropped.strings(v, {depth} + 1)",
        ]

    def _group(self, member: Member, pop: str, depth: str) -> list[str]:
        group = f"g{next(self._groups)}"
        check = f"if type({group}) is not dict: raise Unexpected"
        inside = self._object(group, member.members, f"{depth} + 1")
        return [
            f"{group} = {pop}({member.key!r}, None)",
            f"if {group} is not None:",
            *indented([check, *self.key_limit(group), f"n += len({group})", *inside]),
        ]

    # Members

    def _member(self, member: Member, form: Form, pop: str, depth: str) -> list[str]:
        known = member.steps[-1]
        absent = "ABSENT" if nullable(known) or _may_be_null(member) else "None"
        first, *others = member.names
        lines = [f"v = {pop}({first!r}, {'ABSENT' if others else absent})"]
        for index, name in enumerate(others):
            last = absent if index == len(others) - 1 else "ABSENT"
            lines += [f"if v is ABSENT: v = {pop}({name!r}, {last})"]
        lines += _substituted(member, absent)
        store = self._placed(member, known, form, depth)
        return [*lines, f"if v is not {absent}:", *indented(store)]

    def _placed(self, member: Member, known: FieldDescriptor, form: Form, depth: str) -> list[str]:
        """Lines that put `v` into its field, through those that are flattened on the way."""
        lines, m = self._through(member.steps)
        return [*lines, *self._store(known, form, member.separator, m, depth)]

    def _through(self, steps: Steps) -> tuple[list[str], str]:
        """Lines that lead to the message of the last of *steps*, and the name that it has then."""
        lines, m = list[str](), "m"
        for position, step in enumerate(steps):
            lines += self._claim(steps[:position], step)
            if position < len(steps) - 1:
                lines += [f"p = {attribute(m, step)}", "p.SetInParent()"]
                m = "p"
        return lines, m

    def _claim(self, around: Steps, field: FieldDescriptor) -> list[str]:
        """Lines that refuse a second field of a oneof."""
        oneof = field.containing_oneof
        if oneof is None or len(oneof.fields) < 2:
            return []
        place = (*(step.full_name for step in around), oneof.full_name)
        flag = self._oneofs.setdefault(place, f"one_{len(self._oneofs)}")
        return [
            f"if {flag} and {flag} != {field.number}: raise Unexpected",
            f"{flag} = {field.number}",
        ]

    # Values

    def _store(
        self, field: FieldDescriptor, form: Form, separator: str | None, m: str, depth: str
    ) -> list[str]:
        """Lines that put the value `v` into a field of the message *m*."""
        if separator is not None:
            return self._pieces(field, form, separator, m)
        if is_map(field):
            return self._map(field, form, m, depth)
        if field.is_repeated:
            return self._list(field, form, m, depth)
        if field.message_type is None:
            return [*self._scalar(field, form), assigned(m, field)]
        present = ["t.SetInParent()"] if field_kind(field) in MAYBE_EMPTY else []
        return [f"t = {attribute(m, field)}", *present, *self._filling(field, form, f"{depth} + 1")]

    def _pieces(self, field: FieldDescriptor, form: Form, separator: str, m: str) -> list[str]:
        """Lines for a list that is one text."""
        lines = ["if type(v) is not str: raise Unexpected", "n += 1"]
        split = f"(v.split({separator!r}) if v else [])"
        if form.kind is Kind.STRING:
            return [*lines, f"{attribute(m, field)}.extend{split}"]
        read = piece_reader(field, form)
        if read is None or form.kind not in _PIECE_READERS:
            return ["raise Unexpected"]
        name = named("piece", (field.full_name, form))
        self._refs.define(name, read)
        return [*lines, f"{attribute(m, field)}.extend([{name}(v) for v in {split}])"]

    def _list(self, field: FieldDescriptor, form: Form, m: str, depth: str) -> list[str]:
        check, items = "if type(v) is not list: raise Unexpected", attribute(m, field)
        if field.message_type is not None:
            body = ["t = add()", *self._filling(field, form, f"{depth} + 2")]
            return [check, f"add = {items}.add", "for v in v:", *indented(body)]
        body = self._scalar(field, form)
        if field_kind(field) in UNCHANGED and scalar_lines(form, self._refs) is None:
            return [check, "c = v", "for v in v:", *indented(body), f"{items}.extend(c)"]
        return [check, f"add = {items}.append", "for v in v:", *indented([*body, "add(v)"])]

    def _map(self, field: FieldDescriptor, form: Form, m: str, depth: str) -> list[str]:
        key, value = map_entry(field)
        if value.message_type is not None:
            body = ["t = items[key]", *self._filling(value, form, f"{depth} + 2")]
        else:
            body = [*self._scalar(value, form), "items[key] = v"]
        limit = self._options.max_object_keys
        return [
            f"if type(v) is not dict or len(v) > {limit}: raise Unexpected",
            "n += len(v)",
            f"items = {attribute(m, field)}",
            "for key, v in v.items():",
            *indented([*KEY_CONVERSIONS[field_kind(key)], *body]),
        ]

    def _scalar(self, field: FieldDescriptor, form: Form) -> list[str]:
        own = scalar_lines(form, self._refs)
        if own is not None:
            return own
        kind = field_kind(field)
        enum = self._refs.enum(field) if kind is Kind.ENUM else ""
        return [line.format(enum=enum) for line in CONVERSIONS[kind]]

    def _filling(self, field: FieldDescriptor, form: Form, depth: str) -> list[str]:
        kind = field_kind(field)
        if kind is Kind.WRAPPER:
            return [*self._scalar(wrapped(field), form), "t.value = v"]
        own = filling_lines(form, self._refs)
        if own is not None:
            return own
        message = self._refs.message(message_type(field)) if kind is Kind.MESSAGE else ""
        return [line.format(message=message, depth=depth) for line in FILLINGS[kind]]

    # Depth

    def _depth_guard(self, descriptor: Descriptor) -> str:
        """A check of the depth, for types whose JSON has no bound of its own.

        The check may send a body to the strict path too early, never too late. Flattened fields
        are levels of messages that the JSON does not show.
        """
        depths: dict[str, float] = {}
        if self._levels(descriptor, depths) <= self._options.max_depth:
            return ""
        leaves = [
            leaf for each in reachable(descriptor) for leaf in self._layouts.of(each).leaves()
        ]
        longest = max((len(member.steps) for _, member in leaves), default=1)
        limit = self._options.max_depth
        limit = limit if longest == 1 else min(limit, SURELY_READABLE // longest)
        return f" or depth > {limit - self._bounded(descriptor, depths)}"

    def _bounded(self, descriptor: Descriptor, depths: dict[str, float]) -> int:
        """The levels below an object that no other object answers for."""
        bounded = [0]
        for keys, member in self._layouts.of(descriptor).leaves():
            around, own = len(keys) - 1, self._member_levels(member, depths)
            repeated = int(member.steps[-1].is_repeated)
            fits = own <= self._options.max_depth
            bounded.append(around + (int(own) if fits else repeated))
        return max(bounded)

    def _levels(self, descriptor: Descriptor, known: dict[str, float]) -> float:
        """How many levels of objects and arrays the legacy JSON of a type can have."""
        if descriptor.full_name not in known:
            known[descriptor.full_name] = inf
            below = [
                len(keys) - 1 + self._member_levels(member, known)
                for keys, member in self._layouts.of(descriptor).leaves()
            ]
            known[descriptor.full_name] = 1 + max(below, default=0)
        return known[descriptor.full_name]

    def _member_levels(self, member: Member, known: dict[str, float]) -> float:
        field = member.steps[-1]
        kind = field_kind(element(field))
        if kind in OPEN_ENDED:
            return inf
        own = self._levels(message_type(element(field)), known) if kind is Kind.MESSAGE else 0
        return own + int(field.is_repeated)


def assigned(m: str, field: FieldDescriptor) -> str:
    """Python that sets the field of the message *m* to `v`."""
    place = attribute(m, field)
    return f"setattr({m}, {field.name!r}, v)" if place.startswith("getattr") else f"{place} = v"


def _may_be_null(member: Member) -> bool:
    """Whether null is a value of a single field."""
    form, known = member.form, member.steps[-1]
    return form is not None and reads_null(form) and not known.is_repeated


def _substituted(member: Member, absent: str) -> list[str]:
    """Lines for the value that stands for an unset field."""
    if member.absence is not Absence.SUBSTITUTE or member.substitute is None:
        return []
    return [*_equal(token(member.substitute), absent)]


def _equal(text: str, absent: str) -> Iterator[str]:
    yield f"if type(v) is str and v == {text!r}:"
    yield "    n += 1"
    yield f"    v = {absent}"
    if WHOLE(text):
        yield f"elif type(v) is int and v == {text}: v = {absent}"
    elif text in ("true", "false"):
        yield f"elif v is {text.capitalize()}: v = {absent}"
    else:
        yield "elif type(v) is float: raise Unexpected"
