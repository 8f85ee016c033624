"""No room: by route and by upstream. It is our own doing, and neither side's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.cutover.breaker import BreakerState
from proxy.cutover.guard import RouteGuard
from proxy.routing.snapshot import Snapshot
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.rest import RestOptions
from tests.exchange.steered import Steered, steered
from tests.fakes import Served
from tests.live.edge import HANDLERS, edge_of, load, method
from tests.live.wire import OK, LegacyScript, Reply, client_of, legacy_of, read_request, request
from tests.upstreams.servers import grpc_server
from tests.waiting import until

ROUTES = """\
- {rpc: edge.v1.Items.List, name: list-items, max_inflight: 1, fallback: {on: [not_ready]}}
- {rpc: edge.v1.Items.Create, name: create-item, stage: legacy, max_inflight: 1}
- {rpc: edge.v1.Items.Watch, name: watch-item, max_inflight: 1}
"""


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return asyncio.run(load(more=ROUTES))


class Gate:
    """A handler, and a legacy host, that answer when they are told to."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.waiting = 0

    async def __call__(self, _: Served) -> AsyncIterator[bytes]:
        async with self.passage():
            yield b""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            async with self.passage():
                writer.write(OK)

    @asynccontextmanager
    async def passage(self) -> AsyncIterator[None]:
        self.waiting += 1
        await self.opened.wait()
        self.waiting -= 1
        yield


def guard_of(stand: Steered, name: str) -> RouteGuard:
    route = next(each for each in stand.edge.snapshot.routes if each.name == name)
    assert route.guard is not None
    return stand.edge.control.guard_of(name, route.guard)


def assert_no_room(reply: Reply) -> None:
    assert (reply.status, reply["retry-after"], reply.json()["code"]) == (503, "1", 14)
    assert reply.all("x-cutover-fallback") == []


@pytest.mark.parametrize(
    ("http_method", "target", "side"),
    [
        ("GET", "/v1/items", "grpc"),
        ("POST", "/v1/items", "legacy"),
        ("GET", "/v1/items/1:watch", "grpc"),
    ],
)
async def test_a_route_that_is_slow_leaves_room_for_the_others(
    snapshot: Snapshot, http_method: str, target: str, side: str
):
    gate = Gate()
    handlers = {**HANDLERS, method("List"): gate, method("Watch"): gate}
    async with (
        steered(snapshot, handlers, script=LegacyScript(talk=gate.talk)) as stand,
        client_of(stand.edge.url) as busy,
    ):
        busy.write(request(http_method, target))
        await until(lambda: gate.waiting == 1)
        for _ in range(3):
            reply, line = await stand.ask(http_method, target)
            assert_no_room(reply)
            assert (line["side"], line["reason"]) == ("proxy", "refused")
        assert (await stand.ask("GET", "/v1/items/1"))[0].status == 200
        assert stand.total("cutover_refused_total", 'reason="route"') == 3
        name = stand.edge.lines()[0]["route"]
        assert guard_of(stand, name).counts.legacy.requests == 0
        assert guard_of(stand, name).counts.grpc.requests == 0
        gate.opened.set()
        assert (await busy.reply()).status == 200
        # A stream is over a little later than its last byte is read.
        await until(lambda: not +stand.edge.control.inflight)
        reply, line = await stand.ask(http_method, target)
        assert (reply.status, line["side"]) == (200, side)


async def test_a_stream_is_in_flight_until_its_end(snapshot: Snapshot):
    gate = Gate()

    async def watch(served: Served) -> AsyncIterator[bytes]:
        yield b""
        async for message in gate(served):
            yield message

    async with (
        edge_of(snapshot, {**HANDLERS, method("Watch"): watch}) as edge,
        client_of(edge.url) as busy,
        client_of(edge.url) as other,
    ):
        busy.write(request("GET", "/v1/items/1:watch"))
        await until(lambda: gate.waiting == 1)
        assert_no_room(await other.ask(request("GET", "/v1/items/1:watch")))
        gate.opened.set()
        assert (await busy.reply()).status == 200
        await until(lambda: not +edge.control.inflight)
        assert (await other.ask(request("GET", "/v1/items/1:watch"))).status == 200


async def test_a_client_that_leaves_makes_room(snapshot: Snapshot):
    gate = Gate()
    async with edge_of(snapshot, {**HANDLERS, method("List"): gate}) as edge:
        async with client_of(edge.url) as busy:
            busy.write(request("GET", "/v1/items"))
            await until(lambda: gate.waiting == 1)
        await until(lambda: not +edge.control.inflight)


async def test_a_request_that_is_refused_is_not_read(snapshot: Snapshot):
    gate = Gate()
    async with (
        steered(snapshot, script=LegacyScript(talk=gate.talk)) as stand,
        client_of(stand.edge.url) as busy,
        client_of(stand.edge.url) as other,
    ):
        busy.write(request("POST", "/v1/items"))
        await until(lambda: gate.waiting == 1)
        # Its body never comes.
        reply = await other.ask(request("POST", "/v1/items", "Content-Length: 1000"))
        assert_no_room(reply)
        assert reply.closes


async def test_an_upstream_without_room_is_not_taken_for_one_that_is_down(snapshot: Snapshot):
    """Legacy gets no more than it had, and the breaker knows of no failure."""
    gate = Gate()
    options = GrpcOptions(max_inflight=1, watch_health=False)
    async with (
        grpc_server({**HANDLERS, method("Get"): gate}) as port,
        H2Upstream(f"127.0.0.1:{port}", options) as upstream,
        steered(snapshot, upstream=upstream) as stand,
        client_of(stand.edge.url) as busy,
    ):
        busy.write(request("GET", "/v1/items/1"))
        await until(lambda: gate.waiting == 1)
        for target in ("/v1/items", "/v1/items/2", "/v1/items/1:watch") * 10:
            reply, line = await stand.ask("GET", target)
            assert_no_room(reply)
            assert (line["side"], line["reason"]) == ("proxy", "refused")
        assert stand.legacy.heard == []
        assert stand.total("cutover_refused_total", 'reason="upstream"') == 30
        for name in ("list-items", "get-item", "watch-item"):
            assert guard_of(stand, name).counts.grpc.requests == 0
            assert stand.edge.control.breaker_of(name) is BreakerState.CLOSED
        gate.opened.set()
        assert (await busy.reply()).status == 200
        await until(lambda: not upstream.inflight)
        assert (await stand.ask("GET", "/v1/items/2"))[0].status == 200


async def test_a_legacy_host_without_room_is_not_blamed(snapshot: Snapshot):
    gate = Gate()
    async with (
        legacy_of(LegacyScript(talk=gate.talk)) as legacy,
        edge_of(
            snapshot,
            legacy_url=legacy.url,
            legacy_options=RestOptions(max_connections=1),
            legacy_timeout_s=0.05,
        ) as edge,
        client_of(edge.url) as busy,
        client_of(edge.url) as other,
    ):
        stand = Steered(edge, legacy)
        busy.write(request("POST", "/v1/items"))
        await until(lambda: gate.waiting == 1)
        assert_no_room(await other.ask(request("GET", "/not/mapped")))
        assert stand.total("cutover_upstream_errors_total", 'upstream="legacy"') == 0
        assert stand.total("cutover_refused_total", 'reason="upstream"') == 1
        gate.opened.set()
        assert (await busy.reply()).status == 200
