"""The head of a request as bytes, and how its body is framed.

Belongs here: HTTP/1.1 message framing (RFC 9112 §6) and the guard against injected lines. Does
not: connections.
"""

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from proxy.errors import RequestError
from proxy.transcoding.forwarding import HOP_BY_HOP

#: A request's body: none at all, all of it, or piece by piece.
Body = AsyncIterator[bytes] | bytes | None

_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"[^\x00-\x20\x7f]+")


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head, and its body's framing.

    *length* is the size that Content-Length announces, None for chunks. *expects_continue* says
    that the body waits for the server's word.
    """

    data: bytes
    length: int | None
    expects_continue: bool


def request_head(
    http_method: str, target: str, headers: Iterable[tuple[str, str]], body: Body, authority: str
) -> Head:
    """Write the head of a request. Raises `RequestError` when it would be no HTTP.

    Headers keep order, case and duplicates, but for those of one hop. A body in pieces without
    Content-Length is sent in chunks; a body that is absent is announced by nothing. *authority*
    is the Host of a request that has none.
    """
    if not (_METHOD.fullmatch(http_method) and _TARGET.fullmatch(target)):
        raise RequestError("the request line has characters that HTTP does not allow")
    lines = [f"{http_method} {target} HTTP/1.1"]
    length: str | None = None
    expects_continue = has_host = False
    for name, value in headers:
        lower = name.lower()
        if lower in HOP_BY_HOP:
            continue
        if lower == "content-length":
            length = value
        elif lower == "host":
            has_host = True
        elif lower == "expect":
            expects_continue = body is not None and value.lower() == "100-continue"
        lines.append(f"{name}: {value}")
    if not has_host:
        lines.insert(1, f"Host: {authority}")
    size = _frame(lines, length, body)
    return Head(_encoded(lines), size, expects_continue)


def _frame(lines: list[str], announced: str | None, body: Body) -> int | None:
    """Add the framing header that *body* needs; its size when that is known."""
    if announced is not None:
        size = _digits(announced)
        actual = 0 if body is None else len(body) if isinstance(body, bytes) else size
        if size != actual:
            raise RequestError("the body has another size than Content-Length says")
        return size
    if body is None:
        return 0
    if isinstance(body, bytes):
        lines.append(f"Content-Length: {len(body)}")
        return len(body)
    lines.append("Transfer-Encoding: chunked")
    return None


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise RequestError("Content-Length is not a number")
    return int(text)


def _encoded(lines: list[str]) -> bytes:
    """The lines on the wire: bytes that came undecodable go out as they came."""
    text = "\r\n".join(lines) + "\r\n\r\n"
    count = len(lines) + 1
    # Every line end is ours, or somebody has put one into a name or a value.
    if text.count("\r") != count or text.count("\n") != count or "\0" in text:
        raise RequestError("a header has characters that HTTP does not allow")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise RequestError("a header has characters that HTTP does not allow") from error
