"""What a running service is told to do, by signals or by the parent of its process.

Belongs here: one place for all that ends or changes a service from outside its ports. Does not:
who says it (`serve`, `worker`), doing it (`service`).
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from proxy.supervisor.signals import end_by

_log: Final = structlog.get_logger("proxy")

_FIRST_PROCESS: Final = 1


@dataclass(frozen=True, slots=True)
class Deeds:
    """What can be done with a service. *reload* takes what it takes as keywords."""

    retire: Callable[[], Awaitable[None]]
    reload: Callable[..., Awaitable[object]]
    kill: Callable[[], object]


class Conductor:
    """Does what it is told, in the order in which it is told."""

    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Future[object]] = set()

    def __repr__(self) -> str:
        return f"<Conductor {'stopping' if self._stopped.is_set() else 'serving'}>"

    async def until_stopped(self) -> None:
        """Wait for `stop` or `retire`."""
        await self._stopped.wait()

    def stop(self) -> None:
        """End the service: drain."""
        self._stopped.set()

    def retire(self) -> None:
        """End this process: another one serves in its place."""
        self._begin(self._retire())

    def reload(self, **how: Any) -> None:
        """Read the configuration again."""
        self._begin(self._deeds.reload(**how))

    def kill(self) -> None:
        """Turn the kill switch on. At once: nothing that is under way may delay it."""
        self._deeds.kill()

    async def _retire(self) -> None:
        try:
            await self._deeds.retire()
        finally:
            self._stopped.set()

    def _begin(self, deed: Awaitable[object]) -> None:
        task = asyncio.ensure_future(deed)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Future[object]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("what a signal asked for failed", exc_info=error)


def on_signals(conductor: Conductor) -> None:
    """Reload by SIGHUP, kill switch by SIGUSR1."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, partial(conductor.reload, trigger="signal"))
    loop.add_signal_handler(signal.SIGUSR1, conductor.kill)


def once_then_default(act: Callable[[], None], *numbers: signal.Signals) -> None:
    """Call *act* at the first of the signals *numbers*; the second one ends the process.

    By the system, so that it ends a loop that hangs too; which it does not do to the first process
    of a container, and so that one ends itself.
    """
    loop = asyncio.get_running_loop()

    def once() -> None:
        act()
        for number in numbers:
            loop.remove_signal_handler(number)
            if os.getpid() == _FIRST_PROCESS:
                loop.add_signal_handler(number, end_by, number)
            else:
                signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        loop.add_signal_handler(number, once)
