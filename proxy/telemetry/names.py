"""The names, texts and labels of all metrics, and how those of several workers become one.

Labels are names from the configuration or words from small tables, never a path, a user or a text
from a request. A gauge is merged so that the worst, or the latest, of the workers is what shows.
"""

from typing import Final

from proxy.telemetry.counters import DURATION_BOUNDS_S, OVERHEAD_BOUNDS_S
from proxy.telemetry.tally import Definition, Kind, Merge

#: How late the event loop runs a timer, in seconds.
LAG_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
#: A pair of small answers is compared in tens of microseconds; what takes longer than some
#: milliseconds belongs into the helper process.
COMPARE_BOUNDS_S: Final = (
    *(0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005),
    *(0.01, 0.02, 0.05, 0.1, 0.5),
)


def _counter(name: str, documentation: str, *labels: str) -> Definition:
    return Definition(name, documentation, Kind.COUNTER, labels)


def _gauge(name: str, documentation: str, *labels: str, merge: Merge = Merge.MAX) -> Definition:
    return Definition(name, documentation, Kind.GAUGE, labels, merge)


def _histogram(
    name: str, documentation: str, *labels: str, bounds: tuple[float, ...]
) -> Definition:
    return Definition(name, documentation, Kind.HISTOGRAM, labels, bounds=bounds)


REQUESTS: Final = _counter(
    "cutover_requests",
    "Requests answered, by side and reason.",
    *("route", "rpc", "side", "code_class", "reason"),
)
DURATIONS: Final = _histogram(
    "cutover_request_duration_seconds",
    "From the end of the request's header to the end of the answer.",
    *("route", "side"),
    bounds=DURATION_BOUNDS_S,
)
OVERHEAD: Final = _histogram(
    "cutover_overhead_seconds",
    "The part of a request in which no upstream was waited for.",
    "route",
    bounds=OVERHEAD_BOUNDS_S,
)
UNKNOWN_FIELDS: Final = _counter(
    "cutover_unknown_fields", "Query parameters and body fields that the message lacks.", "route"
)
PAGE_CALLS: Final = _counter(
    "cutover_page_calls", "Calls made for pages that are read page after page.", "route"
)
LEGACY_URLS: Final = _counter(
    "cutover_legacy_url",
    "Requests whose URL was a legacy form of the route's own, by what was legacy about it.",
    *("route", "quirk"),
)
UPSTREAM_ERRORS: Final = _counter(
    "cutover_upstream_errors",
    "Calls that an upstream ended with an error.",
    *("upstream", "code"),
)
TLS_ERRORS: Final = _counter(
    "cutover_upstream_tls_errors", "Connections that failed to verify the upstream.", "upstream"
)
UPSTREAM_INFLIGHT: Final = _gauge(
    "cutover_upstream_inflight",
    "Calls that are open to the upstream.",
    "upstream",
    merge=Merge.SUM,
)
UPSTREAM_REFUSED: Final = _counter(
    "cutover_upstream_refused",
    "Calls to the upstream that were not made, since too many were open or waited.",
    "upstream",
)
UPSTREAM_RETRIES: Final = _counter(
    "cutover_upstream_retries",
    "Calls to the upstream made again, and those that the retry budget refused to make again.",
    *("upstream", "result"),
)
UPSTREAM_ADDRESSES: Final = _gauge(
    "cutover_upstream_addresses",
    "Addresses that the upstream's target has; the most that a worker knows.",
    "upstream",
)
FALLBACKS: Final = _counter(
    "cutover_fallback",
    "Requests that legacy answered after gRPC had failed them, by what failed.",
    *("route", "reason"),
)
ROLLBACKS: Final = _counter(
    "cutover_rollback", "Routes taken back to legacy without an operator.", "route", "trigger"
)
REFUSED: Final = _counter(
    "cutover_refused", "Requests and connections refused to stay within a limit.", "reason"
)

SHADOW: Final = _counter(
    "cutover_shadow",
    "What became of the requests that could be mirrored, by the ends of their lives.",
    *("route", "outcome", "reason"),
)
SHADOW_COMPARED: Final = _counter(
    "cutover_shadow_compared", "Pairs of answers compared, by verdict.", "route", "verdict"
)
SHADOW_DIFFS: Final = _counter(
    "cutover_shadow_diffs", "Differences between the two sides, by kind.", "route", "kind"
)
SHADOW_RULE_HITS: Final = _counter(
    "cutover_shadow_rule_hits", "Differences that a rule of the route excused.", "route", "rule"
)
SHADOW_DURATIONS: Final = _histogram(
    "cutover_shadow_duration_seconds",
    "How long the calls of mirrors took.",
    *("route", "leg"),
    bounds=DURATION_BOUNDS_S,
)
SHADOW_COMPARES: Final = _histogram(
    "cutover_shadow_compare_seconds",
    "How long comparing a pair of answers took.",
    "route",
    bounds=COMPARE_BOUNDS_S,
)
SHADOW_INFLIGHT: Final = _gauge("cutover_shadow_inflight", "Mirrors that run.", merge=Merge.SUM)
SHADOW_QUEUE_DEPTH: Final = _gauge(
    "cutover_shadow_queue_depth", "Mirrors that wait for their start.", merge=Merge.SUM
)
SHADOW_BUFFERED: Final = _gauge(
    "cutover_shadow_buffered_bytes", "Bytes of bodies that mirrors hold.", merge=Merge.SUM
)
SHADOW_IMBALANCE: Final = _gauge(
    "cutover_shadow_imbalance",
    "Mirrors whose end was counted twice or never: 0 unless there is a defect.",
)
EVIDENCE_DROPPED: Final = _counter(
    "cutover_evidence_dropped", "Observations that the evidence store did not take."
)
EVIDENCE_PROBLEM: Final = _gauge(
    "cutover_evidence_problem", "1 while the evidence store takes nothing."
)
MISMATCH_BOUND: Final = _gauge(
    "cutover_mismatch_upper_bound_ratio",
    "The rate of mismatches is at most this, with the confidence of the route's gate.",
    "route",
)

CONFIG_INFO: Final = _gauge("cutover_config_info", "The configuration in force.", "digest")
ROUTE_STAGE: Final = _gauge(
    "cutover_route_stage", "1 for the stage a route is in, else 0.", "route", "stage"
)
ROUTE_PERCENT: Final = _gauge(
    "cutover_route_percent_ratio", "The share of its keys that gRPC answers for.", "route"
)
E_VALUE: Final = _gauge(
    "cutover_error_e_value",
    "Evidence that gRPC fails more often than legacy; the largest of the workers.",
    "route",
)
BREAKER_STATE: Final = _gauge(
    "cutover_breaker_state",
    "0 closed, 1 half-open, 2 open; the worst of the workers.",
    "route",
)
KILL_SWITCH: Final = _gauge("cutover_kill_switch", "1 when legacy answers for every route.")
RELOADS: Final = _counter(
    "cutover_config_reloads",
    "Configurations read, by result; each worker counts its own.",
    "result",
)
LAST_RELOAD_SUCCESSFUL: Final = _gauge(
    "cutover_config_last_reload_successful",
    "1 when the newest configuration read is in force.",
    merge=Merge.MIN,
)
LAST_SUCCESS: Final = _gauge(
    "cutover_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read.",
    merge=Merge.MIN,
)

INFLIGHT: Final = _gauge("cutover_inflight_requests", "Requests being answered.", merge=Merge.SUM)
CONNECTIONS: Final = _gauge(
    "cutover_connections", "Connections that clients hold open.", merge=Merge.SUM
)
LOOP_LAG: Final = _histogram(
    "cutover_loop_lag_seconds", "How late the event loop ran a timer.", bounds=LAG_BOUNDS_S
)
WORKERS: Final = _gauge("cutover_workers", "Workers that serve.")
WORKER_RESTARTS: Final = _counter(
    "cutover_worker_restarts",
    "Workers started in the place of others: of those that died, or in a rolling restart.",
    "reason",
)

#: How what `prometheus_client` says of a process becomes one. Counters are summed; what is not
#: named here is the same in all workers.
PROCESS_GAUGES: Final = {
    "process_virtual_memory_bytes": Merge.SUM,
    "process_resident_memory_bytes": Merge.SUM,
    "process_open_fds": Merge.SUM,
    "process_max_fds": Merge.MIN,
    "process_start_time_seconds": Merge.MIN,
}
