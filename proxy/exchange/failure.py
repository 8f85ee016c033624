"""Errors as answers: one renderer for what the proxy refuses and what an upstream reports."""

from typing import Final

from google.protobuf.descriptor_pool import DescriptorPool

from proxy.errors import RequestError, StatusError, UpstreamError
from proxy.exchange.messages import Answer
from proxy.routing.table import RouteBinding
from proxy.status import Code, Status
from proxy.transcoding.errorbody import render_status, with_field_violation

#: What clients read when an upstream is down, or answers what is no HTTP or no gRPC.
UNREACHABLE: Final = "the upstream cannot be reached, or gave no valid answer"

_JSON: Final = ("content-type", "application/json")


def too_slow() -> RequestError:
    """The refusal of a request whose body did not come in time (RFC 9110 §15.5.9)."""
    text = "the body came too slowly"
    return RequestError(text, code=Code.DEADLINE_EXCEEDED, http_status=408)


def failure(error: StatusError, pool: DescriptorPool, binding: RouteBinding | None) -> Answer:
    """The answer for *error*: `google.rpc.Status` as JSON, with the HTTP status of its code."""
    headers = error.headers
    if isinstance(error, UpstreamError) and binding is not None:
        headers += binding.route.headers_of(error.metadata)
    body = error_body(error, pool, binding)
    return Answer(error.http_status, (_JSON, *headers), body)


def error_body(error: StatusError, pool: DescriptorPool, binding: RouteBinding | None) -> bytes:
    """The JSON of *error*.

    What the proxy says itself is never hidden. What clients do not read unless the route reveals
    it: an upstream's text of an UNKNOWN or INTERNAL error, and why an upstream could not be
    reached, which tells addresses and names of the network behind us.
    """
    ours = not isinstance(error, UpstreamError)
    reveal = ours or (binding is not None and binding.route.reveal_internal)
    return render_status(_status(error, reveal=reveal), pool, reveal_internal=reveal)


def _status(error: StatusError, *, reveal: bool) -> Status:
    if isinstance(error, RequestError) and error.field:
        return with_field_violation(error.status, error.field, error.status.message)
    if isinstance(error, UpstreamError) and not reveal and _is_of_connection(error):
        return Status(error.status.code, UNREACHABLE)
    return error.status


def _is_of_connection(error: UpstreamError) -> bool:
    """Whether the text is that of a library which failed to speak to the upstream."""
    return error.status.code is Code.UNAVAILABLE and (not error.sent or error.http_status == 502)
