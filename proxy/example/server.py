"""The gRPC server: the services of `dns.v1` and `HelloWorldHandler` over a store.

With health checking, reflection, errors that carry `google.rpc` details, and the zone's serial in
the trailing metadata.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from proxy.example import zonefile
from proxy.example.checks import split_record_name
from proxy.example.files import folder
from proxy.example.messages import Messages, read_content, read_filters
from proxy.example.model import ExampleError, Record, Violation, invalid
from proxy.example.schema import Schema, compile_folder
from proxy.example.seed import seeded_store
from proxy.example.serving import LOOPBACK, main
from proxy.example.store import ZoneStore

RECORD_SERVICE: Final = "dns.v1.RecordService"
STATISTICS_SERVICE: Final = "dns.v1.StatisticsService"
HELLO_SERVICE: Final = "HelloWorldHandler"
_SERVICES: Final = (RECORD_SERVICE, STATISTICS_SERVICE, HELLO_SERVICE)

#: The metadata that tells the version of a zone.
_SERIAL: Final = "x-zone-serial"

#: How long a call in flight may take to end when the server stops.
STOP_GRACE_S: Final = 1.0

Context = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[Any], tuple[Any, str]]
"""From a request to the answer and the domain it concerns ("" for none)."""


class DnsServer:
    """The server on loopback: `async with DnsServer(store) as server: server.address`.

    *interceptors* see every call first.
    """

    def __init__(
        self,
        store: ZoneStore,
        port: int = 0,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        self._store = store
        self._port = port
        self._interceptors = interceptors
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    def __repr__(self) -> str:
        return f"<DnsServer: {self.address if self._server else 'not started'}>"

    async def __aenter__(self) -> Self:
        descriptor_set = await asyncio.to_thread(compile_folder, folder("proto"))
        # Two servers that share a port would each get some of the calls.
        options = [("grpc.so_reuseport", 0)]
        server = grpc.aio.server(options=options, interceptors=self._interceptors)
        self._register(server, Schema(descriptor_set))
        self._port = server.add_insecure_port(f"{LOOPBACK}:{self._port}")
        await server.start()
        self._server = server
        for name in ("", *_SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            await self._health.enter_graceful_shutdown()
            await server.stop(STOP_GRACE_S)

    @property
    def address(self) -> str:
        """Where it listens, `127.0.0.1:50051`."""
        return f"{LOOPBACK}:{self._port}"

    def _register(self, server: grpc.aio.Server, schema: Schema) -> None:
        handlers = _RecordService(self._store, schema).handlers()
        server.add_generic_rpc_handlers((_generic(schema, RECORD_SERVICE, handlers),))
        statistics = _StatisticsService(self._store, schema).handlers()
        server.add_generic_rpc_handlers((_generic(schema, STATISTICS_SERVICE, statistics),))
        hello = {"SayHello": _unary(_say_hello(schema), lambda _: None)}
        server.add_generic_rpc_handlers((_generic(schema, HELLO_SERVICE, hello),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server, pool=schema.pool)


class _Service:
    """What the services over the store share."""

    def __init__(self, store: ZoneStore, schema: Schema) -> None:
        self._store = store
        self._schema = schema
        self._messages = Messages(schema)

    def _serial(self, domain: str) -> str:
        return str(self._store.zone(domain).serial)


class _RecordService(_Service):
    """One method for each RPC of `dns.v1.RecordService`."""

    def handlers(self) -> dict[str, Any]:
        """The RPCs by name, as functions that grpcio calls."""
        unary: dict[str, Unary] = {
            "GetZone": self._get_zone,
            "ListNameservers": self._list_nameservers,
            "ListRecords": self._list_records,
            "GetRecord": self._get_record,
            "CreateRecord": self._create_record,
            "UpdateRecord": self._update_record,
            "DeleteRecord": self._delete_record,
            "VerifyRecord": self._verify_record,
            "GetZoneFile": self._get_zone_file,
            "ImportZoneFile": self._import_zone_file,
        }
        adapted = {name: _unary(act, self._serial) for name, act in unary.items()}
        return adapted | {"ExportZone": self._export_zone}

    def _get_zone(self, request: Any) -> tuple[Any, str]:
        zone = self._store.zone(request.zone)
        return self._messages.zone(zone, self._store.record_count(zone.domain)), zone.domain

    def _list_nameservers(self, request: Any) -> tuple[Any, str]:
        found = self._store.nameservers(request.zone)
        nameservers = [self._messages.nameserver(one) for one in found]
        return self._answer("ListNameserversResponse", nameservers=nameservers), request.zone

    def _list_records(self, request: Any) -> tuple[Any, str]:
        filters = read_filters(request)
        page = self._store.page(
            request.zone, filters, request.page_size, request.page_token, request.skip
        )
        answer = self._answer(
            "ListRecordsResponse",
            records=[self._messages.record(record) for record in page.records],
            next_page_token=page.next_page_token,
            total_size=page.total_size,
        )
        return answer, request.zone

    def _get_record(self, request: Any) -> tuple[Any, str]:
        return self._record(self._store.record(request.name))

    def _create_record(self, request: Any) -> tuple[Any, str]:
        content = read_content(request.record)
        return self._record(self._store.create(request.zone, content, request.record_id))

    def _update_record(self, request: Any) -> tuple[Any, str]:
        record = self._store.record(request.record.name, "record.name")
        wanted = request.record
        if request.HasField("update_mask"):
            wanted = self._masked(record, request.record, request.update_mask)
        return self._record(self._store.update(record, read_content(wanted)))

    def _masked(self, record: Record, changes: Any, mask: Any) -> Any:
        if not mask.IsValidForDescriptor(changes.DESCRIPTOR):
            raise invalid(Violation("update_mask", "names a field that a record does not have"))
        wanted = self._messages.content(record.content)
        mask.MergeMessage(changes, wanted, replace_message_field=True, replace_repeated_field=True)
        return wanted

    def _delete_record(self, request: Any) -> tuple[Any, str]:
        record = self._store.delete(request.name)
        return self._schema.message("google.protobuf.Empty")(), record.domain

    def _verify_record(self, request: Any) -> tuple[Any, str]:
        consistent, found = self._store.verify(request.zone, request.id, request.nameservers)
        answers = self._messages.answers(found)
        answer = self._answer("VerifyRecordResponse", consistent=consistent, answers=answers)
        return answer, request.zone

    def _get_zone_file(self, request: Any) -> tuple[Any, str]:
        data = self._store.zone_file(request.zone).encode()
        body = self._schema.message("google.api.HttpBody")
        return body(content_type=zonefile.CONTENT_TYPE, data=data), request.zone

    def _import_zone_file(self, request: Any) -> tuple[Any, str]:
        result = self._store.import_zone_file(
            request.zone, request.file.data, validate_only=request.validate_only
        )
        counts = {"added": result.added, "present": result.present}
        return self._answer("ImportZoneFileResponse", **counts), request.zone

    async def _export_zone(self, request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            records = self._store.export(request.zone, frozenset(request.types))
            # Who reads a stream should not have to wait for its end.
            await context.send_initial_metadata(((_SERIAL, self._serial(request.zone)),))
            for record in records:
                yield self._messages.record(record)
        except ExampleError as error:
            await _abort(context, error)

    def _answer(self, name: str, **fields: Any) -> Any:
        return self._schema.message(f"dns.v1.{name}")(**fields)

    def _record(self, record: Record) -> tuple[Any, str]:
        domain, _ = split_record_name(record.name, "name")
        return self._messages.record(record), domain


class _StatisticsService(_Service):
    """One method for each RPC of `dns.v1.StatisticsService`."""

    def handlers(self) -> dict[str, Any]:
        """The RPCs by name, as functions that grpcio calls."""
        unary: dict[str, Unary] = {
            "GetStatistics": self._get_statistics,
            "ListTopHosts": self._list_top_hosts,
            "SendStatistics": self._send_statistics,
        }
        return {name: _unary(act, self._serial) for name, act in unary.items()}

    def _get_statistics(self, request: Any) -> tuple[Any, str]:
        found = self._store.statistics(request.zone)
        return self._messages.statistics(request.zone, found), request.zone

    def _list_top_hosts(self, request: Any) -> tuple[Any, str]:
        hosts = self._messages.top_hosts(self._store.statistics(request.zone))
        return self._schema.message("dns.v1.ListTopHostsResponse")(hosts=hosts), request.zone

    def _send_statistics(self, request: Any) -> tuple[Any, str]:
        self._store.send_statistics(request.zone, request.to)
        return self._schema.message("google.protobuf.Empty")(), request.zone


def _say_hello(schema: Schema) -> Unary:
    answer = schema.message("HelloResponse")
    return lambda _: (answer(), "")


def _unary(act: Unary, serial: Callable[[str], str | None]) -> Callable[..., Awaitable[Any]]:
    async def handler(request: Any, context: Context) -> Any:
        try:
            answer, domain = act(request)
        except ExampleError as error:
            await _abort(context, error)
        _send_serial(context, serial(domain))
        return answer

    return handler


def _send_serial(context: Context, serial: str | None) -> None:
    if serial is not None:
        context.set_trailing_metadata(((_SERIAL, serial),))


async def _abort(context: Context, error: ExampleError) -> NoReturn:
    """End the call with *error* and its details."""
    status = status_pb2.Status(code=error.code, message=error.message)
    for detail in error.details:
        json_format.ParseDict(detail, status.details.add(), descriptor_pool=_DETAIL_POOL)
    rich = rpc_status.to_status(status)
    await context.abort(rich.code, rich.details, rich.trailing_metadata)


def _generic(schema: Schema, service: str, acts: Mapping[str, Any]) -> grpc.GenericRpcHandler:
    handlers = {}
    for method in schema.service(service).methods:
        make = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        handlers[method.name] = make(
            acts[method.name],
            request_deserializer=schema.message(method.input_type.full_name).FromString,
            response_serializer=schema.message(method.output_type.full_name).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(service, handlers)


#: Where the types of the details are found by name.
_DETAIL_POOL: Final = error_details_pb2.DESCRIPTOR.pool


if __name__ == "__main__":
    main("The example's gRPC server.", lambda port: DnsServer(seeded_store(), port))
