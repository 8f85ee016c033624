"""What of the old API is mapped, as one value: for a terminal, a page, a pipeline.

Belongs here: putting mappings, findings and traffic together, and the share that counts. Does not:
finding any of them, how it looks (`report.inventory`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.config.shape_options import shape_options
from proxy.gate.words import time_text
from proxy.inventory.extras import Extras
from proxy.inventory.fields import find_differences, query_key
from proxy.inventory.findings import Finding, FindingKind, Subject
from proxy.inventory.hits import Hit
from proxy.inventory.legacy import LegacyApi, Operation, Where
from proxy.inventory.mapping import Mapper, Mapping, Standing, rule_text
from proxy.inventory.names import Names
from proxy.inventory.paths import OperationTable
from proxy.inventory.traffic import Tally, Traffic
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding
from proxy.transcoding.query import SYSTEM_PARAMETERS

#: Of the value that `Survey.result` gives. A key may be added within a version.
VERSION: Final = 1
#: Unknown names of one operation that are told.
_MOST_UNKNOWN: Final = 20

_DAY_S: Final = 86_400.0
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Period:
    """How long a log must be silent about an operation for it to count as unused."""

    days: int

    def is_unused(self, tally: Tally | None, total: Tally) -> bool | None:
        """Whether nothing hit it in the last *days* of the log; None when the log is too short."""
        if total.last_s is None or total.first_s is None:
            return None
        begin_s = total.last_s - self.days * _DAY_S
        if tally is not None and tally.last_s is not None and tally.last_s >= begin_s:
            return False
        return True if total.first_s <= begin_s else None


class Survey:
    """Holds an old API, its traffic, or both against *snapshot*. Add hits, then ask `result`."""

    def __init__(
        self, snapshot: Snapshot, api: LegacyApi | None = None, since_s: float | None = None
    ) -> None:
        self._snapshot = snapshot
        self._api = api
        self._operations: Sequence[Operation] = () if api is None else api.operations
        self._table = OperationTable(self._operations)
        mapper = Mapper(snapshot.table, snapshot.bindings, self._operations)
        self._mappings = mapper.mappings()
        misled = {
            each.operation.key for each in self._mappings if each.standing is Standing.SHADOWED
        }
        self._traffic = Traffic(
            snapshot.table,
            None if api is None else self._table,
            since_s,
            lambda operation: operation.key in misled,
            _only_operations(self._mappings),
        )
        self._names: dict[str, Names] = {}

    def __repr__(self) -> str:
        return f"<Survey of {len(self._operations)} operations, {self._traffic!r}>"

    def add(self, hit: Hit) -> None:
        """Count one request of the past."""
        self._traffic.add(hit)

    def result(self, period: Period | None = None, *, has_traffic: bool = True) -> Values:
        """What was found: JSON values, `version` first."""
        endpoints = [self._endpoint(each, period, has_traffic) for each in self._mappings]
        return {
            "version": VERSION,
            "api": self._api and {"document": self._api.name, "title": self._api.title},
            "traffic": self._traffic_values() if has_traffic else None,
            "unused_days": period and period.days,
            "mapped": self._mapped(has_traffic),
            "standings": self._standings(),
            "endpoints": endpoints,
            "undocumented": [*self._undocumented()] if has_traffic else [],
            "without_operation": [*self._without_operation(has_traffic)],
            "notes": [*self._notes()],
        }

    # --- totals

    def _traffic_values(self) -> Values:
        traffic = self._traffic
        total = traffic.total
        return {
            "requests": total.hits,
            "mapped": total.mapped,
            "before_since": traffic.too_early,
            "first": _time(total.first_s),
            "last": _time(total.last_s),
            "beyond_patterns": traffic.beyond,
        }

    def _mapped(self, has_traffic: bool) -> Values:
        """The share that counts: of the requests if there are any to count, else of operations."""
        if has_traffic:
            total, mapped = self._traffic.total.hits, self._traffic.total.mapped
        else:
            total = len(self._mappings)
            mapped = sum(each.standing is Standing.MAPPED for each in self._mappings)
        return {
            "of": "requests" if has_traffic else "operations",
            "total": total,
            "mapped": mapped,
            "share": mapped / total if total else None,
        }

    def _standings(self) -> Values:
        """Operations and their requests, by standing."""
        found: dict[str, Values] = {
            each.value: {"operations": 0, "requests": 0} for each in Standing
        }
        for mapping in self._mappings:
            row = found[mapping.standing.value]
            row["operations"] += 1
            tally = self._traffic.by_operation.get(mapping.operation.key)
            row["requests"] += 0 if tally is None else tally.hits
        return found

    def _notes(self) -> Iterator[str]:
        if self._api is not None:
            yield from self._api.notes
        for operation, first in self._table.unclear:
            yield f"{operation.key} takes the same requests as {first.path}: counted there"
        for operation, reason in self._table.impossible:
            yield f"{operation.key} matches no request: {reason}"

    # --- one operation

    def _endpoint(self, mapping: Mapping, period: Period | None, has_traffic: bool) -> Values:
        operation, target = mapping.operation, mapping.target
        tally = self._traffic.by_operation.get(operation.key)
        seen = tally or Tally()
        total = self._traffic.total
        return {
            "http_method": operation.http_method,
            "path": operation.path,
            "operation_id": operation.operation_id,
            "place": str(operation.place),
            "deprecated": operation.deprecated,
            "standing": mapping.standing.value,
            "detail": mapping.detail,
            **_target_values(target),
            "narrowed_by": [rule_text(each) for each in mapping.narrowed_by],
            "hits": seen.hits if has_traffic else None,
            "share": seen.hits / total.hits if has_traffic and total.hits else None,
            "last_hit": _time(seen.last_s),
            "statuses": dict(sorted(seen.statuses.items())),
            "unused": period and period.is_unused(tally, total),
            "findings": [
                _finding_values(each, seen if has_traffic else None)
                for each in self._findings(mapping, seen)
            ],
            "unknown_fields": dict(seen.unknown.most_common(_MOST_UNKNOWN)),
        }

    def _findings(self, mapping: Mapping, seen: Tally) -> Iterator[Finding]:
        target = mapping.target
        if target is None or self._api is None or mapping.standing is Standing.SHADOWED:
            return
        options = self._snapshot.config.options_for(target.route.rpc)
        subject = Subject(
            mapping.operation,
            target,
            self._names_of(target),
            frozenset(name.lower() for name in options.request_headers),
            Extras.of(options.shape, target.binding),
            {} if options.shape is None else options.shape.query.rename,
            options.shape is not None and options.shape.query.brackets,
            self._api.schemas,
        )
        yield from find_differences(subject)
        yield from _of_seen_names(subject, seen)

    def _names_of(self, target: RouteBinding) -> Names:
        route = target.route
        if route.rpc not in self._names:
            shape = shape_options(self._snapshot.config.options_for(route.rpc).shape)
            self._names[route.rpc] = Names(shape, target.response.options)
        return self._names[route.rpc]

    # --- what is on one side only

    def _undocumented(self) -> Iterator[Values]:
        """Requests that no operation of the document takes, those that are made most first."""
        others = self._traffic.others.items()
        for (http_method, pattern), tally in sorted(others, key=_by_hits):
            yield {
                "http_method": http_method,
                "pattern": pattern,
                "standing": self._standing_of(http_method, pattern, tally).value,
                **_target_values(tally.target),
                "hits": tally.hits,
                "last_hit": _time(tally.last_s),
                "statuses": dict(sorted(tally.statuses.items())),
            }

    def _standing_of(self, http_method: str, pattern: str, tally: Tally) -> Standing:
        if tally.mapped:
            return Standing.MAPPED if tally.mapped == tally.hits else Standing.PARTIAL
        found = self._snapshot.table.find(http_method, pattern.replace("{}", "0"))
        return Standing.METHOD_MISMATCH if found.allow else Standing.UNMAPPED

    def _without_operation(self, has_traffic: bool) -> Iterator[Values]:
        """Bindings to which no operation of the document leads."""
        if self._api is None:
            return
        led_to = {id(each.target) for each in self._mappings}
        for target in self._snapshot.bindings:
            if id(target) not in led_to:
                tally = self._traffic.by_binding.get(target)
                yield {
                    **_target_values(target),
                    "hits": (tally.hits if tally else 0) if has_traffic else None,
                }


def _only_operations(mappings: Iterable[Mapping]) -> dict[RouteBinding, Operation]:
    """The operation of each binding that takes the requests of one alone."""
    found: defaultdict[RouteBinding, list[Operation]] = defaultdict(list)
    for each in mappings:
        if each.target is not None:
            found[each.target].append(each.operation)
    return {target: one for target, (one, *others) in found.items() if not others}


def _of_seen_names(subject: Subject, seen: Tally) -> Iterator[Finding]:
    """Query parameters that clients send, no document tells of, and no field takes."""
    documented = {each.name for each in subject.operation.parameters_in(Where.QUERY)}
    for name in seen.names:
        if name in documented or name in SYSTEM_PARAMETERS or name in subject.extras.parameters:
            continue
        if query_key(subject, name) is not None:
            continue
        yield Finding(FindingKind.NO_FIELD, Where.QUERY, name, "clients send it, undocumented")


def _finding_values(finding: Finding, seen: Tally | None) -> Values:
    counted = seen is not None and finding.where is Where.QUERY
    return {
        "kind": finding.kind.value,
        "where": finding.where.value,
        "path": finding.path,
        "detail": finding.detail,
        "hits": seen.names.get(finding.path, 0) if counted and seen is not None else None,
    }


def _target_values(target: RouteBinding | None) -> Values:
    if target is None:
        return dict.fromkeys(("route", "rpc", "binding", "stage"))
    return {
        "route": target.route.name,
        "rpc": target.route.rpc,
        "binding": rule_text(target),
        "stage": target.route.stage.value,
    }


def _by_hits(item: tuple[tuple[str, str], Tally]) -> tuple[int, tuple[str, str]]:
    return -item[1].hits, item[0]


def _time(at_s: float | None) -> str | None:
    return None if at_s is None else time_text(at_s)
