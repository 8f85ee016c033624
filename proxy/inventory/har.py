"""HAR 1.2: the requests that a browser or a recorder kept.

Belongs here: a whole file's text to hits. Does not: lines of logs (`hits`).
"""

from collections.abc import Iterator
from typing import Any

import orjson

from proxy.inventory.hits import BadLine, Hit, hit_of, parse_time


def is_har(beginning: bytes) -> bool:
    """Whether a file that begins so is HAR: one object whose first member is `log`.

    >>> is_har(b'{ "log" : {"version": "1.2"'), is_har(b'{"time": 1, "log": 2}')
    (True, False)
    """
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text[:1] == b"{" and text[1:].lstrip().startswith(b'"log"')


def read_har(data: bytes) -> Iterator[Hit | BadLine]:
    """The entries of a HAR file, bad ones as what is wrong with them.

    Raises `BadLine` when it is no HAR at all.
    """
    try:
        root = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BadLine(f"is no JSON: {error.msg} (line {error.lineno})") from error
    log = root.get("log") if isinstance(root, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise BadLine("has no log.entries")
    yield from map(_entry, entries)


def _entry(entry: Any) -> Hit | BadLine:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict):
        return BadLine("has no request")
    method, url = request.get("method"), request.get("url")
    if not isinstance(method, str) or not isinstance(url, str):
        return BadLine("has no method and URL")
    response = entry.get("response")
    status = response.get("status") if isinstance(response, dict) else 0
    try:
        at_s = parse_time(entry.get("startedDateTime"))
        return hit_of(method, url, at_s, status if isinstance(status, int) else 0)
    except BadLine as error:
        return error
