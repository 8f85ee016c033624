"""Connecting: from a target to a connection that the server has greeted.

Belongs here: looking names up, sockets, TLS. Does not: when to try again (`channel`).
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams.h2.address import Target
from proxy.upstreams.h2.session import Session
from proxy.upstreams.options import GrpcOptions

#: Addresses of one name that are tried, in the order of the resolver.
_MAX_ADDRESSES: Final = 16
#: How long TLS may take to say goodbye.
_TLS_GOODBYE_S: Final = 1.0

_Address = tuple[socket.AddressFamily, object]


class Unreachable(Exception):
    """No address of the server could be connected to. *is_tls*: because TLS could not be set up."""

    def __init__(self, text: str, *, is_tls: bool) -> None:
        super().__init__(text)
        self.is_tls = is_tls

    def error(self) -> UpstreamError:
        """The error of a call that needed the connection."""
        status = Status(Code.UNAVAILABLE, str(self))
        return UpstreamError(status, http_status=502 if self.is_tls else None, sent=False)


class Dialer:
    """Connects to one target. *make_session* makes what runs on a new socket."""

    def __init__(
        self,
        target: Target,
        options: GrpcOptions,
        tls: ssl.SSLContext | None,
        make_session: Callable[[], Session],
    ) -> None:
        self._target = target
        self._timeout_s = options.connect_timeout_s
        self._tls = tls
        self._server_name = options.tls.server_name if options.tls else None
        self._make_session = make_session

    def __repr__(self) -> str:
        return f"<Dialer {self._target.authority} tls={self._tls is not None}>"

    async def dial(self) -> Session:
        """A greeted connection to the first address that has one. Raises `Unreachable`."""
        texts: list[str] = []
        is_tls = False
        for host, address in await self._addresses():
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._connect(host, address)
            except TimeoutError:
                texts.append(f"{_shown(address)}: no answer within {self._timeout_s:g} s")
            except ssl.SSLError as error:
                is_tls = True
                texts.append(f"{_shown(address)}: TLS failed: {error}")
            except (OSError, ValueError) as error:
                texts.append(f"{_shown(address)}: {_reason(error)}")
        raise Unreachable(self._cannot(", ".join(texts)), is_tls=is_tls)

    def _cannot(self, why: str) -> str:
        return f"cannot connect to {self._target.authority}: {why}"

    async def _addresses(self) -> list[tuple[str, _Address]]:
        if self._target.path:
            return [("localhost", (socket.AF_UNIX, self._target.path))]
        found: list[tuple[str, _Address]] = []
        for host, port in self._target.hosts:
            try:
                async with asyncio.timeout(self._timeout_s):
                    infos = await asyncio.get_running_loop().getaddrinfo(
                        host, port, type=socket.SOCK_STREAM
                    )
            except TimeoutError:
                raise Unreachable(self._cannot("no answer from DNS"), is_tls=False) from None
            except (OSError, UnicodeError) as error:
                raise Unreachable(self._cannot(f"{error}"), is_tls=False) from error
            found += ((host, (info[0], info[4])) for info in infos)
        return found[:_MAX_ADDRESSES]

    async def _connect(self, host: str, address: _Address) -> Session:
        session = self._make_session()
        try:
            await self._open(session, host, address)
            await session.ready
            if session.is_leaving:
                raise ConnectionError("the server took the connection and gave it up at once")
        except BaseException:
            session.abort()
            raise
        return session

    async def _open(self, session: Session, host: str, address: _Address) -> None:
        loop = asyncio.get_running_loop()
        family, place = address
        connected = socket.socket(family, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)
            await loop.sock_connect(connected, place)  # type: ignore[arg-type]  # of any family
        except BaseException:
            connected.close()
            raise
        # From here on the socket is the transport's.
        await self._adopt(session, host, connected)

    async def _adopt(self, session: Session, host: str, connected: socket.socket) -> None:
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
                server_hostname=self._server_name or host,
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


def _shown(address: _Address) -> str:
    place = address[1]
    return f"{place[0]}:{place[1]}" if isinstance(place, tuple) else str(place)
