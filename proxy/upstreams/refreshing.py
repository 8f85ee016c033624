"""Keeping the addresses of an upstream up to date.

Belongs here: how often is asked, and sooner when. Does not: asking (`resolving`), connecting
(`members`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.upstreams.members import Members
from proxy.upstreams.resolving import Resolver, Unresolved

#: Longest wait for one answer; a resolver that takes longer is asked again.
ANSWER_S: Final = 10.0
#: While there is no address at all: seconds to the second question, doubled for each one after.
_FIRST_PAUSE_S: Final = 0.1
#: The share of a pause that is left to chance, lest all workers ask at once.
_JITTER: Final = 0.2
#: How long a cancelled question may take to end.
_CANCEL_AGAIN_S: Final = 0.1


class Refresh:
    """Asks *resolver* every *every_s* seconds, and tells *members*. *random* gives 0 to 1.

    An answer may take *answer_s* seconds.
    """

    __slots__ = ("_answer_s", "_every_s", "_members", "_random", "_resolver", "_task")

    def __init__(
        self,
        resolver: Resolver,
        members: Members,
        every_s: float,
        random: Callable[[], float],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._answer_s = answer_s
        self._resolver = resolver
        self._members = members
        self._every_s = every_s
        self._random = random
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Refresh {self._resolver!r} every={self._every_s:g}s>"

    def begin(self) -> None:
        """Begin to ask, unless that has begun."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=repr(self))

    async def _run(self) -> None:
        pause_s = min(_FIRST_PAUSE_S, self._every_s)
        while True:
            await self._ask()
            if self._members:
                pause_s = self._every_s
            await asyncio.sleep(pause_s * (1 - _JITTER * self._random()))
            pause_s = min(pause_s * 2, self._every_s)

    async def _ask(self) -> None:
        """One question. An answer without an address is none: what was known before stays."""
        try:
            async with asyncio.timeout(self._answer_s):
                found = await self._resolver.resolve()
        except TimeoutError:
            self._members.unresolved("no answer from DNS")
        except Unresolved as error:
            self._members.unresolved(str(error))
        else:
            if found:
                self._members.replace(found)
            else:
                self._members.unresolved("the name has no address")

    async def close(self) -> None:
        """Ask no more.

        Cancelled again and again: `asyncio.wait_for`, under the DNS library, forgets a cancellation
        that comes together with an answer (until Python 3.12).
        """
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_CANCEL_AGAIN_S)
