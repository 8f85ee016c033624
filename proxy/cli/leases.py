"""Upstreams that outlive the snapshot they were made for.

Belongs here: which upstream serves which settings, and when nobody needs it any more. Does not:
how one is made (`cli.upstreams`), who uses it (`cli.generation`).

A reload that says the same of an upstream, and finds the same in its TLS files, must not cost a
connection: so an upstream is known by all of that, and kept for as long as one snapshot in
service has it.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import structlog

_log: Final = structlog.get_logger("proxy")


class Closable(Protocol):
    """What is leased."""

    async def close(self) -> None:
        """Give up what is held. Raises nothing."""
        ...


Leased = TypeVar("Leased", bound=Closable)


@dataclass(slots=True)
class _Held(Generic[Leased]):
    upstream: Leased
    holders: int = 0


class Lease(Generic[Leased]):
    """One holder's part in an upstream."""

    def __init__(self, upstream: Leased, end: Callable[[], "_Held[Leased] | None"]) -> None:
        self.upstream = upstream
        self._end = end
        self._ended = False

    def __repr__(self) -> str:
        return f"<Lease of {self.upstream!r}{' ended' if self._ended else ''}>"

    async def end(self) -> None:
        """Give it back; the last holder closes the upstream. A second call does nothing."""
        if self._ended:
            return
        self._ended = True
        held = self._end()
        if held is not None:
            _log.debug("closing an upstream", upstream=repr(held.upstream))
            await held.upstream.close()


class Leases(Generic[Leased]):
    """The upstreams in use, each under the key that says all about it."""

    def __init__(self) -> None:
        self._held: dict[Hashable, _Held[Leased]] = {}

    def __repr__(self) -> str:
        return f"<Leases {len(self._held)}>"

    def __len__(self) -> int:
        return len(self._held)

    def take(self, key: Hashable, make: Callable[[], Leased]) -> Lease[Leased]:
        """A lease of the upstream of *key*, which *make* makes if there is none."""
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = _Held(make())
        held.holders += 1
        return Lease(held.upstream, lambda: self._end(key))

    def _end(self, key: Hashable) -> _Held[Leased] | None:
        held = self._held[key]
        held.holders -= 1
        return None if held.holders else self._held.pop(key)
