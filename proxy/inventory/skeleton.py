"""The shape that old JSON seems to have, from the schemas and examples of matched operations.

Belongs here: guesses about names, forms and the envelope, each with what it rests on. Does not:
which operation is which method (`suggestions`), YAML (`overlay`).

Only what nothing speaks against is proposed; the rest is told as a remark.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from proxy.inventory.envelopes import Envelope, unwrapped
from proxy.inventory.fitting import list_field
from proxy.inventory.legacy import LegacyApi, ListStyle, Operation, Parameter, Where
from proxy.inventory.pairing import Pair, inner_message, pair_members, walk_pairs
from proxy.inventory.schemas import Schema
from proxy.inventory.suggestions import Match, Suggestions
from proxy.shape.names import field_key
from proxy.shape.options import Case
from proxy.transcoding.httpbody import is_http_body
from proxy.transcoding.protojson.kinds import (
    Kind,
    element,
    enum_type,
    field_kind,
    is_map,
    owner,
)

#: The share of values of a kind that must speak for a form.
_MOST: Final = 0.8
#: An epoch beyond this many is in milliseconds: as seconds it would be the year 5138.
_MILLISECONDS: Final = 100_000_000_000
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
#: Patterns that old hosts write times in, those that tell most first.
_PATTERNS: Final = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
)
_RFC1123: Final = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_LONG: Final = frozenset({Kind.INT64, Kind.UINT64})
_SHORT: Final = frozenset({Kind.INT32, Kind.UINT32})
_FLOATING: Final = frozenset({Kind.FLOAT, Kind.DOUBLE})
#: What old hosts write for true, in lower case.
_TRUE: Final = frozenset({"y", "yes", "t", "true", "1", "on"})
#: Kinds whose forms here may lose a part of the value.
_LOSSY: Final = frozenset({"timestamp"})
_CASES: Final[tuple[Case, ...]] = ("json", "snake", "camel", "pascal", "kebab", "proto")


#: A form as files have it; of bools the two texts.
Form = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteShape:
    """What one route has of its own.

    *of* is the field that is the payload, *status* that of good answers where it is not 200.
    *separator* and *brackets* are those of lists in the query. *is_raw* says that answers are no
    JSON, so that there is nothing to shape. *remarks* are about what nothing is known of.
    """

    of: str = ""
    status: int = 200
    separator: str = ""
    brackets: bool = False
    is_raw: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A guess at the shape of all routes. *remarks* are for people.

    *forms* are by kind, *fields* by `Type.field`. *lossy* are the forms of *forms* that may lose a
    part of a value.
    """

    names: Case | None = None
    forms: dict[str, Form] = field(default_factory=dict)
    lossy: tuple[str, ...] = ()
    fields: dict[str, dict[str, Form]] = field(default_factory=dict)
    envelope: Envelope | None = None
    routes: dict[str, RouteShape] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def skeleton_of(suggestions: Suggestions) -> Skeleton:
    """What the matched operations tell of the shape of their JSON."""
    api, envelope = suggestions.api, suggestions.envelope
    answers = list(_pairs(suggestions.sure, api, envelope))
    requests = list(_request_pairs(suggestions.sure, api))
    every = [*answers, *requests]
    names = _case(every)
    forms = _Forms(answers)
    fields, remarks = _renames(every, names)
    for selector, keys in forms.by_field.items():
        fields.setdefault(selector, {}).update(keys)
    routes = {
        match.fit.method.full_name: _route_shape(match, api, envelope) for match in suggestions.sure
    }
    remarks += forms.remarks
    if envelope is not None and envelope.others:
        others = ", ".join(envelope.others)
        remarks.append(f"the envelope of some answers has also: {others}")
    lossy = tuple(sorted(forms.lossy))
    return Skeleton(names, forms.by_kind, lossy, fields, envelope, routes, tuple(remarks))


# --- what is beside what


def _pairs(matches: Iterable[Match], api: LegacyApi, envelope: Envelope | None) -> Iterator[Pair]:
    """The members of answers with their fields, each place of a schema once."""
    seen: set[tuple[str, str, int]] = set()
    for match in matches:
        content = match.fit.operation.answer
        if content is None or not content.is_json:
            continue
        schema = unwrapped(content.schema, envelope, api.schemas)
        message = match.fit.method.output_type
        if schema.is_list:
            schema = api.schemas.element(schema)
            name = list_field(message)
            inner = inner_message(message.fields_by_name[name]) if name else None
            message = (
                inner if inner is not None and not match.fit.method.server_streaming else message
            )
        for pair in walk_pairs(schema, message, api.schemas):
            key = (pair.field.full_name, pair.name, id(pair.schema))
            if key not in seen:
                seen.add(key)
                yield pair


def _request_pairs(matches: Iterable[Match], api: LegacyApi) -> Iterator[Pair]:
    for match in matches:
        content, body = match.fit.operation.body, match.fit.body
        if content is None or not body or not content.is_json:
            continue
        message = match.fit.method.input_type
        inner = message if body == "*" else inner_message(message.fields_by_name[body])
        if inner is not None:
            yield from walk_pairs(content.schema, inner, api.schemas)


# --- names


def _case(pairs: Iterable[Pair]) -> Case | None:
    """The case that gives most names as they are; None for that of ProtoJSON, and for no names."""
    names = {(pair.field.full_name, pair.name): pair for pair in pairs if pair.exact}
    told = [pair for pair in names.values() if "_" in pair.field.name]
    if not told:
        return None
    counts = {
        case: sum(field_key(pair.field, case) == pair.name for pair in told) for case in _CASES
    }
    best = max(_CASES, key=lambda case: counts[case])
    return None if best == "json" or not counts[best] else best


def _renames(
    pairs: Iterable[Pair], case: Case | None
) -> tuple[dict[str, dict[str, Form]], list[str]]:
    """Names of single fields that no case gives; of several names the one that is most common."""
    found: dict[FieldDescriptor, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        found[pair.field][pair.name] += 1
    renames: dict[str, dict[str, Form]] = {}
    remarks: list[str] = []
    for known, names in found.items():
        (name, _), *others = names.most_common()
        if name == field_key(known, case or "json"):
            continue
        selector = _selector(known)
        renames[selector] = {"name": name}
        if others:
            more = ", ".join(other for other, _ in others)
            remarks.append(f"{selector} is called {name}, and {more} elsewhere")
    return renames, remarks


# --- forms of values


class _Forms:
    """Forms that values are written in, by kind, and by field where a kind has several."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        told: dict[str, dict[str, Counter[Form]]] = defaultdict(lambda: defaultdict(Counter))
        for pair in pairs:
            key, form = _form_of(pair)
            if key:
                told[key][_selector(pair.field)][form] += 1
        self.by_kind: dict[str, Form] = {}
        self.by_field: dict[str, dict[str, Form]] = defaultdict(dict)
        self.lossy: set[str] = set()
        self.remarks: list[str] = []
        for key, fields in sorted(told.items()):
            self._settle(key, fields)

    def __repr__(self) -> str:
        return f"<_Forms {self.by_kind}>"

    def _settle(self, key: str, fields: dict[str, Counter[Form]]) -> None:
        """One form for the kind where nearly all fields have it, else one for each field."""
        total: Counter[Form] = Counter()
        for counts in fields.values():
            total.update(counts)
        ((form, count),) = total.most_common(1)
        if count / total.total() >= _MOST:
            if form:
                self.by_kind[key] = form
                self.lossy |= {key} & _LOSSY
            return
        for selector, counts in fields.items():
            ((form, _),) = counts.most_common(1)
            if len(counts) > 1:
                ways = ", ".join(map(_told, counts))
                self.remarks.append(f"{selector} is written in several ways: {ways}")
            if form:
                self.by_field[selector][key] = form
                self.lossy |= {selector} if key in _LOSSY else set()


def _told(form: Form) -> str:
    return form or "as ProtoJSON" if isinstance(form, str) else " and ".join(form)


def _selector(known: FieldDescriptor) -> str:
    return f"{owner(known).name}.{known.name}"


def _form_of(pair: Pair) -> tuple[str, Form]:
    """The key of a form and the form that one member has; "" for ProtoJSON's, and "" for no key."""
    if is_map(pair.field) or pair.schema.is_list != pair.field.is_repeated:
        return "", ""
    kind = field_kind(element(pair.field))
    for kinds, key, guess in _GUESSES:
        if kind in kinds:
            told = guess(pair.schema, pair.field)
            return ("", "") if told is None else (key, told)
    return "", ""


def _long_form(schema: Schema, _: FieldDescriptor) -> str | None:
    return {"integer": "number", "number": "number", "string": ""}.get(schema.kind)


def _number_form(schema: Schema, _: FieldDescriptor) -> str | None:
    return {"integer": "", "number": "", "string": "text"}.get(schema.kind)


def _bool_form(schema: Schema, _: FieldDescriptor) -> Form | None:
    if len(schema.enum) == 2 and all(isinstance(each, str) for each in schema.enum):
        true = [each for each in schema.enum if each.lower() in _TRUE]
        return (true[0], *(e for e in schema.enum if e != true[0])) if len(true) == 1 else None
    return {"integer": "number", "boolean": ""}.get(schema.kind)


def _duration_form(schema: Schema, _: FieldDescriptor) -> str | None:
    if schema.kind == "string":
        return "iso8601" if any(str(each)[:1] == "P" for each in schema.examples) else ""
    return "seconds" if schema.kind in ("integer", "number") else None


def _enum_form(schema: Schema, known: FieldDescriptor) -> str | None:
    """The case of enum values, where all that are listed fit it."""
    if schema.kind == "integer":
        return "number"
    names = {value.name for value in enum_type(element(known)).values}
    listed = {each for each in schema.enum if isinstance(each, str)}
    if not listed:
        return None
    for form, write in _ENUM_CASES.items():
        if listed <= {write(name) for name in names}:
            return form
    return None


_ENUM_CASES: Final[dict[str, Callable[[str], str]]] = {
    "": str,
    "lower": str.lower,
    "kebab": lambda name: name.lower().replace("_", "-"),
}


def _moment_form(schema: Schema, _: FieldDescriptor) -> str | None:
    if schema.kind in ("integer", "number"):
        numbers = [each for each in schema.examples if isinstance(each, int)]
        return "epoch_ms" if any(each > _MILLISECONDS for each in numbers) else "epoch_s"
    texts = [each for each in schema.examples if isinstance(each, str)]
    if not texts:
        return "" if schema.format == "date-time" else None
    return _text_form(texts)


def _text_form(texts: list[str]) -> str | None:
    if all(map(_RFC3339.fullmatch, texts)):
        return ""
    if all(map(_RFC1123.fullmatch, texts)):
        return "rfc1123"
    return next((each for each in _PATTERNS if all(_reads(text, each) for text in texts)), None)


def _reads(text: str, pattern: str) -> bool:
    try:
        datetime.strptime(text, pattern)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True


_Guess = Callable[[Schema, FieldDescriptor], Form | None]
_GUESSES: Final[tuple[tuple[frozenset[Kind], str, _Guess], ...]] = (
    (_LONG, "int64", _long_form),
    (_SHORT, "int32", _number_form),
    (_FLOATING, "float", _number_form),
    (frozenset({Kind.BOOL}), "bool", _bool_form),
    (frozenset({Kind.DURATION}), "duration", _duration_form),
    (frozenset({Kind.ENUM}), "enum", _enum_form),
    (frozenset({Kind.TIMESTAMP}), "timestamp", _moment_form),
)


# --- one route


def _route_shape(match: Match, api: LegacyApi, envelope: Envelope | None) -> RouteShape:
    operation, message = match.fit.operation, match.fit.method.output_type
    is_raw = is_http_body(message)
    styles = {each.lists for each in _taken(match)}
    made = RouteShape(
        "",
        _status(operation),
        "," if ListStyle.CSV in styles else "",
        ListStyle.BRACKETS in styles,
        is_raw,
        tuple(_remarks(match)),
    )
    if operation.answer is None or envelope is None or not envelope.fits(operation.answer.schema):
        return made
    inside = unwrapped(operation.answer.schema, envelope, api.schemas)
    return replace(made, of=list_field(message)) if inside.is_list else made


def _status(operation: Operation) -> int:
    """The one status of good answers; 200 when there are several, or none is said."""
    good = [each for each in operation.statuses if each[:1] == "2" and each.isdigit()]
    return int(good[0]) if len(good) == 1 else 200


def _taken(match: Match) -> list[Parameter]:
    """The query parameters that a field takes."""
    parameters = match.fit.operation.parameters_in(Where.QUERY)
    taken = pair_members({each.name: None for each in parameters}, match.fit.method.input_type)
    return [each for each in parameters if each.name in taken]


def _remarks(match: Match) -> Iterator[str]:
    """Query parameters of which nothing is known."""
    taken = _taken(match)
    for each in match.fit.operation.parameters_in(Where.QUERY):
        if each not in taken:
            yield f"no field takes the query's {each.name}"


def constant_body(envelope: Envelope) -> dict[str, Any]:
    """The document of an envelope, with the hole for the message."""
    return {**envelope.constants, envelope.payload: "{}"}
