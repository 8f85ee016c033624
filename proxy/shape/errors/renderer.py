"""One renderer for all errors of a route: those of the proxy, and those of its upstreams.

Belongs here: the order of the steps, and the tables. Does not: the forms (`forms`, `template`).

An error has one representation, whatever `Accept` says: to refuse it with 406 would hide what it
tells, and RFC 9110 §12.4.1 lets a server send what it has. So no answer varies by `Accept`.
"""

from dataclasses import replace
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import orjson
from google.protobuf.descriptor_pool import DescriptorPool

from proxy.errors import StatusError
from proxy.shape.errors.forms import (
    FORMS,
    JSON_CONTENT,
    LATE_FORMS,
    Entity,
)
from proxy.shape.errors.options import ErrorOptions, Table
from proxy.shape.errors.readable import NOWHERE, ErrorContext, LegacyPath, ReadableError
from proxy.shape.errors.template import Filling, TemplateForm
from proxy.status import Code
from proxy.transcoding.errorbody import error_json

V = TypeVar("V")

_JSON: Final = ("content-type", JSON_CONTENT)
#: Bytes of `grpc-message` in a header: what one reads in a log. Clients have the body as well.
MAX_MESSAGE_BYTES: Final = 1024
#: What may stand in `grpc-message` as it is (gRPC over HTTP/2, "Status-Message").
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


class RenderedError(NamedTuple):
    """An error as an answer; its content type is the first of its *headers*."""

    http_status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type of the body, with its parameters."""
        return self.headers[0][1]


class _Lookup(Generic[V]):
    """A table that was made for looking up."""

    __slots__ = ("_default", "_http", "_names", "_reasons", "is_empty")

    def __init__(self, table: Table[V]) -> None:
        self._reasons, self._http = dict(table.reasons), dict(table.http)
        self._names, self._default = dict(table.names), table.default
        self.is_empty = table == Table()

    def of(self, error: ReadableError) -> V | None:
        """The value for an error, None when there is none."""
        if self._reasons:
            found = self._reasons.get(error.info.reason)
            if found is not None:
                return found
        found = self._http.get(error.http_status)
        if found is None and error.has_own_status:
            found = self._names.get(error.code.name)
        return self._default if found is None else found


class ErrorRenderer:
    """Writes the errors of one route, or of what no route maps. Immutable, and never raises.

    *legacy_path* gives the paths of fields as clients know them, where they have other ones than
    the proto. *enveloped* says that the route's answers are streams whose messages stand in an
    envelope: so does the error of a call that fails before the first of them.
    """

    __slots__ = (
        *("_codes", "_enveloped", "_is_plain", "_late", "_legacy_path", "_messages", "_options"),
        *("_pool", "_reveal", "_statuses", "_template", "wants_context"),
    )

    def __init__(
        self,
        options: ErrorOptions,
        pool: DescriptorPool,
        legacy_path: LegacyPath | None = None,
        *,
        enveloped: bool = False,
    ) -> None:
        self._options = options
        self._pool = pool
        self._reveal = options.reveal_upstream
        self._legacy_path = legacy_path
        self._enveloped = enveloped
        self._statuses = _Lookup(_with_codes(options))
        self._codes, self._messages = _Lookup(options.codes), _Lookup(options.messages)
        self._template = None if options.template is None else TemplateForm(options.template)
        self._late = LATE_FORMS[options.format]
        #: Whether the context of an error is looked at.
        self.wants_context = (
            options.template is not None
            or options.format == "rfc9457"
            or not self._messages.is_empty
        )
        # What nearly all routes have is written without the parts that it does not need.
        self._is_plain = (
            legacy_path is None
            and not enveloped
            and options == ErrorOptions(reveal_upstream=options.reveal_upstream)
        )

    def __repr__(self) -> str:
        form = "template" if self._template is not None else self._options.format
        return f"<ErrorRenderer {form}>"

    def render(self, error: StatusError, context: ErrorContext = NOWHERE) -> RenderedError:
        """The answer for *error*."""
        if self._is_plain:
            body = error_json(error, self._pool, reveal_upstream=self._reveal)
            return RenderedError(error.http_status, (_JSON, *error.headers), body)
        filling = self._filling(error, context)
        entity, headers = self._entity(filling), error.headers
        if self._options.headers:
            headers += _grpc_headers(filling.error)
        content_type = ("content-type", entity.content_type)
        headers = (content_type, *headers, *entity.headers)
        return RenderedError(filling.http_status, headers, entity.body)

    def late(self, error: StatusError, context: ErrorContext = NOWHERE) -> bytes:
        """The JSON of *error* in the last frame of a stream, whose HTTP status has been sent."""
        if self._is_plain:
            return error_json(error, self._pool, reveal_upstream=self._reveal)
        filling = self._filling(error, context)
        if self._template is not None:
            return orjson.dumps(self._template.document(filling))
        return orjson.dumps(self._late(filling.error, filling.http_status))

    def _filling(self, error: StatusError, context: ErrorContext) -> Filling:
        """The error with what the tables have for it."""
        readable = ReadableError.of(
            error, context, self._pool, self._legacy_path, reveal_upstream=self._reveal
        )
        http_status = self._statuses.of(readable) or readable.http_status
        code = None if self._codes.is_empty else self._codes.of(readable)
        filling = Filling(readable, http_status, code)
        message = None if self._messages.is_empty else self._messages.of(readable)
        if message is None:
            return filling
        said = replace(readable, message=message.fill_text(filling.value))
        return Filling(said, http_status, code)

    def _entity(self, filling: Filling) -> Entity:
        if self._template is not None:
            return self._template.entity(filling)
        error, http_status = filling.error, filling.http_status
        if self._enveloped and error.is_call:
            document = {"error": self._late(error, http_status)}
            return Entity(JSON_CONTENT, orjson.dumps(document))
        return FORMS[self._options.format](error, http_status)


def _with_codes(options: ErrorOptions) -> Table[int]:
    """The table of HTTP statuses; what it says by name goes before what the dialect says."""
    table = options.statuses
    names = {**dict(options.by_code), **dict(table.names)}
    return Table(table.reasons, table.http, tuple(names.items()), table.default)


def _grpc_headers(error: ReadableError) -> tuple[tuple[str, str], ...]:
    """The status as gRPC has it; a message is cut between two of its characters."""
    message = ""
    for character in error.message[:MAX_MESSAGE_BYTES]:
        written = quote(character, safe=_PLAIN)
        if len(message) + len(written) > MAX_MESSAGE_BYTES:
            break
        message += written
    status = ("grpc-status", str(int(Code(error.code))))
    return (status, ("grpc-message", message)) if message else (status,)
