"""Requests of the past, counted by operation, by binding, and by what is neither.

Belongs here: counting, in memory that does not grow with the log. Does not: reading logs (`hits`),
what the counts mean (`coverage`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from proxy.inventory.hits import Hit
from proxy.inventory.legacy import Operation
from proxy.inventory.paths import OperationTable, common_pattern
from proxy.routing.table import RouteBinding, RouteTable

#: Patterns of paths that no document tells of; what comes after them is counted together.
MAX_PATTERNS: Final = 5000
#: Names of parameters and of unknown fields that are kept for one operation.
MAX_NAMES: Final = 200


class Tally:
    """Requests alike: how many, of which a binding takes *mapped*, and when.

    *names* count the parameters of queries, *unknown* the fields that our own log calls unknown.
    """

    __slots__ = ("first_s", "hits", "last_s", "mapped", "names", "statuses", "target", "unknown")

    def __init__(self) -> None:
        self.hits = 0
        self.mapped = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        self.statuses: Counter[str] = Counter()
        self.names: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.target: RouteBinding | None = None

    def __repr__(self) -> str:
        return f"<Tally of {self.hits}>"

    def add(self, hit: Hit, target: RouteBinding | None) -> None:
        """Count one hit, which *target* takes."""
        self.hits += hit.times
        if target is not None:
            self.mapped += hit.times
            self.target = target
        if hit.at_s is not None:
            self.first_s = hit.at_s if self.first_s is None else min(self.first_s, hit.at_s)
            self.last_s = hit.at_s if self.last_s is None else max(self.last_s, hit.at_s)
        if hit.status:
            self.statuses[f"{hit.status // 100}xx"] += hit.times
        _count(self.names, hit.names, hit.times)
        _count(self.unknown, hit.unknown, hit.times)


class Traffic:
    """Counts hits against *table*, and against the operations of a document, if there is one.

    Hits before *since_s* are counted apart; those without a time count. *is_misled* says of an
    operation that what takes its requests is meant for another: then they are not mapped. *only*
    has the one operation of a binding, for requests by legacy forms of its URL.
    """

    def __init__(
        self,
        table: RouteTable,
        operations: OperationTable | None = None,
        since_s: float | None = None,
        is_misled: Callable[[Operation], bool] = lambda _: False,
        only: Mapping[RouteBinding, Operation] | None = None,
    ) -> None:
        self._table = table
        self._operations = operations
        self._since_s = since_s
        self._is_misled = is_misled
        self._only = only or {}
        self.total = Tally()
        self.by_operation: dict[str, Tally] = {}
        self.by_binding: dict[RouteBinding, Tally] = {}
        self.others: dict[tuple[str, str], Tally] = {}
        #: Hits of others than the first patterns.
        self.beyond = 0
        self.too_early = 0

    def __repr__(self) -> str:
        return f"<Traffic of {self.total.hits} requests>"

    def add(self, hit: Hit) -> None:
        """Count a request."""
        if self._since_s is not None and hit.at_s is not None and hit.at_s < self._since_s:
            self.too_early += hit.times
            return
        found = self._table.find(hit.http_method, hit.path)
        target = found.binding
        if target is not None and target.route.cardinality.request_streams:
            target = None  # It is answered with 501.
        operation = self._operation(hit)
        if operation is None and target is not None and found.quirks:
            operation = self._only.get(target)
        if operation is not None and self._is_misled(operation):
            target = None
        if target is not None:
            _tally(self.by_binding, target).add(hit, target)
        self.total.add(hit._replace(names=(), unknown=()), target)
        if operation is not None:
            _tally(self.by_operation, operation.key).add(hit, target)
        else:
            self._add_other(hit, target)

    def _operation(self, hit: Hit) -> Operation | None:
        if self._operations is None:
            return None
        found = self._operations.find(hit.http_method, hit.path)
        if found is None and hit.http_method == "HEAD":
            return self._operations.find("GET", hit.path)
        return found

    def _add_other(self, hit: Hit, target: RouteBinding | None) -> None:
        pattern = common_pattern(hit.path) if target is None else str(target.binding.template)
        key = (hit.http_method, pattern)
        if key not in self.others and len(self.others) >= MAX_PATTERNS:
            self.beyond += hit.times
            return
        _tally(self.others, key).add(hit, target)


Key = TypeVar("Key")


def _tally(tallies: dict[Key, Tally], key: Key) -> Tally:
    """The tally of *key*; not `setdefault`, which would make one for each request."""
    tally = tallies.get(key)
    if tally is None:
        tally = tallies[key] = Tally()
    return tally


def _count(counter: Counter[str], names: tuple[str, ...], count: int) -> None:
    for name in names:
        if name in counter or len(counter) < MAX_NAMES:
            counter[name] += count
