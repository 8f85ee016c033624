"""What a failed call means: every grpcio failure turned into `UpstreamError`.

Belongs here: the reading of codes, texts and `grpc-status-details-bin`. Does not: retrying.

grpcio tells a server's word from its own in the text alone; the texts below are those of
grpc core (`CLIENT: Received message larger than max`) and of grpc-go.
"""

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from google.rpc import status_pb2  # type: ignore[import-untyped]  # it ships no types

from proxy.errors import UpstreamError
from proxy.status import Code, Detail, Status
from proxy.upstreams import Metadata

#: The trailer that carries a whole `google.rpc.Status`.
DETAILS_TRAILER: Final = "grpc-status-details-bin"

_CODES: Final = {code.value: code for code in Code}

#: How the texts begin with which grpcio fails a call for which it has no connection.
_NO_CONNECTION: Final = (
    "failed to connect to all addresses",
    "connections to all backends failing",
    "errors resolving ",
    "DNS resolution failed",
    "empty address list",
)
_TLS_SIGNS: Final = (
    "Tls handshake failed",
    "Ssl handshake failed",
    "SSL_ERROR",
    "Hostname Verification Check failed",
    "TSI_",
    "CERTIFICATE_VERIFY_FAILED",
)
_ANSWER_TOO_LARGE: Final = (
    "CLIENT: Received message larger than max",
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


@dataclass(frozen=True, slots=True)
class Failure:
    """A call's end as grpcio gives it.

    *connected* says whether the channel had a connection when the call had ended: a text about
    missing connections is grpcio's own only if it had none.
    """

    code: int
    text: str
    initial: Metadata
    trailers: Metadata
    connected: bool


def is_tls_error(error: UpstreamError) -> bool:
    """Whether the call failed because TLS could not be set up with the server."""
    return not error.sent and _names_tls(error.status.message)


def _names_tls(text: str) -> bool:
    return any(sign in text for sign in _TLS_SIGNS)


def _is_unconnected(failure: Failure) -> bool:
    return (
        failure.code == Code.UNAVAILABLE
        and not failure.connected
        and failure.text.startswith(_NO_CONNECTION)
    )


def upstream_error(failure: Failure) -> UpstreamError:
    """The error of a failed call.

    The HTTP status is the code's, except: 502 for TLS failures and for answers larger than we
    take, 413 and 431 for requests larger than the server takes. `sent` is False only when there
    was no connection that the call could have used.
    """
    return UpstreamError(
        Status(
            _CODES.get(failure.code, Code.UNKNOWN),
            failure.text,
            _details(failure.code, failure.trailers),
        ),
        http_status=_http_status(failure),
        metadata=failure.initial + failure.trailers,
        sent=not _is_unconnected(failure),
    )


def _http_status(failure: Failure) -> int | None:
    """The HTTP status where it is not the code's."""
    if _is_unconnected(failure) and _names_tls(failure.text):
        return 502
    if failure.code != Code.RESOURCE_EXHAUSTED:
        return None
    text = failure.text
    if any(sign in text for sign in _ANSWER_TOO_LARGE):
        return 502
    if any(sign in text for sign in _REQUEST_TOO_LARGE):
        return 413
    if _METADATA_TOO_LARGE in text:
        return 502 if text.startswith(_ENDED_HERE) else 431
    return None


def _details(code: int, trailers: Metadata) -> tuple[Detail, ...]:
    """The details; none at all when they cannot be read or belong to another code."""
    for name, value in trailers:
        if name == DETAILS_TRAILER and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                return ()
            if status.code != code:
                return ()
            return tuple(Detail(detail.type_url, detail.value) for detail in status.details)
    return ()


def request_too_large(size: int, limit: int) -> UpstreamError:
    """The error of a message that we refuse to send, both in bytes."""
    text = f"the request message has {size} bytes, more than the {limit} that may be sent"
    return UpstreamError(Status(Code.RESOURCE_EXHAUSTED, text), http_status=413, sent=False)


def refused_by_library(error: BaseException) -> UpstreamError:
    """The error of a call that grpcio would not make: bad metadata, a bad argument."""
    # The type alone: the texts have addresses and the metadata's values in them.
    text = f"the gRPC library refused to make the call ({type(error).__name__})"
    return UpstreamError(Status(Code.INTERNAL, text), sent=False)


def closed(*, sent: bool) -> UpstreamError:
    """The error of a call that was open when the upstream was closed, or made after that."""
    code = Code.CANCELLED if sent else Code.UNAVAILABLE
    return UpstreamError(Status(code, "the upstream is closed"), http_status=503, sent=sent)
