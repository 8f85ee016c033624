"""Both servers as processes: what tests need that freeze or kill one."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import grpc
import pytest

from proxy.example.schema import Schema
from proxy.example.serving import main
from tests.example.conftest import RestClient, RpcClient, first_line


@asynccontextmanager
async def started(module: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"proxy.example.{module}",
        "--port",
        "0",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said = await first_line(process)
        assert said.startswith("listening on 127.0.0.1:")
        yield process, said.removeprefix("listening on ")
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_legacy_host_runs_as_a_process() -> None:
    async with started("legacy") as (process, address), aiohttp.ClientSession() as session:
        answer = await RestClient(session, f"http://{address}").send("GET", "/status")
        assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def test_grpc_server_runs_as_a_process(schema: Schema) -> None:
    async with (
        started("server") as (process, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        answer = await RpcClient(channel, schema).unary("HelloWorldHandler", "SayHello", {})
        assert answer == {}
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


@pytest.mark.parametrize("module", ["legacy", "server"])
async def test_process_ends_in_order_without_a_word_on_standard_error(module: str) -> None:
    async with started(module) as (process, _):
        process.terminate()
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


@dataclass
class Door:
    """A server that gets a signal as soon as it has started."""

    port: int
    number: signal.Signals
    closed: bool = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> "Door":
        signal.raise_signal(self.number)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_closes_the_server_that_was_asked_for(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    doors = []

    def start(port: int) -> Door:
        doors.append(Door(port, number))
        return doors[-1]

    main("A door.", start, ["--port", "8081"])
    assert capsys.readouterr().out == "listening on 127.0.0.1:8081\n"
    assert [door.closed for door in doors] == [True]
