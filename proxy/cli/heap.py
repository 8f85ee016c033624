"""The garbage collector over descriptors that come and go.

Belongs here: when it looks. Does not: the start of the process (`cli.running`), where the heap is
frozen.

What a reload of the configuration replaces is freed by its reference counts. The classes of a
schema's messages are not: every class is a cycle, so only the collector frees them. To look
through the whole process takes it tens of milliseconds in which nothing else runs; so what was
frozen at the start stays so, with the first schema, and it looks only at what has come since.
That is mostly the schema in force: a hundred RPCs take a few milliseconds.
"""

import asyncio
import gc
from collections.abc import Callable
from typing import Final

#: Seconds from the end of a schema to the collection. Whoever put the next one in its place has
#: let go of it by then, and several that end together are collected together.
SWEEP_AFTER_S: Final = 1.0

CallLater = Callable[[float, Callable[[], object]], asyncio.TimerHandle]


class Heap:
    """Has schemas that went out of service collected; *call_later* is the event loop's."""

    def __init__(self, call_later: CallLater) -> None:
        self._call_later = call_later
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Heap{' to be swept' if self._timer else ''}>"

    def dropped(self) -> None:
        """Note that a schema is not used any more."""
        if self._timer is None:
            self._timer = self._call_later(SWEEP_AFTER_S, self._sweep)

    def stop(self) -> None:
        """Collect nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        self._timer = None
        gc.collect()
