"""Which side answers a request, and why: the decision of a route's cutover.

Pure: what a decision depends on is an argument. A decision is made once per request and carries
its reason, which the access log, the metrics and `explain` all show.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from proxy.cutover.bucket import bucket
from proxy.cutover.canary import Canary
from proxy.cutover.position import Position
from proxy.cutover.stages import Side, Stage
from proxy.cutover.sticky import Caller, sticky_key


class Reason(StrEnum):
    """Why a side answers; one word each, since it is a metric label.

    The first nine are in the order in which they count. `FALLBACK` is legacy's after a failure of
    gRPC in the same request, `REFUSED` an answer of the proxy itself; neither is decided here.
    """

    KILL_SWITCH = "kill_switch"
    UNMAPPED = "unmapped"
    OVERRIDE = "override"
    DENY = "deny"
    MATCH = "match"
    ALLOW = "allow"
    BREAKER = "breaker"
    PIN = "pin"
    BUCKET = "bucket"
    MISSING_KEY = "missing_key"
    STAGE = "stage"
    ROLLBACK = "rollback"
    FALLBACK = "fallback"
    REFUSED = "refused"


class Decision(NamedTuple):
    """The side that answers a request, with the reason; *bucket* when that was looked at."""

    side: Side
    reason: Reason
    bucket: int | None = None


UNMAPPED: Final = Decision(Side.LEGACY, Reason.UNMAPPED)
REFUSED: Final = Decision(Side.PROXY, Reason.REFUSED)
FELL_BACK: Final = Decision(Side.LEGACY, Reason.FALLBACK)

# One object per outcome, and names for the members: reading a member from its class takes longer
# than the rest of a decision.
_LEGACY: Final = Side.LEGACY
_GRPC: Final = Side.GRPC
_IN_CANARY: Final = Stage.CANARY
_IN_GRPC: Final = Stage.GRPC
_BY_BUCKET: Final = Reason.BUCKET

_KILLED: Final = Decision(Side.LEGACY, Reason.KILL_SWITCH)
_OVERRIDDEN_LEGACY: Final = Decision(Side.LEGACY, Reason.OVERRIDE)
_OVERRIDDEN_GRPC: Final = Decision(Side.GRPC, Reason.OVERRIDE)
_ROLLED_BACK: Final = Decision(Side.LEGACY, Reason.ROLLBACK)
_STAGE_LEGACY: Final = Decision(Side.LEGACY, Reason.STAGE)
_STAGE_GRPC: Final = Decision(Side.GRPC, Reason.STAGE)
_DENIED: Final = Decision(Side.LEGACY, Reason.DENY)
_MATCHED: Final = Decision(Side.GRPC, Reason.MATCH)
_ALLOWED: Final = Decision(Side.GRPC, Reason.ALLOW)
_BREAKER_OPEN: Final = Decision(Side.LEGACY, Reason.BREAKER)
_PINNED_LEGACY: Final = Decision(Side.LEGACY, Reason.PIN)
_PINNED_GRPC: Final = Decision(Side.GRPC, Reason.PIN)
_KEYLESS: Final = Decision(Side.LEGACY, Reason.MISSING_KEY)

#: The side that a sticky key is pinned to, None for a key that is not.
PinnedSide = Callable[[str], Side | None]


def decide(
    position: Position | None,
    canary: Canary | None,
    caller: Caller,
    *,
    killed: bool,
    override: Side | None,
    breaker_open: bool,
    pinned: PinnedSide | None,
) -> Decision:
    """Pick the side for a request of *caller*; the first of these that applies says it.

    1. The kill switch is on (*killed*): legacy.
    2. Nothing is mapped (*position* is None): legacy.
    3. A trusted header names a side (*override*, verified by `OverrideHeader`): that one.
    4. The proxy took the route back: legacy.
    5. Stage legacy and shadow: legacy. Stage grpc: gRPC, and legacy while the breaker is open.
    6. Stage canary, by *canary*: denied, legacy; a header matches or the caller is allowed, gRPC;
       the breaker is open or there is no sticky key, legacy; the side that the key is *pinned* to;
       gRPC when the key's bucket is below the basis points, else legacy.

    The lists of a canary hold in its stage only: stage grpc is for everybody. Without *canary* the
    stage canary is legacy. *breaker_open* tells nothing that could be used up: a caller whose
    breaker lends out a probe asks first without, and again with it when the answer is gRPC and no
    probe is to be had. Raises nothing.

    >>> from types import SimpleNamespace
    >>> caller = Caller(SimpleNamespace(get={}.get, getall={}.get), "", "192.0.2.7")
    >>> decide(Position(Stage.GRPC), None, caller,
    ...        killed=False, override=None, breaker_open=False, pinned=None)
    Decision(side=<Side.GRPC: 'grpc'>, reason=<Reason.STAGE: 'stage'>, bucket=None)
    """
    if killed:
        return _KILLED
    if position is None:
        return UNMAPPED
    if override is not None:
        return _OVERRIDDEN_GRPC if override is _GRPC else _OVERRIDDEN_LEGACY
    if position.rolled_back:
        return _ROLLED_BACK
    stage = position.stage
    if stage is _IN_GRPC:
        return _BREAKER_OPEN if breaker_open else _STAGE_GRPC
    if stage is _IN_CANARY and canary is not None:
        return _in_canary(position.basis_points, canary, caller, breaker_open, pinned)
    return _STAGE_LEGACY


def _in_canary(
    basis_points: int,
    canary: Canary,
    caller: Caller,
    breaker_open: bool,
    pinned: PinnedSide | None,
) -> Decision:
    if canary.denies(caller):
        return _DENIED
    if canary.matches(caller):
        return _MATCHED
    if canary.allows(caller):
        return _ALLOWED
    if breaker_open:
        return _BREAKER_OPEN
    key = sticky_key(canary.sticky, caller)
    if key is None:
        return _KEYLESS
    side = None if pinned is None else pinned(key)
    if side is not None:
        return _PINNED_GRPC if side is _GRPC else _PINNED_LEGACY
    number = bucket(canary.group, key)
    return Decision(_GRPC if number < basis_points else _LEGACY, _BY_BUCKET, number)
