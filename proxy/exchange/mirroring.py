"""Requests on their way, as mirrors see them: which are sampled, what of them is kept.

Belongs here: which requests have a `Capture`, and when it is handed over. Does not: giving it the
pieces of a request and its answer (`keeping`), the mirror itself (`shadow`).

Whatever goes wrong here costs the mirror and nothing else: no method raises.
"""

from collections.abc import Callable
from typing import Final

import structlog

from proxy.cutover.decision import Decision, Reason
from proxy.cutover.mirror import mirrored_side
from proxy.cutover.stages import Side
from proxy.cutover.sticky import sticky_key
from proxy.exchange.keeping import BUG, keep_answer, keep_body
from proxy.exchange.messages import Answer, Outcome, Request, StreamAnswer
from proxy.exchange.steering import Steering
from proxy.routing.table import Found, Route, RouteBinding
from proxy.shadow.capture import Capture
from proxy.shadow.marks import Mark
from proxy.shadow.mirror import RouteMirror
from proxy.shadow.mirrors import KILLED, Leaving, Mirrors
from proxy.shadow.sample import NOTHING_YET, Life, Sample, Skip
from proxy.status import Code

_log: Final = structlog.get_logger("proxy.exchange")

#: Codes with which a call ends that nobody has answered; with all others a server has.
UNANSWERED: Final = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED})

# Names for the members: reading one from its class takes longer than what is done with it.
_ELIGIBLE: Final = Life.ELIGIBLE
_KILL_SWITCH: Final = Reason.KILL_SWITCH
_HEAD: Final[Leaving] = (Life.SKIPPED, Skip.HEAD)


class Mirroring:
    """Captures the requests of one snapshot that are to be mirrored.

    *mark* is that of mirrored calls; *wall_clock* is the Unix clock, in seconds.
    """

    def __init__(
        self, mirrors: Mirrors, steering: Steering, mark: Mark, wall_clock: Callable[[], float]
    ) -> None:
        self.mark = mark
        self._mirrors = mirrors
        self._steering = steering
        self._wall_clock = wall_clock

    def __repr__(self) -> str:
        return f"<Mirroring {self._mirrors!r}>"

    def begin(
        self,
        binding: RouteBinding,
        found: Found,
        request: Request,
        outcome: Outcome,
        decision: Decision,
    ) -> None:
        """Sample *request*, which *decision* is about; its body is kept from here on if it is."""
        try:
            mirror = self._eligible(binding.route, decision)
        except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
            _log.exception("finding a mirror failed", route=binding.route.name)
            return
        if mirror is not None:
            self._sample(mirror, binding, found, request, outcome, decision)

    def _eligible(self, route: Route, decision: Decision) -> RouteMirror | None:
        """The mirror of *route* if the request may have one: it is counted then."""
        mirror = self._mirrors.of(route)
        if mirror is None:
            return None
        if mirrored_side(self._steering.stage_of(route), decision.side) is None:
            return None
        mirror.counts.add(_ELIGIBLE)
        return mirror

    def _sample(
        self,
        mirror: RouteMirror,
        binding: RouteBinding,
        found: Found,
        request: Request,
        outcome: Outcome,
        decision: Decision,
    ) -> None:
        try:
            leaving = self._leaving(mirror, request, decision)
            if leaving is None:
                capture = self._capture(mirror, binding, found, request, decision.side)
        except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
            _log.exception("sampling failed", route=binding.route.name)
            leaving = BUG
        if leaving is not None:
            mirror.counts.add(*leaving)
            return
        outcome.capture = capture
        keep_body(capture, request)

    def _leaving(self, mirror: RouteMirror, request: Request, decision: Decision) -> Leaving | None:
        if decision.reason is _KILL_SWITCH:
            return KILLED
        leaving = self._mirrors.leaves(mirror, lambda: self._key(mirror.route, request))
        if leaving is not None:
            return leaving
        if request.http_method == "HEAD":
            return _HEAD
        is_loop = self.mark.is_ours(request.headers)
        return self._mirrors.refuses(mirror, decision.side, is_loop=is_loop)

    def _key(self, route: Route, request: Request) -> str:
        """What the client of *request* is known by: its sticky key, or else its address."""
        caller = self._steering.caller(request)
        key = None if route.canary is None else sticky_key(route.canary.sticky, caller)
        return key or caller.client_address

    def _capture(
        self,
        mirror: RouteMirror,
        binding: RouteBinding,
        found: Found,
        request: Request,
        primary: Side,
    ) -> Capture:
        sample = Sample(
            binding=binding,
            captures=found.captures,
            http_method=request.http_method,
            target=request.target,
            query=request.query,
            headers=request.headers,
            body=b"",
            peer=request.client,
            client=self._steering.caller(request).client_address,
            scheme=request.scheme,
            key=self._key(mirror.route, request),
            primary=primary,
            primary_s=0.0,
            answer=NOTHING_YET,
            at_s=0.0,
        )
        return self._mirrors.capture(mirror, sample)

    def answered(self, capture: Capture, answer: Answer | StreamAnswer) -> None:
        """Keep *answer*, which is about to be sent, or its pieces as they pass."""
        keep_answer(capture, answer)

    def ended(self, capture: Capture, outcome: Outcome) -> None:
        """Hand *capture* over, now that its request has ended, however it did."""
        try:
            skip = _skip(capture, outcome)
            if skip is not None:
                capture.stop(Life.SKIPPED, skip)
            sample = capture.sample
            sample.primary_s, sample.trace_id = outcome.upstream_s, outcome.trace_id
            sample.at_s = self._wall_clock()
        except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
            _log.exception("ending a capture failed", route=capture.mirror.route.name)
            capture.stop(*BUG)
        try:
            self._mirrors.submit(capture)
        except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
            _log.exception("submitting failed", route=capture.mirror.route.name)

    async def settle(self, timeout_s: float) -> None:
        """Let the mirrors of this snapshot end; cut them off after *timeout_s* seconds."""
        await self._mirrors.settle(timeout_s)


def _skip(capture: Capture, outcome: Outcome) -> Skip | None:
    """Why a request that has ended so is not mirrored; None when it is."""
    primary = capture.sample.primary
    if outcome.decision.side is not primary or outcome.fallback is not None:
        return Skip.PRIMARY_FAILED
    if outcome.upstream_failed and (primary is Side.LEGACY or outcome.code in UNANSWERED):
        return Skip.PRIMARY_FAILED
    if not outcome.is_delivered:
        return Skip.PRIMARY_FAILED if capture.answer_failed else Skip.CLIENT_GONE
    return capture.missing()
