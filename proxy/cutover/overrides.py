"""What has been moved at run time, laid over what the file says.

Belongs here: the values, and the positions that a file and overrides come to together. Does not:
how they change (`moves`), where they are kept (`state`).

Times are seconds of the Unix clock: they outlive processes, and people read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from proxy.cutover.percent import percent_text
from proxy.cutover.plan import RoutePlan
from proxy.cutover.position import Position
from proxy.cutover.stages import Stage


@dataclass(frozen=True, slots=True)
class Override:
    """What was moved of one route. What is None or False is as the file says.

    *basis_points* was set by hand when *step* is None; otherwise the ramp has reached it, with
    the number of the step at that time. *rollback* is the cause of a rollback, with its numbers:
    legacy answers until somebody moves the route. From *expires_s* on, *beneath* counts instead,
    which itself never expires; None there is the file alone.
    """

    stage: Stage | None = None
    basis_points: int | None = None
    step: int | None = None
    paused: bool = False
    rollback: str | None = None
    since_s: float = 0.0
    expires_s: float | None = None
    who: str = ""
    reason: str = ""
    beneath: "Override | None" = None

    @property
    def says_nothing(self) -> bool:
        """Whether everything is as the file says."""
        return (self.stage, self.basis_points, self.paused, self.rollback) == (
            *(None, None),
            *(False, None),
        )

    @property
    def follows_ramp(self) -> bool:
        """Whether the percentage is the ramp's, not one that was set by hand."""
        return self.basis_points is None or self.step is not None

    @property
    def lasting(self) -> "Override | None":
        """What remains when everything that has an end is over."""
        return self if self.expires_s is None else self.beneath


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """The kill switch while it is on: legacy answers on all routes that have it.

    *since_s* is 0 and the texts are empty when the switch was set by hand, as a bare file.
    """

    who: str = ""
    reason: str = ""
    since_s: float = 0.0
    expires_s: float | None = None

    def holds(self, now_s: float) -> bool:
        """Whether it is still on at *now_s*."""
        return not _is_over(self.expires_s, now_s)


@dataclass(frozen=True, slots=True)
class Overrides:
    """All that was moved at run time.

    *revision* counts the changes that were kept; *moved* is the one that moved each route last,
    known even when nothing is left of that move. Both are the store's.
    """

    revision: int = 0
    kill: KillSwitch | None = None
    routes: Mapping[str, Override] = field(default_factory=dict)
    moved: Mapping[str, int] = field(default_factory=dict)

    def is_killed(self, now_s: float) -> bool:
        """Whether the kill switch is on at *now_s*."""
        return self.kill is not None and self.kill.holds(now_s)

    def standing(self, route: str, now_s: float) -> Override | None:
        """What counts of a route's override at *now_s*; None where the file alone does."""
        override = self.routes.get(route)
        if override is None or not _is_over(override.expires_s, now_s):
            return override
        return override.beneath

    def following(self, before: "Overrides") -> "Overrides":
        """These overrides as the change that is kept next after *before*."""
        revision = before.revision + 1
        names = before.routes.keys() | self.routes.keys()
        changed = {name for name in names if before.routes.get(name) != self.routes.get(name)}
        moved = {**before.moved, **dict.fromkeys(sorted(changed), revision)}
        return replace(self, revision=revision, moved=moved)

    def next_expiry_s(self, now_s: float) -> float | None:
        """When positions change next by themselves; None if nothing has an end."""
        ends = [override.expires_s for override in self.routes.values()]
        ends.append(self.kill.expires_s if self.kill else None)
        return min((end for end in ends if end is not None and end > now_s), default=None)


NOTHING_MOVED: Final = Overrides()

_ROLLED_BACK: Final = Position(Stage.LEGACY, rolled_back=True)


def _is_over(expires_s: float | None, now_s: float) -> bool:
    return expires_s is not None and now_s >= expires_s


def positions(
    plans: Mapping[str, RoutePlan], overrides: Overrides, now_s: float
) -> dict[str, Position]:
    """Where each route of the file stands at *now_s*.

    Equal files and equal overrides give equal positions in every process. The kill switch is no
    matter of positions: a decision asks for it first.
    """
    return {
        name: position_of(plan, overrides.standing(name, now_s)) for name, plan in plans.items()
    }


def position_of(plan: RoutePlan, override: Override | None) -> Position:
    """Where a route stands. An override that its file makes impossible does not count."""
    if override is None:
        return _filed(plan)
    if override.rollback is not None:
        return _ROLLED_BACK if plan.has_legacy else _filed(plan)
    stage = override.stage or plan.stage
    if plan.obstacle(stage):
        return _filed(plan)
    return Position(stage, _share(plan, override) if stage is Stage.CANARY else 0)


def _filed(plan: RoutePlan) -> Position:
    return Position(plan.stage, plan.first_basis_points if plan.stage is Stage.CANARY else 0)


def _share(plan: RoutePlan, override: Override) -> int:
    """The share in canary. What a ramp has reached counts only as far as the file's ramp goes."""
    if override.basis_points is None:
        return plan.first_basis_points
    if override.step is None:
        return override.basis_points
    return plan.ramp.floor(override.basis_points) if plan.ramp else plan.basis_points


def position_text(position: Position) -> str:
    """A position in words.

    >>> position_text(Position(Stage.CANARY, 25)), position_text(Position(Stage.GRPC))
    ('canary 0.25 %', 'grpc')
    """
    if position.rolled_back:
        return "rolled back to legacy"
    if position.stage is Stage.CANARY:
        return f"{position.stage} {percent_text(position.basis_points)}"
    return str(position.stage)


def standing_text(plan: RoutePlan | None, override: Override | None) -> str:
    """Where a route stands in words, as the audit log keeps it."""
    if plan is None:
        return "not in the file"
    position = position_of(plan, override)
    text = position_text(position)
    if override is None or position.stage is not Stage.CANARY:
        return text
    by_hand = ", set by hand" if plan.ramp and not override.follows_ramp else ""
    return f"{text}{by_hand}{', paused' if override.paused else ''}"
