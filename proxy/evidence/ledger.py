"""Counting: what a batch adds to what is in the store, within the caps.

Belongs here: every decision that must hold for all processes together; so all of it is done within
one transaction that writes. Does not: adding up a batch (`batch`), which epoch it is (`books`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Final

from proxy.comparison.kinds import Kind
from proxy.evidence import examples
from proxy.evidence.batch import Batch, Delta, Item, Topic, Where, added_up
from proxy.evidence.books import Book, Entry, entries, save
from proxy.evidence.limits import CLIENT_COMPARISONS_PER_HOUR, EvidenceLimits
from proxy.evidence.session import Row, Session, chunks, wanted
from proxy.gate.evidence import OF_REQUESTS

#: Outcomes of one epoch: some times as many as there are words for them.
_OUTCOMES: Final = 200
#: An hour that is behind by more than this many is no late one: the clock was put back.
_CLOCK_BACK_HOURS: Final = 24

_TALLY: Final = (
    "INSERT INTO cutover_tally (epoch, topic, name, detail, count) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (epoch, topic, name, detail)"
    " DO UPDATE SET count = cutover_tally.count + excluded.count"
)
_CLIENT: Final = (
    "INSERT INTO cutover_client (epoch, client, hour, used) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (epoch, client) DO UPDATE SET hour = excluded.hour, used = excluded.used"
)
_SHAPE: Final = (
    "INSERT INTO cutover_shape (epoch, shape, seen) VALUES (?, ?, ?)"
    " ON CONFLICT (epoch, shape) DO UPDATE SET seen = cutover_shape.seen + excluded.seen"
)
_DIFFERENCE: Final = (
    "INSERT INTO cutover_difference"
    " (epoch, path, kind, count, mismatches, b, both_differ, first_s, last_s)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (epoch, path, kind) DO UPDATE SET"
    " count = cutover_difference.count + excluded.count,"
    " mismatches = cutover_difference.mismatches + excluded.mismatches,"
    " b = cutover_difference.b + excluded.b,"
    " both_differ = cutover_difference.both_differ + excluded.both_differ,"
    " first_s = CASE WHEN excluded.first_s < cutover_difference.first_s"
    " THEN excluded.first_s ELSE cutover_difference.first_s END,"
    " last_s = CASE WHEN excluded.last_s > cutover_difference.last_s"
    " THEN excluded.last_s ELSE cutover_difference.last_s END"
)
_WRITER: Final = (
    "INSERT INTO cutover_writer (name, sequence, at_s) VALUES (?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence, at_s = excluded.at_s"
)


def record(session: Session, batch: Batch, limits: EvidenceLimits, random: Random) -> None:
    """Add *batch* to the store, within a transaction that writes; *random* chooses examples."""
    if _is_written(session, batch):
        return
    added = entries(session, added_up(batch))
    _count_clients(session, added, limits)
    _count_shapes(session, added, limits)
    _count_differences(session, added, limits, random)
    _count_items(session, added, limits)
    for entry in added:
        entry.book.add(entry.delta)
    save(session, [entry.book for entry in added])


def _is_written(session: Session, batch: Batch) -> bool:
    if not batch.writer:
        return False
    found = session.rows("SELECT sequence FROM cutover_writer WHERE name = ?", batch.writer)
    if found and found[0][0] >= batch.sequence:
        return True
    session.run(_WRITER, batch.writer, batch.sequence, batch.at_s)
    return False


def _count_clients(session: Session, added: Sequence[Entry], limits: EvidenceLimits) -> None:
    """Count comparisons for the gate: of one client, so many per hour and no more."""
    known = _known_clients(session, added)
    rows: list[Row] = []
    for entry in added:
        book, delta = entry.book, entry.delta
        pending = 0
        for client, times in delta.clients.items():
            before = known.get((book.id, client))
            if before is None:
                if not _has_room(session, book, pending, limits.clients, times[0][0]):
                    delta.items[Topic.OVERFLOW, "clients", ""] += len(times)
                    continue
                pending += 1
                book.tracked += 1
                book.clients += not book.swept_hour
            rows.append((book.id, client, *_spent(book, before or (times[0][0], 0), times)))
    session.run_each(_CLIENT, rows)


def _known_clients(
    session: Session, added: Sequence[Entry]
) -> Mapping[tuple[int, bytes], tuple[int, int]]:
    pairs = [(entry.book.id, client) for entry in added for client in entry.delta.clients]
    found = _matching(session, "cutover_client", "client", "hour, used", pairs)
    return {(epoch, bytes(client)): (hour, used) for epoch, client, hour, used in found}


def _spent(
    book: Book, before: tuple[int, int], times: Sequence[tuple[int, bool]]
) -> tuple[int, int]:
    """Count in *book* what one client has left to give; the hour and its count after that."""
    hour, used = before
    for now, mismatched in times:
        if now > hour or hour - now > _CLOCK_BACK_HOURS:
            hour, used = now, 0
        # What comes late for its hour is not counted: nobody knows any more what that hour had.
        if now == hour and used < CLIENT_COMPARISONS_PER_HOUR:
            used += 1
            book.compared += 1
            book.mismatches += mismatched
    return hour, used


def _has_room(session: Session, book: Book, pending: int, limit: int, hour: int) -> bool:
    """Whether one more client can be tracked; forgets those of earlier hours to make room."""
    if book.tracked >= limit and hour > book.swept_hour:
        book.swept_hour = hour
        statement = "DELETE FROM cutover_client WHERE epoch = ? AND hour < ?"
        session.run(statement, book.id, hour - 1)
        statement = "SELECT COUNT(*) FROM cutover_client WHERE epoch = ?"
        ((left,),) = session.rows(statement, book.id)
        book.tracked = left + pending
    return book.tracked < limit


def _count_shapes(session: Session, added: Sequence[Entry], limits: EvidenceLimits) -> None:
    pairs = [(entry.book.id, shape) for entry in added for shape in entry.delta.shapes]
    found = _matching(session, "cutover_shape", "shape", "seen", pairs)
    known = {(epoch, bytes(shape)) for epoch, shape, _ in found}
    rows: list[Row] = []
    for entry in added:
        book, delta = entry.book, entry.delta
        for shape, seen in delta.shapes.items():
            is_new = (book.id, shape) not in known
            if is_new and book.shapes >= limits.shapes:
                delta.items[Topic.OVERFLOW, "shapes", ""] += seen
            else:
                book.shapes += is_new
                rows.append((book.id, shape, seen))
    session.run_each(_SHAPE, rows)


def _matching(
    session: Session, table: str, column: str, others: str, pairs: Sequence[Row]
) -> Iterator[Row]:
    """The rows of *table* for pairs of an epoch and a value of *column*."""
    for chunk in chunks(pairs):
        statement = (
            f"WITH wanted (epoch, {column}) AS ({wanted(len(chunk), 'BIGINT', session.blob)})"  # noqa: S608 -- our own names
            f" SELECT epoch, {column}, {others} FROM wanted JOIN {table} USING (epoch, {column})"
        )
        yield from session.rows(statement, *(value for pair in chunk for value in pair))


def _count_differences(
    session: Session, added: Sequence[Entry], limits: EvidenceLimits, random: Random
) -> None:
    differing = [entry for entry in added if entry.delta.differences]
    known = _known_differences(session, differing)
    rows: list[Row] = []
    kept: list[examples.Kept] = []
    for entry in differing:
        epoch, counts = entry.book.id, known[entry.book.id]
        room = _room(counts, limits)
        for where, occurrences in entry.delta.differences.items():
            of_request = where[0].startswith(OF_REQUESTS)
            if where not in counts and room[of_request] <= 0:
                beyond = "requests" if of_request else "differences"
                entry.delta.items[Topic.OVERFLOW, beyond, ""] += len(occurrences.seen)
                continue
            room[of_request] -= where not in counts
            rows.append((epoch, *_difference_row(where, entry.delta)))
            kept += examples.chosen(epoch, where, occurrences, counts.get(where, 0), random)
    session.run_each(_DIFFERENCE, rows)
    examples.keep(session, kept, limits.examples)


def _room(known: Iterable[Where], limits: EvidenceLimits) -> dict[bool, int]:
    """How many new differences may be kept, of answers (False) and of requests (True).

    Clients can make up any number of the latter: they must not take the place of the others.
    """
    held = Counter(path.startswith(OF_REQUESTS) for path, _ in known)
    return {
        False: limits.differences - held[False],
        True: limits.request_differences - held[True],
    }


def _difference_row(where: Where, delta: Delta) -> Row:
    """The columns after the epoch."""
    found = delta.differences[where]
    times = [observation.at_s for observation, _ in found.seen]
    counts = len(found.seen), found.mismatches, found.b, found.both
    return where[0], where[1].value, *counts, min(times), max(times)


def _known_differences(
    session: Session, added: Sequence[Entry]
) -> Mapping[int, Mapping[Where, int]]:
    known: dict[int, dict[Where, int]] = defaultdict(dict)
    for epoch, path, kind, count in _of_epochs(
        session, "SELECT epoch, path, kind, count FROM cutover_difference", added
    ):
        known[epoch][path, Kind(kind)] = count
    return known


def _count_items(session: Session, added: Sequence[Entry], limits: EvidenceLimits) -> None:
    caps = {
        Topic.OUTCOME: _OUTCOMES,
        Topic.FIELD: limits.fields,
        Topic.RULE: limits.rules,
        Topic.ONLY_CONTROL: limits.differences,
    }
    present: dict[int, set[tuple[str, str, str]]] = defaultdict(set)
    for epoch, *item in _of_epochs(
        session, "SELECT epoch, topic, name, detail FROM cutover_tally", added
    ):
        present[epoch].add((item[0], item[1], item[2]))
    rows: list[Row] = []
    for entry in added:
        here = present[entry.book.id]
        fields = ((Topic.FIELD, path, "") for path in entry.delta.fields)
        # Nearly always all of them are known, and nothing is written for them.
        entry.delta.items.update(item for item in fields if item not in here)
        items = _within(entry.delta.items, here, caps)
        rows += [(entry.book.id, topic.value, *names, count) for (topic, *names), count in items]
    session.run_each(_TALLY, rows)


def _within(
    items: Mapping[Item, int], present: set[tuple[str, str, str]], caps: Mapping[Topic, int]
) -> list[tuple[Item, int]]:
    """Those of *items* that there is room for beside those *present*, with what there is not."""
    sizes = Counter(topic for topic, _, _ in present)
    kept: list[tuple[Item, int]] = []
    beyond: Counter[Item] = Counter()
    for item, count in items.items():
        topic = item[0]
        if item not in present:
            if topic in caps and sizes[topic] >= caps[topic]:
                beyond[Topic.OVERFLOW, f"{topic}s", ""] += count
                continue
            sizes[topic] += 1
        kept.append((item, count))
    return [*kept, *beyond.items()]


def _of_epochs(session: Session, select: str, added: Sequence[Entry]) -> Iterator[Row]:
    for chunk in chunks([(entry.book.id,) for entry in added]):
        marks = ", ".join("?" for _ in chunk)
        yield from session.rows(f"{select} WHERE epoch IN ({marks})", *(each for (each,) in chunk))
