"""The evidence in a file of the state directory: SQLite, with a write-ahead log.

Belongs here: connections, and what is done when the file is damaged, gone or too large. Does not:
what is written (`ledger`).
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

import structlog

from proxy.evidence.errors import EvidenceError, EvidenceRefused
from proxy.evidence.generations import Generations
from proxy.evidence.limits import EvidenceLimits
from proxy.evidence.pruning import shrink
from proxy.evidence.schema import STEPS, statements_from
from proxy.evidence.session import Row, Session
from proxy.evidence.store import SqlStore

_log: Final = structlog.get_logger("proxy.evidence")

#: How long a transaction waits for its turn, in seconds; others take milliseconds each.
BUSY_TIMEOUT_S: Final = 5.0
#: Beyond this share of the cap, evidence that is missed least goes: before the disk says no.
_FULL_SHARE: Final = 0.9
#: Free pages that are given back to the disk in one go, at 4 KiB each.
_PAGES_AT_ONCE: Final = 2_000
#: Bytes of the write-ahead log that stay on the disk when it was longer.
_LOG_BYTES: Final = 8 << 20

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class SqliteStore(SqlStore):
    """The evidence in the file *path*, which is made when it is first used.

    Several processes write at once: each transaction is short, and waits for its turn. *steps* are
    those of the schema. A damaged file is left aside with a line in the log, and evidence begins
    anew beside it.
    """

    def __init__(
        self,
        path: Path,
        limits: EvidenceLimits | None = None,
        *,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
        steps: Sequence[Sequence[str]] = STEPS,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        super().__init__(EvidenceLimits() if limits is None else limits, clock, random)
        self.path = path.absolute()
        self._generations = Generations(self.path, busy_timeout_s)
        self._steps = steps
        self._busy_timeout_s = busy_timeout_s
        self._open: _Connection | None = None

    def __repr__(self) -> str:
        return f"<SqliteStore {self.path}>"

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            with suppress(sqlite3.Error):
                self._open.connection.close()
        self._open = None

    def prune(self) -> None:
        """Delete what is too old or too much, and give the room back to the disk."""
        super().prune()
        while self._used_bytes() > self.limits.max_bytes * _FULL_SHARE:
            with self.transaction(writes=True) as session:
                if not shrink(session):
                    break
        with self._mended() as connection:
            # It frees a page with each step, and `execute` takes one step only.
            vacuum = f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})"
            connection.connection.executescript(vacuum)
        self._empty_log()

    def reset(self, route: str) -> None:
        """Forget all that is known of *route*, in the files too."""
        super().reset(route)
        self._empty_log()

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Session]:
        """A session on the current file, for one transaction."""
        with self._mended() as connection, connection.transaction(writes=writes):
            yield connection

    def _empty_log(self) -> None:
        """Move the write-ahead log into the file: what was deleted is still in it.

        Nothing comes of it while others read; they will do it, or the next time does.
        """
        with self._mended() as connection:
            connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def _used_bytes(self) -> int:
        with self._mended() as connection:
            ((pages,),) = connection.rows("PRAGMA page_count")
            ((free,),) = connection.rows("PRAGMA freelist_count")
            ((size,),) = connection.rows("PRAGMA page_size")
        return int((pages - free) * size)

    @contextmanager
    def _mended(self) -> Iterator["_Connection"]:
        """The open connection. What goes wrong is an EvidenceError; damage leaves the file."""
        path = None
        try:
            connection = self._connected()
            path = connection.path
            yield connection
        except sqlite3.Error as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY:
                self.close()
            if _primary_code(error) in _DAMAGED:
                self._leave(path or self._generations.current(), str(error))
            raise _translated(error) from error
        except OSError as error:
            self.close()
            raise EvidenceError(f"the evidence cannot be kept: {error}") from error
        except (OverflowError, UnicodeError) as error:
            raise EvidenceRefused(f"a value cannot be stored: {type(error).__name__}") from error

    def _connected(self) -> "_Connection":
        """The connection to the current file, opened anew if that is another one by now."""
        if self._open is not None and not self._open.is_current(self._generations):
            is_gone = self._open.path == self._generations.current()
            path = self._open.path
            self.close()
            if is_gone:
                self._leave(path, "it was removed or replaced while it was in use")
        if self._open is None:
            with self._generations.turn():
                self._open = self._opened(self._generations.current())
        return self._open

    def _opened(self, path: Path) -> "_Connection":
        self._generations.create(path)
        connection = sqlite3.connect(path, timeout=self._busy_timeout_s, isolation_level=None)
        try:
            opened = _Connection(connection, path)
            # Before anything that could write: a later version's file is not ours to touch.
            missing = list(statements_from(opened.version(), self._steps))
            if missing:
                opened.migrate(missing, len(self._steps))
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return opened

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Settings of the connection."""
        # A crash of the host may lose the last batches, and nothing else: there will be more.
        connection.execute("PRAGMA synchronous = NORMAL")
        # What was deleted for its age or by an operator is not to be found in the file either.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        ((page_bytes,),) = connection.execute("PRAGMA page_size")
        connection.execute(f"PRAGMA max_page_count = {self.limits.max_bytes // page_bytes}")

    def _leave(self, path: Path, problem: str) -> None:
        _log.error("evidence begins anew: its file is not usable", file=str(path), problem=problem)
        try:
            self._generations.leave(path)
        except OSError as error:
            raise EvidenceError(f"the evidence cannot be kept: {error}") from error


class _Connection:
    """A session of SQLite, on the file that *path* was when it was opened."""

    blob = "BLOB"

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path
        self._inode = path.stat().st_ino

    def __repr__(self) -> str:
        return f"<_Connection {self.path}>"

    def is_current(self, generations: Generations) -> bool:
        """Whether the file is still the one that all processes use."""
        try:
            is_ours = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False
        return is_ours and generations.current() == self.path

    def version(self) -> int:
        """How many steps of the schema were taken."""
        return int(self.rows("PRAGMA user_version")[0][0])

    def migrate(self, statements: Sequence[str], version: int) -> None:
        """Take the steps that are missing, all or none."""
        # Where there are tables already, these change nothing.
        self.run("PRAGMA auto_vacuum = INCREMENTAL")
        self.run("PRAGMA journal_mode = WAL")
        with self.transaction(writes=True):
            for statement in statements:
                self.run(statement.format(blob=self.blob, packed=" WITHOUT ROWID"))
            self.run(f"PRAGMA user_version = {version}")

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:
        """All or nothing, and from the beginning alone if it *writes*."""
        self.connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            yield
            self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                with suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")

    def rows(self, statement: str, *values: object) -> list[Row]:
        """The rows of a query."""
        return self.connection.execute(statement, values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        """Execute one statement."""
        self.connection.execute(statement, values)

    def run_each(self, statement: str, rows: Sequence[Row]) -> None:
        """Execute one statement for each of *rows*."""
        self.connection.executemany(statement, rows)


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's code without its extension, 0 for an error of the Python module's own."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _translated(error: sqlite3.Error) -> EvidenceError:
    """Ours: what is wrong with the values is refused, all else may pass."""
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError):
        return EvidenceRefused(f"the evidence was refused: {error}")
    return EvidenceError(f"the evidence cannot be kept: {error}")
