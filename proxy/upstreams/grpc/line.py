"""A channel of grpcio's to one address, and attempts at calls on it.

Belongs here: the life of the channel, deadlines as grpcio wants them. Does not: how a unary call
is made (`calls`), how a stream is read (`stream`), what failures mean (`failure`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import grpc

from proxy.upstreams import Call, Reply
from proxy.upstreams.failure import request_too_large
from proxy.upstreams.grpc.calls import (
    LIBRARY_ERRORS,
    PublicCalls,
    UnaryCalls,
    direct_calls,
    library_error,
)
from proxy.upstreams.grpc.options import Place, open_channel
from proxy.upstreams.grpc.stream import GrpcStreamAttempt
from proxy.upstreams.options import GrpcOptions


class GrpcLine:
    """One channel; implements `proxy.upstreams.line.Line`.

    *changed* is called when the state has changed, a turn of the loop or two after grpcio knows.
    *direct* False makes calls by grpcio's public interface only.
    """

    __slots__ = (
        "_calls",
        "_changed",
        "_channel",
        "_is_closed",
        "_options",
        "_place",
        "_state",
        "_task",
    )

    def __init__(
        self,
        place: Place,
        options: GrpcOptions,
        credentials: grpc.ChannelCredentials | None,
        changed: Callable[[], None] | None,
        *,
        direct: bool,
    ) -> None:
        self._place = place
        self._options = options
        self._changed = changed
        self._channel = open_channel(place, options, credentials)
        found = direct_calls(self._channel, place.shown) if direct else None
        self._calls: UnaryCalls = found or PublicCalls(self._channel, place.shown)
        self._state = "idle"
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<GrpcLine {self._place.target} {self.state} {self._calls!r}>"

    @property
    def state(self) -> str:
        """Idle, connecting, ready, transient_failure or shutdown."""
        if self._is_closed:
            return "shutdown"
        return self._state if self._task is not None else _name(self._channel.get_state())

    def connect(self) -> None:
        """Begin to connect, unless connected or about to be; begin to tell of changes."""
        if self._is_closed:
            return
        self._channel.get_state(try_to_connect=True)
        if self._changed is not None and self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"state {self._place.target}")

    async def _follow(self) -> None:
        """Keep the state: asking grpcio for it at every call would cost each of them."""
        while True:
            state = self._channel.get_state(try_to_connect=True)
            self._state = _name(state)
            if self._changed is not None:
                self._changed()
            await self._channel.wait_for_state_change(state)

    def unary(self, call: Call, deadline_s: float) -> Awaitable[Reply]:
        """Make one attempt. Raises `UpstreamError`, at once or when awaited."""
        if len(call.message) > self._options.max_send_bytes:
            raise request_too_large(len(call.message), self._options.max_send_bytes)
        return self._calls.make(call, deadline_s - time.monotonic())

    def begin(self, call: Call, deadline_s: float) -> GrpcStreamAttempt:
        """Make one attempt at a unary-stream call. Raises `UpstreamError` when it cannot be."""
        size, limit = len(call.message), self._options.max_send_bytes
        if size > limit:
            raise request_too_large(size, limit)
        timeout_s = deadline_s - time.monotonic()
        try:
            method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
            method = self._channel.unary_stream(call.method)
            rpc = method(call.message, timeout=timeout_s, metadata=call.metadata)
        except LIBRARY_ERRORS as error:
            raise library_error(error) from error
        return GrpcStreamAttempt(self._channel, rpc, self._place.shown)

    async def close(self) -> None:
        """Close the channel. Calls still open end with CANCELLED."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._calls.cancel_all()
        await self._channel.close()


def _name(state: grpc.ChannelConnectivity) -> str:
    return state.name.lower()
