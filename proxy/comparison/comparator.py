"""Two whole answers compared: status, headers, bodies.

Belongs here: what is compared before and beside the JSON, and in which order. Does not: the JSON
itself (`comparison.walk`).

Status comes first. When its classes differ, one side refused what the other did, and bodies are
not compared. Bodies of two refusals are compared without a schema, and all that differs in them
is an `error_body`; bodies of redirects are nobody's business.

The media type is always compared, its parameters only when `content-type` is among the headers:
what they say of the character set is followed, and then its name matters no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.documents import ABSENT, Comparison, Difference, Document, Excerpt, Obstacle
from proxy.comparison.excerpts import excerpt
from proxy.comparison.kinds import Kind
from proxy.comparison.legacy_plans import Asked, Written, body_of, plans_of
from proxy.comparison.paths import ROOT, Part
from proxy.comparison.places import Keeping, Place
from proxy.comparison.reading import Json, TooDeep, Unreadable, media_type, read, read_stream
from proxy.comparison.request_walk import RequestWalk
from proxy.comparison.rules import Ignore, Present, Rule, RuleTree
from proxy.comparison.schema import OPEN, Plans, Type, leaf_paths
from proxy.comparison.walk import OverBudget, Walk
from proxy.transcoding.httpbody import is_http_body

STATUS: Final = "status"
HEADER: Final = "header:"
CONTENT_TYPE: Final = "content-type"


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What is compared, and what may differ.

    *status* `class` takes statuses of one class, 2xx, for equal. *headers* are names in lower
    case; others are not compared. Of a stream *max_messages* are. *sent* says that the pair are no
    answers but what a client sent and what its message has; *tell_unknown*, whether fields that
    the message has not are differences then. *written* is how bodies are that are no ProtoJSON.
    """

    status: Literal["exact", "class"] = "exact"
    headers: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    max_messages: int = 100
    sent: bool = False
    tell_unknown: bool = True
    written: Written | None = None


class Comparator:
    """Compares the answers of one binding; for the use of one thread.

    Nothing of the answer's message is looked at before the first answer comes.
    """

    __slots__ = (
        *("_errors", "_fields", "_plans", "_root", "answer", "field", "options", "streams"),
        "__weakref__",
    )

    def __init__(
        self,
        answer: Descriptor,
        field: FieldDescriptor | None,
        options: CompareOptions,
        plans: Plans,
        *,
        streams: bool,
    ) -> None:
        self.answer = answer
        self.field = field
        self.options = options
        self.streams = streams
        self._plans = plans
        self._root: Place | None = None
        self._errors: Place | None = None
        self._fields: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"<Comparator of {(self.field or self.answer).full_name}>"

    @classmethod
    def compile(
        cls,
        answer: Descriptor,
        field: FieldDescriptor | None,
        options: CompareOptions,
        *,
        streams: bool = False,
        plans: Plans | None = None,
    ) -> "Comparator":
        """A comparator of answers that are *field* of the message, None: all of it.

        Comparators that are given the same *plans* share what they learn of messages: those of
        `plans_of` for how their bodies are written. Raises `ValueError` for a rule whose path
        cannot be read.
        """
        RuleTree.compile(options.rules)
        made = plans or plans_of(options.written)
        return cls(answer, field, options, made, streams=streams)

    @property
    def raw(self) -> bool:
        """Whether answers are no JSON but what a `google.api.HttpBody` holds."""
        if self.field is None:
            return is_http_body(self.answer)
        return is_http_body(self.field.message_type) and not self.field.is_repeated

    @property
    def fields(self) -> frozenset[str]:
        """The paths of all fields that an answer can fill: those that lead to no others.

        A message within itself counts as one field. At most `schema.MOST_FIELDS`.
        """
        if self._fields is None:
            found = () if self.raw else leaf_paths(self._plans, self._type(), ROOT)
            self._fields = frozenset(found)
        return self._fields

    @property
    def ignored(self) -> frozenset[str]:
        """Those of `fields` at which rules let anything be: what is there is not compared."""
        if not any(isinstance(rule.check, (Ignore, Present)) for rule in self.options.rules):
            return frozenset()
        root = self._place(errors=False)
        return frozenset(path for path in self.fields if _is_ignored(root.at(path)))

    def compare(self, legacy: Document, grpc: Document) -> Comparison:
        """Compare two answers to one request. Raises nothing, whatever they are."""
        found = [*self._statuses(legacy, grpc)]
        if any(each.kind is Kind.STATUS_CLASS for each in found):
            return Comparison(tuple(found))
        if not (legacy.complete and grpc.complete):
            obstacle = None if found else Obstacle.TRUNCATED
            return Comparison(tuple(found), obstacle=obstacle)
        found += self._headers(legacy, grpc)
        try:
            return self._bodies(legacy, grpc, found)
        except (OverBudget, TooDeep, RecursionError):
            return Comparison(obstacle=Obstacle.BUDGET)

    def _statuses(self, legacy: Document, grpc: Document) -> Iterator[Difference]:
        ours, theirs = legacy.http_status, grpc.http_status
        shown = _number(ours), _number(theirs)
        if ours // 100 != theirs // 100:
            yield Difference(STATUS, Kind.STATUS_CLASS, 1, *shown)
        elif ours != theirs and self.options.status == "exact":
            yield Difference(STATUS, Kind.STATUS_CODE, 1, *shown)

    def _headers(self, legacy: Document, grpc: Document) -> Iterator[Difference]:
        for name in self.options.headers:
            if name != CONTENT_TYPE:
                ours, theirs = header(legacy, name), header(grpc, name)
                if ours != theirs:
                    yield Difference(HEADER + name, Kind.HEADER, 1, _text(ours), _text(theirs))
        if legacy.body and grpc.body:
            ours, theirs = header(legacy, CONTENT_TYPE), header(grpc, CONTENT_TYPE)
            listed = CONTENT_TYPE in self.options.headers
            if content_type(ours, whole=listed) != content_type(theirs, whole=listed):
                path = HEADER + CONTENT_TYPE
                yield Difference(path, Kind.CONTENT_TYPE, 1, _text(ours), _text(theirs))

    def _bodies(self, legacy: Document, grpc: Document, found: list[Difference]) -> Comparison:
        errors = legacy.http_status >= 400
        if 300 <= legacy.http_status < 400 or not (legacy.body or grpc.body):
            return Comparison(tuple(found))
        if not (legacy.body and grpc.body):
            found.append(_of_bodies(Kind.EMPTY_VS_BODY, legacy, grpc))
            return Comparison(tuple(found))
        if self.raw and not errors:
            if legacy.body != grpc.body:
                found.append(_of_bodies(Kind.VALUE, legacy, grpc))
            return Comparison(tuple(found))
        return self._documents(legacy, grpc, found, errors=errors)

    def _documents(
        self, legacy: Document, grpc: Document, found: list[Difference], *, errors: bool
    ) -> Comparison:
        sides = [self._read(legacy, errors=errors)] * 2
        if not _is_one_text(legacy, grpc):
            sides[1] = self._read(grpc, errors=errors)
        if any(isinstance(side, Unreadable) for side in sides):
            return _unreadable(sides, legacy, grpc, found, errors=errors)
        walk = self._walk(errors=errors)
        ours, theirs = sides
        walk.compare(self._place(errors=errors), ours, theirs)  # type: ignore[arg-type]
        return Comparison(
            (*found, *walk.differences),
            truncated=walk.truncated,
            rule_hits=walk.hits,
            fields=frozenset() if errors else walk.fields,
        )

    def _walk(self, *, errors: bool) -> Walk:
        if self.options.sent:
            return RequestWalk(tell_unknown=self.options.tell_unknown)
        return Walk(errors=errors)

    def _read(self, document: Document, *, errors: bool) -> "Json | Unreadable":
        kind = header(document, CONTENT_TYPE) or ""
        try:
            if self.streams and not errors:
                return read_stream(document.body, kind)[: self.options.max_messages]
            return read(document.body, kind)
        except Unreadable as error:
            return error

    def _type(self) -> Type:
        options = self.options
        asked = Asked(self.answer, self.field, streams=self.streams, sent=options.sent)
        return body_of(self._plans, asked, options.written).type

    def _place(self, *, errors: bool) -> Place:
        """The place of answers, or of error bodies: made when the first one comes."""
        place = self._errors if errors else self._root
        if place is None:
            part = Part.ERROR if errors else Part.ANSWER
            rules = RuleTree.compile(self.options.rules, part)
            type_ = OPEN if errors else self._type()
            place = Place.root(Keeping(self._plans), ROOT, type_, rules)
            if errors:
                self._errors = place
            else:
                self._root = place
        return place


def _is_one_text(legacy: Document, grpc: Document) -> bool:
    """Whether both bodies are surely the same document, as they are for most requests."""
    types = header(legacy, CONTENT_TYPE), header(grpc, CONTENT_TYPE)
    return legacy.body == grpc.body and types[0] == types[1]


def _is_ignored(place: Place) -> bool:
    return place.held is not None and isinstance(place.held.check, Ignore)


def header(document: Document, name: str) -> str | None:
    """A header's value, several joined as RFC 9110 section 5.3 allows; None without one."""
    values = [value for each, value in document.headers if each.lower() == name]
    return ", ".join(values) if values else None


def content_type(value: str | None, *, whole: bool) -> tuple[str, ...]:
    """A content type as it is compared: the media type, with *whole* its parameters too.

    >>> content_type('Application/JSON; Charset="UTF-8"', whole=True)
    ('application/json', 'charset=utf-8')
    """
    media = media_type(value or "")
    if not whole:
        return (media,)
    parameters = [part.strip(" \t").replace('"', "").lower() for part in (value or "").split(";")]
    return (media, *sorted(filter(None, parameters[1:])))


def _unreadable(
    sides: "list[Json | Unreadable]",
    legacy: Document,
    grpc: Document,
    found: list[Difference],
    *,
    errors: bool,
) -> Comparison:
    """What is known of two bodies of which at least one is no JSON."""
    both = all(isinstance(side, Unreadable) for side in sides)
    if both and legacy.body == grpc.body:
        return Comparison(tuple(found))
    if errors:
        found.append(_of_bodies(Kind.ERROR_BODY, legacy, grpc))
    elif both and not found:
        return Comparison(obstacle=Obstacle.NO_JSON)
    elif not both:
        found.append(_of_bodies(Kind.UNPARSABLE, legacy, grpc))
    return Comparison(tuple(found))


def _of_bodies(kind: Kind, legacy: Document, grpc: Document) -> Difference:
    ours, theirs = (Excerpt("bytes", len(each.body), "") for each in (legacy, grpc))
    return Difference(ROOT, kind, 1, ours, theirs)


def _number(value: int) -> Excerpt:
    text = str(value)
    return Excerpt("number", len(text), text)


def _text(value: str | None) -> Excerpt:
    return ABSENT if value is None else excerpt(value)
