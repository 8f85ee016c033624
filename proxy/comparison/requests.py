"""The translation check: what a client sent against the message that was made of it.

Belongs here: what of a request the message has not, or has otherwise. Does not: making messages
(`transcoding.request`), comparing JSON (`comparator`).

No call is made for it, so that it is safe for every method. The message is printed again as JSON
and compared with the body, as if it were an answer. The forms that ProtoJSON reads alike, numbers
and texts of numbers, names and numbers of enums, both spellings of a key, a default and nothing,
are one value in a message: they are no differences here. What is left was lost or changed on the
way: fields that no message has, digits that no field holds.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison, Difference, Document, Excerpt
from proxy.comparison.kinds import Kind
from proxy.comparison.request_texts import capture_differences, query_differences
from proxy.comparison.schema import Plans
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.protojson import Codecs, DecodeFailure
from proxy.transcoding.protojson import kinds as protojson
from proxy.transcoding.request import RequestBuilder

#: Differences of one request that are told, as of one pair of answers.
MAX_DIFFERENCES: Final = 64

#: What differs in form alone, or is in the message beside the body: the path's captures, defaults.
_ONE_VALUE: Final = frozenset(
    {
        Kind.BYTES_ENCODING,
        Kind.DEFAULT_VS_ABSENT,
        Kind.ENUM_REPR,
        Kind.EXTRA_FIELD,
        Kind.INT64_STRING,
        Kind.KEY_CASE,
        Kind.NULL_VS_ABSENT,
        Kind.NUMBER_REPR,
        Kind.TIMESTAMP_FORMAT,
    }
)
_JSON: Final = (("content-type", "application/json"),)
_STEP: Final = re.compile(r"\.([^.\[{]+)")
_QUOTED: Final = re.compile(r'"(.*)"', re.DOTALL)
_SCALARS: Final = frozenset({"string", "number", "bool"})

#: How deep, and over how many fields, the shape of a message is told.
_SHAPE_DEPTH: Final = 6
_SHAPE_FIELDS: Final = 200


class RequestComparator:
    """Compares the requests of one binding with their messages. Immutable, made at load.

    *body* compares JSON bodies; None where a body is none, or no JSON.
    """

    __slots__ = ("_label", "_print", "_request", "_tells_unknown", "body")

    def __init__(
        self,
        request: RequestBuilder,
        body: Comparator | None,
        print_body: Callable[[Message], bytes],
        *,
        tells_unknown: bool,
    ) -> None:
        self.body = body
        self._request = request
        self._print = print_body
        self._tells_unknown = tells_unknown
        self._label = f"{request.binding.http_method} {request.binding.template}"

    def __repr__(self) -> str:
        return f"<RequestComparator of {self._label}>"

    @classmethod
    def compile(
        cls, request: RequestBuilder, codecs: Codecs, plans: Plans | None = None
    ) -> "RequestComparator":
        """Compile for the binding of *request*, which reads bodies by *codecs*.

        Give the *plans* of the comparators of its schema, so that messages are learned once.
        """
        binding = request.binding
        tells_unknown = codecs.options.unknown_fields != "ignore"
        if is_raw(binding) or binding.body is Body.NONE:
            return cls(request, None, _nothing, tells_unknown=tells_unknown)
        field = binding.body if isinstance(binding.body, FieldDescriptor) else None
        message = binding.method.input_type
        body = Comparator.compile(message, field, CompareOptions(), plans=plans)
        return cls(request, body, _printer(binding, codecs), tells_unknown=tells_unknown)

    def compare(
        self, captures: Sequence[str], query: str, body: bytes, message: Message
    ) -> tuple[Difference, ...]:
        """Everything that was lost or changed, at most `MAX_DIFFERENCES`.

        *message* is what `RequestBuilder.build` made of the rest. Raises nothing.
        """
        pair = self.documents(body, message)
        compared = self.of_body(self.body.compare(*pair)) if self.body and pair else ()
        return merged(chain(self.of_texts(captures, query, message), compared))

    def of_texts(
        self, captures: Sequence[str], query: str, message: Message
    ) -> tuple[Difference, ...]:
        """The differences in path and query alone."""
        found = chain(
            capture_differences(self._request, captures, message),
            query_differences(self._request, query, message, tell_unknown=self._tells_unknown)
            if query
            else (),
        )
        return merged(found)

    def documents(self, body: bytes, message: Message) -> tuple[Document, Document] | None:
        """What `body` is to compare: the client's, and the message's; None where nothing is."""
        if self.body is None or not body or body.strip() == b"null":
            return None
        try:
            printed = self._print(message)
        except DecodeFailure:
            return Document(200, _JSON, body), Document(200, _JSON, complete=False)
        return Document(200, _JSON, body), Document(200, _JSON, printed)

    def of_body(self, comparison: Comparison) -> tuple[Difference, ...]:
        """What of a comparison of `documents` is a difference between request and message."""
        return tuple(
            each._replace(path=f"request:{each.path}")
            for each in comparison.differences
            if each.path.startswith("$") and self._is_change(each)
        )

    def _is_change(self, difference: Difference) -> bool:
        kind = difference.kind
        if kind in _ONE_VALUE:
            return False
        if kind is Kind.TYPE:
            return _bare(difference.legacy) is None or (
                _bare(difference.legacy) != _bare(difference.grpc)
            )
        if kind is Kind.MISSING_FIELD and not self._tells_unknown:
            return self._is_known(difference.path)
        return True

    def _is_known(self, path: str) -> bool:
        """Whether fields of the request's type lead along *path*."""
        binding = self._request.binding
        inside: Descriptor | None = binding.method.input_type
        if isinstance(binding.body, FieldDescriptor):
            inside = binding.body.message_type
        for name in _STEP.findall(path):
            if inside is None or protojson.message_kind(inside) is not protojson.Kind.MESSAGE:
                return True
            field = protojson.accepted_names(inside).get(name)
            if field is None:
                return False
            inside = protojson.element(field).message_type
        return True

    def shape(self, message: Message) -> str:
        """Which fields of a message are set: a stable text, without any value."""
        names = sorted(_set_fields(message, "", _SHAPE_DEPTH))[:_SHAPE_FIELDS]
        return f"{self._label} {' '.join(names)}"


def merged(differences: Iterator[Difference] | Sequence[Difference]) -> tuple[Difference, ...]:
    """One difference for each path and kind, counted, and no more than `MAX_DIFFERENCES`."""
    found: dict[tuple[str, Kind], Difference] = {}
    for each in differences:
        key = each.path, each.kind
        if key in found:
            found[key] = found[key]._replace(times=found[key].times + each.times)
        elif len(found) < MAX_DIFFERENCES:
            found[key] = each
    return tuple(found.values())


def _bare(excerpt: Excerpt) -> str | None:
    """A scalar's text whether or not it stands between quotes; None of anything else."""
    if excerpt.type not in _SCALARS:
        return None
    quoted = _QUOTED.fullmatch(excerpt.text)
    return excerpt.text if quoted is None else quoted[1]


def _nothing(_message: Message) -> bytes:
    return b""


def _printer(binding: Binding, codecs: Codecs) -> Callable[[Message], bytes]:
    """Prints what a body fills; the codec is made when it is first needed."""
    field = binding.body
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
