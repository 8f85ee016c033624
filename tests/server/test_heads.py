"""Clients that do not finish what they owe first: the head of a request."""

import asyncio
from collections.abc import AsyncIterator

from proxy.routing.snapshot import Snapshot
from proxy.server.heads import HeadWatch
from proxy.server.protocol import ConnectionLimits
from tests.fakes import Served
from tests.live.edge import HANDLERS, edge_of, item, method
from tests.live.wire import Client, Reply, client_of, request
from tests.waiting import until

LIST = request("GET", "/v1/items")
HASTE = ConnectionLimits(header_timeout_s=0.05)


async def test_a_connection_that_says_nothing_is_closed_without_a_word(snapshot: Snapshot):
    async with edge_of(snapshot, connection_limits=HASTE) as edge, client_of(edge.url) as client:
        assert await client.rest() == b""
        assert edge.lines() == []


async def test_a_head_that_drips_gets_408_and_the_end_of_the_connection(snapshot: Snapshot):
    async with edge_of(snapshot, connection_limits=HASTE) as edge, client_of(edge.url) as client:
        reply = await drip(client)
        assert (reply.status, reply.closes) == (408, True)
        assert reply.json() == {
            "code": 4,
            "message": "the request's header came too slowly",
            "details": [],
        }
        (line,) = edge.lines()
        assert (line["status"], line["client"], line["path"]) == (408, "127.0.0.1", "")
        assert edge.metrics.inflight == 0
        await until(lambda: edge.frontend.connections == 0)


async def drip(client: Client) -> Reply:
    """Send a header byte by byte, until there is an answer."""
    client.write(b"GET / HTTP/1.1\r\nX: ")
    reply = asyncio.ensure_future(client.reply())
    while not reply.done():
        client.write(b"x")
        await asyncio.wait({asyncio.ensure_future(asyncio.to_thread(lambda: None))})
    return reply.result()


async def test_the_second_head_of_a_connection_has_its_own_time(snapshot: Snapshot):
    async with edge_of(snapshot, connection_limits=HASTE) as edge, client_of(edge.url) as client:
        assert (await client.ask(LIST)).status == 200
        client.write(b"G")
        assert (await client.reply()).status == 408


async def test_a_connection_between_requests_is_left_alone(snapshot: Snapshot):
    async with edge_of(snapshot, connection_limits=HASTE) as edge, client_of(edge.url) as client:
        assert (await client.ask(LIST)).status == 200
        # A body in two pieces ends where nothing begins.
        client.write(request("POST", "/v1/items", "Content-Length: 2") + b"{")
        await until(lambda: edge.frontend.serving.inflight == 1)
        assert (await client.ask(b"}")).status == 200
        async with client_of(edge.url) as other:
            assert await other.rest() == b""
        assert (await client.ask(LIST)).status == 200


async def test_a_rest_behind_a_request_that_is_answered_waits_for_the_answer(snapshot: Snapshot):
    go = asyncio.Event()

    async def slow(_: Served) -> AsyncIterator[bytes]:
        await go.wait()
        yield item(id="1")

    handlers = {**HANDLERS, method("Get"): slow}
    async with (
        edge_of(snapshot, handlers, connection_limits=HASTE) as edge,
        client_of(edge.url) as client,
    ):
        client.write(request("GET", "/v1/items/1"))
        await until(lambda: edge.frontend.admission.inflight == 1)
        client.write(b"GET ")
        async with client_of(edge.url) as other:
            # By then the head is overdue too.
            assert await other.rest() == b""
        go.set()
        assert (await client.reply()).status == 200
        assert (await client.reply()).status == 408


async def test_a_drain_waits_for_a_head_no_longer_than_its_time(snapshot: Snapshot):
    async with edge_of(snapshot, connection_limits=HASTE) as edge, client_of(edge.url) as client:
        client.write(b"GET ")
        await until(lambda: edge.frontend.connections == 1)
        async with client_of(edge.url) as other:
            assert (await other.ask(LIST)).status == 200
        await edge.frontend.drain(30.0)
        assert (await client.reply()).status == 408


# --- the watch


class Overdue:
    """A connection that notes when it is given up."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def head_overdue(self) -> None:
        self.at_s = asyncio.get_running_loop().time()


async def test_a_watch_gives_up_the_oldest_first_and_few_at_a_time():
    loop = asyncio.get_running_loop()
    watch = HeadWatch(loop)
    watch.timeout_s = 0.02
    began_s = loop.time()
    connections = [Overdue() for _ in range(120)]
    for connection in connections:
        watch.begin(connection)
        watch.begin(connection)
    assert (len(watch), connections[3] in watch) == (120, True)
    watch.end(connections[3])
    watch.end(connections[3])
    await until(lambda: not len(watch))
    times = [each.at_s for each in connections if each is not connections[3]]
    assert times == sorted(times)
    assert times[0] - began_s >= 0.02
    assert times[-1] > times[0]
    assert connections[3].at_s == 0.0
    assert repr(watch) == "<HeadWatch over 0 connections, 0.02 s>"


async def test_a_watch_waits_for_those_that_are_not_due():
    loop = asyncio.get_running_loop()
    watch = HeadWatch(loop)
    watch.timeout_s = 0.03
    early, late = Overdue(), Overdue()
    watch.begin(early)
    loop.call_later(0.02, watch.begin, late)
    await until(lambda: late.at_s > 0)
    assert late.at_s - early.at_s > 0.01
    watch.begin(early)
    watch.stop()
    assert not len(watch)
    watch.stop()
