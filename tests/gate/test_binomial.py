from fractions import Fraction
from math import comb, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gate.binomial import at_least, at_most, crossing


def exactly(counts: range, trials: int, rate: Fraction) -> float:
    each = (comb(trials, hit) * rate**hit * (1 - rate) ** (trials - hit) for hit in counts)
    return float(sum(each, Fraction(0)))


@given(
    trials=st.integers(1, 120),
    count=st.integers(-1, 121),
    rate=st.fractions(Fraction(1, 1000), Fraction(999, 1000), max_denominator=1000),
)
def test_both_tails_are_the_sums_of_their_terms(trials: int, count: int, rate: Fraction) -> None:
    below = exactly(range(min(count, trials) + 1), trials, rate)
    above = exactly(range(max(count, 0), trials + 1), trials, rate)
    assert isclose(at_most(count, trials, float(rate)), below, rel_tol=1e-9, abs_tol=1e-12)
    assert isclose(at_least(count, trials, float(rate)), above, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("trials", [1_001, 100_001, 10_000_001])
def test_half_of_an_odd_number_of_fair_trials_is_half_the_probability(trials: int) -> None:
    assert at_most(trials // 2, trials, 0.5) == pytest.approx(0.5, rel=1e-8)


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_sure_outcome_has_no_tail(rate: float, expected: float) -> None:
    assert at_most(3, 10, rate) == expected


def test_a_crossing_is_found_to_the_rounding_of_a_float() -> None:
    assert crossing(lambda x: 2 - x * x, 0.0, 2.0) == pytest.approx(2**0.5, rel=1e-15)


def test_a_crossing_between_neighbouring_floats_is_the_upper_one() -> None:
    assert crossing(lambda x: 0.5 - x, 0.5, 0.5000000000000001) == 0.5000000000000001
