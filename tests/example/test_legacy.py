import asyncio
import json

import aiohttp
import pytest

from proxy.example.legacy import MAX_BODY_BYTES, LegacyHost
from proxy.example.seed import seeded_store
from tests.example.conftest import RestClient

ZONE = "/v4/zones/example.com"
LARGE = "/v4/zones/large.example:export"


async def test_zones_are_listed_though_no_rpc_does(legacy: RestClient) -> None:
    answer = await legacy.send("GET", "/v4/zones")
    assert [zone["name"] for zone in answer.json()["zones"]] == [
        "zones/damaged.example",
        "zones/example.com",
        "zones/fresh.example",
        "zones/large.example",
        "zones/secondary.example",
    ]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_lists_are_compressed_when_the_client_takes_that(
    legacy: RestClient, coding: str
) -> None:
    answer = await legacy.send("GET", f"{ZONE}/records", accept_encoding=coding)
    assert answer.headers["content-encoding"] == coding
    assert len(answer.json()["records"]) == 50


async def test_cache_is_purged(legacy: RestClient) -> None:
    answer = await legacy.send("POST", f"{ZONE}/purge_cache")
    assert (answer.status, answer.json()) == (202, {"purged": "example.com"})
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
    [("GET", "/nothing", 404, 5), ("DELETE", ZONE, 405, 12), ("GET", "/v4/zones/a/b/c/d", 404, 5)],
)
async def test_unknown_url_or_method_is_a_json_error(
    legacy: RestClient, method: str, path: str, status: int, code: int
) -> None:
    answer = await legacy.send(method, path)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("allow") == ("GET,HEAD" if status == 405 else None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[" * 100_000, "body"),
        (b"\xff", "body"),
        (rb'{"comment": "\ud800"}', "body"),
        (b"[]", "body"),
        (b'{"host": 1}', "record.host"),
        (b'{"type": "NOPE"}', "record.type"),
        (b'{"type": true}', "record.type"),
        (b'{"ttl": "soon"}', "record.ttl"),
        (b'{"ttl": 5}', "record.ttl"),
        (b'{"weight": true}', "record.weight"),
        (b'{"weight": "much"}', "record.weight"),
        (b'{"tags": []}', "record.tags"),
        (b'{"tags": {"a": 1}}', "record.tags"),
        (b'{"mailExchange": []}', "record.mail_exchange"),
        (b'{"mailExchange": {"preference": {}}}', "record.mail_exchange"),
        (b'{"service": "x"}', "record.service"),
        (b'{"text": {"strings": 1}}', "record.text"),
        (b'{"raw": "?"}', "record.raw"),
        (b'{"ipv4": "192.0.2.1", "ipv6": "::"}', "record.data"),
    ],
)
async def test_body_of_the_wrong_form_is_refused_with_the_field(
    legacy: RestClient, body: bytes, field: str
) -> None:
    answer = await legacy.send("POST", f"{ZONE}/records", body)
    assert answer.status == 400
    assert answer.json()["details"][0]["fieldViolations"][0]["field"] == field


@pytest.mark.parametrize("hosts", [5, 1.5, True, "ns1", {"a": 1}, [1]])
async def test_name_servers_to_ask_are_a_list_of_names(legacy: RestClient, hosts: object) -> None:
    path = f"{ZONE}/records/www-1:verify"
    answer = await legacy.send("POST", path, {"nameservers": hosts})
    assert answer.status == 400
    assert answer.json()["details"][0]["fieldViolations"][0]["field"] == "nameservers"


@pytest.mark.parametrize(
    ("mask", "changes"),
    [("host.a", {}), ("mailExchange.preference", {"mailExchange": 5}), ("tags.a", {"tags": "x"})],
)
async def test_mask_that_goes_into_a_plain_value_is_refused(
    legacy: RestClient, mask: str, changes: object
) -> None:
    answer = await legacy.send("PATCH", f"{ZONE}/records/www-1?updateMask={mask}", changes)
    assert answer.status == 400
    assert answer.json()["details"][0]["fieldViolations"][0]["field"] == "update_mask"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pageSize=many", "pageSize"),
        ("types=NOPE", "types"),
        ("updatedSince=soon", "updated_since"),
        ("updatedSince=9999-12-31T23:59:59-23:00", "updated_since"),
    ],
)
async def test_query_of_the_wrong_form_is_refused_with_the_field(
    legacy: RestClient, query: str, field: str
) -> None:
    answer = await legacy.send("GET", f"{ZONE}/records?{query}")
    assert answer.status == 400
    assert answer.json()["details"][0]["fieldViolations"][0]["field"] == field


async def test_unknown_members_and_other_spellings_are_taken(legacy: RestClient) -> None:
    body = {"host": "x", "type": 257, "raw": "-_8", "shade": 1, "comment": None, "ttl": "60.0s"}
    answer = await legacy.send("POST", f"{ZONE}/records", body)
    assert answer.status == 200
    assert (answer.json()["raw"], answer.json()["ttl"]) == ("+/8=", "60s")


async def test_empty_hello_is_taken_and_a_broken_one_is_not(legacy: RestClient) -> None:
    assert (await legacy.send("POST", "/hello")).json() == {}
    assert (await legacy.send("POST", "/hello", b"{")).status == 400


async def test_body_over_the_limit_is_refused(legacy: RestClient) -> None:
    answer = await legacy.send("POST", f"{ZONE}/file", b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status, answer.json()["code"]) == (413, 8)


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
    assert json.loads(lines.body.splitlines()[-1])["error"]["code"] == 15
    events = await legacy.send("GET", path, accept="text/event-stream")
    assert b'\n\nevent: error\ndata: {"error":{"code":15,' in events.body


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
