"""gRPC servers that reflect: grpcio's own servicer, and one that answers as a test says."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha.reflection_pb2 import (
    ErrorResponse,
    FileDescriptorResponse,
    ListServiceResponse,
    ServerReflectionRequest,
    ServerReflectionResponse,
    ServiceResponse,
)

V1 = "grpc.reflection.v1.ServerReflection"
V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"

#: One question in, the bytes of one answer out; an exception ends the call.
Answer = Callable[[ServerReflectionRequest], bytes]


@asynccontextmanager
async def serving(add: Callable[[grpc.aio.Server], None]) -> AsyncIterator[grpc.aio.Channel]:
    """A server on a free port with the services that *add* adds, and a channel to it."""
    # Without this, port 0 may give the port of another test's server.
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


def answering(answer: Answer, *, service: str = V1) -> Callable[[grpc.aio.Server], None]:
    """Adds a reflection service that answers every question by *answer*, in bytes."""

    async def info(questions: AsyncIterator[bytes], context: grpc.aio.ServicerContext):
        async for question in questions:
            try:
                yield answer(ServerReflectionRequest.FromString(question))
            except EndOfCall:
                return
            except Refusal as refusal:
                await context.abort(refusal.code, refusal.details)

    handlers = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(info)}
    handler = grpc.method_handlers_generic_handler(service, handlers)
    return lambda server: server.add_generic_rpc_handlers((handler,))


class EndOfCall(Exception):
    """The server ends the call with OK."""


class Refusal(Exception):
    """The server ends the call with a status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class Catalogue:
    """Answers from *files* as servers in Go do: one file at a time, not the imports."""

    def __init__(
        self, files: Iterable[FileDescriptorProto], services: Iterable[str] | None = None
    ) -> None:
        self._files = {file.name: file for file in files}
        self._owners = {
            f"{file.package}.{service.name}".lstrip("."): file
            for file in self._files.values()
            for service in file.service
        }
        self._services = list(self._owners) if services is None else list(services)
        self.questions: list[str] = []

    def __call__(self, question: ServerReflectionRequest) -> bytes:
        kind = question.WhichOneof("message_request")
        self.questions.append(f"{kind} {getattr(question, kind)}")
        if kind == "list_services":
            return self._list().SerializeToString()
        known = self._files if kind == "file_by_filename" else self._owners
        return described(known.get(getattr(question, kind)))

    def _list(self) -> ServerReflectionResponse:
        services = [ServiceResponse(name=name) for name in self._services]
        listed = ListServiceResponse(service=services)
        return ServerReflectionResponse(list_services_response=listed)


def described(*files: FileDescriptorProto | None) -> bytes:
    """The answer that holds *files*; the error for None."""
    if files == (None,):
        missing = ErrorResponse(error_code=5, error_message="not here")
        return ServerReflectionResponse(error_response=missing).SerializeToString()
    data = [file.SerializeToString() for file in files]
    response = FileDescriptorResponse(file_descriptor_proto=data)
    return ServerReflectionResponse(file_descriptor_response=response).SerializeToString()
