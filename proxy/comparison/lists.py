"""Which elements of two lists belong together, in linear time.

Belongs here: pairing by tokens, which are equal for elements that mean the same. Does not: how
tokens are made (`comparison.signatures`), what is reported (`comparison.walk`).

Elements with equal tokens are paired, the first with the first. What is left is paired by its
place where that can be told: a list that lost one element differs in its length and in nothing
else.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(slots=True)
class Pairing:
    """Indexes that belong together, and those of elements that have nobody.

    *moved* says that the pairs by token are not in one order. *alone* holds only while the pairs
    by place are not made yet; after that `pairs` has them too.
    """

    pairs: list[tuple[int, int]] = field(default_factory=list)
    only_legacy: list[int] = field(default_factory=list)
    only_grpc: list[int] = field(default_factory=list)
    moved: bool = False


def pair_up(
    legacy: Sequence[Hashable], grpc: Sequence[Hashable], *, keyed: bool = False
) -> Pairing:
    """Pair two lists of tokens. With *keyed*, a token that one side lacks is an element it lacks.

    >>> pair_up("abcd", "abd")
    Pairing(pairs=[(0, 0), (1, 1), (3, 2)], only_legacy=[2], only_grpc=[], moved=False)
    >>> pair_up("abc", "cab").moved
    True
    """
    pairing = _by_token(legacy, grpc)
    if len(legacy) == len(grpc):
        pairing.pairs += zip(pairing.only_legacy, pairing.only_grpc, strict=True)
        pairing.only_legacy, pairing.only_grpc = [], []
    elif not keyed:
        _pair_gaps(pairing)
    return pairing


def pair_sets(legacy: Sequence[Hashable], grpc: Sequence[Hashable]) -> Pairing:
    """Pair two lists of tokens as sets: of equal elements the first counts.

    >>> pair_sets("aab", "ba").pairs
    [(0, 1), (2, 0)]
    """
    left, right = _firsts(legacy), _firsts(grpc)
    pairing = pair_up([legacy[index] for index in left], [grpc[index] for index in right])
    return Pairing(
        [(left[one], right[other]) for one, other in pairing.pairs],
        [left[index] for index in pairing.only_legacy],
        [right[index] for index in pairing.only_grpc],
        pairing.moved,
    )


def _firsts(tokens: Sequence[Hashable]) -> list[int]:
    """Where each token stands for the first time."""
    firsts: dict[Hashable, int] = {}
    for index, token in enumerate(tokens):
        firsts.setdefault(token, index)
    return list(firsts.values())


def _by_token(legacy: Sequence[Hashable], grpc: Sequence[Hashable]) -> Pairing:
    start, end = _common(legacy, grpc)
    pairing = Pairing([(index, index) for index in range(start)])
    places: dict[Hashable, list[int]] = {}
    for index in reversed(range(start, len(grpc) - end)):
        places.setdefault(grpc[index], []).append(index)
    for index in range(start, len(legacy) - end):
        found = places.get(legacy[index])
        if found:
            pairing.pairs.append((index, found.pop()))
        else:
            pairing.only_legacy.append(index)
    pairing.only_grpc = sorted(index for found in places.values() for index in found)
    pairing.moved = any(before[1] > after[1] for before, after in pairwise(pairing.pairs))
    pairing.pairs += [(len(legacy) - back, len(grpc) - back) for back in range(end, 0, -1)]
    return pairing


def _common(legacy: Sequence[Hashable], grpc: Sequence[Hashable]) -> tuple[int, int]:
    """How many elements are the same at the beginning, and at the end of the rest."""
    shorter = min(len(legacy), len(grpc))
    start = 0
    while start < shorter and legacy[start] == grpc[start]:
        start += 1
    end = 0
    while end < shorter - start and legacy[-1 - end] == grpc[-1 - end]:
        end += 1
    return start, end


def _pair_gaps(pairing: Pairing) -> None:
    """Pair what is left between the same neighbours, where it is as many on both sides."""
    after_legacy = {left: number for number, (left, _) in enumerate(pairing.pairs)}
    after_grpc = {right: number for number, (_, right) in enumerate(pairing.pairs)}
    legacy_gaps = _gaps(pairing.only_legacy, after_legacy)
    grpc_gaps = _gaps(pairing.only_grpc, after_grpc)
    paired = [
        pair
        for gap, members in legacy_gaps.items()
        if len(members) == len(grpc_gaps.get(gap, ()))
        for pair in zip(members, grpc_gaps[gap], strict=True)
    ]
    pairing.pairs += paired
    taken_legacy, taken_grpc = ({pair[side] for pair in paired} for side in (0, 1))
    pairing.only_legacy = [each for each in pairing.only_legacy if each not in taken_legacy]
    pairing.only_grpc = [each for each in pairing.only_grpc if each not in taken_grpc]


def _gaps(alone: Sequence[int], paired: dict[int, int]) -> dict[int, list[int]]:
    """The elements without a partner, by the pair that stands before them; -1 is the beginning."""
    gaps: dict[int, list[int]] = {}
    before: dict[int, int] = {}
    for index in alone:
        number = before.get(index - 1, paired.get(index - 1, -1))
        before[index] = number
        gaps.setdefault(number, []).append(index)
    return gaps
