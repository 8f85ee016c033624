"""Captures and query parameters as a client sent them, against the message that was made of them.

Belongs here: text against the value of a field. Does not: JSON bodies (`requests`).

A client's text and the message's value are one thing when reading the text gives the value. How
an integer is spelled is told all the same, since legacy sees the characters: `5.0` may be no page
number to it. A number is told as another value when a field of 32 bits has cut it short.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from proxy.comparison.documents import ABSENT, Difference, Excerpt
from proxy.comparison.kinds import Kind
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


def capture_differences(
    request: RequestBuilder, captures: Sequence[str], message: Message
) -> Iterator[Difference]:
    """What of the path's captures is not in the message as it was sent."""
    for variable, capture in zip(request.variables, captures, strict=True):
        slot = _slot(variable.parameter, message)
        yield from _differences(f"request:/{variable.parameter.path}", capture, slot)


def query_differences(
    request: RequestBuilder, query: str, message: Message, *, tell_unknown: bool
) -> Iterator[Difference]:
    """What of a raw query is not in the message as it was sent; *query* has been bound to it.

    A parameter that names no field is a missing field where unknown ones are told.
    """
    lists: dict[str, tuple[str, Parameter, list[str]]] = {}
    for name, text, parameter in request.query.meanings(query):
        path = f"request:?{name[:MAX_UNKNOWN_NAME_CHARACTERS]}"
        if parameter is None:
            if tell_unknown:
                yield Difference(path, Kind.MISSING_FIELD, 1, _text(text), ABSENT)
        elif parameter.node.is_list:
            lists.setdefault(parameter.path, (path, parameter, []))[2].append(text)
        else:
            yield from _differences(path, text, _slot(parameter, message))
    for path, parameter, texts in lists.values():
        yield from _list_differences(path, texts, _slot(parameter, message))


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
