"""Which binding takes the requests of an operation of the old API, if one does.

Belongs here: paths and HTTP methods. Does not: what is in a request (`fields`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from proxy.inventory.legacy import Operation
from proxy.inventory.paths import (
    LegacyPath,
    is_narrower,
    is_same_place,
    parse_legacy_path,
    sample_paths,
    wild_literals,
)
from proxy.routing.table import Found, RouteBinding, RouteTable
from proxy.routing.trie import ANY_METHOD


class Standing(StrEnum):
    """What becomes of the requests of an operation.

    `SHADOWED`: a wildcard takes them which is meant for another operation. `PARTIAL`: some are
    mapped. `NOT_SERVED`: the RPC takes a stream, which is answered with 501.
    """

    MAPPED = "mapped"
    PARTIAL = "partial"
    METHOD_MISMATCH = "method_mismatch"
    SHADOWED = "shadowed"
    NOT_SERVED = "not_served"
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where an operation leads. *detail* says why, where it is not simply mapped.

    *target* is None when no binding takes its requests. *narrowed_by* are bindings that take those
    of its requests which have certain values in the path, though the old API made no difference.
    """

    operation: Operation
    standing: Standing
    target: RouteBinding | None = None
    detail: str = ""
    narrowed_by: tuple[RouteBinding, ...] = field(default=())


class Mapper:
    """Maps operations over one table of routes."""

    def __init__(
        self, table: RouteTable, bindings: Iterable[RouteBinding], operations: Sequence[Operation]
    ) -> None:
        self._table = table
        self._paths = [(each, parse_legacy_path(each.path)) for each in operations]
        self._by_size: dict[tuple[str, int], list[RouteBinding]] = defaultdict(list)
        for target in bindings:
            template = target.binding.template
            key = (target.binding.http_method, len(template.segments))
            self._by_size[key].append(target)
        self._places: dict[tuple[str, int], list[LegacyPath]] = defaultdict(list)
        for each, path in self._paths:
            self._places[each.http_method, len(path.segments)].append(path)

    def __repr__(self) -> str:
        return f"<Mapper of {len(self._paths)} operations>"

    def mappings(self) -> list[Mapping]:
        """Where each operation leads, in their order."""
        return [self._mapping(operation, path) for operation, path in self._paths]

    def _mapping(self, operation: Operation, path: LegacyPath) -> Mapping:
        founds = [self._table.find(operation.http_method, raw) for raw in sample_paths(operation)]
        hit = [found for found in founds if found.binding is not None]
        narrower = self._narrower(operation.http_method, path)
        if hit and len(hit) < len(founds):
            detail = f"{len(hit)} of the {len(founds)} values of its path parameters are mapped"
            return Mapping(operation, Standing.PARTIAL, hit[0].binding, detail, narrower)
        if hit and hit[0].binding is not None:
            return self._taken(operation, path, hit[0].binding, narrower)
        return self._missed(operation, founds[0], narrower)

    def _taken(
        self,
        operation: Operation,
        path: LegacyPath,
        target: RouteBinding,
        narrower: tuple[RouteBinding, ...],
    ) -> Mapping:
        literals = wild_literals(target.binding.template, path)
        if literals and self._has_own(operation.http_method, target):
            taken = ", ".join(repr(literal) for literal in literals)
            detail = f"{rule_text(target)} takes {taken} for a value, and is another operation's"
            return Mapping(operation, Standing.SHADOWED, target, detail, narrower)
        if target.route.cardinality.request_streams:
            detail = f"{target.route.rpc} takes a stream, which is answered with 501"
            return Mapping(operation, Standing.NOT_SERVED, target, detail, narrower)
        return Mapping(operation, Standing.MAPPED, target, "", narrower)

    def _missed(
        self, operation: Operation, found: Found, narrower: tuple[RouteBinding, ...]
    ) -> Mapping:
        if narrower:
            detail = "only with certain values: " + ", ".join(map(rule_text, narrower))
            return Mapping(operation, Standing.PARTIAL, None, detail, narrower)
        if found.allow:
            detail = f"the path is mapped for {', '.join(found.allow)}"
            return Mapping(operation, Standing.METHOD_MISMATCH, None, detail)
        return Mapping(operation, Standing.UNMAPPED)

    def _narrower(self, http_method: str, path: LegacyPath) -> tuple[RouteBinding, ...]:
        """The bindings within the paths of *path* that no operation of the document stands for."""
        asked = ("GET", "HEAD") if http_method == "HEAD" else (http_method,)
        return tuple(
            target
            for method in (*asked, ANY_METHOD)
            for target in self._by_size[method, len(path.segments)]
            if is_narrower(target.binding.template, path) and not self._has_own(http_method, target)
        )

    def _has_own(self, http_method: str, target: RouteBinding) -> bool:
        """Whether the document has an operation at the very place of a binding."""
        template = target.binding.template
        places = self._places[http_method, len(template.segments)]
        return any(is_same_place(template, place) for place in places)


def rule_text(target: RouteBinding) -> str:
    """A binding as people call it: `GET /v4/zones/{zone}`."""
    return f"{target.binding.http_method} {target.binding.template}"
