"""The loop's lag, measured on a real loop."""

import asyncio

from proxy.telemetry.counters import Histogram
from proxy.telemetry.loop_lag import LoopLag


class FirstObservation(Histogram):
    """A histogram that says when it was used for the first time."""

    def __init__(self) -> None:
        super().__init__((0.001,))
        self.first_s: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def observe(self, value: float, count: int = 1) -> None:
        super().observe(value)
        if not self.first_s.done():
            self.first_s.set_result(value)


async def test_blocked_loop_is_seen() -> None:
    loop = asyncio.get_running_loop()
    histogram = FirstObservation()
    lag = LoopLag(loop, histogram, interval_s=0.001)
    lag.start()
    lag.start()
    blocked_until_s = loop.time() + 0.05
    while loop.time() < blocked_until_s:
        pass
    assert await histogram.first_s >= 0.04
    lag.stop()


async def test_stopped_measures_no_more() -> None:
    lag = LoopLag(asyncio.get_running_loop(), FirstObservation())
    assert repr(lag) == "LoopLag(stopped, last_s=0)"
    lag.start()
    assert repr(lag).startswith("LoopLag(running")
    lag.stop()
    lag.stop()
    assert repr(lag).startswith("LoopLag(stopped")
