"""The backend of both proxies: it answers the request it got, and remembers it.

Belongs here: the gRPC server and what its methods do. Does not: who calls it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from tests.differential.schema import SERVICE, as_json, message_class, pool

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

#: Error details by the name that a request's plan gives.
_DETAILS: Final[dict[str, Message]] = {
    "debug": error_details_pb2.DebugInfo(stack_entries=["secret.py:1"], detail="do not show"),
    # In the pool of neither proxy.
    "unknown": descriptor_pb2.UninterpretedOption(identifier_value="x"),
}


class Seen(NamedTuple):
    """One call as the backend saw it: a message that it cannot parse is the text "broken"."""

    rpc: str
    message: Any
    metadata: tuple[tuple[str, str | bytes], ...]


class Backend:
    """Serves `oracle.v1.Oracle`. *calls* has what was seen, until somebody clears it."""

    def __init__(self) -> None:
        self.calls: list[Seen] = []
        self.port = 0

    def __repr__(self) -> str:
        return f"<Backend port={self.port} calls={len(self.calls)}>"

    def see(self, method: MethodDescriptor, data: bytes, context: Any) -> Any:
        """Parse and remember a message. Gives None for what is no message."""
        message: Any = message_class(method.input_type.full_name)()
        try:
            message.ParseFromString(data)
        except DecodeError:
            message = None
        shown = "broken" if message is None else as_json(message)
        metadata = tuple(context.invocation_metadata() or ())
        self.calls.append(Seen(method.name, shown, metadata))
        return message


@asynccontextmanager
async def serve() -> AsyncIterator[Backend]:
    """A backend on a free port of loopback."""
    backend = Backend()
    server = grpc.aio.server()
    service = pool().FindServiceByName(SERVICE)
    handlers = {method.name: _handler(backend, method) for method in service.methods}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    backend.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield backend
    finally:
        await server.stop(None)


def _handler(backend: Backend, method: MethodDescriptor) -> grpc.RpcMethodHandler:
    answer = _ANSWERS.get(method.output_type.full_name, _echo)

    async def unary(data: bytes, context: Any) -> bytes:
        message = backend.see(method, data, context)
        await _fail(message, context)
        return answer(method, message, 0).SerializeToString()

    async def stream(data: bytes, context: Any) -> AsyncIterator[bytes]:
        message = backend.see(method, data, context)
        for index in range(_plan(message).count):
            yield answer(method, message, index).SerializeToString()
        await _fail(message, context)

    async def collect(parts: AsyncIterator[bytes], context: Any) -> bytes:
        messages = [backend.see(method, data, context) async for data in parts]
        return message_class("oracle.v1.Echo")(index=len(messages)).SerializeToString()

    if method.client_streaming:
        return grpc.stream_unary_rpc_method_handler(collect)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(stream)
    return grpc.unary_unary_rpc_method_handler(unary)


def _plan(message: Any) -> Any:
    plan = getattr(message, "plan", None)
    return message_class("oracle.v1.Plan")() if plan is None else plan


async def _fail(message: Any, context: Any) -> None:
    """End the call as the request's plan says; with INTERNAL when there is no message."""
    if message is None:
        await context.abort(grpc.StatusCode.INTERNAL, "the message cannot be parsed")
    plan = _plan(message)
    if plan.code:
        context.set_trailing_metadata(_trailers(plan))
        await context.abort(_CODES[plan.code], plan.message)


def _trailers(plan: Any) -> tuple[tuple[str, bytes], ...]:
    details = [plan.info] if plan.HasField("info") else []
    details += [_DETAILS[plan.detail]] if plan.detail else []
    if not details:
        return ()
    status = status_pb2.Status(code=plan.code, message=plan.message)
    for detail in details:
        status.details.add().Pack(detail)
    return (("grpc-status-details-bin", status.SerializeToString()),)


def _echo(method: MethodDescriptor, message: Any, index: int) -> Message:
    echo: Message = message_class("oracle.v1.Echo")(rpc=method.name, request=message, index=index)
    return echo


def _http_body(method: MethodDescriptor, message: Any, index: int) -> Message:
    plan = message.plan
    data = plan.data + b"%d" % index if method.server_streaming else plan.data
    made: Message = message_class("google.api.HttpBody")(
        content_type=plan.content_type if index == 0 else "", data=data
    )
    return made


def _wrapped(method: MethodDescriptor, message: Any, index: int) -> Message:
    made: Message = message_class("oracle.v1.Wrapped")(
        file=_http_body(method, message, index), note="not in the answer"
    )
    return made


def _received(method: MethodDescriptor, message: Any, index: int) -> Message:
    made: Message = message_class("oracle.v1.Received")(
        content_type=message.content_type, data=message.data, extensions=len(message.extensions)
    )
    return made


def _empty(method: MethodDescriptor, message: Any, index: int) -> Message:
    made: Message = message_class("google.protobuf.Empty")()
    return made


_ANSWERS: Final[dict[str, Callable[[MethodDescriptor, Any, int], Message]]] = {
    "google.api.HttpBody": _http_body,
    "google.protobuf.Empty": _empty,
    "oracle.v1.Received": _received,
    "oracle.v1.Wrapped": _wrapped,
}
