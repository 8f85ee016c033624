"""Work that goes on when its client has left: a write that was sent is finished, and told of.

A client that sends a write and closes its connection has done so before us too, and the upstream
had read it by then. To cut the call now could take the write away again, and nobody would know
whether it did. They are outside the limit on requests in flight, and so have one of their own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog

from proxy.errors import ProxyError

_log: Final = structlog.get_logger("proxy.exchange")

#: Writes without clients at one time; as many as requests may be in flight. Whoever leaves when
#: there are so many takes the write along: memory and connections must not grow with a flood of
#: clients that send and leave.
MAX_ORPHANS: Final = 1024

T = TypeVar("T")


class Orphans:
    """The writes whose clients have left, *most* of them at one time."""

    def __init__(self, clock: Callable[[], float], most: int = MAX_ORPHANS) -> None:
        self._clock = clock
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Orphans {len(self._tasks)}>"

    def __len__(self) -> int:
        return len(self._tasks)

    async def finish(
        self, work: Coroutine[Any, Any, T], name: str, discard: Callable[[T], Awaitable[object]]
    ) -> T:
        """What *work* gives. When the caller is cancelled, the work goes on without it.

        *name* is what the log calls it then; *discard* takes its result.
        """
        task = asyncio.create_task(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if len(self._tasks) >= self._most:
                _log.warning("a write was cut off: too many go on without clients", write=name)
                task.cancel()
                raise
            orphan = asyncio.create_task(self._see_through(task, name, discard))
            self._tasks.add(orphan)
            orphan.add_done_callback(self._tasks.discard)
            raise

    async def _see_through(
        self, task: asyncio.Task[T], name: str, discard: Callable[[T], Awaitable[object]]
    ) -> None:
        left_s = self._clock()
        try:
            await discard(await task)
        except (ProxyError, ConnectionError) as error:
            ended = str(error)
        else:
            ended = "answered"
        seconds = round(self._clock() - left_s, 3)
        _log.info("a write ended without its client", write=name, ended=ended, after_s=seconds)

    async def settle(self, deadline_s: float) -> None:
        """Wait for them, until *deadline_s* on the clock."""
        if self._tasks:
            left_s = max(0.0, deadline_s - self._clock())
            await asyncio.wait(self._tasks, timeout=left_s)
