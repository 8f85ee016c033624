"""The listener of the admin port."""

import socket
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from proxy.admin.access import Access, guarded_by
from proxy.admin.answers import told_as_json
from proxy.admin.operations import Operations
from proxy.admin.reads import Reads
from proxy.admin.recordings import Recordings
from proxy.admin.shadow import ShadowPages
from proxy.admin.writes import Writes

#: Seconds that a request may take that is being answered when the port closes. aiohttp's own 60
#: would hold the end of the process.
_SHUTDOWN_S: Final = 1.0
#: Bytes of a body: a move with the longest reason, and room.
_MAX_BODY_BYTES: Final = 64 << 10


class Admin:
    """Serves the admin port for *operations*."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        application = web.Application(
            client_max_size=_MAX_BODY_BYTES, middlewares=[told_as_json, guarded_by(self._access)]
        )
        for pages in (
            Reads(operations),
            Writes(operations),
            ShadowPages(operations),
            Recordings(operations),
        ):
            application.add_routes(pages.routes())
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S
        )
        self._site: web.SockSite | None = None
        self._on_loopback = False

    def __repr__(self) -> str:
        return f"<Admin {self._runner.addresses}>"

    def _access(self) -> Access:
        """Who may, by the configuration in force: a reload may bring another token."""
        config = self._operations.snapshot.config
        return Access(config.admin_token, config.settings.admin.open_reads, self._on_loopback)

    async def start(self, listening: socket.socket) -> None:
        """Serve on a bound socket."""
        self._on_loopback = ip_address(listening.getsockname()[0]).is_loopback
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
