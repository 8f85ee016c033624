"""The table of the routes, as a terminal, a pipe and a script get it."""

import asyncio
import fcntl
import io
import json
import os
import signal
import struct
import sys
import termios
from typing import Any

import pytest
from rich.console import Console

from proxy.cli.admin_client import Refused, Unreachable
from proxy.cli.status import StatusTable, watch
from proxy.cutover.guard import Trigger, Trip
from tests.cli.operating import Shell
from tests.live.wire import PATIENCE_S


async def test_a_script_gets_what_the_admin_port_has(shell: Shell):
    result = await shell.run("status", "--json")
    told = json.loads(result.stdout)
    assert told["revision"] == 0
    assert [row["name"] for row in told["routes"]] == [
        row.name for row in shell.stand.operations.snapshot.routes
    ]


async def test_a_pipe_gets_one_table_without_escapes(shell: Shell):
    result = await shell.run("status")
    assert "\x1b" not in result.stdout
    line = next(line for line in result.stdout.splitlines() if line.startswith("delete-item"))
    assert line.split() == ["delete-item", "canary", "1", "step", "1", "of", "3"]


async def test_what_an_operator_must_see_is_in_the_table(shell: Shell):
    stand = shell.stand
    stand.control.roll_back("list-items", Trip(Trigger.ERROR_RATE, "5 of 5 errors"))
    await stand.control.settle()
    await stand.move("delete-item", "pause")
    await stand.kill(on=True)
    shown = (await shell.run("status")).stdout
    assert "KILL SWITCH ON: a test (admin)" in shown
    assert "rolled back: 5 of 5 errors" in shown
    assert "paused" in shown
    (stand.control.state.path / "state.json").write_text("{")
    stand.control.refresh()
    assert "the state cannot be read" in (await shell.run("status")).stdout


async def test_a_gate_is_shown_with_its_mismatches_and_comparisons(shell: Shell):
    told = (await shell.stand.get("/admin/v1/status")).json()
    for row in told["routes"]:
        row["gate"] = {"verdict": "fail", "because": ["x"], "compared": 1200, "mismatches": 38}
    told["routes"][0]["gate"] |= {"verdict": "inconclusive", "compared": 0, "mismatches": 0}
    output = io.StringIO()
    Console(file=output, width=200).print(StatusTable(told))
    assert output.getvalue().count("fail 38/1,200") == len(told["routes"]) - 1
    assert "inconclusive " in output.getvalue()
    assert "0/0" not in output.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
async def test_the_name_and_the_stage_can_be_read_at_any_width(shell: Shell, width: int):
    told = (await shell.stand.get("/admin/v1/status")).json()
    output = io.StringIO()
    Console(file=output, width=width).print(StatusTable(told))
    assert max(map(len, output.getvalue().splitlines())) <= width
    lines = output.getvalue().splitlines()
    for row in told["routes"]:
        assert any(line.split()[:2] == [row["name"], row["stage"]] for line in lines)


async def test_a_narrow_terminal_gets_fewer_columns_and_no_pieces_of_them(shell: Shell):
    told = (await shell.stand.get("/admin/v1/status")).json()
    arm = {"requests": 1200, "errors": 12, "error_rate": 0.01}
    quantiles = {"p50_ms": 1.25, "p95_ms": 2.0, "p99_ms": 30.0}
    for row in told["routes"]:
        row["arms"] = {"legacy": arm | quantiles, "grpc": arm | quantiles}
    columns = {}
    for width in (50, 80, 100, 120, 200):
        output = io.StringIO()
        Console(file=output, width=width).print(StatusTable(told))
        assert "…" not in output.getvalue()
        columns[width] = output.getvalue().splitlines()[2].split().count("errors")
        assert ("p50" in output.getvalue()) is (width > 100)
    assert columns == {50: 0, 80: 2, 100: 2, 120: 2, 200: 2}


async def test_a_refused_configuration_is_told_with_its_places(shell: Shell):
    told = (await shell.stand.get("/admin/v1/status")).json()
    problem = {"place": "a.yaml:1", "message": "[bold]bad[/bold]"}
    told["reload"] = {"result": "refused", "problems": [problem]}
    told["routes"][0] |= {"breaker": "half_open"}
    told["routes"][0]["arms"] = {
        "grpc": {
            "requests": 1200,
            "errors": 12,
            "error_rate": 0.01,
            "p50_ms": 1.25,
            "p95_ms": 2.0,
            "p99_ms": 30.0,
        }
    }
    output = io.StringIO()
    Console(file=output, width=200).print(StatusTable(told))
    assert "a.yaml:1: [bold]bad[/bold]" in output.getvalue()
    assert "1,200" in output.getvalue()
    assert "breaker half-open" in output.getvalue()


async def test_a_terminal_gets_a_table_that_lives_until_ctrl_c(shell: Shell):
    """A proxy that is away for a while does not end it."""
    mine, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "status", "-c", str(shell.folder)),
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(its)
    seen = Terminal(mine)
    try:
        await seen.shows(b"delete-item")
        await shell.stand.admin.stop()
        await seen.shows(b"no answer from the admin port")
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
    finally:
        seen.close()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_table_goes_on_when_the_proxy_is_back(
    shell: Shell, capsys: pytest.CaptureFixture[str]
):
    told = (await shell.stand.get("/admin/v1/status")).json()
    readings = iter([told, Unreachable("away"), Refused("no"), {**told, "revision": 7}])
    waited: list[float] = []

    def read() -> dict[str, Any]:
        reading = next(readings)
        if isinstance(reading, Exception):
            raise reading
        return reading

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 4:
            raise KeyboardInterrupt

    watch(read, wait)
    assert waited == [1.0] * 4
    assert "revision 7" in capsys.readouterr().out


def test_with_nobody_there_at_first_there_is_nothing_to_wait_for():
    def read() -> dict[str, Any]:
        raise Unreachable("nobody")

    with pytest.raises(SystemExit) as ended:
        watch(read, lambda _: None)
    assert ended.value.code == 3


class Terminal:
    """The other end of a pseudo terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = b""
        self._changed = asyncio.Event()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            self._seen += os.read(self._descriptor, 65536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._changed.set()

    async def shows(self, text: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while text not in self._seen:
                await self._changed.wait()
                self._changed.clear()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
