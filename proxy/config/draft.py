"""A configuration between schema and checks: what is valid by itself, and where it was written.

Belongs here: what the checks read. Does not: any check.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from proxy.config.options import Defaults, Route, Stage
from proxy.config.schema import DescriptorSource, Settings
from proxy.config.tree import Location, Tree
from proxy.config.upstreams import LEGACY

#: What a check yields: where, and what is wrong.
Finding = tuple[Location, str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration that may have lost parts: those that the schema refused.

    *settings* holds the parts that are valid by themselves. *routes* and *sources* carry the
    index at which each entry was written. *upstream_names* are all names, of refused ones too.
    *today* is the day that expiries are held against.
    """

    settings: Settings
    tree: Tree
    routes: tuple[tuple[int, Route], ...]
    sources: tuple[tuple[int, DescriptorSource], ...]
    upstream_names: tuple[str, ...]
    refused: frozenset[str]
    today: date

    @property
    def grpc_names(self) -> tuple[str, ...]:
        """Names of gRPC upstreams as written."""
        return tuple(name for name in self.upstream_names if name != LEGACY)

    @property
    def has_legacy(self) -> bool:
        """Whether a legacy upstream is written."""
        return LEGACY in self.upstream_names

    def stage_of(self, route: Route) -> Stage:
        """The stage of an entry: its own, that of `defaults`, or what is built in."""
        ours = route.stage or self.settings.defaults.stage
        return ours or (LEGACY if self.has_legacy else "grpc")

    def owners(self) -> Iterator[tuple[Location, Defaults | Route]]:
        """`defaults` and the entries, each with its location."""
        yield ("defaults",), self.settings.defaults
        for index, route in self.routes:
            yield ("routes", index), route


#: A check, and the sections that it reads: it is left out when one of them was refused.
Check = tuple[frozenset[str], Callable[[Draft], Iterator[Finding]]]
