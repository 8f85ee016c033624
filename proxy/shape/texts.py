"""Bare texts of paths and queries in legacy forms, made into values of fields.

Belongs here: readers of text for one field in its form. Does not: which field a name means
(`queries`), texts in ProtoJSON's own forms (`transcoding.values`).
"""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from proxy.shape.forms import Form
from proxy.shape.unshape_forms import canonical, hexadecimal, moment_reader
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson.kinds import Kind, field_kind, message_type
from proxy.transcoding.protojson.reader import Number
from proxy.transcoding.protojson.scalars import WHOLE
from proxy.transcoding.values import TextParser

_MOMENTS: Final = frozenset({Kind.TIMESTAMP, Kind.DURATION})


def shaped_text(value: FieldDescriptor, form: Form, default: TextParser) -> TextParser:
    """What reads a text for *value*, a single field or what says what elements are.

    *default* reads ProtoJSON's form, and what the legacy form leaves to it.
    """
    if form.is_canonical:
        return default
    if form.kind in _MOMENTS:
        return _moment(value, form)
    scalar = _SCALARS[form.kind](form, default) if form.kind in _SCALARS else default
    if scalar is default or field_kind(value) is not Kind.WRAPPER:
        return scalar
    make: Callable[..., Any] = message_class(message_type(value))
    return lambda text: make(value=_bare(scalar(text)))


def _bare(value: Any) -> Any:
    """The scalar of a wrapper that *default* has made."""
    return getattr(value, "value", value)


def _moment(value: FieldDescriptor, form: Form) -> TextParser:
    make: Callable[..., Any] = message_class(message_type(value))
    read = moment_reader(form)

    def parse(text: str) -> Any:
        seconds, nanos = read(text)
        return make(seconds=seconds, nanos=nanos)

    return parse


def _table(form: Form, default: TextParser) -> TextParser:
    """Texts of a table; what it does not have is read as ProtoJSON's, unless it says otherwise."""
    read = canonical(form)
    if read is None or form.style != "table":
        return default

    def parse(text: str) -> Any:
        found = read(Number(text) if WHOLE(text) else text)
        if isinstance(found, bool):
            return found
        return default(str(found))

    return parse


def _binary(form: Form, default: TextParser) -> TextParser:
    return hexadecimal if form.style == "hex" else default


_SCALARS: Final[dict[Kind, Callable[[Form, TextParser], TextParser]]] = {
    Kind.BOOL: _table,
    Kind.ENUM: _table,
    Kind.BYTES: _binary,
}
