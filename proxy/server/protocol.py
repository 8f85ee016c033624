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

from proxy.server.writing import WRITTEN_AND_CLOSE, write_refusal

_log: Final = structlog.get_logger("proxy.server")

_MALFORMED: Final = "the request is not well-formed HTTP/1.1"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


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


class _Connection(web_protocol.RequestHandler):
    """One client connection. Answers parse errors with JSON, without an echo or a traceback."""

    __slots__ = ("_limits",)

    def __init__(self, manager: "HttpServer", limits: HeaderLimits, **options: Any) -> None:
        super().__init__(manager, **options)
        self._limits = limits

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request; a bug of ours gets 500 and a line in the log."""
        if status == 400:
            status, message = refusal_of(exc, self._limits)
            _log.debug("request refused", status=status, peer=request.remote)
        else:
            message = "internal error"
            _log.error("request handler failed", exc_info=exc)
        write_refusal(request, status, message)
        return WRITTEN_AND_CLOSE


class HttpServer(web.Server):
    """aiohttp's low-level server over our connections."""

    def __init__(self, handler: Handler, limits: HeaderLimits, *, keepalive_timeout_s: float):
        # The URL and field limits must differ, or a LineTooLong would not say which it was.
        field_bytes = limits.field_bytes + (limits.field_bytes == limits.url_bytes)
        super().__init__(handler, handler_cancellation=True)
        self._limits = limits
        self._options = {
            "keepalive_timeout": keepalive_timeout_s,
            "max_line_size": limits.url_bytes,
            "max_field_size": field_bytes,
            "max_headers": limits.fields,
            "access_log": None,
            "auto_decompress": False,
        }

    def __call__(self) -> web_protocol.RequestHandler:
        """A handler for a new connection."""
        return _Connection(self, self._limits, loop=self._loop, **self._options)
