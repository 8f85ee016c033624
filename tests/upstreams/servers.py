"""Real servers for the tests of the upstreams: gRPC over handlers, and raw sockets."""

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import status_pb2

from tests.fakes import Abort, Handler, Served

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Handlers(grpc.GenericRpcHandler):
    """Serves every handler as a unary-stream method; a unary caller reads its one message."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> object:
        handler = self._handlers.get(handler_call_details.method)
        if handler is None:
            return None

        async def serve(message: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            async for answer in _serve(handler, message, context):
                yield answer

        return grpc.unary_stream_rpc_method_handler(serve)


async def _serve(
    handler: Handler, message: bytes, context: grpc.aio.ServicerContext
) -> AsyncIterator[bytes]:
    served = Served(message, tuple(context.invocation_metadata() or ()))
    try:
        first = True
        async for answer in handler(served):
            if first:
                await context.send_initial_metadata(served.initial)
                first = False
            yield answer
        context.set_trailing_metadata(served.trailers)
    except Abort as abort:
        await context.abort(
            _CODES[abort.status.code], abort.status.message, _trailers(served, abort)
        )
    except (asyncio.CancelledError, GeneratorExit):
        served.was_cancelled = True
        raise
    finally:
        served.ended.set()


def _trailers(served: Served, abort: Abort) -> tuple[tuple[str, str | bytes], ...]:
    trailers = served.trailers + abort.trailers
    if abort.status.details:
        details = [Any(type_url=d.type_url, value=d.value) for d in abort.status.details]
        status = status_pb2.Status(
            code=abort.status.code, message=abort.status.message, details=details
        )
        trailers += (("grpc-status-details-bin", status.SerializeToString()),)
    return trailers


@asynccontextmanager
async def grpc_server(
    handlers: Mapping[str, Handler],
    credentials: grpc.ServerCredentials | None = None,
    options: tuple[tuple[str, int], ...] = (),
    port: int = 0,
    host: str = "127.0.0.1",
) -> AsyncIterator[int]:
    """A gRPC server on loopback; gives its port."""
    # Without this, port 0 may give the port of another test's server.
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), *options))
    server.add_generic_rpc_handlers((Handlers(handlers),))
    address = f"{host}:{port}"
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def shared_port(*hosts: str) -> int:
    """A port that is free on all of *hosts*.

    From below those that the system gives to outgoing connections: one of these may begin between
    now and the time when the last server listens.
    """
    while True:
        port = random.randrange(15_000, 30_000)
        with ExitStack() as stack:
            try:
                for host in hosts:
                    taken = stack.enter_context(socket.socket())
                    taken.bind((host, port))
            except OSError:
                continue
            return port


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server whose every connection is handed to *talk*; gives its port."""
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Here, not in the task, which may be cancelled before it begins.
        writers.add(writer)
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        ended = [*tasks]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        for writer in writers:
            # A transport that has ended cannot be aborted again; over TLS it may not even be asked.
            with suppress(AttributeError):
                if not writer.is_closing() or writer.transport.get_write_buffer_size():
                    writer.transport.abort()
