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
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from proxy.telemetry.metrics import Metrics
from tests.live.control import control_of
from tests.live.edge import CONFIG, LEGACY, OLD, descriptor_set
from tests.live.wire import Client, Reply, client_of, request

TOKEN = "a-token-of-20-letters"
#: A route for each thing that a move can meet.
ROUTES = """\
- {rpc: edge.v1.Items.List, name: list-items, stage: canary,
   canary: {percent: 25, group: list, sticky: [{header: x-user}]}, mirror: {percent: 10}}
- {rpc: edge.v1.Items.Delete, name: delete-item, stage: canary,
   canary: {steps: [1, 5, 100], group: delete, sticky: [{header: x-user}]}}
- {rpc: edge.v1.Items.Upload, name: upload}
"""


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
        self.operations = Operations(
            snapshot, self.metrics, self.control, lambda: self.checks, self.reload
        )
        self.admin = Admin(self.operations)
        self.url = ""

    async def reload(self, **how: Any) -> dict[str, Any]:
        self.reloads.append(how)
        return self.reload_result

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
        stand.stack.close()


__all__ = ["Client", "Stand", "guarded_snapshot", "stand_of"]
