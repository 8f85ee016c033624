"""Problems of a configuration that only show when descriptors say which RPCs there are.

Belongs here: what the options of an RPC have to do with what it is. Does not: checks that the
files alone allow (`checks`), and paths of fields, which need the descriptors themselves
(`routing.field_paths`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from proxy.config import mirror_checks
from proxy.config.agreement import canary_faults, group_faults
from proxy.config.naming import did_you_mean
from proxy.config.options import STAGES_OF_GRPC, Route
from proxy.config.resolved_route import MethodFacts, ResolvedRoute
from proxy.config.safeguards import FOR_SAFE_CALLS
from proxy.config.schema import Settings
from proxy.config.tree import Location, Tree
from proxy.errors import Problem


@dataclass(frozen=True, slots=True)
class RpcChecks:
    """The checks of one configuration; *options_for* gives what it says of an RPC."""

    settings: Settings
    tree: Tree
    options_for: Callable[[str], ResolvedRoute]

    def of_rpcs(self, rpcs: Collection[str]) -> Iterator[Problem]:
        """Problems with which RPCs there are."""
        resolved = [self.options_for(rpc) for rpc in rpcs]
        yield from self._unknown_rpcs(rpcs)
        yield from self._without_upstream(resolved)
        yield from self._half_canaries(resolved)
        yield from self._half_mirrors(resolved)
        yield from self._groups_that_differ(resolved)
        yield from self._shared_names(resolved)

    def of_methods(self, facts: Mapping[str, MethodFacts]) -> Iterator[Problem]:
        """Problems with what the RPCs of entries are, by the *facts* of each full name."""
        for index, route in enumerate(self.settings.routes):
            if route.rpc in facts:
                for location, message in self._against(route, facts[route.rpc]):
                    yield Problem(self.tree.place(("routes", index, *location)), message)

    def _against(self, route: Route, facts: MethodFacts) -> Iterator[tuple[Location, str]]:
        if route.safety == "safe" != facts.safety and route.safety_reason is None:
            message = "must have safety_reason beside it: its HTTP methods say otherwise"
            yield ("safety",), message
        if (route.safety or facts.safety) != "safe" and route.fallback is not None:
            for index, kind in enumerate(route.fallback.on):
                if kind in FOR_SAFE_CALLS:
                    yield ("fallback", "on", index), f"{kind} needs a route whose safety is safe"
        has_legacy = self.settings.upstreams.legacy is not None
        if facts.streams_requests and has_legacy and route.stage in ("canary", "grpc"):
            yield ("stage",), "must stay legacy: requests that stream are not served by gRPC yet"
        if has_legacy:
            yield from self._of_mirror(route, facts)

    def _of_mirror(self, route: Route, facts: MethodFacts) -> Iterator[tuple[Location, str]]:
        resolved, upstreams = self.options_for(route.rpc), self.settings.upstreams.grpc
        upstream = upstreams.get(resolved.upstream or "")
        place = self.tree.place(("upstreams", resolved.upstream or ""))
        sink = mirror_checks.Sink(upstream is not None and upstream.shadow_sink, str(place))
        yield from mirror_checks.method_faults(route, resolved.mirror, facts, sink)

    def _unknown_rpcs(self, rpcs: Collection[str]) -> Iterator[Problem]:
        known = frozenset(rpcs)
        for index, route in enumerate(self.settings.routes):
            if route.rpc not in known:
                message = f"no method {route.rpc} has an HTTP rule"
                place = self.tree.place(("routes", index, "rpc"))
                yield Problem(place, message + did_you_mean(route.rpc, rpcs))

    def _without_upstream(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        for route in routes:
            if not route.listed and route.stage in STAGES_OF_GRPC and route.upstream is None:
                message = f"no gRPC upstream has the service of {route.rpc} in its services"
                yield Problem(self.tree.place(("upstreams",)), message)

    def _half_canaries(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        for route in routes:
            if not route.listed and route.stage == "canary":
                place = self.tree.place(("defaults", "stage"))
                for fault in canary_faults(route.canary):
                    yield Problem(place, f"{fault}, for {route.rpc}")
                return  # All others have the same: that of `defaults`.

    def _half_mirrors(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        for route in routes:
            if not route.listed and route.has_legacy:
                for key, fault in mirror_checks.mirror_faults(
                    route.stage, route.mirror, route.canary
                ):
                    place = self.tree.place(("defaults", *key))
                    yield Problem(place, f"{fault}, for {route.rpc}")
                return  # All others have the same: that of `defaults`.

    def _groups_that_differ(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        """Where a route without an entry differs: entries have been compared with one another."""
        places: dict[str, Location] = {
            route.rpc: ("routes", index, "canary")
            for index, route in enumerate(self.settings.routes)
        }
        canaries = (
            (route.name, route.canary, places.get(route.rpc, ("defaults", "canary")))
            for route in sorted(routes, key=lambda route: route.listed)
            if route.canary is not None
        )
        for location, first, message in group_faults(canaries):
            if first[0] == "defaults":
                text = f"{message} from {self.tree.place(first)}"
                yield Problem(self.tree.place(location), text)

    def _shared_names(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        owners: defaultdict[str, list[str]] = defaultdict(list)
        for route in routes:
            owners[route.name].append(route.rpc)
        for name, sharing in owners.items():
            if len(sharing) > 1:
                message = f"'{name}' would name {' and '.join(sharing)}; give one of them a name"
                yield Problem(self.tree.place(("routes",)), message)
