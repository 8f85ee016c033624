"""Which side answers a request, and why: the decision of a route's cutover.

Pure: what a decision depends on is an argument. A decision is made once per request and carries
its reason, which the access log, the metrics and `explain` all show.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.cutover.stages import Side, Stage


class Reason(StrEnum):
    """Why a side answers; one word each, since it is a metric label."""

    UNMAPPED = "unmapped"
    STAGE = "stage"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Decision:
    """The side that answers a request, with the reason."""

    side: Side
    reason: Reason


UNMAPPED: Final = Decision(Side.LEGACY, Reason.UNMAPPED)
REFUSED: Final = Decision(Side.PROXY, Reason.REFUSED)

_BY_STAGE: Final = {
    Stage.LEGACY: Decision(Side.LEGACY, Reason.STAGE),
    Stage.SHADOW: Decision(Side.LEGACY, Reason.STAGE),
    Stage.CANARY: Decision(Side.LEGACY, Reason.STAGE),
    Stage.GRPC: Decision(Side.GRPC, Reason.STAGE),
}


def decide(stage: Stage | None) -> Decision:
    """Pick the side for a request on a route in *stage*; None is a request without a route.

    >>> decide(Stage.GRPC)
    Decision(side=<Side.GRPC: 'grpc'>, reason=<Reason.STAGE: 'stage'>)
    >>> decide(None).reason
    <Reason.UNMAPPED: 'unmapped'>
    """
    return UNMAPPED if stage is None else _BY_STAGE[stage]
