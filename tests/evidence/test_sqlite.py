"""The file: what happens to it, and what it never does to anybody."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from proxy.comparison.kinds import Kind
from proxy.evidence import EvidenceError, EvidenceLimits, NewerSchema, SqliteStore
from proxy.evidence.generations import Generations
from proxy.evidence.schema import STEPS
from proxy.gate.evidence import Epoch, StoredValue, Verdict
from tests.evidence.faults import damage, locked, no_file_beyond
from tests.evidence.observations import EPOCH, NOON_S, found, seen, write
from tests.fakes import FakeClock

Open = Callable[..., SqliteStore]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evidence.db"


@pytest.fixture
def opened(path: Path, clock: FakeClock) -> Iterator[Open]:
    stores: list[SqliteStore] = []

    def make(limits: EvidenceLimits | None = None, busy_timeout_s: float = 0.05) -> SqliteStore:
        timing = {"clock": clock, "busy_timeout_s": busy_timeout_s}
        stores.append(SqliteStore(path, limits, random=Random(1), **timing))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def requests(store: SqliteStore) -> int:
    read = store.read(EPOCH.route)
    return 0 if read is None else read.requests


def settled(store: SqliteStore) -> None:
    """Move the write-ahead log into the file, so that there is something to damage."""
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_nothing_is_opened_before_it_is_used_and_then_for_the_owner_alone(path: Path, opened: Open):
    store = opened()
    assert list(path.parent.iterdir()) == []
    write(store, seen())
    names = {each.name for each in path.parent.iterdir()}
    assert names == {"evidence.db", "evidence.db-wal", "evidence.db-shm", "evidence.lock"}
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    assert str(path) in repr(store)


def test_a_file_that_is_no_database_is_left_and_evidence_begins_anew(path: Path, opened: Open):
    path.write_bytes(b"my own notes" * 1000)
    with pytest.raises(EvidenceError, match="file is not a database"):
        write(opened(), seen())
    write(opened(), seen())
    assert requests(opened()) == 1
    assert path.read_bytes() == b"my own notes" * 1000
    assert (path.parent / "evidence.2.db").exists()


def test_all_processes_leave_a_damaged_file_for_the_same_new_one(path: Path, opened: Open):
    first, second, third = opened(), opened(), opened()
    for store in (first, second, third):
        write(store, *(seen(client=str(index)) for index in range(200)))
    settled(first)
    damage(path)
    # Who has what it needs in memory does not notice; who notices makes it known to all.
    with pytest.raises(EvidenceError, match="malformed"):
        requests(opened())
    for store in (first, second, third, first):
        write(store, seen())
    assert requests(opened()) == 4
    assert sorted(each.name for each in path.parent.glob("*.db")) == [
        "evidence.2.db",
        "evidence.db",
    ]


def test_no_process_deletes_the_log_of_the_others_when_the_file_is_removed(
    path: Path, opened: Open
):
    first, second = opened(), opened()
    write(first, seen())
    write(second, seen())
    path.unlink()
    for store in (first, second, first, second):
        write_in_the_end(store)
    assert requests(opened()) == 4
    second.close()
    write(first, seen())
    first.close()
    assert requests(opened()) == 5


def write_in_the_end(store: SqliteStore) -> None:
    try:
        write(store, seen())
    except EvidenceError:
        write(store, seen())


def test_of_damaged_files_the_last_is_kept(path: Path, opened: Open):
    store = opened()
    for _ in range(3):
        write(store, seen())
        store.close()
        Generations(path).leave(Generations(path).current())
    write(store, seen())
    names = sorted(each.name for each in path.parent.glob("*.db"))
    assert names == ["evidence.3.db", "evidence.4.db"]


def test_only_the_first_that_leaves_a_file_makes_another(path: Path):
    generations = Generations(path)
    for _ in range(3):
        generations.leave(path)
    assert generations.current().name == "evidence.2.db"
    assert "evidence.db" in repr(generations)


def test_a_file_of_a_later_version_is_not_changed_by_a_byte(path: Path, opened: Open):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a INT)")
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(NewerSchema):
        opened().prune()
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["evidence.db", "evidence.lock"]


def test_a_file_that_another_process_keeps_locked_is_waited_for_and_then_given_up(
    path: Path, opened: Open
):
    store = opened()
    write(store, seen())
    with locked(path):
        with pytest.raises(EvidenceError, match="database is locked"):
            write(store, seen())
        assert requests(store) == 1
    write(store, seen())
    assert requests(store) == 2


def test_a_full_disk_refuses_the_batch_and_the_next_one_is_written(path: Path, opened: Open):
    store = opened()
    write(store, seen())
    size = path.with_name("evidence.db-wal").stat().st_size
    batch = [seen(client=str(index)) for index in range(500)]
    with no_file_beyond(size), pytest.raises(EvidenceError, match="cannot be kept"):
        write(store, *batch)
    write(store, seen())
    assert requests(store) == 2


def test_a_full_disk_at_the_start_is_an_error_and_no_damage(path: Path, opened: Open):
    with no_file_beyond(0), pytest.raises(EvidenceError):
        write(opened(), seen())
    write(opened(), seen())
    assert requests(opened()) == 1
    assert not path.with_name("evidence.2.db").exists()


def test_a_directory_that_is_none_or_not_there_is_an_error_until_it_is(
    path: Path, clock: FakeClock, tmp_path: Path
):
    for parent in ("file", "missing"):
        if parent == "file":
            (tmp_path / parent).write_text("in its place")
        store = SqliteStore(tmp_path / parent / "evidence.db", clock=clock)
        with pytest.raises(EvidenceError, match="the evidence cannot be kept"):
            write(store, seen())
        (tmp_path / parent).unlink(missing_ok=True)
        (tmp_path / parent).mkdir()
        write(store, seen())
        assert requests(store) == 1
        store.close()


def test_the_file_stays_below_its_cap_and_what_is_missed_least_goes_first(
    path: Path, opened: Open, clock: FakeClock
):
    cap = 1 << 20
    store = opened(EvidenceLimits(max_bytes=cap))
    for turn in range(60):
        epoch = Epoch(f"route {turn % 3}", f"digest {turn // 3}", "")
        at_s = clock() + turn
        batch = (seen(client=f"{turn} {index}", epoch=epoch, at_s=at_s) for index in range(400))
        mismatch = seen(Verdict.MISMATCH, found(), epoch=epoch, at_s=at_s, a="b" * 900)
        write(store, *batch, mismatch)
        if turn % 5 == 4:
            store.prune()
        assert path.stat().st_size <= cap
    assert {name: totals.epoch.digest for name, totals in store.totals().items()} == {
        f"route {index}": "digest 19" for index in range(3)
    }


def test_when_only_the_present_is_left_what_was_silent_for_longest_goes(
    opened: Open, clock: FakeClock
):
    store = opened(EvidenceLimits(max_bytes=512 << 10))
    for turn in range(40):
        epoch = Epoch(f"route {turn:02}", "digest")
        at_s = clock() + turn
        write(store, *(seen(client=str(index), epoch=epoch, at_s=at_s) for index in range(700)))
        store.prune()
    kept = sorted(store.totals())
    assert 5 < len(kept) < 40
    assert kept == [f"route {turn:02}" for turn in range(40)][-len(kept) :]


def test_a_cap_that_is_too_small_for_anything_keeps_nothing_and_ends(opened: Open):
    write(opened(), seen(Verdict.MISMATCH, found()))
    store = opened(EvidenceLimits(max_bytes=4096))
    store.prune()
    assert store.totals() == {}


def test_a_file_that_is_full_before_it_was_pruned_refuses_until_it_is(path: Path, opened: Open):
    store = opened(EvidenceLimits(max_bytes=200 << 10))
    with pytest.raises(EvidenceError, match="full"):
        fill(store)
    store.prune()
    write(store, seen())
    assert path.stat().st_size <= 200 << 10


def fill(store: SqliteStore) -> None:
    for turn in range(100):
        write(store, *(seen(client=f"{turn} {index}") for index in range(400)))


def test_room_is_given_back_to_the_disk(path: Path, opened: Open):
    store = opened()
    write(store, *(seen(client=str(index)) for index in range(20_000)))
    settled(store)
    large = path.stat().st_size
    store.reset(EPOCH.route)
    store.prune()
    assert path.stat().st_size < large / 4


def test_what_was_forgotten_is_not_in_the_files_any_more(path: Path, opened: Open):
    store, reader = opened(), opened()
    value = StoredValue("string", 9, "revealed-once", "00")
    write(store, seen(Verdict.MISMATCH, found("$.a", Kind.VALUE, value)))
    assert reader.examples(EPOCH.route)
    assert any(b"revealed-once" in each.read_bytes() for each in path.parent.iterdir())
    store.reset(EPOCH.route)
    assert not any(b"revealed-once" in each.read_bytes() for each in path.parent.iterdir())


def test_two_generations_do_not_wait_for_a_process_that_keeps_the_turn_for_ever(
    path: Path, opened: Open
):
    with Generations(path).turn(), pytest.raises(EvidenceError, match="for itself"):
        write(opened(), seen(at_s=NOON_S))
