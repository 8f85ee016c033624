"""An upstream's answer into an HTTP body: compiled per binding, run per message.

Belongs here: which part of the response message is the answer, and its media type. Does not:
framing of streams (`transcoding.streams`), errors (`transcoding.errorbody`), status and headers.
"""

from collections.abc import Callable
from typing import Any, Final

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.transcoding.binding import Binding
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.httpbody import Content, is_http_body, read_http_body
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.protojson.faults import DecodeFailure
from proxy.transcoding.protojson.kinds import require_usable_names

JSON_CONTENT: Final = "application/json"


class ResponseRenderer:
    """Renders the response messages of one binding. Immutable; safe to share between requests.

    *raw* says that answers are `HttpBody` content: a stream of them is their bytes one after
    another, without framing, and the first one's content type counts. *options* are those of the
    codec.
    """

    __slots__ = ("__weakref__", "_render", "binding", "options", "raw")

    def __init__(
        self,
        binding: Binding,
        render: Callable[[bytes], Content],
        options: JsonOptions,
        *,
        raw: bool,
    ) -> None:
        self.binding = binding
        self.options = options
        self.raw = raw
        self._render = render

    def __repr__(self) -> str:
        return f"<ResponseRenderer of {self.binding.rpc} at {self.binding.template}>"

    @classmethod
    def compile(cls, binding: Binding, codecs: Codecs) -> "ResponseRenderer":
        """Compile a binding's answers: the whole message, or its `response_body` field.

        Raises `ValueError` for a field that hides a method.
        """
        require_usable_names(binding.method.output_type)
        render, raw = _renderer(binding, codecs)
        return cls(binding, render, codecs.options, raw=raw)

    def indented(self) -> "ResponseRenderer":
        """The same renderer, but for line breaks and blanks in its JSON."""
        render = self._render
        return ResponseRenderer(
            self.binding, lambda wire: _indented(render(wire)), self.options, raw=self.raw
        )

    def render(self, wire: bytes) -> Content:
        """The HTTP body of one response message, with its content type.

        An all-default message is `{}`. Raises `UpstreamError` (502) for bytes that are no such
        message, and for a message that has no JSON form.
        """
        try:
            return self._render(wire)
        except (DecodeError, DecodeFailure) as error:
            message = f"the upstream's answer is not a valid {self.binding.method.output_type.name}"
            status = Status(Code.INTERNAL, f"{message}: {error}")
            raise UpstreamError(status, http_status=502) from error


def _indented(content: Content) -> Content:
    if content.content_type != JSON_CONTENT:
        return content
    body = orjson.dumps(orjson.loads(content.body), option=orjson.OPT_INDENT_2)
    return content._replace(body=body)


def _renderer(binding: Binding, codecs: Codecs) -> tuple[Callable[[bytes], Content], bool]:
    """What renders a binding's answers, and whether they are raw."""
    field, message = binding.response_body, binding.method.output_type
    parse: Callable[[bytes], Any] = message_class(message).FromString
    raw = not codecs.options.http_bodies
    if raw and field is None and is_http_body(message):
        return lambda wire: read_http_body(parse(wire)), True
    if field is None:
        to_json = codecs.message(message).wire_to_json
        return lambda wire: Content(JSON_CONTENT, to_json(wire)), False
    if raw and is_http_body(field.message_type) and not field.is_repeated:
        name = field.name
        return lambda wire: read_http_body(getattr(parse(wire), name)), True
    return _field_renderer(field, parse, codecs), False


def _field_renderer(
    field: FieldDescriptor, parse: Callable[[bytes], Any], codecs: Codecs
) -> Callable[[bytes], Content]:
    """A field that is not set is printed as the codec does; an optional scalar is `null`.

    So a client that expects an object, a list or a number finds one even when all of it is
    default. `null` is how ProtoJSON spells an absent value, and the only honest default of a
    scalar with presence.
    """
    print_field, name = codecs.field(field).print, field.name
    optional_scalar = field.has_presence and field.message_type is None

    def render(wire: bytes) -> Content:
        message = parse(wire)
        if optional_scalar and not message.HasField(name):
            return Content(JSON_CONTENT, b"null")
        return Content(JSON_CONTENT, print_field(message))

    return render
