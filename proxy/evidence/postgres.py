"""The evidence in PostgreSQL, for services of several replicas.

Belongs here: connections. Does not: what is written (`ledger`). asyncpg is an extra, and imported
only when a store is opened.

asyncpg is asynchronous and the store is not: each store has a loop of its own, which runs in the
thread that uses the store, for as long as a call takes.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from random import Random
from typing import Any, Final, TypeVar

from proxy.evidence.errors import EvidenceError, EvidenceRefused
from proxy.evidence.limits import EvidenceLimits
from proxy.evidence.schema import STEPS, statements_from
from proxy.evidence.session import Row, Session
from proxy.evidence.store import SqlStore

_Result = TypeVar("_Result")

#: How long to wait for a connection, in seconds.
CONNECT_TIMEOUT_S: Final = 5.0
#: How long to wait for a statement, the turn of a writing transaction included, in seconds.
STATEMENT_TIMEOUT_S: Final = 10.0
#: How long a connection has to say goodbye, in seconds.
_CLOSE_TIMEOUT_S: Final = 1.0
#: The advisory lock of those that write, in this database: "cutover!" in ASCII.
_WRITING: Final = 0x6375746F76657221
#: Texts of statements that differ by the number of their values are made so many times at most.
_NUMBERED: Final = 256

#: SQLSTATE classes of what a value is to blame for: data and integrity.
_REFUSING: Final = ("22", "23")


class PostgresStore(SqlStore):
    """The evidence in the database at *url*; its tables are made when they are first used.

    Writing transactions take turns, of all processes of all replicas: each takes milliseconds.
    The size of the database is for its operators to limit; `EvidenceLimits.max_bytes` is not used.
    """

    def __init__(
        self,
        url: str,
        limits: EvidenceLimits | None = None,
        *,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
        steps: Sequence[Sequence[str]] = STEPS,
    ) -> None:
        super().__init__(EvidenceLimits() if limits is None else limits, clock, random)
        self._url = url
        self._steps = steps
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: _Connection | None = None

    def __repr__(self) -> str:
        return f"<PostgresStore open={self._open is not None}>"

    def close(self) -> None:
        """Close the connection and its loop."""
        if self._open is not None:
            with suppress(*_failures()):
                self._open.close()
        if self._loop is not None:
            self._loop.close()
        self._open = self._loop = None

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Session]:
        """A session for one transaction."""
        failures = _failures()
        try:
            connection = self._connected()
            with connection.transaction(writes=writes):
                yield connection
        except failures as error:
            self.close()
            raise _translated(error) from error
        except (OverflowError, UnicodeError) as error:
            self.close()
            raise EvidenceRefused(f"a value cannot be stored: {type(error).__name__}") from error

    def _connected(self) -> "_Connection":
        if self._open is None:
            self._loop = asyncio.new_event_loop()
            self._open = _Connection(self._loop, self._loop.run_until_complete(self._connect()))
            try:
                self._open.migrate(self._steps)
            except BaseException:
                # Whatever uses the tables has to find them as this version knows them.
                self.close()
                raise
        return self._open

    async def _connect(self) -> Any:
        return await _driver().connect(
            self._url, timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S
        )


class _Connection:
    """A session of PostgreSQL."""

    blob = "BYTEA"

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Any) -> None:
        self._loop = loop
        self._connection = connection

    def __repr__(self) -> str:
        return f"<_Connection closed={self._connection.is_closed()}>"

    def close(self) -> None:
        """Say goodbye, or hang up."""
        try:
            self._wait(self._connection.close(timeout=_CLOSE_TIMEOUT_S))
        finally:
            self._connection.terminate()

    def migrate(self, steps: Sequence[Sequence[str]]) -> None:
        """Take the steps that are missing, all or none. Raises NewerSchema."""
        with self.transaction(writes=True):
            if self.rows("SELECT to_regclass('cutover_schema') IS NULL")[0][0]:
                self.run("CREATE TABLE cutover_schema (version BIGINT NOT NULL)")
                self.run("INSERT INTO cutover_schema (version) VALUES (0)")
            ((version,),) = self.rows("SELECT version FROM cutover_schema")
            for statement in statements_from(version, steps):
                self.run(statement.format(blob=self.blob, packed=""))
            if version < len(steps):
                self.run("UPDATE cutover_schema SET version = ?", len(steps))

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:
        """All or nothing; one that reads sees one moment, one that writes is alone."""
        isolation = "read_committed" if writes else "repeatable_read"
        transaction = self._connection.transaction(isolation=isolation, readonly=not writes)
        self._wait(transaction.start())
        try:
            if writes:
                self.run("SELECT pg_advisory_xact_lock(?)", _WRITING)
            yield
        except BaseException:
            with suppress(*_failures()):
                self._wait(transaction.rollback())
            raise
        self._wait(transaction.commit())

    def rows(self, statement: str, *values: object) -> list[Row]:
        """The rows of a query."""
        records = self._wait(self._connection.fetch(_numbered(statement), *values))
        return [tuple(record) for record in records]

    def run(self, statement: str, *values: object) -> None:
        """Execute one statement."""
        self._wait(self._connection.execute(_numbered(statement), *values))

    def run_each(self, statement: str, rows: Sequence[Row]) -> None:
        """Execute one statement for each of *rows*, without waiting for each."""
        if rows:
            self._wait(self._connection.executemany(_numbered(statement), rows))

    def _wait(self, call: Coroutine[Any, Any, _Result]) -> _Result:
        return self._loop.run_until_complete(call)


def _driver() -> Any:
    try:
        import asyncpg  # type: ignore[import-untyped]
    except ImportError as error:
        raise EvidenceError(
            "evidence in PostgreSQL needs asyncpg: install grpc-cutover[postgres]"
        ) from error
    return asyncpg


def _failures() -> tuple[type[Exception], ...]:
    """What a database does that is no bug of ours."""
    driver = _driver()
    return driver.PostgresError, driver.InterfaceError, OSError, TimeoutError


def _translated(error: Exception) -> EvidenceError:
    """Ours. Of what a value is to blame for, nothing but the name: the text has the value."""
    name = type(error).__name__
    sqlstate = getattr(error, "sqlstate", None) or ""
    if isinstance(error, ValueError) or sqlstate.startswith(_REFUSING):
        return EvidenceRefused(f"the evidence was refused: {name} {sqlstate}".rstrip())
    first_line, _, _ = str(error).partition("\n")
    return EvidenceError(f"the evidence cannot be kept: {name}: {first_line}")


@lru_cache(_NUMBERED)
def _numbered(statement: str) -> str:
    """*statement* with the placeholders of PostgreSQL.

    >>> _numbered("SELECT 1 WHERE a = ? AND b = ?")
    'SELECT 1 WHERE a = $1 AND b = $2'
    """
    first, *others = statement.split("?")
    return first + "".join(f"${number}{text}" for number, text in enumerate(others, 1))
