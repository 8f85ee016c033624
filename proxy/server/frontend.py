"""The listener: takes requests to the exchange, its answers back, and drains.

Belongs here: the life of the listening socket and of each request on it.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import web

from proxy.errors import ProxyError, StatusError
from proxy.exchange.messages import Answer, Outcome, Request, StreamAnswer
from proxy.server.pace import Pace, drained
from proxy.server.protocol import Connection, HttpServer
from proxy.server.reading import read_request
from proxy.server.serving import Serving
from proxy.server.writing import (
    CLOSES,
    STAYS,
    STAYS_FOR_HTTP_1_0,
    WRITTEN,
    WRITTEN_AND_CLOSE,
    HttpDate,
    write_answer,
    write_refusal,
    write_stream,
)

#: Connections that the kernel holds for us while the loop is busy.
_BACKLOG: Final = 1024
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
            self._handle, self._refuse, serving.header_limits, serving.connection_limits
        )

    def __repr__(self) -> str:
        state = "draining" if self._draining else "serving" if self._listener else "idle"
        return f"<Frontend {state} connections={len(self._server.connections)}>"

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

    def discourage(self) -> None:
        """Close connections after their next answer; new ones are still taken."""
        self._draining = True

    def stop_accepting(self) -> None:
        """Take no new connections; what is connected goes on."""
        if self._listener is not None:
            self._listener.close()

    async def drain(self, timeout_s: float) -> None:
        """Stop accepting, end idle connections, finish what is in flight, then close.

        Requests still running after *timeout_s* seconds are cut off.
        """
        self.discourage()
        self.stop_accepting()
        self._server.pre_shutdown()
        try:
            async with asyncio.timeout(timeout_s):
                # It would wait as long again for what it has cut off.
                await self._server.shutdown(timeout_s)
        except TimeoutError:
            self._cutting_off = True
            await self._server.shutdown(_CUT_OFF_S)

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        received_s = self._clock()
        serving = self._serving
        serving.entered()
        outcome = serving.observer.started()
        request: Request | None = None
        connection = ""
        try:
            try:
                request = read_request(http, serving.read_limits)
            except StatusError as error:
                # Where the request ends may be in doubt too: nothing behind it is read.
                answer: Answer | StreamAnswer = serving.exchange.refuse(error, outcome)
                connection = CLOSES
            else:
                answer = await serving.exchange.answer(request, outcome)
            connection = connection or self._connection(http)
            return await self._send(http, answer, outcome, connection, serving.read_limits.pace)
        except (ConnectionError, ProxyError) as error:
            # The client is gone, or was cut off from an answer that broke off.
            outcome.broke_off(error)
            return WRITTEN_AND_CLOSE
        except asyncio.CancelledError:
            self._note_end(outcome)
            raise
        finally:
            peer = (http.remote or "") if request is None else request.client
            serving.observer.ended(http.method, http.raw_path, peer, request, outcome, received_s)
            serving.left()

    def _note_end(self, outcome: Outcome) -> None:
        """Note why a request was cancelled. One that we cut off has no status: none was sent."""
        if self._cutting_off:
            outcome.error = outcome.error or "cut off: the drain's time was over"
            return
        outcome.error = outcome.error or "the client went away"
        outcome.http_status = outcome.http_status or 499

    def _refuse(self, http: web.BaseRequest, http_status: int, message: str) -> None:
        """Answer what could not be parsed; its method and target are not known."""
        received_s = self._clock()
        observer = self._serving.observer
        outcome = observer.started()
        outcome.http_status, outcome.error = http_status, message
        date = self._date.at(self._wall_clock())
        outcome.bytes_out = write_refusal(http, http_status, message, date)
        observer.ended("", "", http.remote or "", None, outcome, received_s)

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
    ) -> web.StreamResponse:
        outcome.http_status = answer.http_status
        date = "" if answer.as_is else self._date.at(self._wall_clock())
        if isinstance(answer, Answer):
            outcome.bytes_out = write_answer(http, answer, date, connection)
            await drained(http, pace)
            return WRITTEN_AND_CLOSE if connection is CLOSES else WRITTEN
        outcome.streamed = True
        try:
            stays = await write_stream(http, answer, date, connection, pace)
        finally:
            outcome.bytes_out = answer.sent
            await answer.close()
        return WRITTEN if stays else WRITTEN_AND_CLOSE
