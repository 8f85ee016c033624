"""The calls of a mirror: to the gRPC side as it would be called, to legacy as the client asked.

Belongs here: making them within the mirror's limits, their answers as documents. Does not: what an
answer is (`answers`), what goes with a call (`carried`), comparing (`examiner`).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from proxy.comparison.documents import Document
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import MirrorOptions
from proxy.errors import LimitExceeded, StatusError
from proxy.routing.table import Route
from proxy.shadow.answers import (
    NO_UPSTREAM,
    TIMEOUT,
    TOO_LARGE,
    Answered,
    error_document,
    grpc_failure,
    legacy_failure,
)
from proxy.shadow.carried import Carrier
from proxy.shadow.sample import Failed, Sample
from proxy.transcoding.metadata import Pairs, call_timeout_s
from proxy.transcoding.response import ResponseRenderer
from proxy.transcoding.streams import StreamFormat, choose_format
from proxy.upstreams import Call, Metadata, Upstream
from proxy.upstreams.rest import RestRequest, RestResponse, RestUpstream

#: Bytes of a message that are rendered on the event loop; larger ones are in a thread, where no
#: step holds up the loop for longer than the interpreter's switch interval.
INLINE_RENDER_BYTES: Final = 16 << 10
#: Characters of a version that are kept; a server may say anything.
_MAX_VERSION: Final = 64
#: Seconds beside the calls: the comparisons, of which the helper process is given five at most.
_BESIDE_CALLS_S: Final = 12.0


def longest_s(mirror: MirrorOptions) -> float:
    """Seconds that an examination may take at all: its calls, the wait before a second round."""
    once = mirror.timeout_s + _BESIDE_CALLS_S
    if mirror.reverify_after_s is None:
        return once
    return once + mirror.reverify_after_s + mirror.timeout_s


class Prepared:
    """A request as the gRPC side would get it: *message*, and *metadata* of the call."""

    __slots__ = ("message", "metadata")

    def __init__(self, message: Message, metadata: Pairs) -> None:
        self.message = message
        self.metadata = metadata

    def __repr__(self) -> str:
        return f"<Prepared {self.message.DESCRIPTOR.full_name}>"


class Legs:
    """Makes the calls of mirrors of one snapshot, over upstreams that no primary uses.

    *pool* has the types of error details. *upstreams* are by name; *legacy* is None where there is
    none. *version_metadata* says by upstream in which metadata its servers tell their version.
    """

    def __init__(
        self,
        pool: DescriptorPool,
        upstreams: Mapping[str, Upstream],
        legacy: RestUpstream | None,
        carrier: Carrier,
        *,
        version_metadata: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._upstreams = upstreams
        self._legacy = legacy
        self._carrier = carrier
        self._version_metadata = version_metadata
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Legs upstreams={len(self._upstreams)} legacy={self._legacy!r}>"

    # --- gRPC

    def prepare(self, sample: Sample, mirror: MirrorOptions) -> Prepared:
        """Make the message and the metadata of a request. Raises `StatusError`, as `exchange`."""
        route, headers = sample.binding.route, sample.headers
        if len(sample.body) > route.max_request_bytes:
            text = f"the body is larger than {route.max_request_bytes} bytes"
            raise LimitExceeded(text, http_status=413)
        content_type = headers.get("content-type")
        built = sample.binding.request.build(
            sample.captures, sample.query, sample.body, content_type
        )
        call_timeout_s(route.timeout_s, headers.get("grpc-timeout"))
        return Prepared(built.message, self._carrier.metadata(sample, mirror))

    def refusal(self, error: StatusError, sample: Sample) -> Document:
        """The answer to a request that cannot be prepared."""
        return error_document(error, self._pool, sample.binding.route)

    async def grpc(
        self, sample: Sample, prepared: Prepared, mirror: MirrorOptions
    ) -> Answered | Failed:
        """Call the gRPC side. Raises nothing but cancellation."""
        route = sample.binding.route
        upstream = self._upstreams.get(route.upstream or "")
        if upstream is None:
            return NO_UPSTREAM
        call = Call(
            route.method_path,
            prepared.message.SerializePartialToString(),
            prepared.metadata,
            mirror.timeout_s,
        )
        started_s = self._clock()
        try:
            async with asyncio.timeout(mirror.timeout_s):
                document, metadata = await self._called(upstream, call, sample, mirror)
        except TimeoutError:
            return TIMEOUT
        except StatusError as error:
            failed = grpc_failure(error)
            if failed is not None:
                return failed
            document = error_document(error, self._pool, route)
            metadata = getattr(error, "metadata", ())
        if document is None:
            return TOO_LARGE
        return Answered(document, self._clock() - started_s, self._version(route, metadata))

    async def _called(
        self, upstream: Upstream, call: Call, sample: Sample, mirror: MirrorOptions
    ) -> tuple[Document | None, Metadata]:
        """The document and the metadata of a reply; no document for one that is too large."""
        binding = sample.binding
        if binding.route.cardinality.response_streams:
            return await _Streamed(sample, mirror).read(upstream, call)
        reply = await upstream.unary(call)
        metadata = reply.metadata + reply.trailers
        if len(reply.message) > mirror.max_response_bytes:
            return None, metadata
        content_type, body = await rendered(binding.response, reply.message)
        if len(body) > mirror.max_response_bytes:
            return None, metadata
        headers = (("content-type", content_type), *binding.route.headers_of(metadata))
        return Document(200, headers, body), metadata

    def _version(self, route: Route, metadata: Metadata) -> str:
        """What the server calls itself, "" when it does not say or is not asked."""
        name = self._version_metadata.get(route.upstream or "")
        for key, value in metadata if name else ():
            if key == name and isinstance(value, str) and value.isprintable():
                return value[:_MAX_VERSION]
        return ""

    # --- legacy

    async def legacy(self, sample: Sample, mirror: MirrorOptions) -> Answered | Failed:
        """Ask the legacy host what the client asked. Raises nothing but cancellation.

        Only for safe requests: a legacy host knows no mirrors, and would do a write twice.
        """
        if self._legacy is None or sample.binding.route.safety is not Safety.SAFE:
            return NO_UPSTREAM
        request = RestRequest(
            sample.http_method,
            sample.target,
            self._carrier.headers(sample, mirror),
            sample.body or None,
        )
        started_s = self._clock()
        try:
            async with asyncio.timeout(mirror.timeout_s):
                response = await self._legacy.forward(request, mirror.timeout_s)
                body = await _whole(response, mirror.max_response_bytes)
        except TimeoutError:
            return TIMEOUT
        except StatusError as error:
            return legacy_failure(error)
        if body is None:
            return TOO_LARGE
        document = Document(response.status, response.headers, body)
        return Answered(document, self._clock() - started_s)


async def _whole(response: RestResponse, max_bytes: int) -> bytes | None:
    """The body of an answer, None when it is larger than *max_bytes*: then no more is read."""
    try:
        if response.whole is not None:
            return response.whole if len(response.whole) <= max_bytes else None
        pieces, size = [], 0
        async for piece in response.body:
            size += len(piece)
            if size > max_bytes:
                return None
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        await response.close()


async def rendered(renderer: ResponseRenderer, wire: bytes) -> tuple[str, bytes]:
    """The content type and the body of a message. Raises `UpstreamError`."""
    if len(wire) <= INLINE_RENDER_BYTES:
        return renderer.render(wire)
    return await asyncio.to_thread(renderer.render, wire)


class _Streamed:
    """The answer of a server-streaming call as one document, up to the mirror's limits.

    One message more than is compared is read, so that it can be told that there are more.
    """

    def __init__(self, sample: Sample, mirror: MirrorOptions) -> None:
        accept = ",".join(sample.headers.getall("accept", ()))
        self._binding = sample.binding
        self._mirror = mirror
        self._format: StreamFormat = choose_format(accept, sample.binding.route.stream_format)
        self._pieces: list[bytes] = []
        self._content_type = self._format.content_type
        self._size = 0
        self._count = 0

    async def read(self, upstream: Upstream, call: Call) -> tuple[Document | None, Metadata]:
        replies = upstream.stream(call)
        metadata: Metadata = ()
        complete = True
        try:
            metadata = await replies.metadata()
            async for message in replies:
                await self._take(message)
                if self._size > self._mirror.max_response_bytes:
                    return None, metadata
                if self._count > self._mirror.max_messages:
                    break
        except StatusError as error:
            if not self._count or grpc_failure(error) is not None:
                raise
            complete = False
        finally:
            replies.cancel()
        return self._document(metadata, complete=complete), metadata

    async def _take(self, message: bytes) -> None:
        self._size += len(message)
        if self._size > self._mirror.max_response_bytes:
            return
        content_type, body = await rendered(self._binding.response, message)
        if self._binding.response.raw:
            self._content_type = self._content_type if self._count else content_type
        elif self._count:
            body = self._format.next(body)
        else:
            body = self._format.first(body)
        self._size += max(0, len(body) - len(message))
        self._count += 1
        self._pieces.append(body)

    def _document(self, metadata: Metadata, *, complete: bool) -> Document:
        body, content_type = b"".join(self._pieces), self._content_type
        if self._binding.response.raw:
            if not self._count:
                content_type, _ = self._binding.response.render(b"")
        else:
            body = self._format.opening + body + (self._format.closing if complete else b"")
        headers = (("content-type", content_type), *self._binding.route.headers_of(metadata))
        return Document(200, headers, body, complete)
