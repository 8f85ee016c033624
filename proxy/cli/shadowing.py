"""What mirrors need: made once for a process, and for each snapshot.

Belongs here: putting together pool, examiner, evidence and reports, and the order of their ends.
Does not: what they do (`shadow`, `evidence`), upstreams and their leases (`cli.generation`).
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Final

import structlog

from proxy.config.resolved import Config
from proxy.config.schema import Settings
from proxy.config.shadow import Evidence, Shadow
from proxy.cutover.mirror import Depth
from proxy.cutover.override_header import DEFAULT_NAME
from proxy.evidence import (
    EvidenceError,
    EvidenceLimits,
    EvidenceReader,
    EvidenceStore,
    EvidenceWriter,
    PostgresStore,
    SqliteStore,
    load_key,
    read_key,
)
from proxy.exchange.mirroring import Mirroring
from proxy.exchange.steering import Steering
from proxy.gate.redaction import Hasher
from proxy.programs.pool import ProgramPool
from proxy.programs.steps import ProgramSteps
from proxy.routing.snapshot import Snapshot
from proxy.shadow.carried import Carrier
from proxy.shadow.comparing import Comparing
from proxy.shadow.epochs import Versions
from proxy.shadow.examiner import PairExaminer
from proxy.shadow.helper import Helper
from proxy.shadow.ledger import Ledger
from proxy.shadow.legs import Legs, longest_s
from proxy.shadow.marks import Mark, load_mark
from proxy.shadow.mirrors import Mirrors
from proxy.shadow.pool import CUT_OFF_S, MirrorPool, PoolLimits
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shadow_numbers import ShadowReading
from proxy.upstreams import Upstream
from proxy.upstreams.rest import RestUpstream

_log: Final = structlog.get_logger("proxy")

#: Seconds that the last evidence of a process may take to be written, and what is read of it.
EVIDENCE_CLOSE_S: Final = 2.0

_EVIDENCE_FILE: Final = "evidence.db"
_KEY_FILE: Final = "evidence.key"


@dataclass(frozen=True, slots=True)
class MirrorUpstreams:
    """The servers that mirrors of one snapshot call, over connections of their own."""

    grpc: Mapping[str, Upstream]
    legacy: RestUpstream | None


class Shadowing:
    """The mirrors of a process, over all its snapshots. Make it in the event loop that serves.

    *state* is the state directory, *folder* that of the configuration, to which paths in it are
    relative. Nothing is begun until a snapshot mirrors: no thread, no process, no file.
    """

    def __init__(self, settings: Settings, folder: Path, state: Path, metrics: Metrics) -> None:
        self._folder = folder
        self._state = state
        self._metrics = metrics
        self._evidence = settings.evidence
        self._writer = EvidenceWriter(self._open_store)
        self.reader = EvidenceReader(self._open_store)
        ledger = Ledger(metrics, self._writer, asyncio.get_running_loop().call_later)
        limits = _pool_limits(settings.shadow)
        self.pool = MirrorPool(limits, ledger, longest_s=longest_s, clock=time.monotonic)
        self._versions = Versions()
        self._helper = Helper()
        # Of their own: programs of mirrors must not keep those of clients waiting.
        self._programs = ProgramPool(processes=1)
        self._drain_s = settings.shadow.drain_s
        #: Whether anything was ever mirrored here, so that there is something to end.
        self.is_begun = False
        metrics.shadow_from(self._reading)

    def __repr__(self) -> str:
        return f"<Shadowing {self.pool!r} {self._writer!r}>"

    @property
    def end_s(self) -> float:
        """The longest that `drain` and `close` take, in seconds."""
        return self._drain_s + CUT_OFF_S + EVIDENCE_CLOSE_S if self.is_begun else 0.0

    def mirroring(
        self, snapshot: Snapshot, steering: Steering, upstreams: MirrorUpstreams
    ) -> Mirroring | None:
        """What mirrors the requests of *snapshot*; None when none are to be.

        Where the state directory takes no more files, or the key of the evidence is none, nothing
        is mirrored, which is told: requests are served all the same.
        """
        if not _mirrors(snapshot):
            return None
        try:
            mark, hasher = self._mark(snapshot.config), self._hasher
        except (EvidenceError, OSError, ValueError) as error:
            _log.error("nothing is mirrored", problem=str(error))
            return None
        self._begin()
        settings = snapshot.config.settings
        mirrors = Mirrors(
            self._examiner(snapshot, upstreams, mark, hasher),
            self.pool,
            self._versions,
            sinks=frozenset(n for n, each in settings.upstreams.grpc.items() if each.shadow_sink),
            random=_random().random,
            clock=time.monotonic,
        )
        return Mirroring(mirrors, steering, mark, time.time)

    def _examiner(
        self, snapshot: Snapshot, upstreams: MirrorUpstreams, mark: Mark, hasher: Hasher
    ) -> PairExaminer:
        settings, random = snapshot.config.settings, _random()
        override = settings.override
        carrier = Carrier(
            mark,
            withheld=DEFAULT_NAME if override is None else override.header,
            trusted_hops=settings.forwarding.trusted_hops,
            random_bytes=random.randbytes,
        )
        grpc = settings.upstreams.grpc
        legs = Legs(
            upstreams.grpc,
            upstreams.legacy,
            carrier,
            version_metadata={n: grpc[n].version_metadata or "" for n in grpc},
            clock=time.monotonic,
        )
        return PairExaminer(
            legs,
            self._comparing,
            hasher,
            self._metrics,
            note_version=self._versions.seen,
            charge=self.pool.cpu.charge,
            clock=time.monotonic,
            random=random.random,
        )

    def adopt(self, settings: Settings) -> None:
        """Keep to the limits of the configuration that is in force from now on."""
        self.pool.limit(_pool_limits(settings.shadow))
        self._drain_s = settings.shadow.drain_s

    async def drain(self) -> None:
        """End the mirrors: they get the configured time, and are cut off then."""
        await self.pool.close(self._drain_s)

    async def close(self) -> None:
        """End everything else, the evidence that waits written before."""
        await asyncio.gather(self._helper.close(), self._programs.close())
        # Requests that were cut off may have ended after the mirrors did.
        self.pool.ledger.flush()
        await asyncio.gather(
            self._writer.close(EVIDENCE_CLOSE_S), self.reader.close(EVIDENCE_CLOSE_S)
        )

    def _begin(self) -> None:
        """Start what writes, in this process: no fork takes a thread along."""
        if not self.is_begun:
            self.is_begun = True
            self._writer.start()

    @cached_property
    def _comparing(self) -> Comparing:
        return Comparing(self._helper, ProgramSteps(self._programs))

    @cached_property
    def _hasher(self) -> Hasher:
        named = self._evidence.key_file
        key = load_key(self._state / _KEY_FILE) if named is None else read_key(self._folder / named)
        return Hasher(key)

    def mark(self, config: Config, mirroring: Mirroring | None) -> Mark:
        """The mark that requests are held to: of *mirroring*, or where nothing is mirrored.

        Servers heed the mark whether or not anything is mirrored just now, and no client may send
        it. Without a secret in the configuration there is nobody then who knows it.
        """
        if mirroring is not None:
            return mirroring.mark
        return Mark(config.settings.shadow.mark.header, config.mark_secret or token_hex(16))

    def _mark(self, config: Config) -> Mark:
        return load_mark(self._state, config.settings.shadow.mark.header, config.mark_secret)

    def _open_store(self) -> EvidenceStore:
        """Open the store, in whatever thread asks."""
        evidence = self._evidence
        limits = _evidence_limits(evidence)
        if evidence.url is not None:
            return PostgresStore(evidence.url, limits)
        return SqliteStore(self._state / _EVIDENCE_FILE, limits)

    def _reading(self) -> ShadowReading:
        pool = self.pool
        return ShadowReading(
            inflight=pool.running,
            queue_depth=pool.waiting,
            buffered_bytes=pool.room.used,
            imbalance=pool.ledger.imbalance,
            evidence_dropped=self._writer.dropped,
            evidence_problem=bool(self._writer.problem),
        )


def mirrored_upstreams(snapshot: Snapshot) -> Mapping[str, int]:
    """The gRPC upstreams that mirrors of *snapshot* may call; none where all only translate.

    Each with the bytes of the largest message that any of its mirrors has a use for.
    """
    upstreams: dict[str, int] = {}
    for route in snapshot.routes:
        name, mirror = route.upstream, route.mirror
        if name is not None and mirror is not None and mirror.depth is not Depth.TRANSLATE:
            upstreams[name] = max(upstreams.get(name, 0), mirror.max_response_bytes)
    return upstreams


def _mirrors(snapshot: Snapshot) -> bool:
    return any(route.mirror is not None for route in snapshot.routes)


def _random() -> Random:
    """Chance that nobody need be kept from guessing: ids of spans, samples."""
    return Random()  # noqa: S311 - as said


def _pool_limits(shadow: Shadow) -> PoolLimits:
    return PoolLimits(
        max_concurrency=shadow.max_concurrency,
        max_pending=shadow.max_pending,
        max_total_bytes=shadow.max_total_bytes,
        max_cpu=shadow.max_cpu,
    )


def _evidence_limits(evidence: Evidence) -> EvidenceLimits:
    return EvidenceLimits(
        max_bytes=evidence.max_bytes,
        retention_s=evidence.retention_s,
        examples_ttl_s=evidence.examples_ttl_s,
    )
