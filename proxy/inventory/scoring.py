"""How well a method of the proto fits an operation of the old API, with reasons.

Belongs here: what speaks for a pair, and how much. Does not: the rule (`fitting`), who gets whom
(`suggestions`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FieldOptions

from proxy.inventory.envelopes import Envelope, unwrapped
from proxy.inventory.fitting import Fit, list_field
from proxy.inventory.legacy import Operation, Where
from proxy.inventory.pairing import inner_message, pair_members, share_of
from proxy.inventory.paths import LegacyPath, parse_legacy_path
from proxy.inventory.schemas import Schemas
from proxy.inventory.words import likeness, tokens

#: First words of methods by HTTP method, for a path that ends in one thing and in many; what fits
#: best first.
_OF_ONE: Final[dict[str, tuple[str, ...]]] = {
    "GET": ("get", "read", "fetch", "describe", "lookup", "show", "find", "download"),
    "HEAD": ("get", "check", "exist"),
    "PUT": ("update", "replace", "set", "put", "upsert", "save"),
    "PATCH": ("update", "patch", "modify", "edit", "change"),
    "DELETE": ("delete", "remove", "destroy", "drop"),
    "POST": ("update", "set", "save"),
}
_OF_MANY: Final[dict[str, tuple[str, ...]]] = {
    "GET": ("list", "search", "query", "find", "get", "download", "export", "read"),
    "HEAD": ("list", "get"),
    "POST": ("create", "add", "insert", "new", "register", "send", "import", "upload"),
    "PUT": ("update", "replace", "set", "put", "import", "upload"),
    "PATCH": ("update", "patch", "modify"),
    "DELETE": ("delete", "remove", "clear", "purge"),
}
#: How much less a word further behind counts, down to the least that a listed one does.
_STEP: Final = 0.08
_LEAST: Final = 0.5
#: What a word counts of which nothing is known: methods of one's own making have such.
_UNKNOWN: Final = 0.25

#: What path parameters count that make a resource name: any of them would.
_BY_NAME: Final = 0.6

_WEIGHTS: Final = {
    "action": 0.25,
    "nouns": 0.25,
    "operation id": 0.2,
    "path parameters": 0.2,
    "request": 0.15,
    "answer": 0.2,
    "required fields": 0.15,
}


class Reason(NamedTuple):
    """One thing that was looked at: its share of what there could be, and in words."""

    about: str
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Score:
    """How well a method fits, from 0 to 1."""

    value: float
    reasons: tuple[Reason, ...]

    def of(self, about: str) -> float:
        """The share of one reason, 0 when it was not looked at."""
        return next((reason.value for reason in self.reasons if reason.about == about), 0.0)

    def __str__(self) -> str:
        return f"{self.value:.2f}: " + "; ".join(reason.text for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores pairs of one document."""

    schemas: Schemas
    envelope: Envelope | None

    def score(self, found: Fit) -> Score:
        """How well a fit's method fits its operation."""
        reasons = tuple(self._reasons(found))
        weight = sum(_WEIGHTS[reason.about] for reason in reasons)
        value = sum(_WEIGHTS[reason.about] * reason.value for reason in reasons)
        return Score(value / weight if weight else 0.0, reasons)

    def _reasons(self, found: Fit) -> Iterator[Reason]:
        operation, method = found.operation, found.method
        path = parse_legacy_path(operation.path)
        yield _action(operation, method, path)
        yield _nouns(method, path)
        if operation.operation_id:
            yield _operation_id(operation, method)
        yield from _path_parameters(found)
        yield from _request(found)
        yield from self._answer(operation, method)
        yield from _required(found)

    def _answer(self, operation: Operation, method: MethodDescriptor) -> Iterator[Reason]:
        if operation.answer is None or not operation.answer.is_json:
            return
        schema = unwrapped(operation.answer.schema, self.envelope, self.schemas)
        message: Descriptor | None = method.output_type
        if schema.is_list:
            lists = list_field(method.output_type)
            schema = self.schemas.element(schema)
            if not method.server_streaming:
                message = (
                    inner_message(message.fields_by_name[lists]) if message and lists else None
                )
        if message is None:
            yield Reason("answer", 0.0, "an array, and no list in the answer")
        elif schema.is_object:
            value = share_of(schema.members, message)
            count = len(pair_members(schema.members, message))
            text = f"{count} of {len(schema.members)} members of the answer have a field"
            yield Reason("answer", value, text)


def _action(operation: Operation, method: MethodDescriptor, path: LegacyPath) -> Reason:
    """The first word of the method against the HTTP method, or against what the path ends in."""
    first = tokens(method.name)[:1]
    if path.verb:
        same = first == tokens(path.verb)[:1]
        text = f"{method.name} is {'' if same else 'not '}`:{path.verb}`"
        return Reason("action", float(same), text)
    last = tokens(path.segments[-1]) if not path.names[-1] else ()
    if last and first == last[:1] and operation.http_method == "POST":
        return Reason("action", 1.0, f"{method.name} is POST …/{path.segments[-1]}")
    table = _OF_ONE if path.names[-1] else _OF_MANY
    known = table.get(operation.http_method, ())
    value = _place_in(known, first[0] if first else "")
    if value is None:
        others = {word for words in (*_OF_ONE.values(), *_OF_MANY.values()) for word in words}
        value = 0.0 if first and first[0] in others else _UNKNOWN
    return Reason("action", value, f"{operation.http_method} for {method.name}")


def _place_in(known: tuple[str, ...], word: str) -> float | None:
    return max(1.0 - _STEP * known.index(word), _LEAST) if word in known else None


def _nouns(method: MethodDescriptor, path: LegacyPath) -> Reason:
    """What the method is about, against the literals of the path; the last one counts most."""
    about = frozenset(tokens(method.name)[1:]) or frozenset(tokens(method.containing_service.name))
    literals = [
        tokens(segment)
        for segment, names in zip(path.segments, path.names, strict=True)
        if not names
    ]
    every = {word for words in literals for word in words}
    last = frozenset(literals[-1]) if literals else frozenset()
    within = len(about & every) / len(about) if about else 0.0
    ends = len(about & last) / len(last) if last else 0.0
    shared = ", ".join(sorted(about & every))
    text = f"both about {shared}" if shared else "no noun in common"
    return Reason("nouns", (within + ends) / 2, text)


def _operation_id(operation: Operation, method: MethodDescriptor) -> Reason:
    value = likeness(tokens(operation.operation_id), tokens(method.name))
    return Reason("operation id", value, f"operationId {operation.operation_id}")


def _path_parameters(found: Fit) -> Iterator[Reason]:
    count = len(found.bound) + len(found.unbound)
    if not count:
        return
    text = ", ".join(f"{name} is {field}" for name, field in found.bound)
    if found.unbound:
        text += f"{'; ' if text else ''}no field for {', '.join(found.unbound)}"
    value = _BY_NAME if found.by_name else len(found.bound) / count
    yield Reason("path parameters", value, text)


def _request(found: Fit) -> Iterator[Reason]:
    """Query parameters and members of the body that have a field."""
    names = {each.name: None for each in found.operation.parameters_in(Where.QUERY)}
    taken = pair_members(names, found.method.input_type)
    members, inside = _body_members(found)
    total = len(names) + len(members)
    if total:
        count = len(taken) + (len(pair_members(members, inside)) if inside else 0)
        text = f"{count} of {total} parameters and members of the request have a field"
        yield Reason("request", count / total, text)


def _body_members(found: Fit) -> tuple[dict[str, None], Descriptor | None]:
    content, request = found.operation.body, found.method.input_type
    if content is None or not found.body or not (content.is_json or content.is_form):
        return {}, None
    members = dict.fromkeys(content.schema.members)
    if found.body == "*":
        return members, request
    return members, inner_message(request.fields_by_name[found.body])


def _required(found: Fit) -> Iterator[Reason]:
    """Fields that the proto says must be there: the path, the body or the query gives them."""
    fields = [each for each in found.method.input_type.fields if _is_required(each)]
    if not fields:
        return
    given = {field.partition(".")[0] for _, field in found.bound}
    members, inside = _body_members(found)
    names = {each.name: None for each in found.operation.parameters_in(Where.QUERY)}
    given |= {field.name for field in pair_members(names, found.method.input_type).values()}
    if inside is found.method.input_type:
        given |= {field.name for field in pair_members(members, inside).values()}
    given |= {found.body} if found.operation.body is not None else set()
    missing = [field.name for field in fields if field.name not in given]
    text = f"nothing gives {', '.join(missing)}" if missing else "all required fields are given"
    yield Reason("required fields", 1 - len(missing) / len(fields), text)


def _is_required(field: object) -> bool:
    options = FieldOptions.FromString(field.GetOptions().SerializeToString())  # type: ignore[attr-defined]
    return field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]
