"""The connections of a process: who is let in, and what they share.

Belongs here: making a connection, turning one away, and the refusals that are told together. Does
not: what happens on a connection (`protocol`).
"""

import asyncio
import select
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from aiohttp import web, web_protocol

from proxy.server.admission import Admission
from proxy.server.heads import HeadWatch
from proxy.server.protocol import Connection, ConnectionLimits, HeaderLimits, Refuse
from proxy.server.shedding import CONNECTIONS, Tally
from proxy.server.writing import CLOSES, STAYS

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
#: Makes the whole answer to one request too many, with a header line about the connection.
Overload = Callable[[str], bytes]

#: Connections that may wait to be told that there are too many. Each takes a descriptor and no
#: more; beyond them, and they are many only under attack, a connection is cut without a word.
MAX_TURNED_AWAY: Final = 256


class HttpServer(web.Server):
    """aiohttp's low-level server over our connections."""

    def __init__(
        self,
        handler: Handler,
        refuse: Refuse,
        overload: Overload,
        tell: Callable[[str, int], None],
        headers: HeaderLimits,
        limits: ConnectionLimits,
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.admission = Admission(limits.max_inflight, time.process_time)
        self.heads = HeadWatch(self._loop)
        self.tally = Tally(self._loop, tell)
        self.clock = time.monotonic
        self.turned_away: set[TurnedAway] = set()
        self._refuse = refuse
        self._overload = overload
        self._is_closing = False
        self._gone = asyncio.Event()
        self.limit(headers, limits)

    def limit(self, headers: HeaderLimits, limits: ConnectionLimits) -> None:
        """Set the limits: those of one connection for connections that are made from now on."""
        # The URL and field limits must differ, or a LineTooLong would not say which it was.
        field_bytes = headers.field_bytes + (headers.field_bytes == headers.url_bytes)
        self.admission.allow(limits.max_inflight)
        self.heads.timeout_s = limits.header_timeout_s
        self._max_connections = limits.max_connections
        self._overload_answer: bytes | None = None
        self._limits = headers
        self._options: dict[str, Any] = {
            "keepalive_timeout": limits.keepalive_timeout_s,
            "max_line_size": headers.url_bytes,
            "max_field_size": field_bytes,
            "max_headers": headers.fields,
            "access_log": None,
            "auto_decompress": False,
        }

    def overload_answer(self) -> bytes | None:
        """The whole answer to one request too many; None once connections are to be closed."""
        if self._is_closing:
            return None
        if self._overload_answer is None:
            self._overload_answer = self._overload(STAYS)
        return self._overload_answer

    def last_answer(self) -> bytes:
        """The whole answer to a connection too many."""
        return self._overload(CLOSES)

    def __call__(self) -> asyncio.BaseProtocol:  # type: ignore[override]
        """What handles a new connection.

        One too many is accepted all the same, and told so: not to accept it would leave it in the
        kernel's queue, where its client waits for its own timeout, and so do health checks.
        """
        if len(self._connections) >= self._max_connections:
            return TurnedAway(self)
        return Connection(self, self, self._limits, self._refuse, loop=self._loop, **self._options)

    def discourage(self) -> None:
        """Have each connection closed with its next answer."""
        self._is_closing = True

    def close_idle(self) -> None:
        """Close the connections on which nothing is under way, in either direction."""
        idle = {
            connection.descriptor: connection
            for connection in self._connections
            if isinstance(connection, Connection)
            and connection.transport is not None
            and connection.is_idle()
        }
        for connection in _without_unread(idle):
            connection.force_close()
        for turned_away in tuple(self.turned_away):
            turned_away.cut()

    async def emptied(self) -> None:
        """Wait until there is no connection left; no more must be made meanwhile."""
        while self._connections:
            self._gone.clear()
            await self._gone.wait()

    def finish(self) -> None:
        """Tell what is left to be told."""
        self.heads.stop()
        self.tally.flush()

    def connection_lost(
        self, handler: web_protocol.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Forget a connection, when its last request has ended."""
        super().connection_lost(handler, exc)
        if handler in self._connections and handler._task_handler is not None:
            handler._task_handler.add_done_callback(lambda _: self._gone.set())
        else:
            self._gone.set()


def _without_unread(connections: Mapping[int, Connection]) -> Iterator[Connection]:
    """Those of *connections*, by descriptor, whose clients have sent nothing that is not read yet.

    A request that waits in the kernel's buffer would be lost with its connection.
    """
    poll = select.poll()
    for descriptor in connections:
        poll.register(descriptor, select.POLLIN)
    unread = {descriptor for descriptor, _ in poll.poll(0)}
    return (each for descriptor, each in connections.items() if descriptor not in unread)


class TurnedAway(asyncio.Protocol):
    """A connection too many: its first bytes are answered with 503, then it is closed.

    To answer before they have come could lose the answer: a connection that is closed with bytes
    unread is reset.
    """

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None

    def __repr__(self) -> str:
        return f"<TurnedAway {self._transport!r}>"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first bytes, if there is room to wait in."""
        self._transport = transport
        if len(self._server.turned_away) >= MAX_TURNED_AWAY:
            transport.abort()
            return
        self._server.turned_away.add(self)
        self._server.heads.begin(self)

    def data_received(self, _: bytes) -> None:
        """Answer, and close."""
        if self._transport is None or self._transport.is_closing():
            return
        self._server.tally.add(CONNECTIONS)
        self._transport.write(self._server.last_answer())
        self._transport.close()

    def connection_lost(self, _: BaseException | None) -> None:
        """Make room."""
        self._transport = None
        self._server.turned_away.discard(self)
        self._server.heads.end(self)

    def head_overdue(self) -> None:
        """Cut who sends nothing."""
        self.cut()

    def cut(self) -> None:
        """Close the connection without an answer."""
        if self._transport is not None:
            self._transport.abort()
