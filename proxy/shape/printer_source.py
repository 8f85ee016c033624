"""Python source that turns a message into its legacy JSON, by its layout.

Belongs here: text of the generated printers, one function per message type, and of the documents
with holes that stand in or around messages. Does not: running it (`codecs`), the values (
`forms_source`).

As in `transcoding.protojson.printer_source`, of which this is the counterpart under a shape, fields
are read one by one, or through `ListFields` where that costs less.

Names in the generated code: m message (m1, m2 … those of flattened fields), d dictionary (g0, g1 …
those of groups), v value, h0, h1 … values of holes, f field descriptor, w a message for a moment.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, groupby
from keyword import iskeyword
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

from proxy.shape.forms import Absence, Form
from proxy.shape.forms_source import field_expression
from proxy.shape.holes import Document, Hole, Members, Text, as_text
from proxy.shape.layout import Layout, Layouts, Member
from proxy.transcoding.protojson.kinds import Kind, field_kind, message_type
from proxy.transcoding.protojson.options import JsonOptions
from proxy.transcoding.protojson.parser_source import References, indented
from proxy.transcoding.protojson.printer_source import (
    ASK_WHICH,
    is_set,
    prefers_listing,
    value_printer_source,
)

Steps = tuple[FieldDescriptor, ...]


@dataclass(frozen=True, slots=True)
class _Unit:
    """Lines that write a member, or those of a field that is flattened.

    When *test* names a field, they are for when it is set, and *otherwise* for when it is not.
    *oneof* is the one that may be asked instead.
    """

    lines: list[str]
    test: str | None = None
    otherwise: list[str] = field(default_factory=list)
    oneof: OneofDescriptor | None = None


class PrinterSource:
    """Makes the source of the printer of one type.

    *layouts* say what is written, *options* how what has no form of its own is.
    """

    def __init__(self, layouts: Layouts, options: JsonOptions, refs: References) -> None:
        self._layouts = layouts
        self._options = options
        self._refs = refs
        self._groups = count()
        self._holes = count()

    def __repr__(self) -> str:
        return f"<PrinterSource {self._layouts!r}>"

    def printer(self, descriptor: Descriptor, function: str) -> str:
        """The source of the printer of a message type."""
        layout = self._layouts.of(descriptor)
        if prefers_listing(descriptor) and _can_list(layout):
            return self._listing(layout, function)
        lines = ["d = {}", *_has("m", descriptor), *self._block(layout.members, "m", "d", ())]
        if descriptor.is_extendable:
            lines += [
                "for f, v in m.ListFields():",
                "    if f.is_extension:",
                "        entry = extension(f)",
                "        d[entry[0]] = entry[1](v, depth)",
            ]
        return "\n".join([f"def {function}(m, depth):", *indented([*lines, "return d"])])

    def value(self, field: FieldDescriptor) -> str:
        """Python for the value `v` of a field."""
        rules = self._layouts.rules
        form, separator = rules.form_of(field), rules.separator_of(field)
        return field_expression(field, form, separator, self._refs, self._options)

    # Field by field

    def _block(self, members: Iterable[Member], m: str, d: str, around: Steps) -> list[str]:
        """Lines that write *members* into *d*, from the message *m* that *around* leads to."""
        units = self._units(members, m, d, around)
        lines: list[str] = []
        for oneof, run in groupby(units, lambda unit: unit.oneof):
            several = list(run)
            if oneof is None or len(several) == 1:
                lines += [line for unit in several for line in _alone(unit, m)]
            else:
                lines += _asking(oneof, several, m)
        return lines

    def _units(self, members: Iterable[Member], m: str, d: str, around: Steps) -> Iterator[_Unit]:
        for flattened, run in groupby(members, lambda member: member.flattened(len(around))):
            if flattened is not None:
                yield self._inside(flattened, list(run), d, around)
                continue
            for member in run:
                yield self._unit(member, m, d, around)

    def _unit(self, member: Member, m: str, d: str, around: Steps) -> _Unit:
        if member.document is not None:
            return _Unit(self._addition(member, member.document, m, d, around))
        if not member.steps:
            return _Unit(self._group(member, m, d, around))
        known, store = member.steps[-1], f"{d}[{member.key!r}] = "
        lines = [f"v = {attribute(m, known)}", store + self._expression(member)]
        if known.has_presence:
            return self._with_presence(member, lines, store)
        return _Unit(_when_filled(member, lines, store))

    def _with_presence(self, member: Member, lines: list[str], store: str) -> _Unit:
        known = member.steps[-1]
        if member.absence is Absence.OMIT:
            return _Unit(lines, known.name, oneof=_asked(known))
        if member.absence is not Absence.WRITE:
            return _Unit(lines, known.name, [store + _constant(member)])
        if field_kind(known) is Kind.MESSAGE:
            return _Unit(lines, known.name, [store + "{}"])
        return _Unit(lines)  # protobuf itself gives the default

    def _expression(self, member: Member) -> str:
        form = cast(Form, member.form)  # every field has one
        return field_expression(member.steps[-1], form, member.separator, self._refs, self._options)

    def _inside(
        self, flattened: FieldDescriptor, members: list[Member], d: str, around: Steps
    ) -> _Unit:
        """The members of a flattened field."""
        m, parent = f"m{len(around) + 1}", f"m{len(around) or ''}"
        lines = [
            f"{m} = {attribute(parent, flattened)}",
            *_has(m, message_type(flattened)),
            *self._block(members, m, d, (*around, flattened)),
        ]
        absence, substitute = self._layouts.rules.absence_of(flattened)
        if absence is Absence.OMIT:
            return _Unit(lines, flattened.name, oneof=_asked(flattened))
        if absence is Absence.WRITE:
            return _Unit(lines)  # an unset message reads as an empty one
        stores = [f"{d}[{member.key!r}] = {substitute!r}" for member in members if member.steps]
        return _Unit(lines, flattened.name, stores)

    def _group(self, member: Member, m: str, d: str, around: Steps) -> list[str]:
        group = f"g{next(self._groups)}"
        lines = [f"{group} = {{}}", *self._block(member.members, m, group, around)]
        store = f"{d}[{member.key!r}] = {group}"
        if member.absence is Absence.OMIT:
            return [*lines, f"if {group}: {store}"]
        return [*lines, f"{store} or None" if member.absence is Absence.NULL else store]

    # Documents with holes

    def _addition(
        self, member: Member, document: Document, m: str, d: str, around: Steps
    ) -> list[str]:
        for step in member.within[len(around) :]:
            m = attribute(m, step)
        lines, value = self.document(document, m, cast(Descriptor, member.about))
        return [*lines, f"{d}[{member.key!r}] = {value}"]

    def document(self, document: Document, m: str, descriptor: Descriptor) -> tuple[list[str], str]:
        """Lines that find the values of the holes, and Python for the filled document.

        Holes are field paths of the message *m*. Raises `ValueError` for one that is none.
        """
        names: dict[str, str] = {}
        lines: list[str] = []
        for name in document.names:
            if name not in names:
                names[name] = f"h{next(self._holes)}"
                lines += self.hole(names[name], name, m, descriptor)
        self._refs.define("as_text", as_text)
        return lines, document_expression(document, names)

    def hole(self, variable: str, path: str, m: str, descriptor: Descriptor) -> list[str]:
        """Lines that give *variable* the value at *path*, None where it is not set."""
        *outer, last = field_steps(descriptor, path)
        for step in outer:
            m = attribute(m, step)
        found = [f"v = {attribute(m, last)}", f"{variable} = {self.value(last)}"]
        if not last.has_presence:
            return found
        return [f"{variable} = None", f"if {m}.HasField({last.name!r}):", *indented(found)]

    # Through ListFields

    def _listing(self, layout: Layout, function: str) -> str:
        fields = {member: f"{function}_{member.steps[0].number}" for member in layout.members}
        constants = ", ".join(
            f"{member.key!r}: {_constant(member)}"
            for member in fields
            if member.absence is not Absence.OMIT
        )
        lines = [
            f"d = {{{constants}}}",
            "for f, v in m.ListFields():",
            f"    entry = {function}_table.get(f.number) or extension(f)",
            "    d[entry[0]] = entry[1](v, depth)",
            "return d",
        ]
        return "\n".join(
            [
                *(value_printer_source(n, self._expression(each)) for each, n in fields.items()),
                f"{function}_table = {{",
                *(f"    {m.steps[0].number}: ({m.key!r}, {n})," for m, n in fields.items()),
                "}",
                f"def {function}(m, depth):",
                *indented(lines),
            ]
        )


def field_steps(descriptor: Descriptor, path: str) -> Steps:
    """The fields that a path of names leads through, all but the last one single messages.

    Raises `ValueError` for a path that leads nowhere.
    """
    steps: list[FieldDescriptor] = []
    message: Descriptor | None = descriptor
    for name in path.split("."):
        field = None if message is None else message.fields_by_name.get(name)
        if field is None:
            raise ValueError(f"{descriptor.full_name} has no field {path}")
        steps.append(field)
        message = None if field.is_repeated else field.message_type
    return tuple(steps)


def document_expression(document: Document, names: dict[str, str]) -> str:
    """Python for a document whose holes have their values in variables, by their *names*."""
    content = document.content
    if isinstance(content, Members):
        pairs = (f"{key!r}: {document_expression(each, names)}" for key, each in content.pairs)
        return f"{{{', '.join(pairs)}}}"
    if isinstance(content, Text):
        return _text_expression(content, names)
    if isinstance(content, tuple):
        return f"[{', '.join(document_expression(each, names) for each in content)}]"
    return repr(content)


def _text_expression(text: Text, names: dict[str, str]) -> str:
    match text.pieces:
        case ():
            return "''"
        case (Hole(name),):
            return names[name]
    return " + ".join(
        f"as_text({names[piece.name]})" if isinstance(piece, Hole) else repr(piece)
        for piece in text.pieces
    )


def attribute(m: str, field: FieldDescriptor) -> str:
    """Python for the field of the message *m*."""
    return f"getattr({m}, {field.name!r})" if iskeyword(field.name) else f"{m}.{field.name}"


def _has(m: str, descriptor: Descriptor) -> list[str]:
    if not any(field.has_presence for field in descriptor.fields):
        return []
    return [f"has_{m} = {m}.HasField"]


def _when_filled(member: Member, lines: list[str], store: str) -> list[str]:
    """The lines of a field without presence, of which an empty or zero value may be absent."""
    read, write = lines
    filled = is_set(member.steps[-1])
    if member.absence is Absence.OMIT:
        return [read, f"if {filled}: {write}"]
    if member.absence is Absence.WRITE:
        return lines
    return [read, f"if {filled}: {write}", f"else: {store}{_constant(member)}"]


def _constant(member: Member) -> str:
    """Python for what stands for the absent value."""
    return repr(member.substitute) if member.absence is Absence.SUBSTITUTE else "None"


def _alone(unit: _Unit, m: str) -> list[str]:
    """The lines of a unit that tests by itself whether its field is set."""
    if unit.test is None:
        return unit.lines
    lines = [f"if has_{m}({unit.test!r}):", *indented(unit.lines)]
    return [*lines, "else:", *indented(unit.otherwise)] if unit.otherwise else lines


def _asked(known: FieldDescriptor) -> OneofDescriptor | None:
    """The oneof of a field, when it is worth asking which of its fields is set."""
    oneof = known.containing_oneof
    return None if oneof is None or len(oneof.fields) < ASK_WHICH else oneof


def _asking(oneof: OneofDescriptor, units: list[_Unit], m: str) -> list[str]:
    lines = [f"which = {m}.WhichOneof({oneof.name!r})", "if which is None: pass"]
    for unit in units:
        lines += [f"elif which == {unit.test!r}:", *indented(unit.lines)]
    return lines


def _can_list(layout: Layout) -> bool:
    """Whether nothing is written that `ListFields` does not show, but for constants."""
    return not layout.dropped and all(
        len(member.steps) == 1 and member.absence is not Absence.WRITE for member in layout.members
    )
