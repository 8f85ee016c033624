"""Moves, carried out: from a plan and a move to a kept state with its audit entry.

Belongs here: joining `cutover.moves` with the store. Does not: either of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from proxy.cutover.moves import Action, Move, apply
from proxy.cutover.overrides import NOTHING_MOVED, KillSwitch, Overrides, standing_text
from proxy.cutover.plan import RoutePlan
from proxy.state.directory import Change, Committed, Facts, StateDirectory
from proxy.state.errors import NotRecorded, StateError

_SWITCH: Final = {True: "kill switch on", False: "kill switch off"}


def carry_out(
    state: StateDirectory,
    move: Move,
    plans: Mapping[str, RoutePlan],
    *,
    digest: str,
    if_revision: int | None = None,
    gate: str | None = None,
) -> Committed:
    """Make *move*, for all processes of the directory and for good. Blocks as `commit` does.

    *plans* are of the configuration *digest*; *gate* is what the route's gate says to it, for the
    audit. Raises MoveRefused, RevisionConflict and StateError,
    with nothing changed; but NotRecorded when the kill switch is on and only the record failed:
    it is turned on first, without waiting for anybody's lock.
    """
    now_s = state.clock()
    if move.action is Action.KILL and move.on and if_revision is None:
        return _kill(state, move, digest, now_s)
    return state.commit(
        lambda overrides: _moved(overrides, move, plans.get(move.route), now_s),
        replace(_facts(move, digest), gate=gate),
        if_revision=if_revision,
    )


def _kill(state: StateDirectory, move: Move, digest: str, now_s: float) -> Committed:
    was_on = state.kill.exists
    switch = apply(NOTHING_MOVED, move, None, now_s).kill or KillSwitch()
    _turn_on(state, switch)
    try:
        return state.commit(
            lambda overrides: Change(
                replace(overrides, kill=switch), _SWITCH[was_on], _SWITCH[True]
            ),
            _facts(move, digest),
        )
    except StateError as error:
        raise NotRecorded(f"the kill switch is on, but could not be recorded: {error}") from error


def _turn_on(state: StateDirectory, switch: KillSwitch) -> None:
    try:
        state.kill.write(switch)
    except OSError as error:
        raise StateError(f"the kill switch could not be turned on: {error}") from error


def _moved(overrides: Overrides, move: Move, plan: RoutePlan | None, now_s: float) -> Change:
    after = apply(overrides, move, plan, now_s)
    return Change(after, _told(overrides, move, plan, now_s), _told(after, move, plan, now_s))


def _told(overrides: Overrides, move: Move, plan: RoutePlan | None, now_s: float) -> str:
    """What the move is about, as it stands in *overrides*, in words."""
    if move.action is Action.KILL or not move.route:
        return _SWITCH[overrides.is_killed(now_s)]
    return standing_text(plan, overrides.standing(move.route, now_s))


def _facts(move: Move, digest: str) -> Facts:
    route = "" if move.action is Action.KILL else move.route
    return Facts(move.action, move.who, move.reason, route, digest, move.ttl_s)
