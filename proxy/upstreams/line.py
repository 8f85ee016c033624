"""The seam between an upstream and a transport: a line to one address, and attempts on it.

Belongs here: the protocols that grpcio and our own HTTP/2 both keep. Does not: which address a
call goes to (`members`), and whether it is made again (`attempts`).
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from proxy.upstreams import Call, Metadata, Reply
from proxy.upstreams.target import Address

#: States of a line, as gRPC calls them; "shutdown" is the one that is left.
READY: Final = "ready"
FAILING: Final = "transient_failure"


class StreamAttempt(Protocol):
    """One attempt at a server-streaming call."""

    async def read(self) -> bytes | None:
        """The next message, None after the last. Raises `UpstreamError`.

        Cancelling the task cancels the call.
        """
        ...

    async def metadata(self) -> Metadata:
        """Initial metadata; only when something was read."""
        ...

    async def trailers(self) -> Metadata:
        """Trailers; only after the last message."""
        ...

    def drop(self) -> None:
        """End the call now and forget what has come. Does nothing when it was read to its end."""
        ...


class Line(Protocol):
    """Connects to one address, again and again, and makes single attempts at calls on it.

    Deadlines are on the monotonic clock, in seconds. An attempt waits while the first connection
    is made, and fails at once when that has failed.
    """

    @property
    def state(self) -> str:
        """Idle, connecting, ready, transient_failure or shutdown."""
        ...

    def connect(self) -> None:
        """Begin to connect, unless connected or about to be."""
        ...

    def unary(self, call: Call, deadline_s: float) -> Awaitable[Reply]:
        """Make one attempt. Raises `UpstreamError`, at once or when awaited.

        Cancelling the task cancels the attempt.
        """
        ...

    def begin(self, call: Call, deadline_s: float) -> StreamAttempt:
        """Make one attempt at a unary-stream call. Raises `UpstreamError` when it cannot be."""
        ...

    async def close(self) -> None:
        """Close the connections. Calls still open end with CANCELLED."""
        ...


class OpenLine(Protocol):
    """How a transport opens a line, for the life of one upstream."""

    def __call__(self, address: Address | None, changed: Callable[[], None] | None) -> Line:
        """Open a line to *address*, which is a literal one; None: to the whole target.

        *changed* is called when the state has changed; None when nobody asks.
        """
        ...
