"""Which workers there are: started, replaced, rolled, drained; on a clock that is moved."""

import signal
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from proxy.supervisor.pool import Pool
from proxy.supervisor.restarts import MAX_DELAY_S, STABLE_S, Restarts
from proxy.supervisor.worker import (
    ALIVE_EVERY_S,
    HEED_LIMIT_S,
    LEAVE_GRACE_S,
    SILENCE_LIMIT_S,
    START_LIMIT_S,
    State,
)
from tests.fakes import FakeClock
from tests.supervisor.fakes import FakeForks, FakeWorker


class Stage:
    """A pool of two, its clock and what it has forked."""

    def __init__(self) -> None:
        self.clock = FakeClock(100.0)
        self.forks = FakeForks(self.clock)
        self.pool = Pool(2, self.forks, self.clock, {})

    @property
    def started(self) -> list[FakeWorker]:
        return self.forks.started

    def serve(self) -> tuple[FakeWorker, FakeWorker]:
        """Both workers serve."""
        self.pool.start_all()
        first, second = self.started
        self.pool.is_ready(first)
        self.pool.is_ready(second)
        return first, second


@pytest.fixture
def stage() -> Iterator[Stage]:
    structlog.reset_defaults()
    stage = Stage()
    yield stage
    stage.forks.close()


def test_one_worker_is_tried_before_the_others(stage: Stage) -> None:
    stage.pool.start_first()
    assert [worker.slot for worker in stage.started] == [0]
    stage.pool.is_ready(stage.started[0])
    stage.pool.start_all()
    assert [worker.slot for worker in stage.started] == [0, 1]
    assert stage.pool.serving == 1


def test_a_worker_that_has_served_is_replaced_at_once(stage: Stage) -> None:
    first, _ = stage.serve()
    stage.clock.advance(60)
    stage.pool.has_died(first, "SIGKILL")
    assert stage.pool.next_due_s == stage.clock()
    stage.pool.act()
    assert stage.started[-1].slot == first.slot
    assert stage.pool.restarts == {"died": 1, "rolled": 0}


def test_workers_that_die_in_a_loop_are_started_ever_later_and_for_ever(stage: Stage) -> None:
    """Waits double to their limit, and one that serves for a while begins them anew."""
    stage.serve()
    waits = []
    with capture_logs() as told:
        for _ in range(40):
            stage.pool.has_died(stage.started[-1], "exit code 1")
            due_s = stage.pool.next_due_s
            assert due_s is not None
            waits.append(due_s - stage.clock())
            stage.clock.now_s = due_s
            stage.pool.act()
    assert waits[:4] == pytest.approx([0.0, 0.05, 0.1, 0.2])
    assert waits[-1] == MAX_DELAY_S
    assert len(stage.started) == 42
    assert any(line["event"] == "worker dies in a loop" for line in told)
    stage.pool.is_ready(stage.started[-1])
    stage.clock.advance(STABLE_S * 2)
    stage.pool.has_died(stage.started[-1], "SIGSEGV")
    assert stage.pool.next_due_s == stage.clock()


def test_twenty_kills_a_second_apart_never_wait(stage: Stage) -> None:
    worker, _ = stage.serve()
    for _ in range(20):
        stage.clock.advance(STABLE_S)
        stage.pool.has_died(worker, "SIGKILL")
        stage.pool.act()
        worker = stage.started[-1]
        stage.pool.is_ready(worker)
    assert stage.pool.restarts["died"] == 20
    assert stage.pool.serving == 2


def test_a_loop_of_days_does_not_overflow() -> None:
    restarts = Restarts()
    for _ in range(5000):
        delay_s = restarts.delay_s(None, 0.0)
    assert delay_s == MAX_DELAY_S


def test_rolling_starts_the_new_before_it_ends_the_old_one_at_a_time(stage: Stage) -> None:
    first, second = stage.serve()
    with capture_logs() as told:
        stage.pool.roll()
        assert stage.pool.rolling
        assert len(stage.started) == 3
        assert first.heard() == []
        stage.pool.is_ready(stage.started[2])
        assert first.heard() == [{"do": "retire"}]
        assert stage.pool.serving == 2
        # The next one waits until the old one is gone.
        assert len(stage.started) == 3
        stage.pool.has_died(first, "exit code 0")
        assert len(stage.started) == 4
        stage.pool.is_ready(stage.started[3])
        assert second.heard() == [{"do": "retire"}]
        stage.pool.has_died(second, "exit code 0")
    assert not stage.pool.rolling
    assert [line["event"] for line in told if "rolling" in line["event"]] == [
        "rolling restart",
        "rolling restart done",
    ]
    assert set(stage.pool.workers()) == set(stage.started[2:])
    assert stage.pool.restarts == {"died": 0, "rolled": 2}


def test_a_new_worker_that_does_not_start_leaves_the_old_ones(stage: Stage) -> None:
    first, second = stage.serve()
    stage.pool.roll()
    stage.pool.has_died(stage.started[2], "exit code 1")
    assert not stage.pool.rolling
    assert set(stage.pool.workers()) == {first, second}
    assert first.heard() == second.heard() == []
    assert stage.pool.next_due_s is None


def test_an_old_worker_that_dies_is_not_replaced_twice(stage: Stage) -> None:
    first, second = stage.serve()
    stage.pool.roll()
    replacement = stage.started[2]
    stage.pool.has_died(first, "SIGKILL")
    assert stage.pool.next_due_s == replacement.due_s
    assert len(stage.started) == 3
    stage.pool.is_ready(replacement)
    assert len(stage.started) == 4
    assert stage.started[3].slot == second.slot


def test_a_slot_that_loses_both_is_filled_again(stage: Stage) -> None:
    first, _ = stage.serve()
    stage.pool.roll()
    stage.pool.has_died(first, "SIGKILL")
    stage.pool.has_died(stage.started[2], "SIGKILL")
    stage.clock.advance(1)
    stage.pool.act()
    assert stage.started[3].slot == first.slot


def test_one_that_died_while_rolling_has_its_successor_already(stage: Stage) -> None:
    first, second = stage.serve()
    stage.pool.roll()
    stage.pool.has_died(second, "SIGKILL")
    stage.clock.advance(1)
    stage.pool.act()
    assert [worker.slot for worker in stage.started[2:]] == [first.slot, second.slot]
    stage.pool.is_ready(stage.started[3])
    stage.pool.is_ready(stage.started[2])
    stage.pool.has_died(first, "exit code 0")
    # What was started since has the new code: it is not replaced.
    assert len(stage.started) == 4
    assert not stage.pool.rolling


def test_one_that_somebody_ends_goes_when_it_is_replaced(stage: Stage) -> None:
    first, _ = stage.serve()
    stage.pool.wants_to_leave(first)
    assert stage.started[2].slot == first.slot
    assert first.heard() == []
    stage.pool.is_ready(stage.started[2])
    assert first.heard() == [{"do": "retire"}]
    # It has said so once; that it leaves already changes nothing.
    stage.pool.wants_to_leave(first)
    stage.pool.has_died(first, "exit code 0")
    assert len(stage.started) == 3


def test_a_drain_ends_all_and_starts_none(stage: Stage) -> None:
    first, second = stage.serve()
    stage.pool.roll()
    starting = stage.started[2]
    stage.pool.has_died(second, "SIGKILL")
    stage.pool.drain()
    assert first.heard() == [{"do": "drain"}]
    # One that starts reads no messages yet, or has just begun to.
    assert starting.signals == [signal.SIGTERM]
    assert starting.heard() == [{"do": "drain"}]
    stage.pool.wants_to_leave(first)
    for worker in (first, starting):
        assert not stage.pool.ended
        stage.pool.has_died(worker, "exit code 0")
    assert stage.pool.ended
    assert stage.pool.next_due_s is None
    assert len(stage.started) == 3


def test_one_that_is_ready_too_late_takes_nothing_over(stage: Stage) -> None:
    first, _ = stage.serve()
    stage.pool.roll()
    stage.pool.drain()
    assert first.heard() == [{"do": "drain"}]
    first.leaves_within(60.0, stage.clock())
    stage.pool.is_ready(stage.started[2])
    assert first.heard() == []
    stage.clock.advance(60.0)
    stage.pool.act()
    assert first.signals == []


def test_a_drain_leaves_who_leaves_already_its_time(stage: Stage) -> None:
    first, _ = stage.serve()
    stage.pool.roll()
    stage.pool.is_ready(stage.started[2])
    first.leaves_within(300.0, stage.clock())
    first.heard()
    stage.pool.drain()
    assert first.heard() == []
    stage.clock.advance(299.0)
    stage.pool.act()
    assert first.signals == []
    stage.clock.advance(1.0 + LEAVE_GRACE_S)
    stage.pool.act()
    assert first.signals == [signal.SIGKILL]


def test_one_that_does_not_heed_is_killed(stage: Stage) -> None:
    first, second = stage.serve()
    stage.pool.drain()
    first.leaves_within(60.0, stage.clock())
    stage.clock.advance(HEED_LIMIT_S)
    stage.pool.act()
    assert (first.signals, second.signals) == ([], [signal.SIGKILL])
    # Once is enough.
    stage.pool.act()
    assert second.signals == [signal.SIGKILL]


def test_one_that_hangs_while_it_starts_is_killed_and_replaced(stage: Stage) -> None:
    stage.pool.start_all()
    stage.clock.advance(START_LIMIT_S)
    stage.pool.act()
    assert stage.started[0].signals == [signal.SIGKILL]
    stage.pool.has_died(stage.started[0], "SIGKILL")
    stage.pool.act()
    assert len(stage.started) == 3


def test_one_whose_channel_is_gone_is_ended_by_a_signal(stage: Stage) -> None:
    first, _ = stage.serve()
    first.far.close()
    with capture_logs() as told:
        stage.pool.send({"do": "reload"})
    assert [line["event"] for line in told] == ["worker takes no messages"]
    stage.pool.drain()
    assert first.signals == [signal.SIGTERM]


def test_what_one_worker_says_to_all_does_not_come_back_to_it(stage: Stage) -> None:
    first, second = stage.serve()
    stage.pool.send({"do": "reload"}, but=first)
    assert (first.heard(), second.heard()) == ([], [{"do": "reload"}])


def test_workers_are_taken_over_in_their_slots(stage: Stage) -> None:
    serving, leaving, beyond = (FakeWorker(slot, 50 + slot, 0.0) for slot in (1, 0, 7))
    for worker in (serving, leaving, beyond):
        worker.is_ready(0.0)
        stage.forks.started.append(worker)
    leaving.state = State.LEAVING
    for worker in (serving, leaving, beyond):
        stage.pool.adopt(worker)
    stage.pool.start_all()
    assert [worker.slot for worker in stage.started[3:]] == [0]
    assert set(stage.pool.workers()) == set(stage.started)
    assert stage.pool.by_pid(serving.pid) is serving
    assert stage.pool.by_pid(1) is None


def test_fewer_workers_than_before_end_those_beyond(stage: Stage) -> None:
    beyond = FakeWorker(7, 50, 0.0)
    beyond.is_ready(0.0)
    stage.forks.started.append(beyond)
    stage.pool.adopt(beyond)
    stage.pool.start_all()
    assert beyond.heard() == [{"do": "retire"}]


def test_a_system_that_refuses_a_process_costs_no_other(stage: Stage) -> None:
    first, second = stage.serve()
    stage.clock.advance(60)
    stage.forks.refusing = True
    stage.pool.has_died(first, "SIGKILL")
    for _ in range(5):
        stage.pool.act()
        assert stage.pool.next_due_s is not None
        stage.clock.advance(stage.pool.next_due_s - stage.clock())
    assert (len(stage.started), second.signals, second.heard()) == (2, [], [])
    stage.forks.refusing = False
    stage.pool.act()
    assert stage.started[2].slot == first.slot


def test_a_rolling_restart_without_a_process_for_it_is_given_up(stage: Stage) -> None:
    first, second = stage.serve()
    stage.forks.refusing = True
    with capture_logs() as told:
        stage.pool.roll()
    assert told[-1]["not_replaced"] == 1
    assert not stage.pool.rolling
    assert (first.heard(), second.heard()) == ([], [])


def listen(stage: Stage, seconds: float, *talking: FakeWorker) -> None:
    """Go on for so long, while some of the workers say that they are alive."""
    for _ in range(int(seconds / ALIVE_EVERY_S)):
        stage.clock.advance(ALIVE_EVERY_S)
        for worker in talking:
            worker.is_alive()
        stage.pool.act()


def test_one_that_falls_silent_is_killed(stage: Stage) -> None:
    first, second = stage.serve()
    first.is_alive()
    second.is_alive()
    listen(stage, SILENCE_LIMIT_S - ALIVE_EVERY_S, second)
    assert first.signals == []
    listen(stage, ALIVE_EVERY_S, second)
    assert (first.signals, second.signals) == ([signal.SIGKILL], [])
    listen(stage, SILENCE_LIMIT_S, second)
    assert first.signals == [signal.SIGKILL]


def test_one_that_never_says_that_it_is_alive_is_not_missed(stage: Stage) -> None:
    """A version before this one does not know that it should."""
    first, second = stage.serve()
    second.is_alive()
    listen(stage, 2 * SILENCE_LIMIT_S, second)
    assert first.signals == []


def test_a_pause_of_all_processes_is_no_silence(stage: Stage) -> None:
    workers = stage.serve()
    for worker in workers:
        worker.is_alive()
    listen(stage, 5.0)
    stage.clock.advance(10 * SILENCE_LIMIT_S)
    stage.pool.act()
    assert [worker.signals for worker in workers] == [[], []]


def test_the_parent_looks_again_while_it_listens(stage: Stage) -> None:
    first, _ = stage.serve()
    assert stage.pool.next_due_s is None
    first.is_alive()
    assert stage.pool.next_due_s is not None
    assert stage.pool.next_due_s <= stage.clock() + ALIVE_EVERY_S
