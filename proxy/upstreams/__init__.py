"""The seam to gRPC upstreams: what a call is, and the one protocol that makes it.

Bytes in and bytes out; `upstreams.grpc` is the transport over grpcio. The legacy side has a
seam of its own, `upstreams.rest`, since it carries HTTP untouched rather than messages.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

#: gRPC metadata as pairs: lower-case names; `bytes` values only for names that end in "-bin".
Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call with one request message. *method* is the path `/pkg.Service/Method`.

    *idempotent* says that the call may be sent again (`IDEMPOTENT`, `NO_SIDE_EFFECTS`, or a safe
    HTTP method).
    """

    method: str
    message: bytes
    metadata: Metadata
    timeout_s: float
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The one answer of a unary call, with initial metadata and trailers."""

    message: bytes
    metadata: Metadata
    trailers: Metadata


class ReplyStream(Protocol):
    """The answer of a server-streaming call, read one message at a time.

    Iterating raises `UpstreamError` when the call ends with an error, and `LimitExceeded` (503)
    at first when too many calls are open. A message is read from the
    transport only when it is asked for, so a slow reader slows the server down.
    """

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def metadata(self) -> Metadata:
        """Initial metadata; waits for it. Raises `UpstreamError` when the call fails first."""
        ...

    async def trailers(self) -> Metadata:
        """Trailers; only after the iteration has ended without an error."""
        ...

    def cancel(self) -> None:
        """End the call now. Does nothing when it has ended."""
        ...


class Upstream(Protocol):
    """A gRPC server that we call."""

    async def unary(self, call: Call) -> Reply:
        """Make a unary-unary call. Cancelling the task cancels the call.

        Raises `UpstreamError`, and `LimitExceeded` (503) when too many are open.
        """
        ...

    def stream(self, call: Call) -> ReplyStream:
        """Start a unary-stream call; errors appear when the answer is read."""
        ...

    async def close(self) -> None:
        """Close the connections. Calls still open end with CANCELLED."""
        ...
