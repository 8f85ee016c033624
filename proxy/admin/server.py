"""The admin port: health, metrics, routes and the configuration, for operators only.

Reads only, JSON but for the metrics. It has a listener of its own, on loopback unless the
configuration says otherwise, and no access control: what it shows holds no secrets.
"""

import socket
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import web

from proxy.routing.snapshot import Snapshot
from proxy.telemetry.metrics import Metrics

#: Each check by name, with what is wrong, or "" when nothing is.
Checks = Callable[[], dict[str, str]]

#: Seconds that a request may take that is being answered when the port closes. aiohttp's own 60
#: would hold the end of the process.
_SHUTDOWN_S: Final = 1.0

_INDENTED: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class Admin:
    """Serves the admin port. *readiness* is asked anew for each `/-/ready`.

    *configuration* tells what `/config` shows beside the configuration itself.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        metrics: Metrics,
        readiness: Checks,
        configuration: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._snapshot = snapshot
        self._configuration = configuration
        self._metrics = metrics
        self._readiness = readiness
        application = web.Application()
        application.add_routes(
            [
                web.get("/-/healthy", self._healthy),
                web.get("/-/ready", self._ready),
                web.get("/metrics", self._show_metrics),
                web.get("/routes", self._routes),
                web.get("/config", self._config),
            ]
        )
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S
        )
        self._site: web.SockSite | None = None

    def __repr__(self) -> str:
        return f"<Admin {self._runner.addresses}>"

    def show(self, snapshot: Snapshot) -> None:
        """Show another snapshot from now on."""
        self._snapshot = snapshot

    async def start(self, listening: socket.socket) -> None:
        """Serve on a bound socket."""
        await self._runner.setup()
        self._site = web.SockSite(self._runner, listening)
        await self._site.start()

    async def stop_accepting(self) -> None:
        """Take no new connections; what is connected goes on."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def stop(self) -> None:
        """Close the listener and its connections."""
        await self._runner.cleanup()

    async def _healthy(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _ready(self, _request: web.Request) -> web.Response:
        checks = self._readiness()
        ready = not any(checks.values())
        body = {"status": "ready" if ready else "not ready", "checks": checks}
        return _json(body, status=200 if ready else 503)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        content_type, body = self._metrics.render(request.headers.get("accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _routes(self, _request: web.Request) -> web.Response:
        return _json(describe_routes(self._snapshot))

    async def _config(self, _request: web.Request) -> web.Response:
        config = self._snapshot.config
        shown = {"digest": config.digest, "config": config.redacted(), **self._configuration()}
        return _json(shown)


def describe_routes(snapshot: Snapshot) -> dict[str, Any]:
    """All bindings in the order of their RPCs, and the load report, as JSON values."""
    return {
        "routes": [
            {
                "name": target.route.name,
                "http_method": target.binding.http_method,
                "template": str(target.binding.template),
                "rpc": target.route.rpc,
                "cardinality": target.route.cardinality.value,
                "upstream": target.route.upstream,
                "stage": target.route.stage.value,
                "origin": target.binding.origin,
            }
            for target in snapshot.bindings
        ],
        "report": list(snapshot.report),
    }


def _json(value: dict[str, Any], status: int = 200) -> web.Response:
    body = orjson.dumps(value, option=_INDENTED)
    return web.Response(body=body, status=status, content_type="application/json")
