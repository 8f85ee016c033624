"""Errors as answers: one renderer for what the proxy refuses and what an upstream reports."""

from typing import Final

import orjson
import structlog

from proxy.errors import RequestError, StatusError, UpstreamError
from proxy.exchange.messages import Answer, Outcome, Request
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding
from proxy.shape.errors.readable import NOWHERE, ErrorContext
from proxy.shape.errors.renderer import ErrorRenderer, RenderedError
from proxy.status import Code
from proxy.transcoding.response import JSON_CONTENT

_JSON: Final = ("content-type", JSON_CONTENT)

_log: Final = structlog.get_logger("proxy.exchange")


def too_slow() -> RequestError:
    """The refusal of a request whose body did not come in time (RFC 9110 §15.5.9)."""
    text = "the body came too slowly"
    return RequestError(text, code=Code.DEADLINE_EXCEEDED, http_status=408)


def failure(
    error: StatusError,
    snapshot: Snapshot,
    binding: RouteBinding | None,
    context: ErrorContext = NOWHERE,
) -> Answer:
    """The answer for *error*, in the form of its route, or of what no route maps."""
    try:
        rendered = errors_of(snapshot, binding).render(error, context)
    except Exception:  # noqa: BLE001 - logged, and the client still learns that it failed
        rendered = _unwritten(error)
    headers = rendered.headers
    if isinstance(error, UpstreamError) and binding is not None:
        headers += binding.route.headers_of(error.metadata)
    return Answer(rendered.http_status, headers, rendered.body)


def errors_of(snapshot: Snapshot, binding: RouteBinding | None) -> ErrorRenderer:
    """What writes the errors of requests to *binding*, None for those that no route maps."""
    return snapshot.errors if binding is None else binding.route.errors


def context_of(errors: ErrorRenderer, request: Request | None, outcome: Outcome) -> ErrorContext:
    """What *errors* are told of the request, where they ask."""
    if request is None or not errors.wants_context:
        return NOWHERE
    request_id = request.headers.get("x-request-id", "")
    return ErrorContext(request.path, outcome.trace_id, request_id)


def late_failure(error: StatusError, errors: ErrorRenderer, context: ErrorContext) -> bytes:
    """The JSON of *error* in the last frame of a stream."""
    try:
        return errors.late(error, context)
    except Exception:  # noqa: BLE001 - logged, and the stream still ends as a failed one
        return _unwritten(error).body


def _unwritten(error: StatusError) -> RenderedError:
    """An error that could not be written as asked: that is a bug of ours, and nothing may leak."""
    _log.exception("error not written", code=error.status.code.name)
    code = error.status.code
    body = orjson.dumps({"code": int(code), "message": code.name, "details": []})
    return RenderedError(error.http_status, (_JSON, *error.headers), body)
