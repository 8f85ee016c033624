"""The two sides of a route since it was last moved."""

import pytest

from proxy.telemetry.arms import Arm, quantile_s
from proxy.telemetry.counters import DURATION_BOUNDS_S
from proxy.telemetry.metrics import Metrics

RPC = "dns.v1.RecordService.GetRecord"


def test_each_side_has_its_requests_errors_and_durations() -> None:
    metrics = Metrics()
    route = metrics.for_route("a", RPC)
    for _ in range(99):
        route.observe("legacy", "2xx", "bucket", 0.0001)
    route.observe("legacy", "5xx", "bucket", 20.0)
    route.observe("grpc", "4xx", "bucket", 0.0001)
    arms = metrics.arms("a")
    assert (arms["legacy"].requests, arms["legacy"].errors) == (100, 1)
    assert (arms["grpc"].requests, arms["grpc"].errors) == (1, 0)
    assert arms["legacy"].p50_s < arms["legacy"].p95_s <= 0.0005
    assert metrics.arms("nobody asked it") == {}


def test_what_legacy_answered_for_grpc_is_an_error_of_grpc() -> None:
    metrics = Metrics()
    metrics.for_route("a", RPC).observe("legacy", "2xx", "fallback", 0.01)
    metrics.fallback("a", "not_ready")
    assert metrics.arms("a")["grpc"] == Arm(1, 1, 0.0, 0.0, 0.0)
    assert metrics.arms("a")["legacy"].errors == 0


def test_a_move_begins_them_anew() -> None:
    metrics = Metrics()
    route = metrics.for_route("a", RPC)
    route.observe("legacy", "5xx", "stage", 0.01)
    metrics.fallback("a", "not_ready")
    metrics.moved("a", 5)
    assert metrics.arms("a")["legacy"] == Arm(0, 0, 0.0, 0.0, 0.0)
    route.observe("legacy", "5xx", "stage", 0.01)
    route.observe("grpc", "2xx", "bucket", 0.01)
    # Nothing of the same move, or of an older one, begins them again.
    metrics.moved("a", 5)
    metrics.moved("a", 4)
    arms = metrics.arms("a")
    assert [(arm.requests, arm.errors) for arm in arms.values()] == [(1, 1), (1, 0)]


def test_two_rpcs_of_one_name_are_one_arm() -> None:
    metrics = Metrics()
    metrics.for_route("a", RPC).observe("grpc", "5xx", "stage", 0.1)
    metrics.for_route("a", "a.B.C").observe("grpc", "5xx", "stage", 0.1)
    arm = metrics.arms("a")["grpc"]
    assert (arm.requests, arm.errors) == (2, 2)


@pytest.mark.parametrize(
    ("bucket", "share", "expected"),
    [
        (0, 0.5, 0.00025),
        (0, 1.0, 0.0005),
        (1, 0.5, 0.00075),
        (len(DURATION_BOUNDS_S), 0.5, 30.0),
    ],
)
def test_quantiles_lie_within_their_bucket(bucket: int, share: float, expected: float) -> None:
    buckets = [0.0] * (len(DURATION_BOUNDS_S) + 1)
    buckets[bucket] = 8.0
    assert quantile_s(buckets, share) == pytest.approx(expected)
