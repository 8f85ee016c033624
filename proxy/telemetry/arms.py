"""What the two sides of a route have shown since the route was last moved.

Belongs here: counts since a move out of counts since the start, and quantiles out of buckets.
Does not: judging them (`cutover`).

Nothing here is on the way of a request: the counters that a request feeds go on for ever, and a
move only notes where they stood.
"""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from proxy.cutover.stages import Side
from proxy.telemetry.counters import DURATION_BOUNDS_S, NameCounters
from proxy.telemetry.tally import ArmCounts, Arms

#: Requests and errors stand before the buckets.
_BUCKETS_FROM: Final = 2


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a route since the last move.

    *errors* are answers of 500 and above; a request that gRPC failed and legacy answered instead
    is a request and an error of gRPC, and a request of legacy too. Quantiles are in seconds, as
    exact as the buckets are narrow, 0.0 without requests.
    """

    requests: int
    errors: int
    p50_s: float
    p95_s: float
    p99_s: float


def arm_of(counts: ArmCounts) -> Arm:
    """An arm as it is shown."""
    buckets = counts[_BUCKETS_FROM:]
    quantiles = (quantile_s(buckets, share) for share in (0.5, 0.95, 0.99))
    return Arm(int(counts[0]), int(counts[1]), *quantiles)


def quantile_s(buckets: list[float], share: float) -> float:
    """The duration below which that *share* of the counts in *buckets* lies.

    Within a bucket counts are taken as evenly spread, as Prometheus does; beyond the last bound
    it is that bound.

    >>> quantile_s([0] * 2 + [10] + [0] * 13, 0.5)
    0.00175
    >>> quantile_s([0] * 16, 0.99)
    0.0
    """
    totals = list(accumulate(buckets))
    if not totals[-1]:
        return 0.0
    wanted = share * totals[-1]
    index = bisect_left(totals, wanted)
    if index == len(DURATION_BOUNDS_S):
        return DURATION_BOUNDS_S[-1]
    below = totals[index - 1] if index else 0.0
    lower_s = DURATION_BOUNDS_S[index - 1] if index else 0.0
    inside = (wanted - below) / (totals[index] - below)
    return lower_s + (DURATION_BOUNDS_S[index] - lower_s) * inside


class ArmBaselines:
    """Where the counters of each route stood when it was last moved."""

    def __init__(self) -> None:
        self._moved: dict[str, Arms] = {}

    def __repr__(self) -> str:
        return f"ArmBaselines({len(self._moved)} moved)"

    def moved(self, route: str, revision: int, counters: NameCounters) -> None:
        """Count *route* from here on; a *revision* that is not newer changes nothing."""
        known = self._moved.get(route)
        if known is None or known.revision < revision:
            self._moved[route] = Arms(revision, _counted(counters))

    def since(self, route: str, counters: NameCounters) -> Arms:
        """What the sides of *route* have counted since."""
        base = self._moved.get(route, Arms(0, {}))
        sides = {
            side: _minus(counts, base.sides.get(side))
            for side, counts in _counted(counters).items()
        }
        return Arms(base.revision, sides)


def _counted(counters: NameCounters) -> dict[str, ArmCounts]:
    """The counts of the sides since the start.

    What gRPC failed and legacy answered is on gRPC's account too; it has no duration there.
    """
    sides: dict[str, ArmCounts] = {}
    errors = counters.errors()
    for side, histogram in counters.durations.items():
        sides[side] = [sum(histogram.counts), errors[side], *histogram.counts]
    failed = counters.fallbacks.total()
    if failed:
        grpc = sides.setdefault(Side.GRPC, [0.0] * (_BUCKETS_FROM + len(DURATION_BOUNDS_S) + 1))
        grpc[0] += failed
        grpc[1] += failed
    return sides


def _minus(counts: ArmCounts, base: ArmCounts | None) -> ArmCounts:
    if base is None:
        return counts
    return [count - before for count, before in zip(counts, base, strict=True)]
