"""Both proxies before one backend, and what one request leads to through either.

Belongs here: starting, sending, observing. Does not: judging (`outcomes`).
"""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

from proxy.cli.composition import load_snapshot
from proxy.cli.service import Service
from tests.differential import backend as echo
from tests.differential.client import send
from tests.differential.envoy import envoy
from tests.differential.outcomes import Outcome, read_answer
from tests.differential.schema import descriptor_set

#: Unknown fields refused as Envoy refuses them, in queries at least; the rest are defaults.
_CONFIGURATION: Final = """\
version: 1
listen: {{host: 127.0.0.1, port: 0}}
admin: {{host: 127.0.0.1, port: 0}}
descriptors: [{{descriptor_set: oracle.binpb}}]
upstreams: {{backend: {{target: "127.0.0.1:{port}", plaintext: true, health: "off"}}}}
defaults: {{unknown_fields: reject}}
"""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as data. *path* is raw, with the query; *looks_at* names metadata to compare."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    looks_at: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Request":
        """From a case's JSON: `send` is "METHOD path"; `body` is text, or `base64` bytes."""
        method, _, path = data["send"].partition(" ")
        text = data.get("body")
        body = None if text is None else text.encode()
        if "base64" in data:
            body = base64.b64decode(data["base64"])
        return cls(method, path, data.get("headers", {}), body, tuple(data.get("metadata", ())))


@dataclass(frozen=True, slots=True)
class Stand:
    """Both proxies, started. Requests go one at a time: the backend has one memory."""

    backend: echo.Backend
    envoy_port: int
    our_port: int

    async def envoy(self, request: Request) -> Outcome:
        """What a request leads to through Envoy."""
        return await self._send(self.envoy_port, request)

    async def ours(self, request: Request) -> Outcome:
        """What a request leads to through this project's proxy."""
        return await self._send(self.our_port, request)

    async def _send(self, port: int, request: Request) -> Outcome:
        self.backend.calls.clear()
        answer = await send(port, request.method, request.path, request.headers, request.body)
        return read_answer(answer).with_calls(self.backend.calls, request.looks_at)


@asynccontextmanager
async def started() -> AsyncIterator[Stand]:
    """Start the backend, Envoy and our proxy."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        backend = await stack.enter_async_context(echo.serve())
        envoy_port = await stack.enter_async_context(envoy(backend.port, descriptor_set(), folder))
        (folder / "cutover.yaml").write_text(_CONFIGURATION.format(port=backend.port))
        snapshot = await load_snapshot(folder, {})
        service = await stack.enter_async_context(Service(snapshot, folder, lambda _: None))
        our_port = urlsplit(service.url).port
        assert our_port is not None
        yield Stand(backend, envoy_port, our_port)
