"""How slow a client may be before its request is given up.

Belongs here: the limits, and waiting with them. aiohttp bounds the header by the keep-alive
timeout and leaves the rest without an end: a body that drips and an answer that nobody reads
would each hold a connection, and what was read or rendered so far, for as long as a client likes.
"""

import asyncio
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, cast

from aiohttp import StreamReader, web

from proxy.exchange.failure import too_slow


@dataclass(frozen=True, slots=True)
class Pace:
    """What is asked of a client's connection.

    A body that is read whole has *body_grace_s* seconds, and one more for every
    *body_bytes_per_s* bytes that have come: slower than any link that people use, and a full body
    of the default 1 MiB is over within the hour. An answer must move on within *stall_s*, the
    time that other proxies give between two writes.
    """

    body_grace_s: float = 20.0
    body_bytes_per_s: float = 500.0
    stall_s: float = 60.0


class Patient(Protocol):
    """A connection whose client may be waited for."""

    def set_aside(self, held_bytes: int) -> AbstractContextManager[None]:
        """While its request waits, and holds *held_bytes*, let others have its place."""
        ...


class BodyDeadline:
    """Reads pieces of one body, each before the time that the bytes so far have earned."""

    def __init__(self, content: StreamReader, pace: Pace, connection: Patient) -> None:
        self._content = content
        self._connection = connection
        self._pace = pace
        self._began_s = asyncio.get_running_loop().time()
        self._received = 0

    def __repr__(self) -> str:
        return f"<BodyDeadline {self._received} bytes since {self._began_s:.3f}>"

    async def piece(self) -> bytes:
        """The next bytes, b"" at the end. Raises `RequestError` (408)."""
        if self._content.is_eof():
            return await self._content.readany()
        earned_s = self._pace.body_grace_s + self._received / self._pace.body_bytes_per_s
        try:
            with self._connection.set_aside(self._received):
                async with asyncio.timeout_at(self._began_s + earned_s):
                    piece = await self._content.readany()
        except TimeoutError as error:
            raise too_slow() from error
        self._received += len(piece)
        return piece


async def drained(request: web.BaseRequest, pace: Pace) -> None:
    """Wait until the client has taken enough of what was written.

    Raises `ConnectionAbortedError`, with the connection cut, when it takes nothing for a while.
    """
    if not request.protocol.writing_paused:
        return
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has closed the connection")
    connection = cast(Patient, request.protocol)
    with connection.set_aside(transport.get_write_buffer_size()):
        await _taken(request, transport, pace)


async def _taken(request: web.BaseRequest, transport: asyncio.Transport, pace: Pace) -> None:
    # One task for all turns: to give up aiohttp's wait and begin another would raise.
    taken = asyncio.ensure_future(request.writer.drain())
    try:
        while True:
            left = transport.get_write_buffer_size()
            await asyncio.wait({taken}, timeout=pace.stall_s)
            if taken.done():
                taken.result()
                return
            if transport.get_write_buffer_size() >= left:
                transport.abort()
                raise ConnectionAbortedError("the client has stopped reading")
    finally:
        taken.cancel()
