"""How a service with mirrors ends, and that everything adds up then (I12, I19, I20)."""

import asyncio
import gc
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from proxy.evidence import EvidenceReader, SqliteStore
from proxy.gate.evidence import RouteEvidence
from tests.fakes import Served
from tests.live.edge import answers, message, method
from tests.live.wire import LegacyScript, client_of, read_request, request
from tests.shadow.serving import Stand, mirrored_route, never, stand_of, with_shadow
from tests.shadow.stand import lives_of
from tests.waiting import until

GET = request("GET", "/v1/items?page_size=2")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
OK = HEAD + b'Content-Length: 13\r\n\r\n[{"id": "1"}]'
LISTED = answers(message("ItemList", items=[{"id": "1"}]))


async def kept(state: Path, route: str) -> RouteEvidence:
    """What is in the store once the process has ended."""
    reader = EvidenceReader(lambda: SqliteStore(state / "evidence.db"))
    try:
        evidence = await reader.read(route)
    finally:
        await reader.close()
    assert evidence is not None
    return evidence


def flat(evidence: RouteEvidence) -> dict[str, int]:
    """Its counts as those of a pool are shown."""
    lives: Counter[str] = Counter()
    for (life, reason), count in evidence.outcomes.items():
        lives[f"{life}{{{reason}}}" if reason else life] += count
    return dict(lives)


async def test_the_counts_add_up_and_are_kept_whole_however_mirrors_were_cut_off(tmp_path: Path):
    """I12 and I20: some compared, some running, some waiting, some dropped, when it ends."""
    state = tmp_path / "state"
    hangs = asyncio.Event()

    async def listed(served: Served) -> AsyncIterator[bytes]:
        async for one in (never if hangs.is_set() else LISTED)(served):
            yield one

    routes = mirrored_route("List", "list-items", "timeout: 5m, max_concurrency: 2, max_pending: 3")
    more = f"state: {{directory: '{state}'}}\n" + with_shadow(drain="0s")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        async with (
            stand_of(
                tmp_path,
                routes,
                handlers={method("List"): listed},
                legacy=LegacyScript(OK),
                more=more,
            ) as stand,
            client_of(stand.service.url) as client,
        ):
            for _ in range(4):
                await client.ask(GET)
                await stand.settled()
            hangs.set()
            for _ in range(9):
                await client.ask(GET)
            await until(lambda: not stand.service._metrics.inflight)
            pool = stand.pool
            assert (pool.running, pool.waiting) == (2, 3)
        gc.collect()
    assert [str(each.message) for each in told if "never" in str(each.message)] == []
    assert [str(each.message) for each in told if "destroyed" in str(each.message)] == []
    lives = lives_of(pool)
    assert lives == {
        "eligible": 13,
        "sent": 6,
        "compared": 4,
        "candidate_timeout{draining}": 2,
        "dropped{draining}": 3,
        "dropped{queue_full}": 4,
    }
    assert (pool.ledger.imbalance, pool.room.used) == (0, 0)
    evidence = await kept(state, "list-items")
    assert flat(evidence) == lives
    assert sum(evidence.verdicts.values()) == lives["compared"]


async def test_requests_are_finished_before_mirrors_and_these_within_their_time(tmp_path: Path):
    """I20: a request that is being answered when the end comes is answered, and mirrored."""
    asked, answer, leave = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await answer.wait()
        writer.write(OK)
        await writer.drain()
        await reader.read()

    stands: list[Stand] = []

    async def serve() -> None:
        legacy = LegacyScript(talk=talk)
        routes = mirrored_route("List", "list-items", "timeout: 5s")
        async with stand_of(
            tmp_path, routes, handlers={method("List"): LISTED}, legacy=legacy
        ) as stand:
            stands.append(stand)
            await leave.wait()

    serving = asyncio.get_running_loop().create_task(serve())
    await until(lambda: bool(stands) or serving.done())
    (stand,) = stands
    async with client_of(stand.service.url) as client:
        client.write(GET)
        await asked.wait()
        leave.set()
        await until(lambda: stand.service._frontend._draining)
        assert not stand.pool.is_closed
        answer.set()
        reply = await client.reply()
    await serving
    assert (reply.status, reply.body) == (200, b'[{"id": "1"}]')
    assert lives_of(stand.pool) == {"eligible": 1, "sent": 1, "compared": 1}


def series(shown: str, *names: str) -> list[str]:
    """The samples of requests, without what depends on how fast they were."""
    lines = [line for line in shown.splitlines() if line.startswith(names)]
    return sorted(line for line in lines if "_bucket" not in line and "_sum" not in line)


async def test_the_series_and_the_log_of_requests_know_nothing_of_their_mirrors(tmp_path: Path):
    """I19: what an objective is measured by is the same with mirrors and without."""
    shown, logged = {}, {}
    for percent in (0, 100):
        place = tmp_path / str(percent)
        place.mkdir()
        lines: list[bytes] = []
        routes = mirrored_route("List", "list-items", "timeout: 5s").replace(
            "percent: 100", f"percent: {percent}"
        )
        async with (
            stand_of(
                place,
                routes,
                handlers={method("List"): LISTED},
                legacy=LegacyScript(OK),
                log=lines.append,
            ) as stand,
            client_of(stand.service.url) as client,
        ):
            for _ in range(7):
                await client.ask(GET)
            await stand.settled()
            assert len(stand.grpc.marked()) == (7 if percent else 0)
            shown[percent] = series(
                stand.service._metrics.render()[1].decode(),
                *("cutover_requests_total", "cutover_request_duration_seconds"),
                *("cutover_overhead_seconds", "cutover_responses"),
            )
        logged[percent] = b"".join(lines).count(b"\n")
    assert shown[0] == shown[100] != []
    assert logged == {0: 7, 100: 7}
