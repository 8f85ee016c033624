"""What the admin port shows: health, metrics, routes, the configuration, status, audit.

Belongs here: one handler per page. Does not: changes (`writes`), who may see it (`access`).
"""

import asyncio
from typing import Any, Final

from aiohttp import web

from proxy.admin.answers import answer, refusal
from proxy.admin.operations import Operations
from proxy.admin.status import describe_status
from proxy.routing.snapshot import Snapshot
from proxy.state.errors import StateError

#: Entries of the audit log in one answer, unless asked for fewer or more.
_AUDIT_ENTRIES: Final = 50
_MAX_AUDIT_ENTRIES: Final = 10_000


class Reads:
    """The handlers of all GET requests."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __repr__(self) -> str:
        return f"<Reads of {self._operations.snapshot!r}>"

    def routes(self) -> list[web.RouteDef]:
        """Paths and handlers."""
        return [
            web.get("/-/healthy", self._healthy),
            web.get("/-/ready", self._ready),
            web.get("/metrics", self._metrics),
            web.get("/routes", self._routes),
            web.get("/config", self._config),
            web.get("/admin/v1/status", self._status),
            web.get("/admin/v1/audit", self._audit),
        ]

    async def _healthy(self, _request: web.Request) -> web.Response:
        return answer({"status": "ok"})

    async def _ready(self, _request: web.Request) -> web.Response:
        checks = self._operations.readiness()
        ready = not any(checks.values())
        body = {"status": "ready" if ready else "not ready", "checks": checks}
        return answer(body, 200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        content_type, body = self._operations.metrics.render(request.headers.get("accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _routes(self, _request: web.Request) -> web.Response:
        return answer(describe_routes(self._operations.snapshot))

    async def _config(self, _request: web.Request) -> web.Response:
        config = self._operations.snapshot.config
        shown = {"digest": config.digest, "config": config.redacted()}
        return answer(shown | self._operations.configuration())

    async def _status(self, _request: web.Request) -> web.Response:
        return answer(describe_status(self._operations))

    async def _audit(self, request: web.Request) -> web.Response:
        limit, route = _limit(request.query.get("limit")), request.query.get("route")
        if limit is None:
            return refusal(400, f"limit must be a number from 1 to {_MAX_AUDIT_ENTRIES}")
        state = self._operations.control.state
        try:
            # All that is kept may have to be read for a route that was hardly moved: some 80 MB.
            entries = await asyncio.to_thread(lambda: [*state.read_audit(limit, route)])
        except (StateError, OSError) as error:
            return refusal(503, str(error))
        return answer({"entries": [entry.as_json() for entry in entries]})


def _limit(text: str | None) -> int | None:
    """The number of entries that *text* asks for; None when it is none that is given."""
    if text is None:
        return _AUDIT_ENTRIES
    digits = text.lstrip("0")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(_MAX_AUDIT_ENTRIES))):
        return None
    return int(digits) if int(digits) <= _MAX_AUDIT_ENTRIES else None


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
