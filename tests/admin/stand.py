"""An admin port over a real control and a real state directory, on loopback."""

import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from proxy.admin import Admin, Operations
from proxy.cli.composition import load_snapshot
from proxy.comparison.kinds import Kind
from proxy.evidence import Batch, EvidenceReader, SqliteStore
from proxy.gate.evidence import Epoch, Finding, Observation, StoredValue, Verdict
from proxy.routing.snapshot import Snapshot
from proxy.shadow.reporting import Reporter
from proxy.state.directory import StateDirectory
from proxy.telemetry.metrics import Metrics
from tests.live.control import control_of
from tests.live.edge import CONFIG, LEGACY, OLD, descriptor_set
from tests.live.wire import Client, Reply, client_of, request

TOKEN = "a-token-of-20-letters"
#: A route for each thing that a move can meet.
ROUTES = """\
- {rpc: edge.v1.Items.List, name: list-items, stage: canary,
   canary: {percent: 25, group: list, sticky: [{header: x-user}]}, mirror: {percent: 10},
   gate: {max_mismatch: 5%, min_keys: 5, min_duration: 1m, min_field_coverage: 0,
          max_unseen_mass: 1, forbid: [type]}}
- {rpc: edge.v1.Items.Delete, name: delete-item, stage: canary,
   canary: {steps: [1, 5, 100], group: delete, sticky: [{header: x-user}]}}
- {rpc: edge.v1.Items.Upload, name: upload}
"""

#: A difference that the gate of list-items forbids, and one that it only counts.
FORBIDDEN = Finding(
    "$[*].id",
    Kind.TYPE,
    2,
    StoredValue("string", 1, '"7"', "h1"),
    StoredValue("number", 1, "7", ""),
)
COUNTED = Finding(
    "$[*].made",
    Kind.VALUE,
    1,
    StoredValue("string", 20, None, "ab"),
    StoredValue("absent", 0, None, ""),
)


async def guarded_snapshot(
    *, token: str | None = TOKEN, legacy: bool = True, more: str = ROUTES, admin: str = ""
) -> Snapshot:
    """The API of the tests, with a token file unless *token* is None."""
    section = "" if token is None else f"admin: {{token_file: admin.token{admin}}}\n"
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "edge.binpb").write_bytes(descriptor_set())
        (folder / "admin.token").write_text(f"{token}\n")
        body = CONFIG % ((LEGACY, OLD) if legacy else ("", ""))
        (folder / "cutover.yaml").write_text(body + more + section)
        return await load_snapshot(folder, {})


class Stand:
    """An admin port, what it shows, and what it was asked to do."""

    def __init__(self, snapshot: Snapshot, state: StateDirectory | None = None) -> None:
        self.checks = {"drain": "", "upstreams": ""}
        self.stack = ExitStack()
        self.metrics = Metrics()
        self.control = self.stack.enter_context(
            control_of(snapshot, metrics=self.metrics, state=state)
        )
        self.reloads: list[dict[str, Any]] = []
        self.reload_result: dict[str, Any] = {
            "result": "applied",
            "digest": "d1",
            "problems": [],
            "losses": [],
        }
        database = self.control.state.path / "evidence.db"
        self.evidence = SqliteStore(database)
        self.reader = EvidenceReader(lambda: SqliteStore(database))
        self.operations = Operations(
            snapshot, self.metrics, self.control, lambda: self.checks, self.reload
        )
        self.operations.reporter = Reporter(
            self.reader,
            lambda: self.operations.snapshot,
            self.control.positions,
            self.metrics,
            self.control.state.clock,
        )
        self.admin = Admin(self.operations)
        self.url = ""

    async def reload(self, **how: Any) -> dict[str, Any]:
        self.reloads.append(how)
        return self.reload_result

    def compared(
        self, count: int, verdict: Verdict = Verdict.MATCH, *, findings: tuple[Finding, ...] = ()
    ) -> None:
        """Comparisons of list-items as workers keep them: of a client each, over two minutes."""
        snapshot = self.operations.snapshot
        (route,) = (each for each in snapshot.routes if each.name == "list-items")
        epoch = Epoch(route.name, route.evidence_digest)
        now_s = self.control.state.clock()
        observed = (
            Observation(
                epoch,
                now_s - 120 * number / count,
                f"{verdict.value[:2]}{number:06}".encode(),
                b"the-form",
                verdict,
                findings,
            )
            for number in range(count, -1, -1)
        )
        ended = {(epoch, (life, "")): count + 1 for life in ("eligible", "sent", "compared")}
        self.evidence.write(Batch(tuple(observed), ended, now_s))

    async def get(self, path: str, *fields: str) -> Reply:
        return await self.ask("GET", path, *fields)

    async def ask(
        self,
        http_method: str,
        path: str,
        *fields: str,
        body: bytes = b"",
        token: str | None = TOKEN,
        host: str = "localhost",
    ) -> Reply:
        """One request on a connection of its own."""
        bearer = () if token is None else (f"Authorization: Bearer {token}",)
        async with client_of(self.url) as client:
            return await client.ask(
                request(http_method, path, *bearer, *fields, body=body, host=host)
            )

    async def post(self, path: str, body: Any = None, **more: Any) -> Reply:
        """*body* as JSON; bytes as they are."""
        sent = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.ask("POST", path, body=sent, **more)

    async def move(self, route: str, action: str, **facts: Any) -> Reply:
        facts = {"reason": "a test", "who": "tester", **facts}
        return await self.post(f"/admin/v1/routes/{route}:{action}", facts)

    async def kill(self, **facts: Any) -> Reply:
        return await self.post("/admin/v1/killswitch", {"reason": "a test", **facts})

    async def status_of(self, route: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = (await self.get("/admin/v1/status")).json()["routes"]
        return next(row for row in rows if row["name"] == route)


@asynccontextmanager
async def stand_of(snapshot: Snapshot, state: StateDirectory | None = None) -> AsyncIterator[Stand]:
    stand = Stand(snapshot, state)
    listening = socket.create_server(("127.0.0.1", 0))
    stand.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    await stand.admin.start(listening)
    try:
        yield stand
    finally:
        await stand.admin.stop()
        await stand.control.settle()
        await stand.reader.close()
        stand.evidence.close()
        stand.stack.close()


__all__ = ["Client", "Stand", "guarded_snapshot", "stand_of"]
