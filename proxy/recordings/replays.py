"""What came of replaying recorded exchanges, one by one and as a whole.

Belongs here: the values, and what they come to. Does not: replaying (`shadow.replaying`), how it
is written (`junit`, `cli.replay`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.comparison.documents import Difference


class Ending(StrEnum):
    """What can come of one exchange."""

    SAME = "same"
    SAME_BY_RULES = "same_by_rules"
    DIFFERENT = "different"
    #: It could not be compared: the server did not answer, or an answer is too large.
    ERROR = "error"
    #: It was not tried: nothing is mapped, or it would write and nobody has allowed that.
    SKIPPED = "skipped"


#: Endings that are as they should be.
GOOD: Final = frozenset({Ending.SAME, Ending.SAME_BY_RULES})


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one exchange. *name* tells it from the others of its file.

    *reason* is in words, "" where the differences say it; *seconds* is how long it took.
    """

    name: str
    route: str
    ending: Ending
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each ending came, by route."""

    counts: dict[str, Counter[Ending]]

    @classmethod
    def of(cls, replayed: Iterable[Replayed]) -> "Tally":
        """Count them."""
        counts: dict[str, Counter[Ending]] = {}
        for each in replayed:
            counts.setdefault(each.route, Counter())[each.ending] += 1
        return cls(dict(sorted(counts.items())))

    def total(self, *endings: Ending) -> int:
        """How many came to one of *endings*, of all routes."""
        return sum(counts[ending] for counts in self.counts.values() for ending in endings)


def exit_code(replayed: Sequence[Replayed], *, skips_fail: bool) -> int:
    """What a pipeline is told: 0 for all as they should be, 1 for differences, 2 for nothing known.

    Nothing is known where something could not be compared, or nothing was; with *skips_fail* also
    where something was not tried.
    """
    tally = Tally.of(replayed)
    if tally.total(Ending.DIFFERENT):
        return 1
    unknown = tally.total(Ending.ERROR) + (tally.total(Ending.SKIPPED) if skips_fail else 0)
    return 2 if unknown or not tally.total(*GOOD) else 0
