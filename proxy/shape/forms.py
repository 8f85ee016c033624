"""The form of a value: how one field's values, or its elements, are written in legacy JSON.

Belongs here: what form a field has, from options. Does not: conversions (`forms_times`,
`forms_values`), code (`printer_source`, `parser_source`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from enum import Enum, auto
from typing import Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from proxy.shape.forms_times import EPOCH_NS, PATTERNS
from proxy.shape.holes import Scalar
from proxy.shape.names import camel, kebab, selects, selects_field, words
from proxy.shape.options import Absent, EnumTable, Forms, ShapeOptions, Substitute
from proxy.transcoding.protojson.kinds import (
    Kind,
    element,
    enum_type,
    field_kind,
    is_map,
    wrapped,
)
from proxy.transcoding.protojson.options import JsonOptions
from proxy.transcoding.protojson.printer_source import may_be_null

#: The form that ProtoJSON gives.
CANONICAL: Final = "json"


@dataclass(frozen=True, slots=True)
class Form:
    """How the values of one kind are written.

    *kind* is that of the scalar for a wrapper. *style* is `json` for ProtoJSON's own form, else a
    word by the kind:

    - integers and floats: `text`, `number` (the one that is not ProtoJSON's)
    - bools: `table`; *table* has True and False
    - enums: `number`, or `table` with the legacy value of each number
    - bytes: `base64url`, `base64url_unpadded`, `hex`
    - timestamps: `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or `pattern`: the text *pattern*
      and *zone* are for `forms_patterns.moment_format`
    - durations: `seconds`, `milliseconds`, `iso8601`
    """

    kind: Kind
    style: str = CANONICAL
    table: tuple[tuple[int | bool, Scalar], ...] = ()
    pattern: str = ""
    zone: str = "UTC"

    @property
    def is_canonical(self) -> bool:
        """Whether it is ProtoJSON's own form."""
        return self.style == CANONICAL


class Absence(Enum):
    """What an answer has for a field that is not set, or is zero or empty without presence."""

    OMIT = auto()
    NULL = auto()
    WRITE = auto()
    SUBSTITUTE = auto()


_ABSENCES: Final[dict[Absent, Absence]] = {
    "omit": Absence.OMIT,
    "null": Absence.NULL,
    "write": Absence.WRITE,
}

_INT32: Final = frozenset({Kind.INT32, Kind.UINT32})
_INT64: Final = frozenset({Kind.INT64, Kind.UINT64})
_FLOATS: Final = frozenset({Kind.FLOAT, Kind.DOUBLE})


def overlaid(below: Forms, above: Forms) -> Forms:
    """*above*, and *below* where it says nothing."""
    given = {
        each.name: getattr(above, each.name)
        for each in fields(Forms)
        if getattr(above, each.name) is not None
    }
    return replace(below, **given)


@dataclass(frozen=True, slots=True)
class FormRules:
    """The forms of fields under options of a shape and of the codec below it."""

    shape: ShapeOptions
    json: JsonOptions
    _wide: Forms = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_wide", overlaid(_of_codec(self.json), self.shape.forms))

    def forms_of(self, known: FieldDescriptor) -> Forms:
        """All that is said of a field: by itself, else of its kind, else by the codec."""
        for each in self.shape.fields:
            if selects_field(each.selector, known):
                return overlaid(self._wide, each.forms)
        return self._wide

    def form_of(self, known: FieldDescriptor) -> Form:
        """The form of a field's value, or of its elements; of the values of a map."""
        value = element(known)
        kind = field_kind(value)
        if kind is Kind.WRAPPER:
            value, kind = wrapped(value), field_kind(wrapped(value))
        forms = self.forms_of(known)
        if kind is Kind.ENUM:
            return _enum_form(enum_type(value), forms, self.shape.enums)
        return scalar_form(kind, forms)

    def separator_of(self, known: FieldDescriptor) -> str | None:
        """What separates the values of a list that is written as one text; None for no such."""
        if not known.is_repeated or is_map(known) or known.message_type is not None:
            return None
        return self.forms_of(known).separator or None

    def absence_of(self, known: FieldDescriptor) -> tuple[Absence, Scalar]:
        """What stands for the absent field, and the substitute if there is one."""
        said = self._absent(known)
        if isinstance(said, Substitute):
            return Absence.SUBSTITUTE, said.value
        return _ABSENCES[said or "omit"], None

    @property
    def group_absence(self) -> Absence:
        """What stands for a group of which nothing is there."""
        said = self._wide.unset
        return Absence.OMIT if isinstance(said, Substitute) else _ABSENCES[said or "omit"]

    def _absent(self, known: FieldDescriptor) -> Absent | Substitute | None:
        forms = self.forms_of(known)
        if known.has_presence:
            is_null = self.json.emit_unset and may_be_null(known)
            return forms.unset or ("null" if is_null else None)
        own = forms.empty_text if field_kind(known) is Kind.STRING else forms.zero
        if known.is_repeated:
            own = forms.empty_map if is_map(known) else forms.empty_list
        return own or forms.zero


def scalar_form(kind: Kind, forms: Forms) -> Form:
    """The form of a kind other than enums."""
    if kind in _INT64:
        return Form(kind, "number" if forms.int64 == "number" else CANONICAL)
    if kind in _INT32:
        return Form(kind, "text" if forms.int32 == "text" else CANONICAL)
    if kind in _FLOATS:
        return Form(kind, "text" if forms.floating == "text" else CANONICAL)
    if kind is Kind.BOOL:
        return _bool_form(forms)
    if kind is Kind.BYTES:
        return Form(kind, CANONICAL if forms.binary in (None, "base64") else forms.binary)
    if kind is Kind.TIMESTAMP:
        return time_form(forms.timestamp or "rfc3339", forms.time_zone)
    if kind is Kind.DURATION:
        return Form(kind, CANONICAL if forms.duration in (None, "proto") else forms.duration)
    return Form(kind)


def time_form(said: str, zone: str | None) -> Form:
    """The form of timestamps for a word or a pattern."""
    if said == "rfc3339":
        return Form(Kind.TIMESTAMP)
    if said in EPOCH_NS:
        return Form(Kind.TIMESTAMP, said)
    pattern = PATTERNS.get(said, said)
    # RFC 1123 writes GMT, whatever other texts are written in.
    local = "UTC" if said == "rfc1123" else zone or "UTC"
    return Form(Kind.TIMESTAMP, "pattern", pattern=pattern, zone=local)


_BOOLS: Final[dict[str, tuple[Scalar, Scalar]]] = {"number": (1, 0), "text": ("true", "false")}


def _bool_form(forms: Forms) -> Form:
    said = forms.boolean
    if said is None or said == "json":
        return Form(Kind.BOOL)
    yes, no = _BOOLS[said] if isinstance(said, str) else said
    return Form(Kind.BOOL, "table", ((True, yes), (False, no)))


def _enum_form(enum: EnumDescriptor, forms: Forms, tables: Iterable[EnumTable]) -> Form:
    named = next((dict(each.values) for each in tables if selects(each.selector, enum)), None)
    case, strips = forms.enum or "name", forms.enum_prefix == "strip"
    if named is None and case == "number":
        return Form(Kind.ENUM, "number")
    if named is None and case == "name" and not strips:
        return Form(Kind.ENUM)
    prefix = enum_prefix(enum) if strips else ""
    pairs = {
        value.number: _enum_value(value.name, named or {}, case, prefix)
        for value in reversed(enum.values)
    }
    return Form(Kind.ENUM, "table", tuple(pairs.items()))


def _enum_value(name: str, named: dict[str, Scalar], case: str, prefix: str) -> Scalar:
    if name in named:
        return named[name]
    text = name.removeprefix(prefix) if len(name) > len(prefix) else name
    return _ENUM_CASES[case](text) if case in _ENUM_CASES else text


_ENUM_CASES: Final[dict[str, Callable[[str], str]]] = {
    "lower": str.lower,
    "upper": str.upper,
    "kebab": kebab,
    "camel": camel,
}


def enum_prefix(enum: EnumDescriptor) -> str:
    """The prefix that the style guide gives to values: the enum's name in capitals.

    Of `RecordType`, `RECORD_TYPE_`.
    """
    return "_".join(words(enum.name)).upper() + "_"


def _of_codec(json: JsonOptions) -> Forms:
    """What the codec's own options say."""
    absent: Absent = "write" if json.emit_defaults else "omit"
    return Forms(
        int64="number" if json.int64_as_numbers else None,
        enum="number" if json.enums_as_numbers else None,
        zero=absent,
    )
