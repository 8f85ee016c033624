"""The settings in which peers differ about errors, and what each dialect sets.

Belongs here: a key for each row of the table, with the value of dialect `spec` as its default, and
what the other dialects have instead. Does not: bodies of a route's own (`shape_errors`), what a
setting does (`shape.errors`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from proxy.config.base import Section
from proxy.shape.errors.options import ErrorFormat

#: The codes that an error can have (`google/rpc/code.proto`).
CodeName = Literal[
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]

#: Answers that have no body (RFC 9110 §15.3.5, §15.3.6, §15.4.5): an error could not say anything.
_BODILESS: Final = frozenset({204, 205, 304})


def _with_body(http_status: int) -> int:
    if http_status in _BODILESS:
        raise PydanticCustomError("bodiless", "must not be a status whose answers have no body")
    return http_status


#: An HTTP status that an error may be given. Some old hosts say 200 and put the error in the body.
ErrorStatus = Annotated[int, Field(ge=200, le=599), AfterValidator(_with_body)]


class ErrorDialect(Section):
    """How errors are written where the field disagrees."""

    error_format: ErrorFormat = Field(
        default="status",
        description=(
            "The body of errors, those of the proxy and those of its upstreams alike. `status`: "
            "google.rpc.Status. `aip-193`: as Google's APIs. `rfc9457`: a problem document. "
            "`grpc-gateway`, `grpc-gateway-v1`, `esp`, `envoy`: as these. A `body` in "
            "`shape.errors` takes its place."
        ),
        examples=["rfc9457"],
    )
    error_status: Mapping[CodeName, ErrorStatus] = Field(
        default={},
        description=(
            "HTTP statuses of codes where they are not those of google.rpc. What the proxy says "
            "of paths, HTTP methods and sizes keeps its own."
        ),
        examples=[{"FAILED_PRECONDITION": 412}],
    )
    grpc_status_headers: bool = Field(
        default=False,
        description="Send `grpc-status` and `grpc-message` as headers of errors, too.",
        examples=[True],
    )


#: By dialect, what it sets other than `spec`.
ERRORS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "google": {"error_format": "aip-193"},
        "grpc-gateway": {"error_format": "grpc-gateway"},
        "grpc-gateway-v1": {
            "error_format": "grpc-gateway-v1",
            "error_status": {"FAILED_PRECONDITION": 412},
        },
        "envoy": {"error_format": "envoy"},
    }
)
