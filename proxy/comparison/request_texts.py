"""Captures and query parameters as a client sent them, against the message that was made of them.

Belongs here: text against the value of a field, and rules for such text. Does not: JSON bodies
(`request_walk`).

A client's text and the message's value are one thing when reading the text gives the value. How
an integer is spelled is told all the same, since legacy sees the characters: `5.0` may be no page
number to it. A number is told as another value when a field of 32 bits has cut it short.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from proxy.comparison.agreement import agrees
from proxy.comparison.documents import ABSENT, Difference, Excerpt
from proxy.comparison.kinds import Kind
from proxy.comparison.numbers import number_text
from proxy.comparison.paths import ROOT, Part, PathPattern, step_of
from proxy.comparison.rules import Check, Held, Ignore, Number, Present, Rule
from proxy.errors import RequestError
from proxy.shape.form_bodies import FormReader
from proxy.transcoding.parameters import Form, Parameter
from proxy.transcoding.protojson import kinds as protojson
from proxy.transcoding.protojson.scalars import INTEGERS, float_json
from proxy.transcoding.query import MAX_UNKNOWN_NAME_CHARACTERS, reach, same
from proxy.transcoding.request import RequestBuilder

#: Characters of a value that an excerpt has: enough to be known again by a person.
_MAX_SHOWN: Final = 256


class _Slot(NamedTuple):
    """A parameter's field in one message; its value is None for a map that has not the key."""

    parameter: Parameter
    kind: protojson.Kind
    held: Any


class Told(NamedTuple):
    """A difference, and its path by the proto's names; the difference has the client's."""

    difference: Difference
    path: str


class TextRules:
    """The rules about captures and parameters of one binding. Immutable, made at load.

    Without *tell_unknown*, parameters that name no field are no differences.
    """

    __slots__ = ("_held", "_tell_unknown")

    def __init__(
        self, request: RequestBuilder, rules: Iterable[Rule], *, tell_unknown: bool
    ) -> None:
        self._tell_unknown = tell_unknown
        self._held: dict[str, Held] = {}
        for index, rule in enumerate(rules):
            pattern = PathPattern.parse(rule.path)
            # An input of a form is text at the path of a member.
            if pattern.part.is_text or (pattern.part is Part.REQUEST and len(pattern.steps) == 1):
                held = Held(index, rule.check)
                self._held |= dict.fromkeys((rule.path, _by_proto_name(request, pattern)), held)

    def __repr__(self) -> str:
        return f"<TextRules for {', '.join(self._held)}>"

    def held_against(
        self, found: Iterable[Told]
    ) -> tuple[tuple[Difference, ...], Mapping[int, int]]:
        """The differences that no rule forgives, and how often each rule did."""
        left: list[Difference] = []
        hits: dict[int, int] = {}
        for difference, path in found:
            if difference.kind is Kind.MISSING_FIELD and not self._tell_unknown:
                continue
            held = self._held.get(difference.path) or self._held.get(path)
            if held is not None and _forgives(held.check, difference):
                hits[held.index] = hits.get(held.index, 0) + difference.times
            else:
                left.append(difference)
        return tuple(left), hits


def _by_proto_name(request: RequestBuilder, pattern: PathPattern) -> str:
    """The path of a parameter whichever way its name is spelled; others have one spelling."""
    if pattern.part is not Part.QUERY:
        return str(pattern)
    try:
        meant = request.query.meaning(pattern.steps[0])
    except RequestError:  # a map without a key: all of its entries
        return str(pattern)
    return str(pattern) if meant is None else f"{Part.QUERY}{meant.path}"


def _forgives(check: Check, difference: Difference) -> bool:
    if isinstance(check, Number):
        sent, held = _bare(difference.legacy), _bare(difference.grpc)
        is_number = number_text(sent) is not None and number_text(held) is not None
        return is_number and agrees(check, sent.encode(), held.encode())
    is_there = difference.grpc != ABSENT
    return isinstance(check, Ignore) or (isinstance(check, Present) and is_there)


def capture_differences(
    request: RequestBuilder, captures: Sequence[str], message: Message
) -> Iterator[Told]:
    """What of the path's captures is not in the message as it was sent."""
    for variable, capture in zip(request.variables, captures, strict=True):
        path = f"{Part.CAPTURE}{variable.parameter.path}"
        for each in _differences(path, capture, _slot(variable.parameter, message)):
            yield Told(each, path)


def query_differences(request: RequestBuilder, query: str, message: Message) -> Iterator[Told]:
    """What of a raw query is not in the message as it was sent; *query* has been bound to it.

    A parameter that names no field is a missing field.
    """
    return _given_differences(
        request.query.meanings(query),
        message,
        lambda name: f"{Part.QUERY}{name[:MAX_UNKNOWN_NAME_CHARACTERS]}",
    )


def form_differences(
    forms: FormReader, body: bytes, content_type: str | None, message: Message
) -> Iterator[Told]:
    """What of a form's inputs is not in the message as it was sent; files are not looked at."""
    return _given_differences(
        forms.meanings(body, content_type),
        forms.target(message),
        lambda name: f"{Part.REQUEST}{ROOT}{step_of(name)}",
    )


def _given_differences(
    given: Iterable[tuple[str, str, Parameter | None]],
    message: Message,
    path_of: Callable[[str], str],
) -> Iterator[Told]:
    lists: dict[str, tuple[str, Parameter, list[str]]] = {}
    for name, text, parameter in given:
        path = path_of(name)
        if parameter is None:
            yield Told(Difference(path, Kind.MISSING_FIELD, 1, _text(text), ABSENT), path)
        elif parameter.node.is_list:
            lists.setdefault(parameter.path, (path, parameter, []))[2].append(text)
        else:
            yield from _told(_differences(path, text, _slot(parameter, message)), parameter)
    for path, parameter, texts in lists.values():
        yield from _told(_list_differences(path, texts, _slot(parameter, message)), parameter)


def _told(differences: Iterable[Difference], parameter: Parameter) -> Iterator[Told]:
    return (Told(each, f"{Part.QUERY}{parameter.path}") for each in differences)


def _slot(parameter: Parameter, message: Message) -> _Slot:
    parent, node = reach(message, parameter.parents), parameter.node
    kind = protojson.field_kind(protojson.element(parent.DESCRIPTOR.fields_by_name[node.name]))
    held = getattr(parent, node.name)
    if node.form is Form.MAP:
        key = node.parse_key(parameter.key or "")
        held = held.get(key)
    return _Slot(parameter, kind, held)


def _list_differences(path: str, texts: Sequence[str], slot: _Slot) -> Iterator[Difference]:
    if len(slot.held) != len(texts):
        sides = Excerpt("array", len(texts), ""), Excerpt("array", len(slot.held), "")
        yield Difference(path, Kind.LIST_LENGTH, 1, *sides)
        return
    for text, value in zip(texts, slot.held, strict=True):
        yield from _differences(path, text, slot._replace(held=value))


def _differences(path: str, text: str, slot: _Slot) -> Iterator[Difference]:
    kind = _difference(text, slot)
    if kind is not None:
        yield Difference(path, kind, 1, _text(text), _shown(slot))


def _difference(text: str, slot: _Slot) -> Kind | None:
    if slot.held is None or not _reads_as(text, slot):
        return Kind.VALUE
    if slot.kind in INTEGERS:
        return None if text == str(slot.held) else Kind.NUMBER_REPR
    if slot.kind is protojson.Kind.FLOAT:
        return None if float(text) == float(_float_text(slot)) else Kind.VALUE
    return None


def _reads_as(text: str, slot: _Slot) -> bool:
    try:
        return same(slot.parameter.node.parse(text), slot.held)
    except ValueError:
        return False


def _float_text(slot: _Slot) -> str:
    return str(float_json(slot.held) if slot.kind is protojson.Kind.FLOAT else slot.held)


def _bare(excerpt: Excerpt) -> str:
    """A scalar's text, without the quotes that it may stand in."""
    return str(json.loads(excerpt.text)) if excerpt.text.startswith('"') else excerpt.text


def _text(text: str) -> Excerpt:
    return Excerpt("string", len(text), json.dumps(text[:_MAX_SHOWN], ensure_ascii=False))


def _shown(slot: _Slot) -> Excerpt:
    """What the message has, as the kind of its JSON."""
    held = slot.held
    if held is None:
        return ABSENT
    if slot.kind in INTEGERS:
        return Excerpt("number", len(str(held)), str(held))
    if slot.kind in (protojson.Kind.FLOAT, protojson.Kind.DOUBLE):
        text = _float_text(slot)
        return Excerpt("number", len(text), text)
    return _text(held if isinstance(held, str) else str(held))
