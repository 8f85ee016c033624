"""The transport before grpc-go: the benchmarks' backend, where a Go toolchain can build it."""

import asyncio
import shutil
from collections.abc import Iterator

import pytest

from bench.stand.backend import (
    BINARY,
    Backend,
    Canned,
    RpcAnswers,
    backend_command,
    running_backend,
)
from bench.stand.processes import Cores
from proxy.errors import UpstreamError
from proxy.status import Code
from proxy.upstreams import Call
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.options import GrpcOptions

METHOD = "/t.T/Get"
BIG = bytes(3 << 20)


@pytest.fixture(scope="module")
def backend(tmp_path_factory) -> Iterator[Backend]:
    if shutil.which("go") is None or not backend_command()[2]:
        pytest.skip("no Go toolchain that builds the backend")
    assert BINARY.exists()
    canned = Canned({METHOD: RpcAnswers({0: b"small", 1: BIG, 2: b""}, by_field=1)})
    with running_backend(canned, Cores.here().load, tmp_path_factory.mktemp("go")) as running:
        yield running


def upstream_of(backend: Backend, options: GrpcOptions | None = None) -> H2Upstream:
    return H2Upstream(f"127.0.0.1:{backend.grpc_port}", options)


def call(message: bytes = b"") -> Call:
    return Call(METHOD, message, (("x", "y"), ("z-bin", b"\x00")), 30.0)


async def test_grpc_go_answers_small_large_and_empty(backend):
    async with upstream_of(backend) as upstream:
        assert (await upstream.unary(call())).message == b"small"
        assert (await upstream.unary(call(b"\x08\x01"))).message == BIG
        assert (await upstream.unary(call(b"\x08\x02"))).message == b""


async def test_grpc_go_takes_large_messages(backend):
    padded = b"\x12\x80\x80\x80\x01" + bytes(1 << 21)
    async with upstream_of(backend) as upstream:
        replies = await asyncio.gather(*(upstream.unary(call(padded)) for _ in range(4)))
        assert {reply.message for reply in replies} == {b"small"}


async def test_the_errors_of_grpc_go_are_told(backend):
    async with upstream_of(backend) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.unary(call(b"\x08\x09"))
        assert caught.value.status.code is Code.NOT_FOUND
        assert caught.value.status.message == "no canned answer for 9"
        with pytest.raises(UpstreamError) as caught:
            await upstream.unary(Call("/t.T/None", b"", (), 30.0))
        assert caught.value.status.code is Code.UNIMPLEMENTED


async def test_a_request_larger_than_grpc_go_takes_is_413(backend):
    padded = b"\x12\x80\x80\x80\x02" + bytes(1 << 22)
    async with upstream_of(backend, GrpcOptions(max_send_bytes=1 << 23)) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.unary(call(padded))
        assert caught.value.http_status == 413


async def test_thousands_of_calls_to_grpc_go_share_a_connection(backend):
    async def caller(upstream: H2Upstream) -> set[bytes]:
        return {(await upstream.unary(call())).message for _ in range(100)}

    async with upstream_of(backend) as upstream:
        assert set().union(*await asyncio.gather(*(caller(upstream) for _ in range(30)))) == {
            b"small"
        }
