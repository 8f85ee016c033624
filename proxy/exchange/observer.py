"""What is told of each request when it has ended: one line in the access log, some counts.

Belongs here: turning an outcome into telemetry's words. Does not: the log's form, the metrics'
names (`telemetry`).
"""

from collections.abc import Callable

from proxy.config.options import UNMAPPED
from proxy.config.upstreams import LEGACY
from proxy.cutover.decision import REFUSED
from proxy.cutover.stages import Side
from proxy.errors import StatusError
from proxy.exchange.messages import Outcome, Request
from proxy.exchange.mirroring import Mirroring
from proxy.exchange.recording import Recorder
from proxy.exchange.steering import Steering
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Route
from proxy.telemetry.access_log import AccessEntry, AccessLog
from proxy.telemetry.counters import code_class
from proxy.telemetry.metrics import Metrics
from proxy.transcoding.forwarding import client_address


class Observer:
    """Logs and counts the requests of one snapshot, and hands over those that were kept."""

    def __init__(
        self,
        snapshot: Snapshot,
        metrics: Metrics,
        access_log: AccessLog,
        steering: Steering,
        clock: Callable[[], float],
        mirroring: Mirroring | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._metrics = metrics
        self._access_log = access_log
        self._steering = steering
        self._clock = clock
        self._mirroring = mirroring
        self._recorder = recorder
        self._snapshot = snapshot
        self._trusted_hops = snapshot.config.settings.forwarding.trusted_hops
        self._unmapped = metrics.for_route(UNMAPPED, "")
        self._routes = {
            route.name: metrics.for_route(route.name, route.rpc) for route in snapshot.routes
        }

    def __repr__(self) -> str:
        return f"<Observer routes={len(self._routes)} inflight={self._metrics.inflight}>"

    def started(self) -> Outcome:
        """Count a request in; the outcome is to be filled on its way."""
        self._metrics.inflight += 1
        return Outcome()

    def ended(
        self,
        http_method: str,
        target: str,
        peer: str,
        request: Request | None,
        outcome: Outcome,
        received_s: float,
    ) -> None:
        """Count a request out and log it. *request* is None for what could not be read as one."""
        self._metrics.inflight -= 1
        duration_s = self._clock() - received_s
        route = None if outcome.binding is None else outcome.binding.route
        self._count(route, outcome, duration_s)
        if request is not None:
            self._steering.ended(request, outcome)
        client = peer
        if request is not None and self._trusted_hops:
            headers = request.headers.items()
            client = client_address(headers, peer, trusted_hops=self._trusted_hops)
        self._access_log.add(_entry(http_method, target, client, request, outcome, duration_s))
        if outcome.capture is not None and self._mirroring is not None:
            # Last: nothing of the request is left to do.
            self._mirroring.ended(outcome.capture, outcome)
        if outcome.recording is not None and self._recorder is not None:
            self._recorder.ended(outcome.recording, outcome, self._snapshot, duration_s)

    def limited(self, reason: str) -> None:
        """Count a request that is refused to stay within the limit named *reason*."""
        self._metrics.refused(reason)

    def shed(self, reason: str, count: int, error: StatusError) -> None:
        """Count *count* requests that were refused with *error*, and never begun.

        They share one line in the log: to write one for each would cost more than to refuse them.
        """
        self._metrics.refused(reason, count)
        decision = REFUSED
        self._unmapped.observe(
            decision.side.value,
            code_class(error.http_status),
            decision.reason.value,
            0.0,
            count=count,
        )
        self._access_log.add(
            AccessEntry(
                "",
                "",
                error.http_status,
                0.0,
                side=decision.side.value,
                reason=decision.reason.value,
                grpc_code=error.status.code.name,
                error=str(error),
                count=count,
            )
        )

    def _count(self, route: Route | None, outcome: Outcome, duration_s: float) -> None:
        metrics = self._unmapped if route is None else self._routes[route.name]
        decision = outcome.decision
        metrics.observe(
            decision.side.value,
            code_class(outcome.http_status),
            decision.reason.value,
            duration_s,
            None if outcome.streamed else duration_s - outcome.upstream_s,
        )
        if outcome.unknown_fields:
            metrics.unknown_fields(len(outcome.unknown_fields))
        if outcome.page_calls:
            metrics.page_calls(outcome.page_calls)
        if route is not None and outcome.quirks:
            self._metrics.legacy_url(route.name, outcome.quirks)
        if route is not None and outcome.fallback is not None:
            self._metrics.fallback(route.name, outcome.fallback.value)
            if outcome.fallback_code is not None:
                self._metrics.upstream_error(str(route.upstream), outcome.fallback_code.name)
        if outcome.limit:
            self._metrics.refused(outcome.limit)
        if outcome.upstream_failed and outcome.code is not None:
            upstream = LEGACY if decision.side is Side.LEGACY or route is None else route.upstream
            self._metrics.upstream_error(upstream or LEGACY, outcome.code.name)


def _entry(
    http_method: str,
    target: str,
    client: str,
    request: Request | None,
    outcome: Outcome,
    duration_s: float,
) -> AccessEntry:
    path, received = target.partition("?")[0], 0
    if request is not None:
        path, received = request.path, request.body.received
    binding, code = outcome.binding, outcome.code or outcome.fallback_code
    return AccessEntry(
        http_method,
        path,
        outcome.http_status,
        duration_s,
        "" if binding is None else binding.route.name,
        "" if binding is None else binding.route.rpc,
        outcome.decision.side.value,
        outcome.decision.reason.value,
        "" if code is None else code.name,
        received,
        outcome.bytes_out,
        outcome.upstream_s,
        outcome.trace_id,
        client,
        outcome.unknown_fields,
        outcome.error or outcome.fallback_error,
        bucket=None if outcome.decided is None else outcome.decided.bucket,
        percent=outcome.basis_points / 100,
        fallback="" if outcome.fallback is None else outcome.fallback.value,
        legacy_url=outcome.quirks,
        page_calls=outcome.page_calls,
    )
