"""Metrics: names, labels and numbers as Prometheus reads them."""

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from proxy.telemetry.counters import MAX_OUTCOMES
from proxy.telemetry.metrics import Metrics, RouteReading

RPC = "dns.v1.RecordService.GetRecord"


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and sorted labels, as a Prometheus server parses them."""
    _, body = metrics.render()
    found: list[Sample] = []
    for family in text_string_to_metric_families(body.decode()):
        found += family.samples
    values = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in found}
    assert len(values) == len(found), "a series is shown twice"
    return values


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


def test_requests_are_counted_by_side_class_and_reason() -> None:
    metrics = Metrics()
    route = metrics.for_route("get-record", RPC)
    route.observe("grpc", "2xx", "stage", 0.003)
    route.observe("grpc", "2xx", "stage", 0.3)
    route.observe("legacy", "5xx", "stage", 0.1)
    labels = {"route": "get-record", "rpc": RPC, "reason": "stage"}
    name = "cutover_requests_total"
    assert value(metrics, name, side="grpc", code_class="2xx", **labels) == 2
    assert value(metrics, name, side="legacy", code_class="5xx", **labels) == 1
    assert route.requests == 3


def test_durations_are_cumulated_in_buckets() -> None:
    metrics = Metrics()
    route = metrics.for_route("a", RPC)
    for duration_s in (0.0001, 0.001, 0.003, 60.0):
        route.observe("grpc", "2xx", "stage", duration_s)
    name = "cutover_request_duration_seconds"
    labels = {"route": "a", "side": "grpc"}
    bounds = ("0.0005", "0.001", "0.005", "30.0", "+Inf")
    buckets = [value(metrics, f"{name}_bucket", le=bound, **labels) for bound in bounds]
    # A bound belongs to its bucket: `le` is "less or equal".
    assert buckets == [1, 2, 3, 3, 4]
    assert value(metrics, f"{name}_count", **labels) == 4
    total = value(metrics, f"{name}_sum", **labels)
    assert total is not None
    assert abs(total - 60.0041) < 1e-6


def test_overhead_is_counted_only_where_it_was_measured() -> None:
    metrics = Metrics()
    route = metrics.for_route("a", RPC)
    route.observe("grpc", "2xx", "stage", 0.003)
    route.observe("grpc", "2xx", "stage", 0.003, 0.0001)
    assert value(metrics, "cutover_overhead_seconds_count", route="a") == 1


def test_same_names_give_the_same_counters() -> None:
    metrics = Metrics()
    assert metrics.for_route("a", RPC) is metrics.for_route("a", RPC)


def test_name_that_moves_to_another_rpc_makes_no_series_twice() -> None:
    """Prometheus refuses a whole scrape for one series that is shown twice."""
    metrics = Metrics()
    for rpc in (RPC, "a.B.C"):
        metrics.for_route("a", rpc).observe("grpc", "2xx", "stage", 0.1, 0.1)
        metrics.for_route("a", rpc).unknown_fields(2)
    assert value(metrics, "cutover_request_duration_seconds_count", route="a", side="grpc") == 2
    assert value(metrics, "cutover_unknown_fields_total", route="a") == 4


def test_free_text_as_a_label_ends_in_other() -> None:
    metrics = Metrics()
    route = metrics.for_route("a", RPC)
    for number in range(MAX_OUTCOMES + 10):
        route.observe("grpc", "2xx", f"reason {number}", 0.1)
    assert len(list(route.outcomes())) == MAX_OUTCOMES + 1
    labels = {"side": "other", "code_class": "other", "reason": "other"}
    assert value(metrics, "cutover_requests_total", route="a", rpc=RPC, **labels) == 10
    # Known outcomes are still counted as what they are.
    route.observe("grpc", "2xx", "reason 0", 0.1)
    labels = {"side": "grpc", "code_class": "2xx", "reason": "reason 0"}
    assert value(metrics, "cutover_requests_total", route="a", rpc=RPC, **labels) == 2


def test_upstream_errors() -> None:
    metrics = Metrics()
    metrics.upstream_error("dns", "UNAVAILABLE")
    metrics.upstream_error("dns", "UNAVAILABLE")
    metrics.upstream_tls_error("dns")
    name = "cutover_upstream_errors_total"
    assert value(metrics, name, upstream="dns", code="UNAVAILABLE") == 2
    assert value(metrics, "cutover_upstream_tls_errors_total", upstream="dns") == 1


def test_configuration_in_force() -> None:
    metrics = Metrics()
    assert value(metrics, "cutover_config_last_reload_successful") == 0
    metrics.config_loaded("abc", {"a": "legacy", "gone": "legacy"}, 1000.0)
    metrics.config_loaded("def", {"a": "grpc"}, 2000.0)
    assert value(metrics, "cutover_config_info", digest="def") == 1
    assert value(metrics, "cutover_config_info", digest="abc") is None
    assert value(metrics, "cutover_route_stage", route="a", stage="grpc") == 1
    assert value(metrics, "cutover_route_stage", route="a", stage="legacy") == 0
    assert value(metrics, "cutover_route_stage", route="gone", stage="legacy") is None
    assert value(metrics, "cutover_config_last_reload_successful") == 1
    metrics.config_refused()
    assert value(metrics, "cutover_config_last_reload_successful") == 0
    assert value(metrics, "cutover_config_last_reload_success_timestamp_seconds") == 2000
    assert value(metrics, "cutover_config_reloads_total", result="success") == 2
    assert value(metrics, "cutover_config_reloads_total", result="failure") == 1


def test_requests_in_flight_and_numbers_of_others_are_read_when_asked_for() -> None:
    metrics = Metrics()
    metrics.inflight += 2
    kept = {"dropped": 1.0}
    metrics.count_from("cutover_log_dropped", "Lines lost.", lambda: kept["dropped"])
    kept["dropped"] = 3.0
    assert value(metrics, "cutover_inflight_requests") == 2
    assert value(metrics, "cutover_log_dropped_total") == 3


def test_process_and_garbage_collector_are_shown() -> None:
    names = {name for name, _ in samples(Metrics())}
    assert {"python_info", "python_gc_collections_total", "cutover_loop_lag_seconds_count"} <= names


def test_two_registries_live_side_by_side() -> None:
    first, second = Metrics(), Metrics()
    first.for_route("a", RPC).observe("grpc", "2xx", "stage", 0.1)
    assert value(second, "cutover_request_duration_seconds_count", route="a", side="grpc") is None


def test_format_follows_accept() -> None:
    metrics = Metrics()
    plain, _ = metrics.render()
    openmetrics, body = metrics.render("application/openmetrics-text; version=1.0.0")
    assert plain.startswith("text/plain; version=0.0.4")
    assert openmetrics.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_objects_show_their_state() -> None:
    metrics = Metrics()
    route = metrics.for_route("a", RPC)
    route.observe("grpc", "2xx", "stage", 0.5)
    metrics.loop_lag.observe(0.25)
    assert repr(metrics) == "Metrics(routes=1, inflight=0)"
    assert repr(route) == f"RouteMetrics('a', '{RPC}', requests=1)"
    assert repr(metrics.loop_lag) == "Histogram(count=1, sum=0.25)"


def test_what_happens_to_routes_on_their_way_is_counted() -> None:
    metrics = Metrics()
    metrics.fallback("a", "not_ready")
    metrics.fallback("a", "not_ready")
    metrics.rollback("a", "error_rate")
    metrics.refused("inflight")
    metrics.refused("inflight", 3)
    assert value(metrics, "cutover_fallback_total", route="a", reason="not_ready") == 2
    assert value(metrics, "cutover_rollback_total", route="a", trigger="error_rate") == 1
    assert value(metrics, "cutover_refused_total", reason="inflight") == 4


def test_where_routes_stand_is_read_when_asked_for() -> None:
    metrics = Metrics()
    metrics.config_loaded("abc", {"a": "legacy", "b": "legacy"}, 1000.0)
    readings = [RouteReading("a", "canary", 0.25, 3.5, 1)]
    metrics.routes_from(lambda: readings)
    metrics.kill_switch_from(lambda: True)
    metrics.connections_from(lambda: 7)
    assert value(metrics, "cutover_route_stage", route="a", stage="canary") == 1
    assert value(metrics, "cutover_route_stage", route="a", stage="legacy") == 0
    assert value(metrics, "cutover_route_stage", route="b", stage="legacy") == 1
    assert value(metrics, "cutover_route_percent_ratio", route="a") == 0.25
    assert value(metrics, "cutover_error_e_value", route="a") == 3.5
    assert value(metrics, "cutover_breaker_state", route="a") == 1
    assert value(metrics, "cutover_kill_switch") == 1
    assert value(metrics, "cutover_connections") == 7
    readings[0] = RouteReading("a", "canary", 0.5, 3.5, 1)
    assert value(metrics, "cutover_route_percent_ratio", route="a") == 0.5
