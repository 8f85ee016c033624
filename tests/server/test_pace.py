"""Clients that send or read too slowly, and those that go away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from proxy.routing.snapshot import Snapshot
from proxy.server.admission import MAX_ASIDE_BYTES
from proxy.server.pace import BodyDeadline, Pace, drained
from proxy.server.protocol import ConnectionLimits
from proxy.server.reading import ReadLimits
from proxy.status import Code
from tests.fakes import Handler, Served
from tests.live.edge import HANDLERS, answers, edge_of, item, method
from tests.live.wire import LegacyScript, client_of, legacy_of, request
from tests.waiting import until

#: A pace that no test can keep, for those that are to fail by it.
HASTE = ReadLimits(16 << 10, Pace(body_grace_s=0.05, body_bytes_per_s=1e9, stall_s=0.05))


async def test_a_body_that_drips_gets_408_and_the_end_of_the_connection(snapshot: Snapshot):
    async with edge_of(snapshot, read_limits=HASTE) as edge, client_of(edge.url) as client:
        reply = await client.ask(request("POST", "/v1/items", "Content-Length: 2") + b"{")
        assert (reply.status, reply.closes) == (408, True)
        assert reply.json() == {
            "code": Code.DEADLINE_EXCEEDED,
            "message": "the body came too slowly",
            "details": [],
        }
        assert edge.upstream.calls == []
        # It is not read on, though the client goes on sending: that ends in a reset.
        client.write(b"}")
        await until(lambda: edge.frontend.connections == 0)


async def test_bytes_that_come_earn_a_body_more_time():
    """Without them the time was over before it began."""
    content = StreamReader(FakeProtocol(), limit=1 << 16, loop=asyncio.get_running_loop())
    pace = Pace(body_grace_s=0.0, body_bytes_per_s=1.0)
    source = BodyDeadline(content, pace, FakeClient(left=0, takes=0))
    content.feed_data(b"x" * 1000)
    assert await source.piece() == b"x" * 1000
    asyncio.get_running_loop().call_soon(content.feed_data, b"y")
    assert await source.piece() == b"y"
    content.feed_eof()
    assert await source.piece() == b""
    assert "1001 bytes" in repr(source)


class FakeProtocol(BaseProtocol):
    """What a stream reader asks its connection for, without one."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.transport = asyncio.Transport()


async def test_a_client_that_stalls_takes_the_blame_from_the_legacy_host(snapshot: Snapshot):
    async with (
        legacy_of(LegacyScript()) as legacy,
        edge_of(snapshot, legacy_url=legacy.url, legacy_timeout_s=0.05) as edge,
        client_of(edge.url) as client,
    ):
        # Chunks are passed on as they come: their client may wait for a part of the answer.
        begun = request("POST", "/old", "Transfer-Encoding: chunked") + b"5\r\n{"
        reply = await client.ask(begun)
        assert (reply.status, reply.closes) == (408, True)
        assert "cutover_upstream_errors_total{" not in edge.shown_metrics()
        assert edge.lines()[0]["side"] == "proxy"


async def test_a_body_that_drips_holds_no_connection_to_the_legacy_host(snapshot: Snapshot):
    async with (
        legacy_of(LegacyScript()) as legacy,
        edge_of(snapshot, legacy_url=legacy.url, read_limits=HASTE) as edge,
        client_of(edge.url) as client,
    ):
        reply = await client.ask(request("POST", "/old", "Content-Length: 2") + b"{")
        assert (reply.status, reply.closes) == (408, True)
        assert legacy.connections == 0


async def test_a_body_that_comes_in_pieces_is_passed_on_as_one(snapshot: Snapshot):
    async with (
        legacy_of(LegacyScript()) as legacy,
        edge_of(snapshot, legacy_url=legacy.url) as edge,
        client_of(edge.url) as client,
    ):
        client.write(request("POST", "/old", "Content-Length: 4") + b"{")
        await until(lambda: edge.frontend.serving.inflight == 1)
        assert (await client.ask(b"   ")).status == 200
        assert legacy.heard[0].body == b"{   "


async def test_of_a_long_body_only_the_beginning_is_waited_for(snapshot: Snapshot):
    body = b"x" * 1_000_000
    async with (
        legacy_of(LegacyScript()) as legacy,
        edge_of(snapshot, legacy_url=legacy.url) as edge,
        client_of(edge.url) as client,
    ):
        client.write(request("POST", "/old", f"Content-Length: {len(body)}") + body[:200_000])
        await until(lambda: legacy.connections == 1)
        assert (await client.ask(body[200_000:])).status == 200
        assert legacy.heard[0].body == body


ONE = ConnectionLimits(max_inflight=1)


async def test_slow_clients_do_not_keep_others_out(snapshot: Snapshot):
    async with (
        edge_of(snapshot, connection_limits=ONE) as edge,
        client_of(edge.url) as slow,
        client_of(edge.url) as other,
    ):
        slow.write(request("POST", "/v1/items", "Content-Length: 2") + b"{")
        await until(lambda: edge.frontend.serving.inflight == 1)
        await until(lambda: edge.frontend.admission.inflight == 0)
        for _ in range(3):
            assert (await other.ask(request("GET", "/v1/items"))).status == 200
        assert (await slow.ask(b"}")).status == 200
        await until(lambda: edge.frontend.admission.inflight == 0)
        assert edge.frontend.admission.aside_bytes == 0


async def test_slow_readers_do_not_keep_others_out(snapshot: Snapshot):
    large = answers(item(shelf="x" * 12_000_000))
    handlers = {**HANDLERS, method("Get"): large}
    async with edge_of(snapshot, handlers, connection_limits=ONE) as edge:
        async with client_of(edge.url) as slow, client_of(edge.url) as other:
            slow.write(request("GET", "/v1/items/1"))
            await until(lambda: edge.frontend.admission.aside_bytes > 0)
            assert (await other.ask(request("GET", "/v1/items"))).status == 200
        await until(lambda: edge.frontend.admission.aside_bytes == 0)
        await until(lambda: edge.frontend.admission.inflight == 0)


async def test_slow_clients_that_hold_too_much_keep_their_places(snapshot: Snapshot):
    async with (
        edge_of(snapshot, connection_limits=ONE) as edge,
        client_of(edge.url) as slow,
        client_of(edge.url) as other,
    ):
        edge.frontend.admission.aside_bytes = MAX_ASIDE_BYTES
        slow.write(request("POST", "/v1/items", "Content-Length: 3") + b"{")
        await until(lambda: edge.frontend.serving.inflight == 1)
        slow.write(b" ")
        await until(lambda: edge.frontend.admission.inflight == 1)
        assert (await other.ask(request("GET", "/v1/items"))).status == 503
        assert (await slow.ask(b"}")).status == 200
        assert edge.frontend.admission.aside_bytes == MAX_ASIDE_BYTES


def endless(served_to: list[Served]) -> Handler:
    async def handle(served: Served) -> AsyncIterator[bytes]:
        served_to.append(served)
        while True:
            yield item(shelf="x" * 60_000)

    return handle


async def test_a_client_that_stops_reading_is_cut_off(snapshot: Snapshot):
    served: list[Served] = []
    handlers = {**HANDLERS, method("Watch"): endless(served)}
    async with (
        edge_of(snapshot, handlers, read_limits=HASTE) as edge,
        client_of(edge.url) as client,
    ):
        client.write(request("GET", "/v1/items/1:watch"))
        await until(lambda: bool(edge.lines()))
        (line,) = edge.lines()
        assert line["error"] == "the client has stopped reading"
        assert served[0].was_cancelled


async def test_a_whole_answer_that_nobody_reads_is_cut_off_too(snapshot: Snapshot):
    large = answers(item(shelf="x" * 12_000_000))
    handlers = {**HANDLERS, method("Get"): large}
    async with (
        edge_of(snapshot, handlers, read_limits=HASTE) as edge,
        client_of(edge.url) as client,
    ):
        client.write(request("GET", "/v1/items/1"))
        await until(lambda: bool(edge.lines()))
        assert edge.lines()[0]["error"] == "the client has stopped reading"


class FakeClient:
    """A client's end of a connection: takes a byte whenever it is looked at, or none at all."""

    writing_paused = True

    def __init__(self, left: int, takes: int) -> None:
        self.left, self.takes, self.is_cut = left, takes, False
        self.protocol = self.transport = self.writer = self
        self._done = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        self.left -= self.takes
        if self.left <= 0:
            self._done.set()
        return self.left

    @contextmanager
    def set_aside(self, held_bytes: int) -> Iterator[None]:
        self.held_bytes = held_bytes
        yield

    async def drain(self) -> None:
        await self._done.wait()

    def abort(self) -> None:
        self.is_cut = True


async def test_a_slow_reader_that_moves_on_is_waited_for():
    client = FakeClient(left=20, takes=1)
    await drained(client, Pace(stall_s=0.0))
    assert client.left <= 0
    assert not client.is_cut


async def test_a_reader_that_does_not_move_on_is_not():
    client = FakeClient(left=20, takes=0)
    with pytest.raises(ConnectionAbortedError):
        await drained(client, Pace(stall_s=0.0))
    assert client.is_cut


async def test_a_connection_that_is_gone_takes_nothing():
    client = FakeClient(left=20, takes=0)
    client.transport = None
    with pytest.raises(ConnectionResetError):
        await drained(client, Pace())


# --- clients that go away


async def test_a_client_that_leaves_cancels_its_call(snapshot: Snapshot):
    began, served_to = asyncio.Event(), list[Served]()

    async def hang(served: Served) -> AsyncIterator[bytes]:
        served_to.append(served)
        began.set()
        await asyncio.Event().wait()
        yield b""

    handlers = {**HANDLERS, method("Get"): hang, method("Watch"): hang}
    for target in ("/v1/items/1", "/v1/items/1:watch"):
        async with edge_of(snapshot, handlers) as edge:
            async with client_of(edge.url) as client:
                client.write(request("GET", target))
                await began.wait()
            await served_to[-1].ended.wait()
            assert served_to[-1].was_cancelled
            await until(lambda edge=edge: bool(edge.lines()))
            (line,) = edge.lines()
            assert (line["status"], line["error"]) == (499, "the client went away")
            assert edge.metrics.inflight == 0


async def test_a_client_that_leaves_in_the_midst_of_a_stream_cancels_it(snapshot: Snapshot):
    served: list[Served] = []
    handlers = {**HANDLERS, method("Watch"): endless(served)}
    async with edge_of(snapshot, handlers) as edge:
        async with client_of(edge.url) as client:
            client.write(request("GET", "/v1/items/1:watch"))
            await client.head()
            await client.chunk()
        await until(served[0].ended.is_set)
        assert served[0].was_cancelled
        await until(lambda: bool(edge.lines()))
        assert edge.lines()[0]["bytes_out"] > 0


async def test_a_slow_reader_slows_the_stream_down(snapshot: Snapshot):
    """Only what the sockets hold is taken from the server while nobody reads."""
    sent = 0

    async def count(_: Served) -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 2000:
            sent += 1
            yield item(shelf="x" * 100_000)

    handlers = {**HANDLERS, method("Watch"): count}
    async with edge_of(snapshot, handlers) as edge, client_of(edge.url) as client:
        client.write(request("GET", "/v1/items/1:watch"))
        await client.head()
        before = -1
        while before != sent:
            before = sent
            for _ in range(50):
                await asyncio.to_thread(lambda: None)
        assert sent < 400
        for _ in range(sent + 1):
            await client.chunk()
        assert sent > before


async def test_a_write_reaches_the_legacy_host_though_its_client_leaves(snapshot: Snapshot):
    script, answer_now, answered = LegacyScript(), asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        script.left.set()
        await answer_now.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
        await writer.drain()
        answered.set()

    script.talk = talk
    async with legacy_of(script), edge_of(snapshot, legacy_url=script.url) as edge:
        async with client_of(edge.url) as client:
            client.write(request("DELETE", "/old"))
            await script.left.wait()
        await until(lambda: bool(edge.lines()))
        assert edge.lines()[0]["error"] == "the client went away"
        answer_now.set()
        await answered.wait()


async def test_a_read_that_nobody_waits_for_is_given_up(snapshot: Snapshot):
    script, gone = LegacyScript(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        script.left.set()
        try:
            await reader.read()
        finally:
            gone.set()

    script.talk = talk
    async with legacy_of(script), edge_of(snapshot, legacy_url=script.url) as edge:
        async with client_of(edge.url) as client:
            client.write(request("GET", "/old"))
            await script.left.wait()
        await gone.wait()


@pytest.mark.parametrize("target", ["/v1/items", "/old"])
async def test_a_client_that_leaves_before_its_answer_costs_nothing(
    snapshot: Snapshot, target: str
):
    async with (
        legacy_of(LegacyScript()) as legacy,
        edge_of(snapshot, legacy_url=legacy.url) as edge,
    ):
        for _ in range(5):
            async with client_of(edge.url) as client:
                client.write(request("GET", target))
        async with client_of(edge.url) as client:
            assert (await client.ask(request("GET", target))).status == 200
        await until(lambda: edge.metrics.inflight == 0)
