"""The example end to end: a raw client, the service, real legacy and gRPC servers."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from tests.live.example import running
from tests.live.wire import Reply, client_of, request

RECORD = b'{"name": "new", "type": "A", "ipv4": "192.0.2.7", "ttl": 60}'


def code_of(reply: Reply) -> int:
    """The old number of an error."""
    code: int = reply.json()["errors"][0]["code"]
    return code


async def test_both_sides_answer_through_one_connection(tmp_path: Path):
    async with running(tmp_path) as example, client_of(example.url) as client:
        zone = await client.ask(request("GET", "/v4/zones/example.com"))
        status = await client.ask(request("GET", "/status"))
        moved = await client.ask(request("GET", "/zones"))
        hello = await client.ask(request("POST", "/hello", body=b'{"Name": "x"}'))
    assert (zone.status, zone["x-cutover-side"]) == (200, "grpc")
    assert zone.json()["result"]["serial"] == 9007199254740993
    assert zone["x-zone-serial"] == "9007199254740993"
    assert (status.status, status["x-cutover-side"]) == (200, "legacy")
    assert len(status.all("set-cookie")) == 2
    assert (moved.status, moved["location"]) == (301, "/v4/zones")
    assert (hello.json()["result"], hello["x-cutover-side"]) == ({}, "grpc")
    logged = [(line["path"], line["side"], line["rpc"]) for line in example.lines()]
    assert logged == [
        ("/v4/zones/example.com", "grpc", "dns.v1.RecordService.GetZone"),
        ("/status", "legacy", ""),
        ("/zones", "legacy", ""),
        ("/hello", "grpc", "HelloWorldHandler.SayHello"),
    ]


async def test_a_record_lives_its_life(tmp_path: Path):
    async with running(tmp_path) as example, client_of(example.url) as client:
        made = await client.ask(
            request("POST", "/v4/zones/fresh.example/records?label=n1", body=RECORD)
        )
        path = "/v4/zones/fresh.example/records/n1"
        changed = await client.ask(request("PATCH", path, body=b'{"comment": "c"}'))
        read = await client.ask(request("GET", path))
        again = await client.ask(
            request("POST", "/v4/zones/fresh.example/records?label=n1", body=RECORD)
        )
        gone = await client.ask(request("DELETE", path))
        missing = await client.ask(request("GET", path))
    assert (made.status, made["location"]) == (201, path)
    assert made.json()["result"]["href"] == path
    assert changed.json()["result"]["comment"] == "c"
    assert read.json() == changed.json()
    assert (again.status, code_of(again)) == (409, 81057)
    assert (gone.status, gone.body) == (204, b"")
    assert (missing.status, code_of(missing)) == (404, 81044)


@pytest.mark.parametrize(
    ("accept", "separator"),
    [("application/json", b","), ("application/x-ndjson", b"\n"), ("text/event-stream", b"\n\n")],
)
async def test_a_large_zone_comes_as_a_stream(tmp_path: Path, accept: str, separator: bytes):
    async with running(tmp_path) as example, client_of(example.url) as client:
        sent = request("GET", "/v4/zones/large.example:export", f"Accept: {accept}")
        reply = await client.ask(sent)
    assert reply["content-type"] == accept
    assert reply.body.count(b'"name":"host-') == 5000
    assert separator in reply.body


async def test_a_stream_that_fails_midway_does_not_look_complete(tmp_path: Path):
    target = "/v4/zones/damaged.example:export"
    async with running(tmp_path) as example:
        async with client_of(example.url) as client:
            client.write(request("GET", target))
            assert b"0\r\n\r\n" not in await client.rest()
        async with client_of(example.url) as client:
            lines = await client.ask(request("GET", target, "Accept: application/x-ndjson"))
    assert lines.status == 200
    assert json.loads(lines.body.splitlines()[-1])["error"]["errors"][0]["code"] == 1000


async def test_a_client_that_leaves_a_stream_ends_it_at_the_server(tmp_path: Path):
    async with running(tmp_path) as example:
        for _ in range(3):
            async with client_of(example.url) as client:
                client.write(request("GET", "/v4/zones/large.example:export"))
                await client.head()
        async with client_of(example.url) as client:
            assert (await client.ask(request("GET", "/v4/zones/example.com"))).status == 200
        async with client_of(example.service.admin_url) as admin:
            text = b""
            while b"cutover_inflight_requests 0.0" not in text:
                text = (await admin.ask(request("GET", "/metrics", host="localhost"))).body
    errors = [line["error"] for line in example.lines() if line["rpc"].endswith("ExportZone")]
    assert len(errors) == 3
    # Which of the two it is depends on whether a write or the end was noticed first.
    assert set(errors) <= {"the client went away", "the client has closed the connection"}


async def test_large_answers_are_compressed(tmp_path: Path):
    async with running(tmp_path) as example, client_of(example.url) as client:
        target = "/v4/zones/large.example/records?per_page=1000"
        plain = await client.ask(request("GET", target))
        coded = await client.ask(request("GET", target, "Accept-Encoding: gzip"))
    assert coded["content-encoding"] == "gzip"
    assert gzip.decompress(coded.body) == plain.body
    assert len(coded.body) < len(plain.body) / 5


async def test_a_zone_file_travels_raw_both_ways(tmp_path: Path):
    async with running(tmp_path) as example, client_of(example.url) as client:
        down = await client.ask(request("GET", "/v4/zones/example.com/file"))
        line = b"www 300 IN A 192.0.2.1\n"
        up = await client.ask(
            request("POST", "/v4/zones/fresh.example/file", "Content-Type: text/dns", body=line)
        )
    assert (down["content-type"], down["x-cutover-side"]) == ("text/dns", "grpc")
    assert (up.status, up["x-cutover-side"]) == (200, "legacy")
    assert up.json()["result"] == {"recs_added": 1, "recs_present": 0}


async def test_legacy_answers_while_the_grpc_server_is_gone(tmp_path: Path):
    async with running(tmp_path) as example, client_of(example.url) as client:
        sent = request("GET", "/v4/zones/example.com")
        before = await client.ask(sent)
        await example.server.__aexit__(None, None, None)
        down = await client.ask(sent)
        assert (down.status, down["x-cutover-side"]) == (200, "legacy")
        assert down["x-cutover-fallback"] == "not_ready"
        assert down.json() == before.json()
        assert (await client.ask(request("GET", "/status"))).status == 200
        await example.server.__aenter__()
        while (await client.ask(sent))["x-cutover-side"] != "grpc":
            await asyncio.to_thread(lambda: None)


async def test_many_clients_at_once_get_their_own_answers(tmp_path: Path):
    async def one(url: str, number: int) -> None:
        async with client_of(url) as client:
            for _ in range(5):
                name = f"zones/large.example/records/host-{number:04}"
                reply = await client.ask(request("GET", f"/v4/{name}"))
                assert reply.json()["result"]["href"] == f"/v4/{name}"

    async with running(tmp_path) as example:
        await asyncio.gather(*(one(example.url, number) for number in range(40)))
    assert [line["status"] for line in example.lines()] == [200] * 200
