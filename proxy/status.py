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
