"""The audit log: one JSON line per change, appended, never changed.

Belongs here: appending, mending what a crash tore, rotating, reading back. Does not: what is told
of a change (`directory`). Whoever writes holds the lock of the directory; readers hold none.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from proxy.state.document import AuditEntry, DamagedDocument, entry_line, parse_entry
from proxy.state.files import opened, write_all

_log: Final = structlog.get_logger("proxy.state")

#: Where a file of the log is full, in bytes: about 20,000 changes, and read in one go.
AUDIT_BYTES: Final = 8 << 20
#: Full files that are kept beside the current one; the oldest goes first.
AUDIT_FILES: Final = 9
#: What is read from the end of a file to find its last line, in bytes: many times the longest.
_TAIL_BYTES: Final = 64 << 10


class AuditLog:
    """The log in *directory*. A file is full at *full_bytes*."""

    def __init__(self, directory: Path, full_bytes: int = AUDIT_BYTES) -> None:
        self._paths = (
            directory / "audit.jsonl",
            *(directory / f"audit.{age}.jsonl" for age in range(1, AUDIT_FILES + 1)),
        )
        self._full_bytes = full_bytes

    def __repr__(self) -> str:
        return f"<AuditLog {self._paths[0]}>"

    def append(self, entry: AuditEntry) -> None:
        """Append *entry*, through to the disk. Raises OSError, with the log as it was."""
        self._rotate()
        with opened(self._paths[0], os.O_RDWR | os.O_CREAT | os.O_APPEND) as descriptor:
            end = _mended(descriptor)
            try:
                write_all(descriptor, entry_line(entry))
            except OSError:
                os.ftruncate(descriptor, end)
                raise

    def ends_with(self, entry: AuditEntry) -> bool:
        """Whether *entry* is the last of the log."""
        return any(entry.id == last.id for last in self._last())

    def newest(self) -> Iterator[AuditEntry]:
        """The entries, the newest first. Lines that cannot be read are left out with a warning."""
        seen: set[int] = set()
        for path in self._paths:
            for line in reversed(_lines(path, seen)):
                entry = _readable(path, line)
                if entry is not None:
                    yield entry

    def _last(self) -> Iterator[AuditEntry]:
        """The last entry of the newest file that has one."""
        for path in self._paths[:2]:
            lines = _lines(path, set(), _TAIL_BYTES)
            if lines:
                entry = _readable(path, lines[-1])
                yield from [entry] if entry else []
                return

    def _rotate(self) -> None:
        current = self._paths[0]
        if not current.exists() or current.stat().st_size < self._full_bytes:
            return
        # The oldest is replaced by its follower; a crash between two steps loses no more than it.
        for younger, older in zip(self._paths[-2::-1], self._paths[:0:-1], strict=True):
            if younger.exists():
                younger.replace(older)


def _mended(descriptor: int) -> int:
    """Cut off a last line that a crash has torn; its entry is in the state. The size then."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL_BYTES, max(size - _TAIL_BYTES, 0))
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        _log.warning("the last line of the audit log was torn", bytes=torn)
        os.ftruncate(descriptor, size - torn)
    return size - torn


def _lines(path: Path, seen: set[int], tail_bytes: int | None = None) -> list[bytes]:
    """The whole lines of *path*, or of its end; nothing for a file that is in *seen* already.

    Files are known by their inodes: one that is rotated while it is read must not be read twice.
    """
    try:
        with opened(path, os.O_RDONLY) as descriptor:
            found = os.fstat(descriptor)
            if found.st_ino in seen:
                return []
            seen.add(found.st_ino)
            length = found.st_size if tail_bytes is None else min(tail_bytes, found.st_size)
            content = os.pread(descriptor, length, found.st_size - length)
    except FileNotFoundError:
        return []
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        _log.warning("the last line of the audit log is torn", path=str(path), bytes=len(torn))
    return whole.split(b"\n") if whole else []


def _readable(path: Path, line: bytes) -> AuditEntry | None:
    try:
        return parse_entry(line)
    except DamagedDocument as error:
        _log.warning("a line of the audit log cannot be read", path=str(path), problem=str(error))
        return None
