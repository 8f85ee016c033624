"""The answer of one mirrored gRPC call: read up to the mirror's limits, and made a document.

Belongs here: from the server's messages to what a client would have got. Does not: when a call is
made, and with what (`legs`), errors as documents (`answers`).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from proxy.comparison.documents import Document
from proxy.cutover.mirror import MirrorOptions
from proxy.errors import StatusError
from proxy.routing.table import RouteBinding
from proxy.shadow.answers import HELPER, TOO_LARGE, grpc_failure
from proxy.shadow.sample import Failed, Sample
from proxy.shape.outcomes.asked import Replied, Values
from proxy.transcoding.httpbody import Content
from proxy.transcoding.metadata import Headers
from proxy.transcoding.streams import StreamFormat
from proxy.upstreams import Call, Metadata, Reply, Upstream
from proxy.upstreams.pages import read_page, replied

#: Makes an answer's content of a message; None when it cannot be told what it is.
Render = Callable[[RouteBinding, bytes, Values | None], Awaitable[Content | None]]


class Unrendered(Exception):
    """An answer that is not to be compared; *failed* says why."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed)
        self.failed = failed


class Received(NamedTuple):
    """The messages of an answer as they came, and whether they are all."""

    wires: Sequence[bytes]
    metadata: Metadata
    complete: bool = True
    trailers: Metadata = ()
    has_next: bool | None = None


class Called:
    """The answer of one gRPC call as a document, up to the mirror's limits.

    Of a stream one message more than is compared is read, so that it can be told that there are
    more.
    """

    def __init__(
        self,
        sample: Sample,
        mirror: MirrorOptions,
        render: Render,
        clock: Callable[[], float],
    ) -> None:
        self._sample = sample
        self._clock = clock
        self._binding = sample.binding
        self._mirror = mirror
        self._render = render
        self._size = 0

    # --- from the server

    async def receive(self, upstream: Upstream, call: Call) -> Received:
        """What the server sends. Raises `StatusError` and `Unrendered`."""
        if self._binding.route.cardinality.response_streams:
            return await self._stream(upstream, call)
        replied = await self._replied(upstream, call)
        return Received(
            (replied.wire,),
            replied.metadata,
            trailers=replied.trailers,
            has_next=replied.has_next,
        )

    async def _replied(self, upstream: Upstream, call: Call) -> Replied:
        """The answer of a unary call; of a page that takes several, the whole page."""
        outcomes, asked = self._binding.outcomes, self._sample.asked

        async def make(each: Call) -> Reply:
            reply = await upstream.unary(each)
            self._take(len(reply.message))
            return reply

        walk = None if outcomes is None or asked is None else outcomes.walk(asked)
        if walk is None:
            return replied(await make(call))
        return await read_page(walk, call, make, self._clock)

    async def _stream(self, upstream: Upstream, call: Call) -> Received:
        replies = upstream.stream(call)
        wires: list[bytes] = []
        complete = True
        try:
            metadata = await replies.metadata()
            async for message in replies:
                self._take(len(message))
                wires.append(message)
                if len(wires) > self._mirror.max_messages:
                    break
        except StatusError as error:
            if not wires or grpc_failure(error) is not None:
                raise
            complete = False
        finally:
            replies.cancel()
        return Received(wires, metadata, complete)

    def _take(self, size: int) -> None:
        self._size += size
        if self._size > self._mirror.max_response_bytes:
            raise Unrendered(TOO_LARGE)

    # --- as a client would get it

    async def document(self, received: Received) -> Document:
        """What was received as an answer. Raises `StatusError` and `Unrendered`."""
        if not self._binding.route.cardinality.response_streams:
            return await self._whole(received)
        contents: list[Content] = []
        complete = received.complete
        try:
            for wire in received.wires:
                contents.append(await self._rendered(wire))  # noqa: PERF401 - all before an error
        except StatusError:
            if not contents:
                raise
            complete = False
        return self._document(self._joined(contents, complete), received, complete=complete)

    async def _whole(self, received: Received) -> Document:
        """The one message of an answer, with the status and headers that a shape says."""
        outcomes, asked, [wire] = self._binding.outcomes, self._sample.asked, received.wires
        if outcomes is None or asked is None:
            return self._document(await self._rendered(wire), received)
        replied = Replied(wire, received.metadata, received.trailers, received.has_next)
        subject = outcomes.subject(asked, replied)
        content = await self._rendered(wire, outcomes.values(subject))
        headers = self._headers(received)
        return Document(*outcomes.answer(subject, content.body, content.content_type, headers))

    async def _rendered(self, wire: bytes, values: Values | None = None) -> Content:
        """A message as it is sent to clients, if there is room for it still."""
        content = await self._render(self._binding, wire, values)
        if content is None:
            raise Unrendered(HELPER)
        self._take(len(content.body) - len(wire))
        return content

    def _document(self, content: Content, received: Received, *, complete: bool = True) -> Document:
        headers = (("content-type", content.content_type), *self._headers(received))
        return Document(200, headers, content.body, complete)

    def _headers(self, received: Received) -> Headers:
        """The headers that come of metadata and trailers."""
        route = self._binding.route
        trailers = route.trailers_of(received.trailers, self._sample.headers)
        return (*route.headers_of(received.metadata), *trailers)

    def _joined(self, contents: Sequence[Content], complete: bool) -> Content:
        """The messages one after another, as the client asked for them."""
        renderer = self._binding.response
        if renderer.raw:
            first = contents[0] if contents else renderer.render(b"")
            return Content(first.content_type, b"".join(each.body for each in contents))
        accept = ",".join(self._sample.headers.getall("accept", ()))
        frames = self._binding.streams.of(accept)
        return Content(frames.content_type, _framed(frames, contents, complete))


def _framed(frames: StreamFormat, contents: Sequence[Content], complete: bool) -> bytes:
    later = (frames.next(each.body) for each in contents[1:])
    first = (frames.first(each.body) for each in contents[:1])
    return b"".join((frames.opening, *first, *later, frames.closing if complete else b""))
