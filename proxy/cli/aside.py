"""Long work beside an event loop that serves: in a thread, and with manners.

Belongs here: how much of the interpreter the thread takes. Does not: the work.

Python runs one thread at a time. A thread that computes gives the interpreter away only when
another one has waited for the switch interval, 5 ms, and the event loop asks for it many times per
request; so a load of the configuration that is left alone costs each request tens of milliseconds.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, ParamSpec, TypeVar

#: Seconds after which a thread that computes gives way to the event loop that waits. Shorter ones
#: made the longest stall no shorter: single calls into protobuf take as long.
SWITCH_S: Final = 0.0005
_USUAL_SWITCH_S: Final = sys.getswitchinterval()
#: Seconds of computing time after which it rests.
WORK_S: Final = 0.001
#: How long it rests, in times of what it has worked: it takes a fifth of a processor.
REST_RATIO: Final = 4.0

P = ParamSpec("P")
T = TypeVar("T")


class Rests:
    """Called now and then by a thread that computes; it sleeps when the thread has done enough."""

    def __init__(
        self,
        clock: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._since_s = 0.0

    def __repr__(self) -> str:
        return f"<Rests since {self._since_s:.3f} s>"

    def __call__(self) -> None:
        """Rest, if there was work enough since the last time."""
        worked_s = self._clock() - self._since_s
        if worked_s >= WORK_S:
            # A thread that was another one's before has worked for others: no rest for that.
            self._sleep(min(worked_s, WORK_S * 10) * REST_RATIO)
            self._since_s = self._clock()


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What *work* gives, run in a thread, where no garbage is collected while it works.

    New tables are no garbage, and there are many. One at a time: it holds for the process.
    """
    return await asyncio.to_thread(partial(_without_collection, work, *args, **kwargs))


def _without_collection(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    collects = gc.isenabled()
    gc.disable()
    try:
        return work(*args, **kwargs)
    finally:
        if collects:
            gc.enable()


@contextmanager
def quick_turns() -> Iterator[None]:
    """Have threads give way to each other quickly. It holds for the process."""
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        # Not what it was before: that may have been the quick one of somebody who has ended since.
        sys.setswitchinterval(_USUAL_SWITCH_S)
