"""Targets that only grpcio understands, and channels to whole targets."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from proxy.upstreams import Call
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.grpc.options import make_channel
from proxy.upstreams.options import GrpcOptions
from tests.upstreams.calls import echo, failure
from tests.upstreams.servers import Handlers, grpc_server


@asynccontextmanager
async def server_at(target: str) -> AsyncIterator[None]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers({"/t.T/echo": echo}),))
    server.add_insecure_port(target)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


async def test_a_target_that_only_grpcio_knows_is_left_to_it() -> None:
    target = f"unix-abstract:cutover-{uuid.uuid4()}"
    async with server_at(target), GrpcUpstream(target) as upstream:
        reply = await upstream.unary(Call("/t.T/echo", b"x", (), 30.0))
        assert (reply.message, upstream.addresses) == (b"x", 1)


async def test_such_a_target_without_a_server_was_not_called() -> None:
    async with GrpcUpstream(f"unix-abstract:cutover-{uuid.uuid4()}") as upstream:
        error = await failure(upstream.unary(Call("/t.T/echo", b"x", (), 30.0)))
        assert (error.http_status, error.sent) == (503, False)


@pytest.mark.parametrize("prefix", ["", "dns:///"])
async def test_a_channel_goes_to_a_whole_target(prefix: str) -> None:
    async with grpc_server({"/t.T/echo": echo}) as port:
        channel = make_channel(f"{prefix}127.0.0.1:{port}", GrpcOptions())
        try:
            assert await channel.unary_unary("/t.T/echo")(b"x", timeout=30.0) == b"x"
        finally:
            await channel.close()
