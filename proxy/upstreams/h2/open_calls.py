"""The calls of one upstream that are open, and the end of those whose deadline passes.

Belongs here: deadlines of calls. Does not: any other end.

One timer serves all calls: calls to one server mostly have the same timeout, so that a new one
rarely moves the next deadline, and nearly all are over before a timer fires.
"""

import asyncio
from collections.abc import Callable, Iterator
from math import inf
from typing import Final

from proxy.upstreams.h2.calls import CallStream

#: The least time between two looks at all open calls; a deadline may be late by as much.
_TICK_S: Final = 0.005


class OpenCalls:
    """A set of calls. *clock* is monotonic, in seconds."""

    __slots__ = ("_calls", "_clock", "_loop", "_next_s", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._calls: set[CallStream] = set()
        self._next_s = inf
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<OpenCalls {len(self._calls)}>"

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[CallStream]:
        return iter(tuple(self._calls))

    def add(self, call: CallStream) -> None:
        """Keep a call."""
        self._calls.add(call)
        if call.deadline_s < self._next_s:
            self._arm(call.deadline_s)

    def discard(self, call: CallStream) -> None:
        """Forget a call."""
        self._calls.discard(call)

    def _arm(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_s = at_s
        self._timer = self._loop.call_later(max(0.0, at_s - self._clock()), self._sweep)

    def _sweep(self) -> None:
        """End the calls whose time is up, and look again when the next one's is."""
        self._timer, self._next_s = None, inf
        now_s = self._clock()
        for call in self:
            if call.deadline_s <= now_s:
                call.expire()
        if self._calls:
            self._arm(max(min(call.deadline_s for call in self._calls), now_s + _TICK_S))

    def close(self) -> None:
        """End all calls."""
        for call in self:
            call.close()
        if self._timer is not None:
            self._timer.cancel()
