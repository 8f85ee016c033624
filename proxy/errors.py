"""The error classes, and the places that load problems point at.

One base and four leaves. A foreign exception is turned into one of them at the seam where it
appears; nothing above `upstreams` sees an aiohttp, gRPC or protobuf exception.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.status import HTTP_STATUS, Code, Status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a load problem is: a file, a 1-based line and column when known, and a path inside.

    >>> str(Place("routes.yaml", 12, 5, "routes[2].rpc"))
    'routes.yaml:12:5: routes[2].rpc'
    >>> str(Place("dns.proto", path="dns.v1.RecordService.GetZone"))
    'dns.proto: dns.v1.RecordService.GetZone'
    """

    file: str
    line: int | None = None
    column: int | None = None
    path: str = ""

    def __str__(self) -> str:
        position = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{position}: {self.path}" if self.path else position


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a configuration, with its place."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class ProxyError(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigError(ProxyError):
    """The configuration cannot be served. Carries *every* problem that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StatusError(ProxyError):
    """A request that ends in an error status. Base of the three request-time errors.

    *http_status* is given where it is not the one of the status code's table row.
    """

    def __init__(
        self,
        status: Status,
        *,
        http_status: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(status.message)
        self.status = status
        self.http_status = HTTP_STATUS[status.code] if http_status is None else http_status
        self.headers = headers


class RequestError(StatusError):
    """The client's request cannot be served as it came; no upstream has seen it.

    *field* is the request field at fault as a dotted proto path (`record.ttl`), "" when there is
    no single one. *is_unmapped* says that no route has the path, or not for the HTTP method.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        code: Code = Code.INVALID_ARGUMENT,
        http_status: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        is_unmapped: bool = False,
    ) -> None:
        super().__init__(Status(code, message), http_status=http_status, headers=headers)
        self.field = field
        self.is_unmapped = is_unmapped

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.field}: {text}" if self.field else text


#: What clients are asked to wait, in seconds, when there is no room: the least that can be said.
RETRY_AFTER: Final = ("retry-after", "1")


class LimitExceeded(StatusError):
    """A named limit was passed. *http_status* says whose: 413, 414, 431, 502 or 503.

    503 is the proxy's own: it has no room for the request, and nothing of it was sent; 502 too, but
    the call has been made. *limit* then is what the metrics call it, "" where it is counted
    elsewhere.
    """

    def __init__(self, message: str, *, http_status: int, limit: str = "") -> None:
        is_ours = http_status == 503
        super().__init__(
            Status(Code.UNAVAILABLE if is_ours else Code.RESOURCE_EXHAUSTED, message),
            http_status=http_status,
            headers=(RETRY_AFTER,) if is_ours else (),
        )
        self.limit = limit


class UpstreamError(StatusError):
    """An upstream ended a call with an error, or could not be reached.

    *metadata* is what came with the status: initial metadata, then trailers. *sent* is False
    when nothing of the call can have left this process.
    """

    def __init__(
        self,
        status: Status,
        *,
        http_status: int | None = None,
        metadata: tuple[tuple[str, str | bytes], ...] = (),
        sent: bool = True,
    ) -> None:
        super().__init__(status, http_status=http_status)
        self.metadata = metadata
        self.sent = sent
