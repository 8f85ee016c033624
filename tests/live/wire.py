"""HTTP/1.1 by hand: a client and a legacy host that see and say every byte.

Belongs here: raw sockets. Does not: what is behind them (`tests.live.edge`, `tests.live.example`).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

#: A test that waits this long hangs. Nothing is measured by it.
PATIENCE_S = 30.0

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Reply:
    """An answer as it came. *headers* keep their spelling and order."""

    status: int
    phrase: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    head: bytes

    def __getitem__(self, name: str) -> str:
        return self.all(name)[0]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        return "close" in self.all("connection")


class Client:
    """One connection to a proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, url: str) -> Self:
        host, _, port = url.removeprefix("http://").rpartition(":")
        return cls(*await asyncio.open_connection(host.strip("[]"), int(port)))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, str, tuple[tuple[str, str], ...], bytes]:
        """The next status line and header block, interim answers included."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")[:-2]
        version, status, phrase = line.split(" ", 2)
        assert version == "HTTP/1.1"
        pairs = tuple(
            (name, value.strip()) for name, _, value in (f.partition(":") for f in fields)
        )
        return int(status), phrase, pairs, head

    async def reply(self, method: str = "GET") -> Reply:
        """The next answer, with its body as its framing says."""
        status, phrase, headers, head = await self.head()
        values = {name.lower(): value for name, value in headers}
        async with asyncio.timeout(PATIENCE_S):
            if method == "HEAD" or status < 200 or status in (204, 304):
                body = b""
            elif values.get("transfer-encoding") == "chunked":
                body = b"".join([chunk async for chunk in self.chunks()])
            elif "content-length" in values:
                body = await self.reader.readexactly(int(values["content-length"]))
            else:
                body = await self.reader.read()
        return Reply(status, phrase, headers, body, head)

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; b"" is the last one."""
        async with asyncio.timeout(PATIENCE_S):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    async def chunks(self) -> AsyncIterator[bytes]:
        while chunk := await self.chunk():
            yield chunk

    async def ask(self, request: bytes) -> Reply:
        self.write(request)
        return await self.reply(request.split(b" ", 1)[0].decode("latin-1"))

    async def rest(self) -> bytes:
        """What comes until the proxy closes the connection; a reset is an end too."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def was_cut(self) -> bool:
        """Whether the connection ends before a chunked body does."""
        try:
            while await self.chunk():
                continue
        except (asyncio.IncompleteReadError, ConnectionError):
            return True
        return False

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Client]:
    client = await Client.to(url)
    try:
        yield client
    finally:
        await client.close()


def request(
    method: str, target: str, *fields: str, body: bytes = b"", host: str = "api.test"
) -> bytes:
    """A request's bytes; a body gets its Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


@dataclass
class Heard:
    """One request that reached the legacy host."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [(name, value.strip()) for name, _, value in (one.partition(":") for one in lines)]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class LegacyScript:
    """A legacy host that records requests and answers *answer*, byte for byte.

    *talk* takes a whole connection instead. An *answer* of None closes the connection.
    """

    answer: bytes | None = OK
    talk: Talk | None = None
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    #: Connections whose other end closed them.
    left: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.talk is not None:
            await self.talk(reader, writer)
            return
        while True:
            self.heard.append(await read_request(reader))
            if self.answer is None:
                return
            writer.write(self.answer)
            await writer.drain()
            if b"connection: close" in self.answer.lower():
                return


async def read_request(reader: asyncio.StreamReader) -> Heard:
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    if b"\r\ntransfer-encoding: chunked\r\n" in lower:
        return Heard(head, await read_chunked(reader))
    if b"\r\ncontent-length: " in lower:
        length = int(lower.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
        return Heard(head, await reader.readexactly(length))
    return Heard(head, b"")


async def read_chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


@asynccontextmanager
async def legacy_of(script: LegacyScript) -> AsyncIterator[LegacyScript]:
    """*script* on a loopback port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            script.left.set()
        finally:
            writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
