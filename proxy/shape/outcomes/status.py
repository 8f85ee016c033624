"""The HTTP status of an answer that is no error, from its message.

Belongs here: which status. Does not: what a status means for the body (`outcomes`).
"""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from proxy.shape.outcomes.fields import FieldAt, field_at, fitting, number_at
from proxy.shape.outcomes.names import Subject
from proxy.shape.outcomes.options import Misfit, StatusOptions
from proxy.transcoding.binding import Binding

#: Those of an answer without a body (RFC 9110 §6.4.1).
BODILESS: Final = frozenset({204, 304})
#: Those that lead elsewhere, and say where in Location.
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: Those of successes that a whole answer cannot have: a part of it, and an emptied form.
_NOT_WHOLE: Final = frozenset({205, 206})

StatusOf = Callable[[Subject], int]


def is_status(code: int) -> bool:
    """Whether an answer that is no error may have the status *code*.

    >>> [code for code in (101, 200, 204, 205, 206, 302, 304, 404) if is_status(code)]
    [200, 204, 302]
    """
    return (200 <= code <= 299 and code not in _NOT_WHOLE) or code in REDIRECTS


def compile_status(options: StatusOptions, binding: Binding) -> StatusOf:
    """What gives the status of an answer. Raises `Misfit`."""
    given = _by_field(options, binding) or (lambda _: options.code)
    if options.empty is None:
        if options.empty_if is not None:
            raise Misfit(("status", "empty_if"), "does nothing without status.empty")
        return given
    is_empty, empty = _emptiness(options, binding), options.empty
    return lambda subject: empty if is_empty(subject) else given(subject)


def _emptiness(options: StatusOptions, binding: Binding) -> Callable[[Subject], bool]:
    """Whether there is nothing in an answer: its bytes say so for a message as a whole."""
    path = options.empty_if
    if path is None:
        return lambda subject: not subject.replied.wire
    key = ("status", "empty_if")
    field = fitting(key, lambda: field_at(binding.method.output_type, path))
    return lambda subject: not field.is_set(subject.message)


def _by_field(options: StatusOptions, binding: Binding) -> StatusOf | None:
    path = options.field
    if path is None:
        for key, given in (("allowed", options.allowed), ("values", options.values)):
            if given:
                raise Misfit(("status", key), "does nothing without status.field")
        return None
    if bool(options.allowed) == bool(options.values):
        raise Misfit(("status", "field"), "must have status.allowed or status.values, and not both")
    if options.allowed:
        return _number(options, path, binding)
    field = fitting(("status", "field"), lambda: field_at(binding.method.output_type, path))
    return _tabled(field, options)


def _number(options: StatusOptions, path: str, binding: Binding) -> StatusOf:
    """A status that the API says itself. One that is not allowed would be anything: not passed."""
    key = ("status", "field")
    field = fitting(key, lambda: number_at(binding.method.output_type, path))
    allowed, otherwise = frozenset(options.allowed), options.code

    def of(subject: Subject) -> int:
        code = field.raw(subject.message)
        return code if code in allowed else otherwise

    return of


def _tabled(field: FieldAt, options: StatusOptions) -> StatusOf:
    table: dict[Any, int] = _table(field.leaf, options)
    otherwise = options.code
    return lambda subject: table.get(field.raw(subject.message), otherwise)


def _table(leaf: FieldDescriptor, options: StatusOptions) -> dict[Any, int]:
    """The table by values as Python has them."""
    if leaf.is_repeated or leaf.type not in (FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_BOOL):
        raise Misfit(("status", "field"), f"{leaf.name} is no single enum or truth value")
    if leaf.enum_type is None:
        known: dict[str, Any] = {"true": True, "false": False}
    else:
        known = {value.name: value.number for value in leaf.enum_type.values}
    for text, _ in options.values:
        if text not in known:
            message = f"{leaf.name} is never {text}: it is one of {', '.join(sorted(known))}"
            raise Misfit(("status", "values", text), message)
    return {known[text]: code for text, code in options.values}
