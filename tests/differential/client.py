"""The smallest HTTP/1.1 client: it sends what it is told to and shows all that comes back.

Belongs here: one request over one connection. Does not: what an answer means (`outcomes`).
A common client would correct a path, refuse an answer that is no HTTP, or hide that one was cut
off; those are what is compared here.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

_END_OF_HEAD: Final = b"\r\n\r\n"


class RawAnswer(NamedTuple):
    """An answer; header names in lower case. *is_whole* is false for a body that broke off."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


async def send(
    port: int, method: str, path: str, headers: Mapping[str, str], body: bytes | None
) -> RawAnswer:
    """Send a request to loopback and read until the server closes the connection."""
    lines = {"host": f"127.0.0.1:{port}", **headers, "connection": "close"}
    if body is not None:
        lines["content-length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))
    received = await _all_of(reader)
    writer.close()
    return _parse(received, method)


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    try:
        while chunk := await reader.read(1 << 16):
            received += chunk
    except ConnectionResetError:
        pass
    return bytes(received)


def _parse(received: bytes, method: str) -> RawAnswer:
    head, end, rest = received.partition(_END_OF_HEAD)
    assert end, f"no answer but {received!r}"
    status_line, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":")[::2] for line in lines)
    headers = {name.lower(): value.strip() for name, value in pairs}
    status = int(status_line.split(" ")[1])
    return RawAnswer(status, headers, *_body(headers, rest, method))


def _body(headers: Mapping[str, str], rest: bytes, method: str) -> tuple[bytes, bool]:
    """The body and whether it is whole. After HEAD there must be none; what comes is shown."""
    if method == "HEAD":
        return rest, True
    if headers.get("transfer-encoding") == "chunked":
        return _chunks(rest)
    length = int(headers.get("content-length", len(rest)))
    return rest[:length], len(rest) == length


def _chunks(rest: bytes) -> tuple[bytes, bool]:
    body = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return bytes(body), True
        body += rest[:length]
        rest = rest[length + 2 :]
    return bytes(body), False
