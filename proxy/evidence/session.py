"""One connection to a database, as much of it as the evidence needs.

Belongs here: the seam between the two databases and the SQL that both understand. Placeholders
are `?`.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final, Protocol

Row = tuple[Any, ...]

#: Rows of values in one statement; with two values each, far below what any database takes.
CHUNK: Final = 250


class Session(Protocol):
    """A connection that is used by one thread at a time. Raises EvidenceError.

    *blob* is the type's name for bytes.
    """

    blob: str

    def transaction(self, *, writes: bool) -> AbstractContextManager[None]:
        """All or nothing. With *writes* no other transaction that writes runs at the time."""
        ...

    def rows(self, statement: str, *values: object) -> list[Row]:
        """The rows of a query."""
        ...

    def run(self, statement: str, *values: object) -> None:
        """Execute one statement."""
        ...

    def run_each(self, statement: str, rows: Sequence[Row]) -> None:
        """Execute one statement for each of *rows*."""
        ...


def chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """*rows* in parts of a size that one statement takes."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def wanted(count: int, *types: str) -> str:
    """A list of *count* rows of values of *types*, as a table.

    >>> wanted(2, "BIGINT", "TEXT")
    'VALUES (CAST(? AS BIGINT), CAST(? AS TEXT)), (?, ?)'
    """
    first = ", ".join(f"CAST(? AS {each})" for each in types)
    others = ", ".join("?" for _ in types)
    return f"VALUES ({first})" + f", ({others})" * (count - 1)
