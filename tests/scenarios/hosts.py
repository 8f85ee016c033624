"""The example's servers with a ledger: `python -m tests.scenarios.hosts legacy|grpc LEDGER`.

Each request that they are asked is a line as bench.stand.ledger reads them: when, its id, and what
it was, with `+mirror` behind it when it carried the mark of one. They announce their address as the
bench's servers do, and end when standard input closes.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from time import time
from typing import Any, Final

import grpc
from aiohttp import web

from proxy.example.legacy import LegacyHost
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer

MARK: Final = "x-shadow"
MIRRORED: Final = "+mirror"
#: Asked by connections of their own accord.
HEALTH: Final = "/grpc.health.v1.Health"


class Ledger:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def add(self, identity: str | None, what: str, *, mirrored: bool) -> None:
        line = f"{time() * 1e6:.0f} {identity or '-'} {what}{MIRRORED if mirrored else ''}\n"
        os.write(self._file, line.encode())


def recording_legacy(ledger: Ledger) -> AbstractAsyncContextManager[Any]:
    @web.middleware
    async def record(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        headers = request.headers
        ledger.add(headers.get("x-request-id"), request.method, mirrored=MARK in headers)
        return await handler(request)

    return LegacyHost(seeded_store(), middlewares=[record])


class Recording(grpc.aio.ServerInterceptor):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        service, _, method = details.method.rpartition("/")
        metadata = dict(details.invocation_metadata)
        if service != HEALTH:
            self._ledger.add(metadata.get("x-request-id"), method, mirrored=MARK in metadata)
        return await continuation(details)


async def serve(name: str, path: str) -> None:
    ledger = Ledger(path)
    server: AbstractAsyncContextManager[Any] = (
        recording_legacy(ledger)
        if name == "legacy"
        else DnsServer(seeded_store(), interceptors=[Recording(ledger)])
    )
    async with server as started:
        sys.stdout.write(json.dumps({"port": int(started.address.rpartition(":")[2])}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
