"""What mirrors may use of a process: requests per second, processor time, memory.

Belongs here: counting it. Does not: what happens to a mirror for which there is none left (`pool`).
Clocks are monotonic, in seconds.
"""

from collections.abc import Callable
from typing import Final

#: Seconds of processor time that may be used at once after a quiet while, as a share of a second:
#: a comparison is made whole or not at all.
_CPU_BURST_S: Final = 1.0


class Rate:
    """At most *per_s* a second, evenly; a second's worth at once, and at least one."""

    __slots__ = ("_clock", "_last_s", "_most", "_per_s", "_tokens")

    def __init__(self, per_s: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s)
        self._tokens = self._most
        self._clock = clock
        self._last_s = clock()

    def __repr__(self) -> str:
        return f"<Rate {self._per_s}/s tokens={self._tokens:.2f}>"

    def take(self) -> bool:
        """Whether one more is within the rate; it counts then."""
        now_s = self._clock()
        self._tokens = min(self._most, self._tokens + (now_s - self._last_s) * self._per_s)
        self._last_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class CpuBudget:
    """The part *share* of one core's time, for work on the event loop that may be left undone.

    How long a piece of work takes is known when it is done: the budget may be overdrawn by one,
    and nothing begins until that is made up for.
    """

    __slots__ = ("_clock", "_last_s", "_left_s", "_share")

    def __init__(self, share: float, clock: Callable[[], float]) -> None:
        self._share = share
        self._left_s = share * _CPU_BURST_S
        self._clock = clock
        self._last_s = clock()

    def __repr__(self) -> str:
        return f"<CpuBudget {self._share:.0%} of a core, {self._left_s * 1e3:.1f} ms left>"

    def limit(self, share: float) -> None:
        """Grant another share from now on."""
        self._earn()
        self._share = share

    @property
    def is_spent(self) -> bool:
        """Whether there is nothing left just now."""
        self._earn()
        return self._left_s <= 0.0

    def charge(self, seconds: float) -> None:
        """Note that work took *seconds* of processor time on the event loop."""
        self._left_s -= seconds

    def _earn(self) -> None:
        now_s = self._clock()
        earned_s = (now_s - self._last_s) * self._share
        self._left_s = min(self._share * _CPU_BURST_S, self._left_s + earned_s)
        self._last_s = now_s


class Room:
    """Memory for at most *limit* bytes of what is kept for mirrors."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def __repr__(self) -> str:
        return f"<Room {self.used} of {self.limit} bytes>"

    def take(self, size: int) -> bool:
        """Whether there is room for *size* bytes more; they are taken then."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Give back *size* bytes that were taken."""
        self.used -= size
