"""The gate before steps up: which moves it is asked about, and which it holds back.

Belongs here: the seam between moves and evidence. Does not: the verdict (`gate.judgement`, put
together by `shadow.reporting`), what a move means (`cutover.moves`).

`promote` goes by the evidence and is refused without it, unless somebody forces it. To name a stage
or a percentage is to decide by oneself: the gate is asked, what it says is told and kept in the
audit, and the move is made. Whatever lowers a route's share never waits for a gate.
"""

from typing import Final, Protocol

from proxy.cutover.moves import Action, Move, MoveRefused, apply
from proxy.cutover.opinion import Opinion
from proxy.cutover.overrides import Overrides, position_of
from proxy.cutover.plan import RoutePlan

_MAY_RAISE: Final = frozenset({Action.PROMOTE, Action.STAGE, Action.PERCENT})


class Gate(Protocol):
    """Knows what the evidence of a route says."""

    async def opinion(self, route: str) -> Opinion | None:
        """The gate's opinion of *route* now; None for a route without a gate. Raises nothing."""
        ...

    def latest(self, route: str) -> Opinion | None:
        """The opinion of some seconds ago, at no cost; None for a route without a gate."""
        ...


class GateRefused(MoveRefused):
    """A promotion that the evidence does not bear; *opinion* says why."""

    def __init__(self, route: str, opinion: Opinion) -> None:
        super().__init__(f"the gate of {route} does not pass: {opinion}")
        self.route = route
        self.opinion = opinion


async def words_of_gate(
    gate: Gate | None, move: Move, raises: bool, *, force: bool = False
) -> str | None:
    """What *gate* says to *move*, which *raises* the share of gRPC; None where it has no say.

    Raises `GateRefused` for a promotion that does not pass, unless *force*.
    """
    opinion = await gate.opinion(move.route) if gate and raises else None
    if opinion is None:
        return None
    if move.action is not Action.PROMOTE or opinion.passes:
        return str(opinion)
    if not force:
        raise GateRefused(move.route, opinion)
    return f"forced, {opinion}"


def may_rise(gate: Gate | None, route: str) -> bool:
    """Whether a ramp's next step stands before no gate, or before one that passes."""
    opinion = None if gate is None else gate.latest(route)
    return opinion is None or opinion.passes


def raises_share(overrides: Overrides, move: Move, plan: RoutePlan | None, now_s: float) -> bool:
    """Whether *move* gives gRPC more of the clients. Raises `MoveRefused` if it cannot be made."""
    if move.action not in _MAY_RAISE or plan is None:
        return False
    before = position_of(plan, overrides.standing(move.route, now_s))
    moved = apply(overrides, move, plan, now_s)
    after = position_of(plan, moved.standing(move.route, now_s))
    return after.grpc_share > before.grpc_share
