"""Places for jobs of several kinds, given by turns: no kind waits for more than one of another.

Belongs here: who is next. Does not: what a job is (`pool`).
"""

import asyncio
from collections import deque
from collections.abc import Hashable


class Turns:
    """So many *places*. Use it from one loop."""

    def __init__(self, places: int) -> None:
        self._free = places
        #: Who waits, by kind; the kind whose turn it is comes first.
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    def __repr__(self) -> str:
        return f"<Turns free={self._free} waiting={sum(map(len, self._waiting.values()))}>"

    async def take(self, kind: Hashable, timeout_s: float) -> None:
        """Wait for a place, at most so long. Raises `TimeoutError`."""
        if self._free:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(kind, deque()).append(place)
        try:
            async with asyncio.timeout(timeout_s):
                await place
        except BaseException:
            self._leave(kind, place)
            raise

    def _leave(self, kind: Hashable, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():
            self.give_back()  # it was given in the moment in which the wait ended
            return
        waiting = self._waiting.get(kind)
        if waiting is not None and place in waiting:
            waiting.remove(place)
            if not waiting:
                del self._waiting[kind]

    def give_back(self) -> None:
        """Let go of a place, to whoever is next."""
        while self._waiting:
            place = self._next()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _next(self) -> asyncio.Future[None]:
        """Who waits longest of the kind whose turn it is; its kind goes behind the others."""
        kind, waiting = next(iter(self._waiting.items()))
        del self._waiting[kind]
        place = waiting.popleft()
        if waiting:
            self._waiting[kind] = waiting
        return place
