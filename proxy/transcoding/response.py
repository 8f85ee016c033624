"""An upstream's answer into an HTTP body: compiled per binding, run per message.

Belongs here: which part of the response message is the answer, and its media type. Does not:
framing of streams (`transcoding.streams`), errors (`transcoding.errorbody`), status and headers.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, Final

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.transcoding.binding import Binding
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.httpbody import Content, is_http_body, read_http_body
from proxy.transcoding.protojson import Codecs
from proxy.transcoding.protojson.codec import AnswerPrinter, Values
from proxy.transcoding.protojson.faults import DecodeFailure
from proxy.transcoding.protojson.kinds import require_usable_names

JSON_CONTENT: Final = "application/json"
#: Most answers have the values of their message alone.
NOTHING: Final = frozenset[str]()

Render = Callable[[bytes, Values | None], Content]


class ResponseRenderer:
    """Renders the response messages of one binding. Immutable; safe to share between requests.

    *raw* says that answers are `HttpBody` content: a stream of them is their bytes one after
    another, without framing, and the first one's content type counts. *options* are those of the
    codec, *shape* is its shape, if it has one. *asks* names the values that it writes beside those
    of the message.
    """

    __slots__ = ("__weakref__", "_render", "asks", "binding", "options", "raw", "shape")

    def __init__(
        self,
        binding: Binding,
        render: Render,
        codecs: Codecs,
        *,
        raw: bool,
        asks: frozenset[str] = NOTHING,
    ) -> None:
        self.binding = binding
        self.options = codecs.options
        self.shape = codecs.shape
        self.raw = raw
        self.asks = asks
        self._render = render

    def __repr__(self) -> str:
        return f"<ResponseRenderer of {self.binding.rpc} at {self.binding.template}>"

    @classmethod
    def compile(cls, binding: Binding, codecs: Codecs) -> "ResponseRenderer":
        """Compile a binding's answers: the whole message, or its `response_body` field.

        Raises `ValueError` for a field that hides a method.
        """
        require_usable_names(binding.method.output_type)
        field, message = binding.response_body, binding.method.output_type
        raw = _raw_renderer(field, message, codecs)
        if raw is not None:
            return cls(binding, raw, codecs, raw=True)
        streams = binding.cardinality.response_streams
        printer = codecs.answer(message, field, streams=streams)
        if printer is not None:
            return cls(binding, _enclosing(printer, message), codecs, raw=False, asks=printer.asks)
        return cls(binding, _plain(field, message, codecs), codecs, raw=False)

    def indented(self) -> "ResponseRenderer":
        """The same renderer, but for line breaks and blanks in its JSON."""
        renderer, render = copy(self), self._render
        renderer._render = lambda wire, values: _indented(render(wire, values))
        return renderer

    def render(self, wire: bytes, values: Values | None = None) -> Content:
        """The HTTP body of one response message, with its content type.

        *values* are those that it asks for; without one it writes null. An all-default message is
        `{}`. Raises `UpstreamError` (502) for bytes that are no such message, and for a message
        that has no JSON form.
        """
        try:
            return self._render(wire, values)
        except (DecodeError, DecodeFailure) as error:
            message = f"the upstream's answer is not a valid {self.binding.method.output_type.name}"
            status = Status(Code.INTERNAL, f"{message}: {error}")
            raise UpstreamError(status, http_status=502) from error


def _indented(content: Content) -> Content:
    if content.content_type != JSON_CONTENT:
        return content
    body = orjson.dumps(orjson.loads(content.body), option=orjson.OPT_INDENT_2)
    return content._replace(body=body)


def is_raw_answer(binding: Binding) -> bool:
    """Whether a binding's answers are content of any type and not JSON."""
    field = binding.response_body
    if field is None:
        return is_http_body(binding.method.output_type)
    return is_http_body(field.message_type) and not field.is_repeated


def _raw_renderer(
    field: FieldDescriptor | None, message: Descriptor, codecs: Codecs
) -> Render | None:
    """What renders answers that are `HttpBody` content, None where they are JSON."""
    if codecs.options.http_bodies:
        return None
    parse: Callable[[bytes], Any] = message_class(message).FromString
    if field is None:
        return (lambda wire, _: read_http_body(parse(wire))) if is_http_body(message) else None
    if not is_http_body(field.message_type) or field.is_repeated:
        return None
    name = field.name
    return lambda wire, _: read_http_body(getattr(parse(wire), name))


def _enclosing(printer: AnswerPrinter, message: Descriptor) -> Render:
    parse: Callable[[bytes], Any] = message_class(message).FromString
    return lambda wire, values: Content(JSON_CONTENT, printer.print(parse(wire), values))


def _plain(field: FieldDescriptor | None, message: Descriptor, codecs: Codecs) -> Render:
    if field is not None:
        return _field_renderer(field, message_class(message).FromString, codecs)
    to_json = codecs.message(message).wire_to_json
    return lambda wire, _: Content(JSON_CONTENT, to_json(wire))


def _field_renderer(
    field: FieldDescriptor, parse: Callable[[bytes], Any], codecs: Codecs
) -> Render:
    """A field that is not set is printed as the codec does; an optional scalar is `null`.

    So a client that expects an object, a list or a number finds one even when all of it is
    default. `null` is how ProtoJSON spells an absent value, and the only honest default of a
    scalar with presence.
    """
    print_field, name = codecs.field(field).print, field.name
    optional_scalar = field.has_presence and field.message_type is None

    def render(wire: bytes, _values: Values | None) -> Content:
        message = parse(wire)
        if optional_scalar and not message.HasField(name):
            return Content(JSON_CONTENT, b"null")
        return Content(JSON_CONTENT, print_field(message))

    return render
