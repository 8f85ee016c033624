"""Where the routes of a process stand, over a real state directory; every clock is ours."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from proxy.cutover.guard import Trigger, Trip
from proxy.cutover.moves import Action, Move, MoveRefused
from proxy.cutover.position import Position
from proxy.cutover.result import Result
from proxy.cutover.stages import Side, Stage
from proxy.exchange.control import Control
from proxy.exchange.steering import Steering
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from proxy.state.errors import RevisionConflict
from proxy.telemetry.metrics import Metrics
from tests.fakes import FakeClock
from tests.live.control import control_of
from tests.live.edge import load
from tests.waiting import until

NOON = 1_750_075_200.0  # 2025-06-16, a Monday, 12:00 UTC
ROUTES = """\
- {rpc: edge.v1.Items.List, name: list-items, stage: canary,
   canary: {percent: 25, group: list, sticky: [{header: x-user}]},
   rollback: {min_requests: 10}}
- {rpc: edge.v1.Items.Delete, name: delete-item, stage: canary,
   canary: {steps: [1, 5, 50, 100], hold: 10m, max_auto_percent: 50,
            windows: ["Mon-Fri 09:00-16:00 UTC"], group: delete, sticky: [{header: x-user}]},
   rollback: {min_requests: 10}}
"""
TRIP = Trip(Trigger.ERROR_RATE, "gRPC 5 of 5, legacy 0 of 20")


@pytest.fixture(scope="module")
def moving() -> Snapshot:
    return asyncio.run(load(more=ROUTES))


class Stand:
    """One process, as far as its control goes."""

    def __init__(self, stack: ExitStack, snapshot: Snapshot, path: Path) -> None:
        self.clock, self.wall_clock = FakeClock(1000.0), FakeClock(NOON)
        self.metrics = Metrics()
        self.state = StateDirectory(path, clock=self.wall_clock)
        self.control: Control = stack.enter_context(
            control_of(snapshot, metrics=self.metrics, clock=self.clock, state=self.state)
        )
        self.snapshot = snapshot
        self.steering = Steering(snapshot, self.control, self.clock)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.wall_clock.advance(seconds)

    def position(self, route: str) -> Position:
        self.control.catch_up()
        return self.control.positions(self.snapshot.plans)[route]

    def share(self, route: str = "delete-item") -> int:
        return self.position(route).basis_points

    async def move(self, action: Action, route: str = "list-items", **facts: Any) -> int:
        move = Move(action, route, reason="a test", who="tester", **facts)
        return (await self.control.move(move)).revision

    async def kill(self, on: bool, **facts: Any) -> None:
        await self.control.move(Move(Action.KILL, on=on, reason="a test", who="tester", **facts))

    def answered(self, route: str, count: int = 10) -> None:
        """Let gRPC answer *count* comparable requests of *route* at its share now."""
        options = next(each.guard for each in self.snapshot.routes if each.name == route)
        assert options is not None
        guard = self.control.guard_of(route, options)
        for _ in range(count):
            guard.record(
                Side.GRPC,
                Result.ANSWERED,
                comparable=True,
                basis_points=self.share(route),
                decided_s=self.clock(),
                duration_s=0.01,
                now_s=self.clock(),
            )

    def actions(self) -> list[tuple[str, str]]:
        """What the audit log tells, the oldest first."""
        return [(entry.action, entry.route) for entry in [*self.state.read_audit(1000)][::-1]]

    def total(self, name: str) -> float:
        text = self.metrics.render()[1].decode()
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextmanager
def stand_of(snapshot: Snapshot, path: Path) -> Iterator[Stand]:
    with ExitStack() as stack:
        yield Stand(stack, snapshot, path)


@pytest.fixture
def stand(moving: Snapshot, tmp_path: Path) -> Iterator[Stand]:
    with stand_of(moving, tmp_path / "state") as made:
        yield made


@pytest.fixture
def other(stand: Stand, moving: Snapshot) -> Iterator[Stand]:
    """Another process on the same state."""
    with stand_of(moving, stand.state.path) as made:
        yield made


def damage(stand: Stand) -> None:
    (stand.state.path / "state.json").write_text("{")


def mend(stand: Stand) -> None:
    (stand.state.path / "state.json").unlink()


# --- moves, here and elsewhere


async def test_a_move_counts_here_and_for_the_next_look_of_another_process(
    stand: Stand, other: Stand
):
    version = other.control.version
    await stand.move(Action.PERCENT, basis_points=1234)
    assert stand.share("list-items") == other.share("list-items") == 1234
    assert other.control.version > version
    assert other.control.overrides == stand.control.overrides


async def test_nothing_moved_costs_no_new_version(stand: Stand):
    version = stand.control.version
    for _ in range(10):
        stand.control.catch_up()
    assert stand.control.version == version


async def test_of_two_moves_by_one_revision_the_second_is_refused(stand: Stand, other: Stand):
    move = Move(Action.PERCENT, "list-items", basis_points=1, reason="a test", who="tester")
    made = await asyncio.gather(
        *(each.control.move(move, if_revision=0) for each in (stand, other)),
        return_exceptions=True,
    )
    assert [type(each) for each in made if isinstance(each, Exception)] == [RevisionConflict]
    assert stand.share("list-items") == other.share("list-items") == 1


async def test_a_refused_move_leaves_everything_as_it_was(stand: Stand):
    with pytest.raises(MoveRefused):
        await stand.move(Action.ROLLBACK, "old-item")
    assert stand.control.overrides.revision == 0


async def test_moves_survive_the_process(stand: Stand, moving: Snapshot):
    await stand.move(Action.STAGE, stage=Stage.GRPC)
    with stand_of(moving, stand.state.path) as again:
        assert again.position("list-items") == Position(Stage.GRPC)


@given(data=st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_moved_both_processes_stand_alike_at_the_next_request(
    moving: Snapshot, data: st.DataObject
):
    moves = st.one_of(
        st.builds(
            lambda route, share: Move(Action.PERCENT, route, basis_points=share),
            st.sampled_from(["list-items", "delete-item", "get-item"]),
            st.integers(0, 10_000),
        ),
        st.builds(
            lambda route, stage: Move(Action.STAGE, route, stage=stage),
            st.sampled_from(["list-items", "delete-item", "get-item", "old-item"]),
            st.sampled_from(Stage),
        ),
        st.builds(
            Move,
            st.sampled_from([Action.PROMOTE, Action.PAUSE, Action.RESUME, Action.ROLLBACK]),
            st.sampled_from(["list-items", "delete-item", "get-item"]),
        ),
        st.builds(lambda on: Move(Action.KILL, on=on), st.booleans()),
    )
    with TemporaryDirectory() as place, ExitStack() as stack:
        both = [Stand(stack, moving, Path(place)) for _ in range(2)]
        for move in data.draw(st.lists(moves, max_size=6)):
            mover = data.draw(st.sampled_from(both))
            ttl_s = data.draw(st.sampled_from([None, 60.0]))
            asyncio.run(_made(mover, move, ttl_s))
            seconds = data.draw(st.sampled_from([0.0, 61.0]))
            for each in both:
                each.advance(seconds)
            first, second = ([each.position(name) for name in moving.plans] for each in both)
            assert first == second
            for each in both:
                each.control.refresh_if_due()
            assert both[0].control.overrides == both[1].control.overrides
            assert both[0].control.killed == both[1].control.killed


async def _made(stand: Stand, move: Move, ttl_s: float | None) -> None:
    told = {
        name: getattr(move, name) for name in ("action", "route", "stage", "basis_points", "on")
    }
    try:
        await stand.control.move(Move(**told, reason="a test", who="tester", ttl_s=ttl_s))
    except MoveRefused:
        return


# --- the kill switch


async def test_the_kill_switch_is_seen_by_the_next_request_of_every_process(
    stand: Stand, other: Stand
):
    await stand.kill(on=True)
    other.control.catch_up()
    assert stand.control.killed
    assert other.control.killed
    await other.kill(on=False)
    stand.control.catch_up()
    assert not stand.control.killed


async def test_a_file_made_by_hand_is_a_kill_switch_and_each_process_logs_it(stand: Stand):
    with capture_logs() as logs:
        (stand.state.path / "kill").touch()
        stand.control.catch_up()
        assert stand.control.killed
        (stand.state.path / "kill").unlink()
        stand.control.catch_up()
        assert not stand.control.killed
    assert [line["event"] for line in logs] == ["kill switch on", "kill switch off"]


async def test_the_end_of_a_kill_switch_is_seen_without_a_message(stand: Stand, other: Stand):
    await stand.kill(on=True, ttl_s=60.0)
    for each in (stand, other):
        each.control.catch_up()
        assert each.control.killed
        each.advance(60.0)
        each.control.refresh_if_due()
        assert not each.control.killed


async def test_a_signal_turns_the_switch_on_though_nothing_can_be_kept(stand: Stand, other: Stand):
    """Not even the directory is there; it comes back as it was."""
    away = stand.state.path.rename(stand.state.path.with_name("away"))
    with capture_logs() as logs:
        stand.control.kill("signal", "SIGUSR1")
        assert stand.control.killed
        await stand.control.settle()
        for _ in range(3):
            await stand.control.look_after()
    assert stand.control.killed
    events = [line["event"] for line in logs]
    assert events.count("a move could not be kept; it counts here, and is tried again") == 1
    away.rename(stand.state.path)
    await stand.control.look_after()
    other.control.catch_up()
    assert other.control.killed
    assert (stand.state.path / "kill").is_file()


async def test_a_kill_that_cannot_be_recorded_survives_the_process(stand: Stand, moving: Snapshot):
    damage(stand)
    stand.control.kill("signal", "SIGUSR1")
    await stand.control.settle()
    mend(stand)
    with stand_of(moving, stand.state.path) as again:
        assert again.control.killed


async def test_a_signal_to_all_workers_is_one_change(stand: Stand, other: Stand):
    stand.control.kill("signal", "SIGUSR1")
    await stand.control.settle()
    other.control.kill("signal", "SIGUSR1")
    assert other.control.killed
    await other.control.settle()
    assert other.control.killed
    assert stand.actions() == [("kill", "")]


async def test_a_signal_outlasts_a_switch_that_has_an_end(stand: Stand):
    await stand.kill(on=True, ttl_s=60.0)
    stand.control.kill("signal", "SIGUSR1")
    await stand.control.settle()
    stand.advance(61.0)
    stand.control.refresh_if_due()
    assert stand.control.killed


async def test_without_a_legacy_host_the_switch_is_refused_in_words(tmp_path: Path):
    lone = await load(legacy=False)
    with stand_of(lone, tmp_path / "state") as stand, capture_logs() as logs:
        with pytest.raises(MoveRefused, match="no legacy upstream"):
            await stand.kill(on=True)
        stand.control.kill("signal", "SIGUSR1")
        assert not stand.control.killed
        (stand.state.path / "kill").touch()
        stand.control.catch_up()
        stand.control.adopt(lone)
        told = [line for line in logs if "there is no legacy upstream" in line["event"]]
    assert len(told) == 3


# --- rollbacks by the proxy


async def test_a_rollback_counts_at_once_and_is_kept_with_its_numbers(stand: Stand, other: Stand):
    stand.control.roll_back("list-items", TRIP)
    assert stand.position("list-items") == Position(Stage.LEGACY, rolled_back=True)
    await stand.control.settle()
    assert other.position("list-items") == Position(Stage.LEGACY, rolled_back=True)
    (entry,) = stand.state.read_audit(10)
    assert (entry.who, entry.why, entry.action) == ("system", TRIP.text, "rollback")
    assert (entry.before, entry.after) == ("canary 25 %", "rolled back to legacy")
    assert stand.total("cutover_rollback_total") == 1


async def test_a_rollback_sticks_over_restart_and_reload_until_somebody_resumes(
    stand: Stand, moving: Snapshot
):
    stand.control.roll_back("list-items", TRIP)
    await stand.control.settle()
    stand.control.adopt(moving)
    await stand.control.look_after()
    with stand_of(moving, stand.state.path) as again:
        assert again.position("list-items").rolled_back
        await again.move(Action.RESUME)
    assert stand.position("list-items") == Position(Stage.CANARY, 2500)


async def test_two_processes_that_trip_at_once_make_one_rollback(stand: Stand, other: Stand):
    stand.control.roll_back("list-items", TRIP)
    other.control.roll_back("list-items", TRIP)
    for each in (stand, other):
        await each.control.settle()
        await each.control.look_after()
    assert stand.actions() == [("rollback", "list-items")]
    assert stand.total("cutover_rollback_total") + other.total("cutover_rollback_total") == 1


async def test_a_rollback_that_cannot_be_kept_holds_here_and_is_tried_again(
    stand: Stand, other: Stand
):
    damage(stand)
    with capture_logs() as logs:
        stand.control.roll_back("list-items", TRIP)
        await stand.control.settle()
        for _ in range(3):
            stand.advance(1.0)
            await stand.control.look_after()
        assert stand.position("list-items").rolled_back
        assert not other.position("list-items").rolled_back
        since_s = stand.control.overrides.routes["list-items"].since_s
        assert since_s == NOON, "it is one move, not one each second"
    told = [line for line in logs if line["event"].startswith("a move could not be kept")]
    assert [(line["action"], line["route"]) for line in told] == [("rollback", "list-items")]
    assert stand.total("cutover_rollback_total") == 1
    mend(stand)
    await stand.control.look_after()
    assert other.position("list-items").rolled_back
    assert stand.actions() == [("rollback", "list-items")]
    assert stand.total("cutover_rollback_total") == 1


async def test_a_rollback_that_ends_with_the_process_is_told(stand: Stand):
    damage(stand)
    with capture_logs() as logs:
        stand.control.roll_back("list-items", TRIP)
        await stand.control.settle()
    assert [line["why"] for line in logs if line["event"] == "a move is lost"] == [TRIP.text]


async def test_a_rollback_begins_the_judgement_anew_and_a_step_does_not(stand: Stand):
    stand.answered("list-items")
    options = next(each.guard for each in stand.snapshot.routes if each.name == "list-items")
    assert options is not None
    guard = stand.control.guard_of("list-items", options)
    await stand.move(Action.PERCENT, basis_points=2600)
    assert guard.counts.grpc.requests == 10
    stand.control.roll_back("list-items", TRIP)
    assert guard.counts.grpc.requests == 0
    await stand.control.settle()


def test_a_guard_stays_for_as_long_as_its_options(stand: Stand, moving: Snapshot):
    options = [each.guard for each in moving.routes if each.name in ("list-items", "get-item")]
    first, second = options
    assert first is not None
    assert second is not None
    guard = stand.control.guard_of("list-items", first)
    stand.control.adopt(moving)
    assert stand.control.guard_of("list-items", first) is guard
    assert first != second
    assert stand.control.guard_of("list-items", second) is not guard


# --- what is due by itself


async def look(stand: Stand, seconds: float = 1.0) -> None:
    stand.advance(seconds)
    await stand.control.look_after()


async def held(stand: Stand) -> None:
    """Ten minutes in health, in steps that no clock's jump looks like."""
    stand.answered("delete-item")
    for _ in range(122):
        stand.answered("delete-item", 1)
        await look(stand, 5.0)


async def test_a_ramp_rises_by_itself_up_to_the_share_that_it_may(stand: Stand):
    await held(stand)
    assert stand.share() == 500
    assert stand.control.progress_of("delete-item") is not None
    await held(stand)
    assert stand.share() == 5000
    await held(stand)
    assert stand.share() == 5000, "further is for somebody to say"
    await stand.move(Action.PROMOTE, "delete-item")
    assert stand.share() == 10_000
    assert stand.actions() == [
        ("advance", "delete-item"),
        ("advance", "delete-item"),
        ("promote", "delete-item"),
    ]


async def test_only_the_process_that_leads_advances_ramps(stand: Stand, other: Stand):
    await look(stand)
    await held(other)
    assert other.share() == 100
    assert other.control.progress_of("delete-item") is None
    stand.state.lead.resign()
    await held(other)
    assert stand.share() == other.share() == 500


@pytest.mark.parametrize("obstacle", ["paused", "killed", "window", "unasked", "tripped"])
async def test_a_ramp_waits_while(stand: Stand, obstacle: str):
    if obstacle == "paused":
        await stand.move(Action.PAUSE, "delete-item")
    if obstacle == "killed":
        await stand.kill(on=True)
    if obstacle == "window":
        stand.wall_clock.advance(8 * 3600)
    if obstacle != "unasked":
        stand.answered("delete-item")
    for _ in range(122):
        if obstacle != "unasked":
            stand.answered("delete-item", 1)
        if obstacle == "tripped":
            options = next(
                each.guard for each in stand.snapshot.routes if each.name == "delete-item"
            )
            assert options is not None
            stand.control.guard_of("delete-item", options).tripped = TRIP
        await look(stand, 5.0)
    assert stand.share() == 100


async def test_a_move_with_an_end_is_over_in_every_process_without_a_message(
    stand: Stand, other: Stand
):
    await stand.move(Action.PERCENT, basis_points=9000, ttl_s=30.0)
    assert other.share("list-items") == 9000
    other.advance(30.0)
    version = other.control.version
    other.control.refresh_if_due()
    assert other.share("list-items") == 2500
    assert other.control.version > version
    stand.advance(30.0)
    await stand.control.look_after()
    assert stand.actions() == [("percent", "list-items"), ("expire", "list-items")]


async def test_a_due_move_that_fails_is_told_and_does_not_end_the_upkeep(stand: Stand):
    await stand.move(Action.PERCENT, basis_points=9000, ttl_s=30.0)
    damage(stand)
    with capture_logs() as logs:
        await look(stand, 31.0)
    assert "a move that was due was not made" in [line["event"] for line in logs]
    assert stand.share("list-items") == 2500


async def test_upkeep_goes_on_after_a_bug_and_ends_when_it_is_cancelled(
    moving: Snapshot, tmp_path: Path
):
    class Broken(Control):
        looks = 0

        async def look_after(self) -> None:
            self.looks += 1
            if self.looks == 1:
                raise ZeroDivisionError

    with stand_of(moving, tmp_path / "state") as stand, capture_logs() as logs:
        broken = Broken(stand.state, stand.control.pins, stand.metrics, stand.clock, upkeep_s=0.001)
        task = asyncio.ensure_future(broken.keep_up())
        await until(lambda: broken.looks > 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [line["event"] for line in logs].count("upkeep failed") == 1


# --- a state that cannot be read


async def test_the_last_good_reading_stays_and_the_problem_is_told_once(stand: Stand):
    await stand.move(Action.PERCENT, basis_points=1)
    damage(stand)
    with capture_logs() as logs:
        for _ in range(3):
            stand.control.refresh()
            await stand.control.look_after()
    assert stand.share("list-items") == 1
    assert stand.control.problem is not None
    assert [line["event"] for line in logs].count("the state cannot be read") == 1


async def test_readings_have_each_route_of_the_snapshot(stand: Stand):
    readings = {each.name: each for each in stand.control.readings()}
    assert set(readings) == set(stand.snapshot.plans)
    assert readings["list-items"].stage == "canary"
    assert readings["list-items"].percent_ratio == 0.25
    assert stand.control.breaker_of("nothing") is None
    assert stand.control.e_value_of("nothing") == 1.0
    assert "revision=0" in repr(stand.control)
