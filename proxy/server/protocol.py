"""aiohttp's HTTP/1.1 protocol, with our answers to what it cannot parse.

Belongs here: the subclass of aiohttp's connection handler, and which status a parse error gets.
aiohttp documents neither `RequestHandler` nor its errors' arguments as API: the version is
pinned by the lock file, and `tests/server/test_hostile_input.py` is the contract test.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from aiohttp import http_exceptions, http_parser, web, web_protocol
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.server.admission import Admission
from proxy.server.heads import HeadWatch
from proxy.server.shedding import INFLIGHT, Tally, is_one_request
from proxy.server.writing import WRITTEN_AND_CLOSE

_log: Final = structlog.get_logger("proxy.server")

_MALFORMED: Final = "the request is not well-formed HTTP/1.1"
_OVERDUE: Final = "the request's header came too slowly"
_BUG: Final = "internal error"

#: Answers what never became a request, and tells of it: on a transport, to an address, with an
#: HTTP status and a text for clients. With 500 only answers: the request was told of already.
Refuse = Callable[[asyncio.Transport | None, str, int, str], None]

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
    """What one connection may do, and how much there may be of all of them.

    A connection without a request is closed after *keepalive_timeout_s*. A request's head must be
    whole *header_timeout_s* after the connection was made, or after its own first byte. Beyond
    *max_connections*, and beyond *max_inflight* requests, clients get 503 at once.
    """

    keepalive_timeout_s: float = 75.0
    header_timeout_s: float = 10.0
    max_connections: int = 10_000
    max_inflight: int = 4096


class Lobby(Protocol):
    """What all connections of a process share."""

    admission: Admission
    heads: HeadWatch
    tally: Tally
    clock: Callable[[], float]

    def overload_answer(self) -> bytes | None:
        """The whole answer to one request too many, which leaves the connection open.

        None when each request must have an answer of its own, which closes it.
        """
        ...


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
    """One client connection.

    Answers parse errors with JSON, without an echo or a traceback; owes a whole head in time; and
    is refused what the process has no room for, if possible without the parser.
    """

    __slots__ = (
        *("_arrived_s", "_at_boundary", "_body", "_counted", "_ended", "_is_aside"),
        *("_is_handling", "_is_lost", "_limits", "_lobby", "_owed", "_refuse"),
    )

    def __init__(
        self,
        manager: web.Server,
        lobby: Lobby,
        limits: HeaderLimits,
        refuse: Refuse,
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._lobby = lobby
        self._limits = limits
        self._refuse = refuse
        #: When the request came that has not been begun; 0 when it waited for another one.
        self._arrived_s = 0.0
        #: Whether what comes next surely begins a request.
        self._at_boundary = True
        #: The body of the request that came last.
        self._body: StreamReader = EMPTY_PAYLOAD
        self._ended = 0
        #: Requests that came and have not been answered, and those that are counted as in flight.
        self._owed = self._counted = 0
        #: 1 while the request that is handled waits for its client.
        self._is_aside = 0
        self._is_handling = False
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over, and wait for its first head."""
        super().connection_made(transport)
        self._lobby.heads.begin(self)

    def connection_lost(self, error: BaseException | None) -> None:
        """Forget what came and was not begun; what has begun ends by itself."""
        super().connection_lost(error)
        self._is_lost = True
        self._recount()
        self._lobby.heads.end(self)

    @property
    def is_closing(self) -> bool:
        """Whether the connection ends with the answer that is being made."""
        return self._close

    def data_received(self, data: bytes) -> None:
        """Refuse or parse what came, and see to what aiohttp leaves as it is."""
        if self._lobby.admission.is_full() and self._shed(data):
            return
        is_between, before = self._body.is_eof(), self._request_count
        if not self._owed:
            self._arrived_s = self._lobby.clock()
        super().data_received(data)
        count = self._request_count - before
        if count:
            self._took(data, count)
        elif data:
            self._at_boundary = False
            if is_between and not (self._close or self._force_close or self._upgraded):
                self._lobby.heads.begin(self)

    def _shed(self, data: bytes) -> bool:
        """Refuse a request without a look at what it asks for. Whether that could be done.

        Only where the request's end is beyond doubt, and no other answer is under way.
        """
        if not self._at_boundary or self._owed or self._close or self._force_close:
            return False
        transport, answer = self.transport, self._lobby.overload_answer()
        if answer is None or transport is None or self._paused or not is_one_request(data):
            return False
        transport.write(answer)
        now_s = self._lobby.clock()
        self._lobby.admission.refused(now_s)
        self._lobby.tally.add(INFLIGHT)
        self._lobby.heads.end(self)
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        return True

    def _took(self, data: bytes, count: int) -> None:
        """Note that *data* completed the heads of *count* requests."""
        message, body = self._messages[-1]
        self._lobby.heads.end(self)
        self._recount()
        self._body = body
        if body is EMPTY_PAYLOAD:
            # Nothing but a head ends so, and with a head of its own the rest would be a request.
            self._at_boundary = data.endswith(_HEAD_END)
        else:
            self._at_boundary = self._at_boundary and count == 1 and is_one_request(data)
        if not isinstance(message, RawRequestMessage):
            self._fail_unfinished_body()
        elif message.upgrade and not self._upgraded:
            self._end_behind_upgrade(data, has_body=body is not EMPTY_PAYLOAD)

    def _recount(self) -> None:
        """Count the requests of this connection that are in flight: come, and not ended."""
        owed = self._request_count - self._ended
        if self._is_lost:
            owed = int(self._is_handling)
        counted = owed - self._is_aside
        self._lobby.admission.inflight += counted - self._counted
        self._owed, self._counted = owed, counted

    @contextmanager
    def set_aside(self, held_bytes: int) -> Iterator[None]:
        """Give the place of the request that is handled to others while its client is waited for.

        It holds *held_bytes* meanwhile; if that is too much, it keeps its place.
        """
        admission = self._lobby.admission
        if not admission.set_aside(held_bytes):
            yield
            return
        self._is_aside = 1
        self._recount()
        try:
            yield
        finally:
            admission.take_back(held_bytes)
            self._is_aside = 0
            self._recount()

    def began(self, now_s: float) -> None:
        """Note that a request is handled from now on."""
        self._is_handling = True
        if self._arrived_s:
            self._lobby.admission.began(now_s - self._arrived_s, now_s)
            self._arrived_s = 0.0

    def ended(self, *, stays: bool) -> None:
        """Note that the request has been handled, and whether the connection takes another."""
        self._is_handling = False
        self._at_boundary = self._at_boundary and stays
        self._ended += 1
        self._recount()

    def head_overdue(self) -> None:
        """Give the connection up: it has sent nothing, or a head that does not end.

        Behind requests that are still answered, their client can wait for them and send no more.
        """
        if self._owed:
            self._lobby.heads.begin(self)
            return
        if self._request_count or not self._at_boundary:
            self._refuse(self.transport, self.peer, 408, _OVERDUE)
        self.force_close()

    def give_up_rest(self) -> None:
        """Do not read on behind the answer: what is left of the body comes too slowly.

        aiohttp does else, for ten seconds, so that clients who are still sending get the answer.
        """
        self._lingering_time = 0.0

    def is_idle(self) -> bool:
        """Whether nothing is owed on either side: no answer, and no rest of a head."""
        return not self._owed and not (self in self._lobby.heads and not self._at_boundary)

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor, -1 when it is gone."""
        socket = None if self.transport is None else self.transport.get_extra_info("socket")
        return -1 if socket is None else int(socket.fileno())

    @property
    def peer(self) -> str:
        """The client's address, "" when it is not known."""
        name = self.peername
        return str(name[0]) if isinstance(name, tuple) else ""

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
            self.ended(stays=False)
            self._refuse(request.transport, self.peer, *refusal_of(exc, self._limits))
        else:
            _log.error("request handler failed", exc_info=exc)
            self._refuse(request.transport, self.peer, status, _BUG)
        return WRITTEN_AND_CLOSE
