import asyncio
import json
from typing import Any

import aiohttp
import pytest

from proxy.example.documents import content_document
from proxy.example.legacy import MAX_BODY_BYTES, LegacyHost
from proxy.example.model import Content, Data, MailExchange, RecordType
from proxy.example.reading import merged, read_content
from proxy.example.replies import enveloped
from proxy.example.seed import seeded_store
from tests.example.conftest import RestAnswer, RestClient

ZONE = "/v4/zones/example.com"
LARGE = "/v4/zones/large.example:export"


def errors(answer: RestAnswer) -> list[tuple[int, str | None]]:
    body = answer.json()
    assert (body["success"], body["messages"], body["result"]) == (False, [], None)
    return [(error["code"], error["field"]) for error in body["errors"]]


async def test_zones_are_listed_though_no_rpc_does(legacy: RestClient) -> None:
    answer = await legacy.send("GET", "/v4/zones")
    assert [zone["name"] for zone in answer.json()["result"]] == [
        "damaged.example",
        "example.com",
        "fresh.example",
        "large.example",
        "secondary.example",
    ]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_lists_are_compressed_when_the_client_takes_that(
    legacy: RestClient, coding: str
) -> None:
    answer = await legacy.send("GET", f"{ZONE}/records", accept_encoding=coding)
    assert answer.headers["content-encoding"] == coding
    assert len(answer.json()["result"]) == 50


async def test_cache_is_purged(legacy: RestClient) -> None:
    answer = await legacy.send("POST", f"{ZONE}/purge_cache")
    assert (answer.status, answer.json()["result"]) == (202, {"purged": "example.com"})
    assert (await legacy.send("POST", "/v4/zones/none/purge_cache")).status == 404


async def test_old_url_redirects(legacy: RestClient) -> None:
    answer = await legacy.send("GET", "/zones")
    assert (answer.status, answer.headers["location"], answer.body) == (301, "/v4/zones", b"")


async def test_status_sets_two_cookies(legacy: RestClient) -> None:
    answer = await legacy.send("GET", "/status")
    assert answer.headers.getall("set-cookie") == [
        "session=legacy-1; HttpOnly; Path=/; SameSite=Lax",
        "theme=dark; Path=/",
    ]


@pytest.mark.parametrize("path", [ZONE, f"{ZONE}/records", f"{ZONE}/file", LARGE])
async def test_head_has_the_headers_of_get_and_no_body(legacy: RestClient, path: str) -> None:
    head = await legacy.send("HEAD", path, accept_encoding="identity")
    whole = await legacy.send("GET", path, accept_encoding="identity")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length", "x-zone-serial"):
        assert head.headers.get(name) == whole.headers.get(name)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, 7000),
        ("DELETE", ZONE, 405, 7001),
        ("GET", "/v4/zones/a/b/c/d", 404, 7000),
    ],
)
async def test_unknown_url_or_method_is_a_json_error(
    legacy: RestClient, method: str, path: str, status: int, code: int
) -> None:
    answer = await legacy.send(method, path)
    assert (answer.status, errors(answer)) == (status, [(code, None)])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("allow") == ("GET,HEAD" if status == 405 else None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", None),
        (b"[" * 100_000, None),
        (b"\xff", None),
        (rb'{"comment": "\ud800"}', None),
        (b"[]", None),
        (b'{"name": 1}', "name"),
        (b'{"type": "NOPE"}', "type"),
        (b'{"type": true}', "type"),
        (b'{"type": 1}', "type"),
        (b'{"ttl": "soon"}', "ttl"),
        (b'{"ttl": true}', "ttl"),
        (b'{"weight": true}', "weight"),
        (b'{"weight": "much"}', "weight"),
        (b'{"tags": []}', "tags"),
        (b'{"tags": {"a": 1}}', "tags[a]"),
        (b'{"mx_priority": []}', "mx_priority"),
        (b'{"mx_priority": 1.5}', "mx_priority"),
        (b'{"srv_port": "x"}', "srv_port"),
        (b'{"txt": 1}', "txt"),
        (b'{"txt": [1]}', "txt[0]"),
        (b'{"rdata": "?"}', "rdata"),
        (b'{"ipv4": "192.0.2.1", "ipv6": "::"}', "ipv6"),
    ],
)
async def test_body_of_the_wrong_form_is_refused_with_the_field(
    legacy: RestClient, body: bytes, field: str | None
) -> None:
    answer = await legacy.send("POST", f"{ZONE}/records", body)
    assert (answer.status, errors(answer)) == (400, [(1004, field)])


async def test_rules_name_fields_as_clients_know_them(legacy: RestClient) -> None:
    body = {"name": "", "ttl": -1, "type": "SRV", "srv_port": 70_000}
    answer = await legacy.send("POST", f"{ZONE}/records", body)
    named = ["name", "ttl", "srv_port", "srv_target"]
    assert (answer.status, errors(answer)) == (400, [(1004, field) for field in named])


@pytest.mark.parametrize("hosts", [5, 1.5, True, "ns1", {"a": 1}, [1]])
async def test_name_servers_to_ask_are_a_list_of_names(legacy: RestClient, hosts: object) -> None:
    path = f"{ZONE}/records/www-1:verify"
    answer = await legacy.send("POST", path, {"name_servers": hosts})
    assert (answer.status, errors(answer)) == (400, [(1004, "name_servers")])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=many", "page"),
        ("page=0", "page"),
        ("per_page=-1", "per_page"),
        ("type=NOPE", "type"),
        ("type=A,NOPE", "type"),
        ("modified_since=soon", "modified_since"),
        ("modified_since=2026-05-17T06:00:00Z", "modified_since"),
    ],
)
async def test_query_of_the_wrong_form_is_refused_with_the_field(
    legacy: RestClient, query: str, field: str
) -> None:
    answer = await legacy.send("GET", f"{ZONE}/records?{query}")
    assert (answer.status, errors(answer)) == (400, [(1004, field)])


async def test_a_new_record_has_an_address(legacy: RestClient) -> None:
    body = {"name": "x", "type": "A", "ipv4": "192.0.2.1"}
    made = await legacy.send("POST", f"{ZONE}/records", body)
    assert made.status == 201
    found = await legacy.send("GET", made.headers["location"])
    assert found.json() == made.json()
    number = made.json()["result"]["id"]
    assert (await legacy.send("GET", f"{ZONE}/records/{number}")).json() == made.json()


async def test_pages_are_told_with_what_is_on_them(legacy: RestClient) -> None:
    info = {"page": 2, "per_page": 60, "count": 13, "total_count": 73, "total_pages": 2}
    answer = await legacy.send("GET", f"{ZONE}/records?page=2&per_page=60")
    assert (answer.json()["result_info"], len(answer.json()["result"])) == (info, 13)
    beyond = await legacy.send("GET", f"{ZONE}/records?page=9&per_page=60")
    assert beyond.json()["result"] == []
    assert beyond.json()["result_info"] == info | {"page": 9, "count": 0}


@pytest.mark.parametrize(
    ("change", "gone", "kept"),
    [
        ({"ipv4": "192.0.2.9"}, "mx_exchange", "tags"),
        ({"mx_priority": 7}, "ipv4", "mx_exchange"),
        ({"mx_priority": 0}, "ipv4", "mx_exchange"),
        ({"mx_priority": None}, "ipv4", "mx_priority"),
    ],
)
def test_a_change_takes_data_of_other_kinds_away(
    change: dict[str, Any], gone: str, kept: str
) -> None:
    data = Data("mail_exchange", MailExchange(5, "m.example."))
    content = Content("x", RecordType.MX, data, tags={"a": "b"})
    changed = content_document(read_content(merged(content_document(content), change)))
    assert gone not in changed
    assert kept in changed


async def test_unknown_members_are_passed_over(legacy: RestClient) -> None:
    body = {"name": "x", "type": "CAA", "rdata": "FBff", "shade": 1, "comment": None, "ttl": 60}
    answer = await legacy.send("POST", f"{ZONE}/records", body)
    assert answer.status == 201
    assert answer.json()["result"]["rdata"] == "fbff"


async def test_empty_hello_is_taken_and_a_broken_one_is_not(legacy: RestClient) -> None:
    assert (await legacy.send("POST", "/hello")).json() == enveloped({})
    assert (await legacy.send("POST", "/hello", b"{")).status == 400


async def test_body_over_the_limit_is_refused(legacy: RestClient) -> None:
    answer = await legacy.send("POST", f"{ZONE}/file", b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status, errors(answer)) == (413, [(7002, None)])


async def test_export_in_lines(legacy: RestClient) -> None:
    answer = await legacy.send("GET", LARGE, accept="application/x-ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert len([json.loads(line) for line in answer.body.splitlines()]) == 5_000


async def test_export_in_events(legacy: RestClient) -> None:
    answer = await legacy.send("GET", LARGE, accept="text/event-stream; q=1")
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.body.count(b"data: {") == answer.body.count(b"\n\n") == 5_000


async def test_export_of_no_records_is_an_empty_array(legacy: RestClient) -> None:
    assert (await legacy.send("GET", "/v4/zones/fresh.example:export")).body == b"[]"


async def test_late_error_ends_lines_and_events_with_its_status(legacy: RestClient) -> None:
    path = "/v4/zones/damaged.example:export"
    lines = await legacy.send("GET", path, accept="application/x-ndjson")
    assert json.loads(lines.body.splitlines()[-1])["error"]["errors"][0]["code"] == 1000
    events = await legacy.send("GET", path, accept="text/event-stream")
    assert b'\n\nevent: error\ndata: {"success":false,"errors":[{"code":1000,' in events.body


async def test_late_error_breaks_an_array_off(legacy: RestClient) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await legacy.send("GET", "/v4/zones/damaged.example:export")


async def test_host_is_gone_when_it_is_left() -> None:
    host = LegacyHost(seeded_store())
    assert repr(host) == "<LegacyHost: not started>"
    async with host:
        name, _, port = host.address.rpartition(":")
        assert host.address in repr(host).replace("', ", ":")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(name, int(port))
