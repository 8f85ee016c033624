"""What only a real gRPC server can show: broken servers, TLS, health, retries, limits."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ConfigError
from proxy.status import Code, Status
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.grpc.calls import direct_calls
from proxy.upstreams.grpc.failure import Failure, upstream_error
from proxy.upstreams.health import Health
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.retry import RetryOptions
from proxy.upstreams.tls import TlsOptions
from tests.fakes import Abort, Served
from tests.upstreams.calls import ECHO, call, failure, refused_port
from tests.upstreams.servers import grpc_server, raw_server
from tests.waiting import until


@pytest.fixture(params=[True, False], ids=["direct", "public"])
def direct(request) -> bool:
    return request.param


# --- servers that are down, broken or frozen


async def test_a_refused_connection_was_certainly_not_sent(direct):
    async with GrpcUpstream(f"127.0.0.1:{await refused_port()}", direct=direct) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.http_status, error.sent) == (Code.UNAVAILABLE, 503, False)
        error = await failure(anext(upstream.stream(call())))
        assert (error.http_status, error.sent) == (503, False)
        assert not upstream.ready


async def test_an_unknown_host_was_certainly_not_sent():
    async with GrpcUpstream("dns:///no-such-host.invalid:1") as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)


async def test_a_server_that_quotes_a_refused_connection_did_get_the_call(direct):
    async def quote(_: Served) -> AsyncIterator[bytes]:
        raise Abort(Code.UNAVAILABLE, "failed to connect to all addresses; SSL_ERROR")
        yield b""

    async with (
        grpc_server({"/t.T/echo": quote}) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        error = await failure(upstream.unary(call()))
        assert (error.http_status, error.sent) == (503, True)


async def test_a_server_that_answers_junk_is_unavailable(direct):
    async def junk(_, writer) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9)
        await writer.drain()

    async with (
        raw_server(junk) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        assert (await failure(upstream.unary(call()))).status.code is Code.UNAVAILABLE


async def test_a_server_that_says_nothing_ends_at_the_deadline(direct):
    async def silent(reader, _) -> None:
        await reader.read()

    async with (
        raw_server(silent) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        assert (await failure(upstream.unary(call(timeout_s=0.2)))).http_status == 504


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


async def test_a_server_killed_in_a_call_leaves_it_sent_and_unavailable(direct):
    async with (
        server_process() as (process, port),
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        await upstream.unary(call())
        stream = upstream.stream(call("hang"))
        await anext(stream)
        process.kill()
        error = await failure(anext(stream))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, True)


async def test_keepalive_finds_a_frozen_server_long_before_the_deadline(direct):
    options = GrpcOptions(keepalive_time_s=0.2, keepalive_timeout_s=0.2, retry=None)
    async with (
        server_process() as (process, port),
        GrpcUpstream(f"127.0.0.1:{port}", options, direct=direct) as upstream,
    ):
        await upstream.unary(call())
        process.send_signal(signal.SIGSTOP)
        error = await failure(upstream.unary(call(timeout_s=60.0)))
        assert error.status.code is Code.UNAVAILABLE


async def test_a_server_that_comes_back_is_used_again():
    port = await refused_port()
    options = GrpcOptions(retry=RetryOptions(max_attempts=10_000, reserve_per_s=1e6, max_saved=1e6))
    async with GrpcUpstream(f"127.0.0.1:{port}", options) as upstream:
        waiting = asyncio.create_task(upstream.unary(call(idempotent=True)))
        async with grpc_server(ECHO, port=port):
            assert (await waiting).message == b"x"
            assert upstream.ready


# --- sizes


async def answer_large(_: Served) -> AsyncIterator[bytes]:
    yield b"x" * 5000


async def trail_large(served: Served) -> AsyncIterator[bytes]:
    served.trailers = (("t", "x" * 5000),)
    yield b""


async def spend_quota(_: Served) -> AsyncIterator[bytes]:
    raise Abort(Code.RESOURCE_EXHAUSTED, "quota spent")
    yield b""


@pytest.mark.parametrize(
    ("handler", "message", "http_status"),
    [(answer_large, b"", 502), (trail_large, b"", 502), (spend_quota, b"", 429)],
)
async def test_resource_exhausted_says_whose_resource(direct, handler, message, http_status):
    options = GrpcOptions(max_receive_bytes=2000, max_metadata_bytes=2000)
    async with (
        grpc_server({"/t.T/echo": handler}) as port,
        GrpcUpstream(f"127.0.0.1:{port}", options, direct=direct) as upstream,
    ):
        error = await failure(upstream.unary(call(message=message)))
        assert (error.status.code, error.http_status) == (Code.RESOURCE_EXHAUSTED, http_status)


async def test_a_small_answer_that_inflates_beyond_the_limit_is_502(direct):
    gzip = (("grpc.default_compression_algorithm", 2),)
    async with (
        grpc_server({"/t.T/echo": answer_large}, options=gzip) as port,
        GrpcUpstream(
            f"127.0.0.1:{port}", GrpcOptions(max_receive_bytes=2000), direct=direct
        ) as upstream,
    ):
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.http_status) == (Code.RESOURCE_EXHAUSTED, 502)
        assert "Decompressed" in error.status.message


async def test_a_request_larger_than_the_server_takes_is_413(direct):
    limit = (("grpc.max_receive_message_length", 1000),)
    async with (
        grpc_server(ECHO, options=limit) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        assert (await failure(upstream.unary(call(message=b"x" * 2000)))).http_status == 413


async def test_metadata_larger_than_the_server_takes_is_431(direct):
    limit = (("grpc.max_metadata_size", 1000), ("grpc.absolute_max_metadata_size", 1000))
    async with (
        grpc_server(ECHO, options=limit) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        error = await failure(upstream.unary(call(metadata=(("x", "y" * 3000),))))
        assert error.http_status == 431


# --- what grpcio refuses


@pytest.mark.parametrize(
    "metadata",
    [
        (("Upper", "x"),),
        ((":path", "x"),),
        (("", "x"),),
        (("sp ace", "x"),),
        (("x", "line\nbreak"),),
        (("x", "é"),),
        (("x", "\udcff"),),
        (("é", "x"),),
        (("x", 3),),
        (("x-bin", "text"),),
        (("x",),),
        (3,),
        3,
    ],
)
@pytest.mark.parametrize("streams", [False, True])
async def test_no_metadata_raises_anything_but_an_upstream_error(direct, metadata, streams):
    async with (
        grpc_server(ECHO) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        bad = call(metadata=metadata)
        error = await failure(anext(upstream.stream(bad)) if streams else upstream.unary(bad))
        assert error.status.code is Code.INTERNAL
        assert (await upstream.unary(call())).message == b"x"


async def test_a_message_that_is_no_bytes_is_an_upstream_error(direct):
    async with (
        grpc_server(ECHO) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        error = await failure(upstream.unary(call(message="text")))
        assert error.status.code is Code.INTERNAL


async def test_a_deadline_of_ages_does_not_overflow(direct):
    async with (
        grpc_server(ECHO) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        assert (await upstream.unary(call(timeout_s=1e12))).message == b"x"
        assert [m async for m in upstream.stream(call(timeout_s=float("inf")))] == [b"x"]
        assert (await failure(upstream.unary(call(timeout_s=-1.0)))).http_status == 504


async def test_malformed_details_are_dropped_and_the_status_kept(direct):
    async def malformed(served: Served) -> AsyncIterator[bytes]:
        raise Abort(Code.ABORTED, "text", (), (("grpc-status-details-bin", served.message),))
        yield b""

    async with (
        grpc_server({"/t.T/echo": malformed}) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        for raw in (b"\xff\xff", b"\x08\x05", b""):
            error = await failure(upstream.unary(call(message=raw)))
            assert error.status == Status(Code.ABORTED, "text")


@given(st.integers(), st.text(), st.binary())
def test_any_failure_has_a_meaning(code, text, details):
    trailers = (("grpc-status-details-bin", details),)
    error = upstream_error(Failure(code, text, (), trailers, connected=True))
    assert error.sent
    assert 400 <= error.http_status < 600 or code == 0


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_credentials(authority: trustme.CA, *, mutual: bool = False) -> grpc.ServerCredentials:
    issued = authority.issue_cert("server.example")
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


async def test_tls_verifies_the_server_and_calls_it(tmp_path, authority, direct):
    async with (
        grpc_server(ECHO, server_credentials(authority)) as port,
        GrpcUpstream(
            f"127.0.0.1:{port}", tls_options(tmp_path, authority), direct=direct
        ) as upstream,
    ):
        assert (await upstream.unary(call())).message == b"x"


@pytest.mark.parametrize("wrong", ["authority", "name", "plaintext server"])
async def test_tls_that_cannot_be_set_up_is_502_and_counted(tmp_path, authority, wrong, direct):
    credentials = None if wrong == "plaintext server" else server_credentials(authority)
    trusted = trustme.CA() if wrong == "authority" else authority
    name = "other.example" if wrong == "name" else "server.example"
    errors = []
    async with (
        grpc_server(ECHO, credentials) as port,
        GrpcUpstream(
            f"127.0.0.1:{port}",
            tls_options(tmp_path, trusted, name),
            on_tls_error=errors.append,
            direct=direct,
        ) as upstream,
    ):
        error = await failure(upstream.unary(call(idempotent=True)))
        assert (error.http_status, error.status.code, error.sent) == (502, Code.UNAVAILABLE, False)
        assert errors == [error]
        assert not upstream.ready


async def test_mutual_tls_shows_the_client_certificate(tmp_path, authority):
    client = authority.issue_cert("client.example")
    async with grpc_server(ECHO, server_credentials(authority, mutual=True)) as port:
        target = f"127.0.0.1:{port}"
        options = tls_options(tmp_path, authority, client=client)
        async with GrpcUpstream(target, options) as upstream:
            assert (await upstream.unary(call())).message == b"x"
        async with GrpcUpstream(target, tls_options(tmp_path, authority)) as upstream:
            assert (await failure(upstream.unary(call()))).status.code is Code.UNAVAILABLE


async def test_a_missing_file_is_a_configuration_error(tmp_path):
    options = GrpcOptions(tls=TlsOptions(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match=re.escape("none.pem: cannot be read: No such file")):
        GrpcUpstream("localhost:1", options)


def test_a_certificate_without_its_key_is_refused(tmp_path):
    with pytest.raises(ValueError, match="go together"):
        TlsOptions(certificate=tmp_path / "client.pem")


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

    async def set(self, status: int) -> None:
        await self.servicer.set("", status)


NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


async def test_the_health_service_is_followed():
    async with (
        HealthServer() as server,
        GrpcUpstream(f"127.0.0.1:{server.port}") as upstream,
    ):
        await upstream.start()
        await until(lambda: upstream.health is Health.SERVING)
        assert upstream.ready
        await server.set(NOT_SERVING)
        await until(lambda: upstream.health is Health.NOT_SERVING)
        assert not upstream.ready
        await server.set(SERVING)
        await until(lambda: upstream.health is Health.SERVING)
        assert "health=serving" in repr(upstream)
    assert not upstream.ready


async def test_health_is_unknown_when_the_server_is_gone():
    async with HealthServer() as server:
        upstream = GrpcUpstream(f"127.0.0.1:{server.port}")
        await upstream.start()
        await until(lambda: upstream.health is Health.SERVING)
    await until(lambda: upstream.health is Health.UNKNOWN)
    await upstream.close()


async def test_a_watch_is_renewed_without_a_change_of_health():
    before: asyncio.Queue[Health] = asyncio.Queue()

    async def watch(_: Served) -> AsyncIterator[bytes]:
        before.put_nowait(upstream.health)
        yield health_pb2.HealthCheckResponse(status=SERVING).SerializeToString()
        await asyncio.Event().wait()

    options = GrpcOptions(keepalive_time_s=0.2)
    async with (
        grpc_server({"/grpc.health.v1.Health/Watch": watch}) as port,
        GrpcUpstream(f"127.0.0.1:{port}", options) as upstream,
    ):
        await upstream.start()
        seen = [await before.get() for _ in range(4)]
        assert seen == [Health.UNKNOWN, *[Health.SERVING] * 3]


@pytest.mark.parametrize(
    ("status", "state"), [(0, Health.UNKNOWN), (2, Health.NOT_SERVING), (3, Health.NOT_SERVING)]
)
async def test_a_watch_that_the_server_ends_is_begun_again(status, state):
    before: asyncio.Queue[Health] = asyncio.Queue()
    seen = asyncio.Event()

    async def watch(_: Served) -> AsyncIterator[bytes]:
        before.put_nowait(upstream.health)
        yield health_pb2.HealthCheckResponse(status=status).SerializeToString()
        await seen.wait()

    async with (
        grpc_server({"/grpc.health.v1.Health/Watch": watch}) as port,
        GrpcUpstream(f"127.0.0.1:{port}") as upstream,
    ):
        await upstream.start()
        assert await before.get() is Health.UNKNOWN
        await until(lambda: upstream.health is state)
        seen.set()
        assert await before.get() is Health.UNKNOWN


async def test_a_health_service_that_speaks_junk_leaves_health_unknown():
    watches: asyncio.Queue[Served] = asyncio.Queue()

    async def junk(served: Served) -> AsyncIterator[bytes]:
        watches.put_nowait(served)
        yield b"\xff"

    async with (
        grpc_server({"/grpc.health.v1.Health/Watch": junk}) as port,
        GrpcUpstream(f"127.0.0.1:{port}") as upstream,
    ):
        await upstream.start()
        for _ in range(2):
            await watches.get()
        assert upstream.health is Health.UNKNOWN


async def test_health_is_unknown_when_a_renewed_watch_says_nothing():
    watches = 0

    async def watch(_: Served) -> AsyncIterator[bytes]:
        nonlocal watches
        watches += 1
        if watches == 1:
            yield health_pb2.HealthCheckResponse(status=SERVING).SerializeToString()
        await asyncio.Event().wait()

    options = GrpcOptions(keepalive_time_s=0.4)
    async with (
        grpc_server({"/grpc.health.v1.Health/Watch": watch}) as port,
        GrpcUpstream(f"127.0.0.1:{port}", options) as upstream,
    ):
        await upstream.start()
        await until(lambda: upstream.health is Health.SERVING)
        await until(lambda: upstream.health is Health.UNKNOWN)
        assert watches > 1


async def test_a_watch_that_the_server_ends_as_if_by_its_deadline_is_not_renewed_at_once():
    before: asyncio.Queue[Health] = asyncio.Queue()
    seen = asyncio.Event()

    async def watch(_: Served) -> AsyncIterator[bytes]:
        before.put_nowait(upstream.health)
        yield health_pb2.HealthCheckResponse(status=SERVING).SerializeToString()
        await seen.wait()
        raise Abort(Code.DEADLINE_EXCEEDED)

    async with (
        grpc_server({"/grpc.health.v1.Health/Watch": watch}) as port,
        GrpcUpstream(f"127.0.0.1:{port}") as upstream,
    ):
        await upstream.start()
        await until(lambda: upstream.health is Health.SERVING)
        seen.set()
        # Between the two it was forgotten, which is when a pause is made.
        assert [await before.get(), await before.get()] == [Health.UNKNOWN] * 2


async def test_a_health_service_that_goes_away_is_asked_no_more():
    watches = 0

    async def watch(_: Served) -> AsyncIterator[bytes]:
        nonlocal watches
        watches += 1
        if watches > 1:
            raise Abort(Code.UNIMPLEMENTED)
        yield health_pb2.HealthCheckResponse(status=SERVING).SerializeToString()
        await asyncio.Event().wait()

    options = GrpcOptions(keepalive_time_s=0.2)
    async with (
        grpc_server({"/grpc.health.v1.Health/Watch": watch, **ECHO}) as port,
        GrpcUpstream(f"127.0.0.1:{port}", options) as upstream,
    ):
        await upstream.start()
        await until(lambda: upstream.health is Health.SERVING)
        await until(lambda: upstream.health is Health.UNKNOWN)
        for _ in range(20):
            await upstream.unary(call())
        assert (watches, upstream.ready) == (2, True)


async def test_a_server_without_a_health_service_is_ready_when_connected():
    async with grpc_server(ECHO) as port, GrpcUpstream(f"127.0.0.1:{port}") as upstream:
        await upstream.start()
        await upstream.start()
        await upstream.unary(call())
        assert (upstream.health, upstream.ready) == (Health.UNKNOWN, True)


async def test_health_can_be_left_alone():
    async with HealthServer() as server:
        options = GrpcOptions(watch_health=False)
        async with GrpcUpstream(f"127.0.0.1:{server.port}", options) as upstream:
            await upstream.start()
            await failure(upstream.unary(call()))
            assert (upstream.health, upstream.ready) == (Health.UNKNOWN, True)


# --- the two ways to call


async def test_the_direct_way_is_used_when_grpcio_has_it():
    async with GrpcUpstream("127.0.0.1:1") as upstream:
        assert "<DirectCalls open=0>" in repr(upstream)
    async with GrpcUpstream("127.0.0.1:1", direct=False) as upstream:
        assert "<PublicCalls methods=0>" in repr(upstream)


async def test_a_channel_of_another_form_has_no_direct_way():
    class Other:
        """A channel that keeps its transport elsewhere."""

    class Hollow:
        def __init__(self) -> None:
            self._channel = object()

    assert direct_calls(Other(), "") is None
    assert direct_calls(Hollow(), "") is None


async def test_concurrent_calls_do_not_mix(direct):
    async with (
        grpc_server(ECHO) as port,
        GrpcUpstream(f"127.0.0.1:{port}", direct=direct) as upstream,
    ):
        messages = [b"%d" % number for number in range(200)]
        replies = await asyncio.gather(*(upstream.unary(call(message=m)) for m in messages))
        assert [reply.message for reply in replies] == messages
