"""Plans and moves for tests, and strategies for arbitrary ones."""

from dataclasses import replace

from hypothesis import strategies as st

from proxy.cutover.moves import INTERNAL, SYSTEM, Action, Move, MoveRefused, apply
from proxy.cutover.overrides import NOTHING_MOVED, Override, Overrides
from proxy.cutover.percent import WHOLE
from proxy.cutover.plan import RoutePlan
from proxy.cutover.ramp import Ramp
from proxy.cutover.stages import Stage

RAMP = Ramp((100, 500, 2500, 5000, WHOLE), hold_s=3600.0, max_auto_basis_points=2500)
LEGACY = RoutePlan("get-zone", Stage.LEGACY, 500, None, True, True, True, True)
CANARY = replace(LEGACY, stage=Stage.CANARY)
GRPC = replace(LEGACY, stage=Stage.GRPC)
#: In canary by its file, at the first step of a ramp.
RAMPING = replace(CANARY, basis_points=0, ramp=RAMP)
PREPARED = replace(RAMPING, stage=Stage.LEGACY)
GRPC_ONLY = replace(GRPC, has_legacy=False)
LEGACY_ONLY = replace(LEGACY, has_grpc=False, has_sticky=False, has_mirror=False)


def move(action: Action, **facts: object) -> Move:
    """A move of `get-zone` by an operator, or by the system where only it can."""
    who = SYSTEM if action in INTERNAL else "kim"
    defaults: dict[str, object] = {"route": "get-zone", "reason": "to see", "who": who}
    return Move(action, **(defaults | facts))  # type: ignore[arg-type]


def moved(plan: RoutePlan, *moves: Move, at: float = 0.0) -> Overrides:
    """The overrides after *moves*, one second after another from *at* on."""
    overrides = NOTHING_MOVED
    for offset, each in enumerate(moves):
        overrides = apply(overrides, each, plan, at + offset)
    return overrides


def override_after(plan: RoutePlan, *moves: Move, at: float = 0.0) -> Override | None:
    return moved(plan, *moves, at=at).routes.get(plan.name)


shares = st.integers(0, WHOLE)
ramps = st.builds(
    lambda steps, limit: Ramp(tuple(sorted(steps)), 60.0, (), limit),
    st.sets(st.integers(1, WHOLE), min_size=1, max_size=6),
    shares,
)
plans = st.builds(
    RoutePlan,
    st.just("get-zone"),
    st.sampled_from(Stage),
    shares,
    st.none() | ramps,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
).filter(lambda plan: plan.obstacle(plan.stage) is None)

moves = st.builds(
    Move,
    st.sampled_from(Action),
    st.sampled_from(["get-zone", "get-zone", "get-zone", ""]),
    st.none() | st.sampled_from(Stage),
    st.none() | st.integers(-1, WHOLE + 1),
    st.none() | st.booleans(),
    st.just("to see"),
    st.sampled_from(["kim", SYSTEM]),
    st.none() | st.floats(0.1, 100.0),
)


def tried(overrides: Overrides, each: Move, plan: RoutePlan | None, now_s: float) -> Overrides:
    """The overrides after a move, or as they were if it is refused."""
    try:
        return apply(overrides, each, plan, now_s)
    except MoveRefused:
        return overrides


@st.composite
def histories(draw: st.DrawFn, *, longest: int = 12) -> tuple[RoutePlan, Overrides, float]:
    """A plan, what a history of moves has made, and the time after it."""
    plan, overrides, now_s = draw(plans), NOTHING_MOVED, 0.0
    for each in draw(st.lists(moves, max_size=longest)):
        now_s += draw(st.floats(0.0, 60.0))
        overrides = tried(overrides, each, plan, now_s)
    return plan, overrides, now_s
