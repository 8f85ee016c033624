"""The guard of a route: what is compared, what is not, and what makes it trip."""

import math

import pytest

from proxy.cutover.breaker import BreakerState
from proxy.cutover.fallback import BURST, Failure, FallbackReason, Safety
from proxy.cutover.guard import GuardOptions, RouteGuard, Trigger, Trip
from proxy.cutover.latency_test import LatencyTestOptions
from proxy.cutover.result import Result
from proxy.cutover.stages import Side
from proxy.status import Code

WITHOUT_BREAKER = GuardOptions(breaker=None)


def record(
    guard: RouteGuard,
    side: Side,
    result: Result,
    at_s: float,
    *,
    comparable: bool = True,
    basis_points: int = 500,
    decided_s: float | None = None,
    duration_s: float = 0.01,
    bucket: int | None = None,
) -> Trip | None:
    return guard.record(
        side,
        result,
        comparable=comparable,
        basis_points=basis_points,
        decided_s=at_s if decided_s is None else decided_s,
        duration_s=duration_s,
        now_s=at_s,
        bucket=bucket,
    )


def fall_back(
    guard: RouteGuard,
    reason: FallbackReason,
    at_s: float,
    legacy_http_status: int = 200,
    bucket: int | None = None,
) -> Trip | None:
    return guard.record_fallback(
        reason,
        legacy_http_status,
        comparable=True,
        basis_points=500,
        decided_s=at_s,
        now_s=at_s,
        bucket=bucket,
    )


def tripped_after(guard: RouteGuard, result: Result, *, limit: int = 50) -> int:
    for number in range(1, limit):
        if record(guard, Side.GRPC, result, float(number)) is not None:
            return number
    raise AssertionError("no trip")


@pytest.mark.parametrize("result", [Result.FAILED, Result.UNREACHABLE])
def test_errors_on_grpc_alone_trip_within_five_with_the_numbers(result):
    guard = RouteGuard(GuardOptions())
    assert tripped_after(guard, result) <= 5
    assert guard.tripped is not None
    assert guard.tripped.trigger is Trigger.ERROR_RATE
    assert "errors on gRPC" in guard.tripped.text
    assert guard.e_value >= 100


def test_one_client_alone_does_not_roll_a_route_back_by_its_failures():
    guard = RouteGuard(WITHOUT_BREAKER)
    for number in range(100):
        for _ in range(38):
            record(guard, Side.LEGACY, Result.ANSWERED, float(number), bucket=5000)
        record(guard, Side.GRPC, Result.FAILED, float(number), bucket=7)
        fall_back(guard, FallbackReason.UNIMPLEMENTED, float(number), bucket=7)
    assert guard.tripped is None
    assert guard.counts.grpc.errors == 200
    assert fall_back(guard, FallbackReason.UNIMPLEMENTED, 100.0, bucket=8) is None
    assert record(guard, Side.GRPC, Result.FAILED, 100.0, bucket=9) is not None


@pytest.mark.parametrize("reason", FallbackReason)
def test_a_fallback_is_a_failure_of_grpc_whatever_legacy_made_of_it(reason):
    guard = RouteGuard(GuardOptions())
    trips = [fall_back(guard, reason, float(number)) for number in range(5)]
    assert any(trips)
    assert (guard.counts.grpc.requests, guard.counts.legacy.requests) == (3, 0)
    assert guard.counts.grpc.errors == 3


@pytest.mark.parametrize("reason", [FallbackReason.NOT_READY, FallbackReason.UNAVAILABLE])
def test_fallbacks_from_a_silent_server_open_the_breaker(reason):
    guard = RouteGuard(GuardOptions(errors=None))
    for number in range(5):
        assert guard.allows(float(number), may_probe=True)
        fall_back(guard, reason, float(number))
    assert not guard.allows(4.1, may_probe=True)


@pytest.mark.parametrize("reason", [FallbackReason.UNIMPLEMENTED, FallbackReason.TRANSLATE_ERROR])
def test_fallbacks_that_a_server_is_no_cause_of_leave_the_breaker(reason):
    guard = RouteGuard(GuardOptions(errors=None))
    for number in range(50):
        fall_back(guard, reason, float(number))
    assert guard.breaker is not None
    assert guard.breaker.state(50.0) is BreakerState.CLOSED


@pytest.mark.parametrize("http_status", [400, 404, 415, 499])
def test_what_neither_side_takes_cannot_roll_a_route_back(http_status):
    guard = RouteGuard(GuardOptions())
    for number in range(100):
        trip = fall_back(guard, FallbackReason.TRANSLATE_ERROR, float(number), http_status)
        assert trip is None
    assert guard.counts.grpc.requests == 0


@pytest.mark.parametrize("http_status", [404, 503])
def test_a_server_that_is_away_is_a_failure_though_legacy_refuses(http_status):
    guard = RouteGuard(GuardOptions())
    for number in range(2):
        fall_back(guard, FallbackReason.NOT_READY, float(number), http_status)
    assert guard.counts.grpc.errors == 2


def test_only_comparable_requests_are_compared():
    guard = RouteGuard(GuardOptions())
    for number in range(100):
        for side in (Side.LEGACY, Side.GRPC):
            assert record(guard, side, Result.FAILED, float(number), comparable=False) is None
    assert guard.e_value == 1.0
    assert guard.counts.grpc.requests == guard.counts.legacy.requests == 0


def test_requests_that_were_given_up_tell_nothing():
    guard = RouteGuard(GuardOptions())
    for number in range(100):
        assert record(guard, Side.GRPC, Result.ABANDONED, float(number)) is None
    assert guard.counts.grpc.requests == 0
    assert guard.allows(100.0, may_probe=False)


def test_both_sides_are_counted():
    guard = RouteGuard(GuardOptions())
    for number in range(10):
        record(guard, Side.LEGACY, Result.ANSWERED, float(number))
    record(guard, Side.LEGACY, Result.FAILED, 10.0)
    record(guard, Side.GRPC, Result.ANSWERED, 11.0)
    counts = guard.counts
    assert (counts.legacy.requests, counts.legacy.errors) == (11, 1)
    assert (counts.grpc.requests, counts.grpc.errors) == (1, 0)


def test_a_route_trips_once_and_then_waits_for_an_operator():
    guard = RouteGuard(WITHOUT_BREAKER)
    tripped_after(guard, Result.FAILED)
    for number in range(10):
        assert record(guard, Side.GRPC, Result.FAILED, 100.0 + number) is None
    guard.restart(200.0)
    assert guard.tripped is None
    assert guard.e_value == 1.0
    assert record(guard, Side.GRPC, Result.FAILED, 201.0, decided_s=199.0) is None
    assert guard.counts.grpc.requests == 0
    assert record(guard, Side.GRPC, Result.FAILED, 202.0) is None
    assert guard.counts.grpc.errors == 1


def test_a_new_percentage_counts_anew_and_ignores_what_was_decided_before():
    guard = RouteGuard(WITHOUT_BREAKER)
    for number in range(10):
        record(guard, Side.LEGACY, Result.ANSWERED, float(number))
    record(guard, Side.LEGACY, Result.ANSWERED, 20.0, basis_points=2500)
    assert guard.counts.legacy.requests == 1
    for _ in range(100):
        late = record(guard, Side.GRPC, Result.FAILED, 21.0, decided_s=15.0, basis_points=500)
        assert late is None
    record(guard, Side.GRPC, Result.ANSWERED, 22.0, basis_points=2500)
    assert guard.counts.legacy.requests == guard.counts.grpc.requests == 1
    assert guard.counts.grpc.errors == 0


def test_what_is_decided_while_the_breaker_is_open_is_not_compared():
    """Legacy then has requests that the bucket alone would have sent to gRPC."""
    guard = RouteGuard(GuardOptions())
    for number in range(500):
        record(guard, Side.LEGACY, Result.ANSWERED, number / 100)
    for number in range(5):
        record(guard, Side.GRPC, Result.UNREACHABLE, 6.0 + number / 10, comparable=number == 0)
    e_value, requests = guard.e_value, guard.counts.legacy.requests
    for number in range(100):
        record(guard, Side.LEGACY, Result.FAILED, 7.0 + number / 1000)
    assert record(guard, Side.GRPC, Result.UNREACHABLE, 7.5) is None
    assert (guard.e_value, guard.counts.legacy.requests) == (e_value, requests)


def test_the_failures_that_open_the_breaker_are_compared():
    guard = RouteGuard(GuardOptions())
    for number in range(10):
        record(guard, Side.GRPC, Result.UNREACHABLE, 1.0 + number, decided_s=0.5, basis_points=5000)
    assert guard.counts.grpc.errors >= 9


def test_slow_answers_trip_with_the_numbers():
    guard = RouteGuard(GuardOptions(latency=LatencyTestOptions(interval_s=1.0, min_requests=20)))
    now_s = 0.0
    while guard.tripped is None:
        now_s += 0.01
        on_grpc = round(now_s * 100) % 2 == 0
        trip = record(
            guard,
            Side.GRPC if on_grpc else Side.LEGACY,
            Result.ANSWERED,
            now_s,
            duration_s=0.2 if on_grpc else 0.01,
        )
        assert now_s < 10
    assert guard.tripped is trip
    assert trip.trigger is Trigger.LATENCY
    assert "took longer than legacy's p9" in trip.text


def test_errors_have_no_latency():
    guard = RouteGuard(
        GuardOptions(errors=None, latency=LatencyTestOptions(interval_s=1.0, min_requests=20))
    )
    for number in range(2000):
        result = Result.ANSWERED if number % 2 else Result.FAILED
        side = Side.LEGACY if number % 2 else Side.GRPC
        assert record(guard, side, result, number / 100, duration_s=9.0) is None


def test_what_is_off_does_nothing():
    guard = RouteGuard(GuardOptions(breaker=None, errors=None, latency=None))
    for number in range(100):
        assert guard.allows(float(number), may_probe=False)
        assert record(guard, Side.GRPC, Result.UNREACHABLE, float(number)) is None
        assert record(guard, Side.LEGACY, Result.ANSWERED, float(number)) is None
    assert guard.e_value == 1.0
    assert guard.counts.grpc.errors == 100
    assert repr(guard).startswith("<RouteGuard e_value=1")


def test_falling_back_is_for_the_table_and_the_budget_to_allow():
    guard = RouteGuard(GuardOptions(fallback_max_ratio=0.5))
    on = frozenset({FallbackReason.NOT_READY})
    away = Failure(Code.UNAVAILABLE, sent=False)
    assert guard.falls_back(away, Safety.UNSAFE, frozenset(), 0.0) is None
    assert guard.falls_back(Failure(Code.NOT_FOUND, sent=True), Safety.SAFE, on, 0.0) is None
    for _ in range(BURST):
        assert guard.falls_back(away, Safety.UNSAFE, on, 0.0) is FallbackReason.NOT_READY
    assert guard.falls_back(away, Safety.UNSAFE, on, 0.0) is None
    for number in range(2):
        record(guard, Side.GRPC, Result.ANSWERED, float(number))
    assert guard.falls_back(away, Safety.UNSAFE, on, 0.0) is FallbackReason.NOT_READY


def test_a_requests_arrival_before_any_restart_counts():
    guard = RouteGuard(GuardOptions())
    record(guard, Side.GRPC, Result.FAILED, 0.0, decided_s=-math.inf)
    assert guard.counts.grpc.errors == 1
