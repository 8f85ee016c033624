"""The gate before steps up: what it refuses, what it only tells, and what never waits for it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.cutover.guard import Trigger, Trip
from proxy.cutover.moves import Action, Move, MoveRefused
from proxy.cutover.opinion import MAX_TEXT, Opinion
from proxy.cutover.stages import Stage
from proxy.exchange.gatekeeping import GateRefused
from proxy.gate.judgement import GateVerdict
from proxy.routing.snapshot import Snapshot
from proxy.state.errors import RevisionConflict
from tests.exchange.test_control import ROUTES, Stand, stand_of
from tests.live.edge import load

PASSES = Opinion(GateVerdict.PASS, ("0 of 5,000 differ",), 5000)
FAILS = Opinion(GateVerdict.FAIL, ("forbid type: $.id, 3 times",), 5000, 3)
TOO_EARLY = Opinion(GateVerdict.INCONCLUSIVE, ("min_keys 200, have 3", "min_duration 24h"))


class FakeGate:
    """Has an opinion of one route, and counts how often it was asked."""

    def __init__(self, opinion: Opinion | None, route: str = "delete-item") -> None:
        self.said = opinion
        self.route = route
        self.asked = 0

    async def opinion(self, route: str) -> Opinion | None:
        self.asked += 1
        return self.latest(route)

    def latest(self, route: str) -> Opinion | None:
        return self.said if route == self.route else None


@pytest.fixture(scope="module")
def moving() -> Snapshot:
    return asyncio.run(load(more=ROUTES))


@pytest.fixture
def stand(moving: Snapshot, tmp_path: Path) -> Iterator[Stand]:
    with stand_of(moving, tmp_path / "state") as made:
        yield made


def gates(stand: Stand) -> list[str | None]:
    """What the gate had said to each move, by the audit, the oldest first."""
    return [entry.gate for entry in [*stand.state.read_audit(100)][::-1]]


@pytest.mark.parametrize("opinion", [FAILS, TOO_EARLY])
async def test_a_promotion_that_the_evidence_does_not_bear_is_refused_and_leaves_no_trace(
    stand: Stand, opinion: Opinion
):
    stand.control.gate = FakeGate(opinion)
    with pytest.raises(GateRefused) as refused:
        await stand.move(Action.PROMOTE, "delete-item")
    assert refused.value.opinion == opinion
    assert str(refused.value) == f"the gate of delete-item does not pass: {opinion}"
    assert (stand.share(), stand.actions()) == (100, [])


async def test_a_promotion_that_passes_keeps_what_it_passed_by(stand: Stand):
    stand.control.gate = FakeGate(PASSES)
    await stand.move(Action.PROMOTE, "delete-item")
    assert stand.share() == 500
    assert gates(stand) == ["pass: 0 of 5,000 differ"]


async def test_a_forced_promotion_is_made_and_marked_with_the_verdict_of_its_time(stand: Stand):
    stand.control.gate = FakeGate(FAILS)
    promotion = Move(Action.PROMOTE, "delete-item", reason="the old host dies", who="ann")
    committed = await stand.control.move(promotion, force=True)
    assert stand.share() == 500
    assert committed.entry.gate == "forced, fail: forbid type: $.id, 3 times"
    assert gates(stand) == [committed.entry.gate]


async def test_force_where_the_gate_passes_is_not_marked(stand: Stand):
    stand.control.gate = FakeGate(PASSES)
    promotion = Move(Action.PROMOTE, "delete-item", reason="a test", who="ann")
    assert (await stand.control.move(promotion, force=True)).entry.gate == str(PASSES)


async def test_a_route_without_a_gate_is_promoted_as_ever(stand: Stand):
    stand.control.gate = FakeGate(FAILS, route="another")
    await stand.move(Action.PROMOTE, "delete-item")
    assert (stand.share(), gates(stand)) == (500, [None])


@pytest.mark.parametrize(
    ("action", "facts"),
    [(Action.PERCENT, {"basis_points": 700}), (Action.STAGE, {"stage": Stage.GRPC})],
)
async def test_a_stage_and_a_percentage_by_name_are_made_and_the_gate_is_noted(
    stand: Stand, action: Action, facts: dict[str, object]
):
    stand.control.gate = FakeGate(TOO_EARLY)
    await stand.move(action, "delete-item", **facts)
    assert stand.share() != 100
    assert gates(stand) == ["inconclusive: min_keys 200, have 3; min_duration 24h"]


async def test_nothing_that_lowers_a_share_waits_for_a_gate(stand: Stand):
    """The way back must not hang on a store of evidence."""
    gate = stand.control.gate = FakeGate(FAILS)
    await stand.move(Action.PERCENT, "delete-item", basis_points=50)
    await stand.move(Action.STAGE, "delete-item", stage=Stage.LEGACY)
    await stand.kill(True)
    stand.control.roll_back("list-items", Trip(Trigger.ERROR_RATE, "5 of 5"))
    await stand.control.settle()
    assert gate.asked == 0
    assert set(gates(stand)) == {None}


async def test_a_move_that_makes_no_sense_is_told_so_before_the_gate_is_asked(stand: Stand):
    gate = stand.control.gate = FakeGate(FAILS, "list-items")
    await stand.move(Action.STAGE, "list-items", stage=Stage.GRPC)
    asked = gate.asked
    with pytest.raises(MoveRefused, match="is in stage grpc"):
        await stand.move(Action.PROMOTE, "list-items")
    assert gate.asked == asked


async def test_a_promotion_by_an_old_revision_is_refused_though_the_gate_passes(stand: Stand):
    stand.control.gate = FakeGate(PASSES)
    promotion = Move(Action.PROMOTE, "delete-item", reason="a test", who="ann")
    with pytest.raises(RevisionConflict):
        await stand.control.move(promotion, 7)


@pytest.mark.parametrize("opinion", [FAILS, TOO_EARLY])
async def test_a_ramp_takes_no_step_by_itself_while_its_gate_does_not_pass(
    stand: Stand, opinion: Opinion
):
    gate = stand.control.gate = FakeGate(opinion)
    for _ in range(4):
        await held(stand)
    assert (stand.share(), stand.actions()) == (100, [])
    gate.said = PASSES
    await held(stand, 1.0)
    assert stand.share() == 500
    assert gates(stand) == [None], "the step was the ramp's: nobody asked for it"


async def held(stand: Stand, seconds: float = 300.0) -> None:
    """Time goes by in health, and the proxy looks."""
    stand.answered("delete-item")
    stand.advance(seconds)
    await stand.control.look_after()


def test_an_opinion_is_one_line_of_bounded_length():
    """It goes into the audit log, and may tell of a thousand fields."""
    opinion = Opinion(GateVerdict.FAIL, tuple(f"forbid type: $.f{n}" for n in range(1000)))
    assert len(str(opinion)) == MAX_TEXT
    assert str(opinion).endswith("…")
    assert str(Opinion(GateVerdict.PASS)) == "pass"
