"""What mirrors take of the event loop is measured step by step, however they end."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from proxy.shadow.budget import CpuBudget
from proxy.shadow.metering import Metered
from tests.fakes import FakeClock


class Meter:
    """Steps that take as long as they say, by a clock of their own, and what was charged."""

    def __init__(self) -> None:
        self.cpu = FakeClock()
        self.charged: list[float] = []

    def of(self, coroutine: Coroutine[Any, Any, Any]) -> Metered[Any]:
        return Metered(coroutine, self.charged.append, self.cpu)


@pytest.fixture
def meter() -> Meter:
    return Meter()


async def test_each_step_is_charged_and_what_others_do_meanwhile_is_not(meter: Meter):
    other = asyncio.Event()

    async def work() -> str:
        meter.cpu.advance(1.0)
        await other.wait()
        meter.cpu.advance(2.0)
        return "done"

    task = asyncio.get_running_loop().create_task(meter.of(work()))
    await asyncio.sleep(0)
    meter.cpu.advance(100.0)
    other.set()
    assert await task == "done"
    assert meter.charged == [1.0, 2.0]


async def test_a_step_that_ends_in_an_error_is_charged(meter: Meter):
    async def work() -> None:
        meter.cpu.advance(3.0)
        raise RuntimeError("m4rk")

    with pytest.raises(RuntimeError, match="m4rk"):
        await asyncio.get_running_loop().create_task(meter.of(work()))
    assert meter.charged == [3.0]


async def test_a_cancelled_one_is_charged_for_its_clearing_up(meter: Meter):
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            meter.cpu.advance(4.0)

    task = asyncio.get_running_loop().create_task(meter.of(work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert meter.charged == [0.0, 4.0]


async def test_one_that_is_cancelled_before_its_first_step_ends_as_others_do(meter: Meter):
    async def work() -> None:
        meter.cpu.advance(1.0)

    task = asyncio.get_running_loop().create_task(meter.of(work()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert meter.charged == [0.0]


async def test_one_that_is_awaited_is_charged_and_may_be_thrown_at(meter: Meter):
    async def work() -> str:
        meter.cpu.advance(1.0)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            meter.cpu.advance(2.0)
            return "caught"
        return "ended"

    async def awaiting() -> str:
        return await meter.of(work())

    task = asyncio.get_running_loop().create_task(awaiting())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "caught"
    assert meter.charged == [1.0, 2.0]


class _Pause:
    def __await__(self) -> Generator[None, Any, None]:
        yield


@pytest.mark.parametrize(
    "throw",
    [
        lambda steps: steps.throw(ValueError("m4rk")),
        lambda steps: steps.throw(ValueError, "m4rk"),
        lambda steps: steps.throw(ValueError, ValueError("m4rk")),
    ],
)
def test_errors_are_thrown_as_into_any_coroutine(meter: Meter, throw: Callable[[Any], None]):
    async def work() -> None:
        await _Pause()

    steps = meter.of(work())
    assert "work" in repr(steps)
    steps.send(None)
    with pytest.raises(ValueError, match="m4rk"):
        throw(steps)
    steps = meter.of(work())
    steps.send(None)
    steps.close()
    with pytest.raises(RuntimeError):
        steps.send(None)


def test_a_class_of_errors_alone_may_be_thrown(meter: Meter):
    async def work() -> None:
        await _Pause()

    steps = meter.of(work())
    steps.send(None)
    with pytest.raises(KeyError):
        steps.throw(KeyError)


# --- what is set aside


def idle() -> float:
    """The processor time of a thread that does nothing."""
    return 0.0


def test_what_is_expected_is_set_aside_when_work_begins():
    """Else all that wait would begin in the moment in which there is something left."""
    clock = FakeClock()
    budget = CpuBudget(0.5, clock, idle)
    for _ in range(200):
        work = budget.begin()
        work.charge(0.01)
        work.end()
        clock.advance(10.0)
    begun = 0
    while not budget.is_spent:
        budget.begin()
        begun += 1
    # 50 ms are saved up at the most, and each is known to take 15.
    assert begun == 4


def test_what_was_set_aside_and_not_used_is_given_back():
    clock = FakeClock()
    budget = CpuBudget(0.5, clock, idle)
    budget.end(0.0, 1.0)
    left = repr(budget)
    work = budget.begin()
    assert budget.is_spent
    work.end()
    assert repr(budget) == left


def test_what_is_used_beyond_is_charged_once():
    clock = FakeClock()
    budget = CpuBudget(0.1, clock, idle)
    work = budget.begin()
    work.charge(0.2)
    assert "300.00 ms" in repr(work)
    work.end()
    clock.advance(2.8)
    assert budget.is_spent
    clock.advance(0.2)
    assert not budget.is_spent


# --- what others leave


@pytest.mark.parametrize(
    ("share", "busy", "granted"),
    [
        (0.2, 0.0, 0.2),
        (0.2, 0.6, 0.032),
        (0.2, 1.0, 0.008),  # some is done on a busy core, too
        (0.5, 0.6, 0.125),
        (1.0, 0.9, 1.0),
    ],
)
def test_work_gets_its_share_of_what_others_leave(share: float, busy: float, granted: float):
    clock, cpu = FakeClock(), FakeClock()
    budget = CpuBudget(share, clock, cpu)
    used_s = 0.0
    for _ in range(10_000):
        clock.advance(0.01)
        cpu.advance(0.01 * busy)
        if not budget.is_spent:
            work = budget.begin()
            work.charge(0.01)
            cpu.advance(0.015)
            work.end()
            used_s += 0.015
    assert used_s / 100.0 == pytest.approx(granted, rel=0.05, abs=0.002)
    assert f"{granted:.1%}" in repr(budget)


def test_work_does_not_take_itself_for_others():
    clock, cpu = FakeClock(), FakeClock()
    budget = CpuBudget(0.2, clock, cpu)
    for _ in range(100):
        clock.advance(0.1)
        cpu.advance(0.02)
        budget.charge(0.02)
        assert not budget.is_spent or "20.0%" in repr(budget)
    assert "20.0%" in repr(budget)
