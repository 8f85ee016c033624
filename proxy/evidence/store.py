"""The evidence store: what the rest of the service sees of it, and what both databases share.

Belongs here: the protocol, and all that is SQL. Does not: connections (`sqlite`, `postgres`),
threads (`writer`, `reader`).
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from random import Random
from typing import Protocol

from proxy.comparison.kinds import Kind
from proxy.evidence.batch import Batch
from proxy.evidence.books import all_books, forget
from proxy.evidence.ledger import record
from proxy.evidence.limits import EvidenceLimits
from proxy.evidence.pruning import prune
from proxy.evidence.reading import Totals, read_example, read_examples, read_route, read_totals
from proxy.evidence.session import Session
from proxy.gate.evidence import Example, RouteEvidence


class EvidenceStore(Protocol):
    """Evidence of all processes of a service, in one place. Blocks; for one thread at a time.

    Nothing is opened before it is used. Every method raises EvidenceError when the store cannot be
    reached, is locked, full or read-only, or was written by a later version; nothing has changed
    then, and a later call opens it again.
    """

    def write(self, batch: Batch) -> None:
        """Add *batch*, all or nothing. Raises EvidenceRefused for one that will never be taken."""
        ...

    def read(self, route: str, digest: str | None = None) -> RouteEvidence | None:
        """What is known of *route* in its newest epoch, or in the newest of that digest."""
        ...

    def totals(self) -> Mapping[str, Totals]:
        """The totals of every route's newest epoch, by its name; cheap."""
        ...

    def examples(
        self, route: str, path: str | None = None, kind: Kind | None = None, limit: int = 20
    ) -> tuple[Example, ...]:
        """Examples of the newest epoch, the newest first: all, or those of a path or a kind."""
        ...

    def example(self, identity: str) -> Example | None:
        """One example."""
        ...

    def reset(self, route: str) -> None:
        """Forget all that is known of *route*."""
        ...

    def prune(self) -> None:
        """Delete what is too old or too much."""
        ...

    def close(self) -> None:
        """Close the connection; never raises."""
        ...


class SqlStore:
    """A store in a database; what remains to say is how to get a session within a transaction."""

    def __init__(
        self, limits: EvidenceLimits, clock: Callable[[], float], random: Random | None = None
    ) -> None:
        self.limits = limits
        self._clock = clock
        # Which example is kept is nobody's secret.
        self._random = Random() if random is None else random  # noqa: S311

    def transaction(self, *, writes: bool) -> AbstractContextManager[Session]:
        """A session, opened if need is, for one transaction. Raises EvidenceError."""
        raise NotImplementedError

    def write(self, batch: Batch) -> None:
        """Add *batch*."""
        with self.transaction(writes=True) as session:
            record(session, batch, self.limits, self._random)

    def read(self, route: str, digest: str | None = None) -> RouteEvidence | None:
        """What is known of *route*."""
        with self.transaction(writes=False) as session:
            return read_route(session, route, digest)

    def totals(self) -> Mapping[str, Totals]:
        """The totals of every route's newest epoch."""
        with self.transaction(writes=False) as session:
            return read_totals(session)

    def examples(
        self, route: str, path: str | None = None, kind: Kind | None = None, limit: int = 20
    ) -> tuple[Example, ...]:
        """Examples of the newest epoch."""
        with self.transaction(writes=False) as session:
            return read_examples(session, route, path, kind, limit)

    def example(self, identity: str) -> Example | None:
        """One example."""
        with self.transaction(writes=False) as session:
            return read_example(session, identity)

    def reset(self, route: str) -> None:
        """Forget all that is known of *route*."""
        with self.transaction(writes=True) as session:
            forget(session, [book.id for book in all_books(session) if book.route == route])

    def prune(self) -> None:
        """Delete what is too old or too much."""
        with self.transaction(writes=True) as session:
            prune(session, self.limits, self._clock())
