"""Python source that reads one value in its form, on the fast path.

Belongs here: lines over a value `v`, which replace it by what a field takes. Does not: members of
objects (`parser_source`), what is refused and how (`unshape_forms`). What these lines take they
take as `unshape_forms` does; all else raises, and the body goes to the strict path.
"""

from collections.abc import Callable, Iterator
from typing import Final

from google.protobuf.descriptor import FieldDescriptor

from proxy.shape.forms import Form
from proxy.shape.forms_source import named
from proxy.shape.unshape_forms import hexadecimal, moment_reader, reads_null, tokens
from proxy.transcoding.protojson.kinds import Kind, element, enum_type, field_kind, wrapped
from proxy.transcoding.protojson.moments import FIRST_S, LAST_S, LONGEST_S
from proxy.transcoding.protojson.parser_source import CONVERSIONS, References
from proxy.transcoding.protojson.scalars import NUMBER, WHOLE

#: How many of a unit make a second, and how many nanoseconds one is.
_UNITS: Final = {
    "epoch_ms": (1000, 1_000_000),
    "epoch_us": (1_000_000, 1000),
    "epoch_ns": (1_000_000_000, 1),
}
_FLOATING: Final = frozenset({Kind.FLOAT, Kind.DOUBLE})
_INT32: Final = frozenset({Kind.INT32, Kind.UINT32})


def scalar_lines(form: Form, refs: References) -> list[str] | None:
    """Lines for a scalar in a form of its own; None where ProtoJSON's lines will do."""
    if form.kind in _INT32 and form.style == "text":
        return list(CONVERSIONS[Kind.INT64])
    if form.kind in _FLOATING and form.style == "text":
        refs.define("number_of_text", number_of_text)
        text = ["if type(v) is str:", "    n += 1", "    v = number_of_text(v)"]
        return [*text, *CONVERSIONS[form.kind]]
    if form.style == "table":
        return _table(form, refs)
    if form.style == "hex":
        refs.define("hexadecimal", hexadecimal)
        return ["if type(v) is not str: raise Unexpected", "n += 1", "v = hexadecimal(v)"]
    return None


def filling_lines(form: Form, refs: References) -> list[str] | None:
    """Lines that put a timestamp or duration `v` into the message `t`; None as above."""
    if form.is_canonical or form.kind not in (Kind.TIMESTAMP, Kind.DURATION):
        return None
    if form.style == "epoch_s":
        return [_whole(FIRST_S, LAST_S), "t.seconds = v"]
    if form.style == "seconds":
        return [_whole(-LONGEST_S, LONGEST_S), "t.seconds = v"]
    if form.style in _UNITS:
        per_second, nanos = _UNITS[form.style]
        limits = _whole(FIRST_S * per_second, LAST_S * per_second)
        return [limits, f"t.seconds, c = divmod(v, {per_second})", f"if c: t.nanos = c * {nanos}"]
    name = named("read_moment", (form.style, form.pattern, form.zone))
    refs.define(name, moment_reader(form))
    if form.style == "milliseconds":
        check = ["if type(v) is not int: raise Unexpected", "v = str(v)"]
    else:
        check = ["if type(v) is not str: raise Unexpected", "n += 1"]
    return [*check, f"t.seconds, c = {name}(v)", "if c: t.nanos = c"]


def _whole(low: int, high: int) -> str:
    return f"if type(v) is not int or not {low} <= v <= {high}: raise Unexpected"


def number_of_text(text: str) -> float:
    """The number that a text is, written as JSON writes numbers. Raises `ValueError`.

    >>> number_of_text("1.5")
    1.5
    """
    if not NUMBER(text):
        raise ValueError(text)
    return float(text)


def _table(form: Form, refs: References) -> list[str]:
    """Texts and whole numbers are looked up apart: to Python 1 and true are the same key."""
    known = tokens(form)
    texts = named("texts", form.table)
    refs.define(texts, dict(known))
    numbers = {int(text): value for text, value in known.items() if WHOLE(text)}
    lines = ["if type(v) is str:", "    n += 1", f"    v = {texts}[v]"]
    if numbers:
        name = named("numbers", form.table)
        refs.define(name, numbers)
        lines += ["elif type(v) is int:", f"    v = {name}[v]"]
    return [*lines, _other(form, has_numbers=bool(numbers))]


def _other(form: Form, *, has_numbers: bool) -> str:
    """The line for what is neither a text nor a number of the table."""
    has_words = reads_null(form) or any(isinstance(legacy, bool) for _, legacy in form.table)
    if form.kind is Kind.BOOL and not has_words:
        return "elif v is not True and v is not False: raise Unexpected"
    if form.kind is Kind.ENUM and not has_numbers:
        return "elif type(v) is not int: raise Unexpected"
    return "else: raise Unexpected"


def piece_reader(known: FieldDescriptor, form: Form) -> Callable[[str], object] | None:
    """What reads an element of a list that is one text; None where the text is the value.

    Raises `ValueError` or `KeyError` for what the strict path is to judge.
    """
    if form.kind is Kind.STRING:
        return None
    value = element(known)
    scalar = wrapped(value) if field_kind(value) is Kind.WRAPPER else value
    return dict(_piece_readers(scalar, form)).get(form.kind)


def _piece_readers(
    scalar: FieldDescriptor, form: Form
) -> Iterator[tuple[Kind, Callable[[str], object]]]:
    for kind in (*_INT32, Kind.INT64, Kind.UINT64):
        yield kind, whole_of_text
    if form.kind is Kind.ENUM:
        by_name = {value.name: value.number for value in enum_type(scalar).values}
        known = tokens(form) if form.style == "table" else by_name
        yield Kind.ENUM, known.__getitem__
    if form.kind is Kind.BOOL:
        known = tokens(form) if form.style == "table" else {"true": True, "false": False}
        yield Kind.BOOL, known.__getitem__


def whole_of_text(text: str) -> int:
    """The whole number that a text is, as Python itself writes it. Raises `ValueError`."""
    number = int(text)
    if str(number) != text:
        raise ValueError(text)
    return number
