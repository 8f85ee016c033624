"""Connections of our own HTTP/2 to one address, and attempts at calls on them.

Belongs here: what a call is turned into. Does not: the connections (`channel`), the calls
(`calls`), and making one again (`proxy.upstreams.attempts`).
"""

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from functools import partial

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams import Call, Reply
from proxy.upstreams.failure import request_too_large, timed_out
from proxy.upstreams.h2.calls import ServerStream, UnaryStream
from proxy.upstreams.h2.channel import Channel
from proxy.upstreams.h2.dialing import Dialer
from proxy.upstreams.h2.messages import prefixed
from proxy.upstreams.h2.requests import Refused, RequestHead, RequestHeads
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.target import Address


class H2Line:
    """Calls to one place; implements `proxy.upstreams.line.Line`.

    *place* is an address or the path of a Unix socket, *name* what a certificate is verified for.
    *changed* is called when the state has changed.
    """

    __slots__ = ("_channel", "_heads", "_loop", "_max_send_bytes", "_place")

    def __init__(
        self,
        place: Address | str,
        name: str,
        options: GrpcOptions,
        heads: RequestHeads,
        tls: ssl.SSLContext | None,
        changed: Callable[[], None] | None,
    ) -> None:
        self._place = place
        self._heads = heads
        self._max_send_bytes = options.max_send_bytes
        self._loop = asyncio.get_running_loop()
        dialer = partial(Dialer, place, name, options, tls)
        self._channel = Channel(options, heads, dialer, time.monotonic, random.random, changed)

    def __repr__(self) -> str:
        return f"<H2Line {self._place} {self._channel!r}>"

    @property
    def state(self) -> str:
        """Idle, connecting, ready, transient_failure or shutdown."""
        return self._channel.state

    def connect(self) -> None:
        """Begin to connect, unless connected or about to be."""
        self._channel.connect()

    async def unary(self, call: Call, deadline_s: float) -> Reply:
        """Make one attempt. Raises `UpstreamError`; cancelling the task cancels it."""
        head, body = self._encoded(call)
        reply: asyncio.Future[Reply] = self._loop.create_future()
        stream = UnaryStream(self._channel, head, body, deadline_s, reply)
        self._channel.submit(stream)
        try:
            return await reply
        except asyncio.CancelledError:
            stream.cancel()
            if reply.done() and not reply.cancelled():
                reply.exception()  # nobody else will ask
            raise

    def begin(self, call: Call, deadline_s: float) -> ServerStream:
        """Make one attempt at a unary-stream call. Raises `UpstreamError` when it cannot be."""
        head, body = self._encoded(call)
        stream = ServerStream(self._channel, head, body, deadline_s)
        self._channel.submit(stream)
        return stream

    def _encoded(self, call: Call) -> tuple[RequestHead, bytes]:
        """The headers and the body of a call. Raises `UpstreamError`."""
        limit = self._max_send_bytes
        try:
            if len(call.message) > limit:
                raise request_too_large(len(call.message), limit)
            if call.timeout_s <= 0:
                raise timed_out(sent=False)
            return self._heads.of(call.method, call.metadata), prefixed(call.message)
        except (Refused, TypeError) as error:
            status = Status(Code.INTERNAL, f"a call that gRPC cannot carry: {error}")
            raise UpstreamError(status, sent=False) from error

    async def close(self) -> None:
        """Close the connections. Calls still open end with CANCELLED."""
        await self._channel.close()
