"""The backend for machines without Go: `python -m bench.stand.python_backend -manifest FILE`.

Behaves as bench/backend does, with grpc.aio and aiohttp. Ends when standard input closes.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import time
from typing import Any, Final

import grpc
from aiohttp import web

Handler = Callable[[bytes, grpc.aio.ServicerContext[bytes, bytes]], Awaitable[bytes]]

REQUEST_ID: Final = "x-request-id"


class Work:
    """What every request costs, and the ledger that it is written into before it is answered."""

    def __init__(self, ledger: str, delay_s: float) -> None:
        self._delay_s = delay_s
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
        self._ledger = os.open(ledger, flags, 0o600) if ledger else None

    def __repr__(self) -> str:
        return f"<Work ledger={self._ledger} delay_s={self._delay_s}>"

    async def do(self, request_id: str | None, what: str) -> None:
        """Write a request down and take its time."""
        if self._ledger is not None and request_id:
            os.write(self._ledger, f"{time() * 1e6:.0f} {request_id} {what}\n".encode())
        if self._delay_s:
            await asyncio.sleep(self._delay_s)


def varint_field(message: bytes, wanted: int) -> int:
    """The last value of a varint field of a serialized message, 0 when absent.

    >>> varint_field(bytes([0x0A, 0x01, 0x61, 0x10, 0xAC, 0x02]), 2)
    300
    >>> varint_field(b"", 2)
    0
    """
    position, value = 0, 0
    while position < len(message):
        tag, position = read_varint(message, position)
        content, position = read_content(message, position, tag & 7)
        if tag >> 3 == wanted and tag & 7 == 0:
            value = content
    return value


def read_content(message: bytes, position: int, wire_type: int) -> tuple[int, int]:
    """A varint's value, or 0 for what is skipped; and the position after it."""
    if wire_type == 0:
        return read_varint(message, position)
    if wire_type == 2:
        length, position = read_varint(message, position)
        return 0, position + length
    return 0, position + (8 if wire_type == 1 else 4)


def read_varint(message: bytes, position: int) -> tuple[int, int]:
    """A varint and the position after it."""
    value = shift = 0
    while message[position] & 0x80:
        value |= (message[position] & 0x7F) << shift
        position, shift = position + 1, shift + 7
    return value | message[position] << shift, position + 1


def rpc_handler(method: str, known: dict[str, Any], work: Work) -> Handler:
    """Answers the calls of one method."""
    answers = {int(key): base64.b64decode(data) for key, data in known["answers"].items()}
    by_field: int = known["by_field"]

    async def handle(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        metadata = dict(context.invocation_metadata() or ())
        await work.do(str(metadata.get(REQUEST_ID, "")), method)
        value = varint_field(request, by_field)
        if value not in answers:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no canned answer for {value}")
        return answers[value]

    return handle


async def start_grpc(rpc: dict[str, Any], address: str, work: Work) -> tuple[grpc.aio.Server, int]:
    """Serve the canned calls; returns the port."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    for name, known in rpc.items():
        service, _, method = name.lstrip("/").rpartition("/")
        handler: grpc.RpcMethodHandler[bytes, bytes]
        handler = grpc.unary_unary_rpc_method_handler(rpc_handler(method, known, work))
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
    port = server.add_insecure_port(address)
    await server.start()
    return server, port


async def start_http(
    manifest: dict[str, Any], address: str, work: Work
) -> tuple[web.ServerRunner, int]:
    """Serve the canned targets; returns the port."""
    by_target, by_method = (known_answers(manifest[key]) for key in ("http", "http_by_method"))

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        known = by_target.get(request.raw_path) or by_method.get(request.method)
        if known is None:
            return web.Response(status=404)
        await work.do(request.headers.get(REQUEST_ID), request.method)
        content_type, body = known
        return web.Response(body=body, content_type=content_type)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    host, _, port = address.rpartition(":")
    site = web.TCPSite(runner, host, int(port))
    await site.start()
    return runner, runner.addresses[0][1]


def known_answers(part: dict[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Content type and body by the manifest's keys."""
    return {
        key: (known["content_type"], base64.b64decode(known["body"])) for key, known in part.items()
    }


async def serve(manifest: dict[str, Any], wanted: argparse.Namespace) -> None:
    """Serve both, tell the ports, and stay until standard input closes."""
    work = Work(wanted.ledger, wanted.delay)
    server, grpc_port = await start_grpc(manifest["rpc"], wanted.grpc, work)
    runner, http_port = await start_http(manifest, wanted.http, work)
    print(json.dumps({"grpc": grpc_port, "http": http_port}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)
    await runner.cleanup()


def delay_s(text: str) -> float:
    """A duration as Go's flags take it, in seconds.

    >>> delay_s("20ms")
    0.02
    """
    return float(text.removesuffix("ms")) / 1e3


def options() -> argparse.Namespace:
    """The command line, that of bench/backend."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-manifest", type=Path, required=True)
    parser.add_argument("-grpc", default="127.0.0.1:0")
    parser.add_argument("-http", default="127.0.0.1:0")
    parser.add_argument("-ledger", default="")
    parser.add_argument("-delay", type=delay_s, default=0.0)
    return parser.parse_args()


if __name__ == "__main__":
    given = options()
    asyncio.run(serve(json.loads(given.manifest.read_text()), given))
