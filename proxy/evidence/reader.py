"""Reading in the background: no loop waits for a disk or a database.

Belongs here: the thread. Does not: what is read (`store`).
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from proxy.comparison.kinds import Kind
from proxy.evidence.reading import Totals
from proxy.evidence.store import EvidenceStore
from proxy.gate.evidence import Example, RouteEvidence

_Result = TypeVar("_Result")


class EvidenceReader:
    """Reads what all processes of the service have written, one question after another.

    *open_store* is called in a thread of its own, when the first question comes. All methods but
    `close` raise EvidenceError.
    """

    def __init__(self, open_store: Callable[[], EvidenceStore]) -> None:
        self._open_store = open_store
        self._store: EvidenceStore | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evidence-reader")

    def __repr__(self) -> str:
        return f"<EvidenceReader {self._store!r}>"

    async def read(self, route: str, digest: str | None = None) -> RouteEvidence | None:
        """What is known of *route*, None for nothing.

        With the *digest* of a route's configuration it is of that, and None until there is some:
        evidence of another one says nothing.
        """
        return await self._ask(lambda store: store.read(route, digest))

    async def totals(self) -> Mapping[str, Totals]:
        """The totals of every route's newest epoch, by its name, in one query."""
        return await self._ask(lambda store: store.totals())

    async def examples(
        self, route: str, path: str | None = None, kind: Kind | None = None, limit: int = 20
    ) -> tuple[Example, ...]:
        """Examples of the newest epoch, the newest first: all, or those of a path or a kind."""
        return await self._ask(lambda store: store.examples(route, path, kind, limit))

    async def example(self, identity: str) -> Example | None:
        """One example."""
        return await self._ask(lambda store: store.example(identity))

    async def routes(self) -> tuple[str, ...]:
        """The names of all routes that there is evidence of."""
        return tuple(sorted(await self.totals()))

    async def reset(self, route: str) -> None:
        """Forget all that is known of *route*."""
        await self._ask(lambda store: store.reset(route))

    async def close(self) -> None:
        """Answer what was asked, and close the store."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _ask(self, question: Callable[[EvidenceStore], _Result]) -> _Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: question(self._opened()))

    def _opened(self) -> EvidenceStore:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
