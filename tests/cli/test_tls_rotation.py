"""Certificates that are replaced while requests are in flight; upstreams that stay and that go."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from proxy.cli.composition import load_snapshot
from proxy.cli.generation import Generation, Generations, Lasting
from proxy.cli.reloading import Result
from proxy.cli.service import Service
from proxy.cli.shadowing import Shadowing
from proxy.exchange.recording import Recorder
from proxy.programs.pool import ProgramPool
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.metrics import Metrics
from tests.cli.versions import ITEM, METHOD, Mount
from tests.fakes import Served
from tests.live.control import control_of
from tests.live.wire import client_of, request
from tests.upstreams.servers import grpc_server
from tests.waiting import until

GET = request("GET", "/v1/items/1")


async def item(_: Served) -> AsyncIterator[bytes]:
    yield ITEM


def issue(authority: trustme.CA, place: Path) -> grpc.ServerCredentials:
    """Trust *authority*, show a client certificate of it; what a server of it needs."""
    client, server = authority.issue_cert("client.test"), authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(place / "ca.pem")
    client.cert_chain_pems[0].write_to_path(place / "client.pem")
    client.private_key_pem.write_to_path(place / "client.key")
    pair = server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes()
    return grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), True)


@pytest.mark.parametrize("transport", ["grpcio", "h2"])
async def test_certificates_are_replaced_under_traffic(tmp_path: Path, transport: str):
    """Both servers answer; the second knows only the new authority, and the first is gone."""
    tls = "tls: {ca: ../ca.pem, cert: ../client.pem, key: ../client.key}"
    async with AsyncExitStack() as stack:
        old = AsyncExitStack()
        await stack.enter_async_context(old)
        servers = await old.enter_async_context(
            grpc_server({METHOD: item}, issue(trustme.CA(), tmp_path))
        )
        mount = Mount(tmp_path, f"127.0.0.1:{servers}", poll="off")
        mount.put("v1")
        good = mount.files()
        config = good["cutover.yaml"].replace("plaintext: true", f"{tls}, transport: {transport}")
        mount.write({**good, "cutover.yaml": config})
        snapshot = await load_snapshot(mount.folder, {})
        service = await stack.enter_async_context(Service(snapshot, mount.folder, len, environ={}))
        answered, end = list[int](), asyncio.Event()

        async def traffic() -> None:
            async with client_of(service.url) as client:
                while not end.is_set():
                    answered.append((await client.ask(GET)).status)

        asking = [asyncio.ensure_future(traffic()) for _ in range(4)]
        await until(lambda: len(answered) > 20)
        credentials = issue(trustme.CA(), tmp_path)
        port = await stack.enter_async_context(grpc_server({METHOD: item}, credentials))
        rotated = config.replace(f"127.0.0.1:{servers}", f"127.0.0.1:{port}")
        mount.write({**good, "cutover.yaml": rotated})
        assert (await service.reload()).result is Result.APPLIED
        seen = len(answered)
        await until(lambda: len(answered) > seen + 40)
        await old.aclose()
        await until(lambda: len(answered) > seen + 80)
        end.set()
        await asyncio.gather(*asking)
    assert set(answered) == {200}


class Folder:
    """A folder of one gRPC upstream with TLS, a legacy one, and generations of it."""

    def __init__(self, place: Path) -> None:
        self.authority = trustme.CA()
        issue(self.authority, place)
        tls = "tls: {ca: ../ca.pem, cert: ../client.pem, key: ../client.key}"
        self.mount = Mount(place, "127.0.0.1:1", legacy="http://127.0.0.1:1")
        self.mount.put("v1")
        files = self.mount.files()
        files["cutover.yaml"] = files["cutover.yaml"].replace("plaintext: true", tls)
        self.files = files
        self.mount.write(files)

    def change(self, old: str, new: str) -> None:
        assert old in self.files["cutover.yaml"]
        self.files["cutover.yaml"] = self.files["cutover.yaml"].replace(old, new)
        self.mount.write(self.files)

    async def snapshot(self) -> Snapshot:
        return await load_snapshot(self.mount.folder, {})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@asynccontextmanager
async def generations_of(folder: Folder, **options: Any) -> AsyncIterator[Generations]:
    log = AccessLog(len, clock=lambda: 0.0, call_later=asyncio.get_running_loop().call_later)
    metrics = Metrics()
    first, place = await folder.snapshot(), folder.mount.folder
    with control_of(first, metrics=metrics) as control:
        shadowing = Shadowing(first.config.settings, place, control.state.path, metrics)
        programs = ProgramPool()
        recorder = Recorder(time.monotonic, time.time)
        lasting = Lasting(place, metrics, log, control, shadowing, programs, recorder)
        generations = Generations(lasting, **options)
        try:
            yield generations
        finally:
            await generations.close(0.0)
            await shadowing.close()


async def follow(generations: Generations, folder: Folder) -> Generation:
    """Put the folder in service as it is now, as the front end would have it."""
    generation = await generations.make(await folder.snapshot())
    generations.put_in_service(generation)
    return generation


def upstreams(generation: Generation) -> tuple[object, str]:
    return generation.upstreams["items"], repr(generation.passthrough).partition(" orphans")[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: folder.change("emit_defaults: true", "emit_defaults: false"),
        lambda folder: folder.change(
            "plaintext" if 0 else "tls:", "services: [versions.v1.*], tls:"
        ),
        lambda folder: (folder.mount.folder / "../ca.pem").write_bytes(
            folder.authority.cert_pem.bytes()
        ),
    ],
    ids=["options", "services", "the same certificate"],
)
async def test_an_upstream_of_which_nothing_changed_is_kept(
    folder: Folder, change: Callable[[Folder], object]
):
    async with generations_of(folder) as generations:
        first = await follow(generations, folder)
        change(folder)
        second = await follow(generations, folder)
        assert first.upstreams["items"] is second.upstreams["items"]
        first.serving.retire()
        await until(lambda: len(generations.describe()) == 1)
        assert second.upstreams["items"].connectivity != "shutdown"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: folder.change('target: "127.0.0.1:1"', 'target: "127.0.0.1:2"'),
        lambda folder: folder.change("tls:", "keepalive_time: 9s, tls:"),
        lambda folder: issue(trustme.CA(), folder.mount.folder / ".."),
    ],
    ids=["target", "option", "certificates"],
)
async def test_an_upstream_that_changed_is_closed_when_its_last_request_has_ended(
    folder: Folder, change: Callable[[Folder], object]
):
    async with generations_of(folder) as generations:
        first = await follow(generations, folder)
        old = first.upstreams["items"]
        first.serving.entered()
        change(folder)
        second = await follow(generations, folder)
        first.serving.retire()
        assert second.upstreams["items"] is not old
        assert "shutdown" not in repr(old)
        first.serving.left()
        await until(lambda: "shutdown" in repr(old) or "closed" in repr(old))


async def test_replaced_generations_with_requests_are_bounded_in_number(folder: Folder):
    async with generations_of(folder, max_retired=2) as generations:
        for number in range(4):
            folder.change("version: 1", f"version: 1\n# {number}")
            generation = await follow(generations, folder)
            generation.serving.entered()
        shown = [each["generation"] for each in generations.describe()]
        assert shown == [4, 3, 2]


async def test_replaced_generations_with_requests_are_bounded_in_time(folder: Folder):
    async with generations_of(folder, retired_s=0.01) as generations:
        (await follow(generations, folder)).serving.entered()
        await follow(generations, folder)
        await until(lambda: len(generations.describe()) == 1)


async def test_what_cannot_be_made_leaves_nothing_behind(folder: Folder):
    async with generations_of(folder) as generations:
        snapshot = await folder.snapshot()
        (folder.mount.folder / "../client.key").unlink()
        with pytest.raises(Exception, match="cannot be read"):
            await generations.make(snapshot)
        assert "Leases 0" in repr(generations)
        with pytest.raises(LookupError):
            generations.describe()
