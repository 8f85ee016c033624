"""Requests off the wire: target, framing and body, checked before anything acts on them.

Belongs here: what makes an HTTP/1.1 request unacceptable for any route. What a single route
refuses is decided in `exchange`.
"""

import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, cast

from aiohttp import web, web_protocol
from multidict import CIMultiDictProxy

from proxy.errors import LimitExceeded, RequestError
from proxy.exchange.messages import Request, body_too_large
from proxy.server.pace import BodyDeadline, Pace, Patient
from proxy.server.writing import write_interim
from proxy.status import Code

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
#: zlib's window size code that takes both the gzip and the zlib format.
_ANY_FORMAT: Final = 47
#: Bytes of a body that are awaited before a connection is spent on it. Hardly anybody would send
#: so much to hold so little.
_AHEAD_BYTES: Final = 64 << 10
_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
#: What a host and a port may be made of (RFC 3986 §3.2.2): the legacy host gets it in several
#: headers, and must not read another one there.
_HOST: Final = re.compile(r"[0-9A-Za-z._~!$&'()*+,;=%:\[\]-]*")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a request may hold beyond what the parser checks: bytes of all its header fields.

    *pace* is how slowly it may come.
    """

    header_bytes: int
    pace: Pace = field(default_factory=Pace)


class Body:
    """The body of one request (`exchange.messages.BodyReader` over aiohttp's payload).

    What `read` takes is kept as it came, for a side that is asked after the first one failed.
    """

    __slots__ = (
        *("_coding", "_expects", "_is_whole", "_kept", "_pace", "_request"),
        *("is_awaited", "length", "received"),
    )

    def __init__(
        self, request: web.BaseRequest, headers: CIMultiDictProxy[str], pace: Pace
    ) -> None:
        self._request = request
        self._pace = pace
        self.is_awaited = False
        self.length = _length(request, headers)
        self.received = 0
        self._kept: tuple[bytes, ...] = ()
        self._is_whole = False
        self._coding = headers.get("content-encoding", "").lower()
        self._expects = "expect" in headers and self.length != 0

    async def read(self, limit: int) -> bytes:
        """Read it whole, without its content coding.

        Raises `LimitExceeded` (413) past *limit* bytes, coded or not, and `RequestError`: 408 when
        it comes too slowly, 415 for a coding that is not known, 400 for a body that is malformed.
        """
        if self.length == 0:
            return b""
        if (self.length or self.received) > limit:
            raise body_too_large(limit)
        if not self._is_whole:
            await self._read_raw(limit)
        (raw,) = self._kept
        return raw if self._coding in ("", "identity") else _decoded(raw, self._coding, limit)

    async def _read_raw(self, limit: int) -> None:
        """Read what is left of it into one piece, which is kept; what came of it in any case."""
        self._send_continue()
        await self._read_up_to(limit + 1)
        if self.received > limit:
            raise body_too_large(limit)

    async def _read_up_to(self, size: int) -> None:
        """Read until *size* bytes have come, or its end; all are kept, the end as one piece."""
        content = self._request.content
        source = BodyDeadline(content, self._pace, cast(Patient, self._request.protocol))
        pieces = list(self._kept)
        try:
            while self.received < size:
                piece = await source.piece()
                if not piece:
                    break
                pieces.append(piece)
                self.received += len(piece)
            if self.received == self.length or content.at_eof():
                # The bytes themselves when they came in one piece: most do, and need no copy.
                pieces, self._is_whole = [b"".join(pieces)], True
        except web_protocol.RequestPayloadError as error:
            raise RequestError("the body is not well-formed HTTP/1.1") from error
        finally:
            self._kept = tuple(pieces)

    async def gather(self) -> None:
        """Wait until it is here, or 64 KiB of it. Raises `RequestError` (408) when it is too slow.

        Not waited for: what is to be asked for first, and chunks, behind which a client may wait
        for a part of the answer.
        """
        if self.length is None or self._expects or self.arrived() is not None:
            return
        await self._read_up_to(min(self.length, _AHEAD_BYTES))

    def arrived(self) -> bytes | None:
        """All of it, as it came, when it is here already; else None, and nothing is taken."""
        if self._is_whole:
            return self._kept[0]
        content = self._request.content
        if self.length is None or content.total_bytes != self.length:
            return None
        if self._expects or self.received:
            return None
        whole = content.read_nowait()
        self._kept, self._is_whole = (whole,), True
        self.received = len(whole)
        return whole

    async def chunks(self) -> AsyncIterator[bytes]:
        """Read it piece by piece, coded as it came, as fast as the taker reads."""
        for piece in filter(None, self._kept):
            yield piece
        if self._is_whole:
            return
        self._send_continue()
        content = self._request.content
        try:
            self.is_awaited = True
            while piece := await content.readany():
                self.is_awaited = False
                self.received += len(piece)
                yield piece
                self.is_awaited = True
        except web_protocol.RequestPayloadError as error:
            raise RequestError("the body is not well-formed HTTP/1.1") from error
        self.is_awaited = False

    def _send_continue(self) -> None:
        """Tell a client that waits for it to send the body (RFC 9110 §10.1.1)."""
        transport = self._request.transport
        if self._expects and transport is not None:
            self._expects = False
            transport.write(_CONTINUE)


def _length(request: web.BaseRequest, headers: CIMultiDictProxy[str]) -> int | None:
    if not request.body_exists:
        return 0
    announced = headers.get("content-length")
    return None if announced is None else int(announced)


def _decoded(raw: bytes, coding: str, limit: int) -> bytes:
    if coding not in _CODINGS:
        raise RequestError(
            "the content coding is not one of gzip, deflate",
            http_status=415,
            headers=(("accept-encoding", "gzip, deflate"),),
        )
    inflater = zlib.decompressobj(_ANY_FORMAT)
    try:
        # One byte more than the limit tells a bomb from a body of just that size.
        body = inflater.decompress(raw, limit + 1)
    except zlib.error as error:
        raise RequestError(f"the body is not {coding}") from error
    if len(body) > limit:
        raise body_too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise RequestError(f"the body is not one whole {coding} stream")
    return body


def read_request(request: web.BaseRequest, limits: ReadLimits) -> Request:
    """Take a request over from aiohttp.

    Raises `RequestError` and `LimitExceeded` for what must not reach any upstream: framing that
    another server may read differently (RFC 9112 §6, §11), and headers that are too large.
    """
    headers = request.headers
    _check_framing(request, headers)
    _check_header_size(request, limits)
    if not _HOST.fullmatch(headers.get("host", "")):
        raise RequestError("the Host header is not a host and a port")
    if "expect" in headers and headers["expect"].lower() != "100-continue":
        raise RequestError("the expectation is not 100-continue", http_status=417)
    target = _origin_form(request, headers)
    path, _, query = target.partition("?")
    return Request(
        request.method,
        target,
        path,
        query,
        headers,
        Body(request, headers, limits.pace),
        request.remote or "",
        request.scheme,
        lambda status, reason, fields: write_interim(request, status, reason, fields),
    )


def _check_framing(request: web.BaseRequest, headers: CIMultiDictProxy[str]) -> None:
    if request.version not in ((1, 1), (1, 0)):
        raise RequestError("only HTTP/1.1 is spoken here", http_status=505)
    if "transfer-encoding" not in headers:
        return
    if request.version == (1, 0):
        raise RequestError("Transfer-Encoding in an HTTP/1.0 request")
    if [value.lower() for value in headers.getall("transfer-encoding")] != ["chunked"]:
        raise RequestError(
            "the only transfer coding is chunked", code=Code.UNIMPLEMENTED, http_status=501
        )


def _check_header_size(request: web.BaseRequest, limits: ReadLimits) -> None:
    size = 0
    for name, value in request.raw_headers:
        size += len(name) + len(value)
    if size > limits.header_bytes:
        raise LimitExceeded(
            f"the header fields hold more than {limits.header_bytes} bytes", http_status=431
        )


def _origin_form(request: web.BaseRequest, headers: CIMultiDictProxy[str]) -> str:
    """The target as path and query, whatever form it came in (RFC 9112 §3.2)."""
    target = request.raw_path
    if request.method == "CONNECT":
        # To pass it on would let the legacy host's 200 begin a tunnel (RFC 9110 §9.3.6).
        raise RequestError("no tunnels here", code=Code.UNIMPLEMENTED, http_status=501)
    if "#" in target:
        raise RequestError("the request target holds a fragment")
    if target.startswith("/") or (target == "*" and request.method == "OPTIONS"):
        return target
    scheme, found, rest = target.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        raise RequestError("the request target is neither a path nor an http URL")
    authority, slash, tail = rest.partition("/")
    if not slash:
        authority, mark, tail = rest.partition("?")
        tail = mark + tail
    if authority.lower() != headers.get("host", "").lower():
        raise RequestError("the request target and the Host header name different hosts")
    return f"/{tail}"
