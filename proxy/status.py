"""gRPC status codes, what they are in HTTP, and the `Status` value.

Tables and values only: how a status is written on the wire lives in `transcoding`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Code(IntEnum):
    """A gRPC status code (`google/rpc/code.proto`)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


#: The HTTP status of each code, as `google/rpc/code.proto` documents it.
HTTP_STATUS: Final[dict[Code, int]] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


#: The code to assume for an answer without `grpc-status`, by its HTTP status; any 1xx is INTERNAL
#: and all others are UNKNOWN (gRPC, `doc/http-grpc-status-mapping.md`).
_CODE_OF_HTTP: Final[dict[int, Code]] = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    431: Code.INTERNAL,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}

_CODE_OF_TEXT: Final[dict[str, Code]] = {str(int(code)): code for code in Code}


def code_of_grpc_status(value: int | str) -> Code:
    """The code that a `grpc-status` names; UNKNOWN for what names none.

    >>> code_of_grpc_status("5"), code_of_grpc_status(99), code_of_grpc_status("abc")
    (<Code.NOT_FOUND: 5>, <Code.UNKNOWN: 2>, <Code.UNKNOWN: 2>)
    """
    return _CODE_OF_TEXT.get(str(value), Code.UNKNOWN)


def code_of_http_status(http_status: int) -> Code:
    """The code to assume for an answer that carries no `grpc-status`, whatever its HTTP status.

    >>> code_of_http_status(404)
    <Code.UNIMPLEMENTED: 12>
    """
    if 100 <= http_status < 200:
        return Code.INTERNAL
    return _CODE_OF_HTTP.get(http_status, Code.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Detail:
    """One `google.protobuf.Any` of a status: its type URL and the packed message's bytes."""

    type_url: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """How a call ended: a code, a text for developers and typed details (`google.rpc.Status`)."""

    code: Code
    message: str = ""
    details: tuple[Detail, ...] = ()

    @property
    def http_status(self) -> int:
        """The HTTP status of the code."""
        return HTTP_STATUS[self.code]
