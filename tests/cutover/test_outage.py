"""A gRPC server is killed and comes back, ten times: who is answered, and what is done twice.

A simulation of the flow that a request takes through the guard, over two hosts that keep a ledger
of what they executed. Nothing in it waits: time is the number of the next thing that happens.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from proxy.cutover.breaker import BreakerOptions
from proxy.cutover.error_test import ErrorTestOptions
from proxy.cutover.fallback import Failure, FallbackReason, Safety
from proxy.cutover.guard import GuardOptions, RouteGuard
from proxy.cutover.result import result_of
from proxy.cutover.stages import Side
from proxy.status import Code

ON = frozenset({FallbackReason.NOT_READY, FallbackReason.UNAVAILABLE})

#: Seconds that a call takes; it is executed when half of them are over.
CALL_S = 0.02
#: Seconds between two requests.
GAP_S = 0.001


@dataclass
class Request:
    number: int
    safety: Safety
    decided_s: float
    comparable: bool = True
    #: The HTTP statuses that the client got; there must be one in the end.
    statuses: list[int] = field(default_factory=list)


@dataclass
class Simulation:
    """Requests come in every `GAP_S`, one of four is for gRPC; *outages* are (from, to)."""

    guard: RouteGuard
    outages: list[tuple[float, float]]
    chance: random.Random
    basis_points: int = 2500
    legacy_ledger: Counter[int] = field(default_factory=Counter)
    grpc_ledger: Counter[int] = field(default_factory=Counter)
    requests: list[Request] = field(default_factory=list)
    served_by_grpc_s: list[float] = field(default_factory=list)
    fell_back: Counter[FallbackReason] = field(default_factory=Counter)
    _order: Iterator[int] = field(default_factory=count)
    _events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)

    def run(self, until_s: float, safety_of: Callable[[int], Safety]) -> None:
        for number in range(round(until_s / GAP_S)):
            at_s = number * GAP_S
            request = Request(number, safety_of(number), at_s)
            self.requests.append(request)
            self._at(at_s, lambda now_s, request=request: self._arrive(request, now_s))
        while self._events:
            now_s, _, act = heapq.heappop(self._events)
            act(now_s)

    def _at(self, at_s: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), act))

    def _arrive(self, request: Request, now_s: float) -> None:
        wants_grpc = self.chance.random() * 10_000 < self.basis_points
        if self.guard.tripped is not None or not wants_grpc:
            self._legacy(request, now_s)
        elif self.guard.allows(now_s, may_probe=request.safety is Safety.SAFE):
            self._call(request, now_s)
        else:
            request.comparable = False
            self._legacy(request, now_s)

    def _legacy(self, request: Request, now_s: float) -> None:
        self.legacy_ledger[request.number] += 1
        request.statuses.append(200)
        self._record(request, Side.LEGACY, 200, None, now_s)

    def _call(self, request: Request, now_s: float) -> None:
        if any(start_s <= now_s < end_s for start_s, end_s in self.outages):
            self._fail(request, Failure(Code.UNAVAILABLE, sent=False), now_s)
            return
        ends_s = now_s + CALL_S
        killed_s = min((start_s for start_s, _ in self.outages if now_s < start_s), default=ends_s)
        if now_s + CALL_S / 2 <= killed_s:
            self.grpc_ledger[request.number] += 1
        if killed_s < ends_s:
            died = Failure(Code.UNAVAILABLE, sent=True)
            self._at(killed_s, lambda at_s: self._fail(request, died, at_s))
        else:
            self._at(ends_s, lambda at_s: self._succeed(request, at_s))

    def _succeed(self, request: Request, now_s: float) -> None:
        request.statuses.append(200)
        self.served_by_grpc_s.append(now_s)
        self._record(request, Side.GRPC, 200, None, now_s)

    def _fail(self, request: Request, failure: Failure, now_s: float) -> None:
        reason = self.guard.falls_back(failure, request.safety, ON, now_s)
        if reason is None:
            request.statuses.append(503)
            self._record(request, Side.GRPC, 503, failure, now_s)
            return
        self.fell_back[reason] += 1
        self.legacy_ledger[request.number] += 1
        request.statuses.append(200)
        self.guard.record_fallback(
            reason,
            200,
            comparable=request.comparable,
            basis_points=self.basis_points,
            decided_s=request.decided_s,
            now_s=now_s,
        )

    def _record(
        self, request: Request, side: Side, http_status: int, failure: Failure | None, now_s: float
    ) -> None:
        self.guard.record(
            side,
            result_of(http_status, failure),
            comparable=request.comparable,
            basis_points=self.basis_points,
            decided_s=request.decided_s,
            duration_s=now_s - request.decided_s,
            now_s=now_s,
        )

    def times_executed(self, request: Request) -> int:
        return self.legacy_ledger[request.number] + self.grpc_ledger[request.number]


def outages(chance: random.Random) -> list[tuple[float, float]]:
    """Ten, of a tenth of a second to almost two, apart by two seconds at least."""
    starts = [3.0 * number + 1 + chance.random() * 0.1 for number in range(10)]
    return [(start_s, start_s + 0.1 + chance.random() * 1.5) for start_s in starts]


def mixed(number: int) -> Safety:
    return tuple(Safety)[number % 3]


def simulated(
    seed: int, options: GuardOptions, safety_of: Callable[[int], Safety] = mixed
) -> Simulation:
    chance = random.Random(seed)
    simulation = Simulation(RouteGuard(options), outages(chance), chance)
    simulation.run(31.0, safety_of)
    return simulation


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("errors", [None, ErrorTestOptions()], ids=["breaker", "rollback"])
def test_safe_requests_see_nothing_and_writes_happen_once_at_most(seed, errors):
    simulation = simulated(seed, GuardOptions(errors=errors))
    assert all(len(request.statuses) == 1 for request in simulation.requests)
    lost = [request for request in simulation.requests if request.statuses != [200]]
    assert all(request.safety is not Safety.SAFE for request in lost)
    writes = [each for each in simulation.requests if each.safety is not Safety.SAFE]
    assert all(simulation.times_executed(write) <= 1 for write in writes)
    answered = [write for write in writes if write.statuses == [200]]
    assert all(simulation.times_executed(write) == 1 for write in answered)
    # What a kill costs is the writes in flight: a quarter of 20 requests, ten times.
    assert len(lost) <= 10 * 15
    assert set(simulation.fell_back) <= set(ON)
    assert simulation.guard.budget.refused == 0


def test_grpc_is_back_within_a_second_of_its_server():
    simulation = simulated(3, GuardOptions(errors=None))
    assert set(simulation.fell_back) == set(ON)
    for _, end_s in simulation.outages:
        first_s = min(at_s for at_s in simulation.served_by_grpc_s if at_s >= end_s)
        assert first_s - end_s < 1.0
        again = [at_s for at_s in simulation.served_by_grpc_s if end_s + 1 <= at_s < end_s + 1.2]
        assert len(again) > 20


def test_a_route_of_writes_is_back_in_a_few_open_periods():
    options = GuardOptions(breaker=BreakerOptions(open_for_s=0.1), errors=None)
    simulation = simulated(4, options, lambda _: Safety.UNSAFE)
    assert all(simulation.times_executed(each) <= 1 for each in simulation.requests)
    for _, end_s in simulation.outages:
        assert any(end_s <= at_s < end_s + 0.7 for at_s in simulation.served_by_grpc_s)


def test_a_dead_server_is_asked_by_probes_alone():
    chance = random.Random(5)
    simulation = Simulation(RouteGuard(GuardOptions(errors=None)), [(1.0, 11.0)], chance)
    simulation.run(12.0, mixed)
    # Five failures in a row and those in flight, then one probe in half a second.
    assert simulation.fell_back[FallbackReason.NOT_READY] <= 5 + 20
    assert all(
        request.statuses == [200]
        for request in simulation.requests
        if request.safety is Safety.SAFE
    )


def test_a_route_that_is_rolled_back_stays_so():
    simulation = simulated(6, GuardOptions())
    tripped_s = simulation.outages[0][0]
    assert simulation.guard.tripped is not None
    assert max(simulation.served_by_grpc_s) < tripped_s + CALL_S
