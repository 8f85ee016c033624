"""The descriptors of a running gRPC server, by server reflection.

Belongs here: the questions of `grpc/reflection/v1/reflection.proto` and their answers. Does not:
making channels (`upstreams`), whether the files fit together (`transcoding.descriptors`).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha.reflection_pb2 import (
    FileDescriptorResponse,
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from proxy.errors import ConfigError, Place, Problem
from proxy.transcoding.declarations import DescriptorFile

#: Seconds for all questions to one server.
TIMEOUT_S: Final = 10.0

#: Files of one server, and their bytes: one that never stops must not fill the memory.
MAX_FILES: Final = 10_000
MAX_BYTES: Final = 64 * 1024 * 1024

# v1 is v1alpha under another name: messages and numbers are the same, so that one set of
# generated classes serves both.
_METHODS: Final = (
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)

#: Services that every reflecting server lists, and that no HTTP rule can name.
_OWN_SERVICES: Final = "grpc.reflection."

_Call: TypeAlias = (
    "grpc.aio.StreamStreamCall[bytes, bytes] | grpc.aio.UnaryStreamCall[bytes, bytes]"
)


@dataclass(frozen=True, slots=True)
class Reflected:
    """What a server told about itself. *report* has a line per service that it cannot describe."""

    files: tuple[DescriptorFile, ...]
    report: tuple[str, ...]


class _Refused(Exception):
    """The server does not answer, or not as the protocol says."""

    def __init__(self, message: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        self.code = code


async def reflect(
    channel: grpc.aio.Channel,
    upstream: str,
    place: Place,
    *,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_BYTES,
) -> Reflected:
    """Ask the server behind *channel* for the files of its services and for what they import.

    v1 is tried first, v1alpha when the server has no v1. *upstream* is the server's name for
    people, *place* is where the configuration names it. Raises `ConfigError`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _reflect(channel, f"reflection of {upstream}", max_bytes)
    except _Refused as error:
        message = f"reflection of upstream {upstream!r}: {error}"
        raise ConfigError([Problem(place, message)]) from error
    except TimeoutError as error:
        message = f"reflection of upstream {upstream!r}: no answer within {timeout_s:g} s"
        raise ConfigError([Problem(place, message)]) from error


async def _reflect(channel: grpc.aio.Channel, origin: str, max_bytes: int) -> Reflected:
    method, services = await _list_services(channel)
    session = _Session(channel, method)
    try:
        return await _Survey(session, origin, max_bytes).run(services)
    finally:
        session.close()


async def _list_services(channel: grpc.aio.Channel) -> tuple[str, list[str]]:
    """The method that the server has, and the services that it lists.

    The question goes out in one piece with the end of the call: on a call that stays open, a
    server that refuses the method may do so before the question is sent, and grpcio then
    reports the failure to send and not the reason.
    """
    question = ServerReflectionRequest(list_services="*").SerializeToString()
    for method in _METHODS:
        call: _Call = channel.unary_stream(method)(question)
        try:
            return method, _service_list(await _next_answer(call))
        except _Refused as error:
            if error.code is not grpc.StatusCode.UNIMPLEMENTED:
                raise
        finally:
            call.cancel()
    raise _Refused("the server has no reflection service, neither v1 nor v1alpha")


def _service_list(answer: ServerReflectionResponse) -> list[str]:
    if not answer.HasField("list_services_response"):
        raise _Refused(f"it does not list its services: {_error_text(answer)}")
    names = (found.name for found in answer.list_services_response.service)
    return [name for name in names if not name.startswith(_OWN_SERVICES)]


class _Session:
    """One call for all further questions, so that one server answers them all.

    Behind one channel there may be several, of different versions while they are replaced.
    """

    def __init__(self, channel: grpc.aio.Channel, method: str) -> None:
        # Bytes in and out: what cannot be parsed must be our error and not grpcio's.
        self._call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method)()

    def close(self) -> None:
        self._call.cancel()

    async def ask(self, question: ServerReflectionRequest) -> ServerReflectionResponse:
        """Raises `_Refused` when there is no answer."""
        try:
            await self._call.write(question.SerializeToString())
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise await _end_of(self._call) from error
        return await _next_answer(self._call)


async def _next_answer(call: _Call) -> ServerReflectionResponse:
    try:
        answer = await call.read()
    except (grpc.aio.AioRpcError, grpc.aio.InternalError) as error:
        raise await _end_of(call) from error
    if not isinstance(answer, bytes):  # grpc.aio.EOF
        raise await _end_of(call)
    return _parse_answer(answer)


async def _end_of(call: _Call) -> _Refused:
    """Why a call that should have an answer has ended."""
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return _Refused("the server ended the call before it had answered")
    return _Refused(f"{code.name}: {await call.details()}", code)


def _parse_answer(answer: bytes) -> ServerReflectionResponse:
    try:
        return ServerReflectionResponse.FromString(answer)
    except DecodeError as error:
        raise _Refused("an answer is no reflection response") from error


class _Survey:
    """Collects files: those of the listed services, then their imports."""

    def __init__(self, session: _Session, origin: str, max_bytes: int) -> None:
        self._session = session
        self._origin = origin
        self._max_bytes = max_bytes
        self._files: dict[str, FileDescriptorProto] = {}
        self._size = 0
        self._described: set[str] = set()
        self._report: list[str] = []

    async def run(self, services: list[str]) -> Reflected:
        for service in services:
            if service not in self._described:
                await self._find_service(service)
        await self._find_imports()
        return Reflected(tuple(self._descriptor_files(services)), tuple(self._report))

    async def _find_service(self, name: str) -> None:
        question = ServerReflectionRequest(file_containing_symbol=name)
        answer = await self._session.ask(question)
        if answer.HasField("file_descriptor_response"):
            self._keep(answer.file_descriptor_response)
        else:
            text = _error_text(answer)
            self._report.append(f"{self._origin}: {name} is listed but not described: {text}")

    async def _find_imports(self) -> None:
        """Ask for imports until none is new. What the server lacks, the merge may still find."""
        asked: set[str] = set()
        while missing := self._imports() - self._files.keys() - asked:
            asked |= missing
            for name in sorted(missing):
                question = ServerReflectionRequest(file_by_filename=name)
                answer = await self._session.ask(question)
                self._keep(answer.file_descriptor_response)

    def _imports(self) -> set[str]:
        return {name for file in self._files.values() for name in file.dependency}

    def _keep(self, response: FileDescriptorResponse) -> None:
        for data in response.file_descriptor_proto:
            try:
                file = FileDescriptorProto.FromString(data)
            except DecodeError as error:
                raise _Refused("an answer holds a file descriptor that is none") from error
            self._add(file, len(data))

    def _add(self, file: FileDescriptorProto, size: int) -> None:
        self._size += size
        if self._size > self._max_bytes:
            raise _Refused(f"the server sent more than {self._max_bytes} bytes of files")
        if file.name in self._files:
            return
        if len(self._files) == MAX_FILES:
            raise _Refused(f"the server has more than {MAX_FILES} files")
        self._files[file.name] = file
        self._described.update(_service_names(file))

    def _descriptor_files(self, services: list[str]) -> Iterator[DescriptorFile]:
        for file in self._files.values():
            listed = any(name in services for name in _service_names(file))
            yield DescriptorFile(file, self._origin, imported=not listed)


def _service_names(file: FileDescriptorProto) -> Iterator[str]:
    prefix = f"{file.package}." if file.package else ""
    return (prefix + service.name for service in file.service)


def _error_text(answer: ServerReflectionResponse) -> str:
    if answer.HasField("error_response"):
        return answer.error_response.error_message or f"code {answer.error_response.error_code}"
    return "its answer is to another question"
