"""Looking again and again: when, how often, and what a failure comes to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from proxy.cli.polling import Polling
from tests.waiting import until


@dataclass
class FakeTimer:
    """One timer, which its test runs."""

    delay_s: float
    run: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class FakeTimers:
    """An event loop's timers, all that were ever set."""

    made: list[FakeTimer] = field(default_factory=list)

    def call_later(self, delay_s: float, run: Callable[[], None]) -> FakeTimer:
        self.made.append(FakeTimer(delay_s, run))
        return self.made[-1]


async def test_the_wait_begins_when_a_look_has_ended():
    timers, go, looks = FakeTimers(), asyncio.Event(), list[int]()

    async def look() -> None:
        looks.append(1)
        await go.wait()

    polling = Polling(look, timers.call_later)
    polling.every(2.0)
    assert [timer.delay_s for timer in timers.made] == [2.0]
    timers.made[0].run()
    await until(lambda: bool(looks))
    assert len(timers.made) == 1
    polling.every(3.0)
    assert len(timers.made) == 1
    go.set()
    await until(lambda: len(timers.made) == 2)
    assert timers.made[1].delay_s == 3.0


async def test_another_interval_takes_the_place_of_the_one_that_is_waited_for():
    timers = FakeTimers()
    polling = Polling(asyncio.Event().wait, timers.call_later)
    polling.every(2.0)
    polling.every(None)
    assert [timer.cancelled for timer in timers.made] == [True]
    polling.every(1.0)
    assert repr(polling) == "<Polling every 1.0 s>"
    assert not timers.made[-1].cancelled


async def test_a_look_that_fails_is_logged_and_the_next_one_comes():
    timers = FakeTimers()

    async def look() -> None:
        raise ZeroDivisionError

    polling = Polling(look, timers.call_later)
    polling.every(1.0)
    with capture_logs() as told:
        timers.made[0].run()
        await until(lambda: len(timers.made) == 2)
    assert [entry["event"] for entry in told] == ["looking for changes failed"]


async def test_the_end_cuts_a_look_off():
    timers, began, cut = FakeTimers(), asyncio.Event(), list[bool]()

    async def look() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.append(True)

    polling = Polling(look, timers.call_later)
    polling.every(1.0)
    timers.made[0].run()
    await began.wait()
    await polling.stop()
    assert cut == [True]
    await polling.stop()
    assert len(timers.made) == 1
