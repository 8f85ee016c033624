"""One worker as its parent sees it, and how it is forked.

Belongs here: a process and what it has said. Does not: which workers there should be (`pool`),
what a worker does (the caller hands that in).
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import structlog

from proxy.supervisor.channel import Channel
from proxy.supervisor.runtime import RuntimeDirectory, tally_name
from proxy.supervisor.signals import begin_worker, held_back

_log: Final = structlog.get_logger("proxy.supervisor")

#: Seconds that a worker has to load the folder, which may ask an upstream for its descriptors.
START_LIMIT_S: Final = 120.0
#: Seconds that a worker has to say that it drains. It says so at once, unless it hangs.
HEED_LIMIT_S: Final = 10.0
#: Seconds between two times that a worker says that it is alive.
ALIVE_EVERY_S: Final = 1.0
#: Seconds in which a worker that serves has to say so once. One that is late so long is stopped or
#: hangs for good: its clients wait, and its place is better given to another. Generous, since a
#: machine that swaps must not lose its workers too.
SILENCE_LIMIT_S: Final = 30.0
#: Seconds beyond what a worker has said that its drain may take.
LEAVE_GRACE_S: Final = 5.0
#: How a worker ends that broke down before or while it served: EX_SOFTWARE of sysexits.h.
EXIT_BROKEN: Final = 70


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is given.

    *slot* is its place among the workers, *serial* is given once. *first* is the very first, which
    tells a terminal what is wrong with the folder; those after it tell the log.
    """

    slot: int
    serial: int
    first: bool
    listening: socket.socket
    admin_listening: socket.socket
    runtime: RuntimeDirectory
    channel: Channel


#: Serves until it is told to stop, and returns the exit code. Runs in the worker.
Work = Callable[[Assignment], int]


class Closable(Protocol):
    """Something that the parent has open and a worker must not."""

    def close(self) -> None:
        """Close it in this process."""
        ...


class State(StrEnum):
    """How far a worker has come."""

    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"


class Worker:
    """A worker process. Times are seconds of the parent's monotonic clock."""

    def __init__(self, slot: int, serial: int, pid: int, channel: Channel, now_s: float) -> None:
        self.slot = slot
        self.serial = serial
        self.pid = pid
        self.channel = channel
        self.state = State.STARTING
        self.ready_s: float | None = None
        #: Seconds since it last said that it is alive; None before it has said so at all.
        self.silent_s: float | None = None
        #: When it is killed unless it has come further by then.
        self.due_s: float | None = now_s + START_LIMIT_S

    def __repr__(self) -> str:
        return f"<Worker {self.slot} pid={self.pid} {self.state}>"

    @property
    def tally_name(self) -> str:
        """The name under which it shares its metrics."""
        return tally_name(self.serial)

    def is_ready(self, now_s: float) -> None:
        """It serves."""
        if self.state is State.STARTING:
            self.state, self.due_s = State.SERVING, None
        self.ready_s = now_s

    def is_alive(self) -> None:
        """It has said so."""
        self.silent_s = 0.0

    @property
    def is_overdue(self) -> bool:
        """Whether it has been silent for too long."""
        return self.silent_s is not None and self.silent_s >= SILENCE_LIMIT_S

    def drain(self, now_s: float) -> None:
        """End it, as a part of the end of the service."""
        self._leave("drain", now_s)

    def retire(self, now_s: float) -> None:
        """End it: another worker has taken its place."""
        self._leave("retire", now_s)

    def _leave(self, how: str, now_s: float) -> None:
        starting, self.state = self.state is State.STARTING, State.LEAVING
        self.due_s = now_s + HEED_LIMIT_S
        # One that starts reads no messages yet, and the signal ends it; unless it has begun to
        # serve just now, and then it reads the message.
        if not self.channel.send({"do": how}) or starting:
            self.signal(signal.SIGTERM)

    def leaves_within(self, seconds: float, now_s: float) -> None:
        """It has said that it drains, and how long that may take."""
        self.due_s = now_s + seconds + LEAVE_GRACE_S

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; it may be gone already."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def in_words(code: int) -> str:
    """How a process ended, from its exit code; below zero is the signal that ended it.

    >>> in_words(1), in_words(-9)
    ('exit code 1', 'SIGKILL')
    """
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def fork_worker(assignment: Assignment, work: Work, parents: Iterable[Closable]) -> int:
    """Start a process that does *work* and nothing else; its id.

    *parents* are closed in it. A process with threads, or with a gRPC channel, must not fork.
    """
    _flush()
    with held_back():
        pid = os.fork()
        if not pid:
            _live(assignment, work, parents)
    return pid


def _live(assignment: Assignment, work: Work, parents: Iterable[Closable]) -> None:
    """The whole life of a worker; does not return to what the parent was doing."""
    code = EXIT_BROKEN
    try:
        for each in parents:
            each.close()
        begin_worker()
        code = work(assignment)
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else EXIT_BROKEN
    finally:
        error = sys.exception()
        if error is not None and not isinstance(error, SystemExit):
            _log.error("worker broke down", worker=assignment.slot, exc_info=error)
        _flush()
        os._exit(code)


def _flush() -> None:
    """Write what is buffered, so that it is not written by two processes."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            # None where the program was started without.
            if stream is not None:
                stream.flush()
