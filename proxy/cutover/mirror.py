"""Whether a request is mirrored, to which side and how deep.

Belongs here: the decisions. Does not: the mirrored call itself (`shadow`).
"""

from dataclasses import dataclass
from enum import StrEnum

from proxy.cutover.stages import Side, Stage


class Depth(StrEnum):
    """How far a mirror goes; each depth does what the ones before it do.

    `TRANSLATE` makes the message of a request and compares it with what the client sent, and calls
    nobody. `VALIDATE_ONLY` calls with the request's field of that name set. `RPC` calls.
    """

    TRANSLATE = "translate"
    VALIDATE_ONLY = "validate_only"
    RPC = "rpc"


@dataclass(frozen=True, slots=True)
class MirrorOptions:
    """How the requests of one route are mirrored.

    *basis_points* of them are: each by itself, or with *sticky* all of a client or none.
    *max_rps* bounds those of one process per second, None: nothing but the pool does.
    *timeout_s* is from the mirror's start. At most *max_concurrency* run at one time, and
    *max_pending* wait. Bodies above the two caps, in bytes, are not mirrored; of a stream
    *max_messages* are compared. *set_headers* replace, and *remove_headers* (lower case) are left
    out, in the mirror alone.
    """

    depth: Depth
    basis_points: int
    sticky: bool = False
    timeout_s: float = 2.0
    max_concurrency: int = 16
    max_pending: int = 128
    max_request_bytes: int = 64 << 10
    max_response_bytes: int = 256 << 10
    max_messages: int = 100
    max_rps: float | None = None
    set_headers: tuple[tuple[str, str], ...] = ()
    remove_headers: frozenset[str] = frozenset()
    reverify_after_s: float | None = None
    control_basis_points: int = 0


def mirrored_side(stage: Stage, primary: Side) -> Side | None:
    """The side that gets the mirror of a request which *primary* answers; None: nobody does.

    >>> mirrored_side(Stage.SHADOW, Side.LEGACY), mirrored_side(Stage.GRPC, Side.GRPC)
    (<Side.GRPC: 'grpc'>, <Side.LEGACY: 'legacy'>)
    >>> mirrored_side(Stage.LEGACY, Side.LEGACY) is None
    True
    """
    if stage is Stage.LEGACY or primary is Side.PROXY:
        return None
    return Side.GRPC if primary is Side.LEGACY else Side.LEGACY
