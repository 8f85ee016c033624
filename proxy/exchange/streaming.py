"""The answer of a server-streaming call, as a stream of HTTP body chunks.

The header waits for the first message, so an early error keeps its status. One message is in
memory at a time: the next is asked for when the client has taken the last.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog

from proxy.errors import ProxyError, StatusError
from proxy.exchange.messages import Outcome, StreamAnswer
from proxy.routing.table import RouteBinding
from proxy.status import Code
from proxy.transcoding.httpbody import Content
from proxy.transcoding.streams import StreamFormat
from proxy.upstreams import ReplyStream

_log: Final = structlog.get_logger("proxy.exchange")

_END: Final = b""
_BUG: Final = "internal error"


class StreamCut(ProxyError):
    """A stream failed after its header was sent, in a format that cannot say so."""


class StreamingReply:
    """One server-streaming call on its way to the client.

    *render_error* makes the JSON of a late error. After *keep_alive_s* without a message a format
    that can says so, lest somebody on the way takes the connection for dead. *change* is what
    becomes of each message when it is JSON already; None where it stays as it is.
    """

    def __init__(
        self,
        binding: RouteBinding,
        replies: ReplyStream,
        stream_format: StreamFormat,
        outcome: Outcome,
        render_error: Callable[[StatusError, RouteBinding], bytes],
        keep_alive_s: float,
        change: Callable[[Content], Awaitable[Content]] | None = None,
    ) -> None:
        self._binding = binding
        self._replies = replies
        self._messages = aiter(replies)
        self._format = stream_format
        self._outcome = outcome
        self._render_error = render_error
        self._keep_alive_s = keep_alive_s
        self._change = change
        self._pending: asyncio.Future[bytes | None] | None = None

    async def answer(self) -> StreamAnswer:
        """Wait for the first message. Raises `StatusError` when the call ends in an error first."""
        try:
            metadata = await self._replies.metadata()
            first = await anext(self._messages, None)
            chunks, content_type = await self._body(first)
        except BaseException:
            self._replies.cancel()
            raise
        headers = (("content-type", content_type), *self._binding.route.headers_of(metadata))
        return StreamAnswer(200, headers, chunks, self._close)

    async def _close(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
        self._replies.cancel()

    async def _body(self, first: bytes | None) -> tuple[AsyncIterator[bytes], str]:
        renderer = self._binding.response
        if renderer.raw:
            rendered = renderer.render(_END if first is None else first)
            return self._raw_chunks(rendered.body), rendered.content_type
        # Rendered here and not below, so that an answer that is no message keeps its status.
        opening = b"" if first is None else self._format.first(await self._json(first))
        return self._framed_chunks(opening, first is None), self._format.content_type

    async def _json(self, message: bytes) -> bytes:
        content = self._binding.response.render(message)
        return content.body if self._change is None else (await self._change(content)).body

    async def _raw_chunks(self, first: bytes) -> AsyncIterator[bytes]:
        """The data of `google.api.HttpBody` messages, with nothing between them."""
        yield first
        try:
            async for message in self._messages:
                yield self._binding.response.render(message).body
        except StatusError as error:
            self._outcome.broke_off(error)
            raise StreamCut(error.status.message) from error
        except Exception as error:
            raise self._bug(error) from error
        self._outcome.code = Code.OK

    async def _framed_chunks(self, first: bytes, is_empty: bool) -> AsyncIterator[bytes]:
        frames = self._format
        idle, change = frames.keep_alive or b"", self._change
        render = self._binding.response.render
        try:
            yield frames.opening + first
            if not is_empty:
                async for message in self._source():
                    if message is None:
                        yield idle
                        continue
                    content = render(message)
                    yield frames.next((content if change is None else await change(content)).body)
        except StatusError as error:
            self._outcome.broke_off(error)
            frame = frames.error(self._render_error(error, self._binding))
            if frame is None:
                raise StreamCut(error.status.message) from error
            yield frame
            return
        except Exception as error:
            raise self._bug(error) from error
        self._outcome.code = Code.OK
        yield frames.closing

    def _source(self) -> AsyncIterator[bytes | None]:
        return self._messages if self._format.keep_alive is None else self._messages_or_idle()

    async def _messages_or_idle(self) -> AsyncIterator[bytes | None]:
        """The messages, with None whenever none has come for a while."""
        while True:
            self._pending = asyncio.ensure_future(anext(self._messages, None))
            while not (await asyncio.wait({self._pending}, timeout=self._keep_alive_s))[0]:
                yield None
            message = self._pending.result()
            if message is None:
                return
            yield message

    def _bug(self, error: Exception) -> StreamCut:
        """A bug of ours costs one answer; there is no status left to say so."""
        _log.error("stream failed", rpc=self._binding.binding.rpc, exc_info=error)
        self._outcome.code, self._outcome.error = Code.INTERNAL, _BUG
        return StreamCut(_BUG)
