"""What goes from a store, and in which order.

Belongs here: age and number. Does not: the size of a file, which only its database can tell.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from proxy.evidence.books import Book, all_books, forget
from proxy.evidence.limits import EvidenceLimits
from proxy.evidence.session import Session

#: How long a writer that wrote nothing more is remembered, in seconds: it tries again for less.
_WRITER_S: Final = 24 * 3600.0
#: Epochs that are forgotten in one go, so that no transaction keeps others waiting for long.
_AT_ONCE: Final = 50


def prune(session: Session, limits: EvidenceLimits, now_s: float) -> None:
    """Delete what is too old, or too much of a route's past. Within a transaction that writes."""
    session.run("DELETE FROM cutover_writer WHERE at_s < ?", now_s - _WRITER_S)
    session.run("DELETE FROM cutover_example WHERE at_s < ?", now_s - limits.examples_ttl_s)
    books = all_books(session)
    old = [book for book in books if book.active_s < now_s - limits.retention_s]
    past = [book for book in _past(books, limits.epochs) if book not in old]
    forget(session, [book.id for book in (old + past)[:_AT_ONCE]])


def shrink(session: Session) -> bool:
    """Delete what is missed least, of a store that is too large; False when nothing is left.

    First the older half of the examples, then what is not the newest of its route, then the epochs
    that nothing was added to for the longest time. Within a transaction that writes.
    """
    ((examples,),) = session.rows("SELECT COUNT(*) FROM cutover_example")
    if examples:
        statement = (
            "DELETE FROM cutover_example WHERE at_s <= (SELECT at_s FROM cutover_example"
            " ORDER BY at_s LIMIT 1 OFFSET ?)"
        )
        session.run(statement, examples // 2)
        return True
    books = all_books(session)
    going = _past(books, 1) or sorted(books, key=lambda book: book.active_s)
    forget(session, [book.id for book in going[: max(1, min(_AT_ONCE, len(going) // 4))]])
    return bool(going)


def _past(books: Sequence[Book], kept: int) -> list[Book]:
    """What is older than the *kept* newest of each route; *books* are in order."""
    of_route: dict[str, list[Book]] = defaultdict(list)
    for book in books:
        of_route[book.route].append(book)
    return [book for each in of_route.values() for book in each[:-kept]]
