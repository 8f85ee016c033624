"""Which fields really differ, and which legacy shows against itself as well.

Belongs here: the paired test per field and the control of false discoveries over a route's fields.
Does not: who asks legacy twice (`shadow`), what is proposed for noisy fields (`gate.suggestions`).

One legacy host that is asked twice answers the second time from its caches, so the noise that is
measured is a lower bound of what there is. Unlike the gate's bound, the test is made for one look:
it tells people where to look, and decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.comparison.kinds import Kind
from proxy.gate.binomial import at_least
from proxy.gate.evidence import FieldEvidence

#: The share of false ones among the fields that are said to differ really.
FALSE_DISCOVERIES: Final = 0.01


class Finding(StrEnum):
    """What the controls say of a field's difference."""

    REAL = "real"  # gRPC differs more often than legacy does from itself
    NOISE = "noise"  # legacy differs from itself too, and gRPC not more often than chance has it
    UNKNOWN = "unknown"  # no control has shown anything yet


@dataclass(frozen=True, slots=True)
class FieldNoise:
    """The paired counts of one field (see `FieldEvidence`), and what follows.

    *p* is the probability that, of the comparisons in which only one of the two differed, gRPC is
    the one as often as it was, if it were a toss: exact and one-sided. It is None without any.
    """

    b: int
    c: int
    both: int
    p: float | None
    finding: Finding


def field_noise(
    differences: Sequence[FieldEvidence],
) -> Mapping[tuple[str, Kind], FieldNoise]:
    """The noise of every field of a route, by path and kind.

    A field is real when the test rejects by the procedure of Benjamini and Hochberg (1995), over
    all of the route's fields together, at a rate of false discoveries of 1 %.

    >>> from proxy.comparison.kinds import Kind
    >>> total = FieldEvidence("$.total", Kind.VALUE, 40, 0.0, 9.0, b=12, c=0)
    >>> field_noise([total])["$.total", Kind.VALUE].finding
    <Finding.REAL: 'real'>
    """
    tested = {
        (each.path, each.kind): at_least(each.b, each.b + each.c, 0.5)
        for each in differences
        if each.b + each.c
    }
    real = _discoveries(tested)
    return {
        (each.path, each.kind): _noise(each, tested.get((each.path, each.kind)), real)
        for each in differences
    }


def _noise(each: FieldEvidence, p: float | None, real: frozenset[tuple[str, Kind]]) -> FieldNoise:
    if (each.path, each.kind) in real:
        finding = Finding.REAL
    else:
        finding = Finding.NOISE if each.c or each.both else Finding.UNKNOWN
    return FieldNoise(each.b, each.c, each.both, p, finding)


def _discoveries(tested: Mapping[tuple[str, Kind], float]) -> frozenset[tuple[str, Kind]]:
    """Those whose p is at most that of the last i-th smallest which is within i/m of the rate."""
    ordered = sorted(tested.items(), key=lambda item: item[1])
    last = 0
    for rank, (_, p) in enumerate(ordered, start=1):
        if p <= FALSE_DISCOVERIES * rank / len(ordered):
            last = rank
    return frozenset(field for field, _ in ordered[:last])
