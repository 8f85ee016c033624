"""Runs programs in a few processes, each with one at a time, and ends those that take too long.

Belongs here: who gets a process, for how long, and what a failure is. Does not: what a program is
(`shape.programs`), what it means for a request (`exchange`).

Whatever a program does (never ends, makes endless output, eats memory) costs its own request an
error, and the pool a process, which is replaced. It never holds the event loop. Clients may find
out how to make one program slow: so programs wait for processes by turns, and one that ends them
again and again is not run for a while. What others do is no failure of a program.
"""

import asyncio
import json
import socket
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final

import structlog

from proxy.children import HEADER_BYTES, framed, start_module
from proxy.programs.child_process import DONE, READY
from proxy.programs.turns import Turns
from proxy.shape.programs import Program

_log: Final = structlog.get_logger("proxy.programs")

#: Processes of a pool: a second one, so that one slow program does not stop all others.
PROCESSES: Final = 2
#: What a process may take, in bytes of address space; an interpreter alone has some 50 MiB.
MEMORY_BYTES: Final = 512 << 20
#: Jobs that wait or run, and those of one program. Beyond, there is no room: each would only wait
#: for its timeout.
MAX_JOBS: Final = 256
MAX_JOBS_OF_ONE: Final = 64
#: Processes that are started within a while: requests that end one must not keep the machine busy
#: with starting others.
MAX_STARTS: Final = 10
STARTS_WITHIN_S: Final = 10.0
#: Processes that one program may end within that while: others need some too.
MAX_ENDS: Final = 5

#: Seconds that a process gets to begin: an interpreter takes a tenth, on a busy machine more.
START_S: Final = 30.0

Start = Callable[[], tuple[subprocess.Popen[bytes], socket.socket]]


class Cause(Enum):
    """Why a program gave nothing."""

    PROGRAM = "the program failed"
    TIMEOUT = "the program took too long"
    SIZE = "the program was given, or gave, too much"
    PROCESS = "the program's process ended"
    ROOM = "too many programs wait already"
    SUSPENDED = "the program ended too many processes"


class ProgramFailed(Exception):
    """A program gave nothing; *text* is what it said itself, "" when it said nothing."""

    def __init__(self, cause: Cause, text: str = "") -> None:
        super().__init__(f"{cause.value}: {text}" if text else cause.value)
        self.cause = cause
        self.text = text


def start_child() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a process that runs programs."""
    return start_module("proxy.programs.child_process", str(MEMORY_BYTES))


class ProgramPool:
    """Runs programs. Use it from one loop; *clock* is monotonic, in seconds."""

    def __init__(
        self,
        *,
        processes: int = PROCESSES,
        max_jobs: int = MAX_JOBS,
        max_jobs_of_one: int = MAX_JOBS_OF_ONE,
        start: Start = start_child,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = Turns(processes)
        self._max_jobs = max_jobs
        self._max_jobs_of_one = max_jobs_of_one
        self._start = start
        self._clock = clock
        self._idle: list[_Child] = []
        self._running: set[asyncio.Task[bytes]] = set()
        self._started_s: deque[float] = deque(maxlen=MAX_STARTS)
        self._ended_s: dict[Program, deque[float]] = {}
        self._jobs_of: Counter[Program] = Counter()
        self._is_closed = False
        #: Programs that wait or run now.
        self.jobs = 0

    def __repr__(self) -> str:
        return f"<ProgramPool idle={len(self._idle)} jobs={self.jobs}>"

    async def run(self, program: Program, text: bytes) -> bytes:
        """What *program* makes of a JSON text, as JSON. Raises `ProgramFailed`.

        Its time begins when a process takes it; while none is free it waits as long again.
        """
        if len(text) > program.max_bytes:
            raise ProgramFailed(Cause.SIZE)
        self._check_room(program)
        # In a task of its own: who asked may leave, and the process has to be heard to the end.
        self._count(program, 1)
        task = asyncio.create_task(self._run(program, text))
        self._running.add(task)
        task.add_done_callback(partial(self._ended, program))
        return await asyncio.shield(task)

    def _check_room(self, program: Program) -> None:
        is_full = self.jobs >= self._max_jobs or self._jobs_of[program] >= self._max_jobs_of_one
        if self._is_closed or is_full:
            raise ProgramFailed(Cause.ROOM)
        ended_s = self._ended_s.get(program)
        if ended_s is None or len(ended_s) < MAX_ENDS:
            return
        if self._clock() - ended_s[0] < STARTS_WITHIN_S:
            raise ProgramFailed(Cause.SUSPENDED)

    def _ended(self, program: Program, task: asyncio.Task[bytes]) -> None:
        self._count(program, -1)
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked has it, or has left

    async def _run(self, program: Program, text: bytes) -> bytes:
        await self._wait_for_room(program)
        try:
            return await self._run_in_child(program, text)
        finally:
            self._turns.give_back()

    def _count(self, program: Program, jobs: int) -> None:
        self.jobs += jobs
        self._jobs_of[program] += jobs
        if not self._jobs_of[program]:
            del self._jobs_of[program]

    async def _wait_for_room(self, program: Program) -> None:
        try:
            await self._turns.take(program, program.timeout_s)
        except TimeoutError:
            raise ProgramFailed(Cause.ROOM) from None

    async def _run_in_child(self, program: Program, text: bytes) -> bytes:
        child = self._idle.pop() if self._idle else await self._open()
        try:
            async with asyncio.timeout(program.timeout_s):
                answer = await child.ask(program, text)
        except BaseException as error:
            self._note_end(program)
            await child.close()
            raise _failure(error) from error
        self._idle.append(child)
        if answer[:1] != DONE:
            raise ProgramFailed(Cause.PROGRAM, answer[1:].decode(errors="replace"))
        return answer[1:]

    def _note_end(self, program: Program) -> None:
        """Remember that *program* has ended a process, and forget what is long ago."""
        now_s = self._clock()
        old = [each for each, at in self._ended_s.items() if now_s - at[-1] >= STARTS_WITHIN_S]
        for each in old:
            del self._ended_s[each]
        self._ended_s.setdefault(program, deque(maxlen=MAX_ENDS)).append(now_s)

    async def _open(self) -> "_Child":
        now_s, started_s = self._clock(), self._started_s
        if len(started_s) == MAX_STARTS and now_s - started_s[0] < STARTS_WITHIN_S:
            raise ProgramFailed(Cause.ROOM)
        started_s.append(now_s)
        try:
            async with asyncio.timeout(START_S):
                return await _Child.open(self._start)
        except (OSError, EOFError, TimeoutError) as error:
            raise ProgramFailed(Cause.PROCESS) from error

    async def close(self) -> None:
        """End all processes, when what runs has ended."""
        self._is_closed = True
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(child.close() for child in self._idle))
        self._idle.clear()


def _failure(error: BaseException) -> BaseException:
    """What the end of a process means for who asked."""
    match error:
        case TimeoutError():
            _log.warning("a program took too long, and its process was ended")
            return ProgramFailed(Cause.TIMEOUT)
        case _TooLarge():
            return ProgramFailed(Cause.SIZE)
        case OSError() | EOFError():
            _log.warning("the process of a program ended", error=repr(error))
            return ProgramFailed(Cause.PROCESS)
    return error


class _TooLarge(Exception):
    """A program gave more than it may."""


class _Child:
    """One process, and the streams to it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    def __repr__(self) -> str:
        return f"<program process {self._process.pid}>"

    @classmethod
    async def open(cls, start: Start) -> "_Child":
        """Start a process and wait until it is ready: no program pays for that with its time."""
        process, sock = await asyncio.to_thread(start)
        reader, writer = await asyncio.open_connection(sock=sock)
        child = cls(process, reader, writer)
        try:
            await reader.readexactly(HEADER_BYTES + len(READY))
        except BaseException:
            await child.close()
            raise
        return child

    async def ask(self, program: Program, text: bytes) -> bytes:
        """The answer to a job. Raises `OSError`, `EOFError` and `_TooLarge`."""
        line = json.dumps(program.source).encode()
        self._writer.write(framed(line + b"\n" + text))
        await self._writer.drain()
        size = int.from_bytes(await self._reader.readexactly(HEADER_BYTES), "big")
        if size > program.max_bytes + len(DONE):
            raise _TooLarge
        return await self._reader.readexactly(size)

    async def close(self) -> None:
        """End the process, and wait until it has."""
        self._process.kill()
        self._writer.close()
        await asyncio.to_thread(self._process.wait)
