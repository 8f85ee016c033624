"""What is counted of mirrors, beside the counters of the requests that they repeat.

Belongs here: the counters of mirrors, which no counter of a primary shares. Does not: when to count
(`shadow`), names and texts (`names`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.telemetry import names
from proxy.telemetry.counters import DURATION_BOUNDS_S, MAX_OUTCOMES, Histogram
from proxy.telemetry.tally import Tally

_OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class ShadowReading:
    """The numbers that the pool and the writer of evidence keep, at one moment.

    *inflight* mirrors run and *queue_depth* wait, which hold *buffered_bytes* of bodies.
    *imbalance* is by how much the equations of a mirror's life do not hold: 0, or there is a
    defect. *evidence_dropped* are the observations that no store took, since the start;
    *evidence_problem* says that the store takes none now.
    """

    inflight: int = 0
    queue_depth: int = 0
    buffered_bytes: int = 0
    imbalance: int = 0
    evidence_dropped: int = 0
    evidence_problem: bool = False


class _RouteNumbers:
    """The counters of one route's mirrors."""

    __slots__ = ("bound", "compares", "differences", "durations", "lives", "rule_hits", "verdicts")

    def __init__(self) -> None:
        self.lives: Counter[tuple[str, str]] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.differences: Counter[str] = Counter()
        self.rule_hits: Counter[str] = Counter()
        self.durations: dict[str, Histogram] = {}
        self.compares = Histogram(names.COMPARE_BOUNDS_S)
        self.bound: float | None = None

    def life(self, life: str, reason: str, count: int) -> None:
        key = life, reason
        known = key in self.lives or len(self.lives) < MAX_OUTCOMES
        # A caller that passes free text must not fill the memory.
        self.lives[key if known else (life, _OTHER)] += count

    def add_to(self, tally: Tally, route: str) -> None:
        for (life, reason), count in self.lives.items():
            tally.put(names.SHADOW, (route, life, reason), count)
        for definition, counts in (
            (names.SHADOW_COMPARED, self.verdicts),
            (names.SHADOW_DIFFS, self.differences),
            (names.SHADOW_RULE_HITS, self.rule_hits),
        ):
            for label, count in counts.items():
                tally.put(definition, (route, label), count)
        for leg, histogram in self.durations.items():
            tally.put(names.SHADOW_DURATIONS, (route, leg), *histogram.sample())
        if any(self.compares.counts):
            tally.put(names.SHADOW_COMPARES, (route,), *self.compares.sample())
        if self.bound is not None:
            tally.put(names.MISMATCH_BOUND, (route,), self.bound)


class ShadowNumbers:
    """The counters of all mirrors of the process, by the names of their routes.

    Nothing is made for a route that has no mirror. All calls come from one thread.
    """

    def __init__(self) -> None:
        self._routes: dict[str, _RouteNumbers] = {}
        self._read: Callable[[], ShadowReading] | None = None

    def __repr__(self) -> str:
        return f"ShadowNumbers(routes={len(self._routes)})"

    def life(self, route: str, life: str, reason: str, count: int) -> None:
        """Count *count* ends of a *life*, for a *reason* out of a small table."""
        self._of(route).life(life, reason, count)

    def compared(self, route: str, verdict: str) -> None:
        """Count a comparison by its verdict."""
        self._of(route).verdicts[verdict] += 1

    def difference(self, route: str, kind: str, count: int) -> None:
        """Count differences of a kind."""
        self._of(route).differences[kind] += count

    def rule_hits(self, route: str, rule: str, count: int) -> None:
        """Count the use of a rule, which is named as the configuration does."""
        self._of(route).rule_hits[rule] += count

    def duration(self, route: str, leg: str, seconds: float) -> None:
        """Count how long a call of a mirror took."""
        durations = self._of(route).durations
        if leg not in durations:
            durations[leg] = Histogram(DURATION_BOUNDS_S)
        durations[leg].observe(seconds)

    def compare_seconds(self, route: str, seconds: float) -> None:
        """Count how long the comparison of a pair took."""
        self._of(route).compares.observe(seconds)

    def mismatch_bound(self, route: str, upper: float | None) -> None:
        """Show the upper bound on the rate of mismatches; None: there is no evidence."""
        if upper is not None or route in self._routes:
            self._of(route).bound = upper

    def read_from(self, read: Callable[[], ShadowReading]) -> None:
        """Show what *read* gives."""
        self._read = read

    def add_to(self, tally: Tally) -> None:
        """Tell the numbers of now."""
        # First: what reads may count what was not counted yet.
        reading = ShadowReading() if self._read is None else self._read()
        for name, numbers in self._routes.items():
            numbers.add_to(tally, name)
        tally.put(names.SHADOW_INFLIGHT, (), reading.inflight)
        tally.put(names.SHADOW_QUEUE_DEPTH, (), reading.queue_depth)
        tally.put(names.SHADOW_BUFFERED, (), reading.buffered_bytes)
        tally.put(names.SHADOW_IMBALANCE, (), reading.imbalance)
        tally.put(names.EVIDENCE_DROPPED, (), reading.evidence_dropped)
        tally.put(names.EVIDENCE_PROBLEM, (), int(reading.evidence_problem))

    def _of(self, route: str) -> _RouteNumbers:
        numbers = self._routes.get(route)
        if numbers is None:
            numbers = self._routes[route] = _RouteNumbers()
        return numbers
