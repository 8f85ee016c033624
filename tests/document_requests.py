"""Requests of the documents' examples, sent as they are written.

Belongs here: sending one, and whether its answer is the one that is shown. Does not: reading
examples (`tests.document_examples`), what they are sent to.
"""

import asyncio
import json
from dataclasses import dataclass

from multidict import CIMultiDict

from tests.document_examples import Example, Expected, is_as_shown

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: CIMultiDict[str]
    body: str

    @property
    def says(self) -> str:
        """The field and the message of an error."""
        error = json.loads(self.body)
        fields = [each["fieldViolations"][0]["field"] for each in error["details"]]
        return ": ".join([*fields, error["message"]])


async def send(port: int, example: Example, more: Headers = ()) -> HttpAnswer:
    """Send a request on a connection of its own, as it is written, with *more* headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{example.method} {example.target} HTTP/1.1", "Host: h", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (*example.headers, *more)]
    if example.body:
        lines.append(f"Content-Length: {len(example.body.encode())}")
    writer.write("\r\n".join([*lines, "", example.body]).encode())
    raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    headers = CIMultiDict[str]()
    for field in fields:
        name, _, value = field.partition(": ")
        headers.add(name, value)
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return HttpAnswer(int(first.split(" ")[1]), headers, body.decode())


def _unchunked(body: bytes) -> bytes:
    size, _, rest = body.partition(b"\r\n")
    length = int(size, 16)
    return rest[:length] + _unchunked(rest[length + 2 :]) if length else b""


def check_answer(expected: Expected, answer: HttpAnswer) -> None:
    """Fail unless *answer* is what is shown."""
    assert answer.status == expected.status, answer.body
    for name, value in expected.headers:
        assert is_as_shown(value, answer.headers.get(name, "")), answer.headers
    if expected.says:
        assert answer.says == expected.says
    if expected.body:
        assert is_as_shown(expected.body, answer.body), answer.body
