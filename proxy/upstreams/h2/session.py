"""A connection on a socket: `connection` run by the event loop.

Belongs here: reading, writing, keepalive, the end of the socket. Does not: making the socket
(`dialing`), and choosing a connection for a call (`channel`).
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams.failure import Unprocessed, answer_error
from proxy.upstreams.h2.calls import CallStream
from proxy.upstreams.h2.connection import Connection
from proxy.upstreams.h2.frames import LARGEST_STREAM, ConnectionFault, ErrorCode
from proxy.upstreams.h2.keepalive import Keepalive
from proxy.upstreams.h2.requests import RequestHeads
from proxy.upstreams.options import GrpcOptions

#: How long the last bytes may take when a connection is closed.
_CLOSE_S: Final = 1.0

_CLOSED: Final = "the server closed the connection"


class SessionOwner(Protocol):
    """Who has a connection."""

    def has_room(self) -> None:
        """A call may find room now that did not before."""
        ...

    def leaving(self, session: "Session", code: int, text: str) -> None:
        """The connection takes no more calls, and those it does not answer fail."""
        ...


class Session(asyncio.Protocol):
    """One connection. *ready* is done when the server has sent its settings, or when it cannot.

    *clock* is monotonic, in seconds.
    """

    def __init__(
        self,
        owner: SessionOwner,
        heads: RequestHeads,
        options: GrpcOptions,
        keepalive_time_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._heads = heads
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._is_waking = False
        self._is_paused = False
        self._is_over = False
        self._closing: asyncio.TimerHandle | None = None
        most_streams = options.max_streams or LARGEST_STREAM
        self._connection = Connection(self, options.max_metadata_bytes, clock, most_streams)
        self._keepalive = Keepalive(
            self._loop,
            clock,
            time_s=keepalive_time_s,
            timeout_s=options.keepalive_timeout_s,
            is_needed=lambda: bool(self._connection.open_streams),
            ping=self._connection.ping,
            dead=self._died,
        )
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.began_s = clock()

    def __repr__(self) -> str:
        return f"<Session {self._connection!r}{' paused' if self._is_paused else ''}>"

    # --- what the owner does

    @property
    def has_room(self) -> bool:
        """Whether a call can be made now."""
        return not self._is_paused and self._connection.has_room

    @property
    def is_at_ease(self) -> bool:
        """Whether a call can be made now without a thought of another connection."""
        connection = self._connection
        return not self._is_paused and connection.open_streams < connection.easy_streams

    @property
    def is_busy(self) -> bool:
        """Whether it has nearly as many calls as it may have; not if it may have none."""
        connection = self._connection
        return connection.open_streams >= max(1, connection.easy_streams)

    @property
    def open_calls(self) -> int:
        """How many calls are open."""
        return self._connection.open_streams

    @property
    def is_leaving(self) -> bool:
        """Whether no call can be made any more."""
        return self._connection.is_draining

    @property
    def was_useful(self) -> bool:
        """Whether the server has answered a call."""
        return self._connection.has_answered

    def open(self, call: CallStream) -> None:
        """Make a call; only while there `has_room`."""
        left_s = call.deadline_s - self._clock()
        if left_s <= 0:
            call.expire()  # it waited too long; the server must not see it
            return
        connection = self._connection
        limit = connection.max_header_bytes
        if limit is not None and call.head.size > limit:
            call.fail(_metadata_too_large(call.head.size, limit))
            return
        call.connection = connection
        connection.open(call, call.head.block + self._heads.timeout(left_s), call.body)
        self._keepalive.watch()

    def let_go(self) -> None:
        """Take no more calls, and close when the last one is answered."""
        self._connection.drain(ErrorCode.NO_ERROR, "")

    def retire(self) -> None:
        """Close when the last call is answered."""
        if not self._connection.open_streams:
            self._leave(ErrorCode.NO_ERROR, "")

    async def close(self) -> None:
        """Close now: what is to be said still goes out, if the peer reads it soon."""
        self._leave(ErrorCode.NO_ERROR, "")
        await self.lost

    def abort(self) -> None:
        """Close now, without a word."""
        if self._transport is not None and not self.lost.done():
            self._transport.abort()

    # --- what the socket does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface."""
        self._transport = cast("asyncio.Transport", transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a peer that breaks the protocol loses the connection."""
        if self._is_over:
            return
        self._keepalive.heard_s = self._clock()
        try:
            self._connection.receive(data)
        except ConnectionFault as fault:
            self._leave(fault.code, str(fault))
            self._end(ConnectionError(f"broken HTTP/2: {fault}"))
        if not self.ready.done() and self._connection.is_ready:
            self.ready.set_result(None)

    def pause_writing(self) -> None:
        """The peer reads too slowly: keep what there is, and take no more calls."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._is_paused = False
        self._flush()
        self._owner.has_room()

    def eof_received(self) -> None:
        """The peer says no more: what it has not answered, it never will."""
        self._end(ConnectionError(_CLOSED))
        self._leave(ErrorCode.NO_ERROR, "")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is open."""
        self.lost.set_result(None)
        if self._closing is not None:
            self._closing.cancel()
        self._end(exc or ConnectionError(_CLOSED))

    # --- what the connection says

    def wake(self) -> None:
        """Send once for all that happens in this turn of the loop."""
        if not self._is_waking:
            self._is_waking = True
            self._loop.call_soon(self._flush)

    def room_changed(self) -> None:
        """A call has ended, or more calls may be made."""
        if self._connection.is_draining:
            self.retire()
        else:
            self._owner.has_room()

    def suspected(self) -> None:
        """A call got no answer in time: find out whether anybody is there."""
        self._keepalive.suspect()

    def going_away(self, code: int, text: str) -> None:
        """The server, or the numbering of streams, wants another connection."""
        self._owner.leaving(self, code, text)
        self.retire()

    # --- the parts

    def _flush(self) -> None:
        self._is_waking = False
        transport = self._transport
        if transport is None or self._is_paused or transport.is_closing():
            return
        output = self._connection.take_output()
        if output:
            transport.write(output)

    def _leave(self, code: int, text: str) -> None:
        """Say goodbye and close; a peer that reads nothing is cut off."""
        if self._transport is not None and self._closing is None:
            self._connection.leave(code, text)
            self._flush()
            self._transport.close()
            self._closing = self._loop.call_later(_CLOSE_S, self.abort)

    def _died(self) -> None:
        self._end(ConnectionError("the server does not answer: keepalive timed out"))
        self.abort()

    def _end(self, reason: Exception) -> None:
        """Nothing will come any more: fail what waits for it. The first reason counts."""
        self._keepalive.stop()
        text = str(reason) or type(reason).__name__
        if not self._is_over:
            self._is_over = True
            for stream, was_sent in self._connection.abandon():
                cast("CallStream", stream).fail(
                    answer_error(Code.UNAVAILABLE, text) if was_sent else Unprocessed(text)
                )
            if not self.ready.done():
                self.ready.set_exception(reason)
                self.ready.exception()  # whoever connects may have gone; then nobody asks
        self._owner.leaving(self, ErrorCode.NO_ERROR, text)


def _metadata_too_large(size: int, limit: int) -> UpstreamError:
    text = f"the request's metadata have {size} bytes, more than the {limit} that the server takes"
    return UpstreamError(Status(Code.RESOURCE_EXHAUSTED, text), http_status=431, sent=False)
