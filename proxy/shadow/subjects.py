"""The routes of a snapshot as reports know them: fields of their answers, rules, digest.

Belongs here: what follows from the configuration alone. Does not: evidence (`reporting`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from proxy.cutover.mirror import Depth
from proxy.gate.report import RuleFacts
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Route, RouteBinding


@dataclass(frozen=True, slots=True)
class Subject:
    """A route with what is compared of it: the *fields* of its answer, by the *rules*.

    *ignored* are fields that rules leave out of it, which are not among *fields*. Both are empty
    where no answers are compared.
    """

    route: Route
    fields: frozenset[str]
    rules: tuple[RuleFacts, ...]
    ignored: frozenset[str] = frozenset()

    def expired(self, today: date) -> tuple[str, ...]:
        """The rules that are past their day: loading refuses them, but a process goes on."""
        return tuple(
            rule.text for rule in self.rules if rule.expires is not None and rule.expires < today
        )


class Subjects:
    """All routes of *snapshot*. What takes time is made when a route is first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._routes = {route.name: route for route in snapshot.routes}
        self._bindings: dict[str, list[RouteBinding]] = {}
        for binding in snapshot.bindings:
            if binding.comparator is not None:
                self._bindings.setdefault(binding.route.name, []).append(binding)
        self._made: dict[str, Subject] = {}

    def __repr__(self) -> str:
        return f"<Subjects of {self.snapshot!r}>"

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    def reported(self) -> tuple[str, ...]:
        """The names of the routes with a mirror or a gate, in the order of the snapshot."""
        return tuple(
            name
            for name, route in self._routes.items()
            if route.mirror is not None or route.gate is not None
        )

    def gated(self) -> tuple[str, ...]:
        """The names of the routes with a gate."""
        return tuple(name for name, route in self._routes.items() if route.gate is not None)

    def has_gate(self, name: str) -> bool:
        """Whether there is such a route, and it has a gate."""
        route = self._routes.get(name)
        return route is not None and route.gate is not None

    def get(self, name: str) -> Subject | None:
        """The route called *name*; None when there is none."""
        route = self._routes.get(name)
        if route is None:
            return None
        if name not in self._made:
            self._made[name] = _subject(route, self._bindings.get(name, ()))
        return self._made[name]


def _subject(route: Route, bindings: Sequence[RouteBinding]) -> Subject:
    """What the bindings of a route compare: each may answer with a part of its message."""
    comparators = [each.comparator for each in bindings if each.comparator is not None]
    asked = comparators if route.mirror is not None and route.mirror.depth is Depth.RPC else []
    fields = frozenset().union(*(each.fields for each in asked))
    ignored = frozenset().union(*(each.ignored for each in asked))
    rules = {rule.text: rule for each in comparators for rule in each.options.rules}
    return Subject(
        route,
        fields - ignored,
        tuple(
            RuleFacts(
                each.text, each.text.removeprefix(each.path).strip(), each.reason, each.expires
            )
            for each in rules.values()
        ),
        ignored,
    )
