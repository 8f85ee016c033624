"""Python source that writes one value in its form.

Belongs here: text of expressions over a value. Does not: members of objects (`printer_source`),
what they compute (`forms_times`, `forms_patterns`).
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Final

import orjson
from google.protobuf.descriptor import FieldDescriptor

from proxy.shape.forms import Form
from proxy.shape.forms_patterns import moment_format
from proxy.shape.forms_times import NUMBER_PRINTERS
from proxy.shape.holes import as_text
from proxy.transcoding.protojson import printer_source
from proxy.transcoding.protojson.kinds import Kind, element, field_kind, wrapped
from proxy.transcoding.protojson.moments import SECOND_NS
from proxy.transcoding.protojson.options import JsonOptions
from proxy.transcoding.protojson.parser_source import References

#: Styles that need nothing but the value.
_SIMPLE: Final[dict[tuple[Kind, str], str]] = {
    (Kind.INT64, "number"): "{v}",
    (Kind.UINT64, "number"): "{v}",
    (Kind.INT32, "text"): "str({v})",
    (Kind.UINT32, "text"): "str({v})",
    (Kind.FLOAT, "text"): "number_text(float_json({v}))",
    (Kind.DOUBLE, "text"): "number_text(float_word({v}) if {v} - {v} else {v})",
    (Kind.ENUM, "number"): "{v}",
    (Kind.BYTES, "base64url"): "urlsafe_b64encode({v}).decode()",
    (Kind.BYTES, "base64url_unpadded"): 'urlsafe_b64encode({v}).rstrip(b"=").decode()',
    (Kind.BYTES, "hex"): "{v}.hex()",
}
#: Timestamps as numbers: a second is a whole number of each, so there is no division and no float.
_EPOCHS: Final = {
    "epoch_s": "seconds",
    "epoch_ms": "seconds * 1000 + nanos // 1000000",
    "epoch_us": "seconds * 1000000 + nanos // 1000",
    "epoch_ns": "seconds * 1000000000 + nanos",
}
#: The common case of them: from 1970 to 2262, when the nanoseconds leave 64 bits. What is no time
#: at all, and what is another one, is for the function.
_NEAR: Final = (
    f"0 <= (seconds := {{v}}.seconds) < {(1 << 63) // SECOND_NS}"
    f" and 0 <= (nanos := {{v}}.nanos) < {SECOND_NS}"
)
#: The common case of a duration, a number of whole seconds; anything else is for the function.
_SHORT: Final = "0 <= {v}.seconds <= 315576000000 and not {v}.nanos"


def number_text(value: float | str) -> str:
    """The text of a number as JSON has it; words for what JSON lacks stay.

    >>> number_text(0.25), number_text("NaN")
    ('0.25', 'NaN')
    """
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def named(prefix: str, content: object) -> str:
    """A name that follows from a content, and from no other one."""
    return f"{prefix}_{blake2b(repr(content).encode(), digest_size=12).hexdigest()}"


def form_expression(form: Form, value: str, refs: References) -> str | None:
    """Python for a value in its form; None where that is ProtoJSON's."""
    if form.is_canonical:
        return None
    simple = _SIMPLE.get((form.kind, form.style))
    if simple is not None:
        _define_helpers(refs)
        return simple.format(v=value)
    return _MAKERS[form.kind](form, value, refs)


def _define_helpers(refs: References) -> None:
    refs.define("number_text", number_text)
    refs.define("urlsafe_b64encode", urlsafe_b64encode)


def _bool(form: Form, value: str, _refs: References) -> str:
    table = dict(form.table)
    return f"({table[True]!r} if {value} else {table[False]!r})"


def _enum(form: Form, value: str, refs: References) -> str:
    name = named("enum", form.table)
    refs.define(name, dict(form.table))
    return f"{name}.get({value}, {value})"


def _timestamp(form: Form, value: str, refs: References) -> str:
    if form.style in _EPOCHS:
        name = f"moment_{form.style}"
        refs.define(name, NUMBER_PRINTERS[form.style])
        near = _NEAR.format(v=value)
        return f"({_EPOCHS[form.style]} if {near} else {name}({value}.seconds, {value}.nanos))"
    name = named("moment", (form.pattern, form.zone))
    refs.define(name, moment_format(form.pattern, form.zone).text)
    return f"{name}({value}.seconds, {value}.nanos)"


def _duration(form: Form, value: str, refs: References) -> str:
    name = f"duration_{form.style}"
    refs.define(name, NUMBER_PRINTERS[form.style])
    whole = f"{name}({value}.seconds, {value}.nanos)"
    if form.style != "seconds":
        return whole
    return f"({value}.seconds if {_SHORT.format(v=value)} else {whole})"


_MAKERS: Final[dict[Kind, Callable[[Form, str, References], str]]] = {
    Kind.BOOL: _bool,
    Kind.ENUM: _enum,
    Kind.TIMESTAMP: _timestamp,
    Kind.DURATION: _duration,
}


def field_expression(
    field: FieldDescriptor,
    form: Form,
    separator: str | None,
    refs: References,
    options: JsonOptions,
) -> str:
    """Python for a field's value `v`: a value, a list, a map, or a list as one text."""
    value = element(field)
    scalar = wrapped(value) if field_kind(value) is Kind.WRAPPER else value

    def own(known: FieldDescriptor, name: str) -> str | None:
        return form_expression(form, name, refs) if known is scalar else None

    formed = replace(refs, form=own)
    if separator is None:
        return printer_source.expression(field, formed, options)
    return _joined(printer_source.expression(field, formed, options), field, separator, refs)


def _joined(items: str, field: FieldDescriptor, separator: str, refs: References) -> str:
    """One text of a list's elements; *items* is Python for the list."""
    if items == "v[:]" and field_kind(field) is Kind.STRING:
        return f"{separator!r}.join(v)"
    refs.define("as_text", as_text)
    return f"{separator!r}.join(map(as_text, {items}))"
