import asyncio
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from proxy.example.seed import seeded_store
from proxy.example.server import (
    HELLO_SERVICE,
    RECORD_SERVICE,
    STATISTICS_SERVICE,
    DnsServer,
)
from tests.example.conftest import RpcClient, RpcError, collect

ZONE = "example.com"


@pytest.mark.parametrize("service", ["", RECORD_SERVICE, STATISTICS_SERVICE, HELLO_SERVICE])
async def test_health_is_told_of_the_server_and_each_service(dns: RpcClient, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(dns.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def reflected(dns: RpcClient, **request: Any) -> Any:
    stub = reflection_pb2_grpc.ServerReflectionStub(dns.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**request)]))
    return (await collect(call))[0]


async def test_reflection_lists_the_services(dns: RpcClient) -> None:
    answer = await reflected(dns, list_services="")
    names = {service.name for service in answer.list_services_response.service}
    assert {RECORD_SERVICE, STATISTICS_SERVICE, HELLO_SERVICE, "grpc.health.v1.Health"} <= names
    for name in names:
        found = await reflected(dns, file_containing_symbol=name)
        assert found.file_descriptor_response.file_descriptor_proto, name


async def test_error_carries_its_details(dns: RpcClient) -> None:
    with pytest.raises(RpcError) as caught:
        await dns.unary(RECORD_SERVICE, "GetZone", {"zone": "none"})
    assert caught.value.status == {
        "code": 5,
        "message": "zones/none does not exist",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "ZONE_NOT_FOUND",
                "domain": "dns.example.com",
            },
            {
                "@type": "type.googleapis.com/google.rpc.ResourceInfo",
                "resourceType": "dns.v1.Zone",
                "resourceName": "zones/none",
            },
        ],
    }


async def test_mask_that_names_no_field_is_refused(dns: RpcClient) -> None:
    name = "zones/example.com/records/www-1"
    request = {"record": {"name": name}, "updateMask": "shade"}
    with pytest.raises(RpcError) as caught:
        await dns.unary(RECORD_SERVICE, "UpdateRecord", request)
    assert caught.value.status["code"] == 3


async def test_mask_passes_over_fields_for_output_only(dns: RpcClient) -> None:
    name = "zones/example.com/records/www-1"
    before = await dns.unary(RECORD_SERVICE, "GetRecord", {"name": name})
    request = {"record": {"name": name, "revision": 9}, "updateMask": "revision,name"}
    assert await dns.unary(RECORD_SERVICE, "UpdateRecord", request) == before


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("GetRecord", {"name": "x"}, "name"),
        ("DeleteRecord", {}, "name"),
        ("UpdateRecord", {"record": {"name": "x"}}, "record.name"),
    ],
)
async def test_bad_resource_name_is_refused_with_the_field(
    dns: RpcClient, method: str, request_: dict[str, Any], field: str
) -> None:
    with pytest.raises(RpcError) as caught:
        await dns.unary(RECORD_SERVICE, method, request_)
    assert caught.value.status["details"][1]["fieldViolations"][0]["field"] == field


async def test_type_that_the_server_does_not_know_is_refused(dns: RpcClient) -> None:
    request = {"zone": ZONE, "record": {"host": "x", "type": 99, "raw": "AA=="}}
    with pytest.raises(RpcError) as caught:
        await dns.unary(RECORD_SERVICE, "CreateRecord", request)
    assert "record.type" in caught.value.status["message"]


async def test_early_error_of_a_stream_comes_before_any_record(dns: RpcClient) -> None:
    with pytest.raises(RpcError) as caught:
        await collect(dns.stream(RECORD_SERVICE, "ExportZone", {"zone": "none"}))
    assert caught.value.status["code"] == 5


async def test_late_error_of_a_stream_comes_after_records(dns: RpcClient) -> None:
    records = dns.stream(RECORD_SERVICE, "ExportZone", {"zone": "damaged.example"})
    found = [await anext(records) for _ in range(3)]
    with pytest.raises(RpcError) as caught:
        await anext(records)
    assert (caught.value.status["code"], len(found)) == (15, 3)


async def test_stream_begins_with_the_serial(dns: RpcClient) -> None:
    make, message = dns.prepared(
        dns.channel.unary_stream, RECORD_SERVICE, "ExportZone", {"zone": "fresh.example"}
    )
    call = make(message)
    assert dict(await call.initial_metadata())["x-zone-serial"] == "1"
    assert await collect(call) == []


async def test_import_goes_through_grpc_too(dns: RpcClient) -> None:
    request = {"zone": "fresh.example", "file": {"data": "YSBJTiBBIDE5Mi4wLjIuMQo="}}
    assert await dns.unary(RECORD_SERVICE, "ImportZoneFile", request) == {"added": 1}
    assert await dns.unary(RECORD_SERVICE, "ImportZoneFile", request) == {"present": 1}


async def test_port_in_use_is_an_error_not_shared() -> None:
    async with DnsServer(seeded_store()) as server:
        port = int(server.address.rpartition(":")[2])
        second = DnsServer(seeded_store(), port)
        with pytest.raises(RuntimeError, match=str(port)):
            await second.__aenter__()
        assert repr(second) == "<DnsServer: not started>"
        assert repr(server) == f"<DnsServer: {server.address}>"


async def test_server_is_gone_when_it_is_left() -> None:
    async with DnsServer(seeded_store()) as server:
        host, _, port = server.address.rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
