"""Reading: what is known of a route.

Belongs here: queries, and the values that they come to. Does not: writing (`ledger`).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.comparison.kinds import Kind
from proxy.evidence.batch import Topic
from proxy.evidence.books import Book, all_books, newest_book
from proxy.evidence.examples import decoded
from proxy.evidence.session import Session
from proxy.gate.evidence import Epoch, Example, FieldEvidence, RouteEvidence, Verdict

_EXAMPLES: Final = (
    "SELECT DISTINCT cutover_example.id, route, at_s, content FROM cutover_example"
    " JOIN cutover_epoch ON cutover_epoch.id = cutover_example.epoch"
)


@dataclass(frozen=True, slots=True)
class Totals:
    """What the gate's bound is made of, for one route. Times are of the Unix clock."""

    epoch: Epoch
    compared: int
    mismatches: int
    from_s: float
    until_s: float


def read_route(session: Session, route: str, digest: str | None = None) -> RouteEvidence | None:
    """What is known of *route* in its newest epoch, of one configuration if *digest* names it."""
    book = newest_book(session, route, digest)
    if book is None:
        return None
    tally = _tally(session, book.id)
    overflow = {name: count for (name, _), count in tally[Topic.OVERFLOW].items()}
    durations: dict[str, dict[int, int]] = defaultdict(dict)
    for (side, index), count in tally[Topic.DURATION].items():
        durations[side][int(index)] = count
    from_s, until_s = _window(book)
    return RouteEvidence(
        epoch=book.epoch,
        from_s=from_s,
        until_s=until_s,
        outcomes=tally[Topic.OUTCOME],
        verdicts={Verdict(name): count for (name, _), count in tally[Topic.VERDICT].items()},
        compared=book.compared,
        mismatches=book.mismatches,
        keys=book.clients,
        requests=book.requests,
        shapes_once=_shapes_once(session, book.id) + overflow.get("shapes", 0),
        seen_fields=frozenset(path for path, _ in tally[Topic.FIELD]),
        differences=_differences(session, book.id, tally[Topic.ONLY_CONTROL]),
        controls=book.controls,
        rule_hits={rule: count for (rule, _), count in tally[Topic.RULE].items()},
        durations=dict(durations),
        overflow=overflow,
    )


def read_totals(session: Session) -> dict[str, Totals]:
    """The totals of each route's newest epoch."""
    return {
        book.route: Totals(book.epoch, book.compared, book.mismatches, *_window(book))
        for book in all_books(session)
    }


def read_examples(
    session: Session, route: str, path: str | None, kind: Kind | None, limit: int
) -> tuple[Example, ...]:
    """Examples of the newest epoch of *route*, the newest first; each once."""
    book = newest_book(session, route, None)
    if book is None:
        return ()
    conditions: dict[str, object] = {"epoch": book.id}
    if path is not None:
        conditions["path"] = path
    if kind is not None:
        conditions["kind"] = kind.value
    statement = f"{_EXAMPLES} WHERE " + " AND ".join(f"{name} = ?" for name in conditions)
    statement += " ORDER BY at_s DESC, cutover_example.id LIMIT ?"
    return tuple(map(decoded, session.rows(statement, *conditions.values(), limit)))


def read_example(session: Session, identity: str) -> Example | None:
    """The example of that id, of whatever route and epoch."""
    rows = session.rows(f"{_EXAMPLES} WHERE cutover_example.id = ?", identity)
    return decoded(rows[0]) if rows else None


def _window(book: Book) -> tuple[float, float]:
    """From the first comparison to the last; without any, since when there could be some."""
    if book.first_s is None or book.last_s is None:
        return book.begun_s, book.active_s
    return book.first_s, book.last_s


def _tally(session: Session, epoch: int) -> Mapping[str, dict[tuple[str, str], int]]:
    tally: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    statement = "SELECT topic, name, detail, count FROM cutover_tally WHERE epoch = ?"
    for topic, name, detail, count in session.rows(statement, epoch):
        tally[topic][name, detail] = count
    return tally


def _shapes_once(session: Session, epoch: int) -> int:
    statement = "SELECT COUNT(*) FROM cutover_shape WHERE epoch = ? AND seen = 1"
    return int(session.rows(statement, epoch)[0][0])


def _differences(
    session: Session, epoch: int, only_control: Mapping[tuple[str, str], int]
) -> tuple[FieldEvidence, ...]:
    """All differences, the most frequent first."""
    examples = _example_ids(session, epoch)
    statement = (
        "SELECT path, kind, count, first_s, last_s, b, mismatches, both_differ"
        " FROM cutover_difference WHERE epoch = ? ORDER BY count DESC, path, kind"
    )
    return tuple(
        FieldEvidence(
            path=path,
            kind=Kind(kind),
            count=count,
            first_s=first_s,
            last_s=last_s,
            b=b,
            c=only_control.get((path, ""), 0),
            examples=tuple(examples[path, kind]),
            mismatches=mismatches,
            both=both,
        )
        for path, kind, count, first_s, last_s, b, mismatches, both in session.rows(
            statement, epoch
        )
    )


def _example_ids(session: Session, epoch: int) -> Mapping[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    statement = "SELECT path, kind, id FROM cutover_example WHERE epoch = ? ORDER BY at_s DESC, id"
    for path, kind, identity in session.rows(statement, epoch):
        if identity not in found[path, kind]:
            found[path, kind].append(identity)
    return found
