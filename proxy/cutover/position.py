"""Where a route stands between its two sides at this moment.

Belongs here: the one value that the file and the moves of operators come to, as a decision reads
it. Does not: how it is come to (`plan`, `moves`), what is decided by it (`decision`).
"""

from dataclasses import dataclass

from proxy.cutover.bucket import BUCKETS
from proxy.cutover.stages import Stage


@dataclass(frozen=True, slots=True)
class Position:
    """The stage of a route, and its share of gRPC in basis points (1/100 of a percent).

    *basis_points* counts in stage canary only, 0 to 10,000. *rolled_back* says that the proxy took
    the route back by itself: legacy answers, whatever the stage says, until an operator acts.

    >>> Position(Stage.CANARY, 10_001)
    Traceback (most recent call last):
    ValueError: 10001 basis points are not within 0 and 10000
    """

    stage: Stage
    basis_points: int = 0
    rolled_back: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.basis_points <= BUCKETS:
            raise ValueError(f"{self.basis_points} basis points are not within 0 and {BUCKETS}")

    @property
    def grpc_share(self) -> float:
        """The share of clients that gRPC answers, from 0 to 1.

        >>> Position(Stage.CANARY, 250).grpc_share, Position(Stage.SHADOW).grpc_share
        (0.025, 0.0)
        """
        if self.stage is Stage.CANARY and not self.rolled_back:
            return self.basis_points / BUCKETS
        return float(self.stage is Stage.GRPC and not self.rolled_back)
