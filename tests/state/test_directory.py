"""The state directory: changes are whole, ordered, announced and told, or they are not at all."""

import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.cutover.overrides import NOTHING_MOVED, KillSwitch, Override, Overrides
from proxy.state.audit import AuditLog
from proxy.state.directory import Change, Facts, StateDirectory
from proxy.state.document import AuditEntry, entry_line
from proxy.state.errors import RevisionConflict, StateError
from proxy.state.lock import locked
from tests.fakes import FakeClock
from tests.state.conftest import NOON_S
from tests.state.movers import said

FACTS = Facts("stage", "kim", "to see", "get-zone", "digest", 60.0)


def setting(**routes: Override):
    """A change that lays *routes* over what is there."""

    def change(overrides: Overrides) -> Change:
        return Change(replace(overrides, routes={**overrides.routes, **routes}), "a", "b")

    return change


def paused(state: StateDirectory, route: str = "r") -> str:
    return state.commit(setting(**{route: Override(paused=True)}), FACTS).audit_id


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let this process write no file beyond *size* bytes, as if the disk were full there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def told(state: StateDirectory) -> list[AuditEntry]:
    return list(state.read_audit(1000))


def test_a_new_directory_holds_nothing_and_is_its_owners_alone(state: StateDirectory):
    assert state.read() == NOTHING_MOVED
    assert told(state) == []
    assert state.path.stat().st_mode & 0o777 == 0o700
    paused(state)
    assert {path.stat().st_mode & 0o777 for path in state.path.iterdir()} == {0o600}


def test_a_change_is_kept_and_counted(state: StateDirectory, tmp_path: Path):
    committed = state.commit(setting(r=Override(paused=True)), FACTS)
    assert (committed.revision, committed.overrides.routes["r"].paused) == (1, True)
    with StateDirectory(tmp_path / "state") as again:
        assert again.read() == committed.overrides
        assert again.commit(setting(q=Override(step=1)), FACTS).revision == 2
    assert sorted(state.read().routes) == ["q", "r"]


def test_the_change_that_moved_a_route_last_is_known_when_nothing_is_left_of_it(
    state: StateDirectory, tmp_path: Path
):
    state.commit(setting(r=Override(paused=True), q=Override(step=1)), FACTS)
    paused(state, "p")
    state.note(FACTS)
    state.commit(lambda overrides: Change(replace(overrides, routes={}), "a", "b"), FACTS)
    paused(state, "q")
    with StateDirectory(tmp_path / "state") as of_a_later_worker:
        assert of_a_later_worker.read().moved == {"p": 4, "q": 5, "r": 4}


def test_a_route_was_not_moved_by_what_leaves_it_as_it_is(state: StateDirectory):
    paused(state)
    paused(state)
    paused(state, "q")
    assert state.read().moved == {"r": 1, "q": 3}


def test_a_change_is_told_in_the_audit_log(state: StateDirectory):
    committed = state.commit(setting(r=Override(paused=True)), FACTS)
    assert told(state) == [
        AuditEntry(
            committed.audit_id,
            "2026-11-23T12:00:00.000Z",
            *("kim", "to see", "stage", "get-zone", "a", "b", "digest", 1, 60.0),
        )
    ]


def test_a_change_is_announced(state: StateDirectory):
    reader = state.epoch()
    paused(state)
    assert reader.moved


def test_what_a_change_raises_goes_through_with_nothing_changed(state: StateDirectory):
    def refuse(overrides: Overrides) -> Change:
        raise ZeroDivisionError

    paused(state)
    before, reader = state.read(), state.epoch()
    with pytest.raises(ZeroDivisionError):
        state.commit(refuse, FACTS)
    assert (state.read(), len(told(state)), reader.moved) == (before, 1, False)
    assert state.commit(setting(), FACTS).revision == 2


def test_a_change_of_what_somebody_else_changed_meanwhile_is_refused(state: StateDirectory):
    paused(state)
    with pytest.raises(RevisionConflict, match="at revision 1 by now, not at 0") as caught:
        state.commit(setting(), FACTS, if_revision=0)
    assert caught.value.revision == 1
    assert state.commit(setting(), FACTS, if_revision=1).revision == 2


def test_a_note_changes_nothing_but_is_told(state: StateDirectory):
    paused(state)
    committed = state.note(Facts("reload", "kim", "new routes"), "digest1", "digest2")
    assert state.read().routes == {"r": Override(paused=True)}
    assert [(each.action, each.before, each.after) for each in told(state)] == [
        ("reload", "digest1", "digest2"),
        ("stage", "a", "b"),
    ]
    assert committed.revision == 2


def test_the_audit_is_read_by_route_and_number(state: StateDirectory):
    for number in range(4):
        facts = replace(FACTS, route="one" if number % 2 else "two")
        state.commit(setting(), facts)
    assert [each.revision for each in state.read_audit(3)] == [4, 3, 2]
    assert [each.revision for each in state.read_audit(3, "one")] == [4, 2]


def test_a_configuration_that_was_taken_by_force_is_known_to_all(
    state: StateDirectory, tmp_path: Path
):
    reader = state.epoch()
    assert state.accepted() is None
    state.accept("abc", Facts("reload", "kim", "we know"))
    assert reader.moved
    with StateDirectory(tmp_path / "state") as other:
        assert other.accepted() == "abc"
    assert [(each.why, each.after) for each in told(state)] == [("we know", "abc")]


# The kill switch.


def killed(switch: KillSwitch | None):
    return lambda overrides: Change(replace(overrides, kill=switch), "", "")


def test_the_kill_switch_is_a_file_and_the_file_is_the_truth(state: StateDirectory):
    switch = KillSwitch("kim", "incident 42", NOON_S)
    state.commit(killed(switch), FACTS)
    assert state.read().kill == switch
    state.kill.path.unlink()
    assert state.read().kill is None
    state.kill.path.touch()
    assert state.read().kill is not None
    state.commit(killed(None), FACTS)
    assert not state.kill.exists


def test_other_changes_leave_a_switch_made_by_hand_alone(state: StateDirectory):
    state.kill.path.write_text("incident 42")
    paused(state)
    assert state.kill.path.read_text() == "incident 42"


def test_the_kill_switch_survives_a_restart(state: StateDirectory, tmp_path: Path):
    state.commit(killed(KillSwitch("kim")), FACTS)
    with StateDirectory(tmp_path / "state") as again:
        assert again.read().is_killed(NOON_S)


# Damage, and what a crash leaves behind.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "cannot be understood: it is no JSON"),
        (b'{"schema": 2}', "cannot be understood: its schema is 2; this version reads 1"),
    ],
)
def test_a_damaged_state_is_refused_with_its_path_and_not_written_over(
    state: StateDirectory, content: bytes, message: str
):
    path = state.path / "state.json"
    path.write_bytes(content)
    for attempt in (lambda: StateDirectory(state.path), lambda: paused(state)):
        with pytest.raises(StateError, match=message) as caught:
            attempt()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_state_that_cannot_be_read_is_told(state: StateDirectory):
    (state.path / "state.json").mkdir()
    (state.path / "accepted").mkdir()
    with pytest.raises(StateError, match=r"state\.json cannot be read: Is a directory"):
        state.read()
    with pytest.raises(StateError, match="accepted cannot be read: Is a directory"):
        state.accepted()


def test_a_state_beyond_all_measure_is_not_read(state: StateDirectory):
    path = state.path / "state.json"
    path.touch()
    os.truncate(path, (64 << 20) + 1)
    with pytest.raises(StateError, match="is larger than"):
        state.read()


def test_a_path_that_is_no_directory_is_told(tmp_path: Path):
    (tmp_path / "state").touch()
    with pytest.raises(StateError, match=r"cannot be used: .*state"):
        StateDirectory(tmp_path / "state")


def test_an_entry_that_a_crash_kept_from_the_log_is_read_and_made_good(state: StateDirectory):
    ids = [paused(state), paused(state)]
    log = state.path / "audit.jsonl"
    first = log.read_bytes().splitlines(keepends=True)[0]
    for left in (first, first + b'{"torn', b""):
        log.write_bytes(left)
        expected = ids[::-1] if left else ids[1:]
        assert [each.id for each in told(state)] == expected
    log.write_bytes(first + b'{"torn')
    ids.append(paused(state))
    assert [each.id for each in told(state)] == ids[::-1]
    assert len(log.read_bytes().splitlines()) == 3


def test_what_a_crash_left_of_a_file_in_the_making_harms_nobody(state: StateDirectory):
    (state.path / "state.json.new").write_bytes(b'{"half')
    paused(state)
    assert state.read().revision == 1
    assert not (state.path / "state.json.new").exists()


def test_an_entry_that_is_in_the_log_twice_is_read_once(state: StateDirectory):
    paused(state)
    log = state.path / "audit.jsonl"
    log.write_bytes(log.read_bytes() * 2)
    assert len(told(state)) == 1


def test_on_a_full_disk_nothing_is_changed_and_it_is_told(state: StateDirectory):
    paused(state)
    before, reader = state.read(), state.epoch()
    (state.path / "state.json.new").symlink_to("/dev/full")
    with pytest.raises(StateError, match=r"cannot change the state: .*No space left"):
        paused(state, "other")
    assert (state.read(), len(told(state)), reader.moved) == (before, 1, False)
    assert state.commit(setting(), FACTS).revision == 2


def test_a_log_that_fails_after_the_change_does_not_undo_it(state: StateDirectory):
    paused(state)
    log = state.path / "audit.jsonl"
    log.unlink()
    log.mkdir()
    with pytest.raises(StateError):  # the entry of the change before is made good first
        paused(state)
    log.rmdir()
    assert paused(state)
    assert [each.revision for each in told(state)] == [2, 1]


def test_a_change_that_counts_is_no_failure_though_the_log_cannot_take_it(state: StateDirectory):
    ids = [paused(state) for _ in range(20)]
    log = state.path / "audit.jsonl"
    before = log.read_bytes()
    with no_file_beyond(len(before) + 10):  # enough for the state, and for a torn line
        ids.append(paused(state))
    assert log.read_bytes() == before
    assert state.read().revision == 21
    assert [each.id for each in told(state)] == ids[::-1]


def test_a_directory_that_was_replaced_is_not_changed(state: StateDirectory, tmp_path: Path):
    paused(state)
    state.path.rename(tmp_path / "old")
    with StateDirectory(tmp_path / "state"):
        pass
    with pytest.raises(StateError, match="removed or replaced while it was in use"):
        paused(state)
    assert state.read() == NOTHING_MOVED


def test_a_lock_that_somebody_holds_does_not_hold_for_ever(state: StateDirectory):
    with locked(state.path / "lock"), pytest.raises(StateError, match="has held the lock"):
        paused(state)


def test_threads_take_turns(tmp_path: Path):
    with (
        StateDirectory(tmp_path / "state") as state,
        ThreadPoolExecutor(4) as threads,
    ):
        ids = list(threads.map(lambda number: paused(state, f"r{number}"), range(20)))
        assert state.read().revision == 20
        assert {each.id for each in told(state)} == set(ids)


# Life.


def test_a_temporary_directory_goes_when_it_is_closed(clock: FakeClock):
    with StateDirectory.temporary(clock) as state:
        assert not state.durable
        paused(state)
    assert not state.path.exists()


def test_a_temporary_directory_stays_until_the_process_that_made_it_closes_it():
    assert said("temporary", "-") == ["child closed, there True", "parent closed, there False"]


def test_a_lasting_directory_stays_and_gives_the_lead_back(state: StateDirectory):
    assert state.lead.try_lead()
    state.close()
    assert state.path.exists()
    with StateDirectory(state.path) as other:
        assert other.lead.try_lead()


def test_memory_is_shared_by_name(state: StateDirectory, tmp_path: Path):
    state.shared_memory("pins", 64)[0] = 7
    with StateDirectory(tmp_path / "state") as other:
        assert other.shared_memory("pins", 64)[0] == 7


def test_files_made_by_root_belong_to_the_owner_of_the_directory(state: StateDirectory):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(state.path, 12345, 12345)
    paused(state)
    written = [state.path / name for name in ("state.json", "audit.jsonl", "lock")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in written} == {(12345, 12345)}


def test_the_log_is_put_aside_at_its_size(tmp_path: Path):
    with StateDirectory(tmp_path / "state", audit_bytes=1) as state:
        ids = [paused(state) for _ in range(3)]
        assert [each.id for each in told(state)] == ids[::-1]
        assert (state.path / "audit.2.jsonl").exists()


def test_a_reader_of_the_log_who_is_late_sees_the_last_change_first(state: StateDirectory):
    paused(state)
    entry = told(state)[0]
    AuditLog(state.path).append(replace(entry, id="9-x", revision=9))
    assert [each.revision for each in told(state)] == [9, 1]
    assert entry_line(entry)


def test_objects_say_what_they_are(state: StateDirectory):
    assert repr(state) == f"<StateDirectory {state.path} durable=True>"
    assert repr(state.epoch()) == "<Epoch 0 seen=0>"
    assert repr(state.kill) == f"<KillFile {state.path}/kill exists=False>"
    assert "held=False" in repr(state.lead)
    assert repr(AuditLog(state.path)) == f"<AuditLog {state.path}/audit.jsonl>"
