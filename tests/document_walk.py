"""A page that is one story, carried out: its files, its servers, its commands and requests.

Belongs here: a shell that knows as much as such a page needs. Does not: what must come of it
(`tests.test_document_walk`).

Ports, the token, names of people and machines are this run's; times, identifiers and durations
are nobody's. So the former are exchanged on the way in and out, and the latter hidden on both
sides before what is shown is compared with what is so.
"""

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, chdir
from getpass import getuser
from pathlib import Path

from click.testing import CliRunner

from proxy.cli import main
from tests.document_examples import ROOT, Block, Example, commands, output_pattern, parse_example
from tests.document_requests import check_answer, send

#: Seconds that anything on the page may take.
PATIENCE_S = 60
#: Ports of the page; in a run each is a free one.
PORTS = ("8080", "8081", "9901", "50051")
#: What the page does in earnest and the run in a hurry.
HURRIED = {
    "hold: 24h": "hold: 1s",
    "min_duration: 24h": "min_duration: 0s",
    # Requests of many users come one after another here, without a pause.
    "max_cpu: 20%": "max_cpu: 100%",
    '["Mon-Thu 09:00-16:00 Europe/Berlin"]': '["Mon-Sun 00:00-24:00 UTC"]',
}
#: Commands that can be asked again until they say what is shown: they change nothing.
ASKING = (
    *("cutover audit", "cutover explain", "cutover stale", "cutover status", "tail", "grep"),
    *("cutover report", "cutover gate", "cutover examples", "cutover coverage"),
    "cutover suggest-rules",
)

#: What may stand before a command: a variable for it alone.
_VARIABLE = re.compile(r"(\w+)=(\S+) ")
_JOBS_LOG = Path("jobs.log")
_JOB = re.compile(r"(.*) &")
_SIGNAL = re.compile(r"kill(?: -(\w+))? %(\d)")
_USERS = re.compile(r"(\d+) users")
#: What differs from run to run, in the order in which it is hidden.
_HIDDEN = {
    # Notes are folded where the terminal ends, and columns are as wide as what is in them.
    r" *\n {20,}(?!legacy| )": " ",
    r" {2,}": "  ",
    r" +$": "",
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z": "TIME",
    r"\b(\d+)-[0-9a-f]{8}\b": r"\1-ID",
    r"\b[0-9a-f]{12}\b": "DIGEST",
    r"for \d+ s in health": "for SOME s in health",
    r"which has [\d.]+ % of the requests: e-value [\d.]+": "which has A SHARE: e-value X",
    r"breaker (?:open|half-open)": "breaker OPEN",
    # How many requests came before a move, and how long they took.
    r"\bcanary  ([\d.]+)": r"canary at \1",
    r"(?:  (?:[\d,]+|[\d.]+%|[\d.]+ ms))+(?=  |$)": "",
}


def hidden(text: str) -> str:
    """*text* without what differs from run to run, and with columns of one width."""
    for pattern, word in _HIDDEN.items():
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


class Walk:
    """Carries out blocks in the folder *place*, one after the other. `async with`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._stack = ExitStack()
        self._jobs: list[subprocess.Popen[bytes]] = []
        held = [self._stack.enter_context(_held_port()) for _ in PORTS]
        self._ports = {
            shown: str(each.getsockname()[1]) for shown, each in zip(PORTS, held, strict=True)
        }

    def __repr__(self) -> str:
        return f"<Walk in {self._place} jobs={[job.pid for job in self._jobs]}>"

    def __enter__(self) -> "Walk":
        self._stack.enter_context(chdir(self._place))
        return self

    def __exit__(self, *exception: object) -> None:
        for job in self._jobs:
            if job.poll() is None:
                job.kill()
            job.wait()
        self._stack.close()

    async def do(self, block: Block) -> None:
        """Carry out *block*; fail if something else comes of it than is shown."""
        if block.language == "yaml":
            self._write(block)
        elif block.language == "console":
            for command, output in commands(block):
                await self._run(command, output, str(block))
        elif block.language == "exchange":
            await self._exchange(block)

    # --- files and requests

    def _write(self, block: Block) -> None:
        path = self._place / block.words
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._of_this_run(block.text))

    async def _exchange(self, block: Block) -> None:
        example, port = parse_example(block), int(self._ports["8080"])
        users = _USERS.fullmatch(block.words)
        if users is None:
            await self._asked(port, example)
            return
        for number in range(1, int(users[1]) + 1):
            await self._sent(port, example, (("x-user-id", f"user-{number}"),))

    async def _asked(self, port: int, example: Example) -> None:
        """Send a request that changes nothing until the answer is the one that is shown.

        A server that was started anew is found again within some tenths of a second.
        """
        assert example.method == "GET", example
        unlike = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        return await self._sent(port, example, ())
                    except AssertionError as error:
                        unlike = error
                    await asyncio.to_thread(self._output, "true")
        except TimeoutError:
            raise unlike or AssertionError(f"no answer: {example}") from None

    async def _sent(self, port: int, example: Example, more: tuple[tuple[str, str], ...]) -> None:
        assert example.answer is not None
        check_answer(example.answer, await send(port, example, more))

    # --- commands

    async def _run(self, command: str, shown: str, where: str) -> None:
        """Run *command*; what only asks is asked until the answer is the one that is shown."""
        real = self._of_this_run(command)
        if job := _JOB.fullmatch(real):
            await self._start(job[1])
            return
        if sent := _SIGNAL.fullmatch(real):
            await self._signal(sent[1] or "TERM", int(sent[2]))
            return
        pattern = output_pattern(hidden(shown))
        printed = await asyncio.to_thread(self._output, real)
        try:
            async with asyncio.timeout(PATIENCE_S if command.startswith(ASKING) else 0):
                while not pattern.fullmatch(hidden(printed)):
                    printed = await asyncio.to_thread(self._output, real)
        except TimeoutError:
            message = f"{where}: {command}\n{printed}\n--- hidden\n{hidden(printed)}"
            raise AssertionError(message) from None

    def _output(self, command: str) -> str:
        environ, own = _variable_of(command)
        if not own.startswith("cutover "):
            done = subprocess.run(
                ["sh", "-c", command], check=False, capture_output=True, text=True
            )
            assert not done.returncode or command.startswith(ASKING), done
            return self._of_the_page(done.stdout)
        result = CliRunner(env=environ).invoke(main, shlex.split(own)[1:])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return self._of_the_page(result.output)

    async def _start(self, command: str) -> None:
        """Start a job, and wait until it listens."""
        job = self._spawned(command)
        self._jobs.append(job)
        await self._until_open(int(self._port_of(command)), job)

    def _spawned(self, command: str) -> subprocess.Popen[bytes]:
        """The process of *command* itself, not a shell before it: signals must reach it."""
        python = shlex.quote(sys.executable)
        words = re.sub(
            r"^(?:python|(cutover))(?= )", lambda m: f"{python}{' -m proxy' * bool(m[1])}", command
        )
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        with _JOBS_LOG.open("ab") as log:
            return subprocess.Popen(
                ["sh", "-c", f"exec {words}"], stdout=log, stderr=log, env=environ
            )

    def _port_of(self, command: str) -> str:
        """Where a job is going to listen: the port that it names, or that of the configuration."""
        named = [real for real in self._ports.values() if real in command]
        return named[0] if named else self._ports["8080"]

    async def _until_open(self, port: int, job: subprocess.Popen[bytes]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert job.poll() is None, _told()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.to_thread(os.sched_yield)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    async def _signal(self, name: str, number: int) -> None:
        job = self._jobs[number - 1]
        job.send_signal(signal.Signals[f"SIG{name}"])
        if name in ("TERM", "KILL"):
            await asyncio.to_thread(job.wait, PATIENCE_S)

    # --- this run's words for the page's

    def _of_this_run(self, text: str) -> str:
        for shown, real in (self._ports | HURRIED).items():
            text = re.sub(rf"(?<!\w){re.escape(shown)}(?!\w)", real.replace("\\", r"\\"), text)
        return text

    def _of_the_page(self, text: str) -> str:
        text = text.replace(f"{getuser()}@{socket.gethostname()}", "ada@desk")
        for shown, real in self._ports.items():
            text = text.replace(f":{real}", f":{shown}")
        return text


def _variable_of(command: str) -> tuple[dict[str, str], str]:
    """The variable that stands before a command, if one does, and the command without it."""
    match = _VARIABLE.match(command)
    return ({match[1]: match[2]}, command[match.end() :]) if match else ({}, command)


def _told() -> str:
    """What the jobs have said that the page does not redirect."""
    return _JOBS_LOG.read_text(errors="replace")


def _held_port() -> socket.socket:
    """A free port: kept from others while it is held, though a server can listen on it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
