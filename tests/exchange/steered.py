"""An edge whose routes are moved: its configuration, its callers, what it told of a request."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from proxy.cutover.bucket import bucket
from proxy.cutover.moves import Action, Move
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from tests.fakes import FakeUpstream, Handler
from tests.live.edge import HANDLERS, Edge, edge_of, load
from tests.live.wire import LegacyScript, Reply, client_of, legacy_of, request

SECRET = "a-secret-of-22-letters"
GROUP = "shop"
#: Keys in and out of the 25 % that gRPC has of the group.
INSIDE = next(name for name in map(str, range(1000)) if bucket(GROUP, name) < 2500)
OUTSIDE = next(name for name in map(str, range(1000)) if bucket(GROUP, name) >= 2500)

_CANARY = (
    "{percent: 25, group: shop, sticky: [{header: x-user}], pin: 30s,"
    " match: [{header: x-canary, exact: always}],"
    " allow: {header: x-tenant, values: [friend]}, deny: {header: x-tenant, values: [foe]}}"
)
_FALLBACK = "{on: [not_ready, unimplemented, unavailable, translate_error]}"
ROUTES = f"""\
- {{rpc: edge.v1.Items.List, name: list-items, stage: canary, canary: {_CANARY},
   mirror: {{percent: 0}}, gate: "off", fallback: {_FALLBACK}}}
- {{rpc: edge.v1.Items.Create, name: create-item, stage: canary, canary: {_CANARY},
   fallback: {{on: [not_ready, translate_error]}}}}
- {{rpc: edge.v1.Items.Watch, name: watch-item, fallback: {_FALLBACK}}}
- {{rpc: edge.v1.Items.Upload, name: upload, stage: legacy}}
override: {{secret: "${{SECRET}}"}}
debug: {{expose_side: true}}
"""


async def steered_snapshot(more: str = ROUTES) -> Snapshot:
    return await load(more=more, environ={"SECRET": SECRET})


@dataclass
class Steered:
    """The edge with its legacy host; each request has a connection of its own."""

    edge: Edge
    legacy: LegacyScript

    async def ask(
        self, http_method: str, target: str, *fields: str, body: bytes = b""
    ) -> tuple[Reply, dict[str, Any]]:
        """The answer and the line of the access log."""
        async with client_of(self.edge.url) as client:
            reply = await client.ask(request(http_method, target, *fields, body=body))
        return reply, self.edge.lines()[-1]

    async def side(self, http_method: str, target: str, *fields: str, body: bytes = b"") -> str:
        """Side and reason; the side that was asked is held against the one that was told."""
        before = len(self.edge.upstream.calls), len(self.legacy.heard)
        reply, line = await self.ask(http_method, target, *fields, body=body)
        asked = (
            len(self.edge.upstream.calls) - before[0],
            len(self.legacy.heard) - before[1],
        )
        assert asked == {"grpc": (1, 0), "legacy": (0, 1)}[line["side"]]
        if self.edge.snapshot.config.settings.debug.expose_side:
            assert reply.all("x-cutover-side") == [line["side"]]
        return f"{line['side']} {line['reason']}"

    async def move(self, action: Action, route: str = "", **facts: Any) -> None:
        move = Move(action, route, reason="a test", who="tester", **facts)
        await self.edge.control.move(move)

    def total(self, name: str, *labels: str) -> float:
        """The sum of a metric's samples that have all *labels*, each as `name="value"`."""
        lines = [
            line
            for line in self.edge.shown_metrics().splitlines()
            if line.startswith(name) and all(label in line for label in labels)
        ]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


@asynccontextmanager
async def steered(
    snapshot: Snapshot,
    handlers: Mapping[str, Handler] = HANDLERS,
    *,
    script: LegacyScript | None = None,
    state: StateDirectory | None = None,
    upstream: FakeUpstream | None = None,
) -> AsyncIterator[Steered]:
    async with (
        legacy_of(script or LegacyScript()) as legacy,
        edge_of(snapshot, handlers, legacy_url=legacy.url, state=state, upstream=upstream) as edge,
    ):
        yield Steered(edge, legacy)
