"""Calls of the tests' service `t.T`, what becomes of them, and the handler that most of them ask.

Belongs here: what the tests of every transport say alike. Does not: the servers (`servers`).
"""

from collections.abc import AsyncIterator, Awaitable
from typing import Final

import pytest

from proxy.errors import UpstreamError
from proxy.upstreams import Call
from tests.fakes import Served
from tests.upstreams.servers import grpc_server


def call(
    name: str = "echo",
    message: bytes = b"x",
    *,
    timeout_s: float = 30.0,
    metadata: tuple[tuple[str, str | bytes], ...] = (),
    idempotent: bool = False,
) -> Call:
    """A call of the method *name*."""
    return Call(f"/t.T/{name}", message, metadata, timeout_s, idempotent)


async def failure(awaitable: Awaitable[object]) -> UpstreamError:
    """The error that *awaitable* has to end with."""
    with pytest.raises(UpstreamError) as caught:
        await awaitable
    return caught.value


async def echo(served: Served) -> AsyncIterator[bytes]:
    """Answer a message with itself."""
    yield served.message


ECHO: Final = {"/t.T/echo": echo}


async def refused_port() -> int:
    """A port on which nobody listens any more."""
    async with grpc_server({}) as port:
        pass
    return port
