"""What an envelope has to do with the answers of a binding, and holes with the fields of a message.

Belongs here: documents with holes against descriptors. Does not: keys of fields (`checks`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.envelope import AT, COUNT, WHOLE, root_of
from proxy.shape.holes import Document
from proxy.shape.options import Envelope
from proxy.shape.printer_source import field_steps
from proxy.transcoding.binding import Binding
from proxy.transcoding.httpbody import is_http_body

#: Where something is said in a shape: ("fields", "Record.create_time", "timestamp").
Key = tuple[str | int, ...]


class Fault(NamedTuple):
    """What is wrong at a key."""

    key: Key
    message: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a shape, and the keys that do something."""

    faults: tuple[Fault, ...]
    used: frozenset[Key]


_BODY: Key = ("answer", "body")
_ROOT: Key = ("answer", "of")


def check_envelope(envelope: Envelope, binding: Binding) -> Findings:
    """Hold an envelope against the answers of a binding."""
    message, field = binding.method.output_type, binding.response_body
    streams = binding.cardinality.response_streams
    if _is_raw(message, field) or (streams and not envelope.each):
        return Findings((), frozenset())
    used = {_BODY, _ROOT, ("answer", "each")} if streams else {_BODY, _ROOT}
    return Findings(tuple(_faults(envelope, message, field)), frozenset(used))


def _faults(
    envelope: Envelope, message: Descriptor, field: FieldDescriptor | None
) -> Iterator[Fault]:
    if envelope.root is not None and field is not None:
        yield Fault(_ROOT, f"the rule has response_body {field.name} already")
        return
    try:
        root = root_of(message, field, envelope)
    except ValueError as error:
        yield Fault(_ROOT, f"{error}{guess(envelope.root or '', message.fields_by_name)}")
        return
    names = set(envelope.body.names)
    if WHOLE not in names and message.fields:
        yield Fault(_BODY, f"must have the hole {{}}: {message.name} has fields")
    if COUNT in names and (root is None or not root.is_repeated):
        yield Fault(_BODY, f"{{{COUNT}}} counts a list, and there is none in place of {{}}")
    yield from hole_faults(_BODY, envelope.body, message, whole=True)


def hole_faults(
    key: Key, document: Document, descriptor: Descriptor, *, whole: bool = False
) -> Iterator[Fault]:
    """Holes that name no field; *whole* says that there may be others."""
    for name in dict.fromkeys(document.names):
        if whole and (name == WHOLE or name.startswith(AT)):
            continue
        try:
            if not name or name.startswith(AT):
                raise ValueError(f"{{{name}}} names no field")
            field_steps(descriptor, name)
        except ValueError as error:
            yield Fault(key, f"{error}{guess(name, descriptor.fields_by_name)}")


def _is_raw(message: Descriptor, field: FieldDescriptor | None) -> bool:
    """Whether the answer is the content of an `HttpBody`."""
    if field is None:
        return is_http_body(message)
    return is_http_body(field.message_type) and not field.is_repeated


def guess(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name, if another one is much like it."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""
