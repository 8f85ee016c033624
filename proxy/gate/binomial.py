"""Exact probabilities of the binomial distribution, in floating point and without tables.

Belongs here: the tails, and points at which a falling function crosses zero. Does not: what is
concluded from them (`gate.bound`, `gate.noise`).
"""

from collections.abc import Callable
from math import exp, lgamma, log, log1p
from typing import Final

#: Terms of the continued fraction: it needs about the root of the larger argument, and those are
#: counts of comparisons.
_MAX_TERMS: Final = 100_000
_PRECISION: Final = 1e-15
_TINY: Final = 1e-300
#: Halvings of an interval within 0 and 1: the width is then below 2^-60, the rounding of a float.
_HALVINGS: Final = 60


def at_most(count: int, trials: int, rate: float) -> float:
    """The probability of *count* or fewer successes in *trials*, each with probability *rate*.

    >>> at_most(1, 2, 0.5)
    0.75
    """
    if count >= trials:
        return 1.0
    return 0.0 if count < 0 else _incomplete_beta(1 - rate, trials - count, count + 1)


def at_least(count: int, trials: int, rate: float) -> float:
    """The probability of *count* or more successes in *trials*, each with probability *rate*.

    >>> at_least(0, 5, 0.3)
    1.0
    """
    if count <= 0:
        return 1.0
    return 0.0 if count > trials else _incomplete_beta(rate, count, trials - count + 1)


def crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where *falling*, which is above zero at *low* and below at *high*, crosses zero.

    The point is never below the true one by more than the rounding of a float.
    """
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return high


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for a, b >= 1 (DLMF 8.17)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side only
        return 1.0 - _incomplete_beta(1 - x, b, a)
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)
    return exp(front) / a * _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of DLMF 8.17.22, summed from its head by Lentz' method."""
    upper, lower = 1.0, 1.0 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = lower
    for term in range(1, _MAX_TERMS):
        even = term * (b - term) * x / ((a + 2 * term - 1) * (a + 2 * term))
        odd = -(a + term) * (a + b + term) * x / ((a + 2 * term) * (a + 2 * term + 1))
        for coefficient in (even, odd):
            lower = 1.0 / _away_from_zero(1 + coefficient * lower)
            upper = _away_from_zero(1 + coefficient / upper)
            value *= lower * upper
        if abs(lower * upper - 1) < _PRECISION:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
