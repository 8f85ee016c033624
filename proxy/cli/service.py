"""A snapshot in service: upstreams, exchange, front end and admin port, started and drained.

Belongs here: the order in which they start and stop. Does not: signals and the process
(`cli.serve`).
"""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

from proxy.admin import Admin
from proxy.cli.composition import (
    AnyGrpcUpstream,
    make_grpc_upstream,
    make_legacy_upstream,
)
from proxy.config.sections import Admin as AdminSection
from proxy.config.sections import Listen
from proxy.exchange.exchange import Exchange
from proxy.exchange.observer import Observer
from proxy.exchange.passthrough import Passthrough
from proxy.routing.snapshot import Snapshot
from proxy.server.frontend import Frontend
from proxy.server.protocol import ConnectionLimits, HeaderLimits
from proxy.server.reading import ReadLimits
from proxy.server.serving import Serving
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
    is read. *metrics* is where to count, when others of this service count with it. The end
    drains: requests in flight are finished, for as long as the configuration allows.
    """

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
        metrics: Metrics | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._settings = snapshot.config.settings
        self._folder = folder
        self._write_log = write_log
        self._lost_lines = lost_lines
        self._listen = listen or self._settings.listen
        self._admin = admin or self._settings.admin
        self._listening = listening
        self._admin_listening = admin_listening
        self._metrics = metrics or Metrics()
        self._upstreams: dict[str, AnyGrpcUpstream] = {}
        self._draining = False
        self._retiring = False
        self._frontend: Frontend | None = None
        self._admin_port: Admin | None = None
        self._drained_by_s = 0.0
        self._stack = AsyncExitStack()
        #: Base URLs of the two listeners, once started.
        self.url = ""
        self.admin_url = ""

    def __repr__(self) -> str:
        return f"<Service {self.url} of {self._snapshot!r}>"

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
        return max(drain.wait_s, RETIRE_WAIT_S) + drain.timeout_s

    async def retire(self) -> None:
        """Leave new connections to others, that have the same sockets; the end then drains.

        Readiness stays: what this process says of it is taken for all of them.
        """
        self._retiring = True
        if self._frontend is not None:
            self._frontend.stop_accepting()
        if self._admin_port is not None:
            await self._admin_port.stop_accepting()

    async def _start(self) -> None:
        """Start from the inside out, so that the stack stops from the outside in."""
        listening, admin_listening = self._bind()
        access_log = self._open_access_log()
        self._watch_loop()
        exchange = await self._make_exchange()
        observer = Observer(self._snapshot, self._metrics, access_log, time.monotonic)
        frontend = self._frontend = self._make_frontend(exchange, observer)
        admin = self._admin_port = Admin(self._snapshot, self._metrics, self._readiness)
        self._stack.push_async_callback(admin.stop)
        await admin.start(admin_listening)
        self._stack.push_async_callback(self._drain, frontend)
        await frontend.start(listening)
        stages = {route.name: route.stage.value for route in self._snapshot.routes}
        self._metrics.config_loaded(self._snapshot.config.digest, stages, time.time())

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

    async def _make_exchange(self) -> Exchange:
        for name, settings in self._settings.upstreams.grpc.items():
            upstream = make_grpc_upstream(name, settings, self._folder, self._metrics)
            self._stack.push_async_callback(upstream.close)
            await upstream.start()
            self._upstreams[name] = upstream
        return Exchange(
            self._snapshot,
            self._upstreams,
            self._make_passthrough(),
            clock=time.monotonic,
            # Ids of traces are no secrets, and the system's source costs a call into it each time.
            random_bytes=Random().randbytes,  # noqa: S311
        )

    def _make_passthrough(self) -> Passthrough | None:
        settings = self._settings.upstreams.legacy
        if settings is None:
            return None
        legacy = make_legacy_upstream(settings, self._folder, self._metrics)
        self._stack.push_async_callback(legacy.close)
        passthrough = Passthrough(
            legacy,
            trusted_hops=self._settings.forwarding.trusted_hops,
            timeout_s=settings.timeout_s,
            clock=time.monotonic,
        )
        self._stack.push_async_callback(self._settle, passthrough)
        return passthrough

    def _make_frontend(self, exchange: Exchange, observer: Observer) -> Frontend:
        limits = self._settings.limits
        serving = Serving(
            exchange,
            observer,
            HeaderLimits(limits.max_url_bytes, limits.max_header_field_bytes, limits.max_headers),
            ReadLimits(limits.max_header_bytes),
            ConnectionLimits(self._settings.connections.keepalive_timeout_s),
        )
        return Frontend(serving, clock=time.monotonic, wall_clock=time.time)

    def _readiness(self) -> dict[str, str]:
        """What keeps traffic away. One upstream that can answer is enough to be of use."""
        usable = self._settings.upstreams.legacy is not None or any(
            upstream.ready for upstream in self._upstreams.values()
        )
        return {
            "drain": "draining" if self._draining else "",
            "upstreams": "" if usable else "no gRPC upstream is connected and well",
        }

    async def _drain(self, frontend: Frontend) -> None:
        """Not ready first, so that load balancers look elsewhere; then no new connections."""
        self._draining = not self._retiring
        drain = self._settings.drain
        frontend.discourage()
        await asyncio.sleep(RETIRE_WAIT_S if self._retiring else drain.wait_s)
        self._drained_by_s = time.monotonic() + drain.timeout_s
        await frontend.drain(drain.timeout_s)

    async def _settle(self, passthrough: Passthrough) -> None:
        """Give writes whose clients have left what is left of the drain's time, and no more.

        Whoever sends SIGTERM kills when that time is over.
        """
        await passthrough.orphans.settle(self._drained_by_s)
