from fractions import Fraction
from math import comb
from random import Random

import pytest

from proxy.comparison.kinds import Kind
from proxy.gate.evidence import FieldEvidence
from proxy.gate.noise import Finding, field_noise
from tests.gate.evidence import difference


def finding(**counts: int) -> Finding:
    field = difference(**counts)
    return field_noise([field])[field.path, field.kind].finding


@pytest.mark.parametrize(("b", "c"), [(0, 1), (1, 0), (3, 2), (7, 0), (40, 21), (600, 500)])
def test_the_test_is_the_exact_tail_of_a_fair_toss(b: int, c: int) -> None:
    field = difference(b=b, c=c)
    tail = Fraction(sum(comb(b + c, hits) for hits in range(b, b + c + 1)), 2 ** (b + c))
    p = field_noise([field])[field.path, field.kind].p
    assert p == pytest.approx(float(tail), rel=1e-10)


def test_a_field_that_legacy_never_varies_is_real_after_seven_pairs() -> None:
    assert [finding(b=b) for b in (6, 7)] == [Finding.UNKNOWN, Finding.REAL]


def test_a_field_that_is_as_often_unequal_in_legacy_itself_is_noise() -> None:
    assert finding(b=51, c=49) is Finding.NOISE


def test_a_field_that_is_noisy_half_the_time_cannot_hide_three_quarters() -> None:
    """A rule of thumb on ratios lets it pass at any number of samples; the paired test does not."""
    assert finding(b=375, c=125, both=375) is Finding.REAL


def test_a_field_that_always_differs_on_both_is_noise_though_no_pair_is_uneven() -> None:
    assert finding(both=30) is Finding.NOISE


def test_without_a_control_nothing_is_said() -> None:
    field = difference()
    noise = field_noise([field])[field.path, field.kind]
    assert (noise.finding, noise.p) == (Finding.UNKNOWN, None)


def test_many_noisy_fields_give_hardly_any_false_discovery() -> None:
    """A hundred fields of pure noise, two hundred times: at most 1 % of the routes cry wolf."""
    tosses = Random(20)
    alarms = 0
    for _ in range(200):
        fields = [tossed(f"$.f{index}", tosses.getrandbits(40).bit_count()) for index in range(100)]
        alarms += any(each.finding is Finding.REAL for each in field_noise(fields).values())
    assert alarms <= 200 * 0.01 + 3 * (200 * 0.01 * 0.99) ** 0.5


def tossed(path: str, b: int) -> FieldEvidence:
    field: FieldEvidence = difference(path, b=b, c=40 - b)
    return field


def test_what_is_real_is_found_among_many_that_are_noise() -> None:
    noisy = [difference(f"$.f{index}", b=20, c=20) for index in range(100)]
    real = difference("$.total", b=15, c=0)
    found = field_noise([*noisy, real])
    assert [path for (path, _), each in found.items() if each.finding is Finding.REAL] == [
        "$.total"
    ]


def test_one_p_that_is_small_for_one_field_is_not_small_among_a_hundred() -> None:
    noisy = [difference(f"$.f{index}", b=20, c=20) for index in range(99)]
    found = field_noise([*noisy, difference("$.total", b=7, c=0)])
    assert found["$.total", Kind.VALUE].finding is not Finding.REAL


def test_a_later_rank_carries_the_earlier_ones_with_it() -> None:
    """Benjamini and Hochberg step up: the second is below its line, so the first is real too."""
    fields = [difference("$.a", b=7), difference("$.b", b=7)]
    assert {each.finding for each in field_noise(fields).values()} == {Finding.REAL}
    alone = [difference("$.a", b=7), difference("$.b", b=1, c=1)]
    assert Finding.REAL not in {each.finding for each in field_noise(alone).values()}
