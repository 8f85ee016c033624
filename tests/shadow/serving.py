"""Whole services with mirrors, over servers that tests script, as `cutover serve` puts them up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from proxy.cli.service import Service
from proxy.shadow.pool import MirrorPool
from tests.cli.test_service import service_of
from tests.fakes import Handler, Served
from tests.live.edge import HANDLERS
from tests.live.wire import LegacyScript, legacy_of
from tests.shadow.stand import lives_of
from tests.upstreams.servers import grpc_server
from tests.waiting import until

#: All that there is, so that a busy machine drops no mirror; `drain` of a loopback service.
SHADOW = "shadow: {max_cpu: 100%%, drain: %s}\ndrain: {wait: 0s, timeout: 5s}\n"
MARK = "x-shadow"


def with_shadow(drain: str = "5s") -> str:
    return SHADOW % drain


def mirrored_route(rpc: str, name: str, mirror: str, stage: str = "shadow", more: str = "") -> str:
    head = f"- {{rpc: edge.v1.Items.{rpc}, name: {name}, stage: {stage}, "
    return f"{head}mirror: {{percent: 100, {mirror}}}{more}}}\n"


@dataclass
class Counting:
    """Handlers that note each call that reaches their server, and then do as they would."""

    handlers: Mapping[str, Handler]
    calls: list[tuple[str, Served]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counted = {name: self._counting(name, to) for name, to in self.handlers.items()}

    def _counting(self, name: str, handler: Handler) -> Handler:
        async def handle(served: Served) -> AsyncIterator[bytes]:
            self.calls.append((name.rpartition("/")[2], served))
            async for message in handler(served):
                yield message

        return handle

    def marked(self) -> list[str]:
        """The methods of the calls that were marked as a mirror's."""
        return [name for name, served in self.calls if MARK in dict(served.metadata)]

    def unmarked(self) -> list[str]:
        return [name for name, served in self.calls if MARK not in dict(served.metadata)]


@dataclass
class Stand:
    """A service between its two servers."""

    service: Service
    legacy: LegacyScript
    grpc: Counting

    @property
    def pool(self) -> MirrorPool:
        return self.service._shadowing.pool

    def lives(self) -> dict[str, int]:
        return lives_of(self.pool)

    async def settled(self) -> None:
        """Every request has ended, and every mirror."""
        await until(lambda: not self.service._metrics.inflight)
        await until(lambda: not self.pool.running + self.pool.waiting)
        assert self.pool.ledger.imbalance == 0
        assert self.pool.room.used == 0

    def marked_at_legacy(self) -> list[str]:
        """The lines of the requests that legacy got as a mirror's."""
        return [heard.line for heard in self.legacy.heard if heard.all(MARK)]

    def unmarked_at_legacy(self) -> list[str]:
        return [heard.line for heard in self.legacy.heard if not heard.all(MARK)]


@asynccontextmanager
async def stand_of(
    place: Path,
    routes: str,
    *,
    handlers: Mapping[str, Handler] = HANDLERS,
    legacy: LegacyScript | None = None,
    more: str = "",
    target: str = "",
    sink: bool = False,
    log: Callable[[bytes], object] = len,
) -> AsyncIterator[Stand]:
    """A service with these *routes*; *target* takes the place of its gRPC server.

    With *sink*, mirrors may write to the gRPC server.
    """
    counting = Counting(handlers)
    async with (
        grpc_server(counting.counted) as port,
        legacy_of(legacy or LegacyScript()) as host,
        service_of(
            place,
            target or f"127.0.0.1:{port}",
            legacy_url=host.url,
            more=routes + (more or with_shadow()),
            log=log,
            upstream="shadow_sink: true" if sink else "",
        ) as service,
    ):
        yield Stand(service, host, counting)


async def never(_: Served) -> AsyncIterator[bytes]:
    """A handler that takes every call and never answers."""
    await asyncio.Event().wait()
    yield b""
