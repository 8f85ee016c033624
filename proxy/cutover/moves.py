"""Moves: what operators, and the proxy itself, do to routes at run time.

Belongs here: what a move means, and when it is refused. Does not: what holds afterwards
(`overrides`), which moves the proxy makes (`upkeep`), who may move (`admin`), where moves are
kept (`state`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple
from unicodedata import category

from proxy.cutover.overrides import (
    KillSwitch,
    Override,
    Overrides,
    position_of,
    position_text,
)
from proxy.cutover.percent import WHOLE, percent_text
from proxy.cutover.plan import RoutePlan
from proxy.cutover.position import Position
from proxy.cutover.settlement import settled
from proxy.cutover.stages import Stage


class OwnName(StrEnum):
    """Who acts when the proxy does: this member itself, not its text, which anybody can send."""

    SYSTEM = "system"


#: Nobody else may use the name.
SYSTEM: Final = OwnName.SYSTEM
#: A year and a day in seconds: what shall hold for longer belongs into the file.
MAX_TTL_S: Final = 366 * 24 * 3600.0
#: The most characters of a reason: it is kept in every audit line and shown in one line.
MAX_REASON_LENGTH: Final = 1000
#: The most characters of a name.
MAX_WHO_LENGTH: Final = 200
#: Unicode categories of what would break a line of the audit log, or has no JSON: controls, line
#: and paragraph separators, and the lone surrogates that a shell's bytes outside UTF-8 become.
_UNPRINTABLE: Final = frozenset({"Cc", "Zl", "Zp", "Cs"})


class Action(StrEnum):
    """What a move does; the last three are the proxy's own."""

    STAGE = "stage"
    PERCENT = "percent"
    PROMOTE = "promote"
    PAUSE = "pause"
    RESUME = "resume"
    ROLLBACK = "rollback"
    KILL = "kill"
    ADVANCE = "advance"
    SETTLE = "settle"
    EXPIRE = "expire"


#: What only the proxy does.
INTERNAL: Final = frozenset({Action.ADVANCE, Action.SETTLE, Action.EXPIRE})
#: Changes of a route whose position stays: what has an end keeps it.
_KEEPS_END: Final = frozenset({Action.PAUSE, Action.RESUME, Action.ADVANCE})


@dataclass(frozen=True, slots=True)
class Move:
    """One move: of *route*, or of the kill switch where the name is empty.

    *stage* belongs to `stage`, *basis_points* to `percent` and `advance`, *on* to `kill`. With
    *ttl_s* the move holds for that many seconds; then counts again what did before.
    """

    action: Action
    route: str = ""
    stage: Stage | None = None
    basis_points: int | None = None
    on: bool | None = None
    reason: str = ""
    who: str = ""
    ttl_s: float | None = None


class MoveRefused(ValueError):
    """A move that cannot be made, with the reason in words for who asked for it."""


class _Case(NamedTuple):
    """A move of a route with what it meets. *override* is what counts now, empty if nothing."""

    move: Move
    plan: RoutePlan
    override: Override
    position: Position


def apply(overrides: Overrides, move: Move, plan: RoutePlan | None, now_s: float) -> Overrides:
    """Make *move* on a route with *plan*, None for a route that the file does not have.

    The revision is left alone: it counts what the store has kept. Raises MoveRefused.
    """
    _check(move)
    if move.action is Action.KILL:
        return replace(overrides, kill=_switched(overrides, move, now_s))
    if move.action is Action.EXPIRE and not move.route:
        _check_switch_is_over(overrides, now_s)
        return replace(overrides, kill=None)
    changed = _changed(overrides, move, plan, now_s)
    others = {name: each for name, each in overrides.routes.items() if name != move.route}
    return replace(overrides, routes=others | ({move.route: changed} if changed else {}))


def check_words(reason: str, who: str) -> None:
    """Check what somebody from outside gives as *reason* and name. Raises MoveRefused."""
    if not reason.strip():
        raise MoveRefused("a move needs a reason")
    if not who.strip():
        raise MoveRefused("a move needs to say who makes it")
    if who.strip().casefold() == SYSTEM:
        raise MoveRefused(f"the name {SYSTEM.value!r} is the proxy's own")
    _check_text("reason", reason, MAX_REASON_LENGTH)
    _check_text("name", who, MAX_WHO_LENGTH)


def _check(move: Move) -> None:
    # The proxy's own words are not measured: a rollback must not fail over its text.
    if move.who is not SYSTEM:
        check_words(move.reason, move.who)
        if move.action in INTERNAL:
            raise MoveRefused(f"{move.action} is the proxy's own")
    elif not move.reason.strip():
        raise MoveRefused("a move needs a reason")
    if move.ttl_s is not None and not 0 < move.ttl_s <= MAX_TTL_S:
        raise MoveRefused("a ttl must be longer than 0 and at most 366 days")


def _check_text(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise MoveRefused(f"the {what} is longer than {longest} characters")
    if any(category(character) in _UNPRINTABLE for character in text):
        raise MoveRefused(f"the {what} has characters that cannot be printed in a line")


def _switched(overrides: Overrides, move: Move, now_s: float) -> KillSwitch | None:
    if move.on is None:
        raise MoveRefused("kill needs on or off")
    if move.on:
        return KillSwitch(move.who, move.reason, now_s, _end_s(move, now_s))
    if move.ttl_s is not None:
        raise MoveRefused("a kill switch is not turned off for a time")
    if overrides.kill is None:
        raise MoveRefused("the kill switch is not on")
    return None


def _check_switch_is_over(overrides: Overrides, now_s: float) -> None:
    if overrides.kill is None or overrides.kill.holds(now_s):
        raise MoveRefused("no kill switch has expired")


def _end_s(move: Move, now_s: float) -> float | None:
    return None if move.ttl_s is None else now_s + move.ttl_s


def _changed(
    overrides: Overrides, move: Move, plan: RoutePlan | None, now_s: float
) -> Override | None:
    """The override of the route after *move*; None when nothing is left of it."""
    if move.action is Action.EXPIRE:
        return _without_end(overrides.routes, move.route, now_s)
    standing = overrides.standing(move.route, now_s)
    if plan is None:
        _check_gone(move, standing)
        return None
    if move.action is Action.SETTLE:
        return _settled(overrides.routes.get(move.route), plan)
    before = standing or Override()
    case = _Case(move, plan, before, position_of(plan, standing))
    after = _stamped(_OF_ROUTES[move.action](case), case, now_s)
    return None if after.says_nothing and after.expires_s is None else after


def _without_end(routes: Mapping[str, Override], route: str, now_s: float) -> Override | None:
    override = routes.get(route)
    if override is None or override.expires_s is None or now_s < override.expires_s:
        raise MoveRefused(f"no move of {route} has expired")
    return override.beneath


def _check_gone(move: Move, standing: Override | None) -> None:
    """Let an operator drop, by `resume`, what was moved of a route that the file has no more."""
    if standing is None or move.action is not Action.RESUME:
        raise MoveRefused(f"there is no route {move.route!r}")


def _settled(override: Override | None, plan: RoutePlan) -> Override | None:
    after = settled(override, plan)
    if after == override:
        raise MoveRefused(f"the file does not say what was moved of {plan.name}")
    return after


def _stamped(after: Override, case: _Case, now_s: float) -> Override:
    """Note who moved, when and until when; and what counts again after that."""
    move, before = case.move, case.override
    expires_s, beneath = _end_s(move, now_s), before.lasting
    if move.ttl_s is None:
        keeps = move.action in _KEEPS_END
        expires_s, beneath = (before.expires_s, before.beneath) if keeps else (None, None)
    elif beneath is not None and beneath.says_nothing:
        beneath = None
    return replace(
        after,
        since_s=now_s,
        who=move.who,
        reason=move.reason,
        expires_s=expires_s,
        beneath=beneath,
    )


def _into(
    plan: RoutePlan, stage: Stage, share: int | None = None, step: int | None = None
) -> Override:
    """An override for *stage*, which says no more than what differs from the file."""
    obstacle = plan.obstacle(stage)
    if obstacle:
        raise MoveRefused(f"{plan.name} cannot be in stage {stage}: {obstacle}")
    return Override(None if stage is plan.stage else stage, share, step)


def _stage(case: _Case) -> Override:
    if case.move.stage is None:
        raise MoveRefused(f"stage needs one of {', '.join(Stage)}")
    stays = case.move.stage is case.position.stage is Stage.CANARY
    before = case.override
    if stays:
        after = _into(case.plan, Stage.CANARY, before.basis_points, before.step)
        return replace(after, paused=before.paused)
    return _into(case.plan, case.move.stage)


def _percent(case: _Case) -> Override:
    share = case.move.basis_points
    if share is None or not 0 <= share <= WHOLE:
        raise MoveRefused("a percentage must be from 0 to 100, in steps of 0.01")
    return replace(_into(case.plan, Stage.CANARY, share), paused=case.override.paused)


def _promote(case: _Case) -> Override:
    plan, position = case.plan, case.position
    if position.stage is Stage.GRPC:
        raise MoveRefused(f"{plan.name} is in stage grpc: there is nothing further")
    if position.stage is not Stage.CANARY:
        return _entered(plan)
    share = plan.above(position.basis_points)
    if share is None:
        return _into(plan, Stage.GRPC)
    step = plan.ramp.steps.index(share) if plan.ramp and share in plan.ramp.steps else None
    return replace(_into(plan, Stage.CANARY, share, step), paused=case.override.paused)


def _entered(plan: RoutePlan) -> Override:
    after = _into(plan, Stage.CANARY)
    if not plan.first_basis_points:
        raise MoveRefused(
            f"{plan.name} has no canary.steps and no canary.percent in the file to be promoted to: "
            "give it some, or move it by percent"
        )
    return after


def _pause(case: _Case) -> Override:
    if case.override.paused:
        raise MoveRefused(f"{case.plan.name} is paused already")
    _check_runs(case)
    return replace(case.override, paused=True)


def _check_runs(case: _Case) -> None:
    """Refuse where no ramp is under way."""
    name, standing = case.plan.name, position_text(case.position)
    if case.plan.ramp is None:
        raise MoveRefused(f"{name} has no steps in the file: nothing moves it by itself")
    if case.position.stage is not Stage.CANARY or not case.override.follows_ramp:
        raise MoveRefused(f"{name} is not on its ramp: it stands at {standing}")


def _resume(case: _Case) -> Override:
    """End a rollback, or a pause, or let the ramp go on from a percentage set by hand."""
    before, ramp = case.override, case.plan.ramp
    if before.rollback is not None:
        return _into(case.plan, before.stage or case.plan.stage)
    if case.position.stage is Stage.CANARY and ramp and not before.follows_ramp:
        step = max(ramp.step_at(case.position.basis_points), 0)
        return replace(before, basis_points=ramp.steps[step], step=step, paused=False)
    if before.paused:
        return replace(before, paused=False)
    raise MoveRefused(f"{case.plan.name} is neither paused nor rolled back: nothing to resume")


def _rollback(case: _Case) -> Override:
    if case.position.stage not in (Stage.CANARY, Stage.GRPC):
        standing = position_text(case.position)
        raise MoveRefused(f"nothing to roll back: {case.plan.name} is {standing}")
    if case.move.who is SYSTEM and case.move.ttl_s is not None:
        raise MoveRefused("a rollback by the proxy has no end: somebody has to look at it")
    _into(case.plan, Stage.LEGACY)
    lasting = case.override.lasting
    return Override(stage=lasting.stage if lasting else None, rollback=case.move.reason)


def _advance(case: _Case) -> Override:
    _check_runs(case)
    ramp, share = case.plan.ramp, case.move.basis_points
    step = ramp.step_at(case.position.basis_points) + 1 if ramp else 0
    if (
        case.override.paused
        or ramp is None
        or not ramp.may_reach(step)
        or ramp.steps[step] != share
    ):
        at = percent_text(case.position.basis_points)
        raise MoveRefused(f"{case.plan.name} is at {at}: that is not its next automatic step")
    return replace(case.override, basis_points=share, step=step)


_OF_ROUTES: Final[Mapping[Action, Callable[[_Case], Override]]] = {
    Action.STAGE: _stage,
    Action.PERCENT: _percent,
    Action.PROMOTE: _promote,
    Action.PAUSE: _pause,
    Action.RESUME: _resume,
    Action.ROLLBACK: _rollback,
    Action.ADVANCE: _advance,
}
