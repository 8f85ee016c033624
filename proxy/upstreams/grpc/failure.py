"""What a call means that failed in grpcio: every failure of its turned into `UpstreamError`.

Belongs here: telling a server's word from grpcio's own. Does not: what a server's word means
(`proxy.upstreams.failure`), and retrying.

grpcio tells a server's word from its own in the text alone; the texts below are those of
grpc core.
"""

from dataclasses import dataclass
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams import Metadata
from proxy.upstreams.failure import answer_error

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


@dataclass(frozen=True, slots=True)
class Failure:
    """A call's end as grpcio gives it.

    *connected* says whether the channel had a connection when the call had ended, *shown* is its
    address as grpcio's texts have it, "" for any: a text about missing connections is grpcio's own
    only if there was none, and if it names our server. A server that calls others, and hands their
    failures on, names them.
    """

    code: int
    text: str
    initial: Metadata
    trailers: Metadata
    connected: bool
    shown: str = ""


def _is_unconnected(failure: Failure) -> bool:
    return (
        failure.code == Code.UNAVAILABLE
        and not failure.connected
        and failure.text.startswith(_NO_CONNECTION)
        and (not failure.shown or f"{failure.shown}: " in failure.text)
    )


def upstream_error(failure: Failure) -> UpstreamError:
    """The error of a failed call.

    `sent` is False only when there was no connection that the call could have used; then the HTTP
    status is 502 when TLS is why there was none.
    """
    if _is_unconnected(failure):
        is_tls = any(sign in failure.text for sign in _TLS_SIGNS)
        status = Status(Code.UNAVAILABLE, failure.text)
        return UpstreamError(
            status,
            http_status=502 if is_tls else None,
            metadata=failure.initial + failure.trailers,
            sent=False,
        )
    code = _CODES.get(failure.code, Code.UNKNOWN)
    return answer_error(code, failure.text, initial=failure.initial, trailers=failure.trailers)


def refused_by_library(error: BaseException) -> UpstreamError:
    """The error of a call that grpcio would not make: bad metadata, a bad argument."""
    # The type alone: the texts have addresses and the metadata's values in them.
    text = f"the gRPC library refused to make the call ({type(error).__name__})"
    return UpstreamError(Status(Code.INTERNAL, text), sent=False)
