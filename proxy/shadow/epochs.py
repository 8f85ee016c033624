"""What the servers behind mirrors last said of their version, for all of a process.

Belongs here: remembering it. Does not: asking for it (`legs`), what a new version means (`gate`).
"""

from collections.abc import Callable
from typing import Final

from proxy.gate.evidence import Epoch
from proxy.routing.table import Route

#: Characters of a version. A server that says more says nothing of use.
_MAX_CHARACTERS: Final = 200


class Versions:
    """The versions of gRPC upstreams by name; "" for one that has not said any."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._watchers: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<Versions {self._known}>"

    def watch(self, changed: Callable[[], None]) -> None:
        """Have *changed* called after a version has changed, until `forget`."""
        self._watchers.append(changed)

    def forget(self, changed: Callable[[], None]) -> None:
        """Call *changed* no more. A second call does nothing."""
        if changed in self._watchers:
            self._watchers.remove(changed)

    def seen(self, upstream: str, version: str) -> None:
        """Note that *upstream* calls itself *version*."""
        version = version[:_MAX_CHARACTERS]
        if self._known.get(upstream, "") == version:
            return
        self._known[upstream] = version
        for changed in tuple(self._watchers):
            changed()

    def epoch_of(self, route: Route) -> Epoch:
        """What evidence about *route* is about now."""
        version = self._known.get(route.upstream or "", "")
        return Epoch(route.name, route.evidence_digest, version)
