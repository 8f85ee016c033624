"""Deadlines: points on the monotonic clock. The clock is always an argument."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """When a call must have ended, in seconds on the monotonic clock.

    >>> Deadline.after(1.5, now=100.0).remaining_s(now=101.0)
    0.5
    """

    at_s: float

    @classmethod
    def after(cls, timeout_s: float, *, now: float) -> "Deadline":
        """The deadline *timeout_s* seconds from *now*."""
        return cls(now + timeout_s)

    def remaining_s(self, *, now: float) -> float:
        """Seconds left at *now*, never negative."""
        return max(0.0, self.at_s - now)
