"""The fields of a request message that the old API has no parameter and no member for.

Belongs here: which those are, and where clients would give them. Does not: the other way round
(`fields`).
"""

from collections.abc import Collection, Iterator
from typing import Any, Final

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldOptions

from proxy.inventory.findings import Finding, FindingKind, Subject
from proxy.inventory.legacy import Where
from proxy.inventory.names import word_of
from proxy.transcoding.binding import Body as BodyRule
from proxy.transcoding.protojson.kinds import Kind, field_kind

#: How deep the fields of a request are named which the old API does not have.
_MAX_DEPTH: Final = 3


def without_legacy(subject: Subject, seen: Collection[FieldDescriptor]) -> Iterator[Finding]:
    """The fields that are not in *seen*, nor in the path, and that clients may give."""
    bound = {field for each in subject.binding.variables for field in each.fields}
    for path, field in _request_fields(subject.takes, "", 1, bound):
        if not _is_given(field, seen) and not _is_output(field) and _is_open(subject, path):
            detail = word_of(field) + (", required" if _has(field, _REQUIRED) else "")
            yield Finding(FindingKind.NO_LEGACY, _where_sent(subject, path), path, detail)


def _is_open(subject: Subject, path: str) -> bool:
    """Whether clients could name a field: not what a shape drops, nor what it fills by itself."""
    named = subject.names.layouts.path(subject.takes, path) is not None
    return named and path not in subject.extras.fields


def _is_given(field: FieldDescriptor, seen: Collection[FieldDescriptor]) -> bool:
    """Whether something gives the field, or one inside of it."""
    inner = field.message_type
    return field in seen or (inner is not None and any(each in seen for each in inner.fields))


def _request_fields(
    message: Descriptor, prefix: str, depth: int, bound: Collection[FieldDescriptor]
) -> Iterator[tuple[str, FieldDescriptor]]:
    """The fields at whose places clients give values: below those that a path has a part of."""
    for field in message.fields:
        inner = field.message_type
        if inner is not None and field in bound and field_kind(field) is Kind.MESSAGE:
            if depth < _MAX_DEPTH:
                yield from _request_fields(inner, f"{prefix}{field.name}.", depth + 1, bound)
        elif field not in bound:
            yield f"{prefix}{field.name}", field


def _where_sent(subject: Subject, path: str) -> Where:
    body = subject.binding.body
    if body is BodyRule.WHOLE:
        return Where.BODY
    within = not isinstance(body, BodyRule) and path.split(".")[0] == body.name
    return Where.BODY if within else Where.QUERY


_REQUIRED: Final = field_behavior_pb2.REQUIRED
_OUTPUT_ONLY: Final = field_behavior_pb2.OUTPUT_ONLY


def _has(field: FieldDescriptor, behavior: Any) -> bool:
    """Whether a field has a behaviour; its options are read with the class that knows them."""
    options = FieldOptions.FromString(field.GetOptions().SerializeToString())
    return behavior in options.Extensions[field_behavior_pb2.field_behavior]


def _is_output(field: FieldDescriptor) -> bool:
    return _has(field, _OUTPUT_ONLY)
