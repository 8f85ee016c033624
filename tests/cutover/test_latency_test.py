"""The latency test: gRPC above legacy's percentiles more often than allowed, not by chance."""

import math
import random
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.latency_test import (
    ALPHA,
    Exceedance,
    Histogram,
    LatencyTest,
    LatencyTestOptions,
    Slowness,
    binomial_tail,
)

OPTIONS = LatencyTestOptions()

Draw = Callable[[random.Random], float]


def about(median_s: float) -> Draw:
    """Latencies as they are: many near the median, a long tail."""
    return lambda chance: median_s * math.exp(chance.gauss(0.0, 0.6))


def feed(
    test: LatencyTest,
    minute: int,
    legacy: Draw,
    grpc: Draw,
    *,
    legacy_answers: int = 1000,
    grpc_answers: int = 1000,
) -> Slowness | None:
    """The answers of one minute; what the first answer after it brings to light is the next's."""
    chance = random.Random(minute)
    total = legacy_answers + grpc_answers
    order = [False] * legacy_answers + [True] * grpc_answers
    chance.shuffle(order)
    found = None
    for number, on_grpc in enumerate(order):
        duration_s = (grpc if on_grpc else legacy)(chance)
        slowness = test.answered(on_grpc, duration_s, minute * 60.0 + 60.0 * number / total)
        found = found or slowness
    return found


def minutes_until_slow(test: LatencyTest, legacy: Draw, grpc: Draw) -> int:
    return next(minute for minute in range(100) if feed(test, minute, legacy, grpc))


@given(
    st.integers(0, 40),
    st.integers(1, 40),
    st.fractions(Fraction(1, 1000), Fraction(999, 1000), max_denominator=1000),
)
def test_the_binomial_tail_is_exact(successes, trials, chance):
    successes = min(successes, trials)
    exact = sum(
        math.comb(trials, count) * chance**count * (1 - chance) ** (trials - count)
        for count in range(successes, trials + 1)
    )
    assert binomial_tail(successes, trials, float(chance)) == pytest.approx(float(exact), rel=1e-9)


def test_the_binomial_tail_of_many_trials_is_that_of_the_normal_law():
    deviations = 3.0
    successes = round(100_000 * 0.25 + deviations * math.sqrt(100_000 * 0.25 * 0.75))
    expected = math.erfc(deviations / math.sqrt(2)) / 2
    assert binomial_tail(successes, 100_000, 0.25) == pytest.approx(expected, rel=0.05)


@given(st.lists(st.floats(1e-6, 1000), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_end_of_the_bucket_that_has_it(durations_s, quantile):
    histogram = Histogram()
    for duration_s in durations_s:
        histogram.add(duration_s)
    threshold_s = histogram.quantile(quantile)
    below = sum(duration_s <= threshold_s * (1 + 1e-9) for duration_s in durations_s)
    assert below >= quantile * len(durations_s) - 1e-6
    smaller_s = threshold_s / 2 ** (1 / 8)
    if math.isfinite(threshold_s) and smaller_s > 2**-14:
        less = sum(duration_s < smaller_s * (1 - 1e-9) for duration_s in durations_s)
        assert less < quantile * len(durations_s) + 1e-6


def test_a_histogram_of_nothing_has_no_quantile():
    assert Histogram().quantile(0.95) == math.inf
    assert repr(Histogram()) == "<Histogram of 0>"


def test_one_check_in_a_hundred_at_most_fails_by_chance():
    """Both sides exceed a threshold of legacy with the same chance of a twentieth."""
    chance, above, count = random.Random(7), 0, 2000
    for _ in range(count):
        legacy, grpc = (sum(chance.random() < 0.05 for _ in range(200)) for _ in range(2))
        above += Exceedance(0.95, 0.1, grpc, 200, legacy, 200).is_above(1.0, ALPHA)
    assert 0 < above <= count * ALPHA


def constant(duration_s: float) -> Draw:
    return lambda chance: duration_s


def slow_ones(count: int) -> Draw:
    """The first *count* answers are slow, and the others fast."""
    left = iter([0.1] * count + [0.001] * (1000 - count))
    return lambda chance: next(left)


def test_the_chance_of_a_check_is_divided_among_the_percentiles():
    least = next(
        count
        for count in range(100)
        if Exceedance(0.95, 0.1, count, 1000, 10, 1000).is_above(1.2, ALPHA / 2)
    )
    for count, failed_checks in ((least - 1, 0), (least, 1)):
        test = LatencyTest(OPTIONS)
        feed(test, 0, constant(0.002), constant(0.002))
        feed(test, 1, slow_ones(10), slow_ones(count))
        feed(test, 2, constant(0.002), constant(0.002))
        assert test.failed_checks == failed_checks


def test_a_slower_grpc_side_fails_three_checks_and_says_by_how_much():
    test = LatencyTest(OPTIONS)
    for minute in range(4):
        assert feed(test, minute, about(0.01), about(0.015)) is None
    slowness = feed(test, 4, about(0.01), about(0.015))
    assert slowness is not None
    assert slowness.checks == OPTIONS.threshold
    assert slowness.exceedance.ratio > 2
    assert "gRPC answers took longer than legacy's p9" in str(slowness)
    assert "where 1.2 times is allowed; failed checks in a row: 3" in str(slowness)


def test_a_slow_tail_is_enough_though_the_median_is_better():
    def grpc(chance: random.Random) -> float:
        return 0.5 if chance.random() < 0.04 else about(0.005)(chance)

    assert minutes_until_slow(LatencyTest(OPTIONS), about(0.01), grpc) == 4


def test_a_small_canary_is_enough():
    test = LatencyTest(OPTIONS)
    found = [
        feed(test, minute, about(0.01), about(0.03), legacy_answers=3800, grpc_answers=200)
        for minute in range(5)
    ]
    assert found[:4] == [None] * 4
    assert found[4] is not None


def test_equal_sides_are_never_too_slow():
    test = LatencyTest(OPTIONS)
    failed = 0
    for minute in range(60):
        found = feed(test, minute, about(0.01), about(0.01), legacy_answers=900, grpc_answers=300)
        assert found is None
        failed += test.failed_checks
    assert failed <= 3


def test_both_sides_may_slow_down_together():
    test = LatencyTest(OPTIONS)
    for minute in range(12):
        slow = 0.01 * (1 + minute)
        assert feed(test, minute, about(slow), about(slow)) is None


def test_grpc_may_be_faster():
    test = LatencyTest(OPTIONS)
    for minute in range(12):
        assert feed(test, minute, about(0.01), about(0.002)) is None
    assert test.failed_checks == 0


def test_a_check_that_passes_begins_the_count_anew():
    test = LatencyTest(OPTIONS)
    for minute in range(30):
        grpc = about(0.01) if minute % 3 == 2 else about(0.03)
        assert feed(test, minute, about(0.01), grpc) is None


@pytest.mark.parametrize(("legacy_answers", "grpc_answers"), [(1000, 10), (10, 1000)])
def test_too_few_answers_neither_fail_nor_pass(legacy_answers, grpc_answers):
    test = LatencyTest(LatencyTestOptions(min_requests=900))
    for minute in range(3):
        feed(test, minute, about(0.01), about(0.03))
    failed = test.failed_checks
    assert failed == 1
    for minute in range(3, 10):
        found = feed(
            test,
            minute,
            about(0.01),
            about(0.03),
            legacy_answers=legacy_answers,
            grpc_answers=grpc_answers,
        )
        assert found is None
    # Minute 2 was whole, and is checked with the first answer of minute 3.
    assert test.failed_checks == failed + 1


def test_answers_that_are_few_are_gathered_over_minutes():
    test = LatencyTest(OPTIONS)
    found = [
        feed(test, minute, about(0.01), about(0.05), legacy_answers=200, grpc_answers=50)
        for minute in range(20)
    ]
    assert any(found)


def test_a_restart_forgets_thresholds_and_failed_checks():
    test = LatencyTest(OPTIONS)
    for minute in range(4):
        feed(test, minute, about(0.01), about(0.03))
    assert test.failed_checks == 2
    test.restart()
    assert "failed_checks=0/3" in repr(test)
    assert feed(test, 4, about(0.01), about(0.03)) is None
    assert feed(test, 5, about(0.01), about(0.03)) is None


def exceedance(grpc: int, legacy: int, answers: int = 1000) -> Exceedance:
    return Exceedance(0.95, 0.1, grpc, answers, legacy, answers)


def test_a_ratio_that_may_be_chance_is_not_above():
    assert not exceedance(7, 4).is_above(1.2, ALPHA)
    assert exceedance(700, 400).is_above(1.2, ALPHA)
    assert not exceedance(470, 400).is_above(1.2, ALPHA)


def test_what_legacy_never_exceeds_is_compared_too():
    assert exceedance(0, 0).ratio == 1.0
    assert exceedance(40, 0).ratio == math.inf
    assert exceedance(40, 0).is_above(1.2, ALPHA)
    assert not exceedance(2, 0).is_above(1.2, ALPHA)


def test_exactly_the_allowed_ratio_fails_a_check_as_rarely_as_promised():
    chance, checks = random.Random(4), 2000
    failed = 0
    for _ in range(checks):
        grpc = sum(chance.random() < 0.06 for _ in range(300))
        legacy = sum(chance.random() < 0.05 for _ in range(300))
        failed += exceedance(grpc, legacy, 300).is_above(1.2, ALPHA)
    assert failed <= ALPHA * checks
