"""Signals as something to wait for beside descriptors, and processes that start without them.

Belongs here: the process's signal handlers and mask. Does not: what a signal means (`parent`).
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

#: What the parent answers to.
TAKEN: Final = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
    signal.SIGCHLD,
)
#: Bytes read from the pipe at once: each is one signal.
_READ_BYTES: Final = 4096


class SignalPipe:
    """Takes the signals of a process that has no event loop; a selector can wait for them."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        # Python writes the number of each signal into the pipe, for which the signal must have a
        # handler; the handler itself has nothing left to do.
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in TAKEN:
            signal.signal(number, _noted)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TAKEN)

    def __repr__(self) -> str:
        return f"<SignalPipe {self._reading}>"

    def fileno(self) -> int:
        """The end to wait for."""
        return self._reading

    def taken(self) -> Iterator[signal.Signals]:
        """The signals since the last call, in order."""
        try:
            numbers = os.read(self._reading, _READ_BYTES)
        except BlockingIOError:
            return
        yield from map(signal.Signals, numbers)

    def close(self) -> None:
        """Give every signal back its default and close the pipe."""
        forget_handlers()
        os.close(self._reading)
        os.close(self._writing)


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number is in the pipe."""


@contextmanager
def held_back() -> Iterator[None]:
    """Keep signals waiting meanwhile, in what is executed or forked inside too.

    A signal that came to a process before it has its handlers would end it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TAKEN)


def begin_worker() -> None:
    """In a forked process: let go of the parent's handlers, take what it must not die of.

    Ctrl-C reaches every process of a terminal; the parent alone answers it. What else the parent
    passes on comes by the channel.
    """
    forget_handlers()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TAKEN)


def end_by(number: signal.Signals) -> NoReturn:
    """End this process as the signal *number* does by default.

    The system keeps that from the first process of a container, which ends as a shell would say
    it: with 128 and the number.
    """
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)


def forget_handlers() -> None:
    """Give every signal that was taken its default."""
    signal.set_wakeup_fd(-1)
    for number in TAKEN:
        signal.signal(number, signal.SIG_DFL)
