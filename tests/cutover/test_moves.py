"""Moves at run time: what each does, when it is refused, and what is never possible."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cutover.moves import (
    INTERNAL,
    MAX_REASON_LENGTH,
    MAX_TTL_S,
    MAX_WHO_LENGTH,
    SYSTEM,
    Action,
    Move,
    MoveRefused,
    apply,
)
from proxy.cutover.overrides import (
    NOTHING_MOVED,
    KillSwitch,
    Overrides,
    position_of,
    positions,
    standing_text,
)
from proxy.cutover.percent import WHOLE
from proxy.cutover.plan import RoutePlan
from proxy.cutover.ramp import Ramp
from proxy.cutover.stages import Stage
from tests.cutover.plans import (
    CANARY,
    GRPC,
    GRPC_ONLY,
    LEGACY,
    LEGACY_ONLY,
    PREPARED,
    RAMP,
    RAMPING,
    histories,
    move,
    moved,
    moves,
    override_after,
    plans,
    tried,
)

ADVANCE, EXPIRE, KILL, PAUSE = Action.ADVANCE, Action.EXPIRE, Action.KILL, Action.PAUSE
PERCENT, PROMOTE, RESUME, ROLLBACK = (
    *(Action.PERCENT, Action.PROMOTE),
    *(Action.RESUME, Action.ROLLBACK),
)
SETTLE, STAGE = Action.SETTLE, Action.STAGE


def told(plan: RoutePlan, *made: Move, now_s: float | None = None) -> str:
    """Where the route stands after the moves, in words."""
    overrides = moved(plan, *made)
    return standing_text(plan, overrides.standing(plan.name, len(made) if now_s is None else now_s))


def staged(stage: Stage, **facts: object) -> Move:
    return move(STAGE, stage=stage, **facts)


def shared(basis_points: int, **facts: object) -> Move:
    return move(PERCENT, basis_points=basis_points, **facts)


def advanced(basis_points: int) -> Move:
    return move(ADVANCE, basis_points=basis_points)


TO_500, TO_2500 = advanced(500), advanced(2500)


@pytest.mark.parametrize(
    ("plan", "made", "standing"),
    [
        (LEGACY, [staged(Stage.GRPC)], "grpc"),
        (LEGACY, [staged(Stage.SHADOW)], "shadow"),
        (LEGACY, [staged(Stage.CANARY)], "canary 5 %"),  # the file's share
        (GRPC, [staged(Stage.LEGACY)], "legacy"),
        (PREPARED, [staged(Stage.CANARY)], "canary 1 %"),  # the ramp's first step
        (RAMPING, [TO_500, staged(Stage.CANARY)], "canary 5 %"),  # it is there: it stays
        (RAMPING, [shared(3000), staged(Stage.CANARY)], "canary 30 %, set by hand"),
        (RAMPING, [TO_500, staged(Stage.GRPC), staged(Stage.CANARY)], "canary 1 %"),
        (CANARY, [shared(1)], "canary 0.01 %"),
        (CANARY, [shared(0)], "canary 0 %"),
        (LEGACY, [shared(WHOLE)], "canary 100 %"),  # a share is a share in canary, from anywhere
        (GRPC, [shared(5000)], "canary 50 %"),
    ],
)
def test_stage_and_percent_put_a_route_where_they_say(
    plan: RoutePlan, made: list[Move], standing: str
):
    assert told(plan, *made) == standing


def test_a_move_to_shadow_does_not_count_once_the_file_takes_the_mirror_away():
    override = override_after(LEGACY, staged(Stage.SHADOW))
    assert position_of(LEGACY, override).stage is Stage.SHADOW
    assert position_of(replace(LEGACY, has_mirror=False), override).stage is Stage.LEGACY


def test_promote_goes_rung_by_rung_past_the_limit_for_automatic_steps():
    standings = [told(PREPARED, *[move(PROMOTE)] * count) for count in range(7)]
    assert standings == [
        *("legacy", "canary 1 %", "canary 5 %", "canary 25 %", "canary 50 %", "canary 100 %"),
        "grpc",
    ]


@pytest.mark.parametrize(
    ("plan", "made", "standing"),
    [
        (replace(LEGACY, stage=Stage.SHADOW), [], "canary 5 %"),
        (LEGACY, [move(PROMOTE)], "canary 100 %"),  # no steps: all is the next rung
        (RAMPING, [shared(3000)], "canary 50 %"),  # the next step above a share set by hand
        (RAMPING, [move(ROLLBACK)], "canary 1 %"),  # from the beginning again
        (GRPC, [move(ROLLBACK)], "canary 5 %"),
        (RAMPING, [move(PAUSE)], "canary 5 %, paused"),  # one rung, and still no automatic ones
        (replace(RAMPING, ramp=Ramp((100, 200))), [shared(200)], "canary 100 %, set by hand"),
    ],
)
def test_promote_takes_the_next_rung(plan: RoutePlan, made: list[Move], standing: str):
    assert told(plan, *made, move(PROMOTE)) == standing


@pytest.mark.parametrize(
    ("plan", "made", "standing"),
    [
        (RAMPING, [TO_500, move(PAUSE), move(RESUME)], "canary 5 %"),
        (RAMPING, [TO_500, TO_2500, move(ROLLBACK), move(RESUME)], "canary 1 %"),
        (PREPARED, [move(PROMOTE), move(ROLLBACK), move(RESUME)], "canary 1 %"),
        (GRPC, [move(ROLLBACK), move(RESUME)], "grpc"),
        (CANARY, [shared(9000), move(ROLLBACK), move(RESUME)], "canary 5 %"),  # the file's
        (RAMPING, [shared(3000), move(RESUME)], "canary 25 %"),  # down to a step of the ramp
        (RAMPING, [shared(10), move(RESUME)], "canary 1 %"),
    ],
)
def test_resume_ends_a_pause_a_rollback_and_a_share_set_by_hand(
    plan: RoutePlan, made: list[Move], standing: str
):
    assert told(plan, *made) == standing


def test_a_ramp_goes_on_after_a_share_set_by_hand_was_resumed():
    assert told(RAMPING, shared(700), move(RESUME), TO_2500) == "canary 25 %"


@pytest.mark.parametrize("plan", [CANARY, RAMPING, GRPC])
def test_a_rollback_goes_to_legacy_and_keeps_its_cause(plan: RoutePlan):
    cause = "31 of 40 errors on gRPC at a share of 5 %: e-value 812 > 100"
    override = override_after(plan, move(ROLLBACK, reason=cause, who=SYSTEM))
    assert override is not None
    assert (override.rollback, override.who) == (cause, SYSTEM)
    position = position_of(plan, override)
    assert (position.stage, position.rolled_back) == (Stage.LEGACY, True)


@pytest.mark.parametrize("ends", [staged(Stage.GRPC), shared(5), move(PROMOTE), move(RESUME)])
def test_a_rollback_sticks_until_an_operator_acts(ends: Move):
    rolled_back = moved(RAMPING, TO_500, move(ROLLBACK, who=SYSTEM))
    for offset in (0.0, MAX_TTL_S * 100):
        assert position_of(RAMPING, rolled_back.standing("get-zone", offset)).rolled_back
    after = apply(rolled_back, ends, RAMPING, 9.0).standing("get-zone", 9.0)
    assert not position_of(RAMPING, after).rolled_back


def test_a_second_rollback_does_not_overwrite_the_cause_of_the_first():
    rolled_back = moved(GRPC, move(ROLLBACK, reason="first"))
    with pytest.raises(MoveRefused, match="nothing to roll back: get-zone is rolled back"):
        apply(rolled_back, move(ROLLBACK, reason="second"), GRPC, 1.0)


REFUSED = [
    (None, [], staged(Stage.GRPC), "there is no route 'get-zone'"),
    (LEGACY, [], move(STAGE), "stage needs one of legacy, shadow, canary, grpc"),
    (GRPC_ONLY, [], staged(Stage.LEGACY), "no legacy upstream"),
    (GRPC_ONLY, [], staged(Stage.SHADOW), "no legacy upstream"),
    (GRPC_ONLY, [], staged(Stage.CANARY), "no legacy upstream"),
    (GRPC_ONLY, [], shared(500), "no legacy upstream"),
    (GRPC_ONLY, [], move(ROLLBACK), "no legacy upstream"),
    (LEGACY_ONLY, [], staged(Stage.GRPC), "no gRPC upstream"),
    (replace(LEGACY, has_mirror=False), [], staged(Stage.SHADOW), "the route has no mirror"),
    (replace(GRPC, has_mirror=False), [], staged(Stage.SHADOW), "the route has no mirror"),
    (LEGACY_ONLY, [], staged(Stage.SHADOW), "no gRPC upstream"),
    (LEGACY_ONLY, [], move(PROMOTE), "no gRPC upstream"),
    (replace(LEGACY, has_sticky=False), [], staged(Stage.CANARY), "no sticky source"),
    (replace(LEGACY, has_sticky=False), [], move(PROMOTE), "no sticky source"),
    (LEGACY, [], move(PERCENT), "from 0 to 100"),
    (LEGACY, [], shared(-1), "from 0 to 100"),
    (LEGACY, [], shared(WHOLE + 1), "from 0 to 100"),
    (replace(LEGACY, basis_points=0), [], move(PROMOTE), "no canary.steps and no canary.percent"),
    (GRPC, [], move(PROMOTE), "nothing further"),
    (CANARY, [], move(PAUSE), "has no steps in the file"),
    (PREPARED, [], move(PAUSE), "not on its ramp: it stands at legacy"),
    (RAMPING, [shared(700)], move(PAUSE), "not on its ramp: it stands at canary 7 %"),
    (RAMPING, [move(PAUSE)], move(PAUSE), "paused already"),
    (RAMPING, [move(ROLLBACK)], move(PAUSE), "stands at rolled back to legacy"),
    (RAMPING, [], move(RESUME), "nothing to resume"),
    (CANARY, [shared(700)], move(RESUME), "nothing to resume"),
    (LEGACY, [], move(ROLLBACK), "nothing to roll back: get-zone is legacy"),
    (LEGACY, [], move(ROLLBACK, who=SYSTEM, ttl_s=1.0), "nothing to roll back"),
    (RAMPING, [], move(ROLLBACK, who=SYSTEM, reason=" "), "a move needs a reason"),
    (GRPC, [], move(ROLLBACK, who=SYSTEM, ttl_s=1.0), "somebody has to look at it"),
    (LEGACY, [], move(KILL), "kill needs on or off"),
    (LEGACY, [], move(KILL, on=False), "the kill switch is not on"),
    (LEGACY, [move(KILL, on=True)], move(KILL, on=False, ttl_s=9.0), "not turned off for a time"),
    (LEGACY, [], move(STAGE, reason=" "), "needs a reason"),
    (LEGACY, [], move(STAGE, who=""), "who makes it"),
    (LEGACY, [], move(STAGE, reason="a\nb"), "characters that cannot be printed"),
    (LEGACY, [], move(STAGE, reason="\udcff"), "characters that cannot be printed"),
    (LEGACY, [], move(STAGE, who="k\u2028"), "the name has characters"),
    (LEGACY, [], move(STAGE, reason="x" * (MAX_REASON_LENGTH + 1)), "longer than 1000"),
    (LEGACY, [], move(STAGE, who="x" * 201), "the name is longer than 200"),
    (LEGACY, [], move(STAGE, ttl_s=0.0), "at most 366 days"),
    (LEGACY, [], move(STAGE, ttl_s=float("nan")), "at most 366 days"),
    (LEGACY, [], move(STAGE, ttl_s=MAX_TTL_S + 1), "at most 366 days"),
    # The proxy's own moves, where they are not due.
    (RAMPING, [], advanced(2500), "not its next automatic step"),  # one step at a time
    (RAMPING, [TO_500], TO_500, "not its next automatic step"),  # somebody was quicker
    (RAMPING, [TO_500, TO_2500], advanced(5000), "not its next"),  # beyond max_auto
    (RAMPING, [move(PAUSE)], TO_500, "not its next automatic step"),
    (RAMPING, [shared(500)], TO_2500, "not on its ramp"),
    (RAMPING, [move(ROLLBACK)], TO_500, "not on its ramp"),
    (PREPARED, [], TO_500, "not on its ramp"),
    (CANARY, [], TO_500, "has no steps"),
    (LEGACY, [], move(EXPIRE), "no move of get-zone has expired"),
    (LEGACY, [staged(Stage.GRPC)], move(EXPIRE), "no move of get-zone has expired"),
    (LEGACY, [staged(Stage.GRPC, ttl_s=99.0)], move(EXPIRE), "no move of get-zone has expired"),
    (LEGACY, [move(KILL, on=True)], move(EXPIRE, route=""), "no kill switch has expired"),
    (LEGACY, [], move(EXPIRE, route=""), "no kill switch has expired"),
    (LEGACY, [], move(SETTLE), "the file does not say"),
    (LEGACY, [staged(Stage.GRPC)], move(SETTLE), "the file does not say"),
]


@pytest.mark.parametrize(("plan", "before", "refused", "message"), REFUSED)
def test_a_move_that_cannot_be_made_is_refused_and_says_why(
    plan: RoutePlan | None, before: list[Move], refused: Move, message: str
):
    overrides = moved(plan, *before) if plan else NOTHING_MOVED
    with pytest.raises(MoveRefused, match=message):
        apply(overrides, refused, plan, float(len(before)))


@pytest.mark.parametrize("action", sorted(INTERNAL))
def test_nobody_else_makes_the_moves_of_the_proxy(action: Action):
    with pytest.raises(MoveRefused, match="the proxy's own"):
        apply(NOTHING_MOVED, move(action, who="kim"), RAMPING, 0.0)


@pytest.mark.parametrize("who", ["system", " System"])
@pytest.mark.parametrize("action", [*sorted(INTERNAL), ROLLBACK, Action.KILL])
def test_nobody_passes_for_the_proxy_by_its_name(action: Action, who: str):
    with pytest.raises(MoveRefused, match="the name 'system' is the proxy's own"):
        apply(NOTHING_MOVED, move(action, who=who, on=True), RAMPING, 0.0)


def test_a_reason_and_a_name_may_be_as_long_as_their_limits():
    asked = staged(Stage.GRPC, reason="x" * MAX_REASON_LENGTH, who="k" * MAX_WHO_LENGTH)
    assert told(LEGACY, asked) == "grpc"


def test_the_text_of_a_rollback_cannot_stop_it():
    text = "x" * 5000 + "\n"
    override = override_after(GRPC, move(ROLLBACK, who=SYSTEM, reason=text))
    assert override is not None
    assert override.rollback == text


def test_the_kill_switch_is_turned_on_again_without_complaint_and_off():
    on = moved(LEGACY, move(KILL, on=True), move(KILL, on=True, reason="really", ttl_s=10.0))
    assert on.kill == KillSwitch("kim", "really", 1.0, 11.0)
    assert (on.is_killed(10.9), on.is_killed(11.0)) == (True, False)
    assert apply(on, move(KILL, on=False), None, 2.0).kill is None
    assert apply(on, move(EXPIRE, route=""), None, 11.0).kill is None


def test_routes_are_moved_apart_from_one_another():
    overrides = apply(moved(LEGACY, staged(Stage.GRPC)), move(PAUSE, route="other"), RAMPING, 5.0)
    assert overrides.routes["get-zone"].stage is Stage.GRPC
    assert overrides.routes["other"].paused


def test_a_move_of_a_route_that_the_file_has_no_more_is_dropped_by_resume():
    overrides = moved(LEGACY, staged(Stage.GRPC))
    assert apply(overrides, move(RESUME), None, 5.0).routes == {}
    with pytest.raises(MoveRefused, match="there is no route"):
        apply(overrides, staged(Stage.LEGACY), None, 5.0)


# What has an end.


def test_after_its_time_a_move_counts_no_more_and_what_was_before_does():
    temporary = [TO_500, shared(0, ttl_s=100.0)]
    assert told(RAMPING, *temporary, now_s=100.9) == "canary 0 %, set by hand"
    assert told(RAMPING, *temporary, now_s=101.0) == "canary 5 %"
    assert told(LEGACY, staged(Stage.GRPC, ttl_s=100.0), now_s=100.0) == "legacy"


def test_what_has_expired_is_taken_away_and_leaves_what_was_before():
    overrides = moved(RAMPING, TO_500, move(PAUSE, ttl_s=100.0))
    after = apply(overrides, move(EXPIRE), RAMPING, 101.0)
    assert after.routes == {"get-zone": override_after(RAMPING, TO_500)}
    assert apply(moved(LEGACY, staged(Stage.GRPC, ttl_s=9.0)), move(EXPIRE), None, 9.0).routes == {}


def test_one_temporary_move_upon_another_ends_in_what_was_before_both():
    made = [shared(1000), shared(2000, ttl_s=100.0), shared(3000, ttl_s=10.0)]
    assert told(CANARY, *made, now_s=13.0) == "canary 10 %"


def test_a_lasting_move_upon_a_temporary_one_lasts():
    assert told(CANARY, shared(2000, ttl_s=10.0), shared(3000), now_s=1e6) == "canary 30 %"


def test_pausing_a_temporary_move_does_not_make_it_last():
    made = [shared(2000, ttl_s=100.0), move(RESUME), move(PAUSE)]
    assert told(RAMPING, *made, now_s=50.0) == "canary 5 %, paused"
    assert told(RAMPING, *made, now_s=100.0) == "canary 1 %"


def test_a_step_of_the_ramp_does_not_make_a_temporary_move_last():
    made = [staged(Stage.CANARY, ttl_s=100.0), advanced(500)]
    assert told(PREPARED, *made, now_s=50.0) == "canary 5 %"
    assert told(PREPARED, *made, now_s=100.0) == "legacy"


def test_a_rollback_during_a_temporary_move_does_not_end_with_it():
    made = [TO_500, staged(Stage.GRPC, ttl_s=10.0), move(ROLLBACK, who=SYSTEM)]
    assert told(RAMPING, *made, now_s=1e6) == "rolled back to legacy"
    assert told(RAMPING, *made, move(RESUME)) == "canary 1 %"


def test_a_move_to_what_the_file_says_leaves_no_override():
    assert override_after(LEGACY, staged(Stage.GRPC), staged(Stage.LEGACY)) is None
    assert override_after(RAMPING, move(PAUSE), move(RESUME)) is None


def test_the_next_end_is_known():
    overrides = moved(LEGACY, staged(Stage.GRPC, ttl_s=50.0), move(KILL, on=True, ttl_s=20.0))
    assert [overrides.next_expiry_s(at) for at in (2.0, 21.0, 50.0)] == [21.0, 50.0, None]
    assert NOTHING_MOVED.next_expiry_s(0.0) is None


# Files that change under overrides.


@pytest.mark.parametrize(
    ("plan", "made", "changed", "standing"),
    [
        # A ramp that was reached counts only as far as the new steps go.
        (RAMPING, [TO_500, TO_2500], replace(RAMPING, ramp=Ramp((100, 2000))), "canary 20 %"),
        (RAMPING, [TO_500], replace(RAMPING, ramp=Ramp((5000, WHOLE))), "canary 5 %"),
        (RAMPING, [TO_500], CANARY, "canary 5 %"),  # the file's 5 %, which has no steps now
        (RAMPING, [TO_500], replace(CANARY, basis_points=10), "canary 0.1 %"),
        (RAMPING, [TO_500], GRPC, "grpc"),
        (RAMPING, [TO_500], LEGACY, "legacy"),
        # What has become impossible does not count.
        (LEGACY, [staged(Stage.CANARY)], GRPC_ONLY, "grpc"),
        (GRPC, [staged(Stage.LEGACY)], GRPC_ONLY, "grpc"),
        (GRPC, [move(ROLLBACK)], GRPC_ONLY, "grpc"),
        (LEGACY, [staged(Stage.GRPC)], LEGACY_ONLY, "legacy"),
        (LEGACY, [shared(7000)], replace(LEGACY, has_sticky=False), "legacy"),
        # A rollback holds whatever stage the file goes on to.
        (CANARY, [move(ROLLBACK)], GRPC, "rolled back to legacy"),
    ],
)
def test_a_changed_file_and_an_override_come_to_a_position(
    plan: RoutePlan, made: list[Move], changed: RoutePlan, standing: str
):
    assert standing_text(changed, override_after(plan, *made)) == standing


def test_a_share_below_a_changed_ramp_goes_to_its_first_step_next():
    changed = replace(RAMPING, ramp=replace(RAMP, steps=(1000, 2500)))
    overrides = moved(RAMPING, TO_500)
    with pytest.raises(MoveRefused, match="not its next"):
        apply(overrides, TO_2500, changed, 5.0)
    after = apply(overrides, advanced(1000), changed, 5.0)
    assert standing_text(changed, after.standing("get-zone", 5.0)) == "canary 10 %"


# What holds after every history of moves.

GRPC_SHARE = {Stage.LEGACY: 0, Stage.SHADOW: 0, Stage.GRPC: WHOLE}


def share_of(plan: RoutePlan, overrides: Overrides, now_s: float) -> int:
    """How much of the route goes to gRPC, in basis points."""
    position = positions({plan.name: plan}, overrides, now_s)[plan.name]
    return GRPC_SHARE.get(position.stage, position.basis_points)


@given(histories())
def test_a_position_is_always_possible(history: tuple[RoutePlan, Overrides, float]):
    plan, overrides, now_s = history
    position = positions({plan.name: plan}, overrides, now_s)[plan.name]
    assert plan.obstacle(position.stage) is None


@given(histories(), moves)
@settings(max_examples=200)
def test_by_itself_the_proxy_only_lowers_but_for_steps_of_the_ramp_and_ends(
    history: tuple[RoutePlan, Overrides, float], each: Move
):
    plan, overrides, now_s = history
    own = replace(each, who=SYSTEM, ttl_s=None)
    if own.action not in (ROLLBACK, SETTLE, ADVANCE):
        return
    before = share_of(plan, overrides, now_s)
    after = share_of(plan, tried(overrides, own, plan, now_s), now_s)
    if own.action is ADVANCE and after > before:
        assert plan.ramp is not None
        assert after == min(step for step in plan.ramp.steps if step > before)
        assert after <= plan.ramp.max_auto_basis_points
    else:
        assert after <= before


@given(histories(), plans)
@settings(max_examples=200)
def test_settling_moves_nothing_and_comes_to_an_end(
    history: tuple[RoutePlan, Overrides, float], changed: RoutePlan
):
    _, overrides, now_s = history
    after = tried(overrides, move(SETTLE), changed, now_s)
    again = tried(after, move(SETTLE), changed, now_s)
    assert share_of(changed, after, now_s) == share_of(changed, overrides, now_s)
    assert again == after


@given(histories(), plans, st.floats(0.0, 1e6))
def test_replicas_with_equal_files_and_state_agree(
    history: tuple[RoutePlan, Overrides, float], plan: RoutePlan, later_s: float
):
    _, overrides, now_s = history
    copies = [replace(plan), replace(plan)]
    states = [replace(overrides, routes=dict(overrides.routes)) for _ in copies]
    found = [
        positions({copy.name: copy}, state, now_s + later_s)
        for copy, state in zip(copies, states, strict=True)
    ]
    assert found[0] == found[1]


@given(histories(), st.lists(st.floats(0.0, 1e6), min_size=2))
def test_time_alone_changes_a_position_once_and_only_to_what_was_before(
    history: tuple[RoutePlan, Overrides, float], times: list[float]
):
    plan, overrides, now_s = history
    seen = [share_of(plan, overrides, now_s + each) for each in sorted(times)]
    assert sum(early != late for early, late in pairwise(seen)) <= 1
    for override in overrides.routes.values():
        assert override.beneath is None or override.beneath.expires_s is None
        assert override.beneath is None or override.expires_s is not None
