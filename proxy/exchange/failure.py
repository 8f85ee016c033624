"""Errors as answers: one renderer for what the proxy refuses and what an upstream reports."""

from typing import Final

from google.protobuf.descriptor_pool import DescriptorPool

from proxy.errors import RequestError, StatusError, UpstreamError
from proxy.exchange.messages import Answer
from proxy.routing.table import RouteBinding
from proxy.status import Code
from proxy.transcoding.errorbody import error_json

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
    if isinstance(error, UpstreamError) and binding is not None:
        body = binding.route.early_error(body)
    return Answer(error.http_status, (_JSON, *headers), body)


def error_body(error: StatusError, pool: DescriptorPool, binding: RouteBinding | None) -> bytes:
    """The JSON of *error*; what an upstream says of itself only where the route reveals it."""
    reveal = binding is not None and binding.route.reveal_internal
    return error_json(error, pool, reveal_upstream=reveal)
