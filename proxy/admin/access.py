"""Who may use the admin port: anybody for health, a bearer token for changes.

Belongs here: the one check that stands before every handler. Does not: what the handlers do.

Browsers are kept out of what is not meant for them. A page of another origin cannot make a
change: that takes a header which a browser asks leave for first, and no leave is given here
(no CORS). It cannot read either, unless its name is made to point here (DNS rebinding); so a
port on loopback, which nobody else can reach, answers to addresses and `localhost` alone. On
other addresses any name may be a good one, and reads need the token unless they were opened.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import ip_address
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy.admin.answers import refusal

#: What probes ask, which carry no credentials.
_PROBES: Final = frozenset({"/-/healthy", "/-/ready"})
_READS: Final = frozenset({"GET", "HEAD"})
_BEARER: Final = "bearer "
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="cutover"'}
_NO_TOKEN: Final = "changes are off: the configuration names no admin.token_file"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Access:
    """Lets requests pass by *token*; without one, nothing can be changed and all can be read.

    *open_reads* lets everybody read though there is a token. *on_loopback* says that only this
    host can reach the port.
    """

    token: str | None = field(repr=False)
    open_reads: bool = False
    on_loopback: bool = False

    def refuse(
        self, http_method: str, path: str, authorization: str = "", host: str | None = None
    ) -> web.Response | None:
        """The answer to whoever may not; None for whoever may."""
        if self.on_loopback and host is not None and not is_local_name(host):
            return refusal(403, "this port answers to its address and to localhost alone")
        if http_method in _READS and (self.open_reads or self.token is None or path in _PROBES):
            return None
        if self.token is None:
            return refusal(403, _NO_TOKEN)
        if _is_same(authorization, self.token):
            return None
        return refusal(401, "a bearer token is needed, and it must be the right one", _CHALLENGE)


def is_local_name(host: str) -> bool:
    """Whether the Host header *host* is an address or localhost, whatever the port.

    >>> [is_local_name(host) for host in ("127.0.0.1:9901", "[::1]:9901", "LOCALHOST")]
    [True, True, True]
    >>> [is_local_name(host) for host in ("evil.example:9901", "127.0.0.1.evil.example", "")]
    [False, False, False]
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_same(authorization: str, token: str) -> bool:
    """Compare digests, in constant time: the time taken tells nothing of the token."""
    scheme, given = authorization[: len(_BEARER)], authorization[len(_BEARER) :].strip()
    return scheme.lower() == _BEARER and hmac.compare_digest(_digest(given), _digest(token))


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogateescape")).digest()


def guarded_by(access: Callable[[], Access]) -> Middleware:
    """The middleware that asks *access*, anew for each request: tokens rotate."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        refused = access().refuse(
            request.method, request.path, headers.get("authorization", ""), headers.get("host")
        )
        return refused or await handler(request)

    return guard
