"""What one process knows of the state."""

from pathlib import Path
from shutil import rmtree

import pytest

from proxy.cutover.moves import Action
from proxy.state.directory import StateDirectory
from proxy.state.errors import StateError
from proxy.state.moving import carry_out
from proxy.state.view import StateView
from tests.cutover.plans import RAMPING, move
from tests.state.conftest import NOON_S
from tests.state.movers import running


def pause(state: StateDirectory) -> None:
    carry_out(state, move(Action.PAUSE), {"get-zone": RAMPING}, digest="")


def test_a_move_made_elsewhere_is_noticed_and_read(state: StateDirectory, tmp_path: Path):
    view = StateView(state)
    assert not view.moved
    with StateDirectory(tmp_path / "state") as other:
        pause(other)
    assert view.moved
    assert view.refresh()
    assert view.overrides.routes["get-zone"].paused
    assert not view.moved
    assert not view.refresh()


def test_a_kill_switch_made_and_removed_by_hand_is_noticed(state: StateDirectory):
    view = StateView(state)
    state.kill.path.touch()
    assert (view.moved, view.refresh()) == (True, True)
    assert view.overrides.is_killed(NOON_S)
    state.kill.path.unlink()
    assert (view.moved, view.refresh()) == (True, True)
    assert not view.overrides.is_killed(NOON_S)


def test_a_process_that_begins_reads_what_is_there(state: StateDirectory):
    pause(state)
    state.kill.path.touch()
    view = StateView(state)
    assert view.overrides.routes["get-zone"].paused
    assert view.overrides.is_killed(NOON_S)
    assert not view.moved


def test_a_state_that_cannot_be_read_keeps_nobody_from_starting_unseen(state: StateDirectory):
    (state.path / "state.json").write_text("{")
    with pytest.raises(StateError, match=r"state\.json cannot be understood"):
        StateView(state)


def test_a_directory_that_is_gone_is_told_at_the_start(state: StateDirectory):
    rmtree(state.path)
    with pytest.raises(StateError, match="cannot be used"):
        StateView(state)


def test_the_last_good_reading_stays_and_the_problem_is_told(state: StateDirectory):
    pause(state)
    view = StateView(state)
    path = state.path / "state.json"
    good = path.read_bytes()
    path.write_text("{")
    assert not view.refresh()
    assert view.overrides.routes["get-zone"].paused
    assert "cannot be understood" in (view.problem or "")
    path.write_bytes(good)
    view.refresh()
    assert view.problem is None


def test_the_kill_switch_counts_though_the_state_is_damaged(state: StateDirectory):
    view = StateView(state)
    (state.path / "state.json").write_text("{")
    state.kill.path.touch()
    assert view.refresh()
    assert view.overrides.is_killed(NOON_S)
    assert view.problem
    assert not view.moved


@pytest.mark.parametrize("killed", [False, True])
def test_a_directory_that_is_taken_away_lets_nothing_go_on(state: StateDirectory, killed: bool):
    pause(state)
    if killed:
        state.kill.path.touch()
    view = StateView(state)
    before = view.overrides
    rmtree(state.path)
    view.refresh()
    assert view.overrides == before
    assert "removed or replaced" in (view.problem or "")
    assert not view.moved


def test_a_state_that_went_back_lets_nothing_go_on(state: StateDirectory):
    pause(state)
    view = StateView(state)
    (state.path / "state.json").unlink()
    assert not view.refresh()
    assert view.overrides.routes == {"get-zone": view.overrides.routes["get-zone"]}
    assert "at revision 0, but was at 1" in (view.problem or "")
    assert repr(view).startswith("<StateView revision=1 problem=")


def test_a_change_during_a_reading_is_not_missed(state: StateDirectory):
    """The counter is noted before the file is read: whoever changes it after that is seen."""
    view = StateView(state)
    pause(state)
    with running("move", state.path, "other", 200) as process:
        while process.poll() is None:
            view.refresh()
    if view.moved:
        view.refresh()
    assert view.overrides.revision == 201
    assert view.overrides.routes["get-zone"].paused
