"""More requests and connections than there is room for: refused at once, counted, and no more."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web_protocol

from proxy.routing.snapshot import Snapshot
from proxy.server.admission import AT_EASE_S
from proxy.server.http_server import MAX_TURNED_AWAY, HttpServer, TurnedAway
from proxy.server.protocol import ConnectionLimits, HeaderLimits
from proxy.status import Code
from tests.fakes import Abort, Served
from tests.live.edge import HANDLERS, Edge, edge_of, item, method
from tests.live.wire import Client, chunked, client_of, request
from tests.waiting import until

GET = request("GET", "/v1/items/1")
LIST = request("GET", "/v1/items")
FULL = ConnectionLimits(max_inflight=1)
CHUNKED = "Transfer-Encoding: chunked"


class Gate:
    """A handler that lets calls end when it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.waiting = 0

    async def __call__(self, _: Served) -> AsyncIterator[bytes]:
        self.waiting += 1
        try:
            await self.opened.wait()
        finally:
            self.waiting -= 1
        yield item(id="1")


@asynccontextmanager
async def full_edge(snapshot: Snapshot, **options) -> AsyncIterator[tuple[Edge, Client, Gate]]:
    """An edge with one place, which a call holds until its gate is opened."""
    gate = Gate()
    handlers = {**HANDLERS, method("Get"): gate}
    options.setdefault("connection_limits", FULL)
    async with edge_of(snapshot, handlers, **options) as edge, client_of(edge.url) as busy:
        busy.write(GET)
        await until(lambda: gate.waiting == 1)
        yield edge, busy, gate


def counted(edge: Edge, **labels: str) -> int:
    """What the metrics count of requests with *labels*."""
    total = 0.0
    for line in edge.shown_metrics().splitlines():
        if line.startswith("cutover_requests_total{"):
            found = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels.items() <= found.items():
                total += float(line.rpartition(" ")[2])
    return int(total)


async def test_one_too_many_gets_503_at_once_and_may_ask_again(snapshot: Snapshot):
    async with full_edge(snapshot) as (edge, busy, gate), client_of(edge.url) as client:
        for _ in range(3):
            reply = await client.ask(GET)
            assert (reply.status, reply["retry-after"], reply.closes) == (503, "1", False)
            assert reply["content-type"] == "application/json"
            assert reply.json() == {
                "code": 14,
                "message": "the proxy has too many requests to answer",
                "details": [],
            }
        assert gate.waiting == 1
        gate.opened.set()
        assert (await busy.reply()).status == 200
        assert (await client.ask(GET)).status == 200


async def test_every_refusal_is_counted_and_logged(snapshot: Snapshot):
    async with full_edge(snapshot) as (edge, busy, gate), client_of(edge.url) as client:
        for _ in range(5):
            await client.ask(GET)
        # One that cannot be refused without the parser.
        await client.ask(GET.replace(b"GET", b"HEAD"))
        gate.opened.set()
        await busy.reply()
        await edge.frontend.drain(1.0)
        lines = edge.lines()
        refused = [line for line in lines if line["status"] == 503]
        assert sum(line.get("count", 1) for line in refused) == 6
        assert {(line["side"], line["reason"], line["grpc_code"]) for line in refused} == {
            ("proxy", "refused", "UNAVAILABLE")
        }
        assert {line["error"] for line in refused} == {"the proxy has too many requests to answer"}
        assert counted(edge, side="proxy", code_class="5xx", reason="refused") == 6
        assert counted(edge) == 7
        assert 'cutover_refused_total{reason="inflight"} 6.0' in edge.shown_metrics()
        assert edge.metrics.inflight == 0


SLOW_WAYS = {
    "HEAD": GET.replace(b"GET", b"HEAD"),
    "HTTP/1.0": b"GET /v1/items/1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "chunks": request("POST", "/v1/items", CHUNKED) + chunked(b"{}"),
    "an odd name": request("GET", "/v1/items/1", "A!: b"),
    "two at once": GET + GET,
}


@pytest.mark.parametrize("sent", SLOW_WAYS.values(), ids=SLOW_WAYS.keys())
async def test_the_slow_way_gives_the_same_answer(snapshot: Snapshot, sent: bytes):
    async with full_edge(snapshot) as (edge, _, gate), client_of(edge.url) as client:
        reply = await client.ask(sent)
        assert (reply.status, reply["retry-after"], reply.closes) == (503, "1", False)
        if sent == GET + GET:
            assert (await client.reply()).status == 503
        assert (await client.ask(GET)).status == 503
        assert gate.waiting == 1


async def test_a_head_in_two_pieces_is_not_taken_for_two(snapshot: Snapshot):
    async with (
        full_edge(snapshot) as (edge, _, gate),
        client_of(edge.url) as client,
        client_of(edge.url) as other,
    ):
        client.write(b"POST /v1/items HTTP/1.1\r\nContent-Length: 50\r\nA: ")
        await until(lambda: edge.frontend.connections == 3)
        assert (await other.ask(GET)).status == 503
        # What comes next looks like a request of its own.
        client.write(GET)
        reply = await client.reply()
        assert (reply.status, reply.closes) == (503, True)
        assert (gate.waiting, edge.frontend.admission.inflight) == (1, 1)


async def test_what_follows_a_body_in_pieces_is_still_the_body(snapshot: Snapshot):
    """Its rest looks like a request; were it taken for one, two answers would come."""
    rest = request("GET", "/v1/items/smuggled")
    async with edge_of(snapshot, connection_limits=FULL) as edge, client_of(edge.url) as client:
        client.write(request("POST", "/v1/items", f"Content-Length: {2 + len(rest)}") + b"  ")
        await until(lambda: edge.frontend.serving.inflight == 1)
        edge.frontend.admission.allow(0)
        assert edge.frontend.admission.is_full()
        reply = await client.ask(rest)
        assert (reply.status, reply.closes) == (400, False)
        assert [line["bytes_in"] for line in edge.lines()] == [2 + len(rest)]
        assert (await client.ask(LIST)).status == 503


async def test_a_body_that_has_not_come_ends_the_connection(snapshot: Snapshot):
    async with full_edge(snapshot) as (edge, _, _), client_of(edge.url) as client:
        reply = await client.ask(request("POST", "/v1/items", "Content-Length: 100000"))
        assert (reply.status, reply.closes) == (503, True)


async def test_a_whole_body_is_refused_with_its_request(snapshot: Snapshot):
    async with full_edge(snapshot) as (edge, _, _), client_of(edge.url) as client:
        for _ in range(3):
            reply = await client.ask(request("POST", "/v1/items", body=b"GET / HTTP/1.1\r\n\r\n"))
            assert (reply.status, reply.closes) == (503, False)
        await until(lambda: counted(edge, reason="refused") == 3)
        assert [line["count"] for line in edge.lines()] == [3]


async def test_an_answer_that_is_under_way_is_not_broken_into(snapshot: Snapshot):
    """A request sent ahead waits behind it, full or not."""
    async with full_edge(snapshot) as (_, busy, gate):
        busy.write(LIST)
        gate.opened.set()
        first, second = await busy.reply(), await busy.reply()
        assert first.body == b'{"id":"1"}'
        assert second.status == 200


async def test_what_is_sent_ahead_is_taken_in_by_and_by(snapshot: Snapshot):
    """As many requests as the parser may hold, of one connection, and the one that is answered."""
    gate = Gate()
    handlers = {**HANDLERS, method("Get"): gate}
    async with edge_of(snapshot, handlers) as edge, client_of(edge.url) as client:
        client.write(GET * 500)
        await until(lambda: gate.waiting == 1)
        async with client_of(edge.url) as other:
            assert (await other.ask(LIST)).status == 200
        assert edge.frontend.admission.inflight <= web_protocol.MAX_MSG_QUEUE_SIZE + 1
        gate.opened.set()
        for _ in range(500):
            assert (await client.reply()).status == 200
        await until(lambda: edge.frontend.admission.inflight == 0)


async def test_while_it_drains_a_refusal_ends_the_connection(snapshot: Snapshot):
    async with full_edge(snapshot) as (edge, _, _), client_of(edge.url) as client:
        assert (await client.ask(GET)).closes is False
        edge.frontend.discourage()
        reply = await client.ask(GET)
        assert (reply.status, reply.closes) == (503, True)


async def test_clients_that_leave_make_room(snapshot: Snapshot):
    gate = Gate()
    limits = ConnectionLimits(max_inflight=100)
    handlers = {**HANDLERS, method("Get"): gate}
    async with edge_of(snapshot, handlers, connection_limits=limits) as edge:
        for sent in (GET, GET * 5, GET + b"GET ", GET + b"bad\n\n", b"bad\n\n", b"GET /"):
            async with client_of(edge.url) as client:
                client.write(sent)
                await until(lambda: edge.frontend.connections == 1)
            await until(lambda: edge.frontend.connections == 0)
        await until(lambda: edge.frontend.admission.inflight == 0)
        assert gate.waiting == 0
        assert edge.frontend.admission.busy == 0


async def test_a_stream_holds_a_place_but_does_not_keep_the_cpu_busy(snapshot: Snapshot):
    go = asyncio.Event()

    async def watch(_: Served) -> AsyncIterator[bytes]:
        yield item(id="1")
        await go.wait()

    handlers = {**HANDLERS, method("Watch"): watch}
    async with (
        edge_of(snapshot, handlers, connection_limits=FULL) as edge,
        client_of(edge.url) as watching,
        client_of(edge.url) as client,
    ):
        watching.write(request("GET", "/v1/items/1:watch"))
        await watching.head()
        await watching.chunk()
        admission = edge.frontend.admission
        assert (admission.inflight, admission.busy) == (1, 0)
        assert (await client.ask(GET)).status == 503
        go.set()
        async for _ in watching.chunks():
            pass
        await until(lambda: admission.inflight == 0)
        assert admission.streaming == 0


async def test_a_backend_that_is_down_takes_no_room_from_others(snapshot: Snapshot):
    async def no_room(_: Served) -> AsyncIterator[bytes]:
        raise Abort(Code.UNAVAILABLE)
        yield b""

    handlers = {**HANDLERS, method("Get"): no_room}
    async with edge_of(snapshot, handlers) as edge, client_of(edge.url) as client:
        admission = edge.frontend.admission
        # As if the loop were short of time, for the next minute.
        admission.began(2 * AT_EASE_S, time.monotonic() + 60.0)
        assert (await client.ask(GET)).status == 503
        assert admission.limit == admission.max_inflight


# --- connections


TWO = ConnectionLimits(max_connections=2)


async def test_a_connection_too_many_is_told_so_and_closed(snapshot: Snapshot):
    async with edge_of(snapshot, connection_limits=TWO) as edge:
        async with client_of(edge.url) as first, client_of(edge.url) as second:
            assert (await first.ask(LIST)).status == 200
            assert (await second.ask(LIST)).status == 200
            async with client_of(edge.url) as third:
                reply = await third.ask(LIST)
                assert (reply.status, reply.closes, reply["retry-after"]) == (503, True, "1")
                assert await third.rest() == b""
            assert (await first.ask(LIST)).status == 200
        await until(lambda: edge.frontend.connections == 0)
        async with client_of(edge.url) as fourth:
            assert (await fourth.ask(LIST)).status == 200
        await until(lambda: 'reason="connections"} 1.0' in edge.shown_metrics())
        assert counted(edge, reason="refused") == 1


async def test_connections_too_many_that_say_nothing_are_cut(snapshot: Snapshot):
    limits = ConnectionLimits(max_connections=1, header_timeout_s=0.05)
    async with edge_of(snapshot, connection_limits=limits) as edge, client_of(edge.url) as first:
        assert (await first.ask(LIST)).status == 200
        async with client_of(edge.url) as second:
            assert await second.rest() == b""
        await until(lambda: edge.frontend.connections == 1)
        assert counted(edge, reason="refused") == 0


async def test_a_drain_cuts_connections_too_many(snapshot: Snapshot):
    limits = ConnectionLimits(max_connections=1)
    async with edge_of(snapshot, connection_limits=limits) as edge, client_of(edge.url) as first:
        assert (await first.ask(LIST)).status == 200
        async with client_of(edge.url) as second:
            await until(lambda: edge.frontend.connections == 2)
            await edge.frontend.drain(5.0)
            assert await second.rest() == b""


async def test_only_so_many_wait_to_be_turned_away(snapshot: Snapshot):
    limits = ConnectionLimits(max_connections=1)
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(edge_of(snapshot, connection_limits=limits))
        first = await stack.enter_async_context(client_of(edge.url))
        assert (await first.ask(LIST)).status == 200
        for _ in range(MAX_TURNED_AWAY):
            await stack.enter_async_context(client_of(edge.url))
        await until(lambda: edge.frontend.connections == 1 + MAX_TURNED_AWAY)
        async with client_of(edge.url) as last:
            last.write(LIST)
            assert await last.rest() == b""
        assert (await first.ask(LIST)).status == 200
        assert edge.frontend.connections == 1 + MAX_TURNED_AWAY


async def test_a_connection_that_was_turned_away_is_not_listened_to_any_more():
    loop = asyncio.get_running_loop()
    server = HttpServer(
        *(unused, unused, lambda _: b"answer", lambda *_: None),
        *(HeaderLimits(100, 100, 10), ConnectionLimits()),
    )
    here, there = socket.socketpair()
    _, turned_away = await loop.connect_accepted_socket(lambda: TurnedAway(server), here)
    turned_away.data_received(b"GET ")
    turned_away.data_received(b"/")
    assert "TurnedAway" in repr(turned_away)
    assert (await loop.run_in_executor(None, there.recv, 100)) == b"answer"
    await until(lambda: not server.turned_away)
    turned_away.data_received(b"more")
    turned_away.cut()
    there.close()
    server.finish()


def unused(*_: object) -> None:
    raise AssertionError
