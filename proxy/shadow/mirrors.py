"""The mirrors of one snapshot, and the choice whether a request gets one.

Belongs here: the steps before a request is read, in their order. Does not: requests as the front
end has them (`exchange.mirroring`), running mirrors (`pool`).
"""

from collections.abc import Callable

from proxy.cutover.stages import Side
from proxy.routing.table import Route
from proxy.shadow.capture import Capture
from proxy.shadow.epochs import Versions
from proxy.shadow.mirror import RouteMirror
from proxy.shadow.pool import MirrorPool
from proxy.shadow.sample import Drop, Examiner, Life, Sample, Skip

#: Why a request is not captured.
Leaving = tuple[Life, str]

NOT_SAMPLED: Leaving = (Life.NOT_SAMPLED, "")
KILLED: Leaving = (Life.DROPPED, Drop.KILL_SWITCH)


class Mirrors:
    """The mirrored routes of one snapshot, whose calls *examiner* makes and *pool* bounds.

    *sinks* are the gRPC upstreams that mirrors may write to. *random* gives numbers from 0 to 1,
    *clock* is monotonic.
    """

    def __init__(
        self,
        examiner: Examiner,
        pool: MirrorPool,
        versions: Versions,
        *,
        sinks: frozenset[str] = frozenset(),
        random: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._examiner = examiner
        self._pool = pool
        self._versions = versions
        self._sinks = sinks
        self._random = random
        self._clock = clock
        self._made: dict[str, RouteMirror] = {}
        versions.watch(self._follow)

    def __repr__(self) -> str:
        return f"<Mirrors of {len(self._made)} routes in {self._pool!r}>"

    def of(self, route: Route) -> RouteMirror | None:
        """How *route* is mirrored; None when it is not. Made when a request first asks for it."""
        mirror = self._made.get(route.name)
        if mirror is None and route.mirror is not None:
            mirror = self._made[route.name] = RouteMirror(
                route,
                route.mirror,
                self._examiner,
                self._pool.ledger.counts_of(self._versions.epoch_of(route)),
                self,
                has_sink=route.upstream in self._sinks,
                random=self._random,
                clock=self._clock,
            )
        return mirror

    def leaves(self, mirror: RouteMirror, key: Callable[[], str]) -> Leaving | None:
        """Why the next eligible request of a route is not sampled; None when it is.

        *key* gives its sticky key, and is called only if that decides.
        """
        sampler = mirror.sampler
        if not (sampler.has(key()) if sampler.is_sticky else sampler.draws()):
            return NOT_SAMPLED
        return None

    def refuses(self, mirror: RouteMirror, primary: Side, *, is_loop: bool) -> Leaving | None:
        """Why a sampled request that *primary* answers is not captured; None when it is."""
        skip = Skip.LOOP if is_loop else mirror.skip(primary)
        if skip is not None:
            return Life.SKIPPED, skip
        drop = self._pool.refusal(mirror)
        if drop is None and mirror.rate is not None and not mirror.rate.take():
            drop = Drop.RATE
        return None if drop is None else (Life.DROPPED, drop)

    def capture(self, mirror: RouteMirror, sample: Sample) -> Capture:
        """Begin to keep what the mirror of a request needs. `submit` is owed for it."""
        return Capture(mirror, self._pool.room, sample)

    def submit(self, capture: Capture) -> None:
        """Hand a capture over, once its client has the answer. Raises nothing."""
        self._pool.submit(capture)

    async def settle(self, timeout_s: float) -> None:
        """Let those that wait and run end; cut them off after *timeout_s* seconds."""
        await self._pool.settle(self, timeout_s)
        self._versions.forget(self._follow)

    def _follow(self) -> None:
        """Count for other epochs where a server calls itself by another version now."""
        for mirror in self._made.values():
            mirror.counts.follow(self._versions.epoch_of(mirror.route))
