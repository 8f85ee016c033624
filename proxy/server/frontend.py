"""The listener: takes requests to the exchange, its answers back, and drains.

Belongs here: the life of the listening socket and of each request on it.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

from aiohttp import web

from proxy.errors import ProxyError, RequestError, StatusError
from proxy.exchange.messages import Answer, Outcome, Request, StreamAnswer
from proxy.server.http_server import HttpServer
from proxy.server.pace import Pace, drained
from proxy.server.protocol import Connection
from proxy.server.reading import read_request
from proxy.server.serving import Serving
from proxy.server.shedding import INFLIGHT, OVERLOADED
from proxy.server.writing import (
    CLOSES,
    STAYS,
    STAYS_FOR_HTTP_1_0,
    WRITTEN,
    WRITTEN_AND_CLOSE,
    HttpDate,
    answer_bytes,
    write_answer,
    write_refusal,
    write_stream,
)
from proxy.status import Code

#: Connections that the kernel holds for us while the loop is busy: as many as Linux allows.
_BACKLOG: Final = 4096
_TOO_SLOW: Final = 408
#: The codes of what the parser refuses; what is too large has the other one.
_CODES: Final = {
    400: Code.INVALID_ARGUMENT,
    408: Code.DEADLINE_EXCEEDED,
    500: Code.INTERNAL,
}
#: Seconds that a request may take to end once it is cut off.
_CUT_OFF_S: Final = 0.1


class Frontend:
    """Serves on one address, with one serving at a time."""

    def __init__(
        self, serving: Serving, *, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._serving = serving
        self._clock = clock
        self._wall_clock = wall_clock
        self._date = HttpDate()
        self._draining = False
        self._cutting_off = False
        self._listener: asyncio.Server | None = None
        self._server = HttpServer(
            self._handle,
            self._refuse,
            self._overload_answer,
            self._tell_shed,
            serving.header_limits,
            serving.connection_limits,
        )
        #: How many requests are in flight, and how many may be.
        self.admission = self._server.admission

    def __repr__(self) -> str:
        state = "draining" if self._draining else "serving" if self._listener else "idle"
        return f"<Frontend {state} connections={self.connections}>"

    @property
    def connections(self) -> int:
        """Connections that clients hold open."""
        return len(self._server.connections) + len(self._server.turned_away)

    @property
    def serving(self) -> Serving:
        """What requests that come now are served with."""
        return self._serving

    def serve(self, serving: Serving) -> None:
        """Serve requests that come from now on with *serving*, and retire the one before it.

        Requests in flight keep the one they began with. Connections that are made later get its
        limits.
        """
        replaced, self._serving = self._serving, serving
        self._server.limit(serving.header_limits, serving.connection_limits)
        if replaced is not serving:
            replaced.retire()

    async def start(self, listening: socket.socket) -> None:
        """Accept connections on a bound socket, which the front end closes in the end."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, sock=listening, backlog=_BACKLOG)

    def stop_accepting(self) -> None:
        """Close the listener; connections that were made go on. A second call does nothing."""
        if self._listener is not None:
            self._listener.close()

    def discourage(self) -> None:
        """Close connections after their next answer; new ones are still taken."""
        self._draining = True
        self._server.discourage()

    async def drain(self, timeout_s: float) -> None:
        """Stop accepting, end idle connections, finish what is in flight, then close.

        What a client has sent already is in flight. Requests still running after *timeout_s*
        seconds are cut off.
        """
        self.discourage()
        self.stop_accepting()
        self._server.close_idle()
        try:
            async with asyncio.timeout(timeout_s):
                await self._server.emptied()
        except TimeoutError:
            self._cutting_off = True
            await self._server.shutdown(_CUT_OFF_S)
        self._server.finish()

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        received_s = self._clock()
        protocol: Connection = http.protocol  # type: ignore[assignment]  # all are ours
        protocol.began(received_s)
        serving = self._serving
        serving.entered()
        outcome = serving.observer.started()
        request: Request | None = None
        stays = False
        try:
            try:
                request = read_request(http, serving.read_limits)
            except StatusError as error:
                # Where the request ends may be in doubt too: nothing behind it is read.
                answer: Answer | StreamAnswer = serving.exchange.refuse(error, outcome)
                connection = CLOSES
            else:
                if self.admission.is_over():
                    serving.observer.limited(INFLIGHT)
                    answer = serving.exchange.refuse(OVERLOADED, outcome)
                else:
                    answer = await serving.exchange.answer(request, outcome)
                connection = self._connection(http)
            stays = await self._send(http, answer, outcome, connection, serving.read_limits.pace)
            outcome.is_delivered = True
        except (ConnectionError, ProxyError) as error:
            # The client is gone, or was cut off from an answer that broke off.
            outcome.broke_off(error)
        except asyncio.CancelledError:
            self._note_end(outcome)
            raise
        finally:
            peer = protocol.peer if request is None else request.client
            serving.observer.ended(http.method, http.raw_path, peer, request, outcome, received_s)
            serving.left()
            protocol.ended(stays=stays)
        return WRITTEN if stays else WRITTEN_AND_CLOSE

    def _overload_answer(self, connection: str) -> bytes:
        """The whole answer to what there is no room for."""
        return answer_bytes(self._serving.exchange.refuse(OVERLOADED, Outcome()), connection)

    def _tell_shed(self, reason: str, count: int) -> None:
        """Log and count *count* requests that were answered so."""
        self._serving.observer.shed(reason, count, OVERLOADED)

    def _note_end(self, outcome: Outcome) -> None:
        """Note why a request was cancelled. One that we cut off has no status: none was sent."""
        if self._cutting_off:
            outcome.error = outcome.error or "cut off: the drain's time was over"
            return
        outcome.error = outcome.error or "the client went away"
        outcome.http_status = outcome.http_status or 499

    def _refuse(
        self, transport: asyncio.Transport | None, peer: str, http_status: int, message: str
    ) -> None:
        """Answer what never became a request; its method and target are not known."""
        received_s = self._clock()
        code = _CODES.get(http_status, Code.RESOURCE_EXHAUSTED)
        error = RequestError(message, code=code, http_status=http_status)
        answer = self._serving.exchange.unread(error)
        date = self._date.at(self._wall_clock())
        if code is Code.INTERNAL:
            # A request that its handler failed was counted by that.
            write_refusal(transport, answer, date)
            return
        observer = self._serving.observer
        outcome = observer.started()
        outcome.http_status, outcome.error = answer.http_status, message
        outcome.bytes_out = write_refusal(transport, answer, date)
        observer.ended("", "", peer, None, outcome, received_s)

    def _connection(self, http: web.BaseRequest) -> str:
        """The header line about what becomes of the connection.

        It ends, among others, behind a body that nobody read: that would be taken for the next
        request.
        """
        protocol = http.protocol
        closing = isinstance(protocol, Connection) and protocol.is_closing
        if closing or self._draining or not http.keep_alive or not http.content.is_eof():
            return CLOSES
        return STAYS if http.version >= (1, 1) else STAYS_FOR_HTTP_1_0

    async def _send(
        self,
        http: web.BaseRequest,
        answer: Answer | StreamAnswer,
        outcome: Outcome,
        connection: str,
        pace: Pace,
    ) -> bool:
        """Send *answer*. Returns whether the connection can take another request."""
        outcome.http_status = answer.http_status
        if answer.http_status == _TOO_SLOW:
            cast(Connection, http.protocol).give_up_rest()
        date = "" if answer.as_is else self._date.at(self._wall_clock())
        if isinstance(answer, Answer):
            outcome.bytes_out = write_answer(http, answer, date, connection)
            await drained(http, pace)
            return connection is not CLOSES
        outcome.streamed = True
        self.admission.streaming += 1
        try:
            stays = await write_stream(http, answer, date, connection, pace)
        finally:
            self.admission.streaming -= 1
            outcome.bytes_out = answer.sent
            await answer.close()
        # A drain may have begun meanwhile.
        return stays and not self._draining
