"""One log that several processes write to, in whole lines.

Belongs here: taking turns. Does not: batching (`access_log`), not waiting for it (`sink`).

A write to a pipe is whole only up to 4 KiB (PIPE_BUF), and a batch is larger: without turns the
lines of one worker would stand within those of another.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from proxy.telemetry.sink import write_whole

#: What the lock file holds while a batch is being written: whose lock it is may be killed.
_WRITING: Final = b"\x01"
_WRITTEN: Final = b"\x00"


class SharedLog:
    """Writes batches to *descriptor*, one process at a time, by a lock on the file *lock*.

    It blocks, while another process writes too. A process that is killed within a line spoils that
    line only: the next batch begins with a line end.
    """

    def __init__(self, descriptor: int, lock: Path) -> None:
        self._descriptor = descriptor
        # A lock belongs to the opening of a file, so that one inherited by a fork is no lock.
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)

    def __repr__(self) -> str:
        return f"SharedLog({self._descriptor})"

    def write(self, lines: bytes) -> None:
        """Write whole lines. Raises OSError when they cannot be written."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            torn = os.pread(self._lock, 1, 0) == _WRITING
            os.pwrite(self._lock, _WRITING, 0)
            write_whole(self._descriptor, b"\n" + lines if torn else lines)
            os.pwrite(self._lock, _WRITTEN, 0)
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the lock file."""
        os.close(self._lock)
