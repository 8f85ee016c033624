"""A snapshot in service: started in order, ready or not, drained, and never half started."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.cli.composition import load_snapshot
from proxy.cli.service import Service
from proxy.config.sections import Admin, Listen
from tests.fakes import Handler, Served
from tests.live.edge import CONFIG, answers, descriptor_set, item, method
from tests.live.wire import LegacyScript, client_of, legacy_of, request
from tests.upstreams.servers import grpc_server

GET = request("GET", "/v1/items/1")


@asynccontextmanager
async def service_of(
    place: Path,
    target: str,
    *,
    legacy_url: str = "",
    more: str = "",
    log: Callable[[bytes], object] = len,
    listen: Listen | None = None,
    admin: Admin | None = None,
    upstream: str = "",
) -> AsyncIterator[Service]:
    """A service over the API made for tests; with *legacy_url*, Old stays on that side.

    *upstream* is what the gRPC upstream has beside its target.
    """
    legacy = f', legacy: {{url: "{legacy_url}"}}' if legacy_url else ""
    old = "- {rpc: edge.v1.Items.Old, name: old-item, stage: legacy}" if legacy_url else ""
    config = CONFIG.replace("127.0.0.1:1", target) % (legacy, old)
    if upstream:
        config = config.replace("plaintext: true", f"plaintext: true, {upstream}", 1)
    (place / "edge.binpb").write_bytes(descriptor_set())
    (place / "cutover.yaml").write_text(config + more)
    snapshot = await load_snapshot(place, {})
    loopback = {"host": "127.0.0.1", "port": 0}
    service = Service(
        snapshot,
        place,
        log,
        listen=listen or Listen(**loopback),
        admin=admin or Admin(**loopback),
    )
    async with service:
        yield service


async def readiness(service: Service) -> tuple[int, dict[str, str]]:
    async with client_of(service.admin_url) as client:
        reply = await client.ask(request("GET", "/-/ready", host="localhost"))
        return reply.status, reply.json()["checks"]


async def test_it_serves_what_the_folder_says(tmp_path: Path):
    logged: list[bytes] = []
    async with (
        grpc_server({method("Get"): answers(item(id="1"))}) as port,
        service_of(tmp_path, f"127.0.0.1:{port}", log=logged.append) as service,
        client_of(service.url) as client,
    ):
        assert (await client.ask(GET)).body == b'{"id":"1"}'
        assert service.url in repr(service)
    assert b'"path":"/v1/items/1"' in b"".join(logged)


async def test_it_is_ready_once_an_upstream_can_be_used(tmp_path: Path):
    async with grpc_server({}) as port, service_of(tmp_path, f"127.0.0.1:{port}") as service:
        while (await readiness(service))[0] != 200:
            await asyncio.to_thread(lambda: None)
        assert (await readiness(service))[1] == {"drain": "", "upstreams": ""}


async def test_it_is_not_ready_while_no_upstream_can_be_reached(tmp_path: Path):
    async with service_of(tmp_path, "127.0.0.1:1") as service:
        status, checks = await readiness(service)
        assert status == 503
        assert checks["upstreams"] == "no gRPC upstream is connected and well"
        async with client_of(service.url) as client:
            assert (await client.ask(GET)).status == 503


async def test_a_legacy_host_is_enough_to_be_of_use(tmp_path: Path):
    async with (
        legacy_of(LegacyScript()) as legacy,
        service_of(tmp_path, "127.0.0.1:1", legacy_url=legacy.url) as service,
    ):
        assert (await readiness(service))[0] == 200


async def test_the_limits_of_the_configuration_hold(tmp_path: Path):
    limits = "limits: {max_url_bytes: 300B, max_header_field_bytes: 300B, max_headers: 8}\n"
    async with service_of(tmp_path, "127.0.0.1:1", more=limits) as service:
        for sent, status in (
            (request("GET", "/" + "x" * 301), 414),
            (request("GET", "/", "A: " + "x" * 302), 431),
            (request("GET", "/", *["A: b"] * 9), 431),
            (request("GET", "/", *["A: b"] * 7), 404),
        ):
            async with client_of(service.url) as client:
                assert (await client.ask(sent)).status == status


@pytest.mark.parametrize("which", ["listen", "admin"])
async def test_an_address_in_use_is_named_and_nothing_stays_open(tmp_path: Path, which: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sections = {"listen": Listen, "admin": Admin}
        options = {which: sections[which](host="127.0.0.1", port=port)}
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}: ") as caught:
            async with service_of(tmp_path, "127.0.0.1:1", **options):
                pytest.fail("it started")
        assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("host", ["::1", "::"])
async def test_it_listens_on_ipv6_where_there_is_any(tmp_path: Path, host: str):
    if not socket.has_ipv6 or not _can_bind("::1"):
        pytest.skip("this machine has no IPv6")
    async with service_of(tmp_path, "127.0.0.1:1", listen=Listen(host=host, port=0)) as service:
        assert service.url.startswith(f"http://[{host}]:")
        async with client_of(service.url.replace("[::]", "[::1]")) as client:
            assert (await client.ask(request("GET", "/"))).status == 404


def _can_bind(host: str) -> bool:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def slow(began: asyncio.Event, go: asyncio.Event) -> Handler:
    async def handle(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await go.wait()
        yield item(id="1")

    return handle


async def test_the_end_finishes_what_runs_and_is_not_ready_meanwhile(tmp_path: Path):
    began, go, stop, logged = asyncio.Event(), asyncio.Event(), asyncio.Event(), list[bytes]()
    started: asyncio.Future[Service] = asyncio.get_running_loop().create_future()

    async def serve(target: str) -> None:
        async with service_of(tmp_path, target, log=logged.append) as service:
            started.set_result(service)
            await stop.wait()

    async with grpc_server({method("Get"): slow(began, go)}) as port:
        serving = asyncio.ensure_future(serve(f"127.0.0.1:{port}"))
        service = await started
        async with client_of(service.url) as client:
            client.write(GET)
            await began.wait()
            stop.set()
            while (await readiness(service))[0] != 503:
                await asyncio.to_thread(lambda: None)
            assert (await readiness(service))[1]["drain"] == "draining"
            go.set()
            reply = await client.reply()
            assert (reply.body, reply.closes) == (b'{"id":"1"}', True)
        await serving
    assert b'"status":200' in b"".join(logged)


async def test_new_requests_are_served_while_balancers_look_elsewhere(tmp_path: Path):
    stop = asyncio.Event()
    started: asyncio.Future[Service] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        drain = "drain: {wait: 1s}\n"
        async with service_of(tmp_path, "127.0.0.1:1", more=drain) as service:
            started.set_result(service)
            await stop.wait()

    serving = asyncio.ensure_future(serve())
    service = await started
    stop.set()
    while (await readiness(service))[1]["drain"] != "draining":
        await asyncio.to_thread(lambda: None)
    async with client_of(service.url) as client:
        reply = await client.ask(request("GET", "/nothing"))
        assert (reply.status, reply.closes) == (404, True)
    await serving


async def test_a_write_whose_client_left_is_finished_before_the_end(tmp_path: Path):
    heard, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        heard.set()
        await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        assert await reader.read() == b""
        done.set()

    async with legacy_of(LegacyScript(talk=talk)) as legacy:
        async with service_of(tmp_path, "127.0.0.1:1", legacy_url=legacy.url) as service:
            async with client_of(service.url) as client:
                client.write(request("DELETE", "/old"))
                await heard.wait()
            asyncio.get_running_loop().call_later(0.05, go.set)
        await done.wait()


async def test_log_lines_that_cannot_be_written_are_counted(tmp_path: Path):
    def full(_: bytes) -> None:
        raise BlockingIOError

    async with service_of(tmp_path, "127.0.0.1:1", log=full) as service:
        async with client_of(service.url) as client:
            for _ in range(3):
                await client.ask(request("GET", "/nothing"))
        text = b""
        async with client_of(service.admin_url) as admin:
            while b"cutover_access_log_lines_dropped_total 3.0" not in text:
                text = (await admin.ask(request("GET", "/metrics", host="localhost"))).body
