"""A shape in words: where the JSON of a message is other than ProtoJSON, step by step.

Belongs here: the account of layouts and envelopes for people. Does not: what a shape makes of
requests and answers; that is compiled from the same layouts.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import orjson
from google.protobuf.descriptor import Descriptor

from proxy.shape.forms import Absence, Form
from proxy.shape.holes import Document, Hole, Members, Text
from proxy.shape.layout import Layout, Layouts, Member
from proxy.shape.names import field_key
from proxy.shape.options import Envelope
from proxy.transcoding.protojson.kinds import Kind, message_kind, reachable

#: What of an exchange a step is about.
Part = Literal["request", "answer", "error"]

_ABSENT: Final = {Absence.NULL: "null", Absence.WRITE: "written"}
#: The keys of forms for kinds that are called otherwise.
_FORM_KEYS: Final = {Kind.DOUBLE: "float", Kind.UINT32: "int32", Kind.UINT64: "int64"}
#: What a field that is dropped is to clients.
_DROPPED: Final[dict[Part, str]] = {"request": "is unknown", "answer": "is left out"}
#: Steps of layouts that are about answers alone.
_OF_ANSWERS: Final = frozenset({"unset", "zero", "add"})


class ShapeStep(NamedTuple):
    """One thing that a shape does: *setting* is the key that asks for it, *about* what it is to."""

    part: Part
    setting: str
    about: str
    text: str


def layout_steps(part: Part, layouts: Layouts, root: Descriptor) -> Iterator[ShapeStep]:
    """What is other than ProtoJSON in a message of type *root* and in all types below it."""
    if layouts.case != "json":
        yield ShapeStep(part, "names", "", layouts.case)
    if message_kind(root) is not Kind.MESSAGE:
        return
    for descriptor in reachable(root):
        for setting, about, text in _type_steps(layouts, layouts.of(descriptor)):
            if part == "answer" or setting not in _OF_ANSWERS:
                told = _DROPPED[part] if setting == "drop" else text
                yield ShapeStep(part, setting, f"{descriptor.name}.{about}", told)


def envelope_step(part: Part, envelope: Envelope | None) -> Iterator[ShapeStep]:
    """The envelope of requests or of answers, if there is one."""
    if envelope is not None:
        text = document_text(envelope.body)
        yield ShapeStep(part, "body", "" if envelope.root is None else envelope.root, text)


def document_text(document: Document) -> str:
    """A document as JSON, with its holes.

    >>> document_text(Document.parse({"ok": True, "result": "{}", "n": "{@count} of {{}}"}))
    '{"ok":true,"result":"{}","n":"{@count} of {{}}"}'
    """
    return orjson.dumps(_as_written(document)).decode()


def text_with_holes(text: Text) -> str:
    """A text as it stands in a file.

    >>> text_with_holes(Text.parse("{name} of {{}}"))
    '{name} of {{}}'
    """
    return "".join(_piece(piece) for piece in text.pieces)


def _as_written(document: Document) -> Any:
    content = document.content
    if isinstance(content, Text):
        return text_with_holes(content)
    if isinstance(content, Members):
        return {key: _as_written(inner) for key, inner in content.pairs}
    if isinstance(content, tuple):
        return [_as_written(inner) for inner in content]
    return content


def _piece(piece: str | Hole) -> str:
    if isinstance(piece, Hole):
        return f"{{{piece.name}}}"
    return piece.replace("{", "{{").replace("}", "}}")


def _type_steps(layouts: Layouts, layout: Layout) -> Iterator[tuple[str, str, str]]:
    """Of one type: the setting, the path of the field from there, what is done."""
    for field in layout.dropped:
        yield "drop", field.name, ""
    for member in layout.members:
        if member.document is not None:
            yield "add", member.key, document_text(member.document)
        if member.members:
            inside = (".".join(step.name for step in each.steps) for each in member.members)
            yield "nest", member.key, ", ".join(inside)
    for keys, member in layout.leaves():
        path = ".".join(step.name for step in member.steps)
        for setting, text in _member_steps(layouts, member):
            yield setting, path, text if setting != "name" else ".".join((*keys[:-1], text))


def _member_steps(layouts: Layouts, member: Member) -> Iterator[tuple[str, str]]:
    field, form = member.steps[-1], member.form
    if len(member.steps) > 1:
        yield "flatten", member.key
    elif member.key != field_key(field, layouts.case):
        yield "name", member.key
    if len(member.names) > 1 and member.names[1:] != (field.name,):
        others = [n for n in member.names[1:] if n not in (field.name, field.json_name)]
        if others:
            yield "also", ", ".join(others)
    if form is not None and not form.is_canonical:
        yield _FORM_KEYS.get(form.kind) or form.kind.name.lower(), _form_text(form)
    if member.separator is not None:
        yield "separator", orjson.dumps(member.separator).decode()
    absent = "unset" if field.has_presence else "zero"
    if member.absence is Absence.SUBSTITUTE:
        yield absent, orjson.dumps(member.substitute).decode()
    elif member.absence in _ABSENT:
        yield absent, _ABSENT[member.absence]


def _form_text(form: Form) -> str:
    if form.style == "pattern":
        return f"{form.pattern} {form.zone}"
    if form.style != "table":
        return form.style
    return orjson.dumps([legacy for _, legacy in form.table]).decode()
