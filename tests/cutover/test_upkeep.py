"""The moves that the proxy makes by itself, as time goes by."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.cutover.moves import SYSTEM, Action, Move, apply
from proxy.cutover.overrides import NOTHING_MOVED, Overrides, position_of
from proxy.cutover.percent import WHOLE
from proxy.cutover.plan import RoutePlan
from proxy.cutover.ramp import Ramp, RampProgress
from proxy.cutover.stages import Stage
from proxy.cutover.upkeep import Moment, look
from proxy.cutover.windows import Window
from tests.cutover.plans import CANARY, GRPC, LEGACY, PREPARED, RAMP, RAMPING, move, moved

MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
HOUR_S = 3600.0


class Leader:
    """The process that leads: looks, and makes the moves that are due."""

    def __init__(self, plan: RoutePlan, overrides: Overrides = NOTHING_MOVED) -> None:
        self.plan = plan
        self.overrides = overrides
        self.progress: Mapping[str, RampProgress] = {}
        self.is_healthy: Callable[[str], bool] = lambda route: True
        self.may_rise: Callable[[str], bool] = lambda route: True
        self.made: list[Move] = []

    def look(self, monotonic_s: float, now_s: float | None = None) -> None:
        moment = Moment(MONDAY + monotonic_s if now_s is None else now_s, monotonic_s)
        plans = {self.plan.name: self.plan}
        asked = self.is_healthy, self.may_rise
        due = look(plans, self.overrides, self.progress, moment, *asked)
        self.progress = due.progress
        for each in due.moves:
            self.move(each, moment.now_s)
            self.made.append(each)

    def move(self, each: Move, now_s: float) -> None:
        """Make a move and keep it, as the state does."""
        plan = self.plan if each.route == self.plan.name else None
        self.overrides = apply(self.overrides, each, plan, now_s).following(self.overrides)

    def watch(self, until_s: float, every_s: float = 60.0) -> None:
        for count in range(int(until_s / every_s) + 1):
            self.look(count * every_s)

    @property
    def share(self) -> int:
        override = self.overrides.routes.get(self.plan.name)
        return position_of(self.plan, override).basis_points


def test_a_ramp_climbs_a_step_per_hold_up_to_the_limit_for_automatic_steps():
    leader = Leader(RAMPING)
    leader.watch(10 * HOUR_S)
    assert [each.basis_points for each in leader.made] == [500, 2500]
    assert {(each.action, each.who) for each in leader.made} == {(Action.ADVANCE, SYSTEM)}
    assert leader.made[0].reason == "held at 1 % for 3600 s in health"


def test_after_a_promotion_beyond_the_limit_nothing_goes_by_itself():
    leader = Leader(RAMPING, moved(RAMPING, *[move(Action.PROMOTE)] * 3))
    leader.watch(10 * HOUR_S)
    assert (leader.share, leader.made) == (5000, [])


@pytest.mark.parametrize("action", [Action.PAUSE, Action.ROLLBACK])
def test_a_paused_or_rolled_back_ramp_stays(action: Action):
    leader = Leader(RAMPING, moved(RAMPING, move(action)))
    leader.watch(10 * HOUR_S)
    assert leader.made == []


def test_a_ramp_waits_while_a_percentage_set_by_hand_stands():
    leader = Leader(RAMPING, moved(RAMPING, move(Action.PERCENT, basis_points=700)))
    leader.watch(10 * HOUR_S)
    assert leader.made == []


@pytest.mark.parametrize("plan", [LEGACY, CANARY, GRPC, PREPARED])
def test_a_route_that_is_not_on_a_ramp_stays(plan: RoutePlan):
    leader = Leader(plan)
    leader.watch(10 * HOUR_S)
    assert leader.made == []


def test_bad_health_begins_the_hold_anew():
    leader = Leader(RAMPING)
    leader.look(0.0)
    leader.is_healthy = lambda route: False
    leader.look(HOUR_S / 2)
    leader.is_healthy = lambda route: True
    leader.look(HOUR_S * 1.5 - 1)
    assert leader.made == []
    leader.look(HOUR_S * 1.5)
    assert leader.share == 500


def test_a_gate_holds_a_step_back_and_the_hold_goes_on_to_be_counted():
    """Evidence takes days: to hold once more after it is there would tell nothing new."""
    leader = Leader(RAMPING)
    leader.may_rise = lambda route: False
    leader.watch(3 * HOUR_S)
    assert leader.made == []
    leader.may_rise = lambda route: True
    leader.look(3 * HOUR_S)
    assert leader.share == 500


def test_bad_health_takes_no_step_even_without_a_hold():
    leader = Leader(replace(RAMPING, ramp=replace(RAMP, hold_s=0.0)))
    leader.is_healthy = lambda route: False
    leader.watch(HOUR_S)
    assert leader.made == []


def test_no_route_is_held_in_health_while_the_kill_switch_is_on():
    leader = Leader(RAMPING, moved(RAMPING, move(Action.KILL, on=True)))
    leader.watch(10 * HOUR_S)
    assert leader.made == []


def test_a_move_between_two_looks_begins_the_hold_anew_though_it_ends_where_it_began():
    leader = Leader(RAMPING)
    leader.look(0.0)
    for action in (Action.PAUSE, Action.RESUME):
        leader.move(move(action), MONDAY + 1)
    leader.look(HOUR_S - 1)
    leader.look(HOUR_S)
    assert leader.made == []
    leader.look(HOUR_S * 2)
    assert leader.share == 500


def test_a_move_begins_the_hold_anew():
    leader = Leader(RAMPING)
    leader.look(0.0)
    for action in (Action.PAUSE, Action.RESUME):
        leader.move(move(action), MONDAY + 1)
        leader.look(HOUR_S - 1)
    leader.look(HOUR_S)
    assert leader.made == []
    leader.look(HOUR_S * 2)
    assert leader.share == 500


@pytest.mark.parametrize("jump_s", [365 * 24 * HOUR_S, -365 * 24 * HOUR_S])
def test_a_jump_of_the_wall_clock_shortens_no_hold(jump_s: float):
    leader = Leader(RAMPING)
    leader.look(0.0)
    leader.look(1.0, MONDAY + jump_s)
    leader.look(HOUR_S - 1, MONDAY)
    assert leader.made == []
    leader.look(HOUR_S, MONDAY + jump_s)
    assert leader.share == 500


def test_a_process_that_has_just_begun_to_lead_counts_the_hold_from_there():
    leader = Leader(RAMPING)
    leader.look(1e9)
    leader.look(1e9 + HOUR_S - 1)
    assert leader.made == []


def test_steps_are_taken_only_inside_a_window():
    office = Window.parse("Mon-Thu 09:00-16:00 UTC")
    leader = Leader(replace(RAMPING, ramp=replace(RAMP, windows=(office,))))
    leader.watch(8 * HOUR_S)
    assert leader.made == []
    leader.look(9 * HOUR_S)  # held all night: one step, not nine
    leader.look(9 * HOUR_S + 60)
    assert leader.share == 500


def test_what_has_expired_is_taken_away():
    made = [
        move(Action.STAGE, stage=Stage.GRPC, ttl_s=10.0),
        move(Action.KILL, on=True, ttl_s=10.0),
    ]
    leader = Leader(LEGACY, moved(LEGACY, *made, at=MONDAY))
    leader.look(9.0)
    assert leader.made == []
    leader.look(11.0)
    assert (leader.overrides.routes, leader.overrides.kill) == ({}, None)
    assert [(each.action, each.route) for each in leader.made] == [
        (Action.EXPIRE, ""),
        (Action.EXPIRE, "get-zone"),
    ]


def test_a_ramp_goes_on_where_it_was_before_a_move_that_expired():
    leader = Leader(RAMPING)
    leader.watch(HOUR_S)
    pause = move(Action.STAGE, stage=Stage.LEGACY, ttl_s=60.0)
    leader.move(pause, MONDAY + HOUR_S)
    leader.look(HOUR_S + 60)
    assert leader.share == 500
    leader.look(HOUR_S + 61)
    leader.look(2 * HOUR_S + 60)
    assert leader.share == 500
    leader.look(2 * HOUR_S + 61)
    assert leader.share == 2500


def test_what_the_file_says_as_well_is_settled():
    leader = Leader(GRPC, moved(LEGACY, move(Action.STAGE, stage=Stage.GRPC)))
    leader.look(0.0)
    assert [each.action for each in leader.made] == [Action.SETTLE]
    assert leader.overrides.routes == {}


def test_overrides_of_routes_that_are_not_in_the_file_are_kept():
    overrides = moved(LEGACY, move(Action.STAGE, stage=Stage.GRPC))
    leader = Leader(replace(RAMPING, name="other"), overrides)
    leader.look(0.0)
    assert leader.overrides == overrides


def test_a_step_that_an_operator_took_first_is_not_taken_twice():
    """Two leaders, because one has lost the lead unseen: the second move is refused."""
    plans = {RAMPING.name: RAMPING}
    begun = look(plans, NOTHING_MOVED, {}, Moment(MONDAY, 0.0), lambda route: True)
    later = Moment(MONDAY + HOUR_S, HOUR_S)
    due = look(plans, NOTHING_MOVED, begun.progress, later, lambda route: True).moves
    after = apply(NOTHING_MOVED, due[0], RAMPING, 0.0)
    with pytest.raises(ValueError, match="not its next automatic step"):
        apply(after, due[0], RAMPING, 0.0)


def test_a_ramp_without_a_next_step_stays():
    ramp = Ramp((100, WHOLE), hold_s=0.0)
    leader = Leader(replace(RAMPING, ramp=ramp))
    leader.watch(10 * HOUR_S, HOUR_S)
    assert [each.basis_points for each in leader.made] == [WHOLE]
