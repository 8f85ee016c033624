"""What a mirrored call came to: an answer as a client would have got it, or none.

Belongs here: the line between a server's answer and a call that failed, errors as documents. Does
not: making the calls (`legs`).

An application's error *is* its answer, and is compared: a client would have got it. What is none,
by how the call ended:

| the call ended with | is |
|---|---|
| UNAVAILABLE, from whomever; no connection, a bad certificate | `candidate_error` |
| CANCELLED: by us, or by somebody on the way | `candidate_error` |
| a refusal of ours to send it, no room for it here | `candidate_error` |
| DEADLINE_EXCEEDED; no answer within the mirror's own timeout | `candidate_timeout` |
| an answer larger than the mirror, or the transport, takes | `not_comparable` |
| an answer for which all mirrors together hold too many bytes | `not_comparable` |
| a legacy host that cannot be reached, breaks off, or speaks no HTTP | `candidate_error` |
| anything else: UNIMPLEMENTED, INTERNAL, UNKNOWN, NOT_FOUND, … | an answer |
| a message that cannot be read, or has no JSON | an answer: 502, as a client would get |

Some of the last are made by transports too, as INTERNAL is by a reset stream. They count as answers
all the same: to take a broken server's for the network's would pass it.
"""

from typing import Final, NamedTuple

from proxy.comparison.documents import Document, Obstacle
from proxy.errors import LimitExceeded, StatusError, UpstreamError
from proxy.shadow.sample import Drop, Failed, Life, Sample
from proxy.shape.errors.readable import NOWHERE, ErrorContext
from proxy.status import Code

_BAD_GATEWAY: Final = 502
_GATEWAY_TIMEOUT: Final = 504

#: Reasons of `Failed`: all words that a mirrored call can bring into the metrics.
TIMEOUT: Final = Failed(Life.CANDIDATE_TIMEOUT, "deadline")
TOO_LARGE: Final = Failed(Life.NOT_COMPARABLE, "response_too_large")
NO_MEMORY: Final = Failed(Life.NOT_COMPARABLE, Drop.BYTES.value)
HELPER: Final = Failed(Life.NOT_COMPARABLE, Obstacle.HELPER.value)
NO_ROOM: Final = Failed(Life.CANDIDATE_ERROR, "no_room")
UNREACHABLE: Final = Failed(Life.CANDIDATE_ERROR, "unreachable")
UNAVAILABLE: Final = Failed(Life.CANDIDATE_ERROR, "unavailable")
CANCELLED: Final = Failed(Life.CANDIDATE_ERROR, "cancelled")
UNSENT: Final = Failed(Life.CANDIDATE_ERROR, "unsent")
BROKEN: Final = Failed(Life.CANDIDATE_ERROR, "broken_answer")
NO_UPSTREAM: Final = Failed(Life.CANDIDATE_ERROR, "no_upstream")


class Answered(NamedTuple):
    """A side's answer to a mirrored call, after *seconds*. *version* is the server's, or ""."""

    document: Document
    seconds: float
    version: str = ""


def grpc_failure(error: StatusError) -> Failed | None:
    """What the failed call of a gRPC server is; None for an answer."""
    if not isinstance(error, UpstreamError):
        return NO_ROOM if isinstance(error, LimitExceeded) and error.http_status >= 500 else None
    code = error.status.code
    if code is Code.UNAVAILABLE:
        return UNAVAILABLE if error.sent else UNREACHABLE
    if code is Code.DEADLINE_EXCEEDED:
        return TIMEOUT
    if code is Code.CANCELLED:
        return CANCELLED
    if code is Code.RESOURCE_EXHAUSTED and error.http_status == _BAD_GATEWAY:
        return TOO_LARGE
    return UNSENT if code is Code.INTERNAL and not error.sent else None


def legacy_failure(error: StatusError) -> Failed:
    """What a request to the legacy host is that brought no answer."""
    if isinstance(error, LimitExceeded):
        return NO_ROOM
    if error.http_status == _GATEWAY_TIMEOUT:
        return TIMEOUT
    if isinstance(error, UpstreamError):
        return BROKEN if error.sent else UNREACHABLE
    return UNSENT


def error_document(error: StatusError, sample: Sample) -> Document:
    """The answer that the client of *sample* would have got for *error*, as `exchange` makes it."""
    route, context = sample.binding.route, NOWHERE
    if route.errors.wants_context:
        path, request_id = sample.target.partition("?")[0], sample.headers.get("x-request-id", "")
        context = ErrorContext(path, sample.trace_id, request_id)
    rendered = route.errors.render(error, context)
    headers = rendered.headers
    if isinstance(error, UpstreamError):
        headers += route.headers_of(error.metadata)
    return Document(rendered.http_status, headers, rendered.body)
