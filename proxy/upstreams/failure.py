"""What a failed call means, whichever transport made it.

`UpstreamError.sent` False is a promise: no server can have executed the call, so that it may be
made elsewhere, whatever it does. When in doubt it is True. What is known, by transport:

| what happened | h2 | grpcio |
|---|---|---|
| no connection: refused, no route, no address, silent too long | not sent | not sent |
| TLS cannot be set up | not sent, 502 | not sent, 502 |
| fails at once, since the last attempt to connect failed | not sent | not sent |
| the deadline passed before there was a connection, or room on one | not sent | sent |
| made after `close` | not sent | not sent |
| refused here: too large, bad metadata | not sent | not sent |
| GOAWAY whose last stream is below the call's (RFC 9113 §6.8) | not sent | sent |
| RST_STREAM with REFUSED_STREAM (§8.7), before anything was answered | not sent | sent |
| connection lost before any byte of the call was written | not sent | sent |
| connection lost after that; keepalive found it dead | sent | sent |
| GOAWAY that includes the call, then the connection is lost | sent | sent |
| any other RST_STREAM; any answer of the server, whatever it says | sent | sent |
| the deadline passed after that; closed or cancelled after that | sent | sent |

grpcio tells its own failures from a server's word by their text alone. Two things must hold
before a text counts: the channel has no connection, and the text names the address of our server.
For a reset or a lost stream there is nothing to go by: a server that hands on the text of its own
failed call says the same. Several attempts: not sent only if none was (`attempts`). Where too many
calls are open or wait, the error is a `LimitExceeded`: our own, and never sent.

Belongs here: the reading of a server's word, of its texts and of `grpc-status-details-bin`, and
the failures that are our own doing. Does not: what one transport alone can tell, and retrying.
"""

from typing import Final

from proxy.errors import LimitExceeded, UpstreamError
from proxy.status import Code, Detail, Status
from proxy.transcoding.errorbody import parse_details
from proxy.upstreams import Metadata

#: The trailer that carries a whole `google.rpc.Status`.
DETAILS_TRAILER: Final = "grpc-status-details-bin"

#: The limits of an upstream, as the metrics name them.
UPSTREAM: Final = "upstream"

#: What the servers of grpc core and of grpc-go say of an answer that they may not send, of a
#: request that they do not take, and of its metadata.
_ANSWER_TOO_LARGE: Final = (
    "CLIENT: Received message larger than max",
    # No side is named, but only answers are ever compressed.
    "Decompressed message larger than max",
    "trying to send message larger than max",
    "SERVER: Sent message larger than max",
)
_REQUEST_TOO_LARGE: Final = (
    "SERVER: Received message larger than max",
    "grpc: received message larger than max",
    "CLIENT: Sent message larger than max",
)
_METADATA_TOO_LARGE: Final = "received metadata size exceeds"
#: What grpc core puts before a text when the stream ended on our side.
_ENDED_HERE: Final = "Stream removed ("


def ignore_error(_: UpstreamError) -> None:
    """Stand in for a hook that nobody gave."""


def is_tls_error(error: UpstreamError) -> bool:
    """Whether the call failed because TLS could not be set up with the server."""
    return not error.sent and error.http_status == 502


def answer_error(
    code: Code, text: str, *, initial: Metadata = (), trailers: Metadata = ()
) -> UpstreamError:
    """The error of a call that ended with the status *code* while it was on a connection.

    The HTTP status is the code's, except: 502 for answers larger than we take, 413 and 431 for
    requests larger than the server takes.
    """
    return UpstreamError(
        Status(code, text, _details(code, trailers)),
        http_status=_http_status(code, text),
        metadata=initial + trailers,
    )


def _http_status(code: Code, text: str) -> int | None:
    """The HTTP status where it is not the code's."""
    if code is not Code.RESOURCE_EXHAUSTED:
        return None
    if any(sign in text for sign in _ANSWER_TOO_LARGE):
        return 502
    if any(sign in text for sign in _REQUEST_TOO_LARGE):
        return 413
    if _METADATA_TOO_LARGE in text:
        return 502 if text.startswith(_ENDED_HERE) else 431
    return None


def _details(code: Code, trailers: Metadata) -> tuple[Detail, ...]:
    """The details; none at all when they cannot be read or belong to another code."""
    for name, value in trailers:
        if name == DETAILS_TRAILER and isinstance(value, bytes):
            return parse_details(value, code)
    return ()


class Unprocessed(UpstreamError):
    """A call that was given to a connection, but not processed: it may be made again.

    By the server's own word, or because nothing of it was written.
    """

    def __init__(self, text: str) -> None:
        super().__init__(Status(Code.UNAVAILABLE, text), sent=False)


def timed_out(*, sent: bool) -> UpstreamError:
    """The error of a call whose deadline has passed."""
    return UpstreamError(Status(Code.DEADLINE_EXCEEDED, "Deadline Exceeded"), sent=sent)


def too_many(text: str) -> LimitExceeded:
    """The refusal of a call for which there is no room here.

    It is no failure of the server, so that it is made nowhere else: what we have too much of would
    become more.
    """
    return LimitExceeded(text, http_status=503, limit=UPSTREAM)


def request_too_large(size: int, limit: int) -> UpstreamError:
    """The error of a message that we refuse to send, both in bytes."""
    text = f"the request message has {size} bytes, more than the {limit} that may be sent"
    return UpstreamError(Status(Code.RESOURCE_EXHAUSTED, text), http_status=413, sent=False)


def closed(*, sent: bool) -> UpstreamError:
    """The error of a call that was open when the upstream was closed, or made after that."""
    code = Code.CANCELLED if sent else Code.UNAVAILABLE
    return UpstreamError(Status(code, "the upstream is closed"), http_status=503, sent=sent)
