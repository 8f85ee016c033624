"""A load generator in Python: `python -m bench.stand.closed_loop REQUEST.json`.

Stands in for wrk where that is not installed. Each connection sends the next request when the
answer to the last one is complete. The last line of output is the report as JSON.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

from bench.stand.load import Seen

LONGEST_ANSWER_HEAD: Final = 64 * 1024  # bytes


def request_bytes(wanted: dict[str, Any]) -> bytes:
    """The request as it goes over the wire.

    >>> request_bytes({"http_method": "GET", "target": "/a", "headers": {"x": "y"},
    ...     "base_url": "http://127.0.0.1:1", "body": ""})
    b'GET /a HTTP/1.1\\r\\nHost: 127.0.0.1:1\\r\\nx: y\\r\\n\\r\\n'
    """
    body: bytes = wanted["body"].encode()
    lines = [f"{wanted['http_method']} {wanted['target']} HTTP/1.1"]
    lines.append(f"Host: {urlsplit(wanted['base_url']).netloc}")
    lines += [f"{name}: {value}" for name, value in wanted["headers"].items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def read_answer(reader: asyncio.StreamReader) -> int:
    """Read one whole answer; returns its status code."""
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in map(split_field, fields)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        await read_chunks(reader)
    else:
        await reader.readexactly(int(headers.get("content-length", "0")))
    return int(status_line.split(" ", 2)[1])


def split_field(line: str) -> tuple[str, str, str]:
    """A header line in its three parts."""
    return line.partition(":")


async def read_chunks(reader: asyncio.StreamReader) -> None:
    """Read a chunked body without trailers to its end."""
    size = -1
    while size != 0:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        await reader.readexactly(size + 2)


async def one_connection(
    address: tuple[str, int], request: bytes, until: float, latencies_us: list[float]
) -> int:
    """Send until the time is over; returns how many answers were not 2xx or 3xx."""
    reader, writer = await asyncio.open_connection(*address, limit=LONGEST_ANSWER_HEAD)
    errors = 0
    while (sent := perf_counter()) < until:
        writer.write(request)
        errors += await read_answer(reader) >= 400
        latencies_us.append((perf_counter() - sent) * 1e6)
    writer.close()
    await writer.wait_closed()
    return errors


async def run(wanted: dict[str, Any]) -> Seen:
    """Load the server as the request file says."""
    parts = urlsplit(wanted["base_url"])
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    began = perf_counter()
    until = began + wanted["duration_s"]
    latencies_us: list[float] = []
    request = request_bytes(wanted)
    errors = await asyncio.gather(
        *(
            one_connection(address, request, until, latencies_us)
            for _ in range(wanted["connections"])
        )
    )
    duration_us = round((perf_counter() - began) * 1e6)
    return report(latencies_us, duration_us, sum(errors))


def report(latencies_us: list[float], duration_us: int, errors: int) -> Seen:
    """Counts and percentiles of a round.

    >>> report([1.0, 2.0, 3.0, 100.0], 1000, 0)
    Seen(requests=4, duration_us=1000, p50_us=3, p99_us=100, errors=0)
    """
    ordered = sorted(latencies_us)
    count = len(ordered)
    p50, p99 = (round(ordered[count * percent // 100]) for percent in (50, 99))
    return Seen(count, duration_us, p50, p99, errors)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(json.loads(Path(sys.argv[1]).read_text()))))))
