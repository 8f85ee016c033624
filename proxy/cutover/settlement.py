"""Where overrides and the file differ, and where the file has caught up.

Belongs here: the comparison, in words and as what remains. Does not: how overrides come about
(`moves`).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from proxy.cutover.overrides import (
    Override,
    Overrides,
    position_of,
    position_text,
    standing_text,
)
from proxy.cutover.plan import RoutePlan
from proxy.cutover.stages import Stage


def drift(plans: Mapping[str, RoutePlan], overrides: Overrides, now_s: float) -> dict[str, str]:
    """What differs from the file at *now_s*, in words by route.

    How far a ramp of the file has come is no drift: the file says that it goes its way. Overrides
    of routes that the file does not have do nothing, and are told.
    """
    standing = {name: overrides.standing(name, now_s) for name in overrides.routes}
    told = {
        name: _difference(plans.get(name), override)
        for name, override in standing.items()
        if override is not None
    }
    return {name: text for name, text in told.items() if text}


def _difference(plan: RoutePlan | None, override: Override) -> str | None:
    if plan is None:
        return "moved, but not in the file: this does nothing"
    left = settled(override, plan)
    if left is None or _is_progress(left):
        return None
    filed = position_text(position_of(plan, None))
    stage = Stage.LEGACY if left.rollback is not None else left.stage or plan.stage
    obstacle = plan.obstacle(stage)
    if obstacle:
        return f"moved to {stage}, which does not count: {obstacle}; the file's {filed} does"
    return f"{standing_text(plan, left)}, the file says {filed}{_end_text(left)}"


def _is_progress(override: Override) -> bool:
    """Whether it says no more than how far the ramp of the file has come."""
    return replace(override, basis_points=None).says_nothing and override.follows_ramp


def _end_text(override: Override) -> str:
    if override.expires_s is None:
        return ""
    end = datetime.fromtimestamp(override.expires_s, UTC)
    return f" (until {end:%Y-%m-%d %H:%M:%S}Z)"


def settled(override: Override | None, plan: RoutePlan) -> Override | None:
    """What is left of *override* when what the file says as well is taken away.

    It is taken away part by part, so that the file counts again: a route that was promoted at run
    time, and whose file followed, goes back when the file does. A rollback is settled when the
    file has taken back the stage that failed. What has an end is left alone until then.
    """
    if override is None or override.expires_s is not None:
        return override
    stage = None if override.stage is plan.stage else override.stage
    left = replace(override, stage=stage)
    if override.rollback is not None:
        moved_by_file = override.stage is None and plan.stage in (Stage.LEGACY, Stage.SHADOW)
        return None if moved_by_file else left
    if (stage or plan.stage) is not Stage.CANARY:
        left = replace(left, basis_points=None, step=None, paused=False)
    elif _share_is_filed(left, plan):
        left = replace(left, basis_points=None, step=None)
    return None if left.says_nothing else left


def _share_is_filed(override: Override, plan: RoutePlan) -> bool:
    if override.step is not None and plan.ramp is None:
        return True
    return position_of(plan, override) == position_of(
        plan, replace(override, basis_points=None, step=None)
    ) and (plan.ramp is None or override.follows_ramp)
