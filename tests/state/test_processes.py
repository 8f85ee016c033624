"""Several processes on one directory, and processes that are killed in the middle."""

from pathlib import Path

import pytest

from proxy.state.directory import StateDirectory
from tests.state.movers import running, said

MOVES = 200


def test_two_processes_that_move_at_once_lose_nothing(tmp_path: Path):
    directory = tmp_path / "state"
    with running("move", directory, "one", MOVES) as one:
        two = [int(line) for line in said("move", directory, "two", MOVES)]
        output, _ = one.communicate()
    first = [int(line) for line in output.splitlines()]
    assert sorted(first + two) == list(range(1, 2 * MOVES + 1))
    with StateDirectory(directory) as state:
        assert state.read().revision == 2 * MOVES
        assert set(state.read().routes) == {"one", "two"}
        revisions = [entry.revision for entry in state.read_audit(10 * MOVES)]
    assert revisions == list(range(2 * MOVES, 0, -1))


def test_a_process_that_is_killed_leaves_the_old_state_or_the_new(tmp_path: Path):
    directory = tmp_path / "state"
    known = 0
    for wait in range(12):
        with running("move", directory, "r", 100_000) as process:
            assert process.stdout is not None
            for _ in range(1 + wait % 5):
                known = int(process.stdout.readline())
            process.kill()
            process.wait()
        with StateDirectory(directory) as state:
            found = state.read()
            assert found.revision >= known
            assert found.routes["r"].basis_points is not None
            revisions = [entry.revision for entry in state.read_audit(1_000_000)]
            assert revisions == list(range(found.revision, 0, -1))


@pytest.mark.parametrize("made_before", [False, True])
def test_when_no_file_may_grow_nothing_is_moved_but_the_kill_switch_works(
    tmp_path: Path, made_before: bool
):
    directory = tmp_path / "state"
    if made_before:
        said("move", directory, "get-zone", 1)
    else:
        with StateDirectory(directory):
            pass
    refused, recorded, killed = said("full", directory)
    assert refused.startswith("StateError cannot change the state")
    assert recorded.startswith("NotRecorded the kill switch is on, but could not be recorded")
    assert killed == "killed True"
    with StateDirectory(directory) as state:
        assert state.read().revision == int(made_before)
