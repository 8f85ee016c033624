"""The answer of the legacy host, its body read as the client takes it.

Belongs here: reading a body and giving the connection back. Does not: getting the answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import ClientError, StreamReader

from proxy.upstreams.closing import Closing
from proxy.upstreams.rest.connection import bad_gateway


class ResponseBody:
    """The bytes of a body as they come in. *done* is called once, with whether all was read."""

    __slots__ = ("_done", "_ended", "_payload")

    def __init__(self, payload: StreamReader, done: Callable[[bool], None]) -> None:
        self._payload = payload
        self._done = done
        self._ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        try:
            data = await self._payload.readany()
        except (ClientError, OSError) as error:
            self.end(whole=False)
            raise bad_gateway(f"the legacy host's answer broke off: {error}") from error
        except asyncio.CancelledError:
            self.end(whole=False)
            raise
        if not data:
            self.end(whole=True)
            raise StopAsyncIteration
        return data

    def end(self, *, whole: bool) -> None:
        """Read no further."""
        if not self._ended:
            self._ended = True
            self._done(whole)


class RestResponse(Closing):
    """An answer: status, headers of the end-to-end kind, a body. Close it in any case.

    *length* is what Content-Length announces, None without one; an answer to HEAD and a 304
    announce bytes that never come. *whole* is the body when all of it is here already, else None:
    then it is read from *body*, which raises `UpstreamError` when it breaks off. An answer whose
    body broke off must never look complete to the client.
    """

    __slots__ = ("body", "headers", "length", "reason", "status", "whole")

    def __init__(
        self,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...],
        length: int | None,
        body: ResponseBody,
        whole: bytes | None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.length = length
        self.body = body
        self.whole = whole

    def __repr__(self) -> str:
        return f"<RestResponse {self.status} length={self.length}>"

    async def close(self) -> None:
        """Stop reading; a connection with an unread rest is not used again."""
        self.body.end(whole=False)
