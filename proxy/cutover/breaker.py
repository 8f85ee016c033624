"""The breaker of a route: legacy answers while its gRPC server does not.

Belongs here: when it opens, what it lets through to see whether the server is back, when it
closes. Does not: which requests it is asked about (`exchange`); a route's way back for good
(`guard`).
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.cutover.result import Result

#: Times the open period after which a probe counts as lost. A frozen server keeps each probe until
#: its deadline; the clients of those probes wait for an answer that legacy could give.
_LOST_AFTER: Final = 10

#: Times the open period without any probe after which a request is let through that had better
#: not be one: a route of writes alone must find back, too.
_PATIENCE: Final = 4


class BreakerState(StrEnum):
    """Closed: all requests pass. Half-open: one at a time. Words fit for a metric label."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """*failures* in a row open it, for *open_for_s* seconds.

    Five rather than one: a server that restarts behind a load balancer breaks a few calls without
    being away. Half a second: a server that is back is used again within one.
    """

    failures: int = 5
    open_for_s: float = 0.5


class Breaker:
    """Lets requests pass to gRPC, or not. Clocks are monotonic, in seconds.

    Only transport failures count; any answer, errors included, says that the server is there. What
    a request tells is held to the time at which it was decided: one that was under way when the
    breaker opened cannot close it, and one that was under way when it closed cannot open it.
    *openings* counts how often it opened, failed probes included.
    """

    __slots__ = ("_closed_s", "_failures", "_opened_s", "_options", "_probe_s", "openings")

    def __init__(self, options: BreakerOptions) -> None:
        self._options = options
        self._failures = 0
        self._closed_s = -math.inf
        self._opened_s: float | None = None
        self._probe_s: float | None = None
        self.openings = 0

    def __repr__(self) -> str:
        word = "closed" if self._opened_s is None else f"opened_s={self._opened_s:.3f}"
        return f"<Breaker {word} failures={self._failures} openings={self.openings}>"

    def state(self, now_s: float) -> BreakerState:
        """The state, for people and metrics."""
        if self._opened_s is None:
            return BreakerState.CLOSED
        is_over = now_s >= self._opened_s + self._options.open_for_s
        return BreakerState.HALF_OPEN if is_over else BreakerState.OPEN

    def was_closed(self, decided_s: float) -> bool:
        """Whether a request that was decided at *decided_s* found it closed, as far as known.

        Nothing is remembered of openings that are over.
        """
        return self._opened_s is None or decided_s < self._opened_s

    def allows(self, now_s: float, may_probe: bool) -> bool:
        """Whether a request that is about to go to gRPC may.

        Ask it last, and only for a request that will then be sent: in the half-open state a yes
        makes the request the probe. *now_s* is when it was decided; `record` is given the same.
        *may_probe* says that no harm is done if the probe fails, as for a safe request.
        """
        if self._opened_s is None:
            return True
        since_s = self._opened_s + self._options.open_for_s
        if now_s < since_s:
            return False
        if self._probe_s is not None:
            if now_s < self._probe_s + _LOST_AFTER * self._options.open_for_s:
                return False
            since_s = self._probe_s
        if not may_probe and now_s - since_s < _PATIENCE * self._options.open_for_s:
            return False
        self._probe_s = now_s
        return True

    def record(self, result: Result, decided_s: float, now_s: float) -> None:
        """Take note of how a request ended on gRPC that was decided at *decided_s*."""
        if self._opened_s is not None:
            self._record_open(self._opened_s, result, decided_s, now_s)
        elif result is Result.UNREACHABLE:
            if decided_s >= self._closed_s:
                self._failures += 1
                if self._failures >= self._options.failures:
                    self._open(now_s)
        elif result is not Result.ABANDONED:
            self._failures = 0

    def _record_open(self, opened_s: float, result: Result, decided_s: float, now_s: float) -> None:
        if result is Result.ABANDONED:
            if decided_s == self._probe_s:
                self._probe_s = None
        elif result is Result.UNREACHABLE:
            if decided_s >= opened_s + self._options.open_for_s:
                self._open(now_s)
        elif decided_s > opened_s:
            self._close(now_s)

    def _open(self, now_s: float) -> None:
        self._opened_s = now_s
        self._probe_s = None
        self.openings += 1

    def _close(self, now_s: float) -> None:
        self._closed_s = now_s
        self._opened_s = self._probe_s = None
        self._failures = 0
