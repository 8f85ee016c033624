"""All metrics of the service, counted in this process and told of all its workers as one.

Belongs here: the counters that are not per route, and where each number of a tally comes from.
Does not: when to count (`exchange`), names and texts (`names`), the listener (`admin`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from proxy.cutover.stages import Stage
from proxy.telemetry import names
from proxy.telemetry.arms import Arm, ArmBaselines, arm_of
from proxy.telemetry.counters import Histogram, NameCounters, RouteMetrics
from proxy.telemetry.exposition import encode
from proxy.telemetry.process_numbers import ProcessNumbers
from proxy.telemetry.shadow_numbers import ShadowNumbers, ShadowReading
from proxy.telemetry.shared import SharedTallies
from proxy.telemetry.tally import Definition, Kind, Tally
from proxy.telemetry.upstream_numbers import UpstreamNumbers, UpstreamReading


@dataclass(frozen=True, slots=True)
class RouteReading:
    """Where a route stands now.

    *percent_ratio* is the share of its keys that gRPC answers for, from 0 to 1; *e_value* the
    evidence of its error test; *breaker_state* is 0 closed, 1 half-open, 2 open.
    """

    name: str
    stage: str
    percent_ratio: float
    e_value: float
    breaker_state: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """A number that somebody else keeps, read when the metrics are."""

    definition: Definition
    read: Callable[[], float]


class View:
    """The metrics of all workers at one moment."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __repr__(self) -> str:
        return f"View({self._tally!r})"

    def arms(self, route: str) -> dict[str, Arm]:
        """The sides that have answered for *route* since it was last moved."""
        arms = self._tally.arms.get(route)
        return {} if arms is None else {side: arm_of(each) for side, each in arms.sides.items()}

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """The content type and text of all metrics, in the format that *accept* asks for."""
        return encode(self._tally, accept)


class Metrics:
    """All metrics of one process, and those of the others that share them.

    The object outlives a reload: counters must not fall back, so a route that went away keeps its
    counts. Use it from the event loop's thread only. With *shared*, `publish` tells the others of
    this process, and `view` has the numbers of all.
    """

    def __init__(self, shared: SharedTallies | None = None) -> None:
        self._shared = shared
        self._process = ProcessNumbers()
        self._routes: dict[tuple[str, str], RouteMetrics] = {}
        self._named: defaultdict[str, NameCounters] = defaultdict(NameCounters)
        self._arms = ArmBaselines()
        self._upstream_errors: Counter[tuple[str, str]] = Counter()
        self._tls_errors: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._upstreams = UpstreamNumbers()
        self._shadow = ShadowNumbers()
        self._stages: Mapping[str, str] = {}
        self._read_routes: Callable[[], Iterable[RouteReading]] = tuple
        self._readings: list[_Reading] = []
        self._digest = ""
        self._reloads = {"success": 0, "failure": 0}
        self._last_reload_successful = False
        self._last_success_s = 0.0
        self.inflight = 0
        self.loop_lag = Histogram(names.LAG_BOUNDS_S)

    def __repr__(self) -> str:
        return f"Metrics(routes={len(self._routes)}, inflight={self.inflight})"

    # --- counting

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

    def fallback(self, route: str, reason: str) -> None:
        """Count a request that legacy answers because gRPC failed it; *reason* says how."""
        self._named[route].fallbacks[reason] += 1

    def legacy_url(self, route: str, quirks: Iterable[str]) -> None:
        """Count a request whose URL was a legacy form of the route's; *quirks* are from a table."""
        self._named[route].legacy_urls.update(quirks)

    def rollback(self, route: str, trigger: str) -> None:
        """Count that *route* was taken back to legacy without an operator."""
        self._named[route].rollbacks[trigger] += 1

    def refused(self, reason: str, count: int = 1) -> None:
        """Count requests or connections that were refused to stay within a limit."""
        self._refused[reason] += count

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

    def moved(self, route: str, revision: int) -> None:
        """Count the arms of *route* from here on: it was moved, which made that *revision*.

        Every worker calls it, at its start too, so that all count from the same move on.
        """
        self._arms.moved(route, revision, self._named[route])

    # --- counting mirrors

    def shadow(self, route: str, life: str, reason: str = "", count: int = 1) -> None:
        """Count mirrors of *route* that came to an end of *life*, for a *reason* from a table."""
        self._shadow.life(route, life, reason, count)

    def shadow_compared(self, route: str, verdict: str) -> None:
        """Count a comparison by its verdict."""
        self._shadow.compared(route, verdict)

    def shadow_difference(self, route: str, kind: str, count: int) -> None:
        """Count differences of a kind."""
        self._shadow.difference(route, kind, count)

    def shadow_rule_hits(self, route: str, rule: str, count: int) -> None:
        """Count the use of a rule of the configuration, by its text."""
        self._shadow.rule_hits(route, rule, count)

    def shadow_duration(self, route: str, leg: str, seconds: float) -> None:
        """Count how long a mirror's call to one side took; *leg* is a word from a table."""
        self._shadow.duration(route, leg, seconds)

    def shadow_compare_seconds(self, route: str, seconds: float) -> None:
        """Count how long the comparison of a pair took."""
        self._shadow.compare_seconds(route, seconds)

    def mismatch_bound(self, route: str, upper: float | None) -> None:
        """Show the upper bound on the rate of mismatches; None takes it back."""
        self._shadow.mismatch_bound(route, upper)

    # --- what others keep

    def shadow_from(self, read: Callable[[], ShadowReading]) -> None:
        """Show the numbers that the pool of mirrors and the writer of evidence keep."""
        self._shadow.read_from(read)

    def count_from(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Show a counter that another object keeps: *name* as shown, without `_total`."""
        self._readings.append(_Reading(Definition(name, documentation, Kind.COUNTER), read))

    def connections_from(self, read: Callable[[], int]) -> None:
        """Show how many connections clients hold open."""
        self._readings.append(_Reading(names.CONNECTIONS, read))

    def upstream_from(self, name: str, read: Callable[[], UpstreamReading]) -> None:
        """Show the numbers that the upstream *name* keeps, until it is closed."""
        self._upstreams.add(name, read)

    def kill_switch_from(self, read: Callable[[], bool]) -> None:
        """Show whether the kill switch is on."""
        self._readings.append(_Reading(names.KILL_SWITCH, read))

    def routes_from(self, read: Callable[[], Iterable[RouteReading]]) -> None:
        """Show where the routes stand now; until then stages are those of `config_loaded`."""
        self._read_routes = read

    # --- showing

    def publish(self) -> None:
        """Tell the other workers what this process has counted."""
        if self._shared is not None:
            self._shared.write(self.tally())

    def view(self) -> View:
        """The numbers of this process and of all that share with it.

        Takes milliseconds per worker. What is shown is published first: were it not, and the
        process killed, the others would show less of it than was seen here.
        """
        tally = self.tally()
        if self._shared is not None:
            self._shared.write(tally)
            for other in self._shared.others():
                tally.merge(other)
        return View(tally)

    def arms(self, route: str) -> dict[str, Arm]:
        """The sides of one route; for several routes ask one `view`."""
        return self.view().arms(route)

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """The content type and text of all metrics, in the format that *accept* asks for."""
        return self.view().render(accept)

    def tally(self) -> Tally:
        """What this process alone has counted, as plain values."""
        tally = Tally()
        self._add_requests(tally)
        for name, counters in self._named.items():
            _add_named(tally, name, counters)
            tally.arms[name] = self._arms.since(name, counters)
        self._add_upstreams(tally)
        self._shadow.add_to(tally)
        self._add_config(tally)
        self._add_routes(tally)
        self._add_process(tally)
        return tally

    def _add_requests(self, tally: Tally) -> None:
        tally.family(names.REQUESTS)
        for route in self._routes.values():
            for outcome, count in route.outcomes():
                tally.put(names.REQUESTS, (route.name, route.rpc, *outcome), count)

    def _add_upstreams(self, tally: Tally) -> None:
        for labels, count in self._upstream_errors.items():
            tally.put(names.UPSTREAM_ERRORS, labels, count)
        for upstream, count in self._tls_errors.items():
            tally.put(names.TLS_ERRORS, (upstream,), count)
        self._upstreams.add_to(tally)
        for reason, count in self._refused.items():
            tally.put(names.REFUSED, (reason,), count)

    def _add_config(self, tally: Tally) -> None:
        tally.put(names.CONFIG_INFO, (self._digest,), 1)
        for result, count in self._reloads.items():
            tally.put(names.RELOADS, (result,), count)
        tally.put(names.LAST_RELOAD_SUCCESSFUL, (), int(self._last_reload_successful))
        tally.put(names.LAST_SUCCESS, (), self._last_success_s)

    def _add_routes(self, tally: Tally) -> None:
        stages = dict(self._stages)
        for route in self._read_routes():
            stages[route.name] = route.stage
            labels = (route.name,)
            tally.put(names.ROUTE_PERCENT, labels, route.percent_ratio)
            tally.put(names.E_VALUE, labels, route.e_value)
            tally.put(names.BREAKER_STATE, labels, route.breaker_state)
        for name, current in stages.items():
            for stage in Stage:
                tally.put(names.ROUTE_STAGE, (name, stage.value), int(stage.value == current))

    def _add_process(self, tally: Tally) -> None:
        tally.put(names.INFLIGHT, (), self.inflight)
        tally.put(names.LOOP_LAG, (), *self.loop_lag.sample())
        for reading in self._readings:
            tally.put(reading.definition, (), float(reading.read()))
        self._process.add_to(tally)


def _add_named(tally: Tally, name: str, counters: NameCounters) -> None:
    for side, histogram in counters.durations.items():
        tally.put(names.DURATIONS, (name, side), *histogram.sample())
    tally.put(names.OVERHEAD, (name,), *counters.overhead.sample())
    tally.put(names.UNKNOWN_FIELDS, (name,), counters.unknown_fields)
    tally.put(names.PAGE_CALLS, (name,), counters.page_calls)
    for reason, count in counters.fallbacks.items():
        tally.put(names.FALLBACKS, (name, reason), count)
    for quirk, count in counters.legacy_urls.items():
        tally.put(names.LEGACY_URLS, (name, quirk), count)
    for trigger, count in counters.rollbacks.items():
        tally.put(names.ROLLBACKS, (name, trigger), count)
