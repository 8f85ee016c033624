"""How legacy JSON is read for what it means, by the form that a shape gives to its values.

Belongs here: readers of forms that ProtoJSON has not. Does not: which kind of difference two values
are (`comparison.notations`), which form a field has (`shape.forms`).

The form of the shape is tried first, and whatever else is in use for such values after it: what a
legacy host writes otherwise than its shape says is a difference in form, and not in value.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Final

from google.protobuf.descriptor import EnumDescriptor

from proxy.comparison.kinds import Kind
from proxy.comparison.notations import (
    Reader,
    Sense,
    blob,
    enum_names,
    enum_number,
    hex_blob,
    same_by,
    truth,
)
from proxy.comparison.numbers import number, number_text
from proxy.comparison.reading import Json
from proxy.comparison.times import SECOND_NS, Moment, is_same_moment, moment, same_span, span
from proxy.shape.forms import Form
from proxy.shape.forms_patterns import MomentFormat, moment_format
from proxy.shape.forms_times import DURATION_NS, EPOCH_NS, NUMBER_READERS
from proxy.shape.holes import Scalar
from proxy.transcoding.protojson.kinds import Kind as FieldKind

#: What the last digit of a text counts, in nanoseconds, by the directives that it may be of.
_UNITS: Final = (
    (("%9f",), 1),
    (("%f", "%6f"), 1000),
    (("%3f",), 1_000_000),
    (("%S", "%T"), SECOND_NS),
    (("%M",), 60 * SECOND_NS),
    (("%H", "%I", "%-H", "%-I"), 3600 * SECOND_NS),
)
_DAY_NS: Final = 86_400 * SECOND_NS


def senses_of_form(form: Form, enum: EnumDescriptor | None) -> tuple[Sense, ...] | None:
    """How values of a form may be read; None for a form that is read as ProtoJSON's is."""
    if form.style == "table" and enum is not None:
        read = _by_table(form, partial(enum_number, enum_names(enum)), _enum_value)
        return (Sense(read, same_by(read), Kind.ENUM_REPR, Kind.ENUM_REPR),)
    if form.style == "table":
        read = _by_table(form, truth, bool)
        return (Sense(read, same_by(read), Kind.TYPE, Kind.TYPE),)
    if form.kind is FieldKind.BYTES and form.style == "hex":
        return (Sense(_hex, _same_hex, Kind.BYTES_ENCODING, Kind.BYTES_ENCODING),)
    if form.kind is FieldKind.TIMESTAMP and not form.is_canonical:
        return (_of_moments(moment_reader(form), guesses=form.style in EPOCH_NS),)
    if form.kind is FieldKind.DURATION and form.style in DURATION_NS:
        return (_of_spans(DURATION_NS[form.style]),)
    return None


# Tables


def _by_table(
    form: Form, other: Reader, meaning: Callable[[int | bool], Hashable]
) -> Callable[[Json], Hashable | None]:
    """Reads the values of a table, and by *other* what is not in it."""
    table: Mapping[Hashable, Hashable] = {
        _scalar_token(written): meaning(value) for value, written in form.table
    }

    def read(value: Json) -> Hashable | None:
        found = table.get(_token(value))
        if found is None and isinstance(value, str):
            found = table.get((bytes, number(value)))  # a number of the table in quotes
        return other(value) if found is None else found

    return read


def _enum_value(value: int | bool) -> Hashable:
    return number(str(int(value)))


def _token(value: Json) -> Hashable:
    if isinstance(value, bytes):
        return (bytes, number(value))
    return (type(value), value) if value is None or isinstance(value, (bool, str)) else ()


def _scalar_token(value: Scalar) -> Hashable:
    if value is None or isinstance(value, (bool, str)):
        return _token(value)
    return _token(str(value).encode())


# Bytes


def _hex(value: Json) -> bytes | None:
    found = hex_blob(value)
    return blob(value) if found is None else found


def _same_hex(first: Json, second: Json) -> bool:
    """Whether both are the same bytes, at least one of them in hexadecimal."""
    for one, other in ((first, second), (second, first)):
        found = hex_blob(one)
        if found is not None and found in (hex_blob(other), blob(other)):
            return True
    return False


# Instants and spans


def moment_reader(form: Form) -> Callable[[Json], Moment | None]:
    """Reads instants in a form: by its unit or pattern, else as `times.moment` reads them."""
    if form.style in EPOCH_NS:
        return partial(_epoch, form.style)
    if form.style == "pattern":
        shaped = moment_format(form.pattern, form.zone)
        return partial(_patterned, shaped, unit_of(form.pattern))
    return moment


def unit_of(pattern: str) -> int:
    """What the last digit of a text counts, in nanoseconds.

    >>> unit_of("%F %H:%M"), unit_of("%FT%T.%3f%K")
    (60000000000, 1000000)
    """
    for directives, unit_ns in _UNITS:
        if any(directive in pattern for directive in directives):
            return unit_ns
    return _DAY_NS


def _epoch(style: str, value: Json) -> Moment | None:
    text = number_text(value)
    if text is None:
        return moment(value)
    try:
        seconds, nanos = NUMBER_READERS[style](text)
    except ValueError:
        return moment(value)
    return Moment(seconds * SECOND_NS + nanos, 1 if "." in text else EPOCH_NS[style])


def _patterned(shaped: MomentFormat, unit_ns: int, value: Json) -> Moment | None:
    if not isinstance(value, str):
        return moment(value)
    try:
        seconds, nanos = shaped.read(value)
    except ValueError:
        return moment(value)
    return Moment(seconds * SECOND_NS + nanos, unit_ns)


def _of_moments(read: Callable[[Json], Moment | None], *, guesses: bool) -> Sense:
    """Instants by *read*. With *guesses* numbers may be of another unit than the shape's, too."""

    def second(value: Json) -> Hashable | None:
        at = read(value)
        return None if at is None else at.at_ns // SECOND_NS

    def same(first: Json, second: Json) -> bool:
        shaped = is_same_moment(read(first), read(second))
        return shaped or (guesses and is_same_moment(moment(first), moment(second)))

    return Sense(second, same, Kind.TIMESTAMP_FORMAT, Kind.TIMESTAMP_FORMAT)


def _of_spans(unit_ns: int) -> Sense:
    def read(value: Json) -> int | None:
        count = span(value)
        is_number = isinstance(value, bytes) and count is not None
        return count * unit_ns // SECOND_NS if is_number and count is not None else count

    def same(first: Json, second: Json) -> bool:
        one = read(first)
        return (one is not None and one == read(second)) or same_span(first, second)

    return Sense(read, same, Kind.TIMESTAMP_FORMAT, Kind.TIMESTAMP_FORMAT)
