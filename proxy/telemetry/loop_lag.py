"""How late the event loop is: a timer that measures its own delay.

A late loop delays every request at once, and no other metric tells it from a slow upstream.
"""

import asyncio
from typing import Final

from proxy.telemetry.counters import Histogram

#: Seconds between two measurements: often enough to see any stall that a client would.
INTERVAL_S: Final = 0.25


class LoopLag:
    """Measures on *loop* from `start` to `stop`, into *histogram*."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, histogram: Histogram, interval_s: float = INTERVAL_S
    ) -> None:
        self._loop = loop
        self._histogram = histogram
        self._interval_s = interval_s
        self._timer: asyncio.TimerHandle | None = None
        self.last_s = 0.0

    def __repr__(self) -> str:
        state = "running" if self._timer else "stopped"
        return f"LoopLag({state}, last_s={self.last_s:g})"

    def start(self) -> None:
        """Begin to measure. A second call does nothing."""
        if self._timer is None:
            self._schedule()

    def stop(self) -> None:
        """End measuring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        due_s = self._loop.time() + self._interval_s
        self._timer = self._loop.call_at(due_s, self._measure, due_s)

    def _measure(self, due_s: float) -> None:
        self.last_s = max(0.0, self._loop.time() - due_s)
        self._histogram.observe(self.last_s)
        self._schedule()
