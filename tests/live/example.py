"""The proxy as it is run: over a folder, with the example's servers behind it."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml

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
    profile = (folder("mappings") / "cloud_v4.yaml").read_text()
    (place / "cloud_v4.yaml").write_text(profile)
    return _written(place, (folder("mappings") / "cutover.yaml").read_text(), **changes)


def write_plain_mappings(place: Path) -> Path:
    """The example's mappings without shapes: gRPC's answers are ProtoJSON."""
    return _written(place, without_shapes((folder("mappings") / "cutover.yaml").read_text()))


def _written(place: Path, text: str, **changes: str) -> Path:
    (place / "dns.binpb").write_bytes(descriptors())
    text = text.replace("proto_path: ../proto", "descriptor_set: dns.binpb")
    more = "".join(f"{key}: {value}\n" for key, value in changes.items())
    (place / "cutover.yaml").write_text(text + more)
    rules = (folder("mappings") / "hello_service.yaml").read_text()
    (place / "hello_service.yaml").write_text(rules)
    return place


class _AsWritten(yaml.SafeLoader):
    """Reads `on` and `off` as the proxy does: as texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - what PyYAML calls it
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_AsWritten.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), [*"tf"])


def without_shapes(text: str) -> str:
    """The configuration *text* without shapes, and without what goes by the names in them."""
    document = yaml.load(text, _AsWritten)  # noqa: S506 - a safe loader
    del document["defaults"]["shape"]
    for route in document["routes"]:
        route.pop("shape", None)
        route.pop("compare", None)
    plain: str = yaml.safe_dump(document)
    return plain


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
