"""The guard of a route: what its requests tell about gRPC, and whether that calls for a rollback.

Belongs here: one mutable object per route and process, which hands each outcome to those whom it
concerns. Does not: how they judge (`breaker`, `error_test`, `latency_test`), and moving the route
(`exchange`, `state`). Clocks are monotonic, in seconds.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.cutover.breaker import Breaker, BreakerOptions
from proxy.cutover.error_test import ErrorTest, ErrorTestOptions
from proxy.cutover.fallback import (
    Failure,
    FallbackBudget,
    FallbackReason,
    Safety,
    fallback_reason,
)
from proxy.cutover.latency_test import LatencyTest, LatencyTestOptions
from proxy.cutover.result import Result
from proxy.cutover.stages import Side


class Trigger(StrEnum):
    """What called for a rollback; a metric label."""

    ERROR_RATE = "error_rate"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Trip:
    """A demand to roll the route back. *text* says why, with the numbers."""

    trigger: Trigger
    text: str


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """What a route guards itself with; None is off.

    *fallback_max_ratio* is the share of its gRPC requests that may fall back in the long run.
    """

    breaker: BreakerOptions | None = field(default_factory=BreakerOptions)
    errors: ErrorTestOptions | None = field(default_factory=ErrorTestOptions)
    latency: LatencyTestOptions | None = field(default_factory=LatencyTestOptions)
    fallback_max_ratio: float = 0.2


@dataclass(slots=True)
class SideCounts:
    """Comparable requests of one side since the percentage moved or an operator acted."""

    requests: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Both sides, side by side."""

    legacy: SideCounts = field(default_factory=SideCounts)
    grpc: SideCounts = field(default_factory=SideCounts)


#: What a request that fell back was on gRPC.
_RESULT_OF_FALLBACK: Final = {
    FallbackReason.NOT_READY: Result.UNREACHABLE,
    FallbackReason.UNAVAILABLE: Result.UNREACHABLE,
    FallbackReason.UNIMPLEMENTED: Result.FAILED,
    FallbackReason.TRANSLATE_ERROR: Result.FAILED,
}


class RouteGuard:
    """The guard of one route in one process.

    Each request is recorded once: by `record` with the side that was decided *and* gave the answer,
    or by `record_fallback`, which knows no other side than gRPC and no result but failure. After a
    trip, kept in *tripped*, nothing is compared until `restart`.
    """

    __slots__ = (
        "_basis_points",
        "_error_test",
        "_latency_test",
        "_options",
        "_since_s",
        "breaker",
        "budget",
        "counts",
        "tripped",
    )

    def __init__(self, options: GuardOptions) -> None:
        self._options = options
        self.breaker = None if options.breaker is None else Breaker(options.breaker)
        self.budget = FallbackBudget(options.fallback_max_ratio)
        self.restart(-math.inf)

    def __repr__(self) -> str:
        return f"<RouteGuard e_value={self.e_value:.3g} {self.breaker!r} {self.budget!r}>"

    @property
    def e_value(self) -> float:
        """The evidence that gRPC fails more often than legacy; 1 where there is none."""
        return 1.0 if self._error_test is None else self._error_test.e_value

    def restart(self, now_s: float) -> None:
        """Compare anew: an operator has acted. Requests decided before *now_s* do not count.

        The breaker and the budget stay as they are: whether the server answers is no opinion.
        """
        options = self._options
        self.tripped: Trip | None = None
        self.counts = Counts()
        self._since_s = now_s
        self._basis_points = 0
        self._error_test = None if options.errors is None else ErrorTest(options.errors, 0)
        self._latency_test = None if options.latency is None else LatencyTest(options.latency)

    def allows(self, now_s: float, may_probe: bool) -> bool:
        """Whether the breaker lets a request pass that would go to gRPC; see `Breaker.allows`."""
        return self.breaker is None or self.breaker.allows(now_s, may_probe)

    def falls_back(
        self, failure: Failure, safety: Safety, on: frozenset[FallbackReason], now_s: float
    ) -> FallbackReason | None:
        """Why legacy is to answer a request after *failure*, within the budget; None if it is not.

        A request that falls back is recorded by `record_fallback` when legacy has answered.
        """
        reason = fallback_reason(failure, safety, on)
        return reason if reason is not None and self.budget.withdraw(now_s) else None

    def record(
        self,
        side: Side,
        result: Result,
        *,
        comparable: bool,
        basis_points: int,
        decided_s: float,
        duration_s: float,
        now_s: float,
        bucket: int | None = None,
    ) -> Trip | None:
        """Record a request that *side* was asked, and no other; a trip if that is enough.

        *comparable* says that the bucket alone sent it to its side; requests that were forced,
        pinned, overridden or without a key are not. *basis_points* is the percentage that it was
        decided by, at *decided_s*; *duration_s* the time from then until the answer began. *bucket*
        is its client's, so that one client alone cannot roll the route back by errors.
        """
        if side is Side.GRPC:
            self.budget.deposit()
            if self.breaker is not None:
                self.breaker.record(result, decided_s, now_s)
        if not comparable or result is Result.ABANDONED or self.tripped is not None:
            return None
        if not self._belongs(basis_points, decided_s):
            return None
        on_grpc = side is Side.GRPC
        counts = self.counts.grpc if on_grpc else self.counts.legacy
        counts.requests += 1
        if result is Result.ANSWERED:
            return self._answered(on_grpc, duration_s, now_s)
        counts.errors += 1
        return self._failed(on_grpc, now_s, bucket)

    def record_fallback(
        self,
        reason: FallbackReason,
        legacy_http_status: int,
        *,
        comparable: bool,
        basis_points: int,
        decided_s: float,
        now_s: float,
        bucket: int | None = None,
    ) -> Trip | None:
        """Record a request that fell back: a failure of gRPC, whatever legacy made of it.

        With one exception, which is no success either: what could not be translated and legacy
        refuses as well, with a status of 4xx, was the client's mistake and is not compared. Else
        anybody could roll a route back by sending what is no JSON.
        """
        if reason is FallbackReason.TRANSLATE_ERROR and 400 <= legacy_http_status < 500:
            comparable = False
        return self.record(
            Side.GRPC,
            _RESULT_OF_FALLBACK[reason],
            comparable=comparable,
            basis_points=basis_points,
            decided_s=decided_s,
            duration_s=math.inf,
            now_s=now_s,
            bucket=bucket,
        )

    def _belongs(self, basis_points: int, decided_s: float) -> bool:
        """Whether a request belongs to what is being compared; the first at a percentage does.

        It does not if it was decided before the last move. Nor if it was while the breaker was
        open: then gRPC has no share of the requests.
        """
        if decided_s < self._since_s or not self._was_closed(decided_s):
            return False
        if basis_points != self._basis_points:
            self._move(basis_points, decided_s)
        return True

    def _was_closed(self, decided_s: float) -> bool:
        return self.breaker is None or self.breaker.was_closed(decided_s)

    def _move(self, basis_points: int, decided_s: float) -> None:
        self._basis_points = basis_points
        self._since_s = decided_s
        self.counts = Counts()
        if self._error_test is not None:
            self._error_test.moved(basis_points)
        if self._latency_test is not None:
            self._latency_test.restart()

    def _answered(self, on_grpc: bool, duration_s: float, now_s: float) -> Trip | None:
        if self._error_test is not None:
            self._error_test.answered(on_grpc)
        if self._latency_test is not None:
            slow = self._latency_test.answered(on_grpc, duration_s, now_s)
            if slow is not None:
                self.tripped = Trip(Trigger.LATENCY, str(slow))
        return self.tripped

    def _failed(self, on_grpc: bool, now_s: float, bucket: int | None) -> Trip | None:
        if self._error_test is None:
            return None
        evidence = self._error_test.failed(on_grpc, now_s, bucket)
        if evidence is not None:
            self.tripped = Trip(Trigger.ERROR_RATE, str(evidence))
        return self.tripped
