"""Writes whose clients have left: to their end, told of once, and not without limit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from proxy.errors import UpstreamError
from proxy.exchange.orphans import Orphans
from proxy.routing.snapshot import Snapshot
from proxy.status import Code, Status
from tests.exchange.steered import steered
from tests.fakes import FakeClock, Served
from tests.live.edge import HANDLERS, method
from tests.live.wire import client_of, request
from tests.waiting import until

ENDED = "a write ended without its client"


class Held:
    """A handler that answers when it is let go."""

    def __init__(self) -> None:
        self.served: list[Served] = []
        self.go_on = asyncio.Event()

    async def handle(self, served: Served) -> AsyncIterator[bytes]:
        self.served.append(served)
        await self.go_on.wait()
        yield b""


async def test_a_write_that_was_sent_is_finished_and_told_of_once(snapshot: Snapshot):
    held = Held()
    async with steered(snapshot, {**HANDLERS, method("Create"): held.handle}) as stand:
        with capture_logs() as logs:
            async with client_of(stand.edge.url) as client:
                client.write(request("POST", "/v1/items", body=b"{}"))
                await until(lambda: bool(held.served))
            await until(lambda: bool(stand.edge.lines()))
            assert len(stand.edge.exchange.orphans) == 1
            assert "<Orphans 1>" in repr(stand.edge.exchange.orphans)
            held.go_on.set()
            await stand.edge.exchange.settle(1e12)
        (line,) = stand.edge.lines()
        assert (line["status"], line["error"]) == (499, "the client went away")
        assert [not served.was_cancelled for served in held.served] == [True]
        told = [each for each in logs if each["event"] == ENDED]
        assert [(each["write"], each["ended"]) for each in told] == [
            ("edge.v1.Items.Create", "answered")
        ]
        assert len(stand.edge.exchange.orphans) == 0


async def test_a_read_is_cancelled_when_its_client_leaves(snapshot: Snapshot):
    held = Held()
    async with steered(snapshot, {**HANDLERS, method("Get"): held.handle}) as stand:
        async with client_of(stand.edge.url) as client:
            client.write(request("GET", "/v1/items/1"))
            await until(lambda: bool(held.served))
        await until(lambda: held.served[0].was_cancelled)
        assert len(stand.edge.exchange.orphans) == 0


async def answered(_: object) -> None:
    return


async def leave(orphans: Orphans, work: asyncio.Event, ended: list[str]) -> asyncio.Task[None]:
    """A write that waits for *work*, whose client has left."""

    async def write() -> None:
        try:
            await work.wait()
        except asyncio.CancelledError:
            ended.append("cut")
            raise
        ended.append("done")

    client = asyncio.ensure_future(orphans.finish(write(), "a write", answered))
    await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(lambda: None))])
    client.cancel()
    with suppress(asyncio.CancelledError):
        await client
    return client


async def test_a_flood_of_clients_that_leave_does_not_grow_without_limit():
    orphans, work, ended = Orphans(FakeClock(), most=3), asyncio.Event(), list[str]()
    with capture_logs() as logs:
        for _ in range(5):
            await leave(orphans, work, ended)
        await until(lambda: ended == ["cut", "cut"])
        assert len(orphans) == 3
        work.set()
        await orphans.settle(1e12)
    assert ended == ["cut", "cut", "done", "done", "done"]
    events = [line["event"] for line in logs]
    assert events.count("a write was cut off: too many go on without clients") == 2
    assert events.count(ENDED) == 3


@pytest.mark.parametrize(
    "error",
    [UpstreamError(Status(Code.UNAVAILABLE, "it died")), ConnectionResetError("it died")],
)
async def test_a_write_that_fails_later_is_told_with_its_error(error: Exception):
    orphans, begun, work = Orphans(FakeClock(5.0)), asyncio.Event(), asyncio.Event()

    async def write() -> None:
        begun.set()
        await work.wait()
        raise error

    with capture_logs() as logs:
        client = asyncio.ensure_future(orphans.finish(write(), "PUT /x", answered))
        await begun.wait()
        client.cancel()
        with suppress(asyncio.CancelledError):
            await client
        work.set()
        await orphans.settle(1e12)
    assert [(line["write"], line["ended"]) for line in logs] == [("PUT /x", "it died")]


async def test_a_client_that_stays_gets_the_answer_or_the_error():
    orphans = Orphans(FakeClock())

    async def right() -> int:
        return 7

    async def wrong() -> int:
        raise UpstreamError(Status(Code.UNAVAILABLE, "it died"))

    assert await orphans.finish(right(), "a write", answered) == 7
    with pytest.raises(UpstreamError):
        await orphans.finish(wrong(), "a write", answered)
    await orphans.settle(0.0)
    assert len(orphans) == 0
