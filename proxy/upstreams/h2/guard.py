"""What a peer may send that moves no call along.

Belongs here: counting it. Does not: which frames these are (`connection`).
"""

from collections.abc import Callable
from typing import Final

from proxy.upstreams.h2.frames import ConnectionFault, ErrorCode

#: Idle frames that are allowed at once, and again after each interval: servers ping, and tell
#: their settings.
_ALLOWANCE: Final = 1000
_INTERVAL_S: Final = 60.0
#: Idle frames allowed for every frame that moves a call along, in either direction: two windows
#: to fill, a PING that measures the line, PRIORITY. And the most that can be saved up.
PER_PROGRESS: Final = 8
_MOST: Final = 100_000


class Guard:
    """Counts a connection's idle frames. *clock* is monotonic, in seconds.

    Whoever sees progress adds `PER_PROGRESS` to *budget*.
    """

    __slots__ = ("_clock", "_since_s", "budget")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s = clock()
        self.budget = _ALLOWANCE

    def __repr__(self) -> str:
        return f"<Guard budget={self.budget}>"

    def spend(self) -> None:
        """Count an idle frame. Raises `ConnectionFault` when they are a flood."""
        self.budget = min(self.budget, _MOST) - 1
        if self.budget >= 0:
            return
        now_s = self._clock()
        if now_s - self._since_s < _INTERVAL_S:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a flood of idle frames")
        self.budget, self._since_s = _ALLOWANCE, now_s
