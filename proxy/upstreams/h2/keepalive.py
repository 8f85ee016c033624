"""Whether a connection that says nothing still lives.

Belongs here: when to ping, and when silence is death. Does not: sending (`session`).
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

#: Timers may fire a little early.
_EARLY_S: Final = 0.001


class Timers(Protocol):
    """What calls back later: an event loop."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        """Call *callback* in *delay* seconds."""
        ...


class Keepalive:
    """Watches one connection while it *is_needed*, which is while calls are open.

    After *time_s* of silence it calls *ping*; after *timeout_s* more, *dead*. Servers close
    connections that ping while no call is open.
    """

    __slots__ = (
        "_clock",
        "_dead",
        "_is_needed",
        "_ping",
        "_since_s",
        "_time_s",
        "_timeout_s",
        "_timer",
        "_timers",
        "heard_s",
    )

    def __init__(
        self,
        timers: Timers,
        clock: Callable[[], float],
        *,
        time_s: float,
        timeout_s: float,
        is_needed: Callable[[], bool],
        ping: Callable[[], None],
        dead: Callable[[], None],
    ) -> None:
        self._timers = timers
        self._clock = clock
        self._time_s = time_s
        self._timeout_s = timeout_s
        self._is_needed = is_needed
        self._ping = ping
        self._dead = dead
        self._since_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        #: When something was heard last; whoever hears it sets it.
        self.heard_s = clock()

    def __repr__(self) -> str:
        return f"<Keepalive {'asleep' if self._timer is None else 'awake'}>"

    def watch(self) -> None:
        """A call is open: begin, unless watching already."""
        if self._timer is None:
            self._since_s = self._clock()
            self._timer = self._timers.call_later(self._time_s, self._check)

    def stop(self) -> None:
        """The connection is gone."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        self._timer = None
        if not self._is_needed():
            return
        now_s = self._clock()
        left_s = self._time_s - (now_s - max(self.heard_s, self._since_s))
        if left_s > _EARLY_S:
            self._timer = self._timers.call_later(left_s, self._check)
            return
        self._since_s = now_s
        self._timer = self._timers.call_later(self._timeout_s, self._judge)
        self._ping()

    def _judge(self) -> None:
        self._timer = None
        if self.heard_s < self._since_s:
            self._dead()
        else:
            self._check()
