"""The books: one row of totals for each epoch of a route, and which of them is written to.

Belongs here: beginning, continuing and forgetting epochs. Does not: what is counted (`ledger`).

An epoch that was left and is come back to begins anew: its evidence is of a time in which another
configuration or server came between. As long as the version of a server is not known, lives of
mirrors are booked on the newest version of the same configuration, or wait for the first one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Final

from proxy.evidence.batch import Delta
from proxy.evidence.schema import EPOCH_TABLES
from proxy.evidence.session import Session, chunks
from proxy.gate.evidence import Epoch

#: An epoch that nothing was added to for so many seconds, after another one was begun, was left.
#: Longer than servers and workers take to be replaced one by one.
LEFT_AFTER_S: Final = 600.0


@dataclass(slots=True)
class Book:
    """The totals of one epoch, as the columns are. Times are of the Unix clock.

    *first_s* and *last_s* are of comparisons, the other two of anything that was counted.
    *clients* have been told apart, of which *tracked* have rows; from *swept_hour* on, others were
    forgotten to make room.
    """

    id: int
    route: str
    digest: str
    version: str
    begun_s: float
    active_s: float
    first_s: float | None = None
    last_s: float | None = None
    requests: int = 0
    controls: int = 0
    compared: int = 0
    mismatches: int = 0
    clients: int = 0
    tracked: int = 0
    swept_hour: int = 0
    shapes: int = 0

    @property
    def epoch(self) -> Epoch:
        """What it is of."""
        return Epoch(self.route, self.digest, self.version)

    def add(self, delta: Delta) -> None:
        """Add totals and times."""
        self.active_s = max(self.active_s, delta.until_s or delta.at_s)
        self.requests += delta.requests
        self.controls += delta.controls
        if delta.from_s is not None and delta.until_s is not None:
            first_s = delta.from_s if self.first_s is None else self.first_s
            last_s = delta.until_s if self.last_s is None else self.last_s
            self.first_s, self.last_s = min(first_s, delta.from_s), max(last_s, delta.until_s)


@dataclass(slots=True)
class Entry:
    """What is added to a book."""

    book: Book
    delta: Delta


_COLUMNS: Final = ", ".join(each.name for each in fields(Book))
_SELECT: Final = f"SELECT {_COLUMNS} FROM cutover_epoch"  # noqa: S608 -- our own names
_UPSERT: Final = (
    f"INSERT INTO cutover_epoch ({_COLUMNS}) VALUES ({', '.join('?' for _ in fields(Book))})"  # noqa: S608
    " ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{each.name} = excluded.{each.name}" for each in fields(Book)[1:])
)


def all_books(session: Session) -> list[Book]:
    """Every book, those of a route from the oldest to the newest."""
    return [Book(*row) for row in session.rows(f"{_SELECT} ORDER BY route, begun_s, id")]


def newest_book(session: Session, route: str, digest: str | None) -> Book | None:
    """The book of *route* that was begun last, of the configuration *digest* unless it is None."""
    statement, values = f"{_SELECT} WHERE route = ?", [route]
    if digest is not None:
        statement, values = f"{statement} AND digest = ?", [route, digest]
    rows = session.rows(f"{statement} ORDER BY begun_s DESC, id DESC LIMIT 1", *values)
    return Book(*rows[0]) if rows else None


def save(session: Session, books: Iterable[Book]) -> None:
    """Write *books*, new ones and known ones."""
    session.run_each(_UPSERT, [astuple(book) for book in books])


def forget(session: Session, identities: Iterable[int]) -> None:
    """Delete epochs with all that belongs to them."""
    rows = [(identity,) for identity in identities]
    for table in EPOCH_TABLES:
        session.run_each(f"DELETE FROM {table} WHERE epoch = ?", rows)  # noqa: S608 -- ours
    session.run_each("DELETE FROM cutover_epoch WHERE id = ?", rows)


def entries(session: Session, deltas: Mapping[Epoch, Delta]) -> list[Entry]:
    """The book to which each of *deltas* is added; begins and forgets books where need is."""
    shelf = _Shelf(session, {epoch.route for epoch in deltas})
    found: dict[int, Entry] = {}
    # Those with a version first: what is not known to be of one then finds it.
    for epoch, delta in sorted(deltas.items(), key=lambda each: not each[0].version):
        book = shelf.book(epoch, delta)
        if book.id in found:
            found[book.id].delta.items.update(delta.items)
        else:
            found[book.id] = Entry(book, delta)
    return list(found.values())


class _Shelf:
    """The books of the routes of one batch."""

    def __init__(self, session: Session, routes: Iterable[str]) -> None:
        self._session = session
        self._books: dict[str, list[Book]] = defaultdict(list)
        for chunk in chunks([(route,) for route in sorted(routes)]):
            marks = ", ".join("?" for _ in chunk)
            statement = f"{_SELECT} WHERE route IN ({marks}) ORDER BY begun_s, id"
            for row in session.rows(statement, *(route for (route,) in chunk)):
                book = Book(*row)
                self._books[book.route].append(book)

    def book(self, epoch: Epoch, delta: Delta) -> Book:
        """The book of *epoch*, or, for lives alone, that of the version they will have had."""
        books = [book for book in self._books[epoch.route] if book.digest == epoch.digest]
        current = [book for book in books if not self._is_left(book, delta.at_s)]
        if not epoch.version and not delta.requests:
            versioned = [book for book in current if book.version]
            if versioned:
                return versioned[-1]
        same = [book for book in current if book.version == epoch.version]
        return same[0] if same else self._begun(epoch, delta, books, current)

    def _is_left(self, book: Book, at_s: float) -> bool:
        replaced = any(other.begun_s > book.begun_s for other in self._books[book.route])
        return replaced and at_s - book.active_s > LEFT_AFTER_S

    def _begun(self, epoch: Epoch, delta: Delta, books: list[Book], current: list[Book]) -> Book:
        for book in books:
            if book.version == epoch.version:
                self._books[epoch.route].remove(book)
                forget(self._session, [book.id])
        for book in current:
            # Lives that waited for a version.
            if not book.version and not book.requests:
                book.version = epoch.version
                return book
        route, digest, version = epoch.route, epoch.digest, epoch.version
        book = Book(self._next_id(), route, digest, version, delta.at_s, delta.at_s)
        save(self._session, [book])
        self._books[epoch.route].append(book)
        return book

    def _next_id(self) -> int:
        """One that no book has. Nobody else makes one at the time: the transaction writes."""
        ((highest,),) = self._session.rows("SELECT COALESCE(MAX(id), 0) FROM cutover_epoch")
        return int(highest) + 1
