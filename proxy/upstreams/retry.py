"""When a failed call is made again: only one that may be, only for a while, only within a budget.

Belongs here: the decision, as a function of values. Does not: waiting and calling.

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
    """How often and how soon, after the retry policy of gRFC A6.

    The wait before attempt n+1 is random below
    `min(initial_backoff_s * multiplier ** (n - 1), max_backoff_s)`. Each failure takes one of
    *budget_tokens*, each success gives *tokens_per_success* back; at half or less nothing is
    retried, so that retries do not feed an overload.
    """

    max_attempts: int = 3
    initial_backoff_s: float = 0.05
    max_backoff_s: float = 1.0
    multiplier: float = 2.0
    budget_tokens: float = 10.0
    tokens_per_success: float = 0.1


class Retries:
    """The retries of one upstream, with their budget."""

    __slots__ = ("_options", "_random", "_tokens")

    def __init__(self, options: RetryOptions, random: Callable[[], float]) -> None:
        self._options = options
        self._random = random
        self._tokens = options.budget_tokens

    def __repr__(self) -> str:
        return f"<Retries tokens={self._tokens:.1f}/{self._options.budget_tokens:g}>"

    def succeeded(self) -> None:
        """Count a call that ended well."""
        options = self._options
        if self._tokens < options.budget_tokens:
            self._tokens = min(options.budget_tokens, self._tokens + options.tokens_per_success)

    def delay_s(self, error: UpstreamError, attempt: int, remaining_s: float) -> float | None:
        """How long to wait before the next attempt; None for no further one.

        *attempt* counts from 1; *remaining_s* is what is left to the deadline. Only for calls
        that may be sent again. A failure that is no plain UNAVAILABLE (a TLS one, say) would
        fail again and is not retried.
        """
        if error.http_status != HTTP_STATUS[Code.UNAVAILABLE]:
            return None
        if error.status.code is not Code.UNAVAILABLE:
            return None
        self._tokens = max(0.0, self._tokens - 1.0)
        if attempt >= self._options.max_attempts or self._is_spent():
            return None
        delay_s = self._pushed_back_s(error, attempt)
        return delay_s if delay_s is not None and delay_s < remaining_s else None

    def _is_spent(self) -> bool:
        return self._tokens <= self._options.budget_tokens / 2

    def _pushed_back_s(self, error: UpstreamError, attempt: int) -> float | None:
        for name, value in error.metadata:
            if name == _PUSHBACK:
                text = str(value)
                return int(text) / 1000 if _PUSHBACK_MS.fullmatch(text) else None
        options = self._options
        longest_s = options.initial_backoff_s * options.multiplier ** (attempt - 1)
        return self._random() * min(longest_s, options.max_backoff_s)
