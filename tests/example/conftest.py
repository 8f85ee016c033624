"""The example's servers, each over a store of its own, and a client for either."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from yarl import URL

from proxy.example.files import folder
from proxy.example.legacy import LegacyHost
from proxy.example.schema import Schema, compile_folder
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer


@dataclass(frozen=True)
class RestAnswer:
    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class RestClient:
    session: aiohttp.ClientSession
    base_url: str

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> RestAnswer:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        data = None if body is None else io.BytesIO(text)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self.base_url + path, encoded=True)
        async with self.session.request(
            method, url, data=data, headers=names, allow_redirects=False
        ) as response:
            return RestAnswer(response.status, response.headers, await response.read())


class RpcError(Exception):
    """A failed call as `google.rpc.Status` JSON."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class RpcClient:
    """Calls by ProtoJSON: a request document in, an answer's document out."""

    channel: grpc.aio.Channel
    schema: Schema

    async def unary(self, service: str, method: str, request: dict[str, Any]) -> dict[str, Any]:
        return (await self.with_trailers(service, method, request))[0]

    async def with_trailers(
        self, service: str, method: str, request: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        make, message = self.prepared(self.channel.unary_unary, service, method, request)
        call = make(message)
        try:
            answer = await call
            return json_format.MessageToDict(answer), dict(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            raise rpc_error(error) from error

    async def stream(
        self, service: str, method: str, request: dict[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        make, message = self.prepared(self.channel.unary_stream, service, method, request)
        try:
            async for answer in make(message):
                yield json_format.MessageToDict(answer)
        except grpc.aio.AioRpcError as error:
            raise rpc_error(error) from error

    def prepared(
        self, kind: Any, service: str, method: str, request: dict[str, Any]
    ) -> tuple[Any, Any]:
        descriptor = self.schema.service(service).methods_by_name[method]
        wanted = self.schema.message(descriptor.input_type.full_name)
        given = self.schema.message(descriptor.output_type.full_name)
        make = kind(
            f"/{service}/{method}",
            request_serializer=wanted.SerializeToString,
            response_deserializer=given.FromString,
        )
        return make, json_format.ParseDict(request, wanted(), descriptor_pool=self.schema.pool)


def rpc_error(error: grpc.aio.AioRpcError) -> RpcError:
    trailers = dict(error.trailing_metadata() or ())
    packed = trailers.get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(packed)
    if not packed:
        status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
    pool = error_details_pb2.DESCRIPTOR.pool
    return RpcError(json_format.MessageToDict(status, descriptor_pool=pool))


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema(compile_folder(folder("proto")))


@pytest.fixture
async def legacy() -> AsyncIterator[RestClient]:
    async with LegacyHost(seeded_store()) as host, aiohttp.ClientSession() as session:
        yield RestClient(session, host.url)


@pytest.fixture
async def dns(schema: Schema) -> AsyncIterator[RpcClient]:
    async with (
        DnsServer(seeded_store()) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield RpcClient(channel, schema)


async def collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().rstrip()
