"""A configuration between schema and checks: what is valid by itself, and where it was written.

Belongs here: what the checks read. Does not: any check.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxy.config.options import Route
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
    """

    settings: Settings
    tree: Tree
    routes: tuple[tuple[int, Route], ...]
    sources: tuple[tuple[int, DescriptorSource], ...]
    upstream_names: tuple[str, ...]
    refused: frozenset[str]

    @property
    def grpc_names(self) -> tuple[str, ...]:
        """Names of gRPC upstreams as written."""
        return tuple(name for name in self.upstream_names if name != LEGACY)

    @property
    def has_legacy(self) -> bool:
        """Whether a legacy upstream is written."""
        return LEGACY in self.upstream_names


#: A check, and the sections that it reads: it is left out when one of them was refused.
Check = tuple[frozenset[str], Callable[[Draft], Iterator[Finding]]]
