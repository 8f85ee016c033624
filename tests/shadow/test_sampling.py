"""The draw: a share, the same clients whenever they come, and none the wiser about canaries."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.bucket import bucket
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.shadow.sampling import Sampler

#: Of the first 200 keys those at 3 % of the group `shop`.
VECTORS = [
    "user-8",
    "user-23",
    "user-27",
    "user-52",
    "user-73",
    "user-113",
    "user-133",
    "user-148",
    "user-184",
]
KEYS = [f"user-{number}" for number in range(20_000)]


def sampler(basis_points: int, group: str = "shop", *, sticky: bool = True) -> Sampler:
    options = MirrorOptions(Depth.RPC, basis_points, sticky)
    return Sampler(options, group, Random(3).random)


@pytest.mark.parametrize("basis_points", [0, 1, 100, 2500, 9999, 10_000])
def test_the_share_is_what_was_asked_for(basis_points: int):
    share = basis_points / 10_000
    # Five standard deviations of a binomial; seed and keys are fixed.
    slack = 5 * (share * (1 - share) / len(KEYS)) ** 0.5
    drawn, stuck = sampler(basis_points, sticky=False), sampler(basis_points)
    assert abs(sum(drawn.draws() for _ in KEYS) / len(KEYS) - share) <= slack
    assert abs(sum(map(stuck.has, KEYS)) / len(KEYS) - share) <= slack


@given(st.text(max_size=20), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_client_that_is_sampled_is_so_at_every_higher_share(key: str, one: int, other: int):
    low, high = sorted((one, other))
    if sampler(low).has(key):
        assert sampler(high).has(key)


def test_sampling_says_nothing_of_who_is_in_the_canary():
    sampled = [key for key in KEYS if sampler(2000).has(key)]
    inside = sum(bucket("shop", key) < 2000 for key in sampled)
    # A fifth of a fifth, within five standard deviations.
    assert abs(inside / len(sampled) - 0.2) <= 5 * (0.16 / len(sampled)) ** 0.5


def test_routes_of_one_group_sample_the_same_clients():
    assert [sampler(500).has(key) for key in KEYS] == [sampler(500).has(key) for key in KEYS]
    other = sampler(500, "other")
    both = sum(other.has(key) and sampler(500).has(key) for key in KEYS)
    assert both < len(KEYS) * 0.05 / 2


def test_the_vectors_are_the_same_in_every_process_and_version():
    """A client keeps its journey over restarts: the formula is a contract."""
    assert [key for key in KEYS[:200] if sampler(300).has(key)] == VECTORS
    assert repr(sampler(300)) == "<Sampler 3 % of clients>"
    assert repr(sampler(300, sticky=False)) == "<Sampler 3 % of requests>"
