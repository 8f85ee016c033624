"""What the backends wrote down: each request that they were asked to do, when and what.

The lines are those of bench/backend and its twins: microseconds since the epoch, the request's id,
the method. Nothing else knows what was really done.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One request that a backend was asked to do."""

    at_us: int
    id: str
    what: str


def read_ledger(path: Path) -> list[Entry]:
    """All entries, in the order of the work; none when the backend has done nothing yet."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [Entry(int(at), identity, what) for at, identity, what in map(str.split, lines)]


def done_twice(entries: Iterable[Entry], ids: Collection[str]) -> list[str]:
    """Which of the ids were done more than once.

    >>> done_twice([Entry(1, "a", "GET"), Entry(2, "a", "GetRecord"), Entry(3, "b", "GET")], {"b"})
    []
    """
    wanted = set(ids)
    counts = Counter(entry.id for entry in entries if entry.id in wanted)
    return [identity for identity, count in counts.items() if count > 1]


def first_after(entries: Iterable[Entry], from_us: float) -> int | None:
    """When the first request after a point in time was done; None when there was none."""
    return min((entry.at_us for entry in entries if entry.at_us >= from_us), default=None)
