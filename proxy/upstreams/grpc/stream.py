"""One attempt at a server-streaming call, read from grpcio one message at a time.

Belongs here: reading and cancelling. Does not: starting again (`proxy.upstreams.replies`), and
unary calls (`calls`).
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import grpc

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams import Metadata
from proxy.upstreams.grpc.calls import (
    LIBRARY_ERRORS,
    is_task_cancelled,
    library_error,
    pairs,
    rpc_failure,
)
from proxy.upstreams.grpc.failure import upstream_error

_CANCELLED: Final = Status(Code.CANCELLED, "the call was cancelled here")


class GrpcStreamAttempt:
    """A call on *channel*; implements `proxy.upstreams.line.StreamAttempt`."""

    __slots__ = ("_channel", "_error", "_messages", "_rpc", "_shown")

    def __init__(
        self,
        channel: grpc.aio.Channel,
        rpc: "grpc.aio.UnaryStreamCall[bytes, bytes]",
        shown: str,
    ) -> None:
        self._channel = channel
        self._rpc = rpc
        self._shown = shown
        self._error: UpstreamError | None = None
        self._messages: AsyncIterator[bytes] = aiter(rpc)

    def __repr__(self) -> str:
        return f"<GrpcStreamAttempt {self._rpc!r}>"

    async def read(self) -> bytes | None:
        """The next message, None after the last. Raises `UpstreamError`, each time it is asked.

        grpcio would tell of a failure once, and then of an end, as if all had come.
        """
        if self._error is not None:
            raise self._error
        try:
            return await self._read()
        except UpstreamError as error:
            self._error = error
            raise

    async def _read(self) -> bytes | None:
        try:
            return await anext(self._messages, None)
        except grpc.aio.AioRpcError as error:
            raise upstream_error(rpc_failure(self._channel, error, self._shown)) from error
        except LIBRARY_ERRORS as error:
            raise library_error(error) from error
        except asyncio.CancelledError:
            if is_task_cancelled():
                self._rpc.cancel()
                raise
            raise UpstreamError(_CANCELLED) from None

    async def metadata(self) -> Metadata:
        """Initial metadata; only when something was read."""
        return pairs(await self._rpc.initial_metadata())

    async def trailers(self) -> Metadata:
        """Trailers; only after the last message."""
        return pairs(await self._rpc.trailing_metadata())

    def drop(self) -> None:
        """End the call now. Does nothing when it has ended."""
        self._rpc.cancel()
