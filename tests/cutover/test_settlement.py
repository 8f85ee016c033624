"""Drift between file and overrides, and files that catch up."""

from dataclasses import replace

import pytest

from proxy.cutover.moves import Action, Move
from proxy.cutover.overrides import Overrides
from proxy.cutover.plan import RoutePlan
from proxy.cutover.settlement import drift, settled
from proxy.cutover.stages import Stage
from tests.cutover.plans import (
    CANARY,
    GRPC,
    GRPC_ONLY,
    LEGACY,
    PREPARED,
    RAMPING,
    move,
    moved,
    override_after,
)

PAUSE, PERCENT, PROMOTE = Action.PAUSE, Action.PERCENT, Action.PROMOTE
ROLLBACK, STAGE = Action.ROLLBACK, Action.STAGE
TO_500 = move(Action.ADVANCE, basis_points=500)
TO_GRPC = move(STAGE, stage=Stage.GRPC)
TO_30 = move(PERCENT, basis_points=3000)


def drift_of(plan: RoutePlan, overrides: Overrides) -> str | None:
    return drift({plan.name: plan}, overrides, 10.0).get(plan.name)


@pytest.mark.parametrize(
    ("plan", "made", "words"),
    [
        (LEGACY, [], None),
        (LEGACY, [TO_GRPC], "grpc, the file says legacy"),
        (CANARY, [TO_30], "canary 30 %, the file says canary 5 %"),
        (RAMPING, [TO_500], None),  # the ramp goes its way, as the file says
        (RAMPING, [move(PROMOTE), move(PROMOTE), move(PROMOTE)], None),  # still on its steps
        (RAMPING, [move(PAUSE)], "canary 1 %, paused, the file says canary 1 %"),
        (
            RAMPING,
            [move(PERCENT, basis_points=100)],
            "canary 1 %, set by hand, the file says canary 1 %",
        ),
        (PREPARED, [move(PROMOTE)], "canary 1 %, the file says legacy"),
        (GRPC, [move(ROLLBACK)], "rolled back to legacy, the file says grpc"),
        (
            LEGACY,
            [move(STAGE, stage=Stage.GRPC, ttl_s=3600.0)],
            "grpc, the file says legacy (until 1970-01-01 01:00:00Z)",
        ),
        (LEGACY, [move(STAGE, stage=Stage.GRPC, ttl_s=5.0)], None),  # over
    ],
)
def test_drift_tells_what_the_file_does_not(plan: RoutePlan, made: list[Move], words: str | None):
    assert drift_of(plan, moved(plan, *made)) == words


def test_an_override_that_its_file_makes_impossible_is_told():
    assert drift_of(GRPC_ONLY, moved(GRPC, move(STAGE, stage=Stage.LEGACY))) == (
        "moved to legacy, which does not count: the route has no legacy upstream;"
        " the file's grpc does"
    )
    assert "no legacy upstream" in (drift_of(GRPC_ONLY, moved(GRPC, move(ROLLBACK))) or "")


def test_an_override_of_a_route_that_is_not_in_the_file_is_told_and_does_nothing():
    overrides = moved(LEGACY, TO_GRPC)
    assert drift({}, overrides, 10.0) == {
        "get-zone": "moved, but not in the file: this does nothing"
    }


@pytest.mark.parametrize(
    ("plan", "made", "changed"),
    [
        (LEGACY, [TO_GRPC], GRPC),
        (CANARY, [TO_30], replace(CANARY, basis_points=3000)),
        (LEGACY, [TO_30], replace(CANARY, basis_points=3000)),
        (PREPARED, [move(PROMOTE)], RAMPING),
        (RAMPING, [TO_500], GRPC),  # the ramp is over
        (RAMPING, [TO_500, move(PAUSE)], PREPARED),  # and here too, with its pause
        (RAMPING, [TO_500], CANARY),
        (CANARY, [move(ROLLBACK)], LEGACY),  # the file has taken back what failed
        (GRPC, [move(ROLLBACK)], replace(LEGACY, stage=Stage.SHADOW)),
    ],
)
def test_what_the_file_says_as_well_is_settled(
    plan: RoutePlan, made: list[Move], changed: RoutePlan
):
    overrides = moved(plan, *made)
    assert settled(overrides.routes["get-zone"], changed) is None
    assert drift_of(changed, overrides) is None


@pytest.mark.parametrize(
    ("plan", "made", "changed"),
    [
        (LEGACY, [TO_30], replace(CANARY, basis_points=2000)),
        (RAMPING, [move(PERCENT, basis_points=100)], RAMPING),  # set by hand, no step of the ramp
        (GRPC, [move(ROLLBACK)], CANARY),
        (PREPARED, [move(PROMOTE), move(ROLLBACK)], PREPARED),  # legacy was no news in the file
        (RAMPING, [move(PAUSE)], RAMPING),
        (LEGACY, [TO_GRPC], LEGACY),
    ],
)
def test_what_the_file_does_not_say_is_not_settled(
    plan: RoutePlan, made: list[Move], changed: RoutePlan
):
    overrides = moved(plan, *made)
    left = settled(overrides.routes["get-zone"], changed)
    assert left is not None
    assert drift_of(changed, overrides) is not None


def test_a_file_that_followed_counts_again_part_by_part():
    """A route is promoted, climbs, its file follows with the stage: it can go back by the file."""
    override = override_after(PREPARED, move(PROMOTE), TO_500)
    left = settled(override, RAMPING)
    assert left is not None
    assert (left.stage, left.basis_points) == (None, 500)
    assert settled(left, PREPARED) is None


def test_a_rollback_is_settled_when_the_file_followed_and_went_back():
    override = override_after(PREPARED, move(PROMOTE), move(ROLLBACK))
    left = settled(override, RAMPING)
    assert left is not None
    assert left.rollback
    assert settled(left, PREPARED) is None


def test_what_has_an_end_is_not_settled_before():
    override = override_after(LEGACY, move(STAGE, stage=Stage.GRPC, ttl_s=100.0))
    assert settled(override, GRPC) is override
