"""The translation check: what a client sent against the message that was made of it.

Belongs here: what of a request the message has not, or has otherwise. Does not: making messages
(`transcoding.request`), comparing JSON (`comparator`).

No call is made for it, so that it is safe for every method. The message is printed again as JSON
and compared with the body, see `request_walk`; captures and query parameters are compared by
themselves, see `request_texts`. Rules whose paths begin with `request:` hold here, and no others.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison, Difference, Document
from proxy.comparison.kinds import Kind
from proxy.comparison.legacy_plans import Written
from proxy.comparison.paths import ROOT, Part, PathPattern, step_of
from proxy.comparison.request_texts import (
    TextRules,
    capture_differences,
    form_differences,
    query_differences,
)
from proxy.comparison.rules import Rule
from proxy.comparison.schema import Plans
from proxy.shape.codecs import ShapedCodecs
from proxy.shape.form_bodies import FormLeaves
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.protojson import Codecs, DecodeFailure
from proxy.transcoding.protojson import kinds as protojson
from proxy.transcoding.request import RequestBuilder

#: Differences of one request that are told, as of one pair of answers.
MAX_DIFFERENCES: Final = 64

_JSON: Final = (("content-type", "application/json"),)

#: How deep, and over how many fields, the shape of a message is told.
_SHAPE_DEPTH: Final = 6
_SHAPE_FIELDS: Final = 200


class Lost(NamedTuple):
    """What of a request was lost or changed; *rule_hits* counts by the index of a rule."""

    differences: tuple[Difference, ...] = ()
    rule_hits: Mapping[int, int] = MappingProxyType({})

    def and_also(self, other: "Lost") -> "Lost":
        """Both as one."""
        hits = Counter(self.rule_hits)
        hits.update(other.rule_hits)
        return Lost(merged((*self.differences, *other.differences)), hits)


class RequestComparator:
    """Compares the requests of one binding with their messages. Immutable, made at load.

    *body* compares JSON bodies; None where a body is none, or no JSON.
    """

    __slots__ = ("_forms", "_indexes", "_label", "_print", "_request", "_root", "_texts", "body")

    def __init__(
        self,
        request: RequestBuilder,
        rules: Sequence[Rule],
        body: Comparator | None,
        print_body: Callable[[Message], bytes],
        *,
        tell_unknown: bool,
    ) -> None:
        self.body = body
        self._request = request
        self._print = print_body
        self._texts = TextRules(request, rules, tell_unknown=tell_unknown)
        #: Of the body's rules, by their indexes there, the indexes among all.
        self._indexes = tuple(index for index, _ in _body_rules(request, rules))
        self._root = _root(request)
        leaves = request.leaves
        self._forms = leaves.forms if isinstance(leaves, FormLeaves) else None
        self._label = f"{request.binding.http_method} {request.binding.template}"

    def __repr__(self) -> str:
        return f"<RequestComparator of {self._label}>"

    @classmethod
    def compile(
        cls,
        request: RequestBuilder,
        codecs: Codecs,
        rules: Sequence[Rule] = (),
        plans: Plans | None = None,
    ) -> "RequestComparator":
        """Compile for the binding of *request*, which reads bodies by *codecs*.

        Of *rules* those about requests hold. Give the *plans* of the comparators of its schema, so
        that messages are learned once.
        """
        binding = request.binding
        tell_unknown = codecs.options.unknown_fields != "ignore"
        if is_raw(binding) or binding.body is Body.NONE:
            return cls(request, rules, None, _nothing, tell_unknown=tell_unknown)
        field = binding.body if isinstance(binding.body, FieldDescriptor) else None
        options = CompareOptions(
            rules=tuple(rule for _, rule in _body_rules(request, rules)),
            sent=True,
            tell_unknown=tell_unknown,
            written=_written(codecs),
        )
        body = Comparator.compile(binding.method.input_type, field, options, plans=plans)
        return cls(request, rules, body, printer(binding, codecs), tell_unknown=tell_unknown)

    def compare(
        self,
        captures: Sequence[str],
        query: str,
        body: bytes,
        message: Message,
        content_type: str | None = None,
    ) -> Lost:
        """Everything that was lost or changed, at most `MAX_DIFFERENCES`.

        *message* is what `RequestBuilder.build` made of the rest. Raises nothing.
        """
        texts = self.of_texts(captures, query, message)
        texts = texts.and_also(self.of_form(body, content_type, message))
        pair = self.documents(body, message, content_type)
        if self.body is None or pair is None:
            return texts
        return texts.and_also(self.of_body(self.body.compare(*pair)))

    def of_texts(self, captures: Sequence[str], query: str, message: Message) -> Lost:
        """What is lost of path and query alone."""
        found = chain(
            capture_differences(self._request, captures, message),
            query_differences(self._request, query, message) if query else (),
        )
        lost, hits = self._texts.held_against(found)
        return Lost(merged(lost), hits)

    def of_form(self, body: bytes, content_type: str | None, message: Message) -> Lost:
        """What is lost of a body that is a form; nothing where it is none."""
        if self._forms is None or not body or not self._forms.takes(content_type):
            return Lost()
        found = form_differences(self._forms, body, content_type, message)
        lost, hits = self._texts.held_against(found)
        return Lost(merged(lost), hits)

    def documents(
        self, body: bytes, message: Message, content_type: str | None = None
    ) -> tuple[Document, Document] | None:
        """What `body` is to compare: the client's, and the message's; None where nothing is."""
        if self.body is None or not body or body.strip() == b"null" or self._is_form(content_type):
            return None
        try:
            printed = self._print(message)
        except DecodeFailure:
            return Document(200, _JSON, body), Document(200, _JSON, complete=False)
        return Document(200, _JSON, body), Document(200, _JSON, printed)

    def _is_form(self, content_type: str | None) -> bool:
        if self._request.options.reads_form:
            return True
        return self._forms is not None and self._forms.takes(content_type)

    def of_body(self, comparison: Comparison) -> Lost:
        """What a comparison of `documents` tells of request and message."""
        return Lost(
            tuple(
                each._replace(path=self._root + each.path.removeprefix(ROOT))
                for each in comparison.differences
            ),
            {self._indexes[index]: count for index, count in comparison.rule_hits.items()},
        )

    def shape(self, message: Message) -> str:
        """Which fields of a message are set: a stable text, without any value."""
        names = sorted(_set_fields(message, "", _SHAPE_DEPTH))[:_SHAPE_FIELDS]
        return f"{self._label} {' '.join(names)}"


def merged(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """One difference for each path and kind, counted, and no more than `MAX_DIFFERENCES`."""
    found: dict[tuple[str, Kind], Difference] = {}
    for each in differences:
        key = each.path, each.kind
        if key in found:
            found[key] = found[key]._replace(times=found[key].times + each.times)
        elif len(found) < MAX_DIFFERENCES:
            found[key] = each
    return tuple(found.values())


def _field_around(request: RequestBuilder) -> FieldDescriptor | None:
    """The field whose name paths of bodies begin with.

    Under a shape they begin at the body as clients send it: they have never heard of that field.
    """
    body = request.binding.body
    return body if isinstance(body, FieldDescriptor) and request.shape is None else None


def _root(request: RequestBuilder) -> str:
    """The path of a body."""
    field = _field_around(request)
    return f"{Part.REQUEST}{ROOT}{'' if field is None else step_of(field.json_name)}"


def _body_rules(request: RequestBuilder, rules: Iterable[Rule]) -> Iterator[tuple[int, Rule]]:
    """The rules about bodies with their indexes, and with paths that begin at the body."""
    depth = int(_field_around(request) is not None)
    for index, rule in enumerate(rules):
        pattern = PathPattern.parse(rule.path)
        if pattern.part is Part.REQUEST:
            yield index, replace(rule, path=str(PathPattern(pattern.steps[depth:])))


def _nothing(_message: Message) -> bytes:
    return b""


def _written(codecs: Codecs) -> Written | None:
    """How bodies are written that *codecs* read, None for ProtoJSON."""
    return Written(codecs.options, codecs.shape) if isinstance(codecs, ShapedCodecs) else None


def printer(binding: Binding, codecs: Codecs) -> Callable[[Message], bytes]:
    """Prints what a body fills, in its envelope; the codec is made when it is first needed."""
    field = binding.body
    if isinstance(codecs, ShapedCodecs):
        within = field if isinstance(field, FieldDescriptor) else None
        enclosed = codecs.enclosed_request(binding.method.input_type, within)
        if enclosed is not None:
            return enclosed.print
    if isinstance(field, FieldDescriptor):
        chosen = field
        return lambda message: codecs.field(chosen).print(message)
    return lambda message: codecs.message(binding.method.input_type).print(message)


def _set_fields(message: Any, prefix: str, depth: int) -> Iterator[str]:
    """Dotted names of the fields that are set; inside lists and maps, of their first element."""
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        yield path
        inner = protojson.element(field)
        if depth and protojson.field_kind(inner) is protojson.Kind.MESSAGE:
            yield from _set_fields(_first(field, value), f"{path}.", depth - 1)


def _first(field: FieldDescriptor, value: Any) -> Any:
    if protojson.is_map(field):
        return value[min(value)]
    return value[0] if field.is_repeated else value
