"""All metrics of the process under their Prometheus names.

Belongs here: names, labels and texts of metrics, and the counters that are not per route. Labels
are names from the configuration or words from small tables, never a path, a user or a text from a
request. Does not: when to count (`exchange`), the listener (`admin`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from proxy.telemetry.counters import Histogram, NameCounters, RouteMetrics

#: How late the event loop runs a timer, in seconds.
LAG_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A number that somebody else keeps, read when the metrics are."""

    name: str
    documentation: str
    read: Callable[[], float]


class Metrics(Collector):
    """All metrics of one process, in a registry of their own.

    The object outlives a reload: counters must not fall back, so a route that went away keeps its
    counts. Use it from the event loop's thread only.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._routes: dict[tuple[str, str], RouteMetrics] = {}
        self._named: defaultdict[str, NameCounters] = defaultdict(NameCounters)
        self._upstream_errors: Counter[tuple[str, str]] = Counter()
        self._tls_errors: Counter[str] = Counter()
        self._stages: Mapping[str, str] = {}
        self._readings: list[_Reading] = []
        self._digest = ""
        self._reloads = {"success": 0, "failure": 0}
        self._last_reload_successful = False
        self._last_success_s = 0.0
        self.inflight = 0
        self.loop_lag = Histogram(LAG_BOUNDS_S)
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def __repr__(self) -> str:
        return f"Metrics(routes={len(self._routes)}, inflight={self.inflight})"

    def for_route(self, name: str, rpc: str) -> RouteMetrics:
        """The counters of a route; the same object for the same names."""
        if (name, rpc) not in self._routes:
            self._routes[name, rpc] = RouteMetrics(name, rpc, self._named[name])
        return self._routes[name, rpc]

    def upstream_error(self, upstream: str, code: str) -> None:
        """Count a call that *upstream* ended with an error; *code* is the status code's name."""
        self._upstream_errors[upstream, code] += 1

    def upstream_tls_error(self, upstream: str) -> None:
        """Count a connection to *upstream* that failed to verify it."""
        self._tls_errors[upstream] += 1

    def config_loaded(self, digest: str, stages: Mapping[str, str], at_s: float) -> None:
        """Note the configuration in force from now on, at *at_s* seconds since the epoch.

        *stages* are the stages of its routes by route name.
        """
        self._digest = digest
        self._stages = dict(stages)
        self._last_success_s = at_s
        self._last_reload_successful = True
        self._reloads["success"] += 1

    def config_refused(self) -> None:
        """Note that a new configuration was refused; the one in force stays."""
        self._last_reload_successful = False
        self._reloads["failure"] += 1

    def count_from(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Show a counter that another object keeps: *name* as shown, without `_total`."""
        self._readings.append(_Reading(name, documentation, read))

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """The content type and text of all metrics, in the format that *accept* asks for."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing, which tells the registry not to collect at registration."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The families that exist now."""
        yield self._requests()
        yield from self._by_route_name()
        yield from self._of_upstreams()
        yield from self._of_config()
        yield from self._of_process()

    def _requests(self) -> Metric:
        family = CounterMetricFamily(
            "cutover_requests",
            "Requests answered, by side and reason.",
            labels=("route", "rpc", "side", "code_class", "reason"),
        )
        for route in self._routes.values():
            for outcome, count in route.outcomes():
                family.add_metric((route.name, route.rpc, *outcome), count)
        return family

    def _by_route_name(self) -> Iterable[Metric]:
        durations = HistogramMetricFamily(
            "cutover_request_duration_seconds",
            "From the end of the request's header to the end of the answer.",
            labels=("route", "side"),
        )
        overhead = HistogramMetricFamily(
            "cutover_overhead_seconds",
            "The part of a request in which no upstream was waited for.",
            labels=("route",),
        )
        unknown = CounterMetricFamily(
            "cutover_unknown_fields",
            "Query parameters and body fields that the message lacks.",
            labels=("route",),
        )
        for name, counters in self._named.items():
            for side, histogram in counters.durations.items():
                histogram.add_to(durations, (name, side))
            counters.overhead.add_to(overhead, (name,))
            unknown.add_metric((name,), counters.unknown_fields)
        return durations, overhead, unknown

    def _of_upstreams(self) -> Iterable[Metric]:
        errors = CounterMetricFamily(
            "cutover_upstream_errors",
            "Calls that an upstream ended with an error.",
            labels=("upstream", "code"),
        )
        for labels, count in self._upstream_errors.items():
            errors.add_metric(labels, count)
        tls_errors = CounterMetricFamily(
            "cutover_upstream_tls_errors",
            "Connections that failed to verify the upstream.",
            labels=("upstream",),
        )
        for upstream, count in self._tls_errors.items():
            tls_errors.add_metric((upstream,), count)
        return errors, tls_errors

    def _of_config(self) -> Iterable[Metric]:
        info = GaugeMetricFamily(
            "cutover_config_info", "The configuration in force.", labels=("digest",)
        )
        info.add_metric((self._digest,), 1)
        stages = GaugeMetricFamily(
            "cutover_route_stage", "1 for the stage a route is in.", labels=("route", "stage")
        )
        for route, stage in self._stages.items():
            stages.add_metric((route, stage), 1)
        reloads = CounterMetricFamily(
            "cutover_config_reloads", "Configurations read, by result.", labels=("result",)
        )
        for result, count in self._reloads.items():
            reloads.add_metric((result,), count)
        return info, stages, reloads, *self._last_reload()

    def _last_reload(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "cutover_config_last_reload_successful",
            "1 when the newest configuration read is in force.",
            value=int(self._last_reload_successful),
        )
        yield GaugeMetricFamily(
            "cutover_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read.",
            value=self._last_success_s,
        )

    def _of_process(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "cutover_inflight_requests", "Requests being answered.", value=self.inflight
        )
        lag = HistogramMetricFamily(
            "cutover_loop_lag_seconds", "How late the event loop ran a timer."
        )
        self.loop_lag.add_to(lag, ())
        yield lag
        for reading in self._readings:
            yield CounterMetricFamily(reading.name, reading.documentation, reading.read())
