"""What has been counted, as plain values: to be written, read again and added up.

Belongs here: how the numbers of several processes become one. Does not: which numbers there are
(`names`), files (`shared`), the text that Prometheus reads (`exposition`).

Every sample is a list of numbers, a histogram's its buckets and their sum, so that one rule per
family merges everything. A tally carries the definitions of its families: while the code is
replaced under a running service, two versions of it read each other's.
"""

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from operator import add
from typing import Any, Final, Self

import orjson

#: Fractions are kept to this, about a millionth. Sums of such numbers are exact, up to some
#: billions, and so the same in whatever order processes are added up: a counter that fell by its
#: last bit would be a restart to Prometheus, which then counts all of it once more.
_GRAIN: Final = 2.0**-20
_LARGEST: Final = sys.float_info.max
#: The version of the written form; others are not read.
_FORM: Final = 1


class Kind(StrEnum):
    """What Prometheus takes a family for."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """How the same sample of two processes becomes one."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"


_COMBINE: Final[dict[Merge, Callable[[float, float], float]]] = {
    Merge.SUM: add,
    Merge.MIN: min,
    Merge.MAX: max,
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A family: its name as shown (without `_total`), text and labels, and how it is merged.

    *bounds* are the upper ends of a histogram's buckets. Counters and histograms are summed.
    """

    name: str
    documentation: str
    kind: Kind
    labels: tuple[str, ...] = ()
    merge: Merge = Merge.SUM
    bounds: tuple[float, ...] = ()


Labels = tuple[str, ...]
Sample = list[float]


@dataclass(slots=True)
class Family:
    """The samples of one family by the values of its labels."""

    definition: Definition
    samples: dict[Labels, Sample]

    def merge(self, other: Self) -> None:
        """Take in the samples of *other*, which has the same name."""
        bounds, theirs = self.definition.bounds, other.definition.bounds
        combine = _COMBINE[self.definition.merge]
        for labels, numbers in other.samples.items():
            sample = numbers if bounds == theirs else _rebinned(numbers, theirs, bounds)
            mine = self.samples.get(labels)
            self.samples[labels] = list(sample if mine is None else map(combine, mine, sample))


#: Requests, errors and then the durations' buckets of one side.
ArmCounts = list[float]


@dataclass(slots=True)
class Arms:
    """What the sides of one route have counted since the move of that *revision*."""

    revision: int
    sides: dict[str, ArmCounts]

    def merge(self, other: Self) -> None:
        """Add *other*, unless one of the two does not know the newest move yet: that one goes.

        So do counts in buckets of another version, which does not say what they are.
        """
        if other.revision > self.revision:
            self.revision, self.sides = other.revision, {}
        if other.revision == self.revision:
            for side, counts in other.sides.items():
                mine = self.sides.get(side)
                if mine is None:
                    self.sides[side] = counts
                elif len(mine) == len(counts):
                    self.sides[side] = list(map(add, mine, counts))


class Tally:
    """The families and the arms that one process, or several, have counted."""

    def __init__(self) -> None:
        self.families: dict[str, Family] = {}
        self.arms: dict[str, Arms] = {}

    def __repr__(self) -> str:
        return f"Tally(families={len(self.families)}, routes={len(self.arms)})"

    def put(self, definition: Definition, labels: Iterable[str], *numbers: float) -> None:
        """Set one sample: a number, or the counts of the buckets and their sum."""
        kept = _exact if definition.merge is Merge.SUM else _finite
        self.family(definition).samples[tuple(labels)] = list(map(kept, numbers))

    def family(self, definition: Definition) -> Family:
        """The family so defined, made when it is not there: a family may have no samples yet."""
        if definition.name not in self.families:
            self.families[definition.name] = Family(definition, {})
        return self.families[definition.name]

    def merge(self, other: "Tally") -> None:
        """Take in all that *other* has counted."""
        for family in other.families.values():
            self.family(family.definition).merge(family)
        for route, arms in other.arms.items():
            self.arms.setdefault(route, Arms(arms.revision, {})).merge(arms)

    def of_the_past(self) -> "Tally":
        """What stays true when the process that counted it has ended: all but its gauges."""
        past = Tally()
        past.arms = self.arms
        past.families = {
            name: family
            for name, family in self.families.items()
            if family.definition.kind is not Kind.GAUGE
        }
        return past

    def dump(self) -> bytes:
        """The tally as JSON, for `Tally.load`."""
        families = [
            [
                *(each.definition.name, each.definition.documentation, each.definition.kind),
                *(each.definition.labels, each.definition.merge, each.definition.bounds),
                list(each.samples.items()),
            ]
            for each in self.families.values()
        ]
        arms = {route: [arms.revision, arms.sides] for route, arms in self.arms.items()}
        return orjson.dumps({"form": _FORM, "families": families, "arms": arms})

    @classmethod
    def load(cls, written: bytes) -> Self:
        """Read what `dump` has written. Raises ValueError for anything else."""
        value = orjson.loads(written)
        if not isinstance(value, dict) or value.get("form") != _FORM:
            raise ValueError("not a tally in a form that this version reads")
        tally = cls()
        for item in value["families"]:
            definition, samples = _definition(item)
            family = tally.family(definition)
            family.samples = {tuple(labels): numbers for labels, numbers in samples}
        tally.arms = {
            route: Arms(revision, sides) for route, (revision, sides) in value["arms"].items()
        }
        return tally


def _exact(number: float) -> float:
    """The number to the grain: where numbers grow, so does this."""
    return number if isinstance(number, int) else round(number / _GRAIN) * _GRAIN


def _finite(number: float) -> float:
    """The number, or the largest there is: JSON has no infinity, and none can be added up.

    >>> _finite(0.5), _finite(float("inf"))
    (0.5, 1.7976931348623157e+308)
    """
    return max(-_LARGEST, min(number, _LARGEST))


def _definition(item: list[Any]) -> tuple[Definition, list[Any]]:
    name, documentation, kind, labels, merge, bounds, samples = item
    definition = Definition(
        name, documentation, Kind(kind), tuple(labels), Merge(merge), tuple(bounds)
    )
    return definition, samples


def _rebinned(numbers: Sample, theirs: tuple[float, ...], bounds: tuple[float, ...]) -> Sample:
    """A histogram in other buckets: each count goes where the upper end of its own bucket lies.

    >>> _rebinned([3, 4, 5, 9.5], (1.0, 4.0), (2.0, 8.0, 16.0))
    [3.0, 4.0, 0.0, 5.0, 9.5]
    """
    counts = [0.0] * (len(bounds) + 1)
    for upper, count in zip((*theirs, float("inf")), numbers, strict=False):
        counts[bisect_left(bounds, upper)] += count
    return [*counts, numbers[-1]]
