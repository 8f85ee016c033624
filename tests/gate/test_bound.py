from math import exp, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gate.bound import ConfidenceSequence, one_look_needed, one_look_upper

#: limit, alpha, then for 0, 1, 3 and 10 mismatches: comparisons needed (one look, anytime).
NEEDED = [
    (0.01, 0.05, (299, 472), (473, 717), (773, 1_117), (1_693, 2_266)),
    (0.005, 0.05, (598, 946), (947, 1_438), (1_549, 2_239), (3_389, 4_538)),
    (0.001, 0.05, (2_995, 4_741), (4_742, 7_202), (7_752, 11_210), (16_959, 22_715)),
    (0.001, 0.01, (4_603, 6_635), (6_636, 9_258), (10_042, 13_509), (20_140, 25_576)),
    (0.0001, 0.05, (29_956, 47_436), (47_437, 72_050), (77_535, 112_140), (169_619, 227_209)),
]
CELLS = [
    (limit, alpha, mismatches, *cell)
    for limit, alpha, *cells in NEEDED
    for mismatches, cell in zip((0, 1, 3, 10), cells, strict=True)
]


@pytest.mark.parametrize(("limit", "alpha", "mismatches", "one_look", "anytime"), CELLS)
def test_the_published_numbers_of_comparisons_are_needed(
    limit: float, alpha: float, mismatches: int, one_look: int, anytime: int
) -> None:
    assert one_look_needed(mismatches, limit, alpha) == one_look
    assert ConfidenceSequence(limit, alpha).needed(mismatches) == anytime


@pytest.mark.parametrize(("limit", "alpha", "mismatches", "one_look", "anytime"), CELLS)
def test_the_bounds_reach_the_limit_at_the_comparison_that_is_needed(
    limit: float, alpha: float, mismatches: int, one_look: int, anytime: int
) -> None:
    sequence = ConfidenceSequence(limit, alpha)
    assert sequence.upper(mismatches, anytime) <= limit < sequence.upper(mismatches, anytime - 1)
    last = one_look_upper(mismatches, one_look - 1, alpha)
    assert one_look_upper(mismatches, one_look, alpha) <= limit < last


counts = st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.2, 0.01, 0.001]), st.sampled_from([0.05, 0.01]))
def test_the_bounds_are_about_the_counts_and_agree_with_what_is_excluded(
    counted: tuple[int, int], limit: float, alpha: float
) -> None:
    mismatches, compared = counted
    sequence = ConfidenceSequence(limit, alpha)
    lower, upper = sequence.lower(*counted), sequence.upper(*counted)
    assert lower <= mismatches / compared <= upper
    assert sequence.is_below(*counted) == (upper <= limit)
    assert sequence.is_above(*counted) == (lower >= limit)
    assert not sequence.excludes((lower + upper) / 2, *counted)


@given(counts)
def test_one_look_is_never_wider_than_all_looks(counted: tuple[int, int]) -> None:
    assert one_look_upper(*counted, 0.05) <= ConfidenceSequence(0.001, 0.05).upper(*counted)


def test_the_sequence_is_the_mixture_that_it_says_it_is() -> None:
    """By hand: B(1 + 2, 2 + 3 - 2) / B(1, 2) = (2! 2! / 5!) / (0! 1! / 2!) = 1/15."""
    sequence = ConfidenceSequence(0.5, 0.05)
    assert isclose(exp(sequence._floor(2, 3)), 0.05 / 15)


@pytest.mark.parametrize("mismatches", [0, 1, 4])
def test_more_equal_answers_never_undo_what_was_shown(mismatches: int) -> None:
    sequence = ConfidenceSequence(0.02, 0.05)
    shown = [sequence.is_below(mismatches, mismatches + matches) for matches in range(3_000)]
    assert shown == sorted(shown)
    assert shown[-1]


def test_nothing_is_known_without_comparisons() -> None:
    sequence = ConfidenceSequence(0.001, 0.05)
    assert (sequence.lower(0, 0), sequence.upper(0, 0), one_look_upper(0, 0, 0.05)) == (0.0, 1, 1)
    assert not sequence.is_below(0, 0)
    assert not sequence.is_above(0, 0)


def test_a_rate_that_cannot_make_what_was_seen_is_excluded() -> None:
    sequence = ConfidenceSequence(0.001, 0.05)
    assert sequence.excludes(0.0, 1, 10)
    assert sequence.excludes(1.0, 9, 10)
    assert not sequence.excludes(0.0, 0, 10)
    assert not sequence.excludes(1.0, 1, 1)


def test_a_handful_of_mismatches_in_a_row_is_enough_to_know_better() -> None:
    sequence = ConfidenceSequence(0.001, 0.05)
    assert [sequence.is_above(each, each) for each in range(6)] == [False] * 4 + [True] * 2


@pytest.mark.parametrize(("limit", "alpha"), [(0, 0.05), (1, 0.05), (0.1, 0), (0.1, 1), (-1, 0.5)])
def test_a_limit_that_cannot_be_shown_is_refused(limit: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ConfidenceSequence(limit, alpha)
