"""One channel of grpcio's, and how many calls are open on it.

Belongs here: attempts on one channel. Does not: how many channels there are (`line`), how a unary
call is made (`calls`), how a stream is read (`stream`).
"""

import time
from collections.abc import Awaitable

import grpc

from proxy.upstreams import Call, Reply
from proxy.upstreams.grpc.calls import (
    LIBRARY_ERRORS,
    PublicCalls,
    UnaryCalls,
    direct_calls,
    is_connected,
    library_error,
)
from proxy.upstreams.grpc.options import Place, open_channel
from proxy.upstreams.grpc.stream import GrpcStreamAttempt
from proxy.upstreams.options import GrpcOptions


class CountedChannel:
    """Opens a channel; it connects when it is first used."""

    __slots__ = ("_calls", "_place", "_streams", "channel")

    def __init__(
        self,
        place: Place,
        options: GrpcOptions,
        credentials: grpc.ChannelCredentials | None,
        *,
        direct: bool,
    ) -> None:
        self._place = place
        self.channel = open_channel(place, options, credentials)
        found = direct_calls(self.channel, place.shown) if direct else None
        self._calls: UnaryCalls = found or PublicCalls(self.channel, place.shown)
        self._streams = 0

    def __repr__(self) -> str:
        return f"<CountedChannel {self._place.target} {self._calls!r} streams={self._streams}>"

    @property
    def open_calls(self) -> int:
        """How many calls are open."""
        return self._calls.count + self._streams

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now; asking makes an idle channel connect."""
        self.channel.get_state(try_to_connect=True)
        return is_connected(self.channel)

    def unary(self, call: Call, deadline_s: float) -> Awaitable[Reply]:
        """Make one attempt. Raises `UpstreamError`."""
        return self._calls.make(call, deadline_s - time.monotonic())

    def begin(self, call: Call, deadline_s: float) -> GrpcStreamAttempt:
        """Make one attempt at a unary-stream call. Raises `UpstreamError` when it cannot be."""
        timeout_s = deadline_s - time.monotonic()
        try:
            method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
            method = self.channel.unary_stream(call.method)
            rpc = method(call.message, timeout=timeout_s, metadata=call.metadata)
        except LIBRARY_ERRORS as error:
            raise library_error(error) from error
        self._streams += 1
        rpc.add_done_callback(self._ended)
        return GrpcStreamAttempt(self.channel, rpc, self._place.shown)

    def _ended(self, _: object) -> None:
        self._streams -= 1

    async def close(self) -> None:
        """Close the channel. Calls still open end with CANCELLED."""
        self._calls.cancel_all()
        await self.channel.close()
