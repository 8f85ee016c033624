"""What a service is told, by signals or by its parent."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from proxy.cli.conduct import Conductor, Deeds, on_signals, once_then_default
from proxy.cli.worker import ParentLine
from proxy.supervisor.channel import Channel
from proxy.supervisor.runtime import RuntimeDirectory
from proxy.supervisor.worker import Assignment
from tests.waiting import until


class Told:
    """A service that notes what is done with it."""

    def __init__(self) -> None:
        self.deeds: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None

    def names(self) -> list[str]:
        return [name for name, _ in self.deeds]

    async def retire(self) -> None:
        self.deeds.append(("retire", {}))
        if self.error is not None:
            raise self.error

    async def reload(self, **how: object) -> None:
        self.deeds.append(("reload", how))
        if self.error is not None:
            raise self.error

    def kill(self) -> None:
        self.deeds.append(("kill", {}))

    def conductor(self) -> Conductor:
        return Conductor(Deeds(self.retire, self.reload, self.kill))


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


async def test_signals_reload_and_kill() -> None:
    told = Told()
    on_signals(told.conductor())
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: len(told.deeds) == 2)
        assert sorted(told.deeds) == [("kill", {}), ("reload", {"trigger": "signal"})]
    finally:
        for number in (signal.SIGHUP, signal.SIGUSR1):
            asyncio.get_running_loop().remove_signal_handler(number)


async def test_a_signal_acts_once_and_then_ends_the_process() -> None:
    acted: list[bool] = []
    once_then_default(lambda: acted.append(True), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGUSR2)
    await until(lambda: bool(acted))
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


async def test_a_reload_that_fails_is_told() -> None:
    told = Told()
    told.error = RuntimeError("broken")
    conductor = told.conductor()
    with capture_logs() as lines:
        conductor.reload(trigger="signal")
        await until(lambda: bool(lines))
    assert lines[0]["exc_info"] is told.error


async def test_one_that_cannot_retire_stops_all_the_same() -> None:
    told = Told()
    told.error = OSError("no")
    conductor = told.conductor()
    with capture_logs():
        conductor.retire()
        async with asyncio.timeout(30):
            await conductor.until_stopped()
    assert "stopping" in repr(conductor)


class Worker:
    """A worker's line, and the parent's end of it."""

    def __init__(self, place: Path) -> None:
        self.parent, channel = Channel.pair()
        self.told = Told()
        self.conductor = self.told.conductor()
        with socket.socket() as unused:
            runtime = RuntimeDirectory(place)
            self.assignment = Assignment(0, 1, False, unused, unused, runtime, channel)
        self.line = ParentLine(self.assignment, self.conductor)

    def end(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if not self.assignment.channel.ended:
            loop.remove_reader(self.assignment.channel.fileno())
            self.assignment.channel.close()
        self.parent.close()


@pytest.mark.parametrize(
    ("message", "deed"),
    [
        ({"do": "reload", "trigger": "admin", "force": True}, "reload"),
        ({"do": "kill"}, "kill"),
        ({"do": "retire"}, "retire"),
    ],
)
async def test_a_worker_does_what_its_parent_says(
    tmp_path: Path, message: dict[str, Any], deed: str
) -> None:
    worker = Worker(tmp_path)
    worker.line.listen()
    worker.parent.send(message)
    await until(lambda: bool(worker.told.deeds))
    how = {name: value for name, value in message.items() if name != "do"}
    assert worker.told.deeds == [(deed, how)]
    worker.end()


async def test_a_worker_drains_when_its_parent_says_so(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.line.listen()
    worker.parent.send({"do": "drain"})
    async with asyncio.timeout(30):
        await worker.conductor.until_stopped()
    assert worker.told.deeds == []
    worker.end()


async def test_a_worker_whose_parent_is_gone_leaves_the_address_to_the_next(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.line.listen()
    worker.parent.close()
    with capture_logs() as told:
        async with asyncio.timeout(30):
            await worker.conductor.until_stopped()
    assert worker.told.names() == ["retire"]
    assert told[0]["event"] == "the parent is gone: draining"
    worker.end()


async def test_a_worker_asks_to_be_replaced_before_it_ends(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.line.listen()
    os.kill(os.getpid(), signal.SIGTERM)
    messages: list[dict[str, Any]] = []

    def heard() -> bool:
        messages.extend(worker.parent.receive())
        return {"say": "terminated"} in messages

    await until(heard)
    assert worker.told.deeds == []
    worker.end()


async def test_what_is_asked_of_one_worker_is_passed_on(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.line.listen()
    assert worker.line.pass_on({"do": "reload", "force": False})
    passed = {"say": "pass", "message": {"do": "reload", "force": False}}
    assert passed in list(worker.parent.receive())
    worker.end()


async def test_a_worker_says_that_it_is_alive_again_and_again(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.line.listen()
    said: list[dict[str, Any]] = []

    def heard_twice() -> bool:
        said.extend(worker.parent.receive())
        return len(said) >= 2

    await until(heard_twice)
    assert said == [{"say": "alive"}] * 2
    worker.end()


async def test_what_a_later_parent_asks_for_does_no_harm(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.line.listen()
    with capture_logs() as told:
        worker.parent.send({"do": "somersault", "height_m": 2})
        worker.parent.send({"do": "kill"})
        await until(lambda: bool(worker.told.deeds))
    assert worker.told.names() == ["kill"]
    assert told[0]["do"] == "somersault"
    assert {"say": "killed"} in list(worker.parent.receive())
    worker.end()
