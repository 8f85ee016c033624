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
from tests.differential.envoy import OWN, envoy
from tests.differential.outcomes import Outcome, read_answer
from tests.differential.schema import descriptor_set

#: What our proxies have for every route, by dialect and by the host that a request names. `spec`
#: refuses unknown fields as Envoy refuses them, in queries at least, and clients choose the form of
#: streams; `envoy` is the dialect as it is, with a configuration for each form as Envoy has.
_DEFAULTS: Final = {
    "spec": "{unknown_fields: reject}",
    "envoy": "{dialect: envoy}",
    "envoy ndjson.test": "{dialect: envoy, stream_format: ndjson}",
    "envoy sse.test": "{dialect: envoy, stream_format: sse}",
}
#: Those that are compared with what was recorded.
_ALONE: Final = {"grpc-gateway": "{dialect: grpc-gateway}"}

_CONFIGURATION: Final = """\
version: 1
listen: {{host: 127.0.0.1, port: 0}}
admin: {{host: 127.0.0.1, port: 0}}
descriptors: [{{descriptor_set: oracle.binpb}}]
upstreams: {{backend: {{target: "127.0.0.1:{port}", plaintext: true, health: "off"}}}}
defaults: {defaults}
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
    """Both proxies, started. Requests go one at a time: the backend has one memory.

    *our_ports* are of this project's proxies, by dialect and host.
    """

    backend: echo.Backend
    envoy_port: int
    our_ports: Mapping[str, int]

    async def envoy(self, request: Request, dialect: str = "spec") -> Outcome:
        """What a request leads to through Envoy: decoded as we do, or else as Envoy does it."""
        headers = dict(request.headers)
        if dialect == "envoy":
            headers["host"] = OWN + headers.get("host", "test")
        return await self._send(self.envoy_port, request, headers)

    async def ours(self, request: Request, dialect: str = "spec") -> Outcome:
        """What a request leads to through this project's proxy."""
        port = self.our_ports[dialect]
        if dialect == "envoy" and "host" in request.headers:
            port = self.our_ports[f"{dialect} {request.headers['host']}"]
        return await self._send(port, request, request.headers)

    async def _send(self, port: int, request: Request, headers: Mapping[str, str]) -> Outcome:
        self.backend.calls.clear()
        answer = await send(port, request.method, request.path, headers, request.body)
        return read_answer(answer).with_calls(self.backend.calls, request.looks_at)


@asynccontextmanager
async def started() -> AsyncIterator[Stand]:
    """Start the backend, Envoy and our proxies."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        backend = await stack.enter_async_context(echo.serve())
        envoy_port = await stack.enter_async_context(envoy(backend.port, descriptor_set(), folder))
        yield Stand(backend, envoy_port, await _all_of_ours(stack, backend, folder, _DEFAULTS))


@asynccontextmanager
async def started_alone() -> AsyncIterator[Stand]:
    """Start the backend and those of our proxies that are compared with what was recorded."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        backend = await stack.enter_async_context(echo.serve())
        yield Stand(backend, 0, await _all_of_ours(stack, backend, folder, _ALONE))


async def _all_of_ours(
    stack: AsyncExitStack, backend: echo.Backend, folder: Path, defaults: Mapping[str, str]
) -> dict[str, int]:
    """The ports of our proxies, by the names of their *defaults*."""
    return {
        name: await stack.enter_async_context(_ours(_folder(backend.port, folder / name, given)))
        for name, given in defaults.items()
    }


@asynccontextmanager
async def _ours(folder: Path) -> AsyncIterator[int]:
    """Our proxy with the configuration in *folder*, on a free port of loopback."""
    snapshot = await load_snapshot(folder, {})
    async with Service(snapshot, folder, lambda _: None) as service:
        port = urlsplit(service.url).port
        assert port is not None
        yield port


def _folder(backend_port: int, folder: Path, defaults: str) -> Path:
    """The configuration of one of our proxies, written to *folder*."""
    folder.mkdir()
    (folder / "oracle.binpb").write_bytes(descriptor_set())
    configuration = _CONFIGURATION.format(port=backend_port, defaults=defaults)
    (folder / "cutover.yaml").write_text(configuration)
    return folder
