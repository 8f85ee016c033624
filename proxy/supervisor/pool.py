"""Which workers there are and should be: starting, replacing, retiring and draining them.

Belongs here: the life of all workers together, on a clock that is handed in. Does not: signals and
waiting (`parent`), forking (`worker`).
"""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from proxy.supervisor.restarts import Restarts
from proxy.supervisor.worker import ALIVE_EVERY_S, State, Worker

_log: Final = structlog.get_logger("proxy.supervisor")

#: Seconds of back-off from which on a row of deaths is told as an error of its own.
_LOOP_S: Final = 1.0


@dataclass
class Slot:
    """The place of one worker. *replacement* is one that starts to take over from *current*."""

    number: int
    current: Worker | None = None
    replacement: Worker | None = None
    restart_s: float | None = None
    restarts: Restarts = field(default_factory=Restarts)


class Pool:
    """The workers. *restarts* are the counts of before.

    *start* forks a worker for a slot, and raises OSError when the system refuses that.
    """

    def __init__(
        self,
        size: int,
        start: Callable[[int], Worker],
        clock: Callable[[], float],
        restarts: dict[str, int],
    ) -> None:
        self._start = start
        self._clock = clock
        self._slots = tuple(Slot(number) for number in range(size))
        self._leaving: list[Worker] = []
        #: Serial numbers of the workers that a rolling restart has still to replace.
        self._old: set[int] = set()
        self._rolling_told = False
        self._draining = False
        #: When the silence of the workers is counted next.
        self._listened_s = clock()
        #: Workers started in the place of others, by reason.
        self.restarts: Counter[str] = Counter({"died": 0, "rolled": 0} | restarts)

    def __repr__(self) -> str:
        return f"<Pool serving={self.serving} of {len(self._slots)}>"

    # --- what there is

    def workers(self) -> Iterator[Worker]:
        """Every worker that lives."""
        for slot in self._slots:
            yield from (each for each in (slot.current, slot.replacement) if each is not None)
        yield from self._leaving

    @property
    def serving(self) -> int:
        """How many workers serve."""
        return sum(worker.state is State.SERVING for worker in self.workers())

    @property
    def rolling(self) -> bool:
        """Whether a rolling restart is under way."""
        return bool(self._old) or any(slot.replacement for slot in self._slots)

    @property
    def ended(self) -> bool:
        """Whether the pool was drained and all its workers are gone."""
        return self._draining and next(self.workers(), None) is None

    @property
    def next_due_s(self) -> float | None:
        """When `act` has something to do, if nothing happens before."""
        dues = [worker.due_s for worker in self.workers()]
        dues += [slot.restart_s for slot in self._slots]
        if any(worker.silent_s is not None for worker in self.workers()):
            dues.append(self._listened_s + ALIVE_EVERY_S)
        return min((due_s for due_s in dues if due_s is not None), default=None)

    def by_pid(self, pid: int) -> Worker | None:
        """The worker with that process id."""
        return next((worker for worker in self.workers() if worker.pid == pid), None)

    # --- what is done with them

    def adopt(self, worker: Worker) -> None:
        """Take over a worker that another program image has started."""
        slot = self._slots[worker.slot] if worker.slot < len(self._slots) else None
        if worker.state is State.LEAVING:
            self._leaving.append(worker)
        elif slot is None or slot.current is not None:
            worker.retire(self._clock())
            self._leaving.append(worker)
        else:
            slot.current = worker

    def start_first(self) -> None:
        """Start one worker, to see whether the others can start. Raises OSError, as *start*."""
        self._slots[0].current = self._start(0)

    def start_all(self) -> None:
        """Start a worker in every slot that has none."""
        for slot in self._slots:
            if slot.current is None and slot.restart_s is None:
                self._fill(slot)

    def send(self, message: dict[str, Any], *, but: Worker | None = None) -> None:
        """Send *message* to all workers; what a starting one gets it reads when it serves."""
        for worker in self.workers():
            if worker is not but and not worker.channel.send(message):
                _log.error("worker takes no messages", worker=worker.slot, pid=worker.pid)

    def roll(self) -> None:
        """Replace every worker that lives now, one after the other."""
        self._old = {slot.current.serial for slot in self._slots if slot.current is not None}
        _log.info("rolling restart", workers=len(self._old))
        self._rolling_told = True
        self._roll_next()

    def drain(self) -> None:
        """End all workers, for good."""
        self._draining = True
        self._old.clear()
        for slot in self._slots:
            slot.restart_s = None
        for worker in self.workers():
            if worker.state is not State.LEAVING:
                worker.drain(self._clock())

    def kill(self) -> None:
        """End all workers at once."""
        for worker in self.workers():
            worker.signal(signal.SIGKILL)

    def act(self) -> None:
        """Do what is due: start in the place of the dead, kill what hangs."""
        now_s = self._clock()
        for slot in self._slots:
            if slot.restart_s is not None and slot.restart_s <= now_s:
                slot.restart_s = None
                self._fill(slot)
        self._count_silence(now_s)
        for worker in self.workers():
            if worker.is_overdue or (worker.due_s is not None and worker.due_s <= now_s):
                _log.error("worker hangs and is killed", worker=worker.slot, pid=worker.pid)
                worker.due_s = worker.silent_s = None
                worker.signal(signal.SIGKILL)

    def _count_silence(self, now_s: float) -> None:
        """Add up the time for which workers have not been heard, as long as we have listened.

        One step, however long the last was ago: while all processes were stopped, as a container
        or a machine is paused, nobody could be heard.
        """
        if now_s - self._listened_s < ALIVE_EVERY_S:
            return
        self._listened_s = now_s
        for worker in self.workers():
            if worker.silent_s is not None:
                worker.silent_s += ALIVE_EVERY_S

    def _fill(self, slot: Slot) -> None:
        """Start a worker in an empty slot, or try again later."""
        slot.current = self._started(slot)
        if slot.current is None:
            now_s = self._clock()
            slot.restart_s = now_s + slot.restarts.delay_s(None, now_s)

    def _started(self, slot: Slot) -> Worker | None:
        """A new worker; None when there is no memory, descriptor or process left for one.

        That must cost a worker and not the parent: those that live go on serving.
        """
        try:
            return self._start(slot.number)
        except OSError as error:
            _log.error("worker cannot be started", worker=slot.number, error=str(error))
            return None

    # --- what happens to them

    def wants_to_leave(self, worker: Worker) -> None:
        """Somebody has asked that one worker to end: it goes when another has taken its place."""
        if not self._draining and worker.state is State.SERVING:
            self._old.add(worker.serial)
            self._roll_next()

    def is_ready(self, worker: Worker) -> None:
        """A worker serves; what it replaces goes."""
        worker.is_ready(self._clock())
        _log.info("worker serves", worker=worker.slot, pid=worker.pid)
        slot = self._slots[worker.slot]
        if slot.replacement is worker and not self._draining:
            self._take_over(slot, worker)

    def _take_over(self, slot: Slot, worker: Worker) -> None:
        old, slot.current, slot.replacement = slot.current, worker, None
        self.restarts["rolled"] += 1
        if old is not None:
            old.retire(self._clock())
            self._leaving.append(old)
        else:
            self._roll_next()

    def forget(self, worker: Worker) -> None:
        """A worker is gone, and none takes its place."""
        self._slots[worker.slot].current = None

    def has_died(self, worker: Worker, how: str) -> None:
        """A worker's process is gone; *how* in words for the log."""
        if worker in self._leaving:
            self._leaving.remove(worker)
            self._left(worker, how)
            return
        slot = self._slots[worker.slot]
        if worker is slot.replacement:
            slot.replacement = None
            self._give_up_rolling(slot, how)
            return
        slot.current = None
        if self._draining:
            self._left(worker, how)
        else:
            self._replace(slot, worker, how)

    def _left(self, worker: Worker, how: str) -> None:
        _log.info("worker left", worker=worker.slot, pid=worker.pid, how=how)
        self._old.discard(worker.serial)
        self._roll_next()

    def _replace(self, slot: Slot, worker: Worker, how: str) -> None:
        now_s = self._clock()
        delay_s = slot.restarts.delay_s(worker.ready_s, now_s)
        _log.error("worker died", worker=slot.number, pid=worker.pid, how=how, again_in_s=delay_s)
        if delay_s >= _LOOP_S:
            _log.error("worker dies in a loop", worker=slot.number, times=slot.restarts.in_a_row)
        self.restarts["died"] += 1
        self._old.discard(worker.serial)
        # One that starts in its place already takes the slot when it is ready.
        if slot.replacement is None:
            slot.restart_s = now_s + delay_s
            self._roll_next()

    def _give_up_rolling(self, slot: Slot, how: str) -> None:
        """A new worker cannot start: the old ones serve on."""
        if self._draining:
            return
        _log.error(
            "rolling restart given up: the new worker did not start",
            worker=slot.number,
            how=how,
            not_replaced=len(self._old),
        )
        self._old.clear()
        self._rolling_told = False
        if slot.current is None:
            slot.restart_s = self._clock() + slot.restarts.delay_s(None, self._clock())

    def _roll_next(self) -> None:
        """Start the next replacement, unless one is under way."""
        if self._leaving or any(slot.replacement for slot in self._slots):
            return
        if self._rolling_told and not self._old and not self._draining:
            self._rolling_told = False
            _log.info("rolling restart done")
        for slot in self._slots:
            if slot.current is not None and slot.current.serial in self._old:
                self._old.discard(slot.current.serial)
                slot.replacement = self._started(slot)
                if slot.replacement is None:
                    self._give_up_rolling(slot, "not forked")
                return
