"""The calls of a mirror: to the gRPC side as it would be called, to legacy as the client asked.

Belongs here: making them within the mirror's limits, their answers as documents. Does not: what an
answer is (`answers`), what goes with a call (`carried`), comparing (`examiner`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from google.protobuf.message import Message

from proxy.comparison.documents import Document
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import MirrorOptions
from proxy.errors import LimitExceeded, RequestError, StatusError, UpstreamError
from proxy.routing.table import Route
from proxy.shadow.answers import (
    HELPER,
    NO_UPSTREAM,
    TIMEOUT,
    TOO_LARGE,
    Answered,
    error_document,
    grpc_failure,
    legacy_failure,
)
from proxy.shadow.called import Called, Render, Unrendered
from proxy.shadow.carried import Carrier
from proxy.shadow.comparing import Made
from proxy.shadow.sample import Failed, Sample
from proxy.transcoding.metadata import Pairs
from proxy.upstreams import Call, Metadata, Upstream
from proxy.upstreams.rest import RestRequest, RestResponse, RestUpstream

#: Characters of a version that are kept; a server may say anything.
_MAX_VERSION: Final = 64
#: Seconds beside the calls: the comparisons, of which the helper process is given five at most.
_BESIDE_CALLS_S: Final = 12.0
#: Seconds that a call gets to end by its own deadline before it is cancelled. With grpcio a call
#: that is cancelled while it waits leaves about a kilobyte behind for good (grpc/grpc#43360).
_LATE_S: Final = 0.5

#: Makes the message of a request; None when it cannot be told what it is.
Build = Callable[[Sample], Awaitable[Made | None]]


def longest_s(mirror: MirrorOptions) -> float:
    """Seconds that an examination may take at all: its calls, the wait before a second round."""
    once = mirror.timeout_s + _BESIDE_CALLS_S
    if mirror.reverify_after_s is None:
        return once
    return once + mirror.reverify_after_s + mirror.timeout_s


class Prepared:
    """A request as the gRPC side would get it: *message*, and *metadata* of the call.

    *documents* are its body and what the message makes of it, None where there is no such.
    """

    __slots__ = ("documents", "message", "metadata")

    def __init__(
        self,
        message: Message,
        metadata: Pairs,
        documents: tuple[Document, Document] | None,
    ) -> None:
        self.documents = documents
        self.message = message
        self.metadata = metadata

    def __repr__(self) -> str:
        return f"<Prepared {self.message.DESCRIPTOR.full_name}>"


class Legs:
    """Makes the calls of mirrors of one snapshot, over upstreams that no primary uses.

    *upstreams* are by name; *legacy* is None where there is
    none. *version_metadata* says by upstream in which metadata its servers tell their version.
    """

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        legacy: RestUpstream | None,
        carrier: Carrier,
        *,
        version_metadata: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._upstreams = upstreams
        self._legacy = legacy
        self._carrier = carrier
        self._version_metadata = version_metadata
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Legs upstreams={len(self._upstreams)} legacy={self._legacy!r}>"

    # --- gRPC

    async def prepare(
        self, sample: Sample, mirror: MirrorOptions, build: Build
    ) -> Prepared | Failed:
        """Make the message and the metadata of a request; *build* makes the message.

        Raises `StatusError`, as `exchange` does.
        """
        route, headers = sample.binding.route, sample.headers
        if len(sample.body) > route.max_request_bytes:
            text = f"the body is larger than {route.max_request_bytes} bytes"
            raise LimitExceeded(text, http_status=413)
        if len(sample.captures) != len(sample.binding.request.variables):
            # The table gives none for a path with escapes that nobody can decode.
            raise RequestError("the path cannot be decoded")
        made = await build(sample)
        if made is None:
            return HELPER
        route.call_timeout_s(headers.get("grpc-timeout"))
        metadata = self._carrier.metadata(sample, mirror)
        if sample.asked is not None and sample.binding.outcomes is not None:
            sample.binding.outcomes.enter(sample.asked, made.message)
            metadata += sample.asked.metadata
        return Prepared(made.message, metadata, made.documents)

    def refusal(self, error: StatusError, sample: Sample) -> Document:
        """The answer to a request that cannot be prepared."""
        return error_document(error, sample)

    async def grpc(
        self, sample: Sample, prepared: Prepared, mirror: MirrorOptions, render: Render
    ) -> Answered | Failed:
        """Call the gRPC side; *render* renders messages. Raises nothing but cancellation.

        To render is ours, and takes no part of the time that the server is given.
        """
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
        called, started_s = Called(sample, mirror, render, self._clock), self._clock()
        try:
            async with asyncio.timeout(mirror.timeout_s + _LATE_S):
                received = await called.receive(upstream, call)
        except TimeoutError:
            return TIMEOUT
        except Unrendered as unrendered:
            return unrendered.failed
        except StatusError as error:
            return self._failed(error, sample, self._clock() - started_s)
        seconds = self._clock() - started_s
        try:
            document = await called.document(received)
        except Unrendered as unrendered:
            return unrendered.failed
        except StatusError as error:
            return self._failed(error, sample, seconds)
        version = self._version(route, received.metadata + received.trailers)
        return Answered(document, seconds, version)

    def _failed(self, error: StatusError, sample: Sample, seconds: float) -> Answered | Failed:
        """What a call that ended with *error* came to: an application's error is its answer."""
        failed = grpc_failure(error)
        if failed is not None:
            return failed
        version = self._version(sample.binding.route, getattr(error, "metadata", ()))
        outcomes, asked = sample.binding.outcomes, sample.asked
        if asked is not None and outcomes is not None and isinstance(error, UpstreamError):
            error = outcomes.failed(asked, error)
        return Answered(error_document(error, sample), seconds, version)

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
