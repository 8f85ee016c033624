"""When a worker that died is started again. Pure; the clock is an argument.

A worker that has served is replaced at once. One that dies again and again, most of all before it
was ready, would otherwise take a processor for itself, fill the log, and help nobody.
"""

from typing import Final

#: Seconds that a worker must have served to be taken for a healthy one.
STABLE_S: Final = 1.0
#: Seconds before the third start in a row; every further one waits twice as long. The first
#: replacement is immediate.
FIRST_DELAY_S: Final = 0.05
#: The longest wait in seconds: whoever repairs the cause should see the service come back while
#: he looks. It is tried for ever.
MAX_DELAY_S: Final = 30.0


class Restarts:
    """The deaths of the workers in one place, one after the other."""

    def __init__(self) -> None:
        self.in_a_row = 0

    def __repr__(self) -> str:
        return f"Restarts(in_a_row={self.in_a_row})"

    def delay_s(self, ready_s: float | None, now_s: float) -> float:
        """A worker died that was ready at *ready_s*, or never: how long to wait for the next.

        >>> restarts = Restarts()
        >>> [restarts.delay_s(None, 0.0) for _ in range(5)]
        [0.0, 0.05, 0.1, 0.2, 0.4]
        >>> restarts.delay_s(1.0, 2.0)
        0.0
        """
        if ready_s is not None and now_s - ready_s >= STABLE_S:
            self.in_a_row = 0
        self.in_a_row += 1
        if self.in_a_row == 1:
            return 0.0
        # The exponent is bounded, so that a loop that goes on for days does not overflow.
        return min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self.in_a_row - 2, 16))
