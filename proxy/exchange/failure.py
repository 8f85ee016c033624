"""Errors as answers: one renderer for what the proxy refuses and what an upstream reports."""

from typing import Final

from google.protobuf.descriptor_pool import DescriptorPool

from proxy.errors import RequestError, StatusError, UpstreamError
from proxy.exchange.messages import Answer
from proxy.routing.table import RouteBinding
from proxy.status import Status
from proxy.transcoding.errorbody import render_status, with_field_violation

_JSON: Final = ("content-type", "application/json")


def failure(error: StatusError, pool: DescriptorPool, binding: RouteBinding | None) -> Answer:
    """The answer for *error*: `google.rpc.Status` as JSON, with the HTTP status of its code."""
    headers = error.headers
    if isinstance(error, UpstreamError) and binding is not None:
        headers += binding.route.headers_of(error.metadata)
    body = error_body(error, pool, binding)
    return Answer(error.http_status, (_JSON, *headers), body)


def error_body(error: StatusError, pool: DescriptorPool, binding: RouteBinding | None) -> bytes:
    """The JSON of *error*.

    What the proxy says itself is never hidden; an upstream's text of an UNKNOWN or INTERNAL error
    is, unless the route reveals it.
    """
    ours = not isinstance(error, UpstreamError)
    reveal = ours or (binding is not None and binding.route.reveal_internal)
    return render_status(_status(error), pool, reveal_internal=reveal)


def _status(error: StatusError) -> Status:
    if isinstance(error, RequestError) and error.field:
        return with_field_violation(error.status, error.field, error.status.message)
    return error.status
