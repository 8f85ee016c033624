"""Writing in the background: whoever observes never waits for a disk or a database.

Belongs here: the queue, the thread, trying again. Does not: what is written (`store`).
"""

import asyncio
import threading
import time
from collections.abc import Callable
from secrets import token_hex
from typing import Final

import structlog

from proxy.evidence.batch import Batch
from proxy.evidence.errors import EvidenceError, EvidenceRefused
from proxy.evidence.store import EvidenceStore
from proxy.gate.evidence import Epoch, Observation, Outcome

_log: Final = structlog.get_logger("proxy.evidence")

#: How long observations are gathered, in seconds: readers see them so much later.
INTERVAL_S: Final = 0.5
#: Observations in one batch, so that a transaction takes milliseconds.
BATCH: Final = 500
#: Observations that wait at most: some seconds of a busy process, while the store is away.
QUEUED: Final = 10_000
#: About how many bytes these may hold.
QUEUED_BYTES: Final = 32 << 20
#: Pairs of an epoch and an outcome that are counted at one time; they wait as counts.
COUNTED_OUTCOMES: Final = 100_000
#: Between two tries while the store fails, in seconds: doubled each time, up to the second.
BACKOFF_S: Final = (0.5, 30.0)
#: Between two times of pruning, in seconds.
PRUNE_S: Final = 60.0

#: Between two tries when it is closed, in seconds: its deadline is near.
_CLOSING_RETRY_S: Final = 0.05

#: About what an observation holds, in bytes: itself, each finding, each path.
_OBSERVATION_BYTES: Final = 1_000
_FINDING_BYTES: Final = 700
_PATH_BYTES: Final = 40


class EvidenceWriter:
    """Takes observations and counts, and writes them in batches from a thread of its own.

    Make and start it in the process that uses it: a fork does not inherit the thread. *open_store*
    is called in the thread. *clock* is the Unix clock in seconds; *backoff_s* are the first and
    the longest wait after a failure.

    *dropped* counts observations that were lost; *problem* says why nothing is written now, and is
    "" while all is well.
    """

    def __init__(
        self,
        open_store: Callable[[], EvidenceStore],
        *,
        clock: Callable[[], float] = time.time,
        interval_s: float = INTERVAL_S,
        queued: int = QUEUED,
        queued_bytes: int = QUEUED_BYTES,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._open_store = open_store
        self._clock = clock
        self._interval_s = interval_s
        self._most = queued
        self._most_bytes = queued_bytes
        self._backoff_s = backoff_s
        # The lock is held for moves in memory only, never while anything is written.
        self._lock = threading.Lock()
        self._queue: list[Observation] = []
        self._bytes = 0
        self._outcomes: dict[tuple[Epoch, Outcome], int] = {}
        self._failing: Batch | None = None
        self._name = token_hex(8)
        self._sequence = 0
        self._next_prune_s = 0.0
        self._due = threading.Event()
        self._closing = threading.Event()
        self._deadline_s: float | None = None
        self._thread = threading.Thread(target=self._work, name="evidence-writer", daemon=True)
        self.dropped = 0
        self.problem = ""

    def __repr__(self) -> str:
        return f"<EvidenceWriter queued={len(self._queue)} dropped={self.dropped}>"

    def start(self) -> None:
        """Begin to write. Call it once."""
        self._thread.start()

    def put(self, observation: Observation) -> bool:
        """Take *observation*; False, and counted as dropped, when too much waits. Never blocks."""
        size = size_of(observation)
        with self._lock:
            waiting = len(self._queue)
            if waiting >= self._most or self._bytes + size > self._most_bytes:
                self.dropped += 1
                return False
            self._queue.append(observation)
            self._bytes += size
        if waiting + 1 == BATCH:
            self._due.set()
        return True

    def count(self, epoch: Epoch, outcome: Outcome, n: int = 1) -> None:
        """Count lives of mirrors that ended so. Never blocks."""
        key = epoch, outcome
        with self._lock:
            if key in self._outcomes:
                self._outcomes[key] += n
            elif len(self._outcomes) < COUNTED_OUTCOMES:
                self._outcomes[key] = n
            else:
                self.dropped += n

    async def close(self, deadline_s: float) -> None:
        """Write what waits, for *deadline_s* seconds at most; the rest is dropped and counted."""
        self._deadline_s = time.monotonic() + deadline_s
        self._closing.set()
        self._due.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, deadline_s)
        with self._lock:
            failing = self._failing or Batch()
            left = len(self._queue) + len(failing.observations)
            lives = sum(self._outcomes.values()) + sum(failing.outcomes.values())
            self._queue, self._outcomes = [], {}
            self.dropped += left
            # Whatever comes now is dropped at once.
            self._most = 0
        if left or lives:
            _log.warning("evidence was lost: there was no time", observations=left, lives=lives)

    def _work(self) -> None:
        """Write until it is closed. Nothing but a bug ends it otherwise; then it says so."""
        store: EvidenceStore | None = None
        waits_s = self._backoff_s[0]
        try:
            store = self._open_store()
            while not self._is_over():
                if self._flushed(store):
                    waits_s = self._backoff_s[0]
                    self._rest()
                else:
                    self._pause(waits_s)
                    waits_s = min(waits_s * 2, self._backoff_s[1])
        finally:
            if not self._closing.is_set():
                self.problem = "the writer of the evidence has ended"
                self._most = 0
            if store is not None:
                store.close()

    def _is_over(self) -> bool:
        if self._deadline_s is None:
            return False
        is_empty = not (self._queue or self._outcomes or self._failing)
        return is_empty or time.monotonic() >= self._deadline_s

    def _rest(self) -> None:
        """Wait for the next batch, unless one is full already."""
        if not self._closing.is_set() and len(self._queue) < BATCH:
            self._due.wait(self._interval_s)
        self._due.clear()

    def _pause(self, seconds: float) -> None:
        """Wait before the next try; whoever closes does not wait for long."""
        if self._closing.wait(seconds):
            time.sleep(min(seconds, _CLOSING_RETRY_S))

    def _flushed(self, store: EvidenceStore) -> bool:
        """Write one batch, if there is one; whether the store is well."""
        self._failing = self._failing or self._taken()
        try:
            if self.problem:
                # It may be that it is full; that can be helped.
                self._prune_if_due(store)
            if self._failing is not None:
                store.write(self._failing)
                self._failing = None
            # After what is new: readers may hold it up.
            self._prune_if_due(store)
        except EvidenceRefused as error:
            _log.error("evidence was refused and is dropped", problem=str(error))
            self._drop(len(self._failing.observations) if self._failing else 0)
        except EvidenceError as error:
            self._report(str(error))
            return False
        self._failing = None
        self._report("")
        return True

    def _taken(self) -> Batch | None:
        with self._lock:
            if not self._queue and not self._outcomes:
                return None
            observations, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            outcomes, self._outcomes = self._outcomes, {}
        size = sum(map(size_of, observations))
        with self._lock:
            self._bytes -= size
        self._sequence += 1
        return Batch(tuple(observations), outcomes, self._clock(), self._name, self._sequence)

    def _prune_if_due(self, store: EvidenceStore) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_prune_s:
            store.prune()
            self._next_prune_s = now_s + PRUNE_S

    def _drop(self, count: int) -> None:
        with self._lock:
            self.dropped += count

    def _report(self, problem: str) -> None:
        """Say once that the store fails, and once that it does no more."""
        if problem and not self.problem:
            _log.warning("evidence waits: the store fails", problem=problem)
        elif self.problem and not problem:
            _log.info("evidence is written again")
        if problem:
            self._next_prune_s = 0.0
        self.problem = problem


def size_of(observation: Observation) -> int:
    """About how many bytes *observation* holds."""
    paths = len(observation.fields) + len(observation.about) + len(observation.rule_hits)
    findings = len(observation.findings)
    return _OBSERVATION_BYTES + _FINDING_BYTES * findings + _PATH_BYTES * paths
