"""The generator for machines without Go: `python -m bench.stand.python_generator load|drip PLAN`.

Takes the plans and writes the records of bench/generator, but cannot keep a proxy busy. Ends when
its plan is done or standard input closes. Prints a line of JSON when it begins, and one at the end.
"""

import asyncio
import contextlib
import json
import random
import sys
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from time import time
from typing import Any, Final, TextIO

from bench.stand.traffic import Drip, DripKind, DripPlan, Kind, LoadPlan, Record

PROBLEMS: Final = (OSError, EOFError, ValueError, IndexError)  # the last two: no HTTP
RECONNECT_S: Final = 0.01  # pause of a closed loop whose connection was refused


def now_us() -> int:
    return round(time() * 1e6)


class Answer:
    """One answer as it is read."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[str, str] = {}
        self.digest = 0

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read the whole of it. Raises `EOFError`, `ValueError`, `OSError`."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(head[0].split(" ", 2)[1])
        for line in head[1:]:
            name, _, value = line.partition(":")
            self.fields[name.lower()] = value.strip()
        if "transfer-encoding" in self.fields:
            await self._read_chunks(reader)
        elif "content-length" in self.fields:
            self._take(await reader.readexactly(int(self.fields["content-length"])))
        elif self.status != 204:
            self.fields["connection"] = "close"
            self._take(await reader.read(-1))

    async def _read_chunks(self, reader: asyncio.StreamReader) -> None:
        size = -1
        while size != 0:
            size = int((await reader.readuntil(b"\r\n")), 16)
            self._take((await reader.readexactly(size + 2))[:-2])

    def _take(self, data: bytes) -> None:
        self.digest = zlib.crc32(data, self.digest)


class Connection:
    """One connection, with at most one request on its way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.port: int = writer.get_extra_info("sockname")[1]
        self.used_us = now_us()

    def usable(self, idle_s: float) -> bool:
        """Whether a request may go over it: it is open and was used not long ago."""
        fresh = now_us() - self.used_us < idle_s * 1e6
        return fresh and not self.reader.at_eof() and not self.writer.is_closing()

    async def ask(self, data: bytes) -> Answer:
        """Send a request and read the answer."""
        self.writer.write(data)
        answer = Answer()
        await answer.read(self.reader)
        return answer


def request_bytes(kind: Kind, address: str, identity: str) -> bytes:
    """The request as it goes over the wire.

    >>> request_bytes(Kind("a", "GET", "/{id}", close=True), "h:1", "7")
    b'GET /7 HTTP/1.1\\r\\nHost: h:1\\r\\nx-request-id: 7\\r\\nConnection: close\\r\\n\\r\\n'
    """
    body = kind.body.replace("{id}", identity)
    lines = [f"{kind.method} {kind.target.replace('{id}', identity)} HTTP/1.1"]
    lines += [f"Host: {address}", f"x-request-id: {identity}"]
    lines += [f"{name}: {value.replace('{id}', identity)}" for name, value in kind.headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    if kind.close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", body]).encode()


class Loader:
    """Sends what a plan says and writes down what became of it."""

    def __init__(self, plan: LoadPlan, out: TextIO) -> None:
        self._plan = plan
        self._out = out
        cards = [kind for kind in plan.kinds for _ in range(kind.weight)]
        # Dealt in turn: a short run is to have some of every kind, and not by good luck.
        self._cards = cycle(random.sample(cards, len(cards)))
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(plan.connections)
        self._sent = 0
        self._over = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Loader sent={self._sent}>"

    def stop(self) -> None:
        """Send nothing more."""
        self._over.set()

    async def run(self) -> dict[str, int]:
        """Send until the end."""
        if self._plan.duration_s:
            asyncio.get_running_loop().call_later(self._plan.duration_s, self.stop)
        await (self._open() if self._plan.rate else self._closed())
        for connection in self._idle:
            connection.writer.close()
        return {"sent": self._sent}

    async def _open(self) -> None:
        began, loop = now_us(), asyncio.get_running_loop()
        gap_us = 1e6 / self._plan.rate
        asked: set[asyncio.Task[Record]] = set()
        while not self._over.is_set():
            while (due_us := round(began + self._sent * gap_us)) <= now_us():
                task = loop.create_task(self._one(due_us, self._next()))
                asked.add(task)
                task.add_done_callback(asked.discard)
            await self._rest((due_us - now_us()) / 1e6)
        await asyncio.gather(*asked)

    async def _closed(self) -> None:
        await asyncio.gather(*(self._loop() for _ in range(self._plan.connections)))

    async def _loop(self) -> None:
        while not self._over.is_set():
            if (await self._one(now_us(), self._next())).problem.startswith("connect"):
                await self._rest(RECONNECT_S)

    async def _rest(self, for_s: float) -> None:
        """Wait, unless it is over before."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), max(for_s, 0.001))

    def _next(self) -> str:
        """The id of the next request."""
        self._sent += 1
        return f"{self._plan.run}-{self._sent}"

    async def _one(self, due_us: int, identity: str) -> Record:
        """Send one request and write down what became of it."""
        kind = next(self._cards)
        record = Record(identity, kind.name, due_us, 0, 0, 0, "", 0, 0, False, "")
        try:
            async with asyncio.timeout(self._plan.timeout_s), self._room:
                record = await self._asked(kind, record)
        except TimeoutError:
            record = record._replace(problem="no answer in time")
        record = record._replace(done_us=now_us())
        self._out.write(record.as_line() + "\n")
        return record

    async def _asked(self, kind: Kind, record: Record) -> Record:
        try:
            connection = await self._connection(kind)
        except OSError as error:
            return record._replace(problem=f"connect: {error.strerror}")
        record = record._replace(sent_us=now_us(), port=connection.port)
        try:
            answer = await connection.ask(request_bytes(kind, self._plan.address, record.id))
        except PROBLEMS as error:
            connection.writer.close()
            return record._replace(problem=type(error).__name__)
        except asyncio.CancelledError:
            connection.writer.close()
            raise
        self._release(connection, kind, answer)
        return record._replace(
            status=answer.status,
            side=answer.fields.get("x-cutover-side", ""),
            digest=answer.digest,
            retry_after="retry-after" in answer.fields,
        )

    async def _connection(self, kind: Kind) -> Connection:
        while self._idle and not kind.close:
            connection = self._idle.pop()
            if connection.usable(self._plan.idle_s):
                return connection
            connection.writer.close()
        host, _, port = self._plan.address.rpartition(":")
        return Connection(*await asyncio.open_connection(host, int(port)))

    def _release(self, connection: Connection, kind: Kind, answer: Answer) -> None:
        if kind.close or answer.fields.get("connection", "").lower() == "close":
            connection.writer.close()
        else:
            connection.used_us = now_us()
            self._idle.append(connection)


class Dripper:
    """Opens slow connections and writes down when they were cut."""

    def __init__(self, plan: DripPlan, out: TextIO) -> None:
        self._plan = plan
        self._out = out
        self._over = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Dripper {self._plan.address}>"

    def stop(self) -> None:
        """Leave all connections."""
        self._over.set()

    async def run(self) -> dict[str, int]:
        """Open them all and wait for their ends."""
        tasks = []
        for kind in self._plan.kinds:
            for _ in range(kind.connections):
                tasks.append(asyncio.create_task(self._drip(kind)))
                await self._wait(1 / self._plan.open_per_s, self._over.wait())
        return {"opened": len(await asyncio.gather(*tasks))}

    async def _drip(self, kind: DripKind) -> None:
        host, _, port = self._plan.address.rpartition(":")
        opened = now_us()
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            self._write(Drip(kind.name, opened, now_us(), 0, "refused"))
            return
        told = asyncio.create_task(self._status(reader))
        writer.write(kind.opening.encode())
        how = "kept"
        until = opened + self._plan.max_s * 1e6
        while now_us() < until:
            if await self._wait(self._plan.every_s, asyncio.shield(told)):
                how = "cut"
                break
            if self._over.is_set():
                how = "stopped"
                break
            writer.write(kind.byte.encode())
        ended, status = now_us(), told.result() if told.done() else 0
        told.cancel()
        writer.close()
        self._write(Drip(kind.name, opened, ended, status, how))

    def _write(self, drip: Drip) -> None:
        self._out.write(",".join(map(str, drip)) + "\n")

    @staticmethod
    async def _wait(for_s: float, event: Any) -> bool:
        """Whether the event came within the time."""
        try:
            await asyncio.wait_for(event, for_s)
        except TimeoutError:
            return False
        return True

    @staticmethod
    async def _status(reader: asyncio.StreamReader) -> int:
        """The status of the answer, 0 for none, when the connection has ended."""
        answer = Answer()
        with contextlib.suppress(*PROBLEMS):
            await answer.read(reader)
            await reader.read(-1)
        return answer.status


def plan_of(task: str, given: dict[str, Any]) -> LoadPlan | DripPlan:
    """The plan in a file."""
    kinds: Iterable[dict[str, Any]] = given.pop("kinds")
    if task == "load":
        return replace(LoadPlan(kinds=(), **given), kinds=[Kind(**kind) for kind in kinds])
    return DripPlan(kinds=[DripKind(**kind) for kind in kinds], **given)


async def until_closed(stop: Callable[[], None]) -> None:
    """Call *stop* when standard input closes."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await reader.read()
    stop()


async def run(plan: LoadPlan | DripPlan, out: TextIO) -> dict[str, int]:
    """Do what the plan says."""
    print(json.dumps({"begun_us": now_us()}), flush=True)
    worker = Loader(plan, out) if isinstance(plan, LoadPlan) else Dripper(plan, out)
    watch = asyncio.create_task(until_closed(worker.stop))
    done = await worker.run()
    watch.cancel()
    return done


def main(task: str, path: Path) -> None:
    """Do what the file says and tell when it is done."""
    plan = plan_of(task, json.loads(path.read_text()))
    with Path(plan.records).open("w", encoding="utf-8") as out:
        done = asyncio.run(run(plan, out))
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
