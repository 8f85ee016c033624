"""How large the rate of mismatches can be, after so many comparisons.

Belongs here: the confidence sequence that stays valid however often it is looked at, the bound of
one look beside it, and how many comparisons a limit takes. Does not: what a gate makes of them
(`gate.judgement`).

The sequence is Robbins' beta-binomial mixture (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon
2021): the rates at which the mixture of all rates explains the counts less than 1/alpha times as
well as the rate itself. By Ville's inequality a true rate is ever outside with a probability of at
most alpha, over all looks together. An interval for one look (Clopper and Pearson 1934) that is
read until it turns green has no such bound: after 240 looks it lets every fourth route pass that
stands exactly at the limit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import expm1, lgamma, log, log1p

from proxy.gate.binomial import at_most, crossing


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """Bounds on a rate, tuned to be tight about *limit*, with an error of *alpha* for all looks.

    Both are from 0 to 1, the ends left out. The mixture is Beta(1, 1 / limit): it expects a rate
    about as small as the limit is.
    """

    limit: float
    alpha: float

    def __post_init__(self) -> None:
        if not (0 < self.limit < 1 and 0 < self.alpha < 1):
            raise ValueError("limit and alpha are between 0 and 1")

    def excludes(self, rate: float, mismatches: int, compared: int) -> bool:
        """Whether *rate* cannot be the true one; on which side of the counts it is, is not said."""
        return _log_likelihood(rate, mismatches, compared) <= self._floor(mismatches, compared)

    def is_below(self, mismatches: int, compared: int) -> bool:
        """Whether the true rate is below the limit, as sure as the sequence is."""
        rate = mismatches / compared if compared else 1.0
        return rate < self.limit and self.excludes(self.limit, mismatches, compared)

    def is_above(self, mismatches: int, compared: int) -> bool:
        """Whether the true rate is above the limit, as sure as the sequence is."""
        rate = mismatches / compared if compared else 0.0
        return rate > self.limit and self.excludes(self.limit, mismatches, compared)

    def upper(self, mismatches: int, compared: int) -> float:
        """The largest rate that the counts leave possible; 1.0 without comparisons."""
        if mismatches >= compared:
            return 1.0
        floor = self._floor(mismatches, compared)
        if not mismatches:
            return -expm1(floor / compared)
        return crossing(
            lambda rate: _log_likelihood(rate, mismatches, compared) - floor,
            mismatches / compared,
            1.0,
        )

    def lower(self, mismatches: int, compared: int) -> float:
        """The smallest rate that the counts leave possible; 0.0 without mismatches."""
        if not mismatches:
            return 0.0
        floor = self._floor(mismatches, compared)
        return 1.0 - crossing(
            lambda rest: _log_likelihood(1.0 - rest, mismatches, compared) - floor,
            1.0 - mismatches / compared,
            1.0,
        )

    def needed(self, mismatches: int) -> int:
        """How many comparisons with so many mismatches show that the rate is below the limit."""
        return _first(lambda compared: self.is_below(mismatches, compared), mismatches + 1)

    def _floor(self, mismatches: int, compared: int) -> float:
        """The log-likelihood that a rate must be above to be possible.

        It is ln B(a + k, b + n - k) - ln B(a, b) + ln alpha, with a = 1 and b = 1 / limit.
        """
        b = 1 / self.limit
        mixture = lgamma(1 + mismatches) + lgamma(b + compared - mismatches)
        return mixture - lgamma(1 + b + compared) + log(b) + log(self.alpha)


def one_look_upper(mismatches: int, compared: int, alpha: float) -> float:
    """The one-sided upper bound of Clopper and Pearson: right for who looks once, and never again.

    >>> one_look_upper(0, 299, 0.05) < 0.01 < one_look_upper(0, 298, 0.05)
    True
    """
    if mismatches >= compared:
        return 1.0
    if not mismatches:
        return -expm1(log(alpha) / compared)
    return crossing(
        lambda rate: at_most(mismatches, compared, rate) - alpha, mismatches / compared, 1.0
    )


def one_look_needed(mismatches: int, limit: float, alpha: float) -> int:
    """How many comparisons with so many mismatches the bound of one look takes to be below."""
    return _first(lambda compared: at_most(mismatches, compared, limit) <= alpha, mismatches + 1)


def _log_likelihood(rate: float, mismatches: int, compared: int) -> float:
    """The logarithm of p^k (1-p)^(n-k), where nothing to the power of nothing is one."""
    matches = compared - mismatches
    if (mismatches and rate <= 0) or (matches and rate >= 1):
        return float("-inf")
    hit = mismatches * log(rate) if mismatches else 0.0
    return hit + (matches * log1p(-rate) if matches else 0.0)


def _first(holds: Callable[[int], bool], start: int) -> int:
    """The first number from *start* for which *holds*, which then holds for all above."""
    high = start
    while not holds(high):
        high *= 2
    low = max(start, high // 2)
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
