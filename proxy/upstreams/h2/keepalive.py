"""Whether a connection that says nothing still lives.

Belongs here: when to ping, and when silence is death. Does not: sending (`session`).
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Final, Protocol

#: Timers may fire a little early.
_EARLY_S: Final = 0.001
#: Silence that is suspicious when a call has run into its deadline.
_SUSPICIOUS_S: Final = 0.5


class Timers(Protocol):
    """What calls back later: an event loop."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        """Call *callback* in *delay* seconds."""
        ...


class Keepalive:
    """Watches one connection while it *is_needed*, which is while calls are open.

    After *time_s* of silence it calls *ping*; after *timeout_s* more, *dead*. Servers close
    connections that ping while no call is open, or often.
    """

    __slots__ = (
        "_clock",
        "_dead",
        "_is_needed",
        "_is_waiting",
        "_ping",
        "_pinged_s",
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
        self._is_waiting = False
        self._pinged_s = -inf
        #: When something was heard last; whoever hears it sets it.
        self.heard_s = clock()

    def __repr__(self) -> str:
        return f"<Keepalive {'asleep' if self._timer is None else 'awake'}>"

    def watch(self) -> None:
        """A call is open: begin, unless watching already."""
        if self._timer is None:
            self._since_s = self._clock()
            self._timer = self._timers.call_later(self._time_s, self._check)

    def suspect(self) -> None:
        """A call has run into its deadline: ping now, if all is silent.

        Without this a server that hangs would go unnoticed for as long as calls have shorter
        deadlines than *time_s*. No oftener than keepalive pings.
        """
        now_s = self._clock()
        is_silent = now_s - max(self.heard_s, self._since_s) >= _SUSPICIOUS_S
        if is_silent and not self._is_waiting and now_s - self._pinged_s >= self._time_s:
            self.stop()
            self._ask(now_s)

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
        self._ask(now_s)

    def _ask(self, now_s: float) -> None:
        self._since_s = self._pinged_s = now_s
        self._is_waiting = True
        self._timer = self._timers.call_later(self._timeout_s, self._judge)
        self._ping()

    def _judge(self) -> None:
        self._timer = None
        self._is_waiting = False
        if self.heard_s < self._since_s:
            self._dead()
        else:
            self._check()
