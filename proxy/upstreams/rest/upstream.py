"""The legacy host as an upstream: a request sent, its answer's header awaited.

Belongs here: one exchange over a connection, and when it may be repeated. Does not: connections
and bodies themselves.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import ClientError, StreamReader
from aiohttp.http import HttpProcessingError, RawResponseMessage

from proxy.errors import UpstreamError
from proxy.upstreams.closing import Closing
from proxy.upstreams.failure import ignore_error
from proxy.upstreams.rest.connection import Pool, bad_gateway
from proxy.upstreams.rest.exchange import Exchange, RestRequest, StaleConnection, end_to_end_headers
from proxy.upstreams.rest.head import request_head
from proxy.upstreams.rest.options import RestOptions, parse_url
from proxy.upstreams.rest.response import ResponseBody, RestResponse

#: Methods that a request may be sent twice with (RFC 9110 §9.2.1).
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class RestUpstream(Closing):
    """The legacy host. Make it in the event loop that will use it.

    *url* is scheme, host and port. *on_tls_error* is called when TLS could not be set up. Raises
    `ValueError` for a bad URL, `ConfigError` for a PEM file that cannot be read.
    """

    def __init__(
        self,
        url: str,
        options: RestOptions | None = None,
        *,
        on_tls_error: Callable[[UpstreamError], None] = ignore_error,
    ) -> None:
        self._address = parse_url(url)
        self._options = options or RestOptions()
        self._pool = Pool(self._address, self._options, on_tls_error)

    def __repr__(self) -> str:
        return f"<RestUpstream {self._pool!r}>"

    @property
    def inflight(self) -> int:
        """Requests that have begun and whose answers are not read yet."""
        return self._pool.inflight

    @property
    def refused(self) -> int:
        """Requests that got no connection because all were taken."""
        return self._pool.refused

    @property
    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self._pool.is_closed

    async def retire(self, timeout_s: float) -> bool:
        """Close when no request is under way any more, after *timeout_s* at the latest.

        Requests can be made until then. Gives whether all of them ended by themselves.
        """
        ended = await self._pool.until_idle(timeout_s)
        self._pool.close()
        return ended

    async def close(self) -> None:
        """Close the connections; answers that are being read end with an error."""
        self._pool.close()

    async def forward(self, request: RestRequest, timeout_s: float) -> RestResponse:
        """Send a request and wait for the header of its answer.

        *timeout_s* covers everything up to the header: a free connection, connecting, sending,
        sending again; for a body in pieces it starts anew with every piece. Raises
        `UpstreamError` (502 down or broken, 504 too slow), `LimitExceeded` (503), `RequestError`
        when the request is no HTTP, and whatever reading the request's body raises.

        A request is sent again only when it is safe, has no body, and a kept connection ended
        before any answer: then the host has closed it, idle, at the same moment.
        """
        head = request_head(
            request.http_method,
            request.target,
            request.headers,
            request.body,
            self._address.authority,
        )
        repeatable = request.body is None and request.http_method in _SAFE
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        pool = self._pool
        connection = await pool.acquire(deadline_s, fresh=False, surely_live=not repeatable)
        exchange = Exchange(connection, request, head, deadline_s, timeout_s, pool)
        try:
            return await self._answer(exchange)
        except StaleConnection as error:
            if not repeatable:
                raise bad_gateway("the legacy host closed the connection") from error
        connection = await pool.acquire(deadline_s, fresh=True, surely_live=False)
        return await self._answer(Exchange(connection, request, head, deadline_s, timeout_s, pool))

    async def _answer(self, exchange: Exchange) -> RestResponse:
        try:
            exchange.send()
            message, payload = await exchange.receive()
        except (ClientError, OSError, HttpProcessingError) as error:
            exchange.finish(whole=False)
            raise exchange.meaning_of(error) from error
        except BaseException:
            exchange.finish(whole=False)
            raise
        return self._response(exchange, message, payload)

    def _response(
        self, exchange: Exchange, message: RawResponseMessage, payload: StreamReader
    ) -> RestResponse:
        body = ResponseBody(payload, exchange.finish)
        whole: bytes | None = None
        if payload.is_eof():
            whole = payload.read_nowait()
            body.end(whole=True)
        else:
            exchange.connection.read_timeout = self._options.idle_timeout_s
            exchange.connection.start_timeout()
        length = message.headers.get("Content-Length")
        return RestResponse(
            message.code,
            message.reason,
            end_to_end_headers(message),
            None if length is None else int(length),
            body,
            whole,
        )
