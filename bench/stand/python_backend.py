"""The backend for machines without Go: `python -m bench.stand.python_backend -manifest FILE`.

Behaves as bench/backend does, with grpc.aio and aiohttp. Ends when standard input closes.
"""

import argparse
import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web

Handler = Callable[[bytes, grpc.aio.ServicerContext[bytes, bytes]], Awaitable[bytes]]


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


def rpc_handler(known: dict[str, Any]) -> Handler:
    """Answers the calls of one method."""
    answers = {int(key): base64.b64decode(data) for key, data in known["answers"].items()}
    by_field: int = known["by_field"]

    async def handle(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        value = varint_field(request, by_field)
        if value not in answers:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no canned answer for {value}")
        return answers[value]

    return handle


async def start_grpc(rpc: dict[str, Any]) -> tuple[grpc.aio.Server, int]:
    """Serve the canned calls; returns the port."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    for name, known in rpc.items():
        service, _, method = name.lstrip("/").rpartition("/")
        handler: grpc.RpcMethodHandler[bytes, bytes]
        handler = grpc.unary_unary_rpc_method_handler(rpc_handler(known))
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def start_http(http: dict[str, Any]) -> tuple[web.ServerRunner, int]:
    """Serve the canned targets; returns the port."""
    answers = {target: base64.b64decode(known["body"]) for target, known in http.items()}

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        body = answers.get(request.raw_path)
        if body is None:
            return web.Response(status=404)
        return web.Response(body=body, content_type=http[request.raw_path]["content_type"])

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, runner.addresses[0][1]


async def serve(manifest: dict[str, Any]) -> None:
    """Serve both, tell the ports, and stay until standard input closes."""
    server, grpc_port = await start_grpc(manifest["rpc"])
    runner, http_port = await start_http(manifest["http"])
    print(json.dumps({"grpc": grpc_port, "http": http_port}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-manifest", type=Path, required=True)
    asyncio.run(serve(json.loads(parser.parse_args().manifest.read_text())))
