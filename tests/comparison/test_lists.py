"""Which elements of two lists belong together."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.comparison.lists import Pairing, pair_sets, pair_up


def paired(legacy: Sequence[object], grpc: Sequence[object], pairing: Pairing) -> set[str]:
    return {f"{legacy[one]}{grpc[other]}" for one, other in pairing.pairs}


@pytest.mark.parametrize(
    ("legacy", "grpc", "pairs", "only_legacy", "only_grpc", "moved"),
    [
        ("", "", set(), [], [], False),
        ("abc", "abc", {"aa", "bb", "cc"}, [], [], False),
        ("abc", "", set(), [0, 1, 2], [], False),
        ("abcd", "acd", {"aa", "cc", "dd"}, [1], [], False),
        ("abc", "abxc", {"aa", "bb", "cc"}, [], [2], False),
        ("abc", "axc", {"aa", "bx", "cc"}, [], [], False),
        ("abcde", "axcde", {"aa", "bx", "cc", "dd", "ee"}, [], [], False),
        # One differs between its neighbours, one is gone elsewhere.
        ("abcde", "axce", {"aa", "bx", "cc", "ee"}, [3], [], False),
        # Two are left in one gap against one: which of them it is, nobody can say.
        ("abcd", "axd", {"aa", "dd"}, [1, 2], [1], False),
        ("abc", "cba", {"aa", "bb", "cc"}, [], [], True),
        ("aab", "aba", {"aa", "bb"}, [], [], True),
    ],
)
def test_elements_are_paired_by_what_they_mean_then_by_their_place(
    legacy: str,
    grpc: str,
    pairs: set[str],
    only_legacy: list[int],
    only_grpc: list[int],
    moved: bool,
) -> None:
    pairing = pair_up(legacy, grpc)
    assert paired(legacy, grpc, pairing) == pairs
    assert (pairing.only_legacy, pairing.only_grpc) == (only_legacy, only_grpc)
    assert pairing.moved is moved


def test_elements_with_keys_are_not_paired_by_their_place_when_one_is_missing() -> None:
    pairing = pair_up("abcd", "axd", keyed=True)
    assert (pairing.only_legacy, pairing.only_grpc) == ([1, 2], [1])
    assert pair_up("ab", "ax", keyed=True).pairs == [(0, 0), (1, 1)]


@given(st.lists(st.integers(0, 4)), st.lists(st.integers(0, 4)), st.booleans())
def test_every_element_is_paired_once_or_alone(
    legacy: list[int], grpc: list[int], keyed: bool
) -> None:
    pairing = pair_up(legacy, grpc, keyed=keyed)
    lefts, rights = ([pair[side] for pair in pairing.pairs] for side in (0, 1))
    assert sorted(lefts + pairing.only_legacy) == [*range(len(legacy))]
    assert sorted(rights + pairing.only_grpc) == [*range(len(grpc))]


@given(st.lists(st.integers(0, 4)), st.lists(st.integers(0, 4)), st.booleans())
def test_exchanging_the_sides_exchanges_the_pairs(
    legacy: list[int], grpc: list[int], keyed: bool
) -> None:
    forth, back = pair_up(legacy, grpc, keyed=keyed), pair_up(grpc, legacy, keyed=keyed)
    assert sorted(forth.pairs) == sorted((left, right) for right, left in back.pairs)
    assert (forth.only_legacy, forth.moved) == (back.only_grpc, back.moved)


@given(st.lists(st.integers(0, 20), min_size=1), st.data())
def test_a_list_that_lost_one_element_lost_nothing_else(
    legacy: list[int], data: st.DataObject
) -> None:
    lost = data.draw(st.integers(0, len(legacy) - 1))
    grpc = legacy[:lost] + legacy[lost + 1 :]
    pairing = pair_up(legacy, grpc)
    assert all(legacy[one] == grpc[other] for one, other in pairing.pairs)
    assert (len(pairing.only_legacy), pairing.only_grpc, pairing.moved) == (1, [], False)


@given(st.lists(st.integers(0, 6)), st.lists(st.integers(0, 6)))
def test_equal_sets_leave_nobody_alone(legacy: list[int], grpc: list[int]) -> None:
    pairing = pair_sets(legacy, grpc)
    alone = pairing.only_legacy or pairing.only_grpc
    unequal = any(legacy[one] != grpc[other] for one, other in pairing.pairs)
    assert bool(alone or unequal) == (set(legacy) != set(grpc))
