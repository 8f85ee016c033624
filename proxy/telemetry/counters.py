"""What is counted per request: plain numbers, on the way of every request.

Belongs here: the counters of a route, which the exchange holds on to. Does not: how they are named
(`names`) and shown (`exposition`).

All counting happens on one event loop, so that numbers in dicts and lists do. The counters of
prometheus_client take a lock each and its histograms walk their buckets, on every request; here a
request costs one look-up and a few additions.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final

#: Upper bounds of the duration buckets, in seconds: a transcoded call takes about a millisecond,
#: the default timeout is 15 s.
DURATION_BOUNDS_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
#: The proxy's own share of a request is in the tens of microseconds.
OVERHEAD_BOUNDS_S: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1)

#: Combinations of side, code class and reason that one route counts apart. The tables of the
#: callers hold fewer; a caller that passes free text ends in `other` instead of filling the memory.
MAX_OUTCOMES: Final = 64
_OTHER: Final = ("other", "other", "other")

_CODE_CLASSES: Final = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")
_ERROR: Final = "5xx"


def code_class(http_status: int) -> str:
    """The class of an HTTP status as a label; 0 is an exchange that ended without an answer.

    >>> code_class(204), code_class(0), code_class(999)
    ('2xx', '0xx', 'other')
    """
    index = http_status // 100
    return _CODE_CLASSES[index] if index < len(_CODE_CLASSES) else "other"


class Histogram:
    """Counts of observations by bucket, and their sum. *bounds* are the upper ends."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def __repr__(self) -> str:
        return f"Histogram(count={sum(self._counts)}, sum={self._sum:g})"

    def observe(self, value: float, count: int = 1) -> None:
        """Count one observation, or *count* that are alike."""
        self._counts[bisect_left(self._bounds, value)] += count
        self._sum += value * count

    @property
    def counts(self) -> list[int]:
        """The observations in each bucket, those beyond the last bound at the end."""
        return self._counts

    def sample(self) -> tuple[float, ...]:
        """The counts and then the sum, as a tally holds them."""
        return (*self._counts, self._sum)


class NameCounters:
    """What is counted per route name. Two RPCs share it when a reload moves the name."""

    __slots__ = (
        *("durations", "fallbacks", "legacy_urls", "overhead", "rollbacks"),
        *("page_calls", "routes", "unknown_fields"),
    )

    def __init__(self) -> None:
        self.routes: list[RouteMetrics] = []
        self.durations: dict[str, Histogram] = {}
        self.overhead = Histogram(OVERHEAD_BOUNDS_S)
        self.unknown_fields = 0
        self.page_calls = 0
        self.legacy_urls: Counter[str] = Counter()
        self.fallbacks: Counter[str] = Counter()
        self.rollbacks: Counter[str] = Counter()

    def errors(self) -> Counter[str]:
        """The requests by side that ended with 500 or above."""
        errors: Counter[str] = Counter()
        for route in self.routes:
            for (side, code, _), count in route.outcomes():
                errors[side] += count if code == _ERROR else 0
        return errors


class RouteMetrics:
    """The counters of one route, found once at load. `Metrics.for_route` makes them."""

    __slots__ = ("_named", "_outcomes", "name", "rpc")

    def __init__(self, name: str, rpc: str, named: NameCounters) -> None:
        self.name = name
        self.rpc = rpc
        self._named = named
        self._outcomes: dict[tuple[str, str, str], int] = {}
        named.routes.append(self)

    def __repr__(self) -> str:
        return f"RouteMetrics({self.name!r}, {self.rpc!r}, requests={self.requests})"

    @property
    def requests(self) -> int:
        """Requests counted so far."""
        return sum(self._outcomes.values())

    def outcomes(self) -> Iterable[tuple[tuple[str, str, str], int]]:
        """Requests by side, code class and reason."""
        return self._outcomes.items()

    def observe(
        self,
        side: str,
        code_class: str,
        reason: str,
        duration_s: float,
        overhead_s: float | None = None,
        *,
        count: int = 1,
    ) -> None:
        """Count one request that has ended, or *count* that ended alike.

        *overhead_s* is the part of *duration_s* in which no upstream was waited for, where it
        was measured.
        """
        outcome = (side, code_class, reason)
        if outcome not in self._outcomes:
            outcome = self._begin(outcome)
        self._outcomes[outcome] += count
        self._named.durations[outcome[0]].observe(duration_s, count)
        if overhead_s is not None:
            self._named.overhead.observe(overhead_s, count)

    def _begin(self, outcome: tuple[str, str, str]) -> tuple[str, str, str]:
        """Make room for an outcome, and say under which one it is counted."""
        counted = outcome if len(self._outcomes) < MAX_OUTCOMES else _OTHER
        self._outcomes.setdefault(counted, 0)
        self._named.durations.setdefault(counted[0], Histogram(DURATION_BOUNDS_S))
        return counted

    def unknown_fields(self, count: int) -> None:
        """Count fields of requests that their message lacks."""
        self._named.unknown_fields += count

    def page_calls(self, count: int) -> None:
        """Count the calls that were made for a page."""
        self._named.page_calls += count
