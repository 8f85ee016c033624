"""The parent process: waits for signals, for its workers and for the time, and passes them on.

Belongs here: one loop without threads and without an event loop, so that it can fork and can be
replaced by its next version. Does not: which workers there should be (`pool`).
"""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from proxy.supervisor.channel import Channel
from proxy.supervisor.handover import Handover, WorkerLeft, replace_program
from proxy.supervisor.pool import Pool
from proxy.supervisor.runtime import RuntimeDirectory
from proxy.supervisor.signals import SignalPipe, end_by
from proxy.supervisor.upgrade import Upgrade
from proxy.supervisor.worker import (
    EXIT_BROKEN,
    Assignment,
    Closable,
    State,
    Work,
    Worker,
    fork_worker,
    in_words,
)
from proxy.telemetry import names
from proxy.telemetry.shared import SharedTallies, retire, written_names
from proxy.telemetry.tally import Tally

_log: Final = structlog.get_logger("proxy.supervisor")

_TALLY: Final = "parent"


@dataclass(frozen=True)
class Plan:
    """What to run: *workers* processes that do *work*.

    *command* is how this very process was started, to start it anew with the code of then;
    *trial* ends with 0 when that would do.
    """

    workers: int
    work: Work
    command: tuple[str, ...]
    trial: tuple[str, ...]


class Parent:
    """Runs a plan on two bound sockets, which stay open for as long as it lives.

    *on_serving* is called when all workers serve, with what the first of them said of it.
    """

    def __init__(
        self,
        plan: Plan,
        listening: socket.socket,
        admin_listening: socket.socket,
        runtime: RuntimeDirectory,
        *,
        on_serving: Callable[[dict[str, Any]], None] | None = None,
        left: Handover | None = None,
    ) -> None:
        self._plan = plan
        self._on_serving = on_serving
        self._listening = listening
        self._admin_listening = admin_listening
        self._runtime = runtime
        self._serial = left.serial if left else 0
        self._pool = Pool(plan.workers, self._start, time.monotonic, left.restarts if left else {})
        self._tallies = SharedTallies(runtime.path, _TALLY)
        self._selector = selectors.DefaultSelector()
        self._signals = SignalPipe()
        self._selector.register(self._signals, selectors.EVENT_READ)
        self._upgrade = Upgrade(
            plan.trial,
            runtime.path / "trial.log",
            is_busy=lambda: self._pool.rolling or not self._told,
            replace=self._replace_program,
            clock=time.monotonic,
        )
        self._stopping = False
        #: Whether no worker has turned the kill switch on yet, since that was asked for.
        self._kill_owed = False
        self._told = left is not None
        self._exit_code: int | None = None
        self._facts: dict[str, Any] = {}
        for worker in left.workers if left else ():
            self._adopt(worker)

    def __repr__(self) -> str:
        return f"<Parent {self._pool!r}>"

    @classmethod
    def resumed(cls, plan: Plan, left: Handover) -> "Parent":
        """Go on where the program before this one has stopped, and replace its workers."""
        listening = socket.socket(fileno=left.listening)
        admin_listening = socket.socket(fileno=left.admin_listening)
        for each in (listening, admin_listening):
            each.set_inheritable(False)
        runtime = RuntimeDirectory(Path(left.runtime))
        return cls(plan, listening, admin_listening, runtime, left=left)

    def run(self) -> int:
        """Serve until a signal ends it; the exit code."""
        try:
            self._begin()
            while self._exit_code is None:
                self._wait()
                self._pool.act()
                self._upgrade.act()
                if self._pool.ended:
                    self._exit_code = 0
        finally:
            self._end()
        if self._stopping:
            _log.info("stopped")
        return self._exit_code

    def _begin(self) -> None:
        # A child of the program before this one may have ended while there was no handler.
        self._reap()
        if self._told:
            self._keep_counts_of_the_gone()
            self._pool.start_all()
            self._pool.roll()
        else:
            self._pool.start_first()
        self._count()

    def _end(self) -> None:
        """Let go of everything. Workers that still live notice it by their channels, and drain."""
        for worker in self._pool.workers():
            worker.channel.close()
        self._upgrade.close()
        for each in (self._selector, self._signals, self._listening, self._admin_listening):
            each.close()
        self._runtime.remove()

    # --- waiting

    def _wait(self) -> None:
        for key, _ in self._selector.select(self._timeout_s()):
            if key.fileobj is self._signals:
                for number in self._signals.taken():
                    self._take(number)
            else:
                self._hear(key.data)

    def _timeout_s(self) -> float | None:
        dues = (self._pool.next_due_s, self._upgrade.due_s)
        due_s = min((each for each in dues if each is not None), default=None)
        return None if due_s is None else max(0.0, due_s - time.monotonic())

    # --- signals

    def _take(self, number: signal.Signals) -> None:
        if number is signal.SIGCHLD:
            self._reap()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop(number)
        elif number is signal.SIGHUP:
            self._pool.send({"do": "reload", "trigger": "signal"})
        elif number is signal.SIGUSR1:
            self._kill_owed = True
            self._pool.send({"do": "kill"})
        elif number is signal.SIGUSR2:
            self._upgrade.begin()

    def _stop(self, number: signal.Signals) -> None:
        """Drain; a second time, end at once as that signal does."""
        if self._stopping:
            self._pool.kill()
            self._end()
            end_by(number)
        self._stopping = True
        self._upgrade.stop()
        _log.info("draining", workers=self._pool.serving)
        self._pool.drain()
        self._count()

    # --- workers

    def _start(self, slot: int) -> Worker:
        self._runtime.restore()
        self._serial += 1
        ours, theirs = Channel.pair()
        assignment = Assignment(
            slot=slot,
            serial=self._serial,
            first=not (self._told or self._facts),
            listening=self._listening,
            admin_listening=self._admin_listening,
            runtime=self._runtime,
            channel=theirs,
        )
        try:
            pid = fork_worker(assignment, self._plan.work, (*self._parents(), ours))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = Worker(slot, self._serial, pid, ours, time.monotonic())
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return worker

    def _parents(self) -> Iterator[Closable]:
        """What a worker must not have: with a channel's end it would keep the channel open."""
        yield self._selector
        yield self._signals
        yield from (worker.channel for worker in self._pool.workers())

    def _adopt(self, left: WorkerLeft) -> None:
        channel = Channel.of_descriptor(left.descriptor, left.rest.encode("latin-1"))
        channel.set_inheritable(False)
        now_s = time.monotonic()
        worker = Worker(left.slot, left.serial, left.pid, channel, now_s)
        if left.ready:
            worker.is_ready(now_s)
        if left.leaving:
            worker.state = State.LEAVING
        worker.due_s = left.due_s
        self._selector.register(channel, selectors.EVENT_READ, worker)
        self._pool.adopt(worker)

    def _hear(self, worker: Worker) -> None:
        for message in worker.channel.receive():
            self._answer(worker, message)
        if worker.channel.ended and worker.channel.fileno() >= 0:
            # Its process is about to end, or has: that is told by a signal.
            self._selector.unregister(worker.channel)
            worker.channel.close()

    def _answer(self, worker: Worker, message: dict[str, Any]) -> None:
        said = message.pop("say", "")
        if said == "ready":
            self._is_ready(worker, message)
        elif said == "alive":
            worker.is_alive()
        elif said == "killed":
            self._kill_owed = False
        elif said == "draining":
            worker.leaves_within(message["within_s"], time.monotonic())
        elif said == "terminated":
            self._pool.wants_to_leave(worker)
        elif said == "pass":
            self._pool.send(message["message"], but=worker)

    def _is_ready(self, worker: Worker, facts: dict[str, Any]) -> None:
        self._pool.is_ready(worker)
        if self._kill_owed:
            worker.channel.send({"do": "kill"})
        if not self._told and not self._stopping:
            self._facts = self._facts or facts
            self._pool.start_all()
            if self._pool.serving == self._plan.workers:
                self._told = True
                if self._on_serving is not None:
                    self._on_serving(self._facts)
        self._count()

    # --- ends of processes

    def _reap(self) -> None:
        """Take note of every process that has ended.

        The first process of a container is the parent of strangers too.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._has_ended(pid, os.waitstatus_to_exitcode(status))

    def _has_ended(self, pid: int, code: int) -> None:
        worker = self._pool.by_pid(pid)
        if worker is None:
            self._upgrade.has_ended(pid, code)
            return
        self._hear(worker)
        if worker.channel.fileno() >= 0:
            self._selector.unregister(worker.channel)
            worker.channel.close()
        self._keep_counts_of_the_gone(worker)
        if self._cannot_start(worker, code):
            return
        self._pool.has_died(worker, in_words(code))
        self._count()

    def _cannot_start(self, worker: Worker, code: int) -> bool:
        """Whether the first worker of all has ended before it served: then none can."""
        if self._told or self._stopping or self._facts:
            return False
        self._pool.forget(worker)
        # One that ended by a signal has not said why.
        self._exit_code = code if code > 0 else EXIT_BROKEN
        return True

    def _keep_counts_of_the_gone(self, gone: Worker | None = None) -> None:
        """Sum up the one that is *gone*, and those that could not be summed up before.

        And those that ended while the program was being replaced.
        """
        alive = {each.tally_name for each in self._pool.workers() if each is not gone}
        try:
            for name in set(written_names(self._runtime.path)) - {_TALLY, *alive}:
                retire(self._runtime.path, name)
        except OSError as error:
            _log.error("metrics of a worker are not summed up yet", error=str(error))

    def _count(self) -> None:
        """Show how many workers there are, and have been."""
        tally = Tally()
        tally.put(names.WORKERS, (), self._pool.serving)
        for reason, count in self._pool.restarts.items():
            tally.put(names.WORKER_RESTARTS, (reason,), count)
        self._tallies.write(tally)

    # --- replacing everything

    def _replace_program(self) -> None:
        """Become what is on disk now. The process, its children and its sockets stay."""
        channels = [w.channel for w in self._pool.workers() if w.channel.fileno() >= 0]
        replace_program(
            self._plan.command,
            self._handover(),
            [self._listening, self._admin_listening, *channels],
        )

    def _handover(self) -> Handover:
        workers = tuple(
            WorkerLeft(
                slot=worker.slot,
                serial=worker.serial,
                pid=worker.pid,
                descriptor=worker.channel.fileno(),
                rest=worker.channel.rest.decode("latin-1"),
                ready=worker.state is State.SERVING,
                leaving=worker.state is State.LEAVING,
                due_s=worker.due_s,
            )
            for worker in self._pool.workers()
            if worker.channel.fileno() >= 0
        )
        return Handover(
            listening=self._listening.fileno(),
            admin_listening=self._admin_listening.fileno(),
            runtime=str(self._runtime.path),
            serial=self._serial,
            restarts=dict(self._pool.restarts),
            workers=workers,
        )
