"""One recorded exchange: what a client sent and what it got.

Belongs here: the value. Does not: files (`har`, `json_lines`), what may be recorded (`redaction`).
"""

from dataclasses import dataclass
from typing import Final

Headers = tuple[tuple[str, str], ...]

#: Headers that say how a body came, and not what it is: recorded bodies are whole and plain.
_OF_TRANSPORT: Final = frozenset(
    {"content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive"}
)


class NoRecording(ValueError):
    """What is read is no recording, or a line of it is no exchange. The message says why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange. *target* is path and query, raw; bodies are without content coding.

    *at_s* is when, on the Unix clock, None when nothing says it; *duration_s* how long it took.
    *route*, *rpc* and *side* say who answered, "" where nothing says it. *redacted* says that
    values stand for others of their type; *kept* are the paths whose values are the client's own.
    """

    http_method: str
    target: str
    request_headers: Headers
    request_body: bytes
    http_status: int
    answer_headers: Headers
    answer_body: bytes
    at_s: float | None = None
    duration_s: float = 0.0
    route: str = ""
    rpc: str = ""
    side: str = ""
    redacted: bool = False
    kept: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The raw path."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The raw query, without the question mark."""
        return self.target.partition("?")[2]


def plain_headers(headers: Headers) -> Headers:
    """The headers of a body that is whole and plain, and no pseudo-headers of HTTP/2.

    >>> plain_headers(((":status", "200"), ("ETag", "x"), ("Content-Encoding", "gzip")))
    (('ETag', 'x'),)
    """
    return tuple(
        (name, value)
        for name, value in headers
        if not name.startswith(":") and name.lower() not in _OF_TRANSPORT
    )


def header_of(headers: Headers, name: str) -> str:
    """The value of the header *name*, in lower case; "" without one."""
    return next((value for each, value in headers if each.lower() == name), "")
