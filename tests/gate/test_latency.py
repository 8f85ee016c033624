from itertools import pairwise

import pytest

from proxy.gate.latency import BOUNDS_S, bin_of, compare_latency


def test_bounds_rise_by_a_third_over_five_decades() -> None:
    steps = [high / low for low, high in pairwise(BOUNDS_S)]
    assert (BOUNDS_S[0], BOUNDS_S[-1]) == (0.0005, 50.0)
    assert all(1.32 < step < 1.35 for step in steps)


@pytest.mark.parametrize("index", [0, 7, len(BOUNDS_S) - 1])
def test_a_duration_of_a_bound_is_in_its_bin_and_the_next_float_is_not(index: int) -> None:
    assert bin_of(BOUNDS_S[index]) == index
    assert bin_of(BOUNDS_S[index] * 1.000001) == index + 1


def test_both_sides_are_held_against_what_legacy_keeps() -> None:
    legacy = {10: 50, 20: 45, 30: 4, 35: 1}
    grpc = {10: 80, 20: 10, 35: 10}
    found = compare_latency({"legacy": legacy, "grpc": grpc}).exceedances
    assert [each.threshold_s for each in found] == [BOUNDS_S[10], BOUNDS_S[20], BOUNDS_S[30]]
    assert [each.legacy for each in found] == [0.5, 0.05, 0.01]
    assert [each.grpc for each in found] == [0.2, 0.1, 0.1]


def test_counts_of_two_processes_add_up_to_the_same_as_one() -> None:
    one, other = {3: 10, 4: 5}, {3: 2, 9: 1}
    together = {3: 12, 4: 5, 9: 1}
    merged = {each: one.get(each, 0) + other.get(each, 0) for each in {*one, *other}}
    assert compare_latency({"legacy": merged, "grpc": merged}) == compare_latency(
        {"legacy": together, "grpc": together}
    )


def test_a_side_that_was_never_called_has_no_quantiles_and_exceeds_nothing() -> None:
    latency = compare_latency({"legacy": {3: 10}, "grpc": {}})
    assert latency.counts == {"legacy": 10, "grpc": 0}
    assert latency.quantiles["grpc"] == (None, None, None)
    assert latency.exceedances == ()


def test_without_durations_nothing_is_said() -> None:
    assert compare_latency({}).exceedances == ()


def test_what_is_beyond_all_bounds_has_no_quantile_and_no_threshold() -> None:
    latency = compare_latency({"legacy": {3: 60, len(BOUNDS_S): 40}, "grpc": {3: 1}})
    assert latency.quantiles["legacy"] == (BOUNDS_S[3], None, None)
    assert [each.quantile for each in latency.exceedances] == [0.5]
