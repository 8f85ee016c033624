"""How many requests are served at once, and when that is too many.

Belongs here: counting, and the limit that follows how late the loop is. Pure: time is an argument.
Does not: what becomes of a request that is one too many (`shedding`, `frontend`).
"""

import math
from collections.abc import Callable
from typing import Final

#: How late requests may be begun, in seconds. A loop that is always later has more to do than it
#: can: some hundred requests wait for it, and each takes several of its turns. Below it, what came
#: at once is only waited for.
MAX_DELAY_S: Final = 0.1
#: Above this delay, in seconds, or above this part of a core, the process has no time to spare. One
#: does not tell the other: threads that work for the loop can take its core while it waits for
#: them, and others than this process can take it too.
AT_EASE_S: Final = 0.02
AT_EASE_CORES: Final = 0.85
#: A window in which no request was begun sooner is late. One alone may be a burst, or a stall.
WINDOW_S: Final = 0.1
#: Late windows in a row, 1.5 s, before the limit sinks from what is configured. A reload, or a
#: worker that starts, takes the CPU for less, and what came meanwhile had better wait.
PATIENCE: Final = 15
#: Late windows in a row before it sinks further.
_IMPATIENCE: Final = 2
#: Bytes that requests may hold while they wait for their clients, and count for nothing else. A
#: body that drips holds little; to fill this takes what a client would rather spend on requests.
MAX_ASIDE_BYTES: Final = 128 << 20
#: What is served at once however late the loop is, and what is added to it at least.
LEAST: Final = 16
_STEP: Final = 4


class Admission:
    """Counts requests in flight, and says when they are too many.

    Two limits hold. *max_inflight* is what the configuration allows: it bounds memory while an
    upstream is slow. `limit` bounds the work that waits for the CPU: it starts there too, sinks
    while the loop is late, and rises again when it is not. What is measured is the time from a
    request's bytes to its handler, which only the loop's own work can make long. The least one of
    a window counts, as CoDel does it (RFC 8289 §3): a queue that empties now and then is no harm.
    *cpu_clock* is the CPU time of the process so far, in seconds; it is read once in a window.
    *patience* is the number of late windows in a row that are borne before the limit sinks.

    Streams that have begun wait for their upstream, and are not counted against `limit`; requests
    that wait for their clients count for neither, or a few slow clients would keep all others out.
    """

    __slots__ = (
        *("_cpu_clock", "_cpu_s", "_least_delay_s", "_most_busy", "_now_s"),
        *("_late_windows", "_patience", "_window_ends_s"),
        *("aside_bytes", "inflight", "limit", "max_inflight", "streaming"),
    )

    def __init__(
        self, max_inflight: int, cpu_clock: Callable[[], float], patience: int = PATIENCE
    ) -> None:
        self.max_inflight = self.limit = max_inflight
        self.inflight = 0
        self.streaming = 0
        self.aside_bytes = 0
        self._least_delay_s = math.inf
        self._most_busy = 0
        self._window_ends_s = 0.0
        self._cpu_clock = cpu_clock
        self._now_s, self._cpu_s = 0.0, cpu_clock()
        self._late_windows = 0
        self._patience = patience

    def __repr__(self) -> str:
        return f"<Admission {self.inflight} of {self.limit}, at most {self.max_inflight}>"

    def allow(self, max_inflight: int) -> None:
        """Change what the configuration allows; what was learned of the loop stays."""
        if max_inflight != self.max_inflight:
            self.max_inflight = self.limit = max_inflight

    @property
    def busy(self) -> int:
        """Requests in flight that may want the CPU."""
        return self.inflight - self.streaming

    def is_full(self) -> bool:
        """Whether one request more would be too many."""
        inflight = self.inflight
        return inflight >= self.max_inflight or inflight - self.streaming >= self.limit

    def is_over(self) -> bool:
        """Whether there is one request too many already."""
        inflight = self.inflight
        return inflight > self.max_inflight or inflight - self.streaming > self.limit

    def set_aside(self, held_bytes: int) -> bool:
        """Whether a request that holds *held_bytes* may wait for its client without a place.

        If so, `take_back` has to follow.
        """
        if self.aside_bytes + held_bytes > MAX_ASIDE_BYTES:
            return False
        self.aside_bytes += held_bytes
        return True

    def take_back(self, held_bytes: int) -> None:
        """Note that the client of a request has moved on."""
        self.aside_bytes -= held_bytes

    def began(self, delay_s: float, now_s: float) -> None:
        """Note that a request was begun *delay_s* seconds after it had come."""
        if delay_s < self._least_delay_s:
            self._least_delay_s = delay_s
        busy = self.inflight - self.streaming
        if busy > self._most_busy:
            self._most_busy = busy
        if now_s >= self._window_ends_s:
            self._adapt(now_s)

    def refused(self, now_s: float) -> None:
        """Note that a request was refused: the limit must rise though none is begun."""
        if now_s >= self._window_ends_s:
            self._adapt(now_s)

    def _adapt(self, now_s: float) -> None:
        """Set the limit for the window that begins now."""
        delay_s, busy = self._least_delay_s, self._most_busy
        self._least_delay_s, self._most_busy = math.inf, 0
        self._window_ends_s = now_s + WINDOW_S
        is_pressed = self._cores(now_s) > AT_EASE_CORES or AT_EASE_S < delay_s < math.inf
        is_late = MAX_DELAY_S < delay_s < math.inf
        if not is_late:
            # A loop that is pressed would be late at once with many more.
            share = 32 if is_pressed else 4
            self.limit = min(self.max_inflight, self.limit + max(_STEP, self.limit // share))
        elif self._late_windows + 1 >= self._borne:
            # What waits is in proportion to what is served at once (Little's law).
            lowered = int(min(self.limit, busy) * max(0.5, MAX_DELAY_S / delay_s))
            self.limit = min(self.max_inflight, max(LEAST, lowered))
        self._late_windows = self._late_windows + 1 if is_late else 0

    @property
    def _borne(self) -> int:
        """Late windows in a row after which the limit sinks."""
        return self._patience if self.limit == self.max_inflight else _IMPATIENCE

    def _cores(self, now_s: float) -> float:
        """How many cores the process has used since it was last asked."""
        cpu_s, took_s = self._cpu_clock(), now_s - self._now_s
        used_s, self._cpu_s, self._now_s = cpu_s - self._cpu_s, cpu_s, now_s
        return used_s / took_s if took_s else 0.0
