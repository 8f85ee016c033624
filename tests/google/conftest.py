"""The example's server behind a proxy that speaks as Google's do, and clients made for both."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest
import pytest_asyncio

from proxy.cli.composition import load_snapshot
from proxy.cli.service import Service
from proxy.config.sections import Admin, Listen
from proxy.example.files import folder
from proxy.example.schema import Schema, compile_folder
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer
from tests.fakes import Handler, Served
from tests.google.generated import generate, importable, package
from tests.upstreams.servers import grpc_server

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
CONFIG = """\
version: 1
descriptors: [{descriptor_set: api.binpb}]
upstreams: {api: {target: "%s", plaintext: true, services: ["*"]}}
defaults: {dialect: google}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the generated packages, which can be imported."""
    place = tmp_path_factory.mktemp("generated")
    generate(place, folder("proto"), ("dns/v1/dns.proto", "dns/v1/statistics.proto"), "dns")
    generate(place, HERE, ("kinds.proto",), "kinds")
    with importable(place):
        yield place


@pytest.fixture(scope="module")
def dns(made: Path) -> ModuleType:
    return package("dns")


@pytest.fixture(scope="module")
def kinds(made: Path) -> ModuleType:
    return package("kinds")


@asynccontextmanager
async def proxied(place: Path, protos: Path, target: str) -> AsyncIterator[str]:
    """The URL of a proxy before the server at *target*, with the API below *protos*."""
    (place / "api.binpb").write_bytes(compile_folder(protos))
    (place / "cutover.yaml").write_text(CONFIG % target)
    service = Service(
        await load_snapshot(place, {}),
        place,
        lambda _: None,
        listen=Listen(host=LOOPBACK, port=0),
        admin=Admin(host=LOOPBACK, port=0),
    )
    async with service:
        yield service.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dns_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    place = tmp_path_factory.mktemp("dns")
    async with (
        DnsServer(seeded_store()) as server,
        proxied(place, folder("proto"), server.address) as url,
    ):
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kinds_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    place = tmp_path_factory.mktemp("kinds")
    handlers = kind_handlers(Schema(compile_folder(HERE)))
    async with grpc_server(handlers) as port, proxied(place, HERE, f"{LOOPBACK}:{port}") as url:
        yield url


def kind_handlers(schema: Schema) -> Mapping[str, Handler]:
    kind = schema.message("kinds.v1.Kind")

    async def echo(served: Served) -> AsyncIterator[bytes]:
        yield served.message

    async def watch(served: Served) -> AsyncIterator[bytes]:
        for _ in range(kind.FromString(served.message).times):
            yield served.message

    return {"/kinds.v1.KindService/Find": echo, "/kinds.v1.KindService/Watch": watch}
