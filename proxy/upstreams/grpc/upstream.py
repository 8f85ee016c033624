"""A gRPC server that we call: one channel, the calls on it, its health.

Belongs here: what ties the parts of this package together. Does not: the parts.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import grpc

from proxy.errors import UpstreamError
from proxy.upstreams import Call, Reply
from proxy.upstreams.closing import Closing
from proxy.upstreams.failure import ignore_error, is_tls_error, request_too_large
from proxy.upstreams.grpc.calls import PublicCalls, UnaryCalls, deadline_at_s, direct_calls
from proxy.upstreams.grpc.options import make_channel
from proxy.upstreams.grpc.stream import GrpcStream
from proxy.upstreams.health import Health, HealthWatch
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.retry import Retries

_READY: Final = grpc.ChannelConnectivity.READY


class GrpcUpstream(Closing):
    """A gRPC server over grpcio; implements `proxy.upstreams.Upstream`.

    *target* is a gRPC name, `dns:///host:port` or `host:port`. Make it in the event loop that
    will use it. *on_tls_error* is called for every call that failed because TLS could not be set
    up. *direct* False makes calls by grpcio's public
    interface only. Raises `ConfigError` when a PEM file cannot be read.
    """

    def __init__(
        self,
        target: str,
        options: GrpcOptions | None = None,
        *,
        on_tls_error: Callable[[UpstreamError], None] = ignore_error,
        direct: bool = True,
    ) -> None:
        self._target = target
        self._options = options or GrpcOptions()
        self._on_tls_error = on_tls_error
        self._channel = make_channel(target, self._options)
        self._calls = _calls(self._channel, direct=direct)
        retry = self._options.retry
        self._retries = None if retry is None else Retries(retry, random.random)
        self._health = HealthWatch(
            self._once, self._options.health_service, self._options.keepalive_time_s
        )
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else self.connectivity
        return f"<GrpcUpstream {self._target} {state} health={self.health.value} {self._calls!r}>"

    async def start(self) -> None:
        """Begin to connect, and to watch the server's health. Calls work without it too."""
        self._channel.get_state(try_to_connect=True)
        if self._options.watch_health and self._task is None:
            self._task = asyncio.create_task(self._health.follow(), name=f"health {self._target}")

    @property
    def health(self) -> Health:
        """What the server's health service says; UNKNOWN without one."""
        return self._health.state

    @property
    def connectivity(self) -> str:
        """The state of the channel: idle, connecting, ready, transient_failure or shutdown."""
        return self._channel.get_state().name.lower()

    @property
    def ready(self) -> bool:
        """Whether calls can be made now: connected, and not known to be unwell.

        Asking makes an idle channel connect.
        """
        if self._closed or self.health is Health.NOT_SERVING:
            return False
        return self._channel.get_state(try_to_connect=True) is _READY

    async def unary(self, call: Call) -> Reply:
        """Make a unary-unary call. Raises `UpstreamError`; cancelling the task cancels the call.

        Only an idempotent call is made again, after UNAVAILABLE, within its deadline.
        """
        if len(call.message) > self._options.max_send_bytes:
            raise request_too_large(len(call.message), self._options.max_send_bytes)
        deadline_s = deadline_at_s(call.timeout_s)
        attempt = 1
        while True:
            try:
                reply = await self._calls.make(call, deadline_s)
            except UpstreamError as error:
                delay_s = self._failed(call, error, attempt, deadline_s)
                if delay_s is None:
                    raise
            else:
                if self._retries is not None:
                    self._retries.succeeded()
                return reply
            await asyncio.sleep(delay_s)
            attempt += 1

    def stream(self, call: Call) -> GrpcStream:
        """Start a unary-stream call; errors appear when the answer is read.

        The call is made when it is first read. An idempotent one is made again after UNAVAILABLE
        as long as no message has come.
        """
        deadline_s = deadline_at_s(call.timeout_s)

        def again(error: UpstreamError, attempt: int) -> float | None:
            return self._failed(call, error, attempt, deadline_s)

        return GrpcStream(self._channel, partial(self._begin, call, deadline_s), again)

    def _once(self, call: Call) -> GrpcStream:
        """Start a unary-stream call that is not repeated, and whose failure is nobody's news."""
        begin = partial(self._begin, call, deadline_at_s(call.timeout_s))
        return GrpcStream(self._channel, begin, lambda _error, _attempt: None)

    def _begin(self, call: Call, deadline_s: float) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
        size, limit = len(call.message), self._options.max_send_bytes
        if size > limit:
            raise request_too_large(size, limit)
        method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
        method = self._channel.unary_stream(call.method)
        return method(call.message, timeout=deadline_s - time.time(), metadata=call.metadata)

    def _failed(
        self, call: Call, error: UpstreamError, attempt: int, deadline_s: float
    ) -> float | None:
        """Count a failed attempt; the seconds until the next one, None for no further one."""
        if is_tls_error(error):
            self._on_tls_error(error)
        if not call.idempotent or self._retries is None:
            return None
        return self._retries.delay_s(error, attempt, deadline_s - time.time())

    async def close(self) -> None:
        """Close the connections. Calls still open end with CANCELLED."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._calls.cancel_all()
        await self._channel.close()


def _calls(channel: grpc.aio.Channel, *, direct: bool) -> UnaryCalls:
    found = direct_calls(channel) if direct else None
    return PublicCalls(channel) if found is None else found
