"""The answer of a server-streaming call, and its repetition until the first message.

Belongs here: reading, cancelling and starting again. Does not: one attempt (`calls`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams import Metadata
from proxy.upstreams.h2.calls import ServerStream

_CANCELLED: Final = Status(Code.CANCELLED, "the call was cancelled here")


class H2ReplyStream:
    """A server-streaming call.

    *start* makes an attempt. *again* is asked after a failure that came before the first message.
    """

    __slots__ = ("_again", "_attempt", "_call", "_first", "_is_cancelled", "_start")

    def __init__(
        self,
        start: Callable[[], ServerStream],
        again: Callable[[UpstreamError, int], float | None],
    ) -> None:
        self._start = start
        self._again = again
        self._call: ServerStream | None = None
        self._first: bytes | None = None
        self._attempt = 0
        self._is_cancelled = False

    def __repr__(self) -> str:
        return f"<H2ReplyStream attempt={self._attempt} call={self._call!r}>"

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        message, self._first = self._first, None
        if message is None:
            call = self._call
            message = await (self._read_first() if call is None else call.read())
        if message is None:
            raise StopAsyncIteration
        return message

    async def metadata(self) -> Metadata:
        """Initial metadata; waits for the first message, as the other transports do.

        Raises `UpstreamError` when the call fails first.
        """
        if self._call is None:
            self._first = await self._read_first()
        return () if self._call is None else self._call.initial

    async def trailers(self) -> Metadata:
        """Trailers; only after the iteration has ended without an error."""
        return () if self._call is None else self._call.trailers

    def cancel(self) -> None:
        """End the call now. Does nothing when it has ended."""
        self._is_cancelled = True
        if self._call is not None:
            self._call.drop()

    async def _read_first(self) -> bytes | None:
        """The first message; a failure before it may start the call again."""
        while True:
            if self._is_cancelled:
                raise UpstreamError(_CANCELLED, sent=False)
            self._attempt += 1
            try:
                self._call = self._start()
                return await self._call.read()
            except UpstreamError as error:
                delay_s = None if self._is_cancelled else self._again(error, self._attempt)
                if delay_s is None:
                    raise
            await asyncio.sleep(delay_s)
