"""What the configuration says of a route's cutover, as far as moves need to know it.

Belongs here: the position that a file asks for, and which stages are possible. Does not: what was
moved since (`overrides`).
"""

from dataclasses import dataclass

from proxy.cutover.ramp import Ramp, next_share
from proxy.cutover.stages import Stage


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """A route as its file wants it.

    *basis_points* is the share of gRPC in stage canary; it does not count where there is a
    *ramp*, which begins at its first step. *has_legacy* and *has_grpc* say which upstreams the
    route has, *has_sticky* that it has a key by which clients keep their side in canary,
    *has_mirror* that its requests can be mirrored.
    """

    name: str
    stage: Stage
    basis_points: int
    ramp: Ramp | None
    has_legacy: bool
    has_grpc: bool
    has_sticky: bool
    has_mirror: bool = False

    @property
    def first_basis_points(self) -> int:
        """The share with which the route enters canary."""
        return self.ramp.steps[0] if self.ramp else self.basis_points

    def obstacle(self, stage: Stage) -> str | None:
        """Why the route cannot be in *stage*; None if it can.

        >>> plan = RoutePlan("get-zone", Stage.GRPC, 0, None, False, True, False)
        >>> plan.obstacle(Stage.CANARY), plan.obstacle(Stage.GRPC)
        ('the route has no legacy upstream', None)
        """
        if stage is not Stage.GRPC and not self.has_legacy:
            return "the route has no legacy upstream"
        if stage is not Stage.LEGACY and not self.has_grpc:
            return "the route has no gRPC upstream"
        if stage is Stage.SHADOW and not self.has_mirror:
            return "the route has no mirror, and shadow without one is legacy"
        if stage is Stage.CANARY and not self.has_sticky:
            return "the route has no sticky source, by which clients would keep their side"
        return None

    def above(self, basis_points: int) -> int | None:
        """The share after *basis_points* when an operator promotes; None if it is all already."""
        return next_share(self.ramp.steps if self.ramp else (), basis_points)
