"""Child processes of a benchmark: started on chosen cores, measured, always stopped.

Nothing in here knows what the processes do.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Final, Self
from urllib.parse import urlsplit

from bench.figures import Broken, Unavailable

ROOT: Final = Path(__file__).resolve().parents[2]

# Runs the rest of the command line on the cores of the first argument; exec keeps the pid.
PIN: Final = (
    "import os, sys; "
    "os.sched_setaffinity(0, map(int, sys.argv[1].split(','))); "
    "os.execvp(sys.argv[2], sys.argv[2:])"
)
STOP_WITHIN_S: Final = 10.0  # then it is killed: a benchmark leaves nothing behind
READY_WITHIN_S: Final = 60.0  # a cold start on a busy machine takes a few seconds
POLL_EVERY_S: Final = 0.05
CLOCK_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the proxy has for itself, and which serve the load and the backend."""

    proxy: tuple[int, ...]
    load: tuple[int, ...]

    @classmethod
    def of(cls, available: Sequence[int]) -> Self:
        """The first core for the proxy, the others for the rest; a single one is shared.

        >>> Cores.of([0, 1, 2])
        Cores(proxy=(0,), load=(1, 2))
        >>> Cores.of([5])
        Cores(proxy=(5,), load=(5,))
        """
        first, *others = sorted(available)
        return cls((first,), tuple(others) or (first,))

    @classmethod
    def everywhere(cls) -> Self:
        """All cores for all: for what is not measured."""
        if not hasattr(os, "sched_getaffinity"):
            raise Unavailable("processes are put on cores, which only Linux can do")
        available = tuple(sorted(os.sched_getaffinity(0)))
        return cls(available, available)

    @property
    def all(self) -> tuple[int, ...]:
        """Every core."""
        return tuple(sorted({*self.proxy, *self.load}))

    @classmethod
    def here(cls) -> Self:
        """The division of the cores that this process may use."""
        if not hasattr(os, "sched_getaffinity") or not Path("/proc/self/stat").exists():
            raise Unavailable("CPU time per process is read from /proc, which only Linux has")
        return cls.of(list(os.sched_getaffinity(0)))


class Process:
    """A running child process; leaving the context ends it.

    `log` takes standard error, and standard output too when that goes neither to the file `output`
    nor, with `announces`, to a pipe.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        cores: Sequence[int],
        log: Path,
        announces: bool = False,
        output: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        pinned = [sys.executable, "-c", PIN, ",".join(map(str, cores)), *command]
        log.write_bytes(b"")
        with log.open("ab") as errors, (output or log).open("ab") as told:
            self.child = subprocess.Popen(
                pinned,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if announces else told,
                stderr=errors,
            )

    def __repr__(self) -> str:
        return f"<Process {self.name} pid={self.child.pid} exit={self.child.poll()}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def announcement(self) -> dict[str, int]:
        """The JSON object on the next line of standard output; waits for it."""
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise self.failure("ended before it said what it had to say")
        announced: dict[str, int] = json.loads(line)
        return announced

    def check_running(self) -> None:
        """Raise `Broken` with the end of the log when the process has ended."""
        if self.child.poll() is not None:
            raise self.failure(f"ended with exit code {self.child.returncode}")

    def failure(self, what: str) -> Broken:
        """An error about this process that shows the end of its log."""
        tail = self.log.read_text(errors="replace")[-2000:]
        return Broken(f"{self.name} {what}; the end of its log:\n{tail}")

    def cpu_s(self) -> float:
        """User and system CPU time in seconds of the process and its descendants."""
        return sum(cpu_ticks(pid) for pid in descendants(self.child.pid)) / CLOCK_TICKS_PER_S

    def resident_bytes(self) -> int:
        """Resident memory of the process and its descendants; shared pages count each time."""
        return sum(map(resident_bytes, descendants(self.child.pid)))

    def kill(self) -> None:
        """End the process as a crash does, and reap it."""
        self.child.kill()
        self.child.wait()

    def stop(self) -> None:
        """Terminate the process, kill it if it does not end in time, and reap it."""
        self.child.send_signal(signal.SIGCONT)  # one that is frozen would not hear the next
        self.child.terminate()
        try:
            self.child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                pipe.close()


def descendants(pid: int) -> Iterator[int]:
    """The process itself and all processes below it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread may have ended since it was listed
            for child in children.read_text().split():
                yield from descendants(int(child))


def cpu_ticks(pid: int) -> int:
    """User and system time of all threads of a process, dead ones too, in clock ticks."""
    # The second field is the command name in brackets and may hold spaces and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident_bytes(pid: int) -> int:
    """Resident memory of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A TCP port that nobody on loopback uses at the moment of the call."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_listening(process: Process, base_url: str) -> None:
    """Return when the process accepts connections; raise when it ends or takes too long."""
    parts = urlsplit(base_url)
    until = monotonic() + READY_WITHIN_S
    while monotonic() < until:
        process.check_running()
        with contextlib.suppress(OSError):
            socket.create_connection((parts.hostname or "", parts.port or 80), 1.0).close()
            return
        sleep(POLL_EVERY_S)
    raise process.failure(f"did not listen within {READY_WITHIN_S:g} s")
