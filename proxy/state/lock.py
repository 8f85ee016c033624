"""Locks between processes: one for changes, one for the lead.

Belongs here: taking turns. Does not: what is done then. Both are `flock`: the kernel lets go when
a process dies, however it does.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from proxy.state.errors import StateError
from proxy.state.files import opened

#: How long to wait for one's turn, in seconds. A change takes a few milliseconds on a healthy
#: disk; who holds the lock for longer is stopped, or its disk hangs.
LOCK_TIMEOUT_S: Final = 5.0
#: The wait between two tries, in seconds: `flock` cannot wait for a limited time itself. Short
#: beside a change, so that a process which makes one after another leaves others their turn.
_RETRY_S: Final = 0.0005


@contextmanager
def locked(path: Path, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock *path*. Blocks for up to *timeout_s* seconds; raises StateError then.

    It excludes threads of one process from one another as well.
    """
    try:
        with opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
            if not _waited(lambda: _is_taken(descriptor), timeout_s):
                raise StateError(f"{path}: another process has held the lock for {timeout_s:g} s")
            yield
    except OSError as error:
        raise StateError(f"cannot change the state: {error}") from error


def _waited(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_RETRY_S)
    return True


def _is_taken(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


class Lead:
    """The lead among the processes of a directory: one has it until it ends or resigns.

    Take it in the process that shall have it: a fork does not inherit it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._process = 0

    def __repr__(self) -> str:
        return f"<Lead {self._path} held={self._is_held()}>"

    def try_lead(self) -> bool:
        """Take the lead if nobody has it. True for as long as it is ours; never blocks."""
        if self._is_held():
            return True
        self.resign()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        if not _is_taken(descriptor):
            os.close(descriptor)
            return False
        self._descriptor, self._process = descriptor, os.getpid()
        return True

    def resign(self) -> None:
        """Give the lead back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def _is_held(self) -> bool:
        """Whether it is ours: not our parent's, and of the file that others would lock."""
        if self._descriptor is None or self._process != os.getpid():
            return False
        try:
            return os.fstat(self._descriptor).st_ino == self._path.stat().st_ino
        except OSError:
            return False
