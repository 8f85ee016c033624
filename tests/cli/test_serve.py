"""`cutover serve` as a process: signals, exit codes, what it says and where."""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from proxy.cli.serve import serve
from tests.cli.processes import serving, write_folder
from tests.fakes import Served
from tests.live.edge import answers, item, method
from tests.live.wire import PATIENCE_S, LegacyScript, client_of, legacy_of, request
from tests.upstreams.servers import grpc_server

GET = request("GET", "/v1/items/1")


async def failed(place: Path, *options: str) -> tuple[int, str]:
    async with serving(place, *options) as served, asyncio.timeout(PATIENCE_S):
        _, errors = await served.process.communicate()
        assert served.process.returncode is not None
        return served.process.returncode, errors.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_with_0(tmp_path: Path, number: signal.Signals):
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await go.wait()
        yield item(id="1")

    async with (
        grpc_server({method("Get"): slow, method("List"): answers(b"")}) as port,
        serving(write_folder(tmp_path, f"127.0.0.1:{port}")) as served,
    ):
        started = await served.tell("serving")
        assert started["routes"] == 13
        async with client_of(started["url"]) as busy, client_of(started["url"]) as idle:
            assert (await idle.ask(request("GET", "/v1/items"))).status == 200
            busy.write(GET)
            await began.wait()
            served.process.send_signal(number)
            await served.tell("draining")
            assert await idle.rest() == b""
            async with client_of(started["admin"]) as admin:
                ready = await admin.ask(request("GET", "/-/ready", host="localhost"))
                assert (ready.status, ready.json()["checks"]["drain"]) == (503, "draining")
            with pytest.raises(ConnectionRefusedError):
                async with client_of(started["url"]):
                    pass
            go.set()
            reply = await busy.reply()
            assert (reply.status, reply.closes) == (200, True)
        code, output = await served.end()
    assert code == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["path"] for line in lines] == ["/v1/items", "/v1/items/1"]
    events = [line["event"] for line in served.told]
    assert events == ["not served as written"] * 2 + ["serving", "draining", "stopped"]


async def test_a_second_signal_ends_it_at_once(tmp_path: Path):
    began = asyncio.Event()

    async def hang(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await asyncio.Event().wait()
        yield b""

    async with (
        grpc_server({method("Get"): hang}) as port,
        serving(write_folder(tmp_path, f"127.0.0.1:{port}")) as served,
    ):
        started = await served.tell("serving")
        async with client_of(started["url"]) as client:
            client.write(GET)
            await began.wait()
            served.process.send_signal(signal.SIGTERM)
            await served.tell("draining")
            served.process.send_signal(signal.SIGTERM)
            code, _ = await served.end()
    assert code == -signal.SIGTERM


async def test_a_client_with_a_legacy_answer_in_hand_gets_the_rest_of_it(tmp_path: Path):
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
        await go.wait()
        writer.write(b"last")
        await writer.drain()

    async with legacy_of(LegacyScript(talk=talk)) as legacy:
        place = write_folder(tmp_path, "127.0.0.1:1", legacy_url=legacy.url)
        async with serving(place) as served:
            started = await served.tell("serving")
            async with client_of(started["url"]) as client:
                client.write(request("GET", "/old"))
                await client.head()
                served.process.send_signal(signal.SIGTERM)
                await served.tell("draining")
                go.set()
                assert await client.rest() == b"firstlast"
            assert (await served.end())[0] == 0


async def test_sighup_reads_the_folder_again(tmp_path: Path):
    async with (
        grpc_server({method("Get"): answers(item(id="1"))}) as port,
        serving(write_folder(tmp_path, f"127.0.0.1:{port}")) as served,
    ):
        await served.tell("serving")
        config = tmp_path / "cutover.yaml"
        config.write_text(config.read_text() + "drain: {wiat: 1s}\n")
        served.process.send_signal(signal.SIGHUP)
        problem = await served.tell("configuration refused")
        assert "cutover.yaml" in json.dumps(problem)
        config.write_text(config.read_text().replace("wiat", "wait"))
        served.process.send_signal(signal.SIGHUP)
        await served.tell("configuration in force")
        served.process.terminate()
        assert (await served.end())[0] == 0


async def test_a_rolling_restart_is_not_for_one_process(tmp_path: Path):
    async with serving(write_folder(tmp_path, "127.0.0.1:1")) as served:
        started = await served.tell("serving")
        served.process.send_signal(signal.SIGUSR2)
        await served.tell("a rolling restart needs --workers 2 or more")
        async with client_of(started["url"]) as client:
            assert (await client.ask(request("GET", "/nothing"))).status == 404
        served.process.terminate()
        assert (await served.end())[0] == 0


async def test_a_check_serves_nothing(tmp_path: Path):
    assert await failed(write_folder(tmp_path, "127.0.0.1:1"), "--check") == (0, "")
    (tmp_path / "more.yaml").write_text("drain: {wiat: 1s}\n")
    code, errors = await failed(tmp_path, "--check", "--workers", "2")
    assert code == 1
    assert "more.yaml:1:" in errors


async def test_an_address_in_use_is_told_in_one_line(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = await failed(write_folder(tmp_path, "127.0.0.1:1", port=port))
    assert code == 3
    assert errors == f"cannot listen on 127.0.0.1:{port}: Address already in use\n"


async def test_problems_of_the_folder_are_told_with_their_places(tmp_path: Path):
    write_folder(tmp_path, "127.0.0.1:1")
    (tmp_path / "more.yaml").write_text("drain: {wiat: 1s}\nlimits: {max_headers: -1}\n")
    code, errors = await failed(tmp_path)
    assert code == 1
    first, second, summary = errors.splitlines()
    assert "more.yaml:1:" in first
    assert "more.yaml:2:" in second
    assert summary == "2 problems"


async def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path):
    code, errors = await failed(tmp_path / "nowhere")
    assert code == 1
    assert "nowhere" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_a_missing_c_parser_is_told(command: str):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", command),
        env={"AIOHTTP_NO_EXTENSIONS": "1"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 3
    assert b"aiohttp's C parser is missing" in errors


# --- the same in this process


@pytest.fixture
def restored() -> Iterator[None]:
    """Puts back what serving changes for a whole process."""
    root = logging.getLogger()
    handlers, level, threshold = root.handlers.copy(), root.level, gc.get_threshold()
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("restored")
def test_the_command_serves_and_ends_with_a_signal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = write_folder(tmp_path, "127.0.0.1:1", port=port)

    def ask_and_stop() -> None:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(request("GET", "/nothing", "Connection: close"))
                    while connection.recv(4096):
                        continue
                break
            except ConnectionRefusedError:
                continue
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=ask_and_stop)
    thread.start()
    result = CliRunner().invoke(serve, ["--config", str(place)])
    thread.join()
    assert result.exit_code == 0, result.output
    output, errors = capfd.readouterr()
    assert json.loads(output)["status"] == 404
    assert [json.loads(line)["event"] for line in errors.splitlines()][-3:] == [
        "serving",
        "draining",
        "stopped",
    ]


@pytest.mark.usefixtures("restored")
def test_the_command_tells_why_it_cannot_start(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = write_folder(tmp_path, "127.0.0.1:1", port=taken.getsockname()[1])
        result = CliRunner().invoke(serve, ["--config", str(place)])
    assert result.exit_code == 3
    assert result.stderr.startswith("cannot listen on 127.0.0.1:")


ONE_OR_MORE = pytest.mark.parametrize("workers", ["1", "2"])


@ONE_OR_MORE
async def test_it_serves_without_a_stdout(tmp_path: Path, workers: str):
    place = write_folder(tmp_path, "127.0.0.1:1")
    closed = ("/bin/sh", "-c", 'exec "$@" <&- >&-', "sh")
    async with serving(place, "--workers", workers, through=closed) as served:
        started = await served.tell("serving")
        async with client_of(started["url"]) as client:
            assert (await client.ask(request("GET", "/nothing"))).status == 404
        served.process.terminate()
        assert (await served.end())[0] == 0


@ONE_OR_MORE
async def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path, workers: str):
    reading, writing = os.pipe()
    place = write_folder(tmp_path, "127.0.0.1:1")
    async with serving(place, "--workers", workers, stderr=writing) as served:
        told = b""
        while b'"serving"' not in told:
            told += await asyncio.to_thread(os.read, reading, 4096)
        started = next(json.loads(line) for line in told.splitlines() if b'"serving"' in line)
        fill(writing)
        # Each of them says something to the log, and so does the end.
        for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGUSR1):
            served.process.send_signal(number)
        for _ in range(3):
            async with client_of(started["url"]) as client:
                assert (await client.ask(request("GET", "/nothing"))).status == 404
        served.process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            assert await served.process.wait() == 0
    os.close(reading)
    os.close(writing)


def fill(pipe: int) -> None:
    """Leave no room in a pipe, without a change to how others write to it."""
    descriptor = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"\n")
    os.close(descriptor)


#: Makes a command the first process of what takes itself for a machine of its own.
CONTAINER = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


def in_a_container() -> bool:
    """Whether this system lets us make one."""
    try:
        return not subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode
    except OSError:
        return False


def only_child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


@pytest.mark.skipif(not in_a_container(), reason="the system makes no PID namespace for us")
@ONE_OR_MORE
async def test_a_second_signal_ends_the_first_process_of_a_container_too(
    tmp_path: Path, workers: str
):
    """The system ends it by no signal that it does not handle."""
    place = write_folder(tmp_path, "127.0.0.1:1")
    with (place / "cutover.yaml").open("a") as config:
        config.write("drain: {wait: 300s}\n")
    async with serving(place, "--workers", workers, through=CONTAINER) as served:
        await served.tell("serving")
        first = only_child_of(served.process.pid)
        os.kill(first, signal.SIGTERM)
        await served.tell("draining")
        os.kill(first, signal.SIGTERM)
        code, _ = await served.end()
    assert code == 128 + signal.SIGTERM
