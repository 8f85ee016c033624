"""A snapshot in service: upstreams, exchange, front end and admin port, started and drained.

Belongs here: the order in which they start and stop. Does not: signals and the process
(`cli.serve`).
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from proxy.admin import Admin, Operations
from proxy.cli.generation import Generation, Generations, Lasting
from proxy.cli.polling import Polling
from proxy.cli.reloading import Occasion, Reloader, Reloading, ReloadResult, Result, tell_in_force
from proxy.cli.shadowing import Shadowing
from proxy.cli.state import state_path
from proxy.config.schema import Settings
from proxy.config.sections import Admin as AdminSection
from proxy.config.sections import Listen
from proxy.cutover.pins import DEFAULT_BYTES, Pins
from proxy.errors import ConfigError, Place, Problem
from proxy.exchange.control import Control
from proxy.exchange.recording import Recorder
from proxy.programs.pool import ProgramPool
from proxy.routing.snapshot import Snapshot
from proxy.server.frontend import Frontend
from proxy.shadow.reporting import Reporter
from proxy.state.directory import StateDirectory
from proxy.supervisor.sockets import bind, url_of
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.loop_lag import LoopLag
from proxy.telemetry.metrics import Metrics

#: Seconds that connections of a process which retires have to send one more request, whose answer
#: says that it was the last: to close one that is idle is to race with the next request on it.
RETIRE_WAIT_S: Final = 1.5


class Service:
    """Serves *snapshot*, whose files are in *folder*, from `async with` to its end.

    *write_log* takes the access log's lines, whole ones, and must not block; *lost_lines* is how
    many of them it has lost since. *listen* and *admin* stand in for those of the configuration;
    *listening* and *admin_listening* are sockets that are bound already, and then neither address
    is read. *state* is where moves are kept; else the configuration's directory, else a temporary
    one. *metrics* is where to count, when others of this service count with it; *environ* is
    what `${NAME}` names when the files are read again, by default the process's environment. The
    end drains: requests in flight are finished, for as long as the configuration allows.
    """

    # What starting makes.
    _generations: Generations
    _reloader: Reloader
    _polling: Polling
    _frontend: Frontend
    _admin_port: Admin
    _operations: Operations
    _shadowing: Shadowing
    _reporter: Reporter
    _recorder: Recorder
    control: Control

    def __init__(
        self,
        snapshot: Snapshot,
        folder: Path,
        write_log: Callable[[bytes], object],
        *,
        lost_lines: Callable[[], int] = int,
        listen: Listen | None = None,
        admin: AdminSection | None = None,
        listening: socket.socket | None = None,
        admin_listening: socket.socket | None = None,
        state: StateDirectory | None = None,
        metrics: Metrics | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        # Nothing must hold on to it when another one has taken its place.
        self._first: Snapshot | None = snapshot
        self._folder = folder
        self._environ = os.environ if environ is None else environ
        self._write_log = write_log
        self._lost_lines = lost_lines
        self._listen = listen or snapshot.config.settings.listen
        self._admin = admin or snapshot.config.settings.admin
        self._listening = listening
        self._admin_listening = admin_listening
        self._state = state
        self._metrics = metrics or Metrics()
        self._draining = False
        self._retiring = False
        self._ending = False
        self._drained_by_s = 0.0
        self._stack = AsyncExitStack()
        #: Has the other workers of the service do what one of them was asked.
        self.tell_others: Callable[[dict[str, Any]], object] = _alone
        #: Base URLs of the two listeners, once started.
        self.url = ""
        self.admin_url = ""

    def __repr__(self) -> str:
        return f"<Service {self.url}{' draining' if self._ending else ''}>"

    async def __aenter__(self) -> Self:
        """Start. Raises `OSError` when an address cannot be bound."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @property
    def drain_limit_s(self) -> float:
        """The longest that the end of `async with` takes, in seconds."""
        drain = self._settings.drain
        return max(drain.wait_s, RETIRE_WAIT_S) + drain.timeout_s + self._shadowing.end_s

    async def retire(self) -> None:
        """Leave new connections to others, that have the same sockets; the end then drains.

        Readiness stays: what this process says of it is taken for all of them.
        """
        self._retiring = True
        self._frontend.stop_accepting()
        await self._admin_port.stop_accepting()

    async def _start(self) -> None:
        """Start from the inside out, so that the stack stops from the outside in."""
        first, self._first = self._first, None
        if first is None:
            raise RuntimeError("a service starts once")
        listening, admin_listening = self._bind()
        access_log = self._open_access_log()
        self._watch_loop()
        generation = await self._first_generation(first, access_log)
        self._frontend = Frontend(generation.serving, clock=time.monotonic, wall_clock=time.time)
        self._metrics.connections_from(lambda: self._frontend.connections)
        self._operations = Operations(
            generation.snapshot,
            self._metrics,
            self.control,
            self._readiness,
            self._reload_all,
            self._configuration,
            self._reporter,
            self._recorder,
        )
        self._admin_port = Admin(self._operations)
        self._prepare_reloads()
        self._stack.push_async_callback(self._admin_port.stop)
        await self._admin_port.start(admin_listening)
        self._stack.push_async_callback(self._drain)
        await self._frontend.start(listening)
        tell_in_force(self._metrics, generation.snapshot, time.time())
        self._stack.push_async_callback(self._polling.stop)
        self._polling.every(self._settings.reload.poll_s)

    def _bind(self) -> tuple[socket.socket, socket.socket]:
        """Bind both addresses before anything is started that would have to be undone."""
        listening = self._listening or bind(self._listen.host, self._listen.port)
        self._stack.callback(listening.close)
        admin_listening = self._admin_listening or bind(self._admin.host, self._admin.port)
        self._stack.callback(admin_listening.close)
        self.url, self.admin_url = url_of(listening), url_of(admin_listening)
        return listening, admin_listening

    def _open_access_log(self) -> AccessLog:
        loop = asyncio.get_running_loop()
        access_log = AccessLog(self._write_log, clock=time.time, call_later=loop.call_later)
        self._stack.callback(access_log.flush)
        self._metrics.count_from(
            "cutover_access_log_lines_dropped",
            "Access log lines that could not be written.",
            lambda: access_log.dropped + self._lost_lines(),
        )
        return access_log

    def _watch_loop(self) -> None:
        lag = LoopLag(asyncio.get_running_loop(), self._metrics.loop_lag)
        lag.start()
        self._stack.callback(lag.stop)

    async def _first_generation(self, first: Snapshot, access_log: AccessLog) -> Generation:
        self.control = self._open_control(first)
        self._open_shadowing(first.config.settings)
        programs = ProgramPool()
        self._stack.push_async_callback(programs.close)
        self._recorder = self._open_recorder()
        lasting = Lasting(
            self._folder,
            self._metrics,
            access_log,
            self.control,
            self._shadowing,
            programs,
            self._recorder,
        )
        self._generations = Generations(lasting)
        self._stack.push_async_callback(self._end_generations)
        generation = await self._generations.make(first)
        self._generations.put_in_service(generation)
        self._stack.push_async_callback(_ended, asyncio.ensure_future(self._reporter.keep_fresh()))
        return generation

    def _open_recorder(self) -> Recorder:
        """What records for as long as somebody asks for it."""
        recorder = Recorder(time.monotonic, time.time)
        for name, told, read in (
            ("recorded", "Exchanges that were recorded.", lambda: recorder.recorded),
            ("not_recorded", "Exchanges that a recording has left out.", lambda: recorder.dropped),
        ):
            self._metrics.count_from(f"cutover_exchanges_{name}", told, read)
        return recorder

    def _open_shadowing(self, settings: Settings) -> None:
        """What mirrors need; it ends after the last mirror, and before the state is let go."""
        state = self.control.state.path
        self._shadowing = Shadowing(settings, self._folder, state, self._metrics)
        self._stack.push_async_callback(self._shadowing.close)
        self._reporter = Reporter(
            self._shadowing.reader,
            lambda: self.snapshot,
            self.control.positions,
            self._metrics,
            time.time,
        )
        self.control.gate = self._reporter

    def _open_control(self, first: Snapshot) -> Control:
        """What moves the routes; upkeep begins, and ends before the state is let go."""
        state = self._state or open_state(first.config.settings, self._folder)
        self._stack.callback(state.close)
        pins = Pins(state.shared_memory("pins", DEFAULT_BYTES))
        self._stack.callback(pins.release)
        control = Control(state, pins, self._metrics, time.monotonic)
        self._metrics.routes_from(control.readings)
        self._metrics.kill_switch_from(lambda: control.killed)
        upkeep = asyncio.get_running_loop().create_task(control.keep_up())
        self._stack.push_async_callback(_ended, upkeep)
        self._stack.push_async_callback(control.settle)
        return control

    def _prepare_reloads(self) -> None:
        work = Reloading(
            self._folder,
            self._environ,
            self._apply,
            self._metrics,
            self.control.state,
            self.control.positions,
        )
        self._reloader = Reloader(work, self.snapshot)
        self._polling = Polling(self._reloader.look, asyncio.get_running_loop().call_later)

    async def reload(
        self, *, force: bool = False, trigger: str = "admin", who: str = "", reason: str = ""
    ) -> ReloadResult:
        """Read the folder again and put it in service, or say what is wrong with it.

        *trigger* is `signal`, `poll`, `admin` or `worker`. With *force* it may take from clients
        of routes that gRPC answers what they have. Only while the service runs.
        """
        return await self._reloader.reload(Occasion(trigger, force, who, reason))

    async def _reload_all(self, *, force: bool, who: str, reason: str) -> dict[str, Any]:
        """What the admin port asks for: here, and in the other workers when it went well here."""
        result = await self.reload(force=force, who=who, reason=reason)
        if result.result is not Result.REFUSED:
            self.tell_others({"do": "reload", "force": force, "trigger": "worker", "who": who})
        return result.describe()

    async def _apply(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from the next request on. Raises `ConfigError` and changes nothing."""
        generation = await self._generations.make(snapshot)
        if self._ending:
            await generation.end(0.0)
            raise ConfigError([Problem(Place(str(self._folder)), "the process is ending")])
        self._put_in_service(generation)
        self._polling.every(self._settings.reload.poll_s)

    def _put_in_service(self, generation: Generation) -> None:
        """All at once, without a turn of the event loop between: no request sees two snapshots."""
        self._generations.put_in_service(generation)
        self._frontend.serve(generation.serving)
        self._operations.snapshot = generation.snapshot

    @property
    def snapshot(self) -> Snapshot:
        """What requests that begin now are answered by."""
        return self._generations.current.snapshot

    @property
    def _settings(self) -> Settings:
        return self.snapshot.config.settings

    def _configuration(self) -> dict[str, Any]:
        """What the admin port shows beside the configuration in force."""
        last = self._reloader.last
        return {
            "generations": self._generations.describe(),
            "last_reload": None if last is None else last.describe(),
        }

    def _readiness(self) -> dict[str, str]:
        """What keeps traffic away. One upstream that can answer is enough to be of use."""
        upstreams = self._generations.current.upstreams.values()
        usable = self._settings.upstreams.legacy is not None or any(
            upstream.ready for upstream in upstreams
        )
        return {
            "drain": "draining" if self._draining else "",
            "upstreams": "" if usable else "no gRPC upstream is connected and well",
        }

    async def _drain(self) -> None:
        """Not ready first, so that load balancers look elsewhere; then no new connections."""
        self._ending = True
        self._draining = not self._retiring
        drain = self._settings.drain
        self._frontend.discourage()
        await asyncio.sleep(RETIRE_WAIT_S if self._retiring else drain.wait_s)
        self._drained_by_s = time.monotonic() + drain.timeout_s
        await self._frontend.drain(drain.timeout_s)

    async def _end_generations(self) -> None:
        """End mirrors; give writes whose clients have left what is left of the drain's time.

        No more: whoever sends SIGTERM kills when that time is over.
        """
        await self._shadowing.drain()
        await self._generations.close(self._drained_by_s)


def open_state(settings: Settings, folder: Path) -> StateDirectory:
    """The state directory that *settings* name, relative to *folder*; else a temporary one.

    Raises `StateError` when it cannot be used.
    """
    path = state_path(settings, folder)
    return StateDirectory.temporary() if path is None else StateDirectory(path)


def _alone(_message: dict[str, Any]) -> None:
    """Tell nobody: there are no other workers."""


async def _ended(task: asyncio.Task[None]) -> None:
    """End *task*, and wait until it has."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
