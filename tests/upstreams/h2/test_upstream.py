"""The transport before real gRPC servers: broken servers, limits, retries, TLS, health."""

import asyncio
import gzip
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from proxy.errors import ConfigError, LimitExceeded
from proxy.status import Code, Status
from proxy.upstreams import Call
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.health import Health
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.retry import RetryOptions
from proxy.upstreams.tls import TlsOptions
from tests.fakes import Abort, Served
from tests.upstreams.calls import ECHO, call, echo, failure, refused_port
from tests.upstreams.servers import grpc_server, raw_server
from tests.waiting import until

# --- servers that are down, broken or frozen


async def test_a_refused_connection_was_certainly_not_sent():
    async with H2Upstream(f"127.0.0.1:{await refused_port()}") as upstream:
        assert upstream.connectivity == "idle"
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.http_status, error.sent) == (Code.UNAVAILABLE, 503, False)
        assert "Connection refused" in error.status.message
        error = await failure(anext(upstream.stream(call())))
        assert (error.http_status, error.sent) == (503, False)
        assert not upstream.ready
        assert upstream.connectivity == "transient_failure"
    assert upstream.connectivity == "shutdown"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 80])
async def test_an_unknown_host_was_certainly_not_sent(host):
    async with H2Upstream(f"dns:///{host}:1") as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)


async def test_the_next_address_is_tried():
    refused = await refused_port()
    async with (
        grpc_server(ECHO) as port,
        H2Upstream(f"ipv4:127.0.0.1:{refused},127.0.0.1:{port}") as upstream,
    ):
        assert (await upstream.unary(call())).message == b"x"


async def test_a_unix_socket_is_a_target(tmp_path):
    server = grpc.aio.server()
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    try:
        async with H2Upstream(f"unix:{tmp_path}/s") as upstream:
            assert (await failure(upstream.unary(call()))).status.code is Code.UNIMPLEMENTED
        async with H2Upstream(f"unix:{tmp_path}/none") as upstream:
            assert not (await failure(upstream.unary(call()))).sent
    finally:
        await server.stop(None)


async def test_a_server_that_answers_junk_is_unavailable():
    async def junk(_, writer) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9)
        await writer.drain()

    async with raw_server(junk) as port, H2Upstream(f"127.0.0.1:{port}") as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)
        assert "does not speak HTTP/2" in error.status.message


async def test_a_server_that_says_nothing_ends_at_the_deadline():
    async def silent(reader, _) -> None:
        await reader.read()

    async with raw_server(silent) as port, H2Upstream(f"127.0.0.1:{port}") as upstream:
        error = await failure(upstream.unary(call(timeout_s=0.2)))
        assert (error.http_status, error.sent) == (504, False)


async def test_a_server_that_says_nothing_is_not_waited_for_longer_than_the_connect_timeout():
    async def silent(reader, _) -> None:
        await reader.read()

    options = GrpcOptions(connect_timeout_s=0.1)
    async with raw_server(silent) as port, H2Upstream(f"127.0.0.1:{port}", options) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.http_status, error.sent) == (503, False)
        assert "no answer within 0.1 s" in error.status.message


@asynccontextmanager
async def server_process() -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.upstreams.frozen_server", "0", "127.0.0.1"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_server_killed_in_a_call_leaves_it_sent_and_unavailable():
    async with (
        server_process() as (process, port),
        H2Upstream(f"127.0.0.1:{port}") as upstream,
    ):
        await upstream.unary(call())
        stream = upstream.stream(call("hang"))
        await anext(stream)
        process.kill()
        error = await failure(anext(stream))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, True)


async def test_keepalive_finds_a_frozen_server_long_before_the_deadline():
    options = GrpcOptions(keepalive_time_s=0.2, keepalive_timeout_s=0.2, retry=None)
    async with (
        server_process() as (process, port),
        H2Upstream(f"127.0.0.1:{port}", options) as upstream,
    ):
        await upstream.unary(call())
        process.send_signal(signal.SIGSTOP)
        error = await failure(upstream.unary(call(timeout_s=60.0)))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, True)
        assert "keepalive" in error.status.message


async def test_a_server_that_comes_back_is_used_again():
    port = await refused_port()
    options = GrpcOptions(retry=RetryOptions(max_attempts=10_000, reserve_per_s=1e6, max_saved=1e6))
    async with H2Upstream(f"127.0.0.1:{port}", options) as upstream:
        waiting = asyncio.create_task(upstream.unary(call(idempotent=True)))
        async with grpc_server(ECHO, port=port):
            assert (await waiting).message == b"x"
            assert upstream.ready


async def test_a_server_that_restarts_between_calls_is_used_again():
    async with grpc_server(ECHO) as port:
        options = GrpcOptions(
            retry=RetryOptions(max_attempts=10_000, reserve_per_s=1e6, max_saved=1e6)
        )
        upstream = H2Upstream(f"127.0.0.1:{port}", options)
        await upstream.unary(call())
    async with grpc_server(ECHO, port=port), upstream:
        assert (await upstream.unary(call(idempotent=True))).message == b"x"


# --- sizes


async def answer_large(_: Served) -> AsyncIterator[bytes]:
    yield b"x" * 5000


async def spend_quota(_: Served) -> AsyncIterator[bytes]:
    raise Abort(Code.RESOURCE_EXHAUSTED, "quota spent")
    yield b""


@pytest.mark.parametrize(
    ("handler", "http_status"), [(answer_large, 502), (spend_quota, 429)], ids=["large", "quota"]
)
async def test_resource_exhausted_says_whose_resource(handler, http_status):
    options = GrpcOptions(max_receive_bytes=2000)
    async with (
        grpc_server({"/t.T/echo": handler}) as port,
        H2Upstream(f"127.0.0.1:{port}", options) as upstream,
    ):
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.http_status) == (Code.RESOURCE_EXHAUSTED, http_status)
        error = await failure(anext(upstream.stream(call())))
        assert (error.status.code, error.http_status) == (Code.RESOURCE_EXHAUSTED, http_status)


async def test_a_request_larger_than_the_server_takes_is_413():
    limit = (("grpc.max_receive_message_length", 1000),)
    async with (
        grpc_server(ECHO, options=limit) as port,
        H2Upstream(f"127.0.0.1:{port}") as upstream,
    ):
        assert (await failure(upstream.unary(call(message=b"x" * 2000)))).http_status == 413


async def test_metadata_larger_than_the_server_takes_are_431():
    limit = (("grpc.max_metadata_size", 1000), ("grpc.absolute_max_metadata_size", 1000))
    async with (
        grpc_server(ECHO, options=limit) as port,
        H2Upstream(f"127.0.0.1:{port}") as upstream,
    ):
        error = await failure(upstream.unary(call(metadata=(("x", "y" * 3000),))))
        assert (error.http_status, error.sent) == (431, False)
        assert (await upstream.unary(call())).message == b"x"


async def test_metadata_above_the_frame_size_pass():
    limit = (("grpc.max_metadata_size", 1 << 20), ("grpc.absolute_max_metadata_size", 1 << 20))
    async with (
        grpc_server(ECHO, options=limit) as port,
        H2Upstream(f"127.0.0.1:{port}") as upstream,
    ):
        reply = await upstream.unary(call(metadata=tuple((f"x{n}", "y" * 5000) for n in range(9))))
        assert reply.message == b"x"


# --- what cannot be sent


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    "bad",
    [
        call(metadata=(("Upper", "x"),)),
        call(metadata=3),
        call(message="text"),
        call(message=3),
        Call("no path", b"", (), 1.0),
    ],
)
async def test_a_call_that_cannot_be_sent_is_an_upstream_error(bad, streams):
    async with grpc_server(ECHO) as port, H2Upstream(f"127.0.0.1:{port}") as upstream:
        error = await failure(anext(upstream.stream(bad)) if streams else upstream.unary(bad))
        assert (error.status.code, error.sent) == (Code.INTERNAL, False)
        assert (await upstream.unary(call())).message == b"x"


async def test_a_deadline_of_ages_does_not_overflow():
    async with grpc_server(ECHO) as port, H2Upstream(f"127.0.0.1:{port}") as upstream:
        assert (await upstream.unary(call(timeout_s=1e12))).message == b"x"
        assert [m async for m in upstream.stream(call(timeout_s=float("inf")))] == [b"x"]
        assert (await failure(upstream.unary(call(timeout_s=-1.0)))).http_status == 504


async def test_malformed_details_are_dropped_and_the_status_kept():
    async def malformed(served: Served) -> AsyncIterator[bytes]:
        raise Abort(Code.ABORTED, "text", (), (("grpc-status-details-bin", served.message),))
        yield b""

    async with (
        grpc_server({"/t.T/echo": malformed}) as port,
        H2Upstream(f"127.0.0.1:{port}") as upstream,
    ):
        for raw in (b"\xff\xff", b"\x08\x05", b""):
            error = await failure(upstream.unary(call(message=raw)))
            assert error.status == Status(Code.ABORTED, "text")


async def test_the_deadlines_of_many_calls_end_each_its_own():
    async def hang(served: Served) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async with (
        grpc_server({"/t.T/hang": hang, **ECHO}) as port,
        H2Upstream(f"127.0.0.1:{port}") as upstream,
    ):
        slow = asyncio.create_task(upstream.unary(call("hang", timeout_s=60.0)))
        errors = await asyncio.gather(
            *(failure(upstream.unary(call("hang", timeout_s=0.02 * n))) for n in range(1, 10))
        )
        assert {error.status.code for error in errors} == {Code.DEADLINE_EXCEEDED}
        assert not slow.done()
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_server_that_compresses_is_read(algorithm):
    async def handle(message: bytes, _context: object) -> bytes:
        return message * 1000

    server = grpc.aio.server(compression=algorithm, options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "t.T", {"echo": grpc.unary_unary_rpc_method_handler(handle)}
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with H2Upstream(f"127.0.0.1:{port}") as upstream:
            assert (await upstream.unary(call(message=b"abc"))).message == b"abc" * 1000
            options = GrpcOptions(max_receive_bytes=2999)
        async with H2Upstream(f"127.0.0.1:{port}", options) as upstream:
            assert len(gzip.compress(b"abc" * 1000)) < 2999
            assert (await failure(upstream.unary(call(message=b"abc")))).http_status == 502
    finally:
        await server.stop(None)


async def test_concurrent_calls_do_not_mix():
    async with grpc_server(ECHO) as port, H2Upstream(f"127.0.0.1:{port}") as upstream:
        messages = [b"%d" % number for number in range(500)]
        replies = await asyncio.gather(*(upstream.unary(call(message=m)) for m in messages))
        assert [reply.message for reply in replies] == messages


async def test_a_server_that_bounds_its_streams_gets_the_rest_later():
    async with (
        grpc_server(ECHO, options=(("grpc.max_concurrent_streams", 2),)) as port,
        H2Upstream(f"127.0.0.1:{port}") as upstream,
    ):
        messages = [b"%d" % number for number in range(100)]
        replies = await asyncio.gather(*(upstream.unary(call(message=m)) for m in messages))
        assert [reply.message for reply in replies] == messages


async def test_no_more_calls_wait_than_may():
    async def silent(reader, _) -> None:
        await reader.read()

    options = GrpcOptions(max_inflight=2000)
    async with raw_server(silent) as port, H2Upstream(f"127.0.0.1:{port}", options) as upstream:
        calls = [asyncio.create_task(upstream.unary(call())) for _ in range(1200)]
        await asyncio.wait(calls[1000:])
        errors = [task.exception() for task in calls if task.done()]
        assert len(errors) == 200
        assert all("too many calls" in error.status.message for error in errors)
        assert {type(error) for error in errors} == {LimitExceeded}
        with pytest.raises(LimitExceeded, match="too many calls wait"):
            await anext(upstream.stream(call()))
        assert (upstream.refused, upstream.inflight) == (201, 1000)
        await upstream.close()
        await asyncio.gather(*calls, return_exceptions=True)


# --- streams


async def test_a_stream_cancelled_at_its_end_does_not_lose_messages_in_silence():
    async def two(_: Served) -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"

    async with (
        grpc_server({"/t.T/echo": two, "/t.T/sync": echo}) as port,
        H2Upstream(f"127.0.0.1:{port}") as upstream,
    ):
        stream = upstream.stream(call())
        assert await anext(stream) == b"1"
        await upstream.unary(call("sync"))
        stream.cancel()
        assert (await failure(anext(stream))).status.code is Code.CANCELLED
        whole = upstream.stream(call())
        assert [message async for message in whole] == [b"1", b"2"]
        whole.cancel()
        assert [message async for message in whole] == []
        assert await whole.trailers() == ()


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_credentials(authority: trustme.CA, *, mutual: bool = False) -> grpc.ServerCredentials:
    issued = authority.issue_cert("server.example", "127.0.0.1")
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    root = authority.cert_pem.bytes() if mutual else None
    return grpc.ssl_server_credentials([pair], root, require_client_auth=mutual)


def tls_options(folder, authority, name="server.example", client=None) -> GrpcOptions:
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    if client is None:
        return GrpcOptions(tls=TlsOptions(ca, server_name=name))
    certificate, key = folder / "client.pem", folder / "client.key"
    client.cert_chain_pems[0].write_to_path(certificate)
    client.private_key_pem.write_to_path(key)
    return GrpcOptions(tls=TlsOptions(ca, certificate, key, name))


@pytest.mark.parametrize("name", ["server.example", None])
async def test_tls_verifies_the_server_and_calls_it(tmp_path, authority, name):
    async with (
        grpc_server(ECHO, server_credentials(authority)) as port,
        H2Upstream(f"127.0.0.1:{port}", tls_options(tmp_path, authority, name)) as upstream,
    ):
        assert (await upstream.unary(call())).message == b"x"
        big = b"x" * 3_000_000
        assert (await upstream.unary(call(message=big))).message == big


@pytest.mark.parametrize("wrong", ["authority", "name", "plaintext server"])
async def test_tls_that_cannot_be_set_up_is_502_and_counted(tmp_path, authority, wrong):
    credentials = None if wrong == "plaintext server" else server_credentials(authority)
    trusted = trustme.CA() if wrong == "authority" else authority
    name = "other.example" if wrong == "name" else "server.example"
    errors = []
    async with (
        grpc_server(ECHO, credentials) as port,
        H2Upstream(
            f"127.0.0.1:{port}", tls_options(tmp_path, trusted, name), on_tls_error=errors.append
        ) as upstream,
    ):
        error = await failure(upstream.unary(call(idempotent=True)))
        assert (error.http_status, error.status.code, error.sent) == (502, Code.UNAVAILABLE, False)
        assert errors == [error]
        assert not upstream.ready


async def test_a_server_that_hangs_up_in_the_handshake_is_a_tls_error(tmp_path, authority):
    async def hang_up(reader, _) -> None:
        await reader.read(1)

    async with (
        raw_server(hang_up) as port,
        H2Upstream(f"127.0.0.1:{port}", tls_options(tmp_path, authority)) as upstream,
    ):
        error = await failure(upstream.unary(call()))
        assert (error.http_status, error.sent) == (502, False)


async def test_a_server_without_http2_is_a_tls_error(tmp_path, authority):
    async def silent(reader, _) -> None:
        await reader.read()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("server.example").configure_cert(context)
    async with (
        raw_server(silent, context) as port,
        H2Upstream(f"127.0.0.1:{port}", tls_options(tmp_path, authority)) as upstream,
    ):
        error = await failure(upstream.unary(call()))
        assert (error.http_status, error.sent) == (502, False)
        assert "does not offer HTTP/2" in error.status.message


async def test_mutual_tls_shows_the_client_certificate(tmp_path, authority):
    client = authority.issue_cert("client.example")
    async with grpc_server(ECHO, server_credentials(authority, mutual=True)) as port:
        target = f"127.0.0.1:{port}"
        options = tls_options(tmp_path, authority, client=client)
        async with H2Upstream(target, options) as upstream:
            assert (await upstream.unary(call())).message == b"x"
        async with H2Upstream(target, tls_options(tmp_path, authority)) as upstream:
            error = await failure(upstream.unary(call()))
            assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)


async def test_a_missing_file_is_a_configuration_error(tmp_path):
    options = GrpcOptions(tls=TlsOptions(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        H2Upstream("localhost:1", options)


# --- health


class HealthServer:
    """A server with a health service whose status can be set."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()
        self.server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        health_pb2_grpc.add_HealthServicer_to_server(self.servicer, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    async def __aenter__(self) -> "HealthServer":
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop(None)


async def test_the_health_service_is_followed():
    async with (
        HealthServer() as server,
        H2Upstream(f"127.0.0.1:{server.port}") as upstream,
    ):
        await upstream.start()
        await upstream.start()
        await until(lambda: upstream.health is Health.SERVING)
        assert upstream.ready
        await server.servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        await until(lambda: upstream.health is Health.NOT_SERVING)
        assert not upstream.ready
        assert "health=not_serving" in repr(upstream)


async def test_health_can_be_left_alone():
    async with HealthServer() as server:
        options = GrpcOptions(watch_health=False)
        async with H2Upstream(f"127.0.0.1:{server.port}", options) as upstream:
            await upstream.start()
            await failure(upstream.unary(call()))
            assert (upstream.health, upstream.ready) == (Health.UNKNOWN, True)
