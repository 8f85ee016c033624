"""Whether legacy answers a request whose gRPC call failed, within the same request.

Belongs here: the table of failures after which it may, and the budget for it. Does not: making
the second call (`exchange`), and what a failure means for the route's future (`guard`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.errors import StatusError, UpstreamError
from proxy.status import Code


class Safety(StrEnum):
    """What a second execution of a request would do (RFC 9110 §9.2.1, §9.2.2).

    `IDEMPOTENT` is as good as `UNSAFE` here: executing twice on *one* host changes nothing more,
    but the second execution would be on another host. An idempotency key would help only if both
    hosts kept one list of the keys that they have seen, which this proxy cannot know.
    """

    SAFE = "safe"
    IDEMPOTENT = "idempotent"
    UNSAFE = "unsafe"


class FallbackReason(StrEnum):
    """The failures after which a route may allow it; one word each, since it is a metric label."""

    NOT_READY = "not_ready"
    UNIMPLEMENTED = "unimplemented"
    UNAVAILABLE = "unavailable"
    TRANSLATE_ERROR = "translate_error"


@dataclass(frozen=True, slots=True)
class Failure:
    """How a request failed on the gRPC side.

    *sent* is False when nothing of the call can have left this process. *ours* says that the
    proxy itself failed the request, by its transcoding or its limits, and not a call. *hurried*
    says that a deadline ran out which the client had set below the route's own: that tells
    nothing of the upstream.
    """

    code: Code
    sent: bool
    ours: bool = False
    hurried: bool = False

    @classmethod
    def of(cls, error: StatusError, *, hurried: bool = False) -> "Failure":
        """The failure of a request that ended in *error* before any of its answer was given.

        Not for an error in making an HTTP answer of the message that a call has brought: that
        call has been made. Write `Failure(code, sent=True, ours=True)` for it.
        """
        if isinstance(error, UpstreamError):
            return cls(error.status.code, error.sent, hurried=hurried)
        return cls(error.status.code, sent=False, ours=True)

    @property
    def is_of_transport(self) -> bool:
        """Whether the server did not answer at all: what counts for the breaker."""
        return not self.ours and self.code in _OF_TRANSPORT


_OF_TRANSPORT: Final = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED})

_ANY: Final = frozenset(Safety)
_SAFE: Final = frozenset({Safety.SAFE})

_NOT_TRANSLATED: Final = (FallbackReason.TRANSLATE_ERROR, _ANY)

#: By (the proxy's own, sent, code): the reason, and the requests that may take it. What has no row
#: never falls back:
#:
#: - All other codes of a call are the application's answers, or may come after it has run.
#: - RESOURCE_EXHAUSTED that was not sent (413, 431) is an answer about the request. Legacy might
#:   take it, but its body may have been read in part only, and a route whose limits are too small
#:   should say so as long as there is a legacy host to go back to.
#: - DEADLINE_EXCEEDED that was not sent: the time that the request had is over.
#: - UNAVAILABLE of the proxy's own is its overload: a second call would add to it.
#: - An answer that cannot be transcoded: the call has been made.
#:
#: A TLS handshake that failed (UNAVAILABLE, not sent, 502) does fall back: the request goes where
#: it went before the route was moved, and nothing of it to a server that proved nothing.
_TABLE: Final[dict[tuple[bool, bool, Code], tuple[FallbackReason, frozenset[Safety]]]] = {
    (False, False, Code.UNAVAILABLE): (FallbackReason.NOT_READY, _ANY),
    (False, True, Code.UNAVAILABLE): (FallbackReason.UNAVAILABLE, _SAFE),
    (False, True, Code.UNIMPLEMENTED): (FallbackReason.UNIMPLEMENTED, _SAFE),
    # A call that gRPC cannot carry, as one with metadata that it refuses.
    (False, False, Code.INTERNAL): _NOT_TRANSLATED,
    (True, False, Code.INVALID_ARGUMENT): _NOT_TRANSLATED,
    (True, False, Code.OUT_OF_RANGE): _NOT_TRANSLATED,
    (True, False, Code.UNIMPLEMENTED): _NOT_TRANSLATED,
    (True, False, Code.INTERNAL): _NOT_TRANSLATED,
}


def fallback_reason(
    failure: Failure, safety: Safety, on: frozenset[FallbackReason]
) -> FallbackReason | None:
    """Why legacy may answer a request after *failure*; None when it may not.

    *on* is what the route allows. Whatever it allows, a request that is not safe never goes to
    legacy once bytes of it may have left: it may have been executed.

    >>> died = Failure(Code.UNAVAILABLE, sent=True)
    >>> fallback_reason(died, Safety.SAFE, frozenset(FallbackReason))
    <FallbackReason.UNAVAILABLE: 'unavailable'>
    >>> fallback_reason(died, Safety.UNSAFE, frozenset(FallbackReason))
    """
    row = _TABLE.get((failure.ours, failure.sent, failure.code))
    if row is None:
        return None
    reason, safeties = row
    return reason if reason in on and safety in safeties else None


#: Fallbacks that may come at once: those of the calls that are in flight at the moment in which a
#: server dies, before the breaker opens. As many as an upstream may have open by default.
BURST: Final = 2048

#: Fallbacks per second that are always covered: the probes of a breaker that opens for 100 ms at
#: a time, so that a long outage costs no client an error, however little traffic pays in.
FLOOR_PER_S: Final = 10.0


class FallbackBudget:
    """How much of a route's gRPC requests legacy may be asked to answer as well.

    A token bucket: each gRPC request pays *max_ratio* in, each fallback takes one out. Unlike the
    throttle of gRFC A6, failures that do not fall back take nothing, and the bucket may be emptied:
    ending a lasting outage is the breaker's work. *allowed* and *refused* count.
    """

    __slots__ = ("_burst", "_max_ratio", "_paid_s", "_tokens", "allowed", "refused")

    def __init__(self, max_ratio: float, burst: int = BURST) -> None:
        self._max_ratio = max_ratio
        self._burst = float(burst)
        self._tokens = self._burst
        self._paid_s: float | None = None
        self.allowed = 0
        self.refused = 0

    def __repr__(self) -> str:
        return f"<FallbackBudget {self._tokens:.1f}/{self._burst:g} refused={self.refused}>"

    def deposit(self) -> None:
        """Pay in for one gRPC request."""
        if self._tokens < self._burst:
            self._tokens = min(self._burst, self._tokens + self._max_ratio)

    def withdraw(self, now_s: float) -> bool:
        """Take one fallback out; False when the budget is spent. *now_s* is monotonic."""
        if self._paid_s is not None:
            floor = (now_s - self._paid_s) * FLOOR_PER_S
            self._tokens = min(self._burst, self._tokens + floor)
        self._paid_s = now_s
        if self._tokens < 1.0:
            self.refused += 1
            return False
        self._tokens -= 1.0
        self.allowed += 1
        return True
