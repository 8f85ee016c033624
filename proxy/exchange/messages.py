"""What an exchange takes and gives: HTTP as values, free of any server's types.

Belongs here: the request as it came, the three kinds of answer, the outcome that telemetry reads.
Does not: how they are read from or written to a connection (`server`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from multidict import CIMultiDictProxy

from proxy.cutover.decision import FELL_BACK, REFUSED, Decision
from proxy.cutover.fallback import FallbackReason
from proxy.errors import LimitExceeded, StatusError, UpstreamError
from proxy.routing.table import RouteBinding
from proxy.shadow.capture import Capture
from proxy.status import Code

#: Response headers in order; names as they go on the wire.
Headers = tuple[tuple[str, str], ...]


def body_too_large(limit: int) -> LimitExceeded:
    """The refusal (413) of a body of more than *limit* bytes."""
    return LimitExceeded(f"the body is larger than {limit} bytes", http_status=413)


class BodyReader(Protocol):
    """A request's body, not read yet."""

    @property
    def length(self) -> int | None:
        """Bytes announced by Content-Length; 0 when there is no body, None when it is chunked."""
        ...

    @property
    def received(self) -> int:
        """Bytes read so far."""
        ...

    async def read(self, limit: int) -> bytes:
        """Read it whole, inflated. Raises `LimitExceeded` (413) past *limit* bytes.

        What it takes is kept as it came: `arrived` and `chunks` give it again.
        """
        ...

    @property
    def is_awaited(self) -> bool:
        """Whether more of it is waited for just now, the client being slower than the taker."""
        ...

    async def gather(self) -> None:
        """Wait until it is here, or so much of it that the rest will come too. Raises as `read`.

        Nothing is waited for where the client waits itself: to be told to go on, or, having sent
        a chunk, for a part of the answer.
        """
        ...

    def arrived(self) -> bytes | None:
        """All of it, as it came, when it is here already; else None, and nothing is taken."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Read it piece by piece, as it came."""
        ...


@dataclass(slots=True)
class Request:
    """A request as it came. *target* is *path* and, after a "?", *query*: raw, still encoded.

    *path* and *query* are those of the target, whatever its form; *client* is the peer's address,
    *scheme* "http" or "https". *send_interim* passes a 1xx answer on: status, phrase, headers.
    """

    http_method: str
    target: str
    path: str
    query: str
    headers: CIMultiDictProxy[str]
    body: BodyReader
    client: str
    scheme: str
    send_interim: Callable[[int, str, Headers], None]


@dataclass(slots=True)
class Answer:
    """A whole answer. *as_is* says that *headers* are the legacy host's: none is added."""

    http_status: int
    headers: Headers
    body: bytes = b""
    as_is: bool = False
    reason_phrase: str | None = None


@dataclass(slots=True)
class StreamAnswer:
    """An answer whose body comes in pieces.

    *length* is the body's size when *headers* announce it. When iterating *chunks* raises, the
    answer is incomplete and the connection must be aborted, so that the client notices. Whoever
    writes the answer calls `close` in any case, and counts the bytes of body in *sent*.
    """

    http_status: int
    headers: Headers
    chunks: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]
    as_is: bool = False
    reason_phrase: str | None = None
    length: int | None = None
    sent: int = 0


@dataclass(slots=True)
class Outcome:
    """What happened to one request, filled in on its way; the access log and metrics read it.

    *code* is the gRPC code of the answer, None for one of the legacy side. *error_status* is the
    HTTP status that an error has without tables of its route, 0 for no error. *upstream_s* is the
    time in which an upstream was waited for until its answer began; *upstream_failed* says that
    the error is its own. *streamed* says that the answer came in pieces, so that the rest of the
    time was the upstream's and the client's too.

    *decision* is what came true; *decided* what was decided at *decided_s* of the monotonic clock,
    with gRPC's share in *basis_points*; the answer began at *began_s*. They differ when the proxy
    refused the request, and when legacy answered after a *fallback*; *fallback_error* then is how
    gRPC failed, with *fallback_code* when it was an upstream that did. *hurried* says that the
    client gave the call less time than the route does, *has_entered* that the request is among
    those that its route has in flight. *limit* names the limit of ours for which it was refused.
    *quirks* are the legacy forms of its URL, *page_calls* says how many calls its page took.
    *capture* keeps it for its mirror, *recording* for whoever records.
    """

    decision: Decision = REFUSED
    decided: Decision | None = None
    decided_s: float = 0.0
    began_s: float = 0.0
    basis_points: int = 0
    fallback: FallbackReason | None = None
    fallback_code: Code | None = None
    fallback_error: str = ""
    hurried: bool = False
    has_entered: bool = False
    limit: str = ""
    binding: RouteBinding | None = None
    http_status: int = 0
    error_status: int = 0
    code: Code | None = None
    bytes_out: int = 0
    upstream_s: float = 0.0
    upstream_failed: bool = False
    streamed: bool = False
    trace_id: str = ""
    unknown_fields: tuple[str, ...] = ()
    page_calls: int = 0
    quirks: tuple[str, ...] = ()
    error: str = ""
    capture: Capture | None = None
    recording: Capture | None = None
    is_delivered: bool = False

    def fell_back(self, reason: FallbackReason, error: StatusError) -> None:
        """Note that legacy answers, since gRPC failed by *error*, for which *reason* stands."""
        self.decision, self.fallback, self.fallback_error = FELL_BACK, reason, str(error)
        self.fallback_code = error.status.code if isinstance(error, UpstreamError) else None

    def broke_off(self, error: Exception) -> None:
        """Note that the answer ended early, with *error*; what was noted first stays."""
        self.error = self.error or str(error) or type(error).__name__
        if isinstance(error, UpstreamError):
            self.code, self.upstream_failed = error.status.code, True
