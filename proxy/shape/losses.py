"""What a form does not say of a value: loss that has to be asked for.

Belongs here: forms held against what a field can hold. Does not: where that is written
(`checks`). The sign is that a reader of the legacy JSON could not give the same message back.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from proxy.shape.forms import Absence, Form
from proxy.shape.forms_patterns import moment_format
from proxy.shape.forms_times import NUMBER_READERS
from proxy.shape.holes import Scalar
from proxy.shape.layout import Member
from proxy.transcoding.protojson.kinds import Kind, element, field_kind
from proxy.transcoding.protojson.scalars import FLOAT_WORDS, NUMBER

_INTEGERS: Final = frozenset({Kind.INT32, Kind.UINT32, Kind.INT64, Kind.UINT64})
#: Integers that ProtoJSON has as texts.
_AS_TEXT: Final = frozenset({Kind.INT64, Kind.UINT64})
_FLOATS: Final = frozenset({Kind.FLOAT, Kind.DOUBLE})
#: What numbers in JSON are made of.
_OF_INTEGERS: Final = frozenset("-0123456789")
_OF_NUMBERS: Final = _OF_INTEGERS | frozenset("+.eE")
#: Epochs that do not count nanoseconds, and what they leave out.
_EPOCHS: Final = {
    "epoch_s": "the fraction of a second",
    "epoch_ms": "microseconds and nanoseconds",
    "epoch_us": "nanoseconds",
}


class Loss(NamedTuple):
    """What is lost by the key *key* of forms."""

    key: str
    message: str


def losses(member: Member, field: FieldDescriptor) -> Iterator[Loss]:
    """What the legacy JSON of a member's field leaves out."""
    form = member.form or Form(field_kind(element(field)))
    yield from _of_form(form)
    yield from _of_separator(form, member.separator)
    yield from _of_absence(form, member, field)


def flattened_losses(absence: Absence) -> Iterator[Loss]:
    """What is lost of a flattened message by what stands for it when it is not set."""
    if absence is Absence.WRITE:
        yield Loss("unset", "cannot tell a message that is not set from an empty one")


def _of_form(form: Form) -> Iterator[Loss]:
    if form.kind is Kind.TIMESTAMP and form.style == "pattern":
        lost = moment_format(form.pattern, form.zone).losses
        if lost:
            yield Loss("timestamp", f"{form.pattern} leaves out {' and '.join(lost)}")
    elif form.kind is Kind.TIMESTAMP and form.style in _EPOCHS:
        yield Loss("timestamp", f"{form.style} leaves out {_EPOCHS[form.style]}")
    elif form.kind is Kind.ENUM:
        yield from _shared_values(form)


def _shared_values(form: Form) -> Iterator[Loss]:
    numbers: defaultdict[tuple[type, Scalar], list[int]] = defaultdict(list)
    for number, value in form.table:
        numbers[type(value), value].append(int(number))
    for (_, value), sharing in numbers.items():
        if len(sharing) > 1:
            both = " and ".join(map(str, sorted(sharing)))
            yield Loss("enum", f"writes {value!r} for each of the numbers {both}")


def _of_separator(form: Form, separator: str | None) -> Iterator[Loss]:
    if separator is None:
        return
    if form.kind is Kind.STRING:
        yield Loss("separator", f"cannot tell a text with {separator!r} in it from two texts")
    elif _is_within(form, separator):
        yield Loss("separator", f"{separator!r} is a part of such values, too")
    elif form.kind is Kind.BYTES or any(value == "" for _, value in form.table):
        yield Loss("separator", "cannot tell a list of one empty value from an empty list")


def _is_within(form: Form, separator: str) -> bool:
    """Whether a value may have the separator in it."""
    if form.kind is Kind.ENUM and not _OF_INTEGERS.isdisjoint(separator):
        return True  # a number that the enum lacks
    if form.table:
        return any(separator in str(value) for _, value in form.table)
    if form.kind in _INTEGERS:
        return not _OF_INTEGERS.isdisjoint(separator)
    if form.kind in _FLOATS:
        return not (_OF_NUMBERS | frozenset("NaInfity")).isdisjoint(separator)
    of_names = "+/-_=" if form.kind is Kind.BYTES else "_"
    return any(each.isalnum() or each in of_names for each in separator)


def _of_absence(form: Form, member: Member, field: FieldDescriptor) -> Iterator[Loss]:
    if not field.has_presence:
        return
    if member.absence is Absence.WRITE:
        yield Loss("unset", "cannot tell a field that is not set from one with its default")
    elif member.absence is Absence.NULL and field_kind(field) is Kind.VALUE:
        yield Loss("unset", "cannot tell a field that is not set from the value null")
    elif member.absence is Absence.SUBSTITUTE and _is_value(form, member.substitute):
        yield Loss("unset", f"{member.substitute!r} is a value of such a field, too")


def _is_value(form: Form, value: Scalar) -> bool:
    """Whether a value of the form may be written as *value*."""
    if form.table:
        return any(type(each) is type(value) and each == value for _, each in form.table)
    if form.kind is Kind.TIMESTAMP and form.style == "pattern":
        return isinstance(value, str) and _reads(form, value)
    if form.style in NUMBER_READERS:
        return isinstance(value, str) == (form.style == "iso8601")
    if form.kind in _INTEGERS | _FLOATS:
        return _is_number(form, value)
    if form.kind is Kind.BOOL:
        return isinstance(value, bool)
    return isinstance(value, str)


def _is_number(form: Form, value: Scalar) -> bool:
    """Whether a number of the form may be written as *value*."""
    is_text = form.style == "text" or (form.is_canonical and form.kind in _AS_TEXT)
    if not is_text:
        return isinstance(value, int | float) and not isinstance(value, bool)
    words = FLOAT_WORDS if form.kind in _FLOATS else ()
    return isinstance(value, str) and (value in words or NUMBER(value) is not None)


def _reads(form: Form, text: str) -> bool:
    try:
        moment_format(form.pattern, form.zone).read(text)
    except ValueError:
        return False
    return True
