"""Connecting: from an address to a connection that the server has greeted.

Belongs here: sockets, TLS. Does not: looking names up (`proxy.upstreams.resolving`), and when to
try again (`channel`).
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams.h2.session import Session
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.target import Address

#: How long TLS may take to say goodbye.
_TLS_GOODBYE_S: Final = 1.0


class Unreachable(Exception):
    """The server could not be connected to. *is_tls*: because TLS could not be set up."""

    def __init__(self, text: str, *, is_tls: bool) -> None:
        super().__init__(text)
        self.is_tls = is_tls

    def error(self) -> UpstreamError:
        """The error of a call that needed the connection."""
        status = Status(Code.UNAVAILABLE, str(self))
        return UpstreamError(status, http_status=502 if self.is_tls else None, sent=False)


class Dialer:
    """Connects to one place: an address, or the path of a Unix socket.

    *name* is what its certificate is verified for. *make_session* makes what runs on a new socket.
    """

    def __init__(
        self,
        place: Address | str,
        name: str,
        options: GrpcOptions,
        tls: ssl.SSLContext | None,
        make_session: Callable[[], Session],
    ) -> None:
        self._place = place
        self._name = name
        self._timeout_s = options.connect_timeout_s
        self._tls = tls
        self._make_session = make_session

    def __repr__(self) -> str:
        return f"<Dialer {self._place} tls={self._tls is not None}>"

    async def dial(self) -> Session:
        """A greeted connection. Raises `Unreachable`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._connect()
        except TimeoutError:
            raise self._unreachable(f"no answer within {self._timeout_s:g} s") from None
        except ssl.SSLError as error:
            raise self._unreachable(f"TLS failed: {error}", is_tls=True) from error
        except (OSError, ValueError) as error:
            raise self._unreachable(_reason(error)) from error

    def _unreachable(self, why: str, *, is_tls: bool = False) -> Unreachable:
        return Unreachable(f"cannot connect to {self._place}: {why}", is_tls=is_tls)

    async def _connect(self) -> Session:
        session = self._make_session()
        try:
            await self._open(session)
            await session.ready
            if session.is_leaving:
                raise ConnectionError("the server took the connection and gave it up at once")
        except BaseException:
            session.abort()
            raise
        return session

    async def _open(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        family, place = _socket_address(self._place)
        connected = socket.socket(family, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)
            await loop.sock_connect(connected, place)
        except BaseException:
            connected.close()
            raise
        # From here on the socket is the transport's.
        await self._adopt(session, connected)

    async def _adopt(self, session: Session, connected: socket.socket) -> None:
        """Run *session* on a socket, over TLS if need be. Raises `ssl.SSLError` when that fails."""
        loop = asyncio.get_running_loop()
        open_on = (
            loop.create_unix_connection
            if connected.family == socket.AF_UNIX
            else loop.create_connection
        )
        if self._tls is None:
            await open_on(lambda: session, sock=connected)
            return
        try:
            transport, _ = await open_on(
                lambda: session,
                sock=connected,
                ssl=self._tls,
                server_hostname=self._name,
                ssl_shutdown_timeout=_TLS_GOODBYE_S,
            )
        except ssl.SSLError:
            raise
        except (OSError, EOFError) as error:
            raise ssl.SSLError(f"the server broke the handshake off: {error}") from error
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            raise ssl.SSLError("the server does not offer HTTP/2")


def _reason(error: Exception) -> str:
    """What the system says; asyncio has words of its own for it, with the address in them."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and number > 0 else str(error)


def _socket_address(place: Address | str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    if isinstance(place, str):
        return socket.AF_UNIX, place
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    return family, (place.host, place.port)
