"""Requests held against the rules that their own messages have (`buf.validate`, protovalidate).

Belongs here: whether a message type has such rules, compiling them, and what a message breaks as
one error. Does not: which routes ask for it (`config`), how the error is written (`shape.errors`).

The rules are in the options of messages, fields and oneofs, as extension 1159 of each; the engine
is the library's. It is fast where a message is good: some microseconds. To find each violation
takes tens of them, and a client makes one with three bytes: so of a large message that is bad only
the first is looked for.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from proxy.errors import RequestError
from proxy.status import Code, Status
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.errorbody import bad_request
from proxy.transcoding.protojson.faults import cut
from proxy.transcoding.protojson.kinds import is_map, reachable

#: The number of the extensions `buf.validate.message`, `.oneof`, `.field` (validate.proto).
EXTENSION: Final = 1159

#: Violations that one answer tells: a list of a thousand bad elements breaks a thousand rules.
MOST_TOLD: Final = 20
#: Values in a message of which all violations are looked for, which may take tens of milliseconds.
MOST_LOOKED_AT: Final = 500


class Validation:
    """The rules of one type of request, compiled."""

    def __init__(self, message: Descriptor, validator: protovalidate.Validator) -> None:
        self.message = message
        self._validator = validator

    def __repr__(self) -> str:
        return f"<Validation of {self.message.full_name}>"

    @classmethod
    def compile(cls, message: Descriptor) -> "Validation | None":
        """Compile the rules of a type and of all that it holds; None when there are none.

        Raises `ValueError` for a rule that cannot be compiled, with the type that has it.
        """
        ruled = [each for each in reachable(message) if _has_rules(each)]
        if not ruled:
            return None
        validator = protovalidate.Validator()
        for each in ruled:
            # The engine compiles a type when it meets the first message of it.
            try:
                validator.collect_violations(message_class(each)())
            except protovalidate.CompilationError as error:
                raise ValueError(f"the rules of {each.full_name} are wrong: {error}") from error
            except protovalidate.EvaluationError:
                # An empty message may be what a rule cannot be asked about.
                continue
        return cls(message, validator)

    def check(self, message: Message) -> None:
        """Refuse a message that breaks a rule, or about which a rule cannot be asked.

        Raises `RequestError`: 400 with a `google.rpc.BadRequest` that names every field at fault
        by its dotted proto path, up to `MOST_TOLD` of them, and the first alone of a message with
        more than `MOST_LOOKED_AT` values; 500 for a rule that fails itself, since nobody can say
        then whether the request is good.
        """
        try:
            violations = self._validator.collect_violations(message, fail_fast=True)
            if violations and _is_small(message):
                violations = self._validator.collect_violations(message)
        except protovalidate.EvaluationError as error:
            text = f"a rule of {self.message.full_name} cannot be evaluated"
            raise RequestError(text, code=Code.INTERNAL) from error
        if violations:
            raise _refusal([_told(each.proto) for each in violations[:MOST_TOLD]])


def _is_small(message: Message) -> bool:
    return next(islice(_values(message), MOST_LOOKED_AT, None), None) is None


def _values(message: Message) -> Iterator[object]:
    """The values that are set in a message and in those inside, of maps and lists each element."""
    for field, value in message.ListFields():
        for each in _elements(field, value):
            yield each
            if isinstance(each, Message):
                yield from _values(each)


def _elements(field: FieldDescriptor, value: Any) -> Iterable[object]:
    if not field.is_repeated:
        return (value,)
    elements: Iterable[object] = value.values() if is_map(field) else value
    return elements


def _refusal(told: list[tuple[str, str]]) -> RequestError:
    # Without the field: its name is the violation's, which is told in the client's words.
    more = f" (and {len(told) - 1} more)" if told[1:] else ""
    error = RequestError(f"{told[0][1]}{more}")
    error.status = Status(error.status.code, error.status.message, (bad_request(told),))
    return error


def _told(violation: Any) -> tuple[str, str]:
    """The path of the field at fault, "" for the whole message, and what is wrong."""
    path = _path(violation.field.elements) if violation.has_field("field") else ""
    return path, violation.message or violation.rule_id


def _path(elements: Iterable[Any]) -> str:
    """A path as other errors have it.

    A protovalidate `FieldPath` has for each step a field, and what stands in brackets behind it.
    """
    return ".".join(
        each.field_name
        + ("" if each.subscript is None else f"[{cut(_subscript(each.subscript.value))}]")
        for each in elements
    )


def _subscript(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _has_rules(message: Descriptor) -> bool:
    return any(map(_is_ruled, _options(message)))


def _options(message: Descriptor) -> Iterator[Message]:
    yield message.GetOptions()
    for part in (*message.fields, *message.oneofs):
        yield part.GetOptions()


def _is_ruled(options: Message) -> bool:
    """Whether options have the extension, known to the pool of the options or not."""
    if any(field.number == EXTENSION for field, _ in options.ListFields()):
        return True
    unknown: Any = UnknownFieldSet(options)
    return any(each.field_number == EXTENSION for each in unknown)
