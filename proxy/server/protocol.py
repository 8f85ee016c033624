"""aiohttp's HTTP/1.1 protocol, with our answers to what it cannot parse.

Belongs here: the subclass of aiohttp's connection handler, and which status a parse error gets.
aiohttp documents neither `RequestHandler` nor its errors' arguments as API: the version is
pinned by the lock file, and `tests/server/test_hostile_input.py` is the contract test.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import http_exceptions, http_parser, web, web_protocol
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD

from proxy.server.writing import WRITTEN_AND_CLOSE, write_refusal

_log: Final = structlog.get_logger("proxy.server")

_MALFORMED: Final = "the request is not well-formed HTTP/1.1"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
#: Answers what could not be parsed, and tells of it: with an HTTP status and a text for clients.
Refuse = Callable[[web.BaseRequest, int, str], None]

_HEAD_END: Final = b"\r\n\r\n"


def require_c_parser() -> None:
    """Raise `RuntimeError` when aiohttp would parse HTTP in Python.

    Many request smuggling bugs lived in that parser alone, and it is several times slower.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise RuntimeError(
            "aiohttp's C parser is missing: install a wheel of aiohttp that has it, and unset "
            "AIOHTTP_NO_EXTENSIONS"
        )


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """What the parser takes, in bytes per line and in lines."""

    url_bytes: int
    field_bytes: int
    fields: int


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may do, and how many there may be.

    A connection without a request is closed after *keepalive_timeout_s*.
    """

    keepalive_timeout_s: float = 75.0


def refusal_of(error: BaseException | None, limits: HeaderLimits) -> tuple[int, str]:
    """The HTTP status and the text for a request that aiohttp could not parse."""
    if isinstance(error, http_exceptions.LineTooLong):
        # The parser has one class for both; only the limit tells which line it was.
        if error.args[1] == limits.url_bytes:
            return 414, f"the request target is longer than {limits.url_bytes} bytes"
        return 431, f"a header field is longer than {limits.field_bytes} bytes"
    if isinstance(error, http_exceptions.BadHttpMessage) and "Too many headers" in error.message:
        return 431, f"the request has more than {limits.fields} header fields"
    return 400, _MALFORMED


class Connection(web_protocol.RequestHandler):
    """One client connection. Answers parse errors with JSON, without an echo or a traceback."""

    __slots__ = ("_limits", "_refuse")

    def __init__(
        self, manager: "HttpServer", limits: HeaderLimits, refuse: Refuse, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._limits = limits
        self._refuse = refuse

    @property
    def is_closing(self) -> bool:
        """Whether the connection ends with the answer that is being made."""
        return self._close

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see to two things that aiohttp leaves as they are."""
        super().data_received(data)
        if self._messages:
            message, body = self._messages[-1]
            if isinstance(message, RawRequestMessage):
                if message.upgrade and not self._upgraded:
                    self._end_behind_upgrade(data, has_body=body is not EMPTY_PAYLOAD)
            else:
                self._fail_unfinished_body()

    def _end_behind_upgrade(self, data: bytes, *, has_body: bool) -> None:
        """Close after a request whose successor the parser may have thrown away.

        It stops behind a request that asks for another protocol, and for all but WebSocket drops
        what else came with it: requests that were sent ahead would go without an answer, or be
        answered from their middle on.
        """
        if has_body or data.find(_HEAD_END) != len(data) - len(_HEAD_END):
            self.close()

    def _fail_unfinished_body(self) -> None:
        """Tell the reader of a body that the rest of it is malformed: it would wait for it.

        The body is that of the request before the error, which may have its handler already.
        """
        if len(self._messages) > 1:
            body = self._messages[-2][1]
        elif self._current_request is not None:
            body = self._current_request.content
        else:
            return
        if not body.is_eof():
            body.set_exception(web_protocol.RequestPayloadError(_MALFORMED))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's, which quotes the input
    ) -> web.StreamResponse:
        """Answer what never became a request; a bug of ours gets 500 and a line in the log."""
        if status == 400:
            self._refuse(request, *refusal_of(exc, self._limits))
        else:
            _log.error("request handler failed", exc_info=exc)
            write_refusal(request, status, "internal error")
        return WRITTEN_AND_CLOSE


class HttpServer(web.Server):
    """aiohttp's low-level server over our connections."""

    def __init__(
        self, handler: Handler, refuse: Refuse, headers: HeaderLimits, limits: ConnectionLimits
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._refuse = refuse
        self.limit(headers, limits)

    def limit(self, headers: HeaderLimits, limits: ConnectionLimits) -> None:
        """Set the limits of connections that are made from now on."""
        # The URL and field limits must differ, or a LineTooLong would not say which it was.
        field_bytes = headers.field_bytes + (headers.field_bytes == headers.url_bytes)
        self._limits = headers
        self._options = {
            "keepalive_timeout": limits.keepalive_timeout_s,
            "max_line_size": headers.url_bytes,
            "max_field_size": field_bytes,
            "max_headers": headers.fields,
            "access_log": None,
            "auto_decompress": False,
        }

    def __call__(self) -> web_protocol.RequestHandler:
        """A handler for a new connection."""
        return Connection(self, self._limits, self._refuse, loop=self._loop, **self._options)
