"""Why nothing was ever compared on a route, in words: an operator must not guess at silence.

Belongs here: the reasons. Does not: whose they are (`reporting`).
"""

from collections.abc import Mapping
from typing import Final

from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.cutover.stages import Stage
from proxy.gate.evidence import Outcome, RouteEvidence
from proxy.shadow.sample import Life

#: What takes an eligible request out, or a mirror that was sent; each may have a reason.
_LOSSES: Final = (
    *(Life.SKIPPED, Life.DROPPED, Life.CANDIDATE_ERROR, Life.CANDIDATE_TIMEOUT),
    Life.NOT_COMPARABLE,
)


def why_uncompared(
    mirror: MirrorOptions | None, stage: Stage, evidence: RouteEvidence | None
) -> str | None:
    """Why no answers of a route are compared; None when there are comparisons of answers.

    *evidence* is of the configuration in force, None when there is none of it.
    """
    if evidence is not None and evidence.verdicts:
        return shallow(mirror) or None
    if mirror is None:
        return "no mirror"
    if not mirror.basis_points:
        return "mirror at 0 %"
    if stage is Stage.LEGACY:
        return "stage legacy"
    if evidence is None or not _eligible(evidence.outcomes):
        return "no traffic yet under this configuration"
    return _losses_text(evidence.outcomes)


def shallow(mirror: MirrorOptions | None) -> str:
    """What mirrors of a route do not look at, however many there are; "" for all of it."""
    if mirror is None or mirror.depth is Depth.RPC:
        return ""
    return f"depth {mirror.depth} only: no answers are compared"


def _eligible(outcomes: Mapping[Outcome, int]) -> int:
    return outcomes.get((Life.ELIGIBLE, ""), 0)


def _losses_text(outcomes: Mapping[Outcome, int]) -> str:
    """What became of the eligible requests, the most frequent loss first.

    >>> _losses_text({("eligible", ""): 9, ("not_sampled", ""): 9})
    'none of 9 requests sampled yet'
    >>> _losses_text({("eligible", ""): 9, ("skipped", "streaming"): 9})
    'all skipped: streaming'
    """
    losses = {end: count for end, count in outcomes.items() if end[0] in _LOSSES and count}
    if not losses:
        sampled = _eligible(outcomes) - outcomes.get((Life.NOT_SAMPLED, ""), 0)
        of_them = f"none of {_eligible(outcomes):,} requests sampled yet"
        return "mirrors are under way" if sampled > 0 else of_them
    life, reason = max(losses, key=lambda end: (losses[end], end))
    share = "all" if len(losses) == 1 else "mostly"
    return f"{share} {life}: {reason}" if reason else f"{share} {life}"
