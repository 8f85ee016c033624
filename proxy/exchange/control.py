"""Where the routes stand in this process, now, over all its snapshots.

Belongs here: what was last read of the state directory, the guards and pins of the process, and
moves: those that operators ask for, and those that the proxy makes by itself. Does not: deciding
about a request (`exchange.steering`), what a move means (`cutover.moves`), keeping it (`state`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

import structlog

from proxy.cutover.breaker import BreakerState
from proxy.cutover.guard import GuardOptions, RouteGuard, Trip
from proxy.cutover.moves import SYSTEM, Action, Move, MoveRefused, apply
from proxy.cutover.overrides import Override, Overrides, positions
from proxy.cutover.pins import Pins
from proxy.cutover.plan import RoutePlan
from proxy.cutover.position import Position
from proxy.cutover.ramp import RampProgress
from proxy.cutover.stages import Stage
from proxy.cutover.upkeep import Moment, look
from proxy.exchange.gatekeeping import Gate, may_rise, raises_share, words_of_gate
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import Committed, StateDirectory
from proxy.state.errors import NotRecorded, StateError
from proxy.state.moving import carry_out
from proxy.state.view import StateView
from proxy.telemetry.metrics import Metrics, RouteReading

_log: Final = structlog.get_logger("proxy.control")

#: Seconds between two looks at what is due: ramps, ends of moves, moves that could not be kept.
UPKEEP_S: Final = 1.0

#: What is said of a kill switch that has nowhere to send requests.
_POWERLESS: Final = "the kill switch changes nothing: there is no legacy upstream"

_NO_PLANS: Final[Mapping[str, RoutePlan]] = MappingProxyType({})
_BREAKER_NUMBERS: Final = {
    BreakerState.CLOSED: 0,
    BreakerState.HALF_OPEN: 1,
    BreakerState.OPEN: 2,
}


@dataclass(slots=True, eq=False)
class _Held:
    """A move that counts in this process since *since_s* of the Unix clock, and is to be kept.

    *trigger* is that of a rollback that has not been counted yet; *problem* says why the move
    could not be kept the last time.
    """

    move: Move
    since_s: float
    trigger: str = ""
    problem: str = ""


class Control:
    """Moves the routes of this process, and sees what others have moved.

    *version* counts up whenever a route may stand elsewhere than before. *gate* stands before steps
    up. *pins* are shared with the other processes of the state directory. *killed* says that the
    kill switch is on, which does nothing without a legacy host. *clock* is monotonic, in seconds;
    the Unix clock is the directory's. What is due is looked for every *upkeep_s* seconds. Raises
    `StateError` when the state cannot be read.
    """

    def __init__(
        self,
        state: StateDirectory,
        pins: Pins,
        metrics: Metrics,
        clock: Callable[[], float],
        *,
        upkeep_s: float = UPKEEP_S,
    ) -> None:
        self.state = state
        self.pins = pins
        self.gate: Gate | None = None
        self.version = 0
        self.digest = ""
        self.plans = _NO_PLANS
        self.has_legacy = True
        self.killed = False
        #: Requests being answered, by route, whatever snapshot they began with.
        self.inflight: Counter[str] = Counter()
        self._metrics = metrics
        self._clock = clock
        self._upkeep_s = upkeep_s
        self._view = StateView(state)
        self._guards: dict[str, tuple[GuardOptions, RouteGuard]] = {}
        self._progress: Mapping[str, RampProgress] = {}
        self._unkept: list[_Held] = []
        self._keeping: set[asyncio.Task[None]] = set()
        self._ends_s: float | None = None
        self._take(self._view.overrides, Overrides())

    def __repr__(self) -> str:
        return f"<Control revision={self.overrides.revision} killed={self.killed}>"

    @property
    def problem(self) -> str | None:
        """Why the state could not be read last time; None when it could."""
        return self._view.problem

    # --- on the way of a request

    def catch_up(self) -> None:
        """See what other processes have moved. Costs about a microsecond when nothing was."""
        if self._view.moved:
            self.refresh()

    def refresh(self) -> None:
        """Read the state again; the last good reading stays when that fails."""
        before = self.overrides
        self._look()
        self._take(self._view.overrides, before)

    def _look(self) -> bool:
        """Read the state; whether something is different now. A new problem with it is logged."""
        known = self._view.problem
        changed = self._view.refresh()
        if self._view.problem is not None and self._view.problem != known:
            _log.error("the state cannot be read", problem=self._view.problem)
        return changed

    def positions(self, plans: Mapping[str, RoutePlan]) -> dict[str, Position]:
        """Where the routes with *plans* stand now."""
        return positions(plans, self.overrides, self.state.clock())

    def guard_of(self, route: str, options: GuardOptions) -> RouteGuard:
        """The guard of *route*: the same one for as long as its *options* stay."""
        known = self._guards.get(route)
        if known is None or known[0] != options:
            known = options, RouteGuard(options)
            self._guards[route] = known
        return known[1]

    def adopt(self, snapshot: Snapshot) -> None:
        """Go by the plans of *snapshot* from now on."""
        self.plans = snapshot.plans
        self.digest = snapshot.config.digest
        self.has_legacy = snapshot.config.settings.upstreams.legacy is not None
        self._guards = {name: kept for name, kept in self._guards.items() if name in snapshot.plans}
        self.version += 1
        if self.killed and not self.has_legacy:
            _log.error(_POWERLESS)

    # --- moves

    async def move(
        self, move: Move, if_revision: int | None = None, *, force: bool = False
    ) -> Committed:
        """Make *move* for all processes and for good; it counts for the next request.

        With *force* a promotion is made though its gate does not pass. Raises `MoveRefused`,
        `GateRefused` among them, `RevisionConflict` and `StateError`.
        """
        if move.action is Action.KILL and move.on and not self.has_legacy:
            raise MoveRefused(_POWERLESS)
        said = await self._ask_gate(move, force)
        try:
            made = partial(carry_out, self.state, move, self.plans, digest=self.digest)
            return await asyncio.to_thread(made, if_revision=if_revision, gate=said)
        finally:
            self.refresh()

    async def _ask_gate(self, move: Move, force: bool) -> str | None:
        self.catch_up()
        plan, now_s = self.plans.get(move.route), self.state.clock()
        raises = raises_share(self.overrides, move, plan, now_s)
        return await words_of_gate(self.gate, move, raises, force=force)

    def roll_back(self, route: str, trip: Trip) -> None:
        """Take *route* back to legacy at once; the state directory is told in the background."""
        _log.error("route rolled back", route=route, trigger=trip.trigger.value, why=trip.text)
        move = Move(Action.ROLLBACK, route, reason=trip.text, who=SYSTEM)
        self._hold(_Held(move, self.state.clock(), trip.trigger.value))

    def kill(self, who: str, reason: str) -> None:
        """Turn the kill switch on at once, whatever the state directory says to it."""
        if not self.has_legacy:
            _log.error(_POWERLESS, who=who, reason=reason)
            return
        move = Move(Action.KILL, on=True, reason=reason, who=who)
        self._hold(_Held(move, self.state.clock()))

    def _hold(self, held: _Held) -> None:
        """Let a move count in this process until it is kept."""
        self._unkept.append(held)
        self._take(self._view.overrides, self.overrides)
        task = asyncio.get_running_loop().create_task(self._keep(held))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, held: _Held) -> None:
        try:
            self._check_needed(held.move)
            await self.move(held.move)
        except MoveRefused as refusal:
            # Somebody was quicker: another process with the same finding, or an operator.
            _log.info("a move was not needed any more", route=held.move.route, why=str(refusal))
        except NotRecorded as error:
            _log.error("a move counts, but could not be recorded", problem=str(error))
        except StateError as error:
            self._count(held)
            self._tell_unkept(held, str(error))
            return
        else:
            self._count(held)
        self._unkept.remove(held)
        self.refresh()

    def _check_needed(self, move: Move) -> None:
        """Raise `MoveRefused` when a signal that all workers get has been obeyed by another."""
        known = self.state.kill.read() if move.action is Action.KILL else None
        if known is not None and known.expires_s is None:
            raise MoveRefused("the kill switch is on already")

    def _count(self, held: _Held) -> None:
        """Count a rollback once: when it is kept, or counts in this process for now."""
        if held.trigger:
            self._metrics.rollback(held.move.route, held.trigger)
            held.trigger = ""

    def _tell_unkept(self, held: _Held, problem: str) -> None:
        """Say why a move could not be kept; once, though it is tried again and again."""
        if problem != held.problem:
            held.problem = problem
            move = held.move
            _log.error(
                "a move could not be kept; it counts here, and is tried again",
                action=move.action.value,
                route=move.route,
                problem=problem,
            )

    def _take(self, kept: Overrides, before: Overrides) -> None:
        """Go by *kept* with what could not be kept on top; *before* is what counted until now."""
        now_s, overrides = self.state.clock(), kept
        for held in self._unkept:
            plan = self.plans.get(held.move.route)
            try:
                overrides = apply(overrides, held.move, plan, held.since_s)
            except MoveRefused:
                continue
        self.overrides = overrides
        was_killed, self.killed = self.killed, overrides.is_killed(now_s)
        self._ends_s = overrides.next_expiry_s(now_s)
        self.version += 1
        self._begin_anew(before)
        if self.killed is not was_killed:
            self._tell_switch()

    def _tell_switch(self) -> None:
        """Log that the kill switch was turned, whoever did it and by whatever way."""
        switch = self.overrides.kill
        if not self.killed or switch is None:
            _log.warning("kill switch off")
            return
        _log.error("kill switch on", who=switch.who, reason=switch.reason)
        if not self.has_legacy:
            _log.error(_POWERLESS)

    def _begin_anew(self, before: Overrides) -> None:
        """Count and judge a route from its last move on.

        A guard notices by itself when a percentage moves, and keeps what it has learned so far: to
        begin anew at each step of a ramp would give false alarms as many chances. Only another
        stage, and the end of a rollback, are another matter.
        """
        for name, revision in self.overrides.moved.items():
            if before.moved.get(name) != revision:
                self._metrics.moved(name, revision)
        then, now = before.routes, self.overrides.routes
        for name, (_, guard) in self._guards.items():
            if _kind(then.get(name)) != _kind(now.get(name)):
                guard.restart(self._clock())

    # --- what is due by itself

    async def keep_up(self) -> None:
        """Do what is due, again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._upkeep_s)
            try:
                await self.look_after()
            except Exception:  # noqa: BLE001 - a bug here must not end what it looks after
                _log.exception("upkeep failed")

    async def look_after(self) -> None:
        """Do what is due now: see ends of moves, keep what could not be kept; lead the ramps."""
        self.refresh_if_due()
        for held in tuple(self._unkept) if not self._keeping else ():
            await self._keep(held)
        if not self.state.lead.try_lead():
            self._progress = {}
            return
        moment = Moment(self.state.clock(), self._clock())
        rises = partial(may_rise, self.gate)
        due = look(self.plans, self.overrides, self._progress, moment, self._is_healthy, rises)
        self._progress = due.progress
        for move in due.moves:
            await self._advance(move)

    def refresh_if_due(self) -> None:
        """Look at the state, though nobody said that it moved: a move may have come to its end."""
        before = self.overrides
        is_over = self._ends_s is not None and self.state.clock() >= self._ends_s
        if self._look() or is_over:
            self._take(self._view.overrides, before)

    async def _advance(self, move: Move) -> None:
        try:
            committed = await self.move(move)
        except (MoveRefused, StateError) as error:
            _log.warning("a move that was due was not made", route=move.route, why=str(error))
            return
        entry = committed.entry
        _log.info("moved", route=move.route, before=entry.before, after=entry.after, why=entry.why)

    def _is_healthy(self, route: str) -> bool:
        """Whether a ramp may go on: gRPC is there, nothing speaks against it, and it was asked."""
        options, guard = self._guards.get(route, (None, None))
        if options is None or guard is None or guard.tripped is not None:
            return False
        is_closed = self.breaker_of(route) in (None, BreakerState.CLOSED)
        return is_closed and guard.counts.grpc.requests >= _needed(options)

    async def settle(self) -> None:
        """Wait for the moves that are being kept, and tell of those that end with the process."""
        if self._keeping:
            await asyncio.wait(self._keeping)
        for held in self._unkept:
            move = held.move
            _log.error(
                "a move is lost", action=move.action.value, route=move.route, why=move.reason
            )

    # --- what is told

    def _guard(self, route: str) -> RouteGuard | None:
        """The guard of *route*; None where it has none, or was not asked yet."""
        known = self._guards.get(route)
        return None if known is None else known[1]

    def breaker_of(self, route: str) -> BreakerState | None:
        """The state of a route's breaker; None where it has none, or was not asked yet."""
        guard = self._guard(route)
        if guard is None or guard.breaker is None:
            return None
        return guard.breaker.state(self._clock())

    def e_value_of(self, route: str) -> float:
        """The evidence against gRPC on a route; 1 where there is none."""
        guard = self._guard(route)
        return 1.0 if guard is None else guard.e_value

    def progress_of(self, route: str) -> float | None:
        """Seconds for which a ramp was held where it is; None when it is another's to hold."""
        progress = self._progress.get(route)
        return None if progress is None else progress.held_s(self._clock())

    def readings(self) -> Iterator[RouteReading]:
        """Where the routes stand, as metrics show it."""
        for name, position in self.positions(self.plans).items():
            state = self.breaker_of(name) or BreakerState.CLOSED
            yield RouteReading(
                name,
                position.stage.value,
                position.grpc_share,
                self.e_value_of(name),
                _BREAKER_NUMBERS[state],
            )


def _needed(options: GuardOptions) -> int:
    """Comparable requests on gRPC without which a ramp does not go on: no data is no evidence."""
    return 1 if options.latency is None else options.latency.min_requests


def _kind(override: Override | None) -> tuple[Stage | None, str | None]:
    """What of an override makes its route another matter to judge."""
    return (None, None) if override is None else (override.stage, override.rollback)
