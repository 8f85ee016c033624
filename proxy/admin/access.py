"""Who may use the admin port: anybody for health, a bearer token for changes.

Belongs here: the one check that stands before every handler. Does not: what the handlers do.
"""

import hmac
from collections.abc import Callable
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


class Access:
    """Lets requests pass by *token*; without one, nothing can be changed and all can be read.

    *open_reads* lets everybody read though there is a token.
    """

    def __init__(self, token: str | None, *, open_reads: bool) -> None:
        self._token = token
        self._open_reads = open_reads or token is None

    def __repr__(self) -> str:
        return f"<Access token={self._token is not None} open_reads={self._open_reads}>"

    def refuse(self, http_method: str, path: str, authorization: str) -> web.Response | None:
        """The answer to whoever may not; None for whoever may."""
        if http_method in _READS and (self._open_reads or path in _PROBES):
            return None
        if self._token is None:
            return refusal(403, _NO_TOKEN)
        if self._is_ours(authorization):
            return None
        return refusal(401, "a bearer token is needed, and it must be the right one", _CHALLENGE)

    def _is_ours(self, authorization: str) -> bool:
        """Compare in constant time, so that the time taken tells nothing of the token."""
        if self._token is None or not authorization.lower().startswith(_BEARER):
            return False
        given = authorization[len(_BEARER) :].strip()
        return hmac.compare_digest(
            given.encode("utf-8", "surrogateescape"), self._token.encode("utf-8")
        )


def guarded_by(access: Callable[[], Access]) -> Middleware:
    """The middleware that asks *access*, anew for each request: tokens rotate."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        authorization = request.headers.get("authorization", "")
        refused = access().refuse(request.method, request.path, authorization)
        return refused or await handler(request)

    return guard
