"""Writing in the background: nothing that happens to a store reaches who observes."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from proxy.evidence import EvidenceStore, EvidenceWriter, PostgresStore, SqliteStore
from proxy.evidence.writer import BATCH, COUNTED_OUTCOMES, size_of
from proxy.gate.evidence import Epoch, RouteEvidence, Verdict
from tests.evidence.conftest import Open
from tests.evidence.faults import damage, locked, no_file_beyond
from tests.evidence.observations import EPOCH, found, seen
from tests.evidence.postgres import BINARIES, PostgresServer
from tests.waiting import until

QUICK = {"interval_s": 0.01, "backoff_s": (0.005, 0.02)}


@asynccontextmanager
async def writing(
    open_store: Callable[[], EvidenceStore], **options: Any
) -> AsyncIterator[EvidenceWriter]:
    writer = EvidenceWriter(open_store, **{**QUICK, **options})
    writer.start()
    try:
        yield writer
    finally:
        await writer.close(10.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evidence.db"


def opening(path: Path) -> Callable[[], SqliteStore]:
    return lambda: SqliteStore(path, busy_timeout_s=0.02)


def read(path: Path) -> RouteEvidence:
    with closing(SqliteStore(path)) as store:
        found = store.read(EPOCH.route)
    assert found is not None
    return found


def put(writer: EvidenceWriter, count: int = 1) -> None:
    for _ in range(count):
        assert writer.put(seen())
        writer.count(EPOCH, ("sent", ""))


async def test_all_that_is_put_is_written(open_store: Open):
    async with writing(open_store) as writer:
        put(writer, 3 * BATCH + 7)
    store = open_store()
    found = await asyncio.to_thread(store.read, EPOCH.route)
    await asyncio.to_thread(store.close)
    assert found is not None
    assert (found.requests, found.outcomes) == (1507, {("sent", ""): 1507})
    assert (writer.dropped, writer.problem) == (0, "")


async def test_what_is_put_is_written_soon_without_being_closed(path: Path):
    async with writing(opening(path)) as writer:
        put(writer)
        await until(lambda: path.exists() and _requests(path) == 1)
        put(writer, BATCH)
        await until(lambda: _requests(path) == BATCH + 1)


def _requests(path: Path) -> int:
    with closing(SqliteStore(path)) as store:
        found = store.read(EPOCH.route)
    return 0 if found is None else found.requests


async def test_a_store_that_is_away_for_some_time_loses_nothing_that_found_room(path: Path):
    path.parent.joinpath("sub").write_text("a file where the directory should be")
    path = path.parent / "sub" / "evidence.db"
    async with writing(opening(path)) as writer:
        put(writer, 20)
        await until(lambda: "Not a directory" in writer.problem)
        put(writer, 20)
        path.parent.unlink()
        path.parent.mkdir()
        await until(lambda: not writer.problem)
    assert (read(path).requests, read(path).outcomes) == (40, {("sent", ""): 40})
    assert writer.dropped == 0


async def test_a_store_that_is_locked_by_another_process_is_tried_again(path: Path):
    async with writing(opening(path)) as writer:
        put(writer)
        await until(lambda: path.exists() and _requests(path) == 1)
        with locked(path):
            put(writer)
            await until(lambda: "locked" in writer.problem)
        await until(lambda: not writer.problem)
    assert read(path).requests == 2


async def test_a_full_disk_is_told_and_got_over(path: Path):
    async with writing(opening(path)) as writer:
        put(writer)
        await until(lambda: path.exists() and _requests(path) == 1)
        with no_file_beyond(1 << 10):
            put(writer, 50)
            await until(lambda: "cannot be kept" in writer.problem)
        await until(lambda: not writer.problem)
    assert read(path).requests == 51


async def test_a_damaged_file_is_left_and_what_waits_goes_to_the_next(path: Path):
    async with writing(opening(path)) as writer:
        put(writer, 200)
        await until(lambda: path.exists() and _requests(path) == 200)
        # What it prunes would be written over the damage.
        await until(lambda: writer._next_prune_s)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damage(path)
        with closing(SqliteStore(path)) as store:
            await until(lambda: _is_left(store))
        put(writer, 3)
    assert read(path).requests == 3
    assert writer.dropped == 0


def _is_left(store: SqliteStore) -> bool:
    try:
        return store.read(EPOCH.route) is None
    except Exception:  # noqa: BLE001 -- whatever a damaged file does
        return False


async def test_a_dead_server_is_told_and_got_over():
    if BINARIES is None:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql")
    server = PostgresServer()
    try:
        server.start()
        async with writing(lambda: PostgresStore(server.url)) as writer:
            put(writer, 5)
            await until(lambda: writer._queue == [] and writer._failing is None)
            server.kill()
            put(writer, 5)
            await until(lambda: "cannot be kept" in writer.problem)
            server.start()
            await until(lambda: not writer.problem)
        store = PostgresStore(server.url)
        found = await asyncio.to_thread(store.read, EPOCH.route)
        await asyncio.to_thread(store.close)
    finally:
        server.remove()
    assert found is not None
    assert (found.requests, found.outcomes) == (10, {("sent", ""): 10})


async def test_what_finds_no_room_is_dropped_and_counted_and_lives_are_not(path: Path):
    writer = EvidenceWriter(opening(path), queued=10, **QUICK)
    taken = [writer.put(seen()) for _ in range(15)]
    for _ in range(15):
        writer.count(EPOCH, ("sent", ""), 2)
    assert taken == [True] * 10 + [False] * 5
    assert writer.dropped == 5
    assert "dropped=5" in repr(writer)
    writer.start()
    await writer.close(10.0)
    assert (read(path).requests, read(path).outcomes) == (10, {("sent", ""): 30})
    assert writer.dropped == 5


async def test_what_waits_is_bounded_by_its_bytes(path: Path):
    large = seen(Verdict.MISMATCH, *(found(f"$.f{index}") for index in range(60)))
    writer = EvidenceWriter(opening(path), queued_bytes=5 * size_of(large))
    assert [writer.put(large) for _ in range(6)] == [True] * 5 + [False]
    await writer.close(0.0)


async def test_outcomes_are_bounded_too(path: Path):
    writer = EvidenceWriter(opening(path))
    for index in range(COUNTED_OUTCOMES + 3):
        writer.count(Epoch(str(index), ""), ("sent", ""))
    assert writer.dropped == 3
    await writer.close(0.0)


async def test_a_batch_that_is_refused_is_dropped_and_counted_and_keeps_none_waiting(path: Path):
    async with writing(opening(path)) as writer:
        assert writer.put(seen(fields=["$.\ud800"]))
        await until(lambda: writer.dropped == 1)
        put(writer)
    assert read(path).requests == 1
    assert writer.problem == ""


async def test_to_close_takes_no_longer_than_its_deadline_and_counts_what_is_lost(path: Path):
    path.parent.joinpath("sub").write_text("a file where the directory should be")
    writer = EvidenceWriter(opening(path.parent / "sub" / "evidence.db"), **QUICK)
    writer.start()
    put(writer, 3)
    await until(lambda: bool(writer.problem))
    put(writer, 4)
    await writer.close(0.05)
    assert writer.dropped == 7
    assert not writer.put(seen())
    assert writer.dropped == 8


async def test_a_store_that_hangs_does_not_keep_a_process_from_ending(path: Path):
    may_go_on = threading.Event()

    def hanging() -> EvidenceStore:
        may_go_on.wait(30)
        return SqliteStore(path)

    writer = EvidenceWriter(hanging, **QUICK)
    writer.start()
    put(writer, 2)
    await writer.close(0.01)
    assert writer.dropped == 2
    may_go_on.set()
    await until(lambda: not any(each.name == "evidence-writer" for each in threading.enumerate()))


async def test_to_close_what_was_never_started_is_allowed(path: Path):
    await EvidenceWriter(opening(path)).close(1.0)
    assert list(path.parent.iterdir()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_that_ends_the_thread_is_seen_and_everything_after_it_dropped():
    def broken() -> EvidenceStore:
        raise RuntimeError("a bug")

    writer = EvidenceWriter(broken, **QUICK)
    writer.start()
    await until(lambda: bool(writer.problem))
    assert writer.problem == "the writer of the evidence has ended"
    assert not writer.put(seen())
    assert writer.dropped == 1
    await writer.close(1.0)


#: Writes so many batches of ten in the file that it is told, and says when each is written.
WORKER = """
import sys
from pathlib import Path
from proxy.evidence import Batch, SqliteStore
from tests.evidence.observations import EPOCH, NOON_S, seen
store, worker = SqliteStore(Path(sys.argv[1])), sys.argv[2]
for turn in range(int(sys.argv[3])):
    observations = tuple(seen(client=f"{worker} {turn} {index}") for index in range(10))
    store.write(Batch(observations, {(EPOCH, ("sent", "")): 10}, NOON_S, worker, turn))
    print(turn, flush=True)
"""


def worker(path: Path, name: str, turns: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORKER, str(path), name, str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])


def test_processes_of_one_service_count_together(path: Path):
    workers = [worker(path, str(index), 20) for index in range(3)]
    for each in workers:
        with each:
            each.communicate(timeout=60)
        assert each.returncode == 0
    found = read(path)
    assert (found.requests, found.compared, found.keys) == (600, 600, 600)
    assert found.outcomes == {("sent", ""): 600}


def test_a_process_that_is_killed_while_it_writes_leaves_whole_batches_and_good_evidence(
    path: Path,
):
    written = 0
    for name in ("a", "b", "c"):
        with worker(path, name, 1_000_000) as process:
            assert process.stdout is not None
            for _ in range(5):
                assert process.stdout.readline()
            process.kill()
            written += 5 + len(process.stdout.read().split())
    found = read(path)
    assert found.requests % 10 == 0
    # The last batch of each may have been written without its having been said.
    assert written * 10 <= found.requests <= (written + 3) * 10
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
