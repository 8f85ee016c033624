"""A REST client that `gapic-generator` makes of the example works through the proxy, unmodified.

What it supports is all of it but streams of requests; what it cannot read is named here too.
"""

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.protobuf.json_format import ParseError
from google.rpc import error_details_pb2

from tests.google.generated import rest_client

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZONE = "example.com"


async def calling(call: Callable[[], Any]) -> Any:
    """What a call gives. The client blocks, so that it has a thread of its own."""
    return await asyncio.to_thread(call)


@pytest.fixture(scope="module")
def client(dns: ModuleType, dns_url: str) -> Any:
    return rest_client(dns, "RecordService", dns_url)


@pytest.fixture(scope="module")
def kind_client(kinds: ModuleType, kinds_url: str) -> Any:
    return rest_client(kinds, "KindService", kinds_url)


def record_name(record_id: str) -> str:
    return f"zones/{ZONE}/records/{record_id}"


# --- one answer


async def test_get_reads_numbers_beyond_doubles_times_and_enums(client: Any, dns: ModuleType):
    zone = await calling(lambda: client.get_zone(dns.GetZoneRequest(zone=ZONE)))
    assert zone.serial >= 9_007_199_254_740_993
    assert zone.state is dns.Zone.State.ACTIVE
    assert zone.create_time.year > 2000
    assert zone.tags == {"team": "platform", "tier": "gold"}


async def test_post_patch_and_delete_change_one_record(client: Any, dns: ModuleType):
    record = dns.Record(host="made", type_=dns.Record.Type.A, ipv4="192.0.2.77")
    request = dns.CreateRecordRequest(zone=ZONE, record=record, record_id="made")
    made = await calling(lambda: client.create_record(request))
    assert (made.name, made.type_, made.ipv4) == (record_name("made"), 1, "192.0.2.77")

    change = dns.Record(name=made.name, comment="by a generated client", host="not in the mask")
    masked = dns.UpdateRecordRequest(record=change, update_mask={"paths": ["comment"]})
    changed = await calling(lambda: client.update_record(masked))
    assert (changed.host, changed.comment) == ("made", "by a generated client")

    verify = dns.VerifyRecordRequest(zone=ZONE, id="made")
    assert (await calling(lambda: client.verify_record(verify))).answers

    delete = dns.DeleteRecordRequest(name=made.name)
    assert await calling(lambda: client.delete_record(delete)) is None
    with pytest.raises(exceptions.NotFound):
        await calling(lambda: client.get_record(dns.GetRecordRequest(name=made.name)))


async def test_an_empty_answer_is_none(dns: ModuleType, dns_url: str):
    statistics = rest_client(dns, "StatisticsService", dns_url)
    request = dns.SendStatisticsRequest(zone=ZONE, to="ada@example.com")
    assert await calling(lambda: statistics.send_statistics(request)) is None


async def test_a_list_is_paged_by_its_query(client: Any, dns: ModuleType):
    types = [dns.Record.Type.A, dns.Record.Type.MX]
    request = dns.ListRecordsRequest(zone=ZONE, page_size=7, types=types)

    def names_and_pages() -> tuple[list[str], int]:
        pages = list(client.list_records(request).pages)
        return [record.name for page in pages for record in page.records], len(pages)

    names, pages = await calling(names_and_pages)
    assert pages == -(-len(names) // 7) > 1
    assert len(set(names)) == len(names)
    assert {record_name("apex-a"), record_name("apex-mx1")} < set(names)
    assert record_name("apex-txt") not in names


async def test_http_bodies_come_and_go_as_json(client: Any, dns: ModuleType):
    content = {"content_type": "text/dns", "data": b"imported 300 IN A 192.0.2.9\n"}
    request = dns.ImportZoneFileRequest(zone=ZONE, file=content)
    assert (await calling(lambda: client.import_zone_file(request))).added == 1
    file = await calling(lambda: client.get_zone_file(dns.GetZoneFileRequest(zone=ZONE)))
    assert file.content_type == "text/dns"
    assert b"imported" in file.data


async def test_an_answer_that_is_one_field_is_nothing_that_the_client_knows(
    client: Any, dns: ModuleType
):
    """It looks for the message, whatever the rule's `response_body` says."""
    request = dns.ListNameserversRequest(zone=ZONE)
    with pytest.raises(ParseError):
        await calling(lambda: client.list_nameservers(request))


# --- texts of paths and queries


async def test_texts_arrive_as_python_writes_them(kind_client: Any, kinds: ModuleType):
    colour = kinds.Kind.Colour
    sent = kinds.Kind(
        lit=True,
        colour=colour.GREEN,
        note="a b+c:é",
        text="a b+c%2Fd/é?&=#",
        warm=True,
        colours=[colour.RED, colour.GREEN],
        size=-(2**63),
    )
    assert await calling(lambda: kind_client.find(sent)) == sent


@pytest.mark.filterwarnings("ignore:Unrecognized Colour enum value:UserWarning:proto")
async def test_an_enum_value_that_has_no_name_passes_both_ways(kind_client: Any, kinds: ModuleType):
    sent = kinds.Kind(lit=True, colour=7, note="n", colours=[9])
    assert await calling(lambda: kind_client.find(sent)) == sent


# --- streams


async def test_a_stream_is_read_to_its_end(client: Any, dns: ModuleType):
    request = dns.ExportZoneRequest(zone=ZONE)
    records = await calling(lambda: list(client.export_zone(request)))
    assert len(records) > 60
    assert records[0].name.startswith(f"zones/{ZONE}/records/")


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_stream_of_any_length_is_read(kind_client: Any, kinds: ModuleType, times: int):
    sent = kinds.Kind(note='[{"', times=times, colour=2)
    received = await calling(lambda: list(kind_client.watch(sent)))
    assert received == [sent] * times


async def test_a_failure_in_the_midst_of_a_stream_is_noticed(client: Any, dns: ModuleType):
    request = dns.ExportZoneRequest(zone="damaged.example")
    read = []

    def export() -> None:
        read.extend(record.name for record in client.export_zone(request))

    with pytest.raises((requests.exceptions.ChunkedEncodingError, ValueError)):
        await calling(export)
    assert len(read) == 3


async def test_a_stream_that_fails_at_once_has_the_status_of_its_error(
    client: Any, dns: ModuleType
):
    request = dns.ExportZoneRequest(zone="nowhere.example")
    with pytest.raises(exceptions.NotFound, match=r"zones/nowhere\.example"):
        await calling(lambda: list(client.export_zone(request)))


async def test_streams_of_requests_are_none_of_rest(kind_client: Any, kinds: ModuleType):
    with pytest.raises(NotImplementedError, match="REST"):
        await calling(lambda: kind_client.upload(iter([kinds.Kind()])))


# --- errors


async def test_an_error_of_the_server_has_its_details(client: Any, dns: ModuleType):
    record = dns.Record(host="bad", type_=dns.Record.Type.A, ipv4="not an address")
    request = dns.CreateRecordRequest(zone=ZONE, record=record)
    with pytest.raises(exceptions.BadRequest) as caught:
        await calling(lambda: client.create_record(request))
    assert "record.ipv4" in caught.value.message
    _, detail = caught.value.details
    assert detail["@type"].endswith(error_details_pb2.BadRequest.DESCRIPTOR.full_name)
    assert [each["field"] for each in detail["fieldViolations"]] == ["record.ipv4"]


async def test_a_refusal_of_the_proxy_reads_like_one_of_the_server(client: Any, dns: ModuleType):
    record = dns.Record(host="large", comment="x" * (1 << 20))
    request = dns.CreateRecordRequest(zone=ZONE, record=record)
    with pytest.raises(exceptions.GoogleAPICallError, match="larger than") as caught:
        await calling(lambda: client.create_record(request))
    assert caught.value.code == 413
