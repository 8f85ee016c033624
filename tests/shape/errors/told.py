"""Errors of upstreams and of the proxy, for the tests of this folder."""

import json
from typing import Any, Final

from google.protobuf.descriptor_pool import Default
from google.rpc import error_details_pb2

from proxy.errors import LimitExceeded, RequestError, StatusError, UpstreamError
from proxy.shape.errors.options import ErrorOptions
from proxy.shape.errors.readable import NOWHERE, ErrorContext, LegacyPath
from proxy.shape.errors.renderer import ErrorRenderer, RenderedError
from proxy.status import Code, Detail, Status
from proxy.transcoding.errorbody import bad_request

PREFIX: Final = "type.googleapis.com/"
CONTEXT: Final = ErrorContext("/v1/zones/7", "4bf92f3577b34da6a3ce929d0e0e4736", "r-1")

UNMAPPED: Final = RequestError(
    "nothing is mapped to this path", code=Code.NOT_FOUND, is_unmapped=True
)
MISMATCH: Final = RequestError(
    "this path is mapped, but not for this HTTP method",
    code=Code.UNIMPLEMENTED,
    http_status=405,
    headers=(("allow", "GET"),),
    is_unmapped=True,
)
BAD_FIELD: Final = RequestError("must be positive", field="record.ttl")
TOO_LARGE: Final = LimitExceeded("the body is larger than 9 bytes", http_status=413)


def packed(message: Any) -> Detail:
    return Detail(PREFIX + message.DESCRIPTOR.full_name, message.SerializeToString())


def info(reason: str = "RECORD_EXISTS", **metadata: str) -> Detail:
    made = error_details_pb2.ErrorInfo(reason=reason, domain="dns.test", metadata=metadata)
    return packed(made)


def told(code: Code, message: str = "told", *details: Detail, **more: Any) -> UpstreamError:
    """The end of a call."""
    return UpstreamError(Status(code, message, details), **more)


def violated(*fields: str) -> UpstreamError:
    pairs = [(field, f"{field} is wrong") for field in fields]
    return told(Code.INVALID_ARGUMENT, "wrong", bad_request(pairs))


def rendered(
    error: StatusError,
    options: ErrorOptions,
    legacy_path: LegacyPath | None = None,
    *,
    context: ErrorContext = NOWHERE,
    enveloped: bool = False,
) -> RenderedError:
    renderer = ErrorRenderer(options, Default(), legacy_path, enveloped=enveloped)
    return renderer.render(error, context)


def body_of(
    error: StatusError,
    options: ErrorOptions,
    legacy_path: LegacyPath | None = None,
    context: ErrorContext = NOWHERE,
) -> Any:
    """The JSON of an error."""
    return json.loads(rendered(error, options, legacy_path, context=context).body)


def late_of(error: StatusError, options: ErrorOptions) -> Any:
    return json.loads(ErrorRenderer(options, Default()).late(error))
