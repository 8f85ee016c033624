"""Mirrors on the edge made for tests: examiners that do as they are told, evidence in memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cutover.mirror import MirrorOptions
from proxy.cutover.stages import Side
from proxy.exchange.mirroring import Mirroring
from proxy.exchange.steering import Steering
from proxy.gate.evidence import Epoch, Observation, Outcome, Verdict
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Route
from proxy.shadow.capture import Capture
from proxy.shadow.epochs import Versions
from proxy.shadow.ledger import CallLater, Ledger
from proxy.shadow.marks import Mark
from proxy.shadow.mirror import RouteMirror
from proxy.shadow.mirrors import Mirrors
from proxy.shadow.pool import MirrorPool, PoolLimits
from proxy.shadow.sample import NOTHING_YET, Failed, Life, Sample
from proxy.telemetry.metrics import Metrics
from tests.fakes import FakeClock, Handler
from tests.live.edge import HANDLERS, Edge, edge_of, load
from tests.live.wire import LegacyScript, legacy_of

MARK = Mark("x-shadow", "the-secret-of-mirrors")

#: The stages of the routes that mirror; the percent and the rest are each test's.
ROUTES = """\
- {rpc: edge.v1.Items.List, name: list-items, stage: %(stage)s, mirror: {%(mirror)s}}
- {rpc: edge.v1.Items.Create, name: create-item, stage: %(stage)s, mirror: {%(writes)s}}
- {rpc: edge.v1.Items.Watch, name: watch-item, stage: %(stage)s, mirror: {%(mirror)s}}
"""
EVERYTHING = "percent: 100"
#: Processor time for mirrors that no test uses up; the clock of the tests stands still.
PLENTY = 1e6


async def mirrored(
    stage: str = "shadow", mirror: str = EVERYTHING, writes: str = EVERYTHING, more: str = ""
) -> Snapshot:
    """The API made for tests, with mirrors of reads, writes and streams."""
    return await load(more=ROUTES % {"stage": stage, "mirror": mirror, "writes": writes} + more)


class FakeEvidence:
    """Evidence in memory. *has_room* is False for one that can keep nothing."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.counts: Counter[tuple[Epoch, Outcome]] = Counter()
        self.has_room = True

    def put(self, observation: Observation) -> bool:
        if self.has_room:
            self.observations.append(observation)
        return self.has_room

    def count(self, epoch: Epoch, outcome: Outcome, n: int = 1) -> None:
        self.counts[epoch, outcome] += n


Examine = Callable[[Sample, Epoch], Awaitable[Observation | Failed]]


def matched(epoch: Epoch) -> Observation:
    return Observation(epoch, 0.0, b"", b"", Verdict.MATCH)


class FakeExaminer:
    """Finds every pair equal unless *act* does otherwise. *samples* has those it was given."""

    def __init__(self, act: Examine | None = None) -> None:
        self.samples: list[Sample] = []
        self._act = act

    async def examine(self, sample: Sample, epoch: Epoch) -> Observation | Failed:
        self.samples.append(sample)
        return matched(epoch) if self._act is None else await self._act(sample, epoch)


class HeldExaminer(FakeExaminer):
    """Holds every mirror until it is let *go*; counts those that it holds, and their most."""

    def __init__(self) -> None:
        super().__init__(self._hold)
        self.go = asyncio.Event()
        self.held = 0
        self.most = 0

    async def _hold(self, _: Sample, epoch: Epoch) -> Observation | Failed:
        self.held += 1
        self.most = max(self.most, self.held)
        try:
            await self.go.wait()
        finally:
            self.held -= 1
        return matched(epoch)


class NoTimer:
    def cancel(self) -> None:
        return


def never(_: float, __: Callable[[], None]) -> NoTimer:
    """The tests hand counts over themselves."""
    return NoTimer()


class Pools:
    """Makes pools, and holds all of them to the equations in the end."""

    def __init__(self) -> None:
        self._made: list[MirrorPool] = []
        self.evidence = FakeEvidence()
        self.clock = FakeClock()

    def make(
        self,
        limits: PoolLimits | None = None,
        *,
        metrics: Metrics | None = None,
        call_later: CallLater = never,
        longest_s: float = 30.0,
    ) -> MirrorPool:
        ledger = Ledger(metrics or Metrics(), self.evidence, call_later)
        pool = MirrorPool(
            limits or PoolLimits(max_cpu=PLENTY),
            ledger,
            longest_s=lambda _: longest_s,
            clock=self.clock,
        )
        self._made.append(pool)
        return pool

    def assert_balance(self) -> None:
        """Every request has one end, every byte was given back, the evidence was told of all."""
        told: Counter[tuple[str, str]] = Counter()
        kept: Counter[tuple[str, str]] = Counter()
        for pool in self._made:
            assert pool.ledger.imbalance == 0, [each.lives for each in pool.ledger.accounts]
            assert (pool.running, pool.waiting, pool.room.used) == (0, 0, 0)
            pool.ledger.flush()
            for account in pool.ledger.accounts:
                assert account.imbalance == account.capturing == 0
                for (life, reason), count in account.lives.counts.items():
                    told[life.value, str(reason)] += count
        for (_, outcome), count in self.evidence.counts.items():
            kept[outcome] += count
        assert kept == told


def lives_of(pool: MirrorPool, route: str = "") -> dict[str, int]:
    """The lives of all routes, or of *route*, as `life{reason}`."""
    lives: Counter[str] = Counter()
    for account in pool.ledger.accounts:
        if route in ("", account.route):
            for (life, reason), count in account.lives.counts.items():
                lives[f"{life}{{{reason}}}" if reason else life.value] += count
    return dict(lives)


def options_of(route: Route) -> MirrorOptions:
    assert route.mirror is not None
    return route.mirror


def capture_of(
    pool: MirrorPool,
    mirror: RouteMirror,
    snapshot: Snapshot,
    body: bytes = b"",
    answer: bytes = b"",
) -> Capture:
    """A request that has its answer, eligible and sampled; it is owed to the *pool*."""
    binding = next(each for each in snapshot.bindings if each.route.name == mirror.route.name)
    sample = Sample(
        binding=binding,
        captures=(),
        http_method=binding.binding.http_method,
        target="/",
        query="",
        headers=CIMultiDictProxy(CIMultiDict()),
        body=b"",
        peer="192.0.2.1",
        client="192.0.2.1",
        scheme="http",
        key="",
        primary=Side.LEGACY,
        primary_s=0.0,
        answer=NOTHING_YET,
        at_s=0.0,
    )
    mirror.counts.add(Life.ELIGIBLE)
    capture = Capture(mirror, pool.room, sample)
    capture.body_announced(len(body))
    if body:
        capture.body_came(body)
    capture.answer_begun(200, (), None)
    capture.answer_piece(answer)
    capture.answer_is_whole = True
    return capture


@dataclass
class Mirrored:
    """The edge with its legacy host, and what becomes of its mirrors."""

    edge: Edge
    legacy: LegacyScript
    pool: MirrorPool
    mirrors: Mirrors
    versions: Versions

    def lives(self, route: str = "") -> dict[str, int]:
        return lives_of(self.pool, route)


@dataclass
class Recipe:
    """How mirrors are put together for an edge."""

    pools: Pools
    examiner: FakeExaminer = field(default_factory=FakeExaminer)
    limits: PoolLimits | None = None
    random: Random = field(default_factory=lambda: Random(4))
    longest_s: float = 30.0
    mirrors_of: type[Mirrors] = Mirrors


@asynccontextmanager
async def mirrored_edge(
    snapshot: Snapshot,
    recipe: Recipe,
    *,
    script: LegacyScript | None = None,
    handlers: Mapping[str, Handler] = HANDLERS,
    trusted_hops: int = 0,
) -> AsyncIterator[Mirrored]:
    """An edge whose mirrors *recipe* makes; they are drained in the end, after the front end."""
    versions, made = Versions(), list[tuple[MirrorPool, Mirrors]]()

    def make_mirroring(steering: Steering, metrics: Metrics) -> Mirroring:
        pool = recipe.pools.make(recipe.limits, metrics=metrics, longest_s=recipe.longest_s)
        mirrors = recipe.mirrors_of(
            recipe.examiner,
            pool,
            versions,
            random=recipe.random.random,
            clock=recipe.pools.clock,
        )
        made.append((pool, mirrors))
        return Mirroring(mirrors, steering, MARK, recipe.pools.clock)

    async with (
        legacy_of(script or LegacyScript()) as legacy,
        edge_of(
            snapshot,
            handlers,
            legacy_url=legacy.url,
            make_mirroring=make_mirroring,
            trusted_hops=trusted_hops,
        ) as edge,
    ):
        (pool, mirrors) = made[0]
        yield Mirrored(edge, legacy, pool, mirrors, versions)
        await edge.frontend.drain(5.0)
        await pool.close(0.0)
