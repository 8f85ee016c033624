"""Moves, carried out on a state directory."""

import pytest

from proxy.cutover.moves import SYSTEM, Action, MoveRefused
from proxy.cutover.overrides import KillSwitch, positions
from proxy.cutover.stages import Stage
from proxy.state.directory import StateDirectory
from proxy.state.errors import NotRecorded, RevisionConflict, StateError
from proxy.state.lock import locked
from proxy.state.moving import carry_out
from tests.cutover.plans import RAMPING, move
from tests.fakes import FakeClock
from tests.state.conftest import NOON_S

PLANS = {"get-zone": RAMPING}
KILL_ON = move(Action.KILL, on=True, reason="incident 42")


def made(state: StateDirectory, *moves, plans=PLANS) -> list[tuple[str, str, str, str]]:
    """Action, route, from and to of the audit entries after *moves*."""
    for each in moves:
        carry_out(state, each, plans, digest="d1")
    entries = reversed([*state.read_audit(100)])
    return [(each.action, each.route, each.before, each.after) for each in entries]


def test_a_move_is_kept_and_told_with_where_the_route_stood_and_stands(state: StateDirectory):
    assert made(
        state,
        move(Action.ADVANCE, basis_points=500),
        move(Action.PAUSE),
        move(Action.ROLLBACK, reason="9 of 9 errors on gRPC", who=SYSTEM),
        move(Action.STAGE, stage=Stage.GRPC, ttl_s=60.0),
    ) == [
        ("advance", "get-zone", "canary 1 %", "canary 5 %"),
        ("pause", "get-zone", "canary 5 %", "canary 5 %, paused"),
        ("rollback", "get-zone", "canary 5 %, paused", "rolled back to legacy"),
        ("stage", "get-zone", "rolled back to legacy", "grpc"),
    ]
    entry = next(state.read_audit(1))
    assert (entry.who, entry.why, entry.digest, entry.ttl_s) == ("kim", "to see", "d1", 60.0)


def test_what_has_expired_is_told(state: StateDirectory, clock: FakeClock):
    made(state, move(Action.STAGE, stage=Stage.GRPC, ttl_s=60.0))
    clock.advance(60.0)
    assert made(state, move(Action.EXPIRE))[-1] == (
        "expire",
        "get-zone",
        "canary 1 %",
        "canary 1 %",
    )
    assert state.read().routes == {}


def test_a_route_that_the_file_has_no_more_is_told_as_such(state: StateDirectory):
    made(state, move(Action.PAUSE))
    told = made(state, move(Action.RESUME), plans={})
    assert told[-1] == ("resume", "get-zone", "not in the file", "not in the file")


def test_a_move_that_is_refused_changes_and_tells_nothing(state: StateDirectory):
    with pytest.raises(MoveRefused, match="there is no route 'no'"):
        made(state, move(Action.PAUSE, route="no"))
    assert (state.read().revision, [*state.read_audit(9)]) == (0, [])


def test_a_move_on_an_older_revision_is_refused(state: StateDirectory):
    made(state, move(Action.PAUSE))
    for each in (move(Action.RESUME), KILL_ON):
        with pytest.raises(RevisionConflict):
            carry_out(state, each, PLANS, digest="", if_revision=0)
    assert not state.kill.exists
    carry_out(state, KILL_ON, PLANS, digest="", if_revision=1)
    assert state.kill.exists


def test_the_kill_switch_is_turned_on_and_off_and_told(state: StateDirectory):
    told = made(state, KILL_ON)
    assert state.read().kill == KillSwitch("kim", "incident 42", NOON_S)
    assert told == [("kill", "", "kill switch off", "kill switch on")]
    assert made(state, KILL_ON)[-1] == ("kill", "", "kill switch on", "kill switch on")
    told = made(state, move(Action.KILL, on=False))
    assert told[-1] == ("kill", "", "kill switch on", "kill switch off")
    assert state.read().kill is None


def test_a_kill_switch_with_an_end_is_over_and_taken_away(state: StateDirectory, clock: FakeClock):
    made(state, move(Action.KILL, on=True, ttl_s=60.0))
    clock.advance(60.0)
    assert not state.read().is_killed(clock())
    made(state, move(Action.EXPIRE, route=""))
    assert not state.kill.exists


def test_the_kill_switch_waits_for_nobody(state: StateDirectory):
    with (
        locked(state.path / "lock"),
        pytest.raises(NotRecorded, match="the kill switch is on, but could not be recorded"),
    ):
        made(state, KILL_ON)
    assert state.read().is_killed(NOON_S)


def test_the_kill_switch_needs_no_state_that_can_be_read(state: StateDirectory):
    (state.path / "state.json").write_text("{")
    with pytest.raises(NotRecorded, match="cannot be understood"):
        carry_out(state, KILL_ON, PLANS, digest="")
    assert state.kill.exists


def test_a_kill_switch_without_a_reason_is_refused(state: StateDirectory):
    with pytest.raises(MoveRefused, match="needs a reason"):
        made(state, move(Action.KILL, on=True, reason=""))
    assert not state.kill.exists


def test_a_kill_switch_that_cannot_be_turned_on_is_told(state: StateDirectory):
    state.kill.path.mkdir()
    with pytest.raises(StateError, match=r"could not be turned on: .*Is a directory"):
        made(state, KILL_ON)


def test_a_kill_switch_that_cannot_be_turned_off_is_told(state: StateDirectory):
    state.kill.path.mkdir()
    with pytest.raises(StateError, match=r"cannot change the state: .*Is a directory"):
        made(state, move(Action.KILL, on=False))
    assert state.read().is_killed(NOON_S)


def test_positions_come_from_what_was_kept(state: StateDirectory):
    made(state, move(Action.PROMOTE))
    assert positions(PLANS, state.read(), NOON_S)["get-zone"].basis_points == 500
