"""The answer of a server-streaming call, as a stream of HTTP body chunks.

The header waits for the first message, so an early error keeps its status. One message is in
memory at a time: the next is asked for when the client has taken the last.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog

from proxy.errors import ProxyError, StatusError
from proxy.exchange.messages import Outcome, StreamAnswer
from proxy.routing.table import RouteBinding
from proxy.status import Code
from proxy.transcoding.streams import StreamFormat
from proxy.upstreams import ReplyStream

_log: Final = structlog.get_logger("proxy.exchange")

_END: Final = b""
_BUG: Final = "internal error"


class StreamCut(ProxyError):
    """A stream failed after its header was sent, in a format that cannot say so."""


class StreamingReply:
    """One server-streaming call on its way to the client.

    *render_error* makes the JSON of a late error.
    """

    def __init__(
        self,
        binding: RouteBinding,
        replies: ReplyStream,
        stream_format: StreamFormat,
        outcome: Outcome,
        render_error: Callable[[StatusError, RouteBinding], bytes],
    ) -> None:
        self._binding = binding
        self._replies = replies
        self._messages = aiter(replies)
        self._format = stream_format
        self._outcome = outcome
        self._render_error = render_error

    async def answer(self) -> StreamAnswer:
        """Wait for the first message. Raises `StatusError` when the call ends in an error first."""
        try:
            metadata = await self._replies.metadata()
            first = await anext(self._messages, None)
            chunks, content_type = self._body(first)
        except BaseException:
            self._replies.cancel()
            raise
        headers = (("content-type", content_type), *self._binding.route.headers_of(metadata))
        return StreamAnswer(200, headers, chunks, self._close)

    async def _close(self) -> None:
        self._replies.cancel()

    def _body(self, first: bytes | None) -> tuple[AsyncIterator[bytes], str]:
        renderer = self._binding.response
        if renderer.raw:
            rendered = renderer.render(_END if first is None else first)
            return self._raw_chunks(rendered.body), rendered.content_type
        return self._framed_chunks(first), self._format.content_type

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

    async def _framed_chunks(self, first: bytes | None) -> AsyncIterator[bytes]:
        render, frames = self._binding.response.render, self._format
        try:
            if first is None:
                yield frames.opening
            else:
                yield frames.opening + frames.first(render(first).body)
                async for message in self._messages:
                    yield frames.next(render(message).body)
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

    def _bug(self, error: Exception) -> StreamCut:
        """A bug of ours costs one answer; there is no status left to say so."""
        _log.error("stream failed", rpc=self._binding.binding.rpc, exc_info=error)
        self._outcome.code, self._outcome.error = Code.INTERNAL, _BUG
        return StreamCut(_BUG)
