"""The proxy as it is run: over a folder, with the example's servers behind it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from proxy.cli.composition import load_snapshot
from proxy.cli.service import Service
from proxy.config.sections import Admin, Listen
from proxy.example.files import folder
from proxy.example.legacy import LegacyHost
from proxy.example.schema import compile_folder
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer

LOOPBACK = "127.0.0.1"


@cache
def descriptors() -> bytes:
    return compile_folder(folder("proto"))


def write_mappings(place: Path, **changes: str) -> Path:
    """The example's mappings in *place*, with descriptors that need no compiling.

    *changes* are further top-level keys of the configuration, as YAML.
    """
    (place / "dns.binpb").write_bytes(descriptors())
    shipped = folder("mappings")
    text = (shipped / "cutover.yaml").read_text()
    text = text.replace("proto_path: ../proto", "descriptor_set: dns.binpb")
    more = "".join(f"{key}: {value}\n" for key, value in changes.items())
    (place / "cutover.yaml").write_text(text + more)
    rules = (shipped / "hello_service.yaml").read_text()
    (place / "hello_service.yaml").write_text(rules)
    return place


@dataclass
class Running:
    """A proxy with its two servers, all on loopback."""

    service: Service
    legacy: LegacyHost
    server: DnsServer
    logged: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.service.url

    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in b"".join(self.logged).splitlines()]


@asynccontextmanager
async def running(place: Path, **changes: str) -> AsyncIterator[Running]:
    """The example behind a `Service` over the mappings in *place*."""
    store, logged = seeded_store(), list[bytes]()
    async with LegacyHost(store) as legacy, DnsServer(store) as server:
        mappings = write_mappings(place, **changes)
        snapshot = await load_snapshot(mappings, environment(legacy.url, server.address))
        service = Service(
            snapshot,
            mappings,
            logged.append,
            listen=Listen(host=LOOPBACK, port=0),
            admin=Admin(host=LOOPBACK, port=0),
        )
        async with service:
            yield Running(service, legacy, server, logged)


def environment(legacy_url: str, dns_target: str) -> Mapping[str, str]:
    """What the mappings want to know."""
    return {"LEGACY_URL": legacy_url, "DNS_TARGET": dns_target}
