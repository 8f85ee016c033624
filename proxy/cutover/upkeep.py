"""The moves that the proxy makes by itself, from time to time.

Belongs here: which moves are due, looked at about once a second by the one process that leads.
Does not: what they mean (`moves`), rollbacks (`guard`), who leads (`state`).

A move that is told to be due is checked once more when it is made (`moves.apply`), against what
holds then: an operator may have been quicker.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from proxy.cutover.moves import SYSTEM, Action, Move
from proxy.cutover.overrides import Override, Overrides, position_of
from proxy.cutover.percent import percent_text
from proxy.cutover.plan import RoutePlan
from proxy.cutover.ramp import Ramp, RampProgress, advance
from proxy.cutover.settlement import settled
from proxy.cutover.stages import Stage


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is due after a look, and what the next look has to know: how long routes were held."""

    moves: tuple[Move, ...] = ()
    progress: Mapping[str, RampProgress] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on both clocks: seconds of the Unix clock, and of the monotonic one."""

    now_s: float
    monotonic_s: float

    @property
    def at(self) -> datetime:
        """The time as windows read it."""
        return datetime.fromtimestamp(self.now_s, UTC)


def look(
    plans: Mapping[str, RoutePlan],
    overrides: Overrides,
    progress: Mapping[str, RampProgress],
    moment: Moment,
    is_healthy: Callable[[str], bool],
    may_rise: Callable[[str], bool] = lambda _: True,
) -> Upkeep:
    """Say which moves are due, with *progress* from the look before; none for the first.

    *is_healthy* says of a route whether it does well where it is; while the kill switch is on no
    route is held in health. *may_rise* says whether anything else stands before its next step: a
    gate that does not pass holds the step back, and the hold goes on to be counted.
    """
    ends = [*_expired(overrides, moment.now_s)]
    ended = {move.route for move in ends}
    killed = overrides.is_killed(moment.now_s)
    ramps = _ramping(plans, overrides, moment.now_s)
    healthy = {name: not killed and is_healthy(name) for name in ramps}
    seen = {
        name: _seen(progress.get(name), ramp, moment, healthy[name]) for name, ramp in ramps.items()
    }
    rises = (
        _rise(ramp, seen[name], moment, healthy[name])
        for name, ramp in ramps.items()
        if may_rise(name)
    )
    moves = [*_settling(plans, overrides), *(rise for rise in rises if rise)]
    return Upkeep((*ends, *(move for move in moves if move.route not in ended)), seen)


def _expired(overrides: Overrides, now_s: float) -> Iterator[Move]:
    if overrides.kill and not overrides.kill.holds(now_s):
        yield _by_system(Action.EXPIRE, "", "the time of the kill switch is over")
    for name, override in overrides.routes.items():
        if override.expires_s is not None and now_s >= override.expires_s:
            yield _by_system(Action.EXPIRE, name, f"the time of a move by {override.who} is over")


def _settling(plans: Mapping[str, RoutePlan], overrides: Overrides) -> Iterator[Move]:
    for name, override in overrides.routes.items():
        plan = plans.get(name)
        if plan is not None and settled(override, plan) != override:
            yield _by_system(Action.SETTLE, name, "the file says the same now")


@dataclass(frozen=True, slots=True)
class _Ramping:
    """A route whose ramp is under way, with its share now and what names its place there."""

    name: str
    ramp: Ramp
    basis_points: int
    place: object


def _ramping(
    plans: Mapping[str, RoutePlan], overrides: Overrides, now_s: float
) -> dict[str, _Ramping]:
    found = (
        _ramp_of(plan, overrides.standing(name, now_s), overrides.moved.get(name))
        for name, plan in plans.items()
        if plan.ramp is not None
    )
    return {each.name: each for each in found if each}


def _ramp_of(plan: RoutePlan, override: Override | None, moved: int | None) -> _Ramping | None:
    standing = override or Override()
    position = position_of(plan, override)
    if plan.ramp is None or position.stage is not Stage.CANARY:
        return None
    if standing.paused or not standing.follows_ramp:
        return None
    # By the revision that moved it: a pause and a resume within a second leave no other trace.
    return _Ramping(plan.name, plan.ramp, position.basis_points, (position, moved))


def _seen(
    progress: RampProgress | None, ramp: _Ramping, moment: Moment, healthy: bool
) -> RampProgress:
    if progress is None:
        return RampProgress(ramp.place, moment.monotonic_s)
    return progress.seen(ramp.place, moment.monotonic_s, healthy=healthy)


def _rise(ramping: _Ramping, progress: RampProgress, moment: Moment, healthy: bool) -> Move | None:
    ramp, step = ramping.ramp, ramping.ramp.step_at(ramping.basis_points)
    held_s = progress.held_s(moment.monotonic_s)
    after = advance(ramp, step, held_s, moment.at, healthy=healthy)
    if after == step:
        return None
    reason = f"held at {percent_text(ramping.basis_points)} for {held_s:.0f} s in health"
    return _by_system(Action.ADVANCE, ramping.name, reason, ramp.steps[after])


def _by_system(action: Action, route: str, reason: str, basis_points: int | None = None) -> Move:
    return Move(action, route, basis_points=basis_points, reason=reason, who=SYSTEM)
