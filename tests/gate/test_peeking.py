"""What looking again and again does to a gate, at a true rate that is exactly the limit."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from math import ceil, log1p
from random import Random

import pytest

from proxy.gate.bound import ConfidenceSequence, one_look_needed

LIMIT, ALPHA = 0.005, 0.05
RUNS = 2_000
#: Looks of each run, and comparisons in all.
LOOKS, COMPARED = 240, 12_000
SEQUENCE = ConfidenceSequence(LIMIT, ALPHA)

#: How many comparisons a gate asks for with so many mismatches.
Needed = Callable[[int], int]


@cache
def anytime(mismatches: int) -> int:
    return SEQUENCE.needed(mismatches)


@cache
def one_look(mismatches: int) -> int:
    return one_look_needed(mismatches, LIMIT, ALPHA)


#: When somebody looks, in comparisons.
SCHEDULES: dict[str, Sequence[int]] = {
    "240 looks, evenly": range(COMPARED // LOOKS, COMPARED + 1, COMPARED // LOOKS),
    "after every comparison": range(1, COMPARED + 1),
    "ever more rarely": sorted({round(1.04**step) for step in range(LOOKS)}),
    "daily, then every hour of the last days": [
        *range(1_000, 10_000, 1_000),
        *range(10_000, 12_001, 25),
    ],
    "once, at the end": [COMPARED],
}


def mismatches_of(chance: Random, rate: float) -> Iterator[int]:
    """The numbers of the comparisons that are mismatches, and the one after the last."""
    at = 0
    while at <= COMPARED:
        at += gap(chance, rate)
        yield min(at, COMPARED + 1)


def gap(chance: Random, rate: float) -> int:
    """How many comparisons it takes to the next mismatch: geometric, by the exponential."""
    return max(1, ceil(-chance.expovariate(1.0) / log1p(-rate)))


def promoted(chance: Random, rate: float, looks: Sequence[int], needed: Needed) -> bool:
    """Whether any of *looks* finds fewer mismatches than the comparisons until then allow.

    Between two mismatches the last look is the most favourable one.
    """
    ends = [0, *mismatches_of(chance, rate)]
    for mismatches, (_, until) in enumerate(pairwise(ends)):
        last = bisect_left(looks, until) - 1
        if last >= 0 and looks[last] >= needed(mismatches):
            return True
    return False


def share(rate: float, looks: Sequence[int], needed: Needed) -> float:
    chance = Random(2026)
    return sum(promoted(chance, rate, looks, needed) for _ in range(RUNS)) / RUNS


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_schedule_of_looks_promotes_a_route_at_the_limit_more_often_than_alpha(
    schedule: str,
) -> None:
    assert share(LIMIT, SCHEDULES[schedule], anytime) <= ALPHA


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_route_above_the_limit_is_promoted_more_rarely_still(schedule: str) -> None:
    assert share(1.5 * LIMIT, SCHEDULES[schedule], anytime) <= ALPHA / 4


def test_the_bound_of_one_look_would_promote_every_fourth() -> None:
    """The simulation can tell: it shows what the confidence sequence is there for."""
    assert 0.22 < share(LIMIT, SCHEDULES["240 looks, evenly"], one_look) < 0.27
    assert share(LIMIT, SCHEDULES["once, at the end"], one_look) <= ALPHA + 0.01


def test_a_route_well_below_the_limit_is_promoted_nearly_always() -> None:
    assert share(LIMIT / 5, SCHEDULES["240 looks, evenly"], anytime) > 0.95


def test_a_route_at_the_limit_is_rarely_said_to_be_below_or_above_it() -> None:
    """Both ends of the sequence share one alpha: its reasons for failing count against it too."""
    chance, wrong = Random(2027), 0
    for _ in range(RUNS):
        hits = [at for at in mismatches_of(chance, LIMIT) if at <= COMPARED]
        above = any(SEQUENCE.is_above(count, at) for count, at in enumerate(hits, start=1))
        ends = pairwise([0, *hits, COMPARED + 1])
        below = any(until - 1 >= anytime(count) for count, (_, until) in enumerate(ends))
        wrong += above or below
    assert 0 < wrong <= RUNS * ALPHA
