"""The file of the evidence, and the one that takes its place when it is damaged or gone.

Belongs here: names and turns. Does not: what is in the files (`sqlite`).

A damaged file is left where it is, and evidence begins anew in `evidence.2.db` beside
`evidence.db`, and so on. It is not renamed: other processes may have it open, and when the last of
them closes it, SQLite deletes the write-ahead log by its name, which would be the new file's.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from proxy.evidence.errors import EvidenceError

#: How long to wait for one's turn to open or replace the file, in seconds: it takes milliseconds.
TURN_TIMEOUT_S: Final = 5.0
_RETRY_S: Final = 0.002
_SUFFIXES: Final = ("", "-wal", "-shm")


class Generations:
    """The files of the evidence at *path*; one of them is current."""

    def __init__(self, path: Path, timeout_s: float = TURN_TIMEOUT_S) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._numbered = re.compile(rf"{re.escape(path.stem)}\.(\d+){re.escape(path.suffix)}")

    def __repr__(self) -> str:
        return f"<Generations {self.path}>"

    def current(self) -> Path:
        """The file that is in use, whether it is there or not."""
        return self._file(max(self._numbers(), default=1))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let no other process open or replace the file meanwhile. Raises EvidenceError."""
        deadline_s = time.monotonic() + self._timeout_s
        with _opened(self.path.with_name(f"{self.path.stem}.lock")) as descriptor:
            while not _is_taken(descriptor):
                if time.monotonic() >= deadline_s:
                    raise EvidenceError(f"another process keeps {self.path} for itself")
                time.sleep(_RETRY_S)
            yield

    def create(self, path: Path) -> None:
        """Make *path*, for the directory's owner alone, if it is not there. Raises OSError."""
        with _opened(path):
            pass

    def leave(self, path: Path) -> None:
        """Let another file take the place of *path*, if none has yet. Raises OSError."""
        with self.turn():
            if self.current() != path:
                return
            number = max(self._numbers(), default=1)
            self.create(self._file(number + 1))
            # The one that was just left is kept for whoever wants to know what happened to it.
            if number > 1:
                self._remove(self._file(number - 1))

    def _remove(self, path: Path) -> None:
        for suffix in _SUFFIXES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def _numbers(self) -> Iterator[int]:
        with suppress(FileNotFoundError):
            for entry in self.path.parent.iterdir():
                found = self._numbered.fullmatch(entry.name)
                if found:
                    yield int(found[1])

    def _file(self, number: int) -> Path:
        if number <= 1:
            return self.path
        return self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of *path*, made if it is missing, that belongs to the directory's owner.

    A command of root must not leave files that the service, another user, cannot use.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
