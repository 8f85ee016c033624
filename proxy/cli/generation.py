"""Snapshots in service: the one that new requests get, and those that older ones keep.

Belongs here: what is made for a snapshot, how long it lasts. Does not: reading a snapshot
(`cli.composition`), whether it may be put in service (`cli.reloading`), the listener.

A generation is everything that is made for one snapshot. It ends when its last request has, not
before; what the next one needs too, upstreams above all, goes on (`cli.leases`).
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import structlog

from proxy.cli.heap import Heap
from proxy.cli.leases import Leases
from proxy.cli.shadowing import MirrorUpstreams, Shadowing, mirrored_upstreams
from proxy.cli.upstreams import (
    AnyGrpcUpstream,
    grpc_upstream_key,
    legacy_upstream_key,
    make_grpc_upstream,
    make_legacy_upstream,
)
from proxy.config.schema import Settings
from proxy.cutover.override_header import DEFAULT_NAME
from proxy.exchange.control import Control
from proxy.exchange.exchange import Exchange
from proxy.exchange.mirroring import Mirroring
from proxy.exchange.observer import Observer
from proxy.exchange.passthrough import Passthrough
from proxy.exchange.recording import Recorder
from proxy.exchange.steering import Steering
from proxy.programs.pool import ProgramPool
from proxy.programs.steps import ProgramSteps
from proxy.routing.snapshot import Snapshot
from proxy.server.protocol import ConnectionLimits, HeaderLimits
from proxy.server.reading import ReadLimits
from proxy.server.serving import Serving
from proxy.shadow.marks import Mark
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.metrics import Metrics
from proxy.upstreams.rest import RestUpstream

_log: Final = structlog.get_logger("proxy")

#: Seconds that the requests of a replaced generation may go on. No route's timeout is longer.
RETIRED_S: Final = 3600.0
#: Replaced generations that may have requests at one time; beyond it the oldest is cut off. Each
#: holds a snapshot, and the connections that no later one has.
MAX_RETIRED: Final = 32
#: Seconds that a new upstream gets to connect before requests come; one that is down must not
#: keep the rest of a configuration away.
WARM_UP_S: Final = 1.0
#: Seconds that the mirrors of a replaced generation may go on once its last request has ended.
MIRRORS_S: Final = 30.0
_WARM_UP_STEP_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Lasting:
    """What outlives every generation."""

    folder: Path
    metrics: Metrics
    access_log: AccessLog
    control: Control
    shadowing: Shadowing
    programs: ProgramPool
    recorder: Recorder


@dataclass(slots=True, eq=False)
class Generation:
    """One snapshot with all that was made for it. *number* counts from 1 within the process."""

    number: int
    snapshot: Snapshot
    serving: Serving
    passthrough: Passthrough | None
    upstreams: Mapping[str, AnyGrpcUpstream]
    mirroring: Mirroring | None
    resources: AsyncExitStack
    _closing: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Generation {self.number} {self.snapshot!r} inflight={self.serving.inflight}>"

    async def end(self, deadline_s: float) -> None:
        """Finish writes whose clients have left, until *deadline_s*, and mirrors; then let go.

        A second call waits for the same end, by a deadline of its own.
        """
        if self._closing is None:
            await self.serving.exchange.settle(deadline_s)
        if self._closing is None and self.mirroring is not None:
            await self.mirroring.settle(MIRRORS_S)
        if self._closing is None:
            self._closing = asyncio.ensure_future(self.resources.aclose())
        await asyncio.shield(self._closing)

    def describe(self) -> dict[str, Any]:
        """What the admin port shows of it."""
        return {
            "generation": self.number,
            "digest": self.snapshot.config.digest,
            "fingerprint": self.snapshot.fingerprint,
            "inflight": self.serving.inflight,
        }


class Generations:
    """All generations of a process. Use it from the event loop only.

    *retired_s* and *max_retired* bound how long replaced ones last, and how many.
    """

    def __init__(
        self, lasting: Lasting, *, retired_s: float = RETIRED_S, max_retired: int = MAX_RETIRED
    ) -> None:
        self._lasting = lasting
        self._retired_s = retired_s
        self._max_retired = max_retired
        self._grpc = Leases[AnyGrpcUpstream]()
        self._legacy = Leases[RestUpstream]()
        self._heap = Heap(asyncio.get_running_loop().call_later)
        self._made = 0
        self._current: Generation | None = None
        self._retired: dict[Generation, asyncio.TimerHandle] = {}
        self._ending: dict[Generation, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<Generations {self._current!r} retired={len(self._retired)} {self._grpc!r}>"

    @property
    def current(self) -> Generation:
        """The one that new requests get."""
        if self._current is None:
            raise LookupError("nothing is in service yet")
        return self._current

    def describe(self) -> list[dict[str, Any]]:
        """All that have requests, the newest first."""
        return [each.describe() for each in (self.current, *reversed(self._retired))]

    async def make(self, snapshot: Snapshot) -> Generation:
        """Make what *snapshot* needs; upstreams that are there already are taken over.

        Those that are new get a moment to connect. Raises `ConfigError` when a TLS file cannot be
        read; nothing is left over then.
        """
        async with AsyncExitStack() as resources:
            generation = await self._made_of(snapshot, resources)
            generation.resources = resources.pop_all()
        return generation

    async def _made_of(self, snapshot: Snapshot, resources: AsyncExitStack) -> Generation:
        settings = snapshot.config.settings
        upstreams, new = self._take_grpc(settings, resources)
        legacy = self._take_legacy(settings, resources)
        mirrors, new_for_mirrors = self._take_for_mirrors(snapshot, resources)
        for upstream in (*new, *new_for_mirrors):
            await upstream.start()
        if self._current is not None:
            await _connected(new)
        steering = Steering(snapshot, self._lasting.control, time.monotonic)
        mirroring = self._lasting.shadowing.mirroring(snapshot, steering, mirrors)
        mark = self._lasting.shadowing.mark(snapshot.config, mirroring)
        passthrough = _passthrough(legacy, settings, mark)
        serving = self._serving(snapshot, upstreams, passthrough, steering, mark, mirroring)
        self._made += 1
        generation = Generation(
            self._made, snapshot, serving, passthrough, upstreams, mirroring, resources
        )
        serving.on_idle = lambda: self._end(generation)
        return generation

    def _take_grpc(
        self,
        settings: Settings,
        resources: AsyncExitStack,
        mirrored: Mapping[str, int] | None = None,
    ) -> tuple[dict[str, AnyGrpcUpstream], list[AnyGrpcUpstream]]:
        """The gRPC upstreams by name, and those of them that had to be made.

        With *mirrored* those of these names, for mirrors of messages of so many bytes: no
        connection is shared with a primary.
        """
        folder, metrics = self._lasting.folder, self._lasting.metrics
        upstreams: dict[str, AnyGrpcUpstream] = {}
        new: list[AnyGrpcUpstream] = []

        def make() -> AnyGrpcUpstream:
            new.append(make_grpc_upstream(name, section, folder, metrics, mirrored_bytes=most))
            return new[-1]

        for name, section in settings.upstreams.grpc.items():
            most = None if mirrored is None else mirrored.get(name)
            if mirrored is None or most is not None:
                key = grpc_upstream_key(name, section, folder), most
                lease = self._grpc.take(key, make)
                resources.push_async_callback(lease.end)
                upstreams[name] = lease.upstream
        return upstreams, new

    def _take_legacy(
        self, settings: Settings, resources: AsyncExitStack, *, for_mirrors: bool = False
    ) -> RestUpstream | None:
        section, folder = settings.upstreams.legacy, self._lasting.folder
        if section is None:
            return None

        def make() -> RestUpstream:
            metrics = self._lasting.metrics
            return make_legacy_upstream(section, folder, metrics, for_mirrors=for_mirrors)

        lease = self._legacy.take((legacy_upstream_key(section, folder), for_mirrors), make)
        resources.push_async_callback(lease.end)
        return lease.upstream

    def _take_for_mirrors(
        self, snapshot: Snapshot, resources: AsyncExitStack
    ) -> tuple[MirrorUpstreams, list[AnyGrpcUpstream]]:
        """What mirrors call, and the gRPC upstreams of it that had to be made."""
        settings, mirrored = snapshot.config.settings, mirrored_upstreams(snapshot)
        if not mirrored:
            return MirrorUpstreams({}, None), []
        upstreams, new = self._take_grpc(settings, resources, mirrored)
        legacy = self._take_legacy(settings, resources, for_mirrors=True)
        return MirrorUpstreams(upstreams, legacy), new

    def _serving(
        self,
        snapshot: Snapshot,
        upstreams: Mapping[str, AnyGrpcUpstream],
        passthrough: Passthrough | None,
        steering: Steering,
        mark: Mark,
        mirroring: Mirroring | None,
    ) -> Serving:
        lasting, settings = self._lasting, snapshot.config.settings
        limits, connections = settings.limits, settings.connections
        clock = time.monotonic
        exchange = Exchange(
            snapshot,
            upstreams,
            passthrough,
            steering,
            clock=clock,
            # Ids of traces are no secrets, and the system's source costs a call into it each time.
            random_bytes=Random().randbytes,  # noqa: S311
            mark=mark,
            mirroring=mirroring,
            programs=ProgramSteps(lasting.programs),
            recorder=lasting.recorder,
        )
        metrics, access_log = lasting.metrics, lasting.access_log
        return Serving(
            exchange,
            Observer(snapshot, metrics, access_log, steering, clock, mirroring, lasting.recorder),
            HeaderLimits(limits.max_url_bytes, limits.max_header_field_bytes, limits.max_headers),
            ReadLimits(limits.max_header_bytes),
            ConnectionLimits(
                connections.keepalive_timeout_s,
                connections.header_timeout_s,
                limits.max_connections,
                limits.max_inflight,
            ),
        )

    def put_in_service(self, generation: Generation) -> None:
        """Make it the current one. The caller gives its serving to the front end next."""
        replaced, self._current = self._current, generation
        self._lasting.control.adopt(generation.snapshot)
        self._lasting.shadowing.adopt(generation.snapshot.config.settings)
        if replaced is None:
            return
        loop = asyncio.get_running_loop()
        self._retired[replaced] = loop.call_later(self._retired_s, self._end, replaced)
        if len(self._retired) > self._max_retired:
            self._end(next(iter(self._retired)))

    def _end(self, generation: Generation) -> None:
        """End a replaced generation: its last request has ended, or must be cut off."""
        timer = self._retired.pop(generation, None)
        if timer is None:
            return
        timer.cancel()
        if generation.serving.inflight:
            _log.warning("cutting off a replaced configuration", **generation.describe())
        ending = asyncio.ensure_future(generation.end(time.monotonic() + self._retired_s))
        self._ending[generation] = ending
        ending.add_done_callback(lambda _: self._ended(generation))

    def _ended(self, generation: Generation) -> None:
        self._ending.pop(generation, None)
        # Its hook holds on to it: what is left goes at once, and needs no collector.
        generation.serving.on_idle = _nothing
        schema = generation.snapshot.schema
        if all(other.snapshot.schema is not schema for other in self._all()):
            self._heap.dropped()

    async def close(self, deadline_s: float) -> None:
        """End all of them, after the listener; writes without clients go on to *deadline_s*."""
        every = [*self._all()]
        self._heap.stop()
        for timer in self._retired.values():
            timer.cancel()
        for ending in self._ending.values():
            ending.cancel()
        self._retired.clear()
        await asyncio.gather(*(generation.end(deadline_s) for generation in every))

    def _all(self) -> Iterator[Generation]:
        yield from self._ending
        yield from self._retired
        if self._current is not None:
            yield self._current


def _passthrough(legacy: RestUpstream | None, settings: Settings, mark: Mark) -> Passthrough | None:
    override, section = settings.override, settings.upstreams.legacy
    if legacy is None or section is None:
        return None
    return Passthrough(
        legacy,
        trusted_hops=settings.forwarding.trusted_hops,
        timeout_s=section.timeout_s,
        withheld=DEFAULT_NAME if override is None else override.header,
        mark=mark,
        clock=time.monotonic,
    )


def _nothing() -> None:
    """What a generation that has ended does when it is idle."""


async def _connected(upstreams: list[AnyGrpcUpstream]) -> None:
    """Wait until calls can be made to all of them, for a moment at most."""
    deadline_s = time.monotonic() + WARM_UP_S
    while time.monotonic() < deadline_s and not all(each.ready for each in upstreams):  # noqa: ASYNC110 - none of the transports announces it
        await asyncio.sleep(_WARM_UP_STEP_S)
