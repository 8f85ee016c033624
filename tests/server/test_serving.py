"""What is served with is swapped while requests are in flight."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from proxy.errors import StatusError
from proxy.exchange.messages import Answer, Outcome
from proxy.routing.snapshot import Snapshot
from proxy.server.protocol import ConnectionLimits, HeaderLimits
from proxy.server.serving import Serving
from tests.fakes import Served
from tests.live.edge import HANDLERS, edge_of, item, method
from tests.live.wire import client_of, request
from tests.waiting import until

GET = request("GET", "/v1/items/1")


class Other:
    """An exchange of another generation."""

    async def answer(self, _: object, outcome: Outcome) -> Answer:
        return Answer(200, (), b"other")

    def unread(self, error: StatusError) -> Answer:
        return Answer(error.http_status, ())


def other_than(serving: Serving, **changes: object) -> Serving:
    return replace(serving, exchange=Other(), inflight=0, is_retired=False, **changes)


async def test_a_request_ends_with_what_it_began_with(snapshot: Snapshot):
    go, began = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def slow(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await go.wait()
        yield item(id="1")

    async with (
        edge_of(snapshot, {**HANDLERS, method("Get"): slow}) as edge,
        client_of(edge.url) as early,
        client_of(edge.url) as late,
    ):
        first = edge.frontend.serving
        first.on_idle = lambda: ended.append("first")
        early.write(GET)
        await began.wait()
        edge.frontend.serve(other_than(first))
        assert (await late.ask(GET)).body == b"other"
        assert (first.inflight, ended) == (1, [])
        go.set()
        assert (await early.reply()).body == b'{"id":"1"}'
        # The answer is sent before the request is counted out.
        await until(lambda: ended == ["first"])
        assert (await early.ask(GET)).body == b"other"
        assert first.inflight == 0
        assert ended == ["first"]


async def test_an_idle_serving_that_is_replaced_ends_at_once_and_only_once(snapshot: Snapshot):
    ended: list[str] = []
    async with edge_of(snapshot) as edge:
        first = edge.frontend.serving
        first.on_idle = lambda: ended.append("first")
        edge.frontend.serve(first)
        assert ended == []
        edge.frontend.serve(other_than(first))
        first.retire()
        assert ended == ["first"]


async def test_what_cannot_be_parsed_counts_nothing_in(snapshot: Snapshot):
    async with edge_of(snapshot) as edge, client_of(edge.url) as client:
        assert (await client.ask(b"GET / HTTP/1.1\nHost: a\n\n")).status == 400
        assert edge.frontend.serving.inflight == 0


async def test_connections_made_later_get_the_new_limits(snapshot: Snapshot):
    field = request("GET", "/v1/items/1", f"X-Long: {'x' * 500}")
    async with edge_of(snapshot) as edge, client_of(edge.url) as early:
        assert (await early.ask(field)).status == 200
        edge.frontend.serve(
            other_than(
                edge.frontend.serving,
                header_limits=HeaderLimits(url_bytes=200, field_bytes=300, fields=10),
                connection_limits=ConnectionLimits(keepalive_timeout_s=0.05),
            )
        )
        async with client_of(edge.url) as late:
            assert (await late.ask(field)).status == 431
        async with client_of(edge.url) as late:
            assert (await late.ask(GET)).body == b"other"
            assert await late.rest() == b""
        assert (await early.ask(field)).body == b"other"
