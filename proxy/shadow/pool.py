"""The mirrors that wait and run in a process: bounded, fair between routes, drained at its end.

Belongs here: when a mirror runs, how long, and what is counted of its end. Does not: what it does
(`Examiner`), what is kept of a request before (`capture`).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from proxy.cutover.mirror import MirrorOptions
from proxy.gate.evidence import Observation
from proxy.shadow.budget import CpuBudget, Rate, Room, Work
from proxy.shadow.capture import Capture
from proxy.shadow.ledger import Account, Ledger
from proxy.shadow.metering import Metered
from proxy.shadow.mirror import RouteMirror
from proxy.shadow.sample import ENDS, Drop, Failed, Life, Sample
from proxy.upstreams.closing import until_idle

_log: Final = structlog.get_logger("proxy.shadow")

#: Why a mirror that was sent ended without an outcome of its own.
DEADLINE: Final = "deadline"
INTERNAL: Final = "internal"
_DRAINING: Final = Drop.DRAINING.value

#: Seconds that mirrors which were cancelled get to end.
CUT_OFF_S: Final = 1.0
#: Bugs of ours that are logged per second: one that every request meets must not fill a disk.
_LOGGED_PER_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What all mirrors of a process may hold: how many run, how many wait, bytes of bodies.

    *max_cpu* is the share that they may take of the time that others leave on the event loop.
    """

    max_concurrency: int = 64
    max_pending: int = 1024
    max_total_bytes: int = 64 << 20
    max_cpu: float = 0.2


@dataclass(slots=True, eq=False)
class _Lane:
    """One route's mirrors. It *has_turn* when the oldest that waits may begin, for the route."""

    account: Account
    queue: deque[Capture] = field(default_factory=deque)
    has_turn: bool = False


class MirrorPool:
    """Runs mirrors. Use it from the event loop's thread.

    *longest_s* gives the seconds that a mirror with some options may take at all, *cpu_clock* the
    processor seconds of the calling thread. Of routes whose
    mirrors wait, one after the other gets the next place, as far as its own limit goes; of one
    route the oldest.
    """

    def __init__(
        self,
        limits: PoolLimits,
        ledger: Ledger,
        *,
        longest_s: Callable[[MirrorOptions], float],
        clock: Callable[[], float],
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.ledger = ledger
        self.room = Room(limits.max_total_bytes)
        self.cpu = CpuBudget(limits.max_cpu, clock, cpu_clock)
        self.is_closed = False
        self.waiting = 0
        self._limits = limits
        self._longest_s = longest_s
        self._cpu_clock = cpu_clock
        self._lanes: dict[str, _Lane] = {}
        self._turns: deque[_Lane] = deque()
        self._tasks: dict[asyncio.Task[Observation | Failed], Capture] = {}
        self._one_ended = asyncio.Event()
        self._log_rate = Rate(_LOGGED_PER_S, clock)
        self._cut_off: set[asyncio.Task[Observation | Failed]] = set()

    def __repr__(self) -> str:
        return f"<MirrorPool running={self.running} waiting={self.waiting} {self.room!r}>"

    @property
    def running(self) -> int:
        """Mirrors that have begun and have not ended."""
        return len(self._tasks)

    def limit(self, limits: PoolLimits) -> None:
        """Set the limits from now on; what is over them already goes on."""
        self._limits = limits
        self.room.limit = limits.max_total_bytes
        self.cpu.limit(limits.max_cpu)

    # --- taking mirrors in

    def submit(self, capture: Capture) -> None:
        """Take over a capture whose client has its answer. Raises nothing, and waits for nothing.

        What there is no place for is dropped: what waits already is nearer to its end.
        """
        account = capture.mirror.counts.account
        account.capturing -= 1
        if capture.stopped is None:
            self._refuse(capture)
        if capture.stopped is not None:
            capture.mirror.counts.add(*capture.stopped)
            return
        lane = self._lane_of(account)
        lane.queue.append(capture)
        account.waiting += 1
        self.waiting += 1
        self._give_turn(lane)
        self._start_some()

    def _refuse(self, capture: Capture) -> None:
        """Stop *capture* if it can neither begin nor wait."""
        reason = self.refusal(capture.mirror)
        if reason is not None:
            capture.stop(Life.DROPPED, reason)

    def refusal(self, mirror: RouteMirror) -> Drop | None:
        """Why one more of *mirror* could neither begin nor wait just now; None when it could.

        To be asked before a request is captured, too: what is dropped in the end is to cost little.
        """
        if self.is_closed:
            return Drop.DRAINING
        if self.cpu.is_spent:
            return Drop.CPU
        return None if self._has_place(mirror) or self._may_wait(mirror) else Drop.QUEUE_FULL

    def _has_place(self, mirror: RouteMirror) -> bool:
        """Whether one more of *mirror* could begin at once."""
        account = mirror.counts.account
        has_place = self.running < self._limits.max_concurrency
        return (
            has_place and not account.waiting and account.running < mirror.options.max_concurrency
        )

    def _may_wait(self, mirror: RouteMirror) -> bool:
        waiting, limits = mirror.counts.account.waiting, self._limits
        return waiting < mirror.options.max_pending and self.waiting < limits.max_pending

    def _lane_of(self, account: Account) -> _Lane:
        if account.route not in self._lanes:
            self._lanes[account.route] = _Lane(account)
        return self._lanes[account.route]

    # --- running them

    def _give_turn(self, lane: _Lane) -> None:
        """Let the oldest of *lane* have a place in its turn, if its route may run one more."""
        if not lane.has_turn and lane.queue:
            options = lane.queue[0].mirror.options
            lane.has_turn = lane.account.running < options.max_concurrency
            if lane.has_turn:
                self._turns.append(lane)

    def _start_some(self) -> None:
        """Begin what there are places for, one of each route in turn."""
        while self._turns and self.running < self._limits.max_concurrency:
            lane = self._turns.popleft()
            lane.has_turn = False
            if not lane.queue:
                continue
            is_sent = self._begin(lane.queue.popleft())
            self._give_turn(lane)
            if not is_sent and self._turns:
                # It took its time to find that out, and requests wait.
                asyncio.get_running_loop().call_soon(self._start_some)
                return

    def _begin(self, capture: Capture) -> bool:
        """Begin a mirror; whether it was sent."""
        counts = capture.mirror.counts
        counts.account.waiting -= 1
        self.waiting -= 1
        began_s = self._cpu_clock()
        sample = Failed(Life.DROPPED, Drop.CPU) if self.cpu.is_spent else _whole(capture)
        self.cpu.charge(self._cpu_clock() - began_s)
        if isinstance(sample, Sample):
            self._send(capture, sample)
            return True
        if sample.life in ENDS:
            counts.add(Life.SENT)
        counts.add(*sample)
        capture.release()
        self._one_ended.set()
        return False

    def _send(self, capture: Capture, sample: Sample) -> None:
        counts = capture.mirror.counts
        counts.add(Life.SENT)
        counts.account.running += 1
        work = self.cpu.begin()
        steps = Metered(self._examined(capture, sample), work.charge, self._cpu_clock)
        task = asyncio.get_running_loop().create_task(steps)
        self._tasks[task] = capture
        # In the callback and not in the task: one that is cancelled at once never runs.
        task.add_done_callback(partial(self._ended, work))

    async def _examined(self, capture: Capture, sample: Sample) -> Observation | Failed:
        mirror = capture.mirror
        scope = asyncio.timeout(self._longest_s(mirror.options))
        try:
            async with scope:
                return await mirror.examiner.examine(sample, mirror.counts.epoch)
        except TimeoutError:
            if scope.expired():
                return Failed(Life.CANDIDATE_TIMEOUT, DEADLINE)
            raise

    def _ended(self, work: Work, task: asyncio.Task[Observation | Failed]) -> None:
        """Count how a mirror ended, and let another one have its place."""
        work.end()
        capture = self._tasks.pop(task)
        counts = capture.mirror.counts
        result = self._result(task, capture)
        self._cut_off.discard(task)
        counts.account.running -= 1
        capture.release()
        if isinstance(result, Observation):
            counts.add(Life.COMPARED)
            self.ledger.evidence.put(result)
        else:
            counts.add(*result)
        self._one_ended.set()
        self._give_turn(self._lane_of(counts.account))
        self._start_some()

    def _result(
        self, task: asyncio.Task[Observation | Failed], capture: Capture
    ) -> Observation | Failed:
        if task.cancelled():
            if task in self._cut_off:
                return Failed(Life.CANDIDATE_TIMEOUT, _DRAINING)
            self._tell(capture, None)
            return Failed(Life.CANDIDATE_ERROR, INTERNAL)
        error = task.exception()
        if error is not None:
            self._tell(capture, error)
            return Failed(Life.CANDIDATE_ERROR, INTERNAL)
        result = task.result()
        if isinstance(result, Failed) and result.life not in ENDS - {Life.COMPARED}:
            self._tell(capture, ValueError(f"{result} is no end of a mirror"))
            return Failed(Life.CANDIDATE_ERROR, INTERNAL)
        return result

    def _tell(self, capture: Capture, error: BaseException | None) -> None:
        if self._log_rate.take():
            _log.error("mirror failed", route=capture.mirror.route.name, exc_info=error)

    # --- ending them

    async def settle(self, generation: object, timeout_s: float) -> None:
        """Let the mirrors of one *generation* end, for *timeout_s* seconds; then cut them off."""
        await until_idle(self._one_ended, lambda: not self._has_any(generation), timeout_s)
        await self._cut(lambda capture: capture.mirror.generation is generation)

    async def close(self, timeout_s: float) -> None:
        """Take no more mirrors, and let all end, for *timeout_s* seconds; then cut them off."""
        self.is_closed = True
        await until_idle(self._one_ended, lambda: not self.running + self.waiting, timeout_s)
        await self._cut(lambda _: True)
        self.ledger.flush()

    def _has_any(self, generation: object) -> bool:
        queued = (capture for lane in self._lanes.values() for capture in lane.queue)
        return any(
            capture.mirror.generation is generation
            for captures in (self._tasks.values(), queued)
            for capture in captures
        )

    async def _cut(self, concerns: Callable[[Capture], bool]) -> None:
        """Drop those that wait, cancel those that run, and wait until they have ended."""
        for lane in self._lanes.values():
            self._drop(lane, [capture for capture in lane.queue if concerns(capture)])
        running = {task for task, capture in self._tasks.items() if concerns(capture)}
        self._cut_off |= running
        for task in running:
            task.cancel()
        if running and (await asyncio.wait(running, timeout=CUT_OFF_S))[1]:
            _log.error("mirrors do not end", count=len(running))

    def _drop(self, lane: _Lane, captures: list[Capture]) -> None:
        for capture in captures:
            lane.queue.remove(capture)
            lane.account.waiting -= 1
            self.waiting -= 1
            capture.mirror.counts.add(Life.DROPPED, Drop.DRAINING)
            capture.release()
        self._one_ended.set()


def _whole(capture: Capture) -> Sample | Failed:
    """The sample of *capture*. A bug of ours must cost one mirror."""
    try:
        return capture.whole()
    except Exception:  # noqa: BLE001 - here and in `exchange` alone, and logged
        _log.exception("capture failed", route=capture.mirror.route.name)
        return Failed(Life.DROPPED, Drop.INTERNAL)
