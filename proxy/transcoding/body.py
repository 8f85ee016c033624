"""A request body into the message: by the rule's `body`, as JSON or raw.

Belongs here: what a body must be for a binding, its content type, which codec reads it. Does not:
path and query (`transcoding.request`).
"""

import re
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.httpbody import fill_http_body, is_http_body
from proxy.transcoding.protojson import Codecs
from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.request_options import RequestOptions, UnexpectedBody

#: Makes the request message of a body and its content type; with the names of unknown JSON keys.
#: Raises `RequestError`: 415 for a content type that is not JSON, else 400.
BodyReader = Callable[[bytes, str | None], tuple[Message, tuple[str, ...]]]

#: What most clients send, so that nothing needs to be parsed.
_USUAL_JSON: Final = frozenset({None, "", "application/json", "application/json; charset=utf-8"})

_JSON_TYPE: Final = re.compile(r"application/json|[^/\s]+/[^/\s]+\+json").fullmatch

#: JSON that says nothing: an object without members.
_EMPTY: Final = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*\}[ \t\r\n]*").fullmatch

_SPEC: Final = RequestOptions()
_FORM: Final = "application/x-www-form-urlencoded"

#: UTF-8 (RFC 8259 section 8.1) and the part of it that is ASCII. A body that claims another
#: charset is refused and not read by guesswork.
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def is_form(content_type: str | None) -> bool:
    """Whether a content type is that of a form in a URL's writing (HTML, form submission)."""
    return (content_type or "").partition(";")[0].strip().lower() == _FORM


def is_raw(binding: Binding) -> bool:
    """Whether a binding's bodies are uploads of any content type and not JSON."""
    if isinstance(binding.body, FieldDescriptor):
        return is_http_body(binding.body.message_type) and not binding.body.is_repeated
    return binding.body is Body.WHOLE and is_http_body(binding.method.input_type)


def takes_json(binding: Binding) -> bool:
    """Whether a binding's requests have bodies, and these are JSON."""
    return binding.body is not Body.NONE and not is_raw(binding)


def body_reader(binding: Binding, codecs: Codecs, options: RequestOptions = _SPEC) -> BodyReader:
    """The reader of a binding's bodies. An empty body makes the message with nothing set."""
    message = binding.method.input_type
    make: Callable[[], Any] = message_class(message)
    if binding.body is Body.NONE:
        return _no_body(make, binding.http_method, options.unexpected_body)
    field = binding.body if isinstance(binding.body, FieldDescriptor) else None
    if is_raw(binding) and not codecs.options.http_bodies:
        return _raw_body(make, field.name if field else None)
    require = _nothing if options.any_content_type else require_json
    if field is not None:
        absent = make
        if options.makes_absent_body and field.message_type and not field.is_repeated:
            absent = _with_empty(make, field.name)
        return _field_body(make, absent, codecs.field(field).parse_into, require)
    return _whole_body(make, codecs.message(message).parse, require)


def json_body(
    binding: Binding,
    parse: Callable[[bytes], tuple[Message, tuple[str, ...]]],
    options: RequestOptions = _SPEC,
) -> BodyReader:
    """The reader of bodies of which *parse* makes the request message, whatever the rule's body."""
    make: Callable[[], Any] = message_class(binding.method.input_type)
    if binding.body is Body.NONE:
        return _no_body(make, binding.http_method, options.unexpected_body)
    return _whole_body(make, parse, _nothing if options.any_content_type else require_json)


def _nothing(_: str | None) -> None:
    """Require nothing of a content type."""


def _with_empty(make: Callable[[], Any], field: str) -> Callable[[], Any]:
    def made() -> Any:
        message = make()
        getattr(message, field).SetInParent()
        return message

    return made


def _no_body(make: Callable[[], Any], http_method: str, unexpected: UnexpectedBody) -> BodyReader:
    kind = "request" if http_method == "*" else f"{http_method} request"

    def read(body: bytes, _: str | None) -> tuple[Message, tuple[str, ...]]:
        if body and unexpected != "ignore" and not (unexpected == "empty" and _EMPTY(body)):
            raise RequestError(f"this {kind} takes no body")
        return make(), ()

    return read


def _whole_body(
    make: Callable[[], Any],
    parse: Callable[[bytes], tuple[Message, tuple[str, ...]]],
    require: Callable[[str | None], None],
) -> BodyReader:
    def read(body: bytes, content_type: str | None) -> tuple[Message, tuple[str, ...]]:
        if not body:
            return make(), ()
        require(content_type)
        return parse(body)

    return read


def _field_body(
    make: Callable[[], Any],
    make_absent: Callable[[], Any],
    parse_into: Callable[[Message, bytes], tuple[str, ...]],
    require: Callable[[str | None], None],
) -> BodyReader:
    def read(body: bytes, content_type: str | None) -> tuple[Message, tuple[str, ...]]:
        if not body:
            return make_absent(), ()
        message = make()
        require(content_type)
        return message, parse_into(message, body)

    return read


def _raw_body(make: Callable[[], Any], field: str | None) -> BodyReader:
    def read(body: bytes, content_type: str | None) -> tuple[Message, tuple[str, ...]]:
        message = make()
        upload = message if field is None else getattr(message, field)
        fill_http_body(upload, body, content_type)
        return message, ()

    return read


def require_json(content_type: str | None) -> None:
    """Refuse a content type that is not JSON in UTF-8 with 415. A missing one is taken for JSON.

    `application/json` and every type with the suffix `+json` (RFC 6839 section 3.1) in any case,
    with any parameters.
    """
    if content_type in _USUAL_JSON:
        return
    given = content_type or ""
    media_type, *parameters = (part.strip().lower() for part in given.split(";"))
    if not _JSON_TYPE(media_type):
        raise _unsupported(f"the content type {excerpt(given)} is not JSON")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in _CHARSETS:
            raise _unsupported(f"the charset {excerpt(value)} is not UTF-8")


def _unsupported(message: str) -> RequestError:
    return RequestError(message, http_status=415)
