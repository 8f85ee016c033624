"""The fields that an HTTP rule names: found in their messages, or refused with a reason.

Belongs here: what `google/api/http.proto` demands of path variables, `body` and `response_body`.
Does not: text to values (`transcoding.values`).
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.transcoding.binding import BoundVariable
from proxy.transcoding.template import Variable

#: Messages whose ProtoJSON is one scalar or string, and so may be the leaf of a path variable.
TEXT_MESSAGES: Final = frozenset(
    f"google.protobuf.{name}"
    for name in (
        *("Timestamp", "Duration", "FieldMask", "BoolValue", "BytesValue", "StringValue"),
        *("DoubleValue", "FloatValue", "Int32Value", "Int64Value", "UInt32Value", "UInt64Value"),
    )
)


class FieldError(ValueError):
    """A rule names a field that it may not name."""


def bind_variable(message: Descriptor, variable: Variable) -> BoundVariable:
    """Resolve a template variable's field path, starting at *message*.

    The leaf must be a "non-repeated, non-map primitive" (`http.proto`) or one of
    `TEXT_MESSAGES`, which have one textual form; what leads to it, singular messages. Names are
    proto names. Raises `FieldError`.
    """
    fields: list[FieldDescriptor] = []
    inside: Descriptor | None = message
    for name in variable.field_path:
        fields.append(_step(inside, fields, name))
        inside = fields[-1].message_type
    _check_leaf(fields[-1], ".".join(variable.field_path))
    return BoundVariable(variable, tuple(fields))


def top_level_field(message: Descriptor, name: str, selector: str) -> FieldDescriptor:
    """The field of *message* that a body selector names; *selector* is its name in the rule.

    Any kind of field will do: message, repeated, map, scalar. Raises `FieldError`.
    """
    try:
        if "." in name:
            raise FieldError("it must be a top-level field, without dots")
        return _field(message, name)
    except FieldError as error:
        raise FieldError(f"{selector} {name!r}: {error}") from None


def check_disjoint(variables: Sequence[BoundVariable], body: FieldDescriptor | None) -> None:
    """Refuse a field that a rule fills twice, or whose value another variable would erase.

    Raises `FieldError` for one field twice, for a field and a part of it, for two members of one
    oneof, and for a variable that is the body field as a whole.
    """
    for index, variable in enumerate(variables):
        for other in variables[:index]:
            _check_pair(other, variable)
        if body is not None and variable.fields == (body,):
            raise FieldError(f"field {body.name!r} is bound twice: by the path and as the body")


def _step(message: Descriptor | None, before: list[FieldDescriptor], name: str) -> FieldDescriptor:
    """Go one name further; *message* is None when the field before it is a scalar."""
    path = ".".join([*(field.name for field in before), name])
    if before and before[-1].is_repeated:
        raise FieldError(f"variable {path!r}: {_kind(before[-1])}; a path leads through messages")
    if message is None:
        raise FieldError(f"variable {path!r}: {before[-1].full_name!r} is not a message")
    try:
        return _field(message, name)
    except FieldError as error:
        raise FieldError(f"variable {path!r}: {error}") from None


def _field(message: Descriptor, name: str) -> FieldDescriptor:
    if field := message.fields_by_name.get(name):
        return field
    for field in message.fields:
        if field.json_name == name:
            raise FieldError(f"it must have its proto name, {field.name!r}")
    near = get_close_matches(name, message.fields_by_name, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise FieldError(f"{message.full_name!r} has no such field{hint}")


def _check_leaf(field: FieldDescriptor, path: str) -> None:
    """Refuse what text in a path cannot fill."""
    message = field.message_type
    if field.is_repeated or (message is not None and message.full_name not in TEXT_MESSAGES):
        raise FieldError(
            f"variable {path!r}: {_kind(field)}; it must be singular and not a message"
        )


def _kind(field: FieldDescriptor) -> str:
    """What the field is that it may not be, `'dns.v1.Zone.tags' is a map`."""
    message = field.message_type
    if message is not None and not field.is_repeated:
        kind = f"is a message, {message.full_name!r}"
    elif message is not None and message.GetOptions().map_entry:
        kind = "is a map"
    else:
        kind = "is repeated"
    return f"{field.full_name!r} {kind}"


def _check_pair(first: BoundVariable, second: BoundVariable) -> None:
    """Compare two field paths at the first name in which they differ."""
    for ours, theirs in zip(first.fields, second.fields, strict=False):
        if ours != theirs:
            _check_oneof(ours, theirs)
            return
    if len(first.fields) == len(second.fields):
        raise FieldError(f"field {first.path!r} is bound twice by the path")
    raise FieldError(f"field {first.path!r} is bound twice: {second.path!r} overlaps it")


def _check_oneof(ours: FieldDescriptor, theirs: FieldDescriptor) -> None:
    if ours.containing_oneof is not None and ours.containing_oneof == theirs.containing_oneof:
        raise FieldError(
            f"fields {ours.name!r} and {theirs.name!r} are of the oneof"
            f" {ours.containing_oneof.name!r}: only one of them can be set"
        )
