"""The example's two servers beside the test, and exchanges recorded from the old one."""

import asyncio
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.example.legacy import LegacyHost
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer
from proxy.recordings.exchange import Recorded


@dataclass(frozen=True)
class Hosts:
    """Where both are."""

    legacy_url: str
    dns_target: str

    def ask(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Recorded:
        """One exchange with the old host."""
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        parts = urlsplit(self.legacy_url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            connection.request(method, target, body or None, dict(named))
            answer = connection.getresponse()
            got = tuple(answer.getheaders())
            return Recorded(method, target, named, body, answer.status, got, answer.read())
        finally:
            connection.close()


@contextmanager
def hosts() -> Iterator[Hosts]:
    """Run both in a thread of their own, over one store."""
    found: list[Hosts] = []
    started, stopping = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        store = seeded_store()
        async with LegacyHost(store) as legacy, DnsServer(store) as server:
            found.append(Hosts(legacy.url, server.address))
            started.set()
            await stopping.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(30)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(30)
        loop.close()
