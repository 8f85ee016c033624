"""Reading: while others write, and without a loop that waits for it."""

import asyncio
import threading
from pathlib import Path

import pytest

from proxy.comparison.kinds import Kind
from proxy.evidence import EvidenceError, EvidenceReader, EvidenceStore, SqliteStore
from proxy.evidence.reader import MAX_QUESTIONS
from proxy.gate.evidence import Epoch, Verdict
from tests.evidence.conftest import Open
from tests.evidence.observations import EPOCH, found, seen, write
from tests.waiting import until


async def test_a_reader_sees_what_others_have_written(open_store: Open):
    def write_there() -> None:
        store = open_store()
        write(store, seen(Verdict.MISMATCH, found()), seen(epoch=Epoch("other", "d")))
        store.close()

    reader = EvidenceReader(open_store)
    assert await reader.read(EPOCH.route) is None
    await asyncio.to_thread(write_there)
    read = await reader.read(EPOCH.route)
    assert read is not None
    assert read.mismatches == 1
    assert await reader.read(EPOCH.route, "another digest") is None
    assert await reader.routes() == (EPOCH.route, "other")
    assert (await reader.totals())[EPOCH.route].compared == 1
    (example,) = await reader.examples(EPOCH.route, "$.a", Kind.VALUE, 5)
    assert await reader.example(example.id) == example
    await reader.reset(EPOCH.route)
    assert await reader.routes() == ("other",)
    await reader.close()


def reader_that_hangs(place: Path) -> tuple[EvidenceReader, threading.Event]:
    """A reader whose store is not there before the event is set."""
    may_go_on = threading.Event()

    def slow() -> EvidenceStore:
        may_go_on.wait(30)
        return SqliteStore(place / "evidence.db")

    return EvidenceReader(slow), may_go_on


async def test_a_store_that_hangs_keeps_no_loop_from_turning(tmp_path: Path):
    reader, may_go_on = reader_that_hangs(tmp_path)
    asked = asyncio.ensure_future(reader.routes())
    for _ in range(10):
        await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(lambda: None))])
    assert not asked.done()
    may_go_on.set()
    assert await asked == ()
    await reader.close()


async def test_no_more_questions_wait_for_a_store_that_hangs_than_may(tmp_path: Path):
    reader, may_go_on = reader_that_hangs(tmp_path)
    first = asyncio.ensure_future(reader.routes())
    # It is with the thread, and waits no more.
    await until(lambda: reader._thread is not None and not reader._questions.qsize())
    waiting = [asyncio.ensure_future(reader.routes()) for _ in range(MAX_QUESTIONS)]
    await until(lambda: reader._questions.qsize() == MAX_QUESTIONS)
    with pytest.raises(EvidenceError, match="wait for the store already"):
        await reader.routes()
    may_go_on.set()
    assert await asyncio.gather(first, *waiting) == [()] * (MAX_QUESTIONS + 1)
    await reader.close()


async def test_what_cannot_be_read_is_an_error_and_no_end(tmp_path: Path):
    reader = EvidenceReader(lambda: SqliteStore(tmp_path / "missing" / "evidence.db"))
    with pytest.raises(EvidenceError):
        await reader.routes()
    (tmp_path / "missing").mkdir()
    assert await reader.routes() == ()
    assert repr(reader) == "<EvidenceReader waiting=0>"
    await reader.close()


def test_a_reader_that_was_not_asked_opened_nothing(tmp_path: Path):
    asyncio.run(EvidenceReader(lambda: SqliteStore(tmp_path / "evidence.db")).close())
    assert list(tmp_path.iterdir()) == []


async def test_a_store_that_hangs_does_not_keep_a_process_from_ending(tmp_path: Path):
    may_go_on = threading.Event()

    def hanging() -> EvidenceStore:
        may_go_on.wait(30)
        return SqliteStore(tmp_path / "evidence.db")

    reader = EvidenceReader(hanging)
    asked = asyncio.ensure_future(reader.routes())
    given_up = asyncio.ensure_future(reader.totals())
    await until(lambda: any(each.name == "evidence-reader" for each in threading.enumerate()))
    await reader.close(0.01)
    assert not asked.done()
    given_up.cancel()
    may_go_on.set()
    assert await asked == ()
    await until(lambda: all(each.name != "evidence-reader" for each in threading.enumerate()))


async def test_a_bug_is_raised_where_the_question_came_from_and_the_next_one_is_answered(
    tmp_path: Path,
):
    stores = iter([None, SqliteStore(tmp_path / "evidence.db")])

    def broken_at_first() -> EvidenceStore:
        store = next(stores)
        if store is None:
            raise RuntimeError("a bug")
        return store

    reader = EvidenceReader(broken_at_first)
    with pytest.raises(RuntimeError, match="a bug"):
        await reader.routes()
    assert await reader.routes() == ()
    await reader.close()
