"""Looking at something again and again.

Belongs here: the timer. Does not: what is looked at (`cli.reloading`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import structlog

_log: Final = structlog.get_logger("proxy")


class Timer(Protocol):
    """What `call_later` gives."""

    def cancel(self) -> None:
        """Do not call."""
        ...


class Polling:
    """Runs *look*, waits, runs it again. The wait begins when a look has ended.

    *call_later* is the event loop's. A look that fails is logged, and the next one comes all the
    same.
    """

    def __init__(
        self,
        look: Callable[[], Coroutine[Any, Any, object]],
        call_later: Callable[[float, Callable[[], None]], Timer],
    ) -> None:
        self._look = look
        self._call_later = call_later
        self._interval_s: float | None = None
        self._timer: Timer | None = None
        self._looking: asyncio.Task[object] | None = None

    def __repr__(self) -> str:
        return f"<Polling every {self._interval_s} s>"

    def every(self, interval_s: float | None) -> None:
        """Look every so many seconds from now on; None is never."""
        self._interval_s = interval_s
        if self._looking is None:
            self._schedule()

    async def stop(self) -> None:
        """Look no more; a look that is under way is cut off."""
        self._interval_s = None
        self._schedule()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        interval_s = self._interval_s
        self._timer = None if interval_s is None else self._call_later(interval_s, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._looking = asyncio.ensure_future(self._look())
        self._looking.add_done_callback(self._ended)

    def _ended(self, looking: asyncio.Task[object]) -> None:
        self._looking = None
        if not looking.cancelled() and (error := looking.exception()) is not None:
            _log.error("looking for changes failed", exc_info=error)
        self._schedule()
