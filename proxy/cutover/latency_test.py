"""The latency test: whether gRPC is slow more often than legacy in the same minutes.

Belongs here: thresholds from legacy's own latencies, counts above them, checks of the counts.
Does not: what follows when checks fail (`guard`).

Slow is what exceeds the 95th or the 99th percentile that legacy had in the period before. Both
sides are then counted above these thresholds in the same period, since a slow database makes both
slow. Counts rather than averages or ranks: a few very slow answers are what clients notice, and
counts can be tested exactly.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Chance of one check to fail although gRPC exceeds a threshold exactly as often as it may. Three
#: checks in a row then fail once in a million times, that is, in two years of minutes.
ALPHA: Final = 0.01

#: The percentiles; alpha is divided among them.
QUANTILES: Final = (0.95, 0.99)

#: Buckets per doubling: one is 9 % wide, so that gRPC must be slower by half as much on average
#: to be seen at all. A slowdown below that is no reason to undo a move.
_PER_OCTAVE: Final = 8
#: The first bucket ends near 2**-14 s (61 µs), the last but one at 2**7 s (128 s), which is longer
#: than any route's deadline.
_LOWEST_OCTAVE: Final = -14
_OCTAVES: Final = 21
_BUCKETS: Final = _PER_OCTAVE * _OCTAVES + 1
_SHORTEST_S: Final = 2.0**_LOWEST_OCTAVE


@dataclass(frozen=True, slots=True)
class LatencyTestOptions:
    """When gRPC is too slow.

    *allowed_ratio* is how many times as often as legacy it may exceed a threshold. Sides are
    compared every *interval_s* or, where one of them has fewer than *min_requests* by then, at
    the end of a later interval; *threshold* failed checks in a row are enough.
    """

    allowed_ratio: float = 1.2
    interval_s: float = 60.0
    threshold: int = 3
    min_requests: int = 200


class Histogram:
    """Counts of durations in buckets of equal ratio; its size does not depend on how many."""

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.total = 0

    def __repr__(self) -> str:
        return f"<Histogram of {self.total}>"

    def add(self, duration_s: float) -> None:
        """Count a duration in seconds."""
        index = 0
        if duration_s > _SHORTEST_S:
            index = int((math.log2(duration_s) - _LOWEST_OCTAVE) * _PER_OCTAVE)
        self._counts[min(index, _BUCKETS - 1)] += 1
        self.total += 1

    def quantile(self, quantile: float) -> float:
        """The end, in seconds, of the bucket that has the *quantile* of what was counted.

        Infinite for the last bucket, which has no end, and when nothing was counted.
        """
        left = quantile * self.total
        for index, count in enumerate(self._counts[:-1]):
            left -= count
            if left <= 0 < self.total:
                return float(2.0 ** ((index + 1) / _PER_OCTAVE + _LOWEST_OCTAVE))
        return math.inf


def binomial_tail(successes: int, trials: int, chance: float) -> float:
    """The chance of at least *successes* in *trials*, exactly. *chance* is between 0 and 1.

    >>> round(binomial_tail(9, 10, 0.5) * 1024)
    11
    """
    if successes <= 0:
        return 1.0
    log_first = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(chance)
        + (trials - successes) * math.log1p(-chance)
    )
    term = total = math.exp(log_first)
    odds = chance / (1.0 - chance)
    for count in range(successes, trials):
        term *= odds * (trials - count) / (count + 1)
        total += term
        # Above the mean the terms only shrink, so that what follows changes nothing.
        if term < total * 1e-17 and count > trials * chance:
            break
    return min(1.0, total)


class _Counts:
    """The answers of one side, and how many of them exceeded each threshold."""

    __slots__ = ("answers", "exceeded")

    def __init__(self) -> None:
        self.answers = 0
        self.exceeded = [0] * len(QUANTILES)

    def add(self, duration_s: float, thresholds_s: tuple[float, ...]) -> None:
        self.answers += 1
        # In ascending order: most answers are done with after one comparison.
        for index, threshold_s in enumerate(thresholds_s):
            if duration_s <= threshold_s:
                break
            self.exceeded[index] += 1


@dataclass(frozen=True, slots=True)
class Exceedance:
    """How often both sides were above one threshold in one period."""

    quantile: float
    threshold_s: float
    grpc_exceeded: int
    grpc_answers: int
    legacy_exceeded: int
    legacy_answers: int

    @property
    def ratio(self) -> float:
        """How many times as often as legacy gRPC exceeded it."""
        if not self.legacy_exceeded:
            return math.inf if self.grpc_exceeded else 1.0
        grpc = self.grpc_exceeded / self.grpc_answers
        return grpc / (self.legacy_exceeded / self.legacy_answers)

    def is_above(self, allowed_ratio: float, alpha: float) -> bool:
        """Whether the ratio is above the allowed one, and not by chance.

        Of all that exceeded, gRPC has more than the share that it would have if it were exactly
        *allowed_ratio* times as slow: a one-sided exact binomial test on the level *alpha*.
        """
        if self.ratio <= allowed_ratio:
            return False
        odds = allowed_ratio * self.grpc_answers
        share = odds / (odds + self.legacy_answers)
        exceeded = self.grpc_exceeded + self.legacy_exceeded
        return binomial_tail(self.grpc_exceeded, exceeded, share) <= alpha

    def __str__(self) -> str:
        return (
            f"{self.grpc_exceeded} of {self.grpc_answers} gRPC answers took longer than legacy's "
            f"p{self.quantile * 100:.0f} of {self.threshold_s * 1000:.3g} ms, and "
            f"{self.legacy_exceeded} of {self.legacy_answers} of legacy's: "
            f"{self.ratio:.3g} times as often"
        )


@dataclass(frozen=True, slots=True)
class Slowness:
    """Why gRPC is too slow: the worst *exceedance* of the last of so many failed *checks*."""

    exceedance: Exceedance
    allowed_ratio: float
    checks: int

    def __str__(self) -> str:
        return (
            f"{self.exceedance}, where {self.allowed_ratio:g} times is allowed; "
            f"failed checks in a row: {self.checks}"
        )


class LatencyTest:
    """The test of one route. Feed it the answers to all comparable requests.

    Errors are left out: a quick one is no achievement, and a timeout is counted as an error. In the
    first period there are no thresholds yet. Too few answers neither fail nor pass a check, they
    prolong the period; what had failed before stays failed.
    """

    __slots__ = (
        "_ends_s",
        "_failed",
        "_grpc",
        "_histogram",
        "_legacy",
        "_options",
        "_thresholds_s",
        "failed_checks",
    )

    def __init__(self, options: LatencyTestOptions) -> None:
        self._options = options
        self.restart()

    def __repr__(self) -> str:
        return f"<LatencyTest failed_checks={self.failed_checks}/{self._options.threshold}>"

    def restart(self) -> None:
        """Forget all."""
        self._thresholds_s: tuple[float, ...] = ()
        self._ends_s = math.inf
        self.failed_checks = 0
        self._begin_period()

    def _begin_period(self) -> None:
        self._histogram = Histogram()
        self._legacy, self._grpc = _Counts(), _Counts()

    def answered(self, on_grpc: bool, duration_s: float, now_s: float) -> Slowness | None:
        """Count an answer that took *duration_s*; why gRPC is too slow, once that is certain.

        *now_s* is monotonic; an interval ends with the first answer after its time.
        """
        slowness = self._end_interval(now_s) if now_s >= self._ends_s else None
        if self._ends_s == math.inf:
            self._ends_s = now_s + self._options.interval_s
        if on_grpc:
            self._grpc.add(duration_s, self._thresholds_s)
        else:
            self._legacy.add(duration_s, self._thresholds_s)
            self._histogram.add(duration_s)
        return slowness

    def _end_interval(self, now_s: float) -> Slowness | None:
        self._ends_s = now_s + self._options.interval_s
        least = self._options.min_requests
        if self._legacy.answers < least or (self._thresholds_s and self._grpc.answers < least):
            return None
        slowness = self._check()
        self._thresholds_s = tuple(self._histogram.quantile(each) for each in QUANTILES)
        self._begin_period()
        return slowness

    def _check(self) -> Slowness | None:
        """Check the period; why gRPC is too slow, once enough checks have failed in a row."""
        above = [each for each in self._exceedances() if self._is_above(each)]
        self.failed_checks = self.failed_checks + 1 if above else 0
        if self.failed_checks < self._options.threshold:
            return None
        worst = max(above, key=lambda each: each.ratio)
        return Slowness(worst, self._options.allowed_ratio, self.failed_checks)

    def _is_above(self, exceedance: Exceedance) -> bool:
        return exceedance.is_above(self._options.allowed_ratio, ALPHA / len(QUANTILES))

    def _exceedances(self) -> Iterator[Exceedance]:
        # Without thresholds, in the first period, there is nothing to check.
        for index, threshold_s in enumerate(self._thresholds_s):
            yield Exceedance(
                QUANTILES[index],
                threshold_s,
                self._grpc.exceeded[index],
                self._grpc.answers,
                self._legacy.exceeded[index],
                self._legacy.answers,
            )
