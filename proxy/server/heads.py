"""When a request's head must be whole.

Belongs here: one watch over all connections that owe a head. aiohttp has no limit for it, and a
timer for each connection would cost every client what only an attacker should.
"""

import asyncio
from itertools import islice
from typing import Final, Protocol

#: Connections that are given up in one turn of the loop: each costs an answer and a line in the
#: log, and 5,000 in one turn would stop all others for a third of a second.
_AT_ONCE: Final = 50
#: Seconds until the next turn when there are more.
_PAUSE_S: Final = 0.01
#: Part of the timeout by which a connection may be looked at late.
_TOLERANCE: Final = 0.1


class Awaited(Protocol):
    """A connection that owes a request's head."""

    def head_overdue(self) -> None:
        """Give the connection up, unless it still has something else to do."""
        ...


class HeadWatch:
    """Tells connections that their head has not become whole *timeout_s* after it began."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.timeout_s = 0.0
        # In the order of their times, as long as the timeout stays the same.
        self._since_s: dict[Awaited, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<HeadWatch over {len(self)} connections, {self.timeout_s:g} s>"

    def __len__(self) -> int:
        return len(self._since_s)

    def __contains__(self, connection: Awaited) -> bool:
        return connection in self._since_s

    def begin(self, connection: Awaited) -> None:
        """Watch *connection*, whose head begins now unless it has begun already."""
        if connection not in self._since_s:
            self._since_s[connection] = self._loop.time()
            if self._timer is None:
                self._wait(self.timeout_s)

    def end(self, connection: Awaited) -> None:
        """Leave *connection* alone: its head is whole, or it has gone."""
        self._since_s.pop(connection, None)

    def stop(self) -> None:
        """Leave all of them alone."""
        self._since_s.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, delay_s: float) -> None:
        self._timer = self._loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        """Give up who is overdue, the oldest first, and come back for the next one."""
        now_s = self._loop.time()
        self._timer = None
        for connection in tuple(islice(self._since_s, _AT_ONCE)):
            left_s = self._since_s[connection] + self.timeout_s - now_s
            if left_s > 0:
                self._wait(left_s + self.timeout_s * _TOLERANCE)
                return
            del self._since_s[connection]
            connection.head_overdue()
        if self._since_s:
            self._wait(_PAUSE_S)
