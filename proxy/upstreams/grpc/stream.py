"""The answer of a server-streaming call, read from grpcio one message at a time.

Belongs here: reading, cancelling and starting again. Does not: unary calls (`calls`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
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

_Rpc = grpc.aio.UnaryStreamCall[bytes, bytes]
#: Decides on a failure, given the number of attempts made: seconds to wait, or None.
_Again = Callable[[UpstreamError, int], float | None]

_CANCELLED: Final = Status(Code.CANCELLED, "the call was cancelled here")


class GrpcStream:
    """A server-streaming call.

    *start* makes an attempt. *again* is asked after a failure that came before the first message.
    """

    __slots__ = (
        "_again",
        "_attempt",
        "_cancelled",
        "_channel",
        "_first",
        "_messages",
        "_rpc",
        "_start",
    )

    def __init__(self, channel: grpc.aio.Channel, start: Callable[[], _Rpc], again: _Again) -> None:
        self._channel = channel
        self._start = start
        self._again = again
        self._rpc: _Rpc | None = None
        self._messages: AsyncIterator[bytes] | None = None
        self._first: bytes | None = None
        self._attempt = 0
        self._cancelled = False

    def __repr__(self) -> str:
        return f"<GrpcStream attempt={self._attempt} rpc={self._rpc!r}>"

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        first = self._first
        if first is not None:
            self._first = None
            return first
        if self._messages is None:
            return await self._read_first()
        return await self._read(self._messages)

    async def metadata(self) -> Metadata:
        """Initial metadata; waits for it. Raises `UpstreamError` when the call fails first.

        A server that sends no metadata of its own looks like one that failed at once; then this
        waits for the first message, which tells them apart.
        """
        if self._messages is None:
            try:
                self._first = await self._read_first()
            except StopAsyncIteration:
                self._first = None
        if self._rpc is None:
            return ()
        return pairs(await self._rpc.initial_metadata())

    async def trailers(self) -> Metadata:
        """Trailers; only after the iteration has ended without an error."""
        return () if self._rpc is None else pairs(await self._rpc.trailing_metadata())

    def cancel(self) -> None:
        """End the call now. Does nothing when it has ended."""
        self._cancelled = True
        if self._rpc is not None:
            self._rpc.cancel()

    async def _read_first(self) -> bytes:
        """The first message; a failure before it may start the call again."""
        while True:
            self._attempt += 1
            try:
                return await self._read(self._begin())
            except UpstreamError as error:
                delay_s = None if self._cancelled else self._again(error, self._attempt)
                if delay_s is None:
                    raise
            await asyncio.sleep(delay_s)

    def _begin(self) -> AsyncIterator[bytes]:
        if self._cancelled:
            raise UpstreamError(_CANCELLED, sent=False)
        try:
            self._rpc = self._start()
        except LIBRARY_ERRORS as error:
            raise library_error(error) from error
        self._messages = aiter(self._rpc)
        return self._messages

    async def _read(self, messages: AsyncIterator[bytes]) -> bytes:
        try:
            return await anext(messages)
        except grpc.aio.AioRpcError as error:
            raise upstream_error(rpc_failure(self._channel, error)) from error
        except LIBRARY_ERRORS as error:
            raise library_error(error) from error
        except asyncio.CancelledError:
            if is_task_cancelled():
                raise
            raise UpstreamError(_CANCELLED) from None
