"""A server whose every step is written by the test, over the `h2` package.

The package checks what our client sends, and says what it received; what it would refuse to send
itself goes out raw.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded

from tests.upstreams.servers import raw_server

HEAD = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS = [("grpc-status", "0")]


def prefixed(message: bytes) -> bytes:
    return struct.pack(">BL", 0, len(message)) + message


@dataclass
class Asked:
    """One call as the server got it."""

    stream_id: int
    headers: dict[str, str]
    message: bytes


class Peer:
    """One connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._events: deque[Event] = deque()
        self._asked: dict[int, Asked] = {}
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()

    async def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())
        await self._writer.drain()

    async def raw(self, data: bytes) -> None:
        await self.flush()
        self._writer.write(data)
        await self._writer.drain()

    async def event(self, *kinds: type[Event]) -> Event:
        """The next event of one of *kinds*; all others are forgotten. Raises at the end."""
        while True:
            while self._events:
                event = self._events.popleft()
                self._note(event)
                if isinstance(event, kinds):
                    return event
            await self.flush()
            data = await self._reader.read(1 << 16)
            if not data:
                raise ConnectionError("the client is gone")
            self._events.extend(self.h2.receive_data(data))

    def _note(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._asked[event.stream_id] = Asked(event.stream_id, dict(event.headers), b"")
        elif isinstance(event, DataReceived):
            self._asked[event.stream_id].message += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    async def half_close(self) -> None:
        """Say that nothing more will be sent, and wait until the client has closed, too."""
        await self.flush()
        self._writer.write_eof()
        await self._read_all()

    def close(self) -> None:
        """End the connection as it is."""
        self._writer.close()

    async def silence(self) -> None:
        """Say nothing, not even hello, until the client has closed the connection."""
        await self._read_all()

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        await self.flush()
        await self._read_all()

    async def _read_all(self) -> None:
        while await self._reader.read(1 << 16):
            pass

    async def call(self) -> Asked:
        """The next call that has come whole, its message without the prefix."""
        ended = await self.event(StreamEnded)
        asked = self._asked.pop(ended.stream_id)
        asked.message = asked.message[5:]
        return asked

    def head(self, asked: Asked, headers=HEAD, *, end: bool = False) -> None:
        self.h2.send_headers(asked.stream_id, headers, end_stream=end)

    def data(self, asked: Asked, data: bytes, **options) -> None:
        self.h2.send_data(asked.stream_id, data, **options)

    def trailers(self, asked: Asked, trailers=TRAILERS) -> None:
        self.h2.send_headers(asked.stream_id, trailers, end_stream=True)

    async def answer(self, asked: Asked, message: bytes = b"answer") -> None:
        self.head(asked)
        self.data(asked, prefixed(message))
        self.trailers(asked)
        await self.flush()

    async def serve(self) -> None:
        """Answer every call with its own message, or the beginning of it, for ever."""
        while True:
            asked = await self.call()
            await self.answer(asked, asked.message[:1000])


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def peer_server(*scripts: Script) -> AsyncIterator[int]:
    """Plays the first script on the first connection, and so on; the last one on all others.

    A script that fails closes its connection, and fails the test at the end.
    """
    left = list(scripts)
    failures: list[Exception] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = left.pop(0) if len(left) > 1 else left[0]
        try:
            await script(Peer(reader, writer))
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    async with raw_server(talk) as port:
        yield port
    if failures:
        raise ExceptionGroup("the server's script failed", failures)
