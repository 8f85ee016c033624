"""A gRPC server that we call over HTTP/2 of our own: the calls, their repetition, its health.

Belongs here: what ties the parts of this package together. Does not: the parts.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams import Call, Reply
from proxy.upstreams.closing import Closing
from proxy.upstreams.failure import ignore_error, is_tls_error, request_too_large
from proxy.upstreams.h2.address import parse_target
from proxy.upstreams.h2.calls import ServerStream, UnaryStream, Unprocessed, timed_out
from proxy.upstreams.h2.channel import Channel
from proxy.upstreams.h2.dialing import Dialer
from proxy.upstreams.h2.messages import prefixed
from proxy.upstreams.h2.replies import H2ReplyStream
from proxy.upstreams.h2.requests import Refused, RequestHead, RequestHeads
from proxy.upstreams.health import Health, HealthWatch
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.retry import Retries
from proxy.upstreams.tls import TlsOptions, client_context

#: No call needs more than a year, and no server needs to count further.
_MAX_TIMEOUT_S: Final = 365 * 86400.0
#: How often a call is made again that the server has not looked at. Any number would be safe; a
#: server that takes nothing must not keep us busy.
_MAX_UNPROCESSED: Final = 5
#: How long the third attempt may wait, doubled for each one after it. A server that is full of
#: calls just cancelled refuses others until it has cleared those away.
_UNPROCESSED_PAUSE_S: Final = 0.01


class H2Upstream(Closing):
    """A gRPC server over our own HTTP/2; implements `proxy.upstreams.Upstream`.

    *target* is `host:port`, `dns:///host:port`, `ipv4:`, `ipv6:` or `unix:`; others are a
    `ValueError`. All calls share one connection, to the first address that takes it. Make it in
    the event loop that will use it. *on_tls_error* is called for every call that failed because
    TLS could not be set up. Raises `ConfigError` when a
    PEM file cannot be read.
    """

    def __init__(
        self,
        target: str,
        options: GrpcOptions | None = None,
        *,
        on_tls_error: Callable[[UpstreamError], None] = ignore_error,
    ) -> None:
        self._target = target
        self._options = options = options or GrpcOptions()
        self._on_tls_error = on_tls_error
        parsed, tls = parse_target(target), _tls_context(options.tls)
        named = options.tls.server_name if options.tls else None
        self._heads = RequestHeads("http" if tls is None else "https", named or parsed.authority)
        self._channel = Channel(
            options,
            self._heads,
            partial(Dialer, parsed, options, tls),
            time.monotonic,
            random.random,
        )
        self._retries = None if options.retry is None else Retries(options.retry, random.random)
        self._health = HealthWatch(self._once, options.health_service, options.keepalive_time_s)
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<H2Upstream {self._target} health={self.health.value} {self._channel!r}>"

    async def start(self) -> None:
        """Begin to connect, and to watch the server's health. Calls work without it too."""
        self._channel.connect()
        if self._options.watch_health and self._task is None:
            self._task = asyncio.create_task(self._health.follow(), name=f"health {self._target}")

    @property
    def health(self) -> Health:
        """What the server's health service says; UNKNOWN without one."""
        return self._health.state

    @property
    def connectivity(self) -> str:
        """The state of the channel: idle, connecting, ready, transient_failure or shutdown."""
        return self._channel.state

    @property
    def ready(self) -> bool:
        """Whether calls can be made now: connected, and not known to be unwell.

        Asking makes an idle channel connect.
        """
        self._channel.connect()
        return self._channel.state == "ready" and self.health is not Health.NOT_SERVING

    async def unary(self, call: Call) -> Reply:
        """Make a unary-unary call. Raises `UpstreamError`; cancelling the task cancels the call.

        Only an idempotent call is made again, after UNAVAILABLE, within its deadline; any other
        only when the server has said that it did not look at it.
        """
        head, body = self._encoded(call)
        deadline_s = _deadline_s(call)
        attempt = 1
        while True:
            try:
                reply = await self._attempt(head, body, deadline_s)
            except UpstreamError as error:
                delay_s = self._failed(call, error, attempt, deadline_s)
                if delay_s is None:
                    raise
            else:
                if self._retries is not None:
                    self._retries.succeeded()
                return reply
            if delay_s:
                await asyncio.sleep(delay_s)
            attempt += 1

    async def _attempt(self, head: RequestHead, body: bytes, deadline_s: float) -> Reply:
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

    def stream(self, call: Call) -> H2ReplyStream:
        """Start a unary-stream call; errors appear when the answer is read.

        The call is made when it is first read. As long as no message has come it is made again
        like a unary one.
        """
        deadline_s = _deadline_s(call)

        def again(error: UpstreamError, attempt: int) -> float | None:
            return self._failed(call, error, attempt, deadline_s)

        return H2ReplyStream(partial(self._begin, call, deadline_s), again)

    def _once(self, call: Call) -> H2ReplyStream:
        """Start a unary-stream call that is not repeated, and whose failure is nobody's news."""
        begin = partial(self._begin, call, _deadline_s(call))
        return H2ReplyStream(begin, lambda _error, _attempt: None)

    def _begin(self, call: Call, deadline_s: float) -> ServerStream:
        head, body = self._encoded(call)
        stream = ServerStream(self._channel, head, body, deadline_s)
        self._channel.submit(stream)
        return stream

    def _encoded(self, call: Call) -> tuple[RequestHead, bytes]:
        """The headers and the body of a call. Raises `UpstreamError`."""
        limit = self._options.max_send_bytes
        try:
            if len(call.message) > limit:
                raise request_too_large(len(call.message), limit)
            if call.timeout_s <= 0:
                raise timed_out(sent=False)
            return self._heads.of(call.method, call.metadata), prefixed(call.message)
        except (Refused, TypeError) as error:
            status = Status(Code.INTERNAL, f"a call that gRPC cannot carry: {error}")
            raise UpstreamError(status, sent=False) from error

    def _failed(
        self, call: Call, error: UpstreamError, attempt: int, deadline_s: float
    ) -> float | None:
        """Count a failed attempt; the seconds until the next one, None for no further one."""
        if is_tls_error(error):
            self._on_tls_error(error)
        if isinstance(error, Unprocessed) and attempt <= _MAX_UNPROCESSED:
            return _unprocessed_delay_s(attempt, random.random)
        if not call.idempotent or self._retries is None:
            return None
        return self._retries.delay_s(error, attempt, deadline_s - time.monotonic())

    async def close(self) -> None:
        """Close the connections. Calls still open end with CANCELLED."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._channel.close()


def _unprocessed_delay_s(attempt: int, chance: Callable[[], float]) -> float:
    """Seconds until a call that the server has not looked at is made again: at first at once."""
    if attempt == 1:
        return 0.0
    return (0.5 + chance() / 2) * _UNPROCESSED_PAUSE_S * 2.0 ** (attempt - 2)


def _deadline_s(call: Call) -> float:
    return time.monotonic() + min(call.timeout_s, _MAX_TIMEOUT_S)


def _tls_context(tls: TlsOptions | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = client_context(tls)
    context.set_alpn_protocols(["h2"])
    return context
