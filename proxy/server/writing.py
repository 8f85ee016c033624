"""Answers onto the wire: status line, header block, framing.

aiohttp's own response classes are not used: they add a Server header, guess content types, and
cost a third of the front end's time. Framing (Content-Length, chunked) is decided here, alone.
"""

import asyncio
from contextlib import suppress
from email.utils import formatdate
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from proxy.exchange.messages import Answer, Headers, StreamAnswer
from proxy.server.pace import Pace, drained

_REASON_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {
    499: "Client Closed Request"
}
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {phrase}\r\n" for status, phrase in _REASON_PHRASES.items()
}
#: Answers that never carry a body, whatever their headers say (RFC 9110 §6.4.1).
BODILESS: Final = frozenset({204, 304})

#: The header line that says whether the connection takes another request. HTTP/1.1 means so
#: without a word, and HTTP/1.0 clients that asked for it want to be told.
STAYS: Final = ""
STAYS_FOR_HTTP_1_0: Final = "connection: keep-alive\r\n"
CLOSES: Final = "connection: close\r\n"


class _Written(web.StreamResponse):
    """Tells aiohttp that the answer is on the wire already. Holds nothing: two serve for all."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._stays = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the connection takes another request."""
        return self._stays

    async def prepare(self, _request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Do nothing; the header is written."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing; the body is written."""


WRITTEN: Final = _Written(keep_alive=True)
WRITTEN_AND_CLOSE: Final = _Written(keep_alive=False)


class HttpDate:
    """The Date header's line, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def at(self, now_s: float) -> str:
        """The line with the IMF-fixdate (RFC 9110 §5.6.7) of *now_s*, seconds since the epoch."""
        if int(now_s) != self._second:
            self._second = int(now_s)
            self._text = f"date: {formatdate(self._second, usegmt=True)}\r\n"
        return self._text


def write_answer(request: web.BaseRequest, answer: Answer, date: str, connection: str) -> int:
    """Write a whole answer in one piece. Returns the bytes of body sent.

    *date* and *connection* are header lines. Raises `ConnectionResetError` when the client is gone.
    """
    transport = _open(request.transport)
    head = _whole_head(answer, date, connection)
    body = b"" if request.method == "HEAD" else answer.body
    transport.write(head + body)
    return len(body)


def answer_bytes(answer: Answer, connection: str) -> bytes:
    """A whole answer as it goes on the wire, without a date: to be made once and sent often."""
    return _whole_head(answer, "", connection) + answer.body


def _whole_head(answer: Answer, date: str, connection: str) -> bytes:
    framing = ""
    if not answer.as_is and answer.http_status not in BODILESS:
        framing = f"content-length: {len(answer.body)}\r\n"
    ours = f"{framing}{date}{connection}"
    return _head(answer.http_status, answer.reason_phrase, answer.headers, ours)


def _open(transport: asyncio.Transport | None) -> asyncio.Transport:
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has closed the connection")
    return transport


def _head(http_status: int, phrase: str | None, headers: Headers, ours: str) -> bytes:
    """The status line and the header block, with the empty line that ends it.

    *ours* are whole lines that the front end adds. A name or value that would end a line early must
    never get here; one that does raises `ValueError` rather than split the response.
    """
    if phrase is None:
        lines = [_STATUS_LINES.get(http_status) or f"HTTP/1.1 {http_status} \r\n"]
    else:
        lines = [f"HTTP/1.1 {http_status} {phrase}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    text = "".join(lines)
    if text.count("\r") != len(lines) or text.count("\n") != len(lines) or "\0" in text:
        raise ValueError("a response header holds CR, LF or NUL")
    # Bytes that are not UTF-8 came in as surrogates and go out as they came.
    return f"{text}{ours}\r\n".encode("utf-8", "surrogateescape")


async def write_stream(
    request: web.BaseRequest, answer: StreamAnswer, date: str, connection: str, pace: Pace
) -> bool:
    """Write a streamed answer as it comes, as fast as the client reads.

    Returns whether the connection can take another request; `answer.sent` counts the bytes of
    body. When the chunks fail or fall short of the announced length, the connection is aborted,
    so that the answer cannot look complete, and the failure is raised.
    """
    framing = _framing_of(request, answer)
    if framing is _Framing.UNTIL_CLOSE:
        connection = CLOSES
    transport = _open(request.transport)
    line = "transfer-encoding: chunked\r\n" if framing is _Framing.CHUNKED else ""
    ours = f"{line}{date}{connection}"
    transport.write(_head(answer.http_status, answer.reason_phrase, answer.headers, ours))
    if framing is not _Framing.NO_BODY:
        try:
            await _write_chunks(request, answer, pace, chunked=framing is _Framing.CHUNKED)
        except BaseException:
            transport.abort()
            raise
    return connection != CLOSES


class _Framing(Enum):
    """How the end of a streamed body is told."""

    NO_BODY = auto()
    BY_LENGTH = auto()
    UNTIL_CLOSE = auto()
    CHUNKED = auto()


def _framing_of(request: web.BaseRequest, answer: StreamAnswer) -> _Framing:
    if request.method == "HEAD" or answer.http_status in BODILESS:
        return _Framing.NO_BODY
    if answer.length is not None:
        return _Framing.BY_LENGTH
    # HTTP/1.0 knows no chunks: the end of the connection ends the body.
    return _Framing.CHUNKED if request.version >= (1, 1) else _Framing.UNTIL_CLOSE


async def _write_chunks(
    request: web.BaseRequest, answer: StreamAnswer, pace: Pace, *, chunked: bool
) -> None:
    async for chunk in answer.chunks:
        if not chunk:
            continue  # An empty chunk would end a chunked body.
        answer.sent += len(chunk)
        framed = b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk
        _open(request.transport).write(framed)
        await drained(request, pace)
    if answer.length is not None and answer.sent != answer.length:
        raise ConnectionAbortedError(f"{answer.sent} of {answer.length} bytes came")
    if chunked:
        _open(request.transport).write(b"0\r\n\r\n")


def write_interim(
    request: web.BaseRequest, http_status: int, phrase: str, headers: Headers
) -> None:
    """Write a 1xx answer. HTTP/1.0 clients do not know them and get none (RFC 9110 §15.2)."""
    if request.version >= (1, 1):
        _open(request.transport).write(_head(http_status, phrase, headers, ""))


def write_refusal(transport: asyncio.Transport | None, answer: Answer, date: str) -> int:
    """Write the *answer* to what is not even a request, and ask for the connection's end.

    Returns the bytes of body.
    """
    with suppress(ConnectionResetError):
        _open(transport).write(_whole_head(answer, date, CLOSES) + answer.body)
        return len(answer.body)
    return 0
