"""How long both sides take, beside one another: a hint for people, never a verdict.

Belongs here: the bounds by which durations are counted, and what the counts tell. Does not: who
measures (`shadow`). The mirror comes second and finds warm caches, so what it takes is no promise;
a canary decides by the legacy arm of the same minutes.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Upper ends, in seconds, of the bins by which durations are counted: eight to a decade, from half
#: a millisecond to fifty seconds, so that a bin is a third wider than the one before. They are
#: part of what is stored: another table would need the counts anew.
BOUNDS_S: Final[tuple[float, ...]] = tuple(
    float(f"{0.0005 * 10 ** (step / 8):.3g}") for step in range(41)
)
#: The shares of legacy's own answers by whose durations both sides are held.
QUANTILES: Final[tuple[float, ...]] = (0.5, 0.95, 0.99)
_SIDES: Final = ("legacy", "grpc")


def bin_of(seconds: float) -> int:
    """The index of the bin of a duration: that of the first bound which is not below it.

    What is above all bounds has the index `len(BOUNDS_S)`.

    >>> bin_of(0.0), bin_of(0.0005), bin_of(0.00051), bin_of(3600.0) == len(BOUNDS_S)
    (0, 0, 1, True)
    """
    return bisect_left(BOUNDS_S, seconds)


@dataclass(frozen=True, slots=True)
class Exceedance:
    """How many answers of each side take longer than most of legacy's do.

    *threshold_s* is the bound that at least *quantile* of legacy's answers keep; *legacy* and
    *grpc* are the shares, 0 to 1, of each side's answers beyond it.
    """

    quantile: float
    threshold_s: float
    legacy: float
    grpc: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Both sides' durations: how many, their quantiles in seconds, and who exceeds legacy's.

    A quantile is the upper end of the bin that it falls in, None without data or beyond all bins.
    """

    counts: Mapping[str, int]
    quantiles: Mapping[str, tuple[float | None, ...]]
    exceedances: tuple[Exceedance, ...]


def compare_latency(durations: Mapping[str, Mapping[int, int]]) -> Latency:
    """What the counts of `RouteEvidence.durations` tell of "legacy" and "grpc".

    The counts of several processes may be added before: both sides are held against one bound, and
    nothing is averaged.
    """
    sides = {side: durations.get(side, {}) for side in _SIDES}
    return Latency(
        {side: sum(bins.values()) for side, bins in sides.items()},
        {side: tuple(_quantile(bins, each) for each in QUANTILES) for side, bins in sides.items()},
        tuple(_exceedances(sides["legacy"], sides["grpc"])),
    )


def _exceedances(legacy: Mapping[int, int], grpc: Mapping[int, int]) -> list[Exceedance]:
    if not sum(legacy.values()) or not sum(grpc.values()):
        return []
    bins = ((quantile, _bin_at(legacy, quantile)) for quantile in QUANTILES)
    return [
        Exceedance(quantile, BOUNDS_S[at], _beyond(legacy, at), _beyond(grpc, at))
        for quantile, at in bins
        if at is not None and at < len(BOUNDS_S)
    ]


def _quantile(bins: Mapping[int, int], quantile: float) -> float | None:
    at = _bin_at(bins, quantile)
    return None if at is None or at >= len(BOUNDS_S) else BOUNDS_S[at]


def _bin_at(bins: Mapping[int, int], quantile: float) -> int | None:
    """The first bin with which at least *quantile* of all are counted; None without data."""
    needed, counted = quantile * sum(bins.values()), 0
    for index in sorted(bins):
        counted += bins[index]
        if counted and counted >= needed:
            return index
    return None


def _beyond(bins: Mapping[int, int], at: int) -> float:
    return sum(count for index, count in bins.items() if index > at) / sum(bins.values())
