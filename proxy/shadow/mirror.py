"""How one route of one snapshot is mirrored: compiled when the snapshot is put in service.

Belongs here: the parts that a request looks up, and which requests are never mirrored. Does not:
the draw itself (`sampling`), what is kept of a request (`capture`).
"""

from collections.abc import Callable

from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.cutover.stages import Side
from proxy.routing.table import Route
from proxy.shadow.budget import Rate
from proxy.shadow.ledger import Counts
from proxy.shadow.sample import Examiner, Skip
from proxy.shadow.sampling import Sampler


class RouteMirror:
    """The mirror of *route*, whose `mirror` is *options*; *examiner* makes its calls.

    *has_sink* says that the data of its gRPC upstream may be written to by mirrors. *random* and
    *clock* are those of the process; *generation* stands for the snapshot that it is of.
    """

    __slots__ = (
        *("counts", "examiner", "generation", "options", "rate", "route", "sampler"),
        "_skips",
    )

    def __init__(
        self,
        route: Route,
        options: MirrorOptions,
        examiner: Examiner,
        counts: Counts,
        generation: object,
        *,
        has_sink: bool,
        random: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.route = route
        self.options = options
        self.examiner = examiner
        self.counts = counts
        self.generation = generation
        self.sampler = Sampler.of(route, options, random)
        self.rate = None if options.max_rps is None else Rate(options.max_rps, clock)
        self._skips = {side: skip_of(route, side, has_sink=has_sink) for side in Side}

    def __repr__(self) -> str:
        return f"<RouteMirror {self.route.name} {self.options.depth} {self.sampler!r}>"

    def skip(self, primary: Side) -> Skip | None:
        """Why no request that *primary* answers is mirrored; None when they may be."""
        return self._skips[primary]


def skip_of(route: Route, primary: Side, *, has_sink: bool) -> Skip | None:
    """Why no request to *route* that *primary* answers is mirrored; None when they may be."""
    if route.cardinality.request_streams:
        return Skip.STREAMING
    depth = Depth.TRANSLATE if route.mirror is None else route.mirror.depth
    if route.safety is Safety.SAFE or depth is Depth.TRANSLATE:
        return None
    # A legacy host knows no mirrors: a write that is repeated there is a write that is done twice.
    if primary is Side.GRPC:
        return Skip.UNSAFE_METHOD
    return None if depth is Depth.VALIDATE_ONLY or has_sink else Skip.UNSAFE_METHOD
