"""A ramp: the percentages that a canary goes through, and when it may go on by itself.

Belongs here: steps and the conditions of the next one. Does not: where a route stands
(`overrides`), what operators do to it (`moves`), who keeps the time (arguments).

A step is taken by the proxy only when the route has been held where it is, in health, for the
whole hold on the monotonic clock; inside a window; one step at a time; and never beyond the limit
for automatic steps. Everything else that happens by itself only ever lowers.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Self

from proxy.cutover.percent import WHOLE
from proxy.cutover.windows import Window


@dataclass(frozen=True, slots=True)
class Ramp:
    """Strictly rising *steps* in basis points, with what lets the proxy take the next by itself.

    *hold_s* is the time in seconds at each step. No *windows* means at any time. Beyond
    *max_auto_basis_points* only an operator promotes.

    >>> Ramp((500, 100))
    Traceback (most recent call last):
    ValueError: the steps of a ramp must rise: 500, 100
    """

    steps: tuple[int, ...]
    hold_s: float = 3600.0
    windows: tuple[Window, ...] = ()
    max_auto_basis_points: int = WHOLE

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a ramp needs a step")
        if any(low >= high for low, high in pairwise(self.steps)):
            raise ValueError(f"the steps of a ramp must rise: {', '.join(map(str, self.steps))}")
        if not 0 < self.steps[0] <= self.steps[-1] <= WHOLE:
            raise ValueError(f"the steps of a ramp must be within 1 and {WHOLE} basis points")

    def step_at(self, basis_points: int) -> int:
        """The highest step that does not exceed *basis_points*; -1 before the first.

        >>> ramp = Ramp((100, 500, 2500))
        >>> ramp.step_at(500), ramp.step_at(2499), ramp.step_at(10_000), ramp.step_at(50)
        (1, 1, 2, -1)
        """
        return bisect_right(self.steps, basis_points) - 1

    def floor(self, basis_points: int) -> int:
        """The share at that step, but never more than *basis_points*.

        It is what remains of a share that was reached when the steps in the file have changed.

        >>> ramp = Ramp((100, 500, 2500))
        >>> ramp.floor(2400), ramp.floor(50)
        (500, 50)
        """
        return min(self.steps[max(self.step_at(basis_points), 0)], basis_points)

    def is_open(self, at: datetime) -> bool:
        """Whether a step may be taken at the aware time *at*, as far as windows go."""
        return not self.windows or any(window.is_open(at) for window in self.windows)

    def may_reach(self, step: int) -> bool:
        """Whether the proxy may go to *step* by itself."""
        return step < len(self.steps) and self.steps[step] <= self.max_auto_basis_points


def next_share(steps: Sequence[int], basis_points: int) -> int | None:
    """The lowest of *steps* above *basis_points*, else all of the clients; None beyond that.

    >>> next_share((100, 2500), 100), next_share((), 100), next_share((100,), 10_000)
    (2500, 10000, None)
    """
    return next((step for step in (*steps, WHOLE) if step > basis_points), None)


def advance(ramp: Ramp, step: int, held_s: float, at: datetime, *, healthy: bool) -> int:
    """The step to be at now: *step* itself, or the one after it.

    *held_s* is how long the route has been at *step*, on the monotonic clock: a jump of the wall
    clock must not shorten a hold. *at* is the aware wall-clock time, for the windows.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    >>> ramp = Ramp((100, 500, 2500), hold_s=60.0, max_auto_basis_points=500)
    >>> advance(ramp, 0, 59.9, noon, healthy=True), advance(ramp, 0, 60.0, noon, healthy=True)
    (0, 1)
    >>> advance(ramp, 1, 1e9, noon, healthy=True)
    1
    """
    may = healthy and held_s >= ramp.hold_s and ramp.may_reach(step + 1) and ramp.is_open(at)
    return step + 1 if may else step


@dataclass(frozen=True, slots=True)
class RampProgress:
    """How long a route has been held where it is: *place* names it, *since_s* is monotonic.

    The count begins anew with every move, in every moment of bad health, and in a process that
    has just begun to watch: a hold can become longer than it was asked to be, never shorter.
    """

    place: object
    since_s: float

    @classmethod
    def begun(cls, place: object, now_s: float) -> Self:
        """The progress of a route that has only now come to *place*."""
        return cls(place, now_s)

    def seen(self, place: object, now_s: float, *, healthy: bool) -> "RampProgress":
        """The progress after another look at *now_s*."""
        return self if healthy and place == self.place else RampProgress(place, now_s)

    def held_s(self, now_s: float) -> float:
        """Seconds for which the route has been held in health."""
        return now_s - self.since_s
