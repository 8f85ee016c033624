"""Who answers a request of one snapshot, right now, and what is learned from how it ended.

Belongs here: putting together what a decision depends on (where the routes stand, breakers, pins),
and telling the guards how requests ended. Does not: the decision itself (`cutover.decision`), what
outlives a snapshot (`exchange.control`).
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Final, NamedTuple

from proxy.cutover.canary import Canary
from proxy.cutover.decision import Decision, PinnedSide, Reason, decide
from proxy.cutover.fallback import Failure, FallbackReason, Safety
from proxy.cutover.guard import RouteGuard, Trip
from proxy.cutover.override_header import OverrideHeader
from proxy.cutover.plan import RoutePlan
from proxy.cutover.position import Position
from proxy.cutover.result import Result, result_of
from proxy.cutover.stages import Side, Stage
from proxy.cutover.sticky import Caller, HeaderLookup, sticky_key
from proxy.errors import LimitExceeded, RequestError, UpstreamError
from proxy.exchange.control import Control
from proxy.exchange.messages import Outcome, Request
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Route
from proxy.status import HTTP_STATUS, Code
from proxy.transcoding.forwarding import client_address

#: Decisions that a breaker may still turn to legacy; whoever forced a side gets it.
_BREAKABLE: Final = frozenset({Reason.STAGE, Reason.BUCKET, Reason.PIN})

#: Statuses of requests that nobody answered: the client left, or was cut off.
_UNANSWERED: Final = frozenset({0, 499})

#: Stands for callers whom nothing is asked about.
_ANYBODY: Final = Caller(SimpleNamespace(get=lambda _: None, getall=lambda _, none: none), "", "")


class _Standing(NamedTuple):
    """What counts of a route until somebody moves it. *guard* is None without a legacy host."""

    position: Position
    canary: Canary | None
    guard: RouteGuard | None
    pinned: PinnedSide | None


class Steering:
    """Decides about the requests of *snapshot*, over the *control* of the process.

    *clock* is monotonic, in seconds.
    """

    def __init__(self, snapshot: Snapshot, control: Control, clock: Callable[[], float]) -> None:
        self._snapshot = snapshot
        self._control = control
        self._clock = clock
        settings = snapshot.config.settings
        self._has_legacy = settings.upstreams.legacy is not None
        self._trusted_hops = settings.forwarding.trusted_hops
        self._override = snapshot.config.override_header
        self._standings: dict[str, _Standing] = {}
        self._version = -1

    def __repr__(self) -> str:
        return f"<Steering of {self._snapshot!r} version={self._version}>"

    def enter(self, route: Route, outcome: Outcome) -> None:
        """Count a request in, on whichever side; `ended` counts it out.

        Raises `LimitExceeded`: one slow route must not take the place of all others.
        """
        inflight = self._control.inflight
        count = inflight[route.name]
        if count >= route.max_inflight:
            text = "as many requests of this route are being answered as may be"
            raise LimitExceeded(text, http_status=503, limit="route")
        inflight[route.name] = count + 1
        outcome.has_entered = True

    def decide(self, route: Route | None, request: Request, outcome: Outcome) -> Decision:
        """The side that answers *request*; *outcome* gets by what it was decided.

        Raises nothing. A yes of a half-open breaker makes the request its probe.
        """
        control = self._control
        control.catch_up()
        if self._version != control.version:
            self._place()
        killed = control.killed and self._has_legacy
        if route is None:
            return _decided(None, _ANYBODY, killed, None)
        standing = self._standings[route.name]
        caller = _ANYBODY if standing.canary is None else self.caller(request)
        override = None
        if self._override is not None:
            plan = self._snapshot.plans[route.name]
            override = trusted_side(self._override, request.headers, plan)
        decision = _decided(standing, caller, killed, override)
        outcome.decided_s = now_s = self._clock()
        outcome.basis_points = standing.position.basis_points
        guard = standing.guard
        if (
            guard is not None
            and decision.side is Side.GRPC
            and decision.reason in _BREAKABLE
            and not guard.allows(now_s, route.safety is Safety.SAFE)
        ):
            decision = _decided(standing, caller, killed, override, breaker_open=True)
        outcome.decided = decision
        return decision

    def stage_of(self, route: Route) -> Stage:
        """The stage in which *route* stood when a request was decided about last."""
        return self._standings[route.name].position.stage

    def fall_back(
        self, route: Route, error: RequestError | UpstreamError, outcome: Outcome
    ) -> FallbackReason | None:
        """Why legacy is to answer a request that gRPC failed by *error*; None when it is not."""
        guard = self._standings[route.name].guard
        if guard is None:
            return None
        failure = Failure.of(error, hurried=outcome.hurried)
        return guard.falls_back(failure, route.safety, route.fallback_on, self._clock())

    def answered(self, request: Request, outcome: Outcome, http_status: int) -> None:
        """Take note of an answer that is about to be sent: what it says may be relied on at once.

        So a pin is set here, and not when the answer is sent: its client may ask again, in another
        process too, before this one gets to it.
        """
        route = self._pinning(outcome)
        if route is not None and http_status // 100 != 4:
            self._pin(route, request, outcome)

    def ended(self, request: Request, outcome: Outcome) -> None:
        """Learn from a request that has ended, however it did."""
        if outcome.has_entered and outcome.binding is not None:
            self._control.inflight[outcome.binding.route.name] -= 1
        if outcome.decided is None or outcome.binding is None:
            return
        route = outcome.binding.route
        guard = self._standings[route.name].guard
        trip = None if guard is None else self._record(guard, outcome, outcome.decided)
        if trip is not None:
            self._control.roll_back(route.name, trip)
        if _is_unanswered(outcome) and self._pinning(outcome):
            # The write goes on without its client, who may look for it all the same.
            self._pin(route, request, outcome)

    def _place(self) -> None:
        """See where every route stands now."""
        self._version = self._control.version
        positions = self._control.positions(self._snapshot.plans)
        self._standings = {
            route.name: self._standing(route, positions[route.name])
            for route in self._snapshot.routes
        }

    def _standing(self, route: Route, position: Position) -> _Standing:
        canary, pins = route.canary, self._control.pins
        options = route.guard if self._has_legacy else None
        guard = None if options is None else self._control.guard_of(route.name, options)
        pinned: PinnedSide | None = None
        if canary is not None and canary.pin_ttl_s is not None:
            group, clock = canary.group, self._clock

            def pinned(key: str) -> Side | None:
                return pins.side_of(group, key, clock())

        return _Standing(position, canary, guard, pinned)

    def caller(self, request: Request) -> Caller:
        """What of *request* says who sends it."""
        client = request.client
        if self._trusted_hops:
            headers = request.headers.items()
            client = client_address(headers, client, trusted_hops=self._trusted_hops)
        return Caller(request.headers, request.query, client)

    def _record(self, guard: RouteGuard, outcome: Outcome, decided: Decision) -> Trip | None:
        comparable, now_s = decided.reason is Reason.BUCKET, self._clock()
        if outcome.fallback is not None:
            return guard.record_fallback(
                outcome.fallback,
                outcome.http_status,
                comparable=comparable,
                basis_points=outcome.basis_points,
                decided_s=outcome.decided_s,
                now_s=now_s,
                bucket=decided.bucket,
            )
        return guard.record(
            decided.side,
            _result(outcome),
            comparable=comparable,
            basis_points=outcome.basis_points,
            decided_s=outcome.decided_s,
            duration_s=outcome.began_s - outcome.decided_s,
            now_s=now_s,
            bucket=decided.bucket,
        )

    def _pinning(self, outcome: Outcome) -> Route | None:
        """The route of a request whose side is worth a pin: one that may have written there."""
        if outcome.decided is None or outcome.binding is None:
            return None
        route = outcome.binding.route
        if route.safety is Safety.SAFE or outcome.decision.side is Side.PROXY:
            return None
        return route if self._standings[route.name].pinned is not None else None

    def _pin(self, route: Route, request: Request, outcome: Outcome) -> None:
        """Keep whoever wrote on the side that took the write."""
        canary = route.canary
        key = None if canary is None else sticky_key(canary.sticky, self.caller(request))
        if canary is None or canary.pin_ttl_s is None or key is None:
            return
        side, now_s = outcome.decision.side, self._clock()
        self._control.pins.pin(canary.group, key, side, now_s, canary.pin_ttl_s)


def trusted_side(header: OverrideHeader, headers: HeaderLookup, plan: RoutePlan) -> Side | None:
    """The side that a trusted *header* names, if the route with *plan* has that side."""
    side = header.side_of(headers)
    has_side = plan.has_grpc if side is Side.GRPC else plan.has_legacy
    return side if has_side else None


def _decided(
    standing: _Standing | None,
    caller: Caller,
    killed: bool,
    override: Side | None,
    *,
    breaker_open: bool = False,
) -> Decision:
    return decide(
        None if standing is None else standing.position,
        None if standing is None else standing.canary,
        caller,
        killed=killed,
        override=override,
        breaker_open=breaker_open,
        pinned=None if standing is None else standing.pinned,
    )


def _result(outcome: Outcome) -> Result:
    """How the side that was asked ended the request."""
    refused_here = outcome.decision.side is Side.PROXY and outcome.http_status < 500
    if refused_here or outcome.limit or _is_unanswered(outcome):
        return Result.ABANDONED
    failure: Failure | None = None
    if outcome.upstream_failed and outcome.code is not None:
        failure = Failure(outcome.code, sent=True, hurried=outcome.hurried)
    is_grpc = outcome.decision.side is Side.GRPC
    return result_of(_status(outcome), failure if is_grpc else None)


def _status(outcome: Outcome) -> int:
    """The status that the request would have had if its answer had not begun before it failed.

    A stream that broke off has sent its own long before; both sides are judged alike.
    """
    broke_off = outcome.streamed and outcome.code not in (None, Code.OK)
    if broke_off and outcome.code:
        return HTTP_STATUS[outcome.code]
    # An old host may say 200 of errors: what a route makes of them must not hide them from us.
    return max(outcome.http_status, outcome.error_status)


def _is_unanswered(outcome: Outcome) -> bool:
    """Whether the client has no answer; a status of its route's own does not change that."""
    return (outcome.error_status or outcome.http_status) in _UNANSWERED
