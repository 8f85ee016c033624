"""Reading in the background: no loop waits for a disk or a database.

Belongs here: the thread. Does not: what is read (`store`).
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Final, TypeVar

from proxy.comparison.kinds import Kind
from proxy.evidence.errors import EvidenceError
from proxy.evidence.reading import Totals
from proxy.evidence.store import EvidenceStore
from proxy.gate.evidence import Example, RouteEvidence

_Result = TypeVar("_Result")

#: How long a reader that is closed may take to answer what it was asked, in seconds.
CLOSE_S: Final = 2.0


#: Questions that wait at most: while the store hangs, each time that an operator asks is one more.
MAX_QUESTIONS: Final = 256


#: Opens the store, if that is still to be done, and answers.
_Question = Callable[[Callable[[], EvidenceStore]], None]


class EvidenceReader:
    """Reads what all processes of the service have written, one question after another.

    *open_store* is called in a thread of its own, when the first question comes. All methods but
    `close` raise EvidenceError.
    """

    def __init__(self, open_store: Callable[[], EvidenceStore]) -> None:
        self._open_store = open_store
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._thread: Thread | None = None

    def __repr__(self) -> str:
        return f"<EvidenceReader waiting={self._questions.qsize()}>"

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

    async def close(self, deadline_s: float = CLOSE_S) -> None:
        """Close the store, or leave it to the end of the process after *deadline_s* seconds."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._questions.put(None)
            await asyncio.to_thread(thread.join, deadline_s)

    async def _ask(self, question: Callable[[EvidenceStore], _Result]) -> _Result:
        if self._thread is None:
            # A thread of a pool would keep the process from ending while a database hangs.
            self._thread = Thread(target=self._work, name="evidence-reader", daemon=True)
            self._thread.start()
        if self._questions.qsize() >= MAX_QUESTIONS:
            raise EvidenceError(f"{MAX_QUESTIONS} questions wait for the store already")
        answer: Future[_Result] = Future()
        self._questions.put(lambda opened: _answer(answer, question, opened))
        return await asyncio.wrap_future(answer)

    def _work(self) -> None:
        """Answer questions until there are no more."""
        store: EvidenceStore | None = None

        def opened() -> EvidenceStore:
            nonlocal store
            store = store or self._open_store()
            return store

        while (ask := self._questions.get()) is not None:
            ask(opened)
        if store is not None:
            store.close()


def _answer(
    answer: Future[_Result],
    question: Callable[[EvidenceStore], _Result],
    opened: Callable[[], EvidenceStore],
) -> None:
    """Let *answer* have what comes of *question*, whatever it is."""
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(question(opened()))
    except Exception as error:  # noqa: BLE001 - not handled here, but where the question came from
        answer.set_exception(error)
