"""A worker: one of several processes that serve on the same two sockets.

Belongs here: what a forked process does until its end, and its talk with the parent. Does not:
what is the same with one process (`serve`).
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from proxy.cli.composition import load_snapshot, utc_today
from proxy.cli.conduct import Conductor, on_signals, once_then_default
from proxy.cli.options import EXIT_CANNOT_START, EXIT_PROBLEMS, run_loop, snapshot_or_exit
from proxy.cli.running import LOG_CLOSE_S, deeds_of, freeze_heap, no_day, tell_expired
from proxy.cli.service import Service
from proxy.cli.state import state_path
from proxy.errors import ConfigError
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from proxy.state.errors import StateError
from proxy.supervisor.runtime import tally_name
from proxy.supervisor.standard_streams import STDOUT
from proxy.supervisor.worker import ALIVE_EVERY_S, Assignment
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shared import SharedTallies
from proxy.telemetry.shared_log import SharedLog
from proxy.telemetry.sink import BackgroundSink

_log: Final = structlog.get_logger("proxy")

#: Seconds between two times that a worker tells the others what it has counted. So much of what it
#: counted is lost when it is killed, unless somebody has seen it.
PUBLISH_EVERY_S: Final = 1.0
#: The part of a processor that this may take: with many routes it is done less often. It holds the
#: event loop, and so the requests that come meanwhile.
PUBLISH_SHARE: Final = 1 / 200


def work(folder: Path, assignment: Assignment) -> int:
    """Serve *folder* until the parent, its end or a signal says otherwise; the exit code."""
    structlog.contextvars.bind_contextvars(worker=assignment.slot, pid=os.getpid())
    snapshot = _load(folder, assignment)
    log = SharedLog(STDOUT, assignment.runtime.log_lock)
    sink = BackgroundSink(log.write)
    metrics = Metrics(SharedTallies(assignment.runtime.path, tally_name(assignment.serial)))
    try:
        run_loop(_serve(snapshot, folder, sink, metrics, assignment))
    except (OSError, StateError) as error:
        _log.error("worker cannot start", error=str(error))
        return EXIT_CANNOT_START
    finally:
        sink.close(LOG_CLOSE_S)
        if assignment.channel.ended:
            assignment.runtime.abandon(tally_name(assignment.serial))
        else:
            metrics.publish()
    return 0


def _load(folder: Path, assignment: Assignment) -> Snapshot:
    """The snapshot; where somebody started us and waits, problems are told as by one process."""
    if assignment.first:
        snapshot = snapshot_or_exit(folder, no_day)
        tell_expired(snapshot, utc_today())
        return snapshot
    try:
        return asyncio.run(load_snapshot(folder, os.environ, no_day))
    except ConfigError as error:
        for problem in error.problems:
            _log.error("the folder cannot be served", problem=str(problem))
        sys.exit(EXIT_PROBLEMS)


async def _serve(
    snapshot: Snapshot,
    folder: Path,
    sink: BackgroundSink,
    metrics: Metrics,
    assignment: Assignment,
) -> None:
    async with Service(
        snapshot,
        folder,
        sink.write,
        lost_lines=lambda: sink.dropped,
        listening=assignment.listening,
        admin_listening=assignment.admin_listening,
        state=_state(snapshot, folder, assignment),
        metrics=metrics,
    ) as service:
        conductor = Conductor(deeds_of(service))
        line = ParentLine(assignment, conductor)
        line.listen()
        service.tell_others = line.pass_on
        publishing = asyncio.ensure_future(_publish(metrics.publish))
        freeze_heap()
        line.say("ready", **facts_of(snapshot))
        await conductor.until_stopped()
        line.say("draining", within_s=service.drain_limit_s)
    publishing.cancel()


def _state(snapshot: Snapshot, folder: Path, assignment: Assignment) -> StateDirectory:
    """The state that all workers share; one of the runtime directory ends with the parent."""
    path = state_path(snapshot.config.settings, folder)
    if path is None:
        return StateDirectory(assignment.runtime.path / "state", durable=False)
    return StateDirectory(path)


def facts_of(snapshot: Snapshot) -> dict[str, Any]:
    """What is told of a snapshot when it is served."""
    return {
        "routes": len(snapshot.routes),
        "digest": snapshot.config.digest,
        "report": list(snapshot.report),
    }


async def _publish(publish: Callable[[], None]) -> None:
    while True:
        began_s = time.thread_time()
        publish()
        took_s = time.thread_time() - began_s
        await asyncio.sleep(max(PUBLISH_EVERY_S, took_s / PUBLISH_SHARE))


class ParentLine:
    """The talk with the parent. Its end means that the parent is gone."""

    def __init__(self, assignment: Assignment, conductor: Conductor) -> None:
        self._channel = assignment.channel
        self._conductor = conductor
        self._deeds: dict[str, Callable[..., None]] = {
            "drain": conductor.stop,
            "retire": conductor.retire,
            "reload": conductor.reload,
            "kill": self._kill,
        }

    def __repr__(self) -> str:
        return f"<ParentLine {self._channel!r}>"

    def listen(self) -> None:
        """Heed the parent, and signals to this process alone, from now on."""
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._hear)
        self._say_alive()
        on_signals(self._conductor)
        once_then_default(self._terminated, signal.SIGTERM)

    def say(self, what: str, **facts: Any) -> bool:
        """Tell the parent; whether it can be told."""
        return self._channel.send({"say": what, **facts})

    def pass_on(self, message: dict[str, Any]) -> bool:
        """Have the parent tell all other workers: what was asked of one is meant for all.

        *message* is `{"do": "reload", …}` with what `Service.reload` takes.
        """
        return self.say("pass", message=message)

    def _say_alive(self) -> None:
        """From here on the parent may take silence for the end."""
        self.say("alive")
        if not self._channel.ended:
            asyncio.get_running_loop().call_later(ALIVE_EVERY_S, self._say_alive)

    def _hear(self) -> None:
        for message in self._channel.receive():
            self._do(**message)
        if self._channel.ended:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._channel.close()
            _log.warning("the parent is gone: draining")
            # Whoever starts the service anew needs the address.
            self._conductor.retire()

    def _do(self, do: str, **how: Any) -> None:
        if do in self._deeds:
            self._deeds[do](**how)
        else:
            # A parent of a later version knows what this one does not.
            _log.warning("the parent asks for what is not known here", do=do)

    def _kill(self) -> None:
        self._conductor.kill()
        # Else the next worker would be asked: the switch must not be lost with the one that was.
        self.say("killed")

    def _terminated(self) -> None:
        """Somebody ends this one process: the parent starts another one first."""
        self.say("terminated")
