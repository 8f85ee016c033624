"""When a failed call is made again: only one that may be, only for a while, only within a budget.

Belongs here: the decision, as a function of values. Does not: waiting and calling (`attempts`).

Ours rather than grpcio's: its retry filter slows down every call, and takes the methods from a
configuration that the server's name service may replace.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import HTTP_STATUS, Code

#: A server's own word on when to try again, in milliseconds; negative: not at all (gRFC A6).
_PUSHBACK: Final = "grpc-retry-pushback-ms"
#: Digits for eleven days: longer numbers are as good as never, and `int` raises for very long ones.
_PUSHBACK_MS: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """How often, how soon and how many of all calls are made again.

    The wait before attempt n+1 is random below
    `min(initial_backoff_s * multiplier ** (n - 1), max_backoff_s)`, as in gRFC A6. The budget is
    Finagle's and Linkerd's: each call puts *ratio* of a retry in, each retry takes one out, so
    that of an outage servers see a fifth more calls, not three times as many. *reserve_per_s* is
    put in besides, for upstreams with few calls; *max_saved* is the most that can be saved up.
    """

    max_attempts: int = 3
    initial_backoff_s: float = 0.05
    max_backoff_s: float = 1.0
    multiplier: float = 2.0
    ratio: float = 0.2
    reserve_per_s: float = 10.0
    max_saved: float = 100.0


class Retries:
    """The retries of one upstream, with their budget. *clock* is monotonic, in seconds."""

    __slots__ = (
        "_clock",
        "_options",
        "_random",
        "_ratio",
        "_refilled_s",
        "_saved",
        "granted",
        "refused",
    )

    def __init__(
        self, options: RetryOptions, random: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        self._options = options
        self._random = random
        self._clock = clock
        self._ratio = options.ratio
        #: One second's reserve to begin with.
        self._saved = min(options.reserve_per_s, options.max_saved)
        self._refilled_s = clock()
        #: Retries that were made, and those that the budget refused.
        self.granted = 0
        self.refused = 0

    def __repr__(self) -> str:
        return f"<Retries saved={self._saved:.1f} granted={self.granted} refused={self.refused}>"

    def deposit(self) -> None:
        """Count a call that is made. Its cap is applied when something is taken out."""
        self._saved += self._ratio

    def delay_s(
        self, error: UpstreamError, attempt: int, remaining_s: float, *, elsewhere: bool
    ) -> float | None:
        """How long to wait before the next attempt; None for no further one.

        *attempt* counts from 1; *remaining_s* is what is left to the deadline; *elsewhere* says
        that the next one goes to a server that has not failed the call: then there is no wait.
        Only for calls that may be sent again. A failure that is no plain UNAVAILABLE (a TLS one,
        say) would fail again and is not retried.
        """
        if error.http_status != HTTP_STATUS[Code.UNAVAILABLE]:
            return None
        if error.status.code is not Code.UNAVAILABLE or attempt >= self._options.max_attempts:
            return None
        delay_s = self._pushed_back_s(error, attempt, elsewhere=elsewhere)
        if delay_s is None or delay_s >= remaining_s or not self._withdraw():
            return None
        return delay_s

    def _withdraw(self) -> bool:
        """Take one retry out of the budget, if it has one."""
        options, now_s = self._options, self._clock()
        refill = (now_s - self._refilled_s) * options.reserve_per_s
        self._refilled_s = now_s
        self._saved = min(self._saved + refill, options.max_saved)
        if self._saved < 1.0:
            self.refused += 1
            return False
        self._saved -= 1.0
        self.granted += 1
        return True

    def _pushed_back_s(
        self, error: UpstreamError, attempt: int, *, elsewhere: bool
    ) -> float | None:
        for name, value in error.metadata:
            if name == _PUSHBACK:
                text = str(value)
                return int(text) / 1000 if _PUSHBACK_MS.fullmatch(text) else None
        if elsewhere:
            return 0.0
        options = self._options
        longest_s = options.initial_backoff_s * options.multiplier ** (attempt - 1)
        return self._random() * min(longest_s, options.max_backoff_s)
