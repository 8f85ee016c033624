"""What is behind mirrors, or wrong with them, is not seen by those whose requests they repeat.

The invariants I1 to I3 of mirrors, on whole services and real sockets. Nothing is timed here:
`./run bench shadow` does that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog

from proxy.gate.redaction import Hasher
from proxy.routing.snapshot import Snapshot
from proxy.shadow.comparing import Comparing
from proxy.shadow.examiner import PairExaminer
from proxy.shadow.helper import Helper
from proxy.telemetry.metrics import Metrics
from proxy.upstreams.rest import RestUpstream
from tests.fakes import FakeUpstream
from tests.live.edge import HANDLERS, answers, load, message, method
from tests.live.wire import LegacyScript, Reply, client_of, legacy_of, request
from tests.shadow.samples import made_legs
from tests.shadow.serving import mirrored_route, never, stand_of, with_shadow
from tests.shadow.stand import Pools, Recipe, lives_of, mirrored_edge
from tests.upstreams.servers import raw_server
from tests.waiting import until

GET = request("GET", "/v1/items?page_size=2")
BODY = b'[{"id": "1"}]'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n" + BODY
LIST = mirrored_route("List", "list-items", "timeout: 300ms, max_concurrency: 4, max_pending: 6")
#: More than a route may run and have waiting at one time.
REQUESTS = 30


# --- I1: a mirror that goes wrong


@asynccontextmanager
async def broken_server(how: str) -> AsyncIterator[str]:
    """A server that is none, by its address."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if how == "garbage":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
        elif how == "resets":
            await reader.read(1)
            writer.transport.abort()
            return
        await reader.read()

    async with raw_server(talk) as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize("how", ["silent", "garbage", "resets"])
async def test_a_server_that_is_none_is_not_noticed_on_a_connection_that_stays(
    tmp_path: Path, how: str
):
    """I1, also for the next request on the connection."""
    async with (
        broken_server(how) as target,
        stand_of(tmp_path, LIST, legacy=LegacyScript(OK), target=target) as stand,
        client_of(stand.service.url) as client,
    ):
        replies = [await client.ask(GET) for _ in range(REQUESTS)]
        await stand.settled()
        lives = stand.lives()
    assert {(reply.status, reply.body) for reply in replies} == {(200, BODY)}
    assert lives["eligible"] == REQUESTS
    assert "compared" not in lives
    assert lives["sent"] > 0


async def test_requests_are_answered_while_every_mirror_before_them_hangs(tmp_path: Path):
    """I1: none of the mirrors has ended when the last request has its answer."""
    routes = mirrored_route("List", "list-items", "timeout: 5m, max_concurrency: 4, max_pending: 6")
    async with (
        stand_of(
            tmp_path,
            routes,
            handlers={method("List"): never},
            legacy=LegacyScript(OK),
            more=with_shadow(drain="0s"),
        ) as stand,
        client_of(stand.service.url) as client,
    ):
        for _ in range(REQUESTS):
            assert (await client.ask(GET)).body == BODY
        await until(lambda: stand.pool.running == 4)
        lives = stand.lives()
        assert "candidate_timeout{deadline}" not in lives
        # All connections to the server of the mirrors are held: the client's is not among them.
        assert (await client.ask(GET)).status == 200
        pool = stand.pool
    assert lives_of(pool)["candidate_timeout{draining}"] == 4
    assert (pool.ledger.imbalance, pool.room.used) == (0, 0)


# --- I2: a bug of ours


class Faulty:
    """Stands for *target*, and raises *error* when *point* of it is used."""

    def __init__(self, target: Any, point: str, error: type[BaseException]) -> None:
        self._target = target
        self._point = point
        self._error = error
        self.raised = 0

    def __getattr__(self, name: str) -> Any:
        if name == self._point:
            self.raised += 1
            raise self._error("m4rk")
        return getattr(self._target, name)


#: Whatever an examination touches, by who has it.
POINTS = (
    *(("legs", point) for point in ("prepare", "grpc", "legacy")),
    *(("comparing", point) for point in ("compare", "answer")),
    *(("hasher", point) for point in ("short", "text")),
    *(
        ("metrics", point)
        for point in ("shadow_duration", "shadow_compare_seconds", "shadow_compared")
    ),
)
SHELF = b'[{"id": "1", "small": 2}]'
DIFFERENT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(SHELF),
    SHELF,
)


def plain(replies: list[Reply]) -> list[object]:
    """All but the second at which an answer was made."""
    return [
        (each.status, each.phrase, [pair for pair in each.headers if pair[0] != "date"], each.body)
        for each in replies
    ]


class Examined:
    """An examiner whose parts tests may break."""

    def __init__(self, snapshot: Snapshot, helper: Helper, legacy: RestUpstream) -> None:
        upstream = FakeUpstream(
            {**HANDLERS, method("List"): answers(message("ItemList", items=[{"id": "1"}]))}
        )
        self.parts: dict[str, Any] = {
            "legs": made_legs(snapshot, {"items": upstream}, legacy),
            "comparing": Comparing(helper),
            "hasher": Hasher(b"k" * 32),
            "metrics": Metrics(),
        }

    def make(self) -> Any:
        return PairExaminer(
            *(self.parts[name] for name in ("legs", "comparing", "hasher", "metrics")),
            note_version=lambda *_: None,
            charge=lambda _: None,
            clock=lambda: 0.0,
            random=lambda: 0.0,
            wait=no_wait,
        )


async def no_wait(_: float) -> None:
    return


async def talked(pools: Pools, snapshot: Snapshot, break_it: Callable[[Examined], None]) -> Any:
    """What a client reads while its requests are mirrored."""
    async with legacy_of(LegacyScript(DIFFERENT)) as again, RestUpstream(again.url) as rest:
        helper = Helper()
        examined = Examined(snapshot, helper, rest)
        break_it(examined)
        recipe = Recipe(pools, examined.make(), random=Random(4))
        try:
            with structlog.testing.capture_logs() as logs:
                async with (
                    mirrored_edge(snapshot, recipe, script=LegacyScript(DIFFERENT)) as stand,
                    client_of(stand.edge.url) as client,
                ):
                    replies = [await client.ask(GET) for _ in range(3)]
                    await until(lambda: not stand.edge.metrics.inflight)
                    await until(lambda: not stand.pool.running)
                    return plain(replies), stand.lives("list-items"), logs
        finally:
            await helper.close()


@pytest.fixture(scope="module")
def doubted() -> Snapshot:
    """Of every request that is mirrored legacy is asked a second time, too."""
    mirror = "mirror: {percent: 100}, compare: {noise: {control_percent: 100}}"
    route = f"- {{rpc: edge.v1.Items.List, name: list-items, stage: shadow, {mirror}}}\n"
    return asyncio.run(load(more=route))


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError, MemoryError])
@pytest.mark.parametrize(("part", "point"), POINTS)
async def test_a_bug_at_any_step_of_an_examination_leaves_the_primary_as_it_is(
    pools: Pools, doubted: Snapshot, part: str, point: str, error: type[BaseException]
):
    """I2: what a client reads is the same to the byte; the mirror is counted as our bug."""
    expected, well, _ = await talked(pools, doubted, lambda _: None)
    assert well == {"eligible": 3, "sent": 3, "compared": 3}
    faulty: list[Faulty] = []

    def break_it(examined: Examined) -> None:
        faulty.append(Faulty(examined.parts[part], point, error))
        examined.parts[part] = faulty[0]

    found, lives, logs = await talked(pools, doubted, break_it)
    assert found == expected
    assert faulty[0].raised >= 3
    assert lives == {"eligible": 3, "sent": 3, "candidate_error{internal}": 3}
    # Told once, and not with every request.
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["mirror failed"]


# --- I3: what mirrors hold


async def test_mirrors_that_hang_hold_no_more_than_they_may_and_leave_nothing(tmp_path: Path):
    """I3: tasks and bytes, at the most and in the end."""
    routes = mirrored_route(
        "List", "list-items", "timeout: 100ms, max_concurrency: 5, max_pending: 7"
    )
    async with (
        stand_of(
            tmp_path, routes, handlers={method("List"): never}, legacy=LegacyScript(OK)
        ) as stand,
        client_of(stand.service.url) as client,
    ):
        await client.ask(GET)
        await stand.settled()
        tasks, most = len(asyncio.all_tasks()), 0
        for _ in range(10 * REQUESTS):
            await client.ask(GET)
            most = max(most, len(asyncio.all_tasks()))
            assert stand.pool.running <= 5
            assert stand.pool.waiting <= 7
        # A mirror is a task and what its call has of them; those that wait are none.
        assert most <= tasks + 5 * 4
        await stand.settled()
        lives = stand.lives()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert lives["eligible"] == 10 * REQUESTS + 1
    assert lives["sent"] == lives["candidate_timeout{deadline}"]
    assert lives["dropped{queue_full}"] > 0


async def test_answers_over_the_limit_of_the_process_are_not_kept(tmp_path: Path):
    """I3: bytes; clients get all of an answer whatever their mirrors would hold of it."""
    body = b'[{"id": "%b"}]' % (b"x" * 30_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    async with (
        stand_of(
            tmp_path,
            mirrored_route("List", "list-items", "timeout: 5m, max_response_bytes: 40KiB"),
            handlers={method("List"): never},
            legacy=LegacyScript(head % len(body) + body),
            more="shadow: {max_total_bytes: 64KiB, max_cpu: 100%, drain: 0s}\n",
        ) as stand,
        client_of(stand.service.url) as client,
    ):
        for _ in range(6):
            assert (await client.ask(GET)).body == body
            assert stand.pool.room.used <= 65_536
        await until(lambda: not stand.service._metrics.inflight)
        assert stand.lives() == {"eligible": 6, "sent": 2, "dropped{bytes}": 4}
        pool = stand.pool
    assert (pool.ledger.imbalance, pool.room.used) == (0, 0)
