"""Requests that pass to the legacy host, from a raw client through the front end and back."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from proxy.routing.snapshot import Snapshot
from proxy.upstreams.rest import RestOptions
from tests.live.edge import Edge, edge_of, load
from tests.live.wire import (
    OK,
    Client,
    LegacyScript,
    chunked,
    client_of,
    legacy_of,
    read_request,
    request,
)


@dataclass
class Stand:
    edge: Edge
    legacy: LegacyScript
    client: Client


@asynccontextmanager
async def stand_of(
    snapshot: Snapshot, script: LegacyScript | None = None, **options
) -> AsyncIterator[Stand]:
    async with (
        legacy_of(script or LegacyScript()) as legacy,
        edge_of(snapshot, legacy_url=legacy.url, **options) as edge,
        client_of(edge.url) as client,
    ):
        yield Stand(edge, legacy, client)


@pytest.fixture
async def stand(snapshot: Snapshot) -> AsyncIterator[Stand]:
    async with stand_of(snapshot) as made:
        yield made


# --- the request as it came


@pytest.mark.parametrize(
    "http_method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "REPORT", "TRACE"]
)
async def test_every_method_passes_as_it_is(stand: Stand, http_method: str):
    assert (await stand.client.ask(request(http_method, "/old"))).status == 200
    assert stand.legacy.heard[0].line == f"{http_method} /old HTTP/1.1"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//a//b/",
        "/a/../b/./c",
        "/a%2Fb%2fc/%7Euser/%zz",
        "/a;v=1,2/b?",
        "/a?b=%20&c=+&&=&d",
        "/a?x[]=1&y={}|^`\"<>'",
        "/%E2%82%AC?%E2%82%AC=%FF",
        "/v1/old/7?a=b",
        "/" + "x" * 8000,
    ],
)
async def test_the_target_passes_byte_for_byte(stand: Stand, target: str):
    await stand.client.ask(request("GET", target))
    assert stand.legacy.heard[0].line == f"GET {target} HTTP/1.1"


async def test_headers_keep_their_case_order_and_duplicates(stand: Stand):
    sent = ("X-b: 1", "x-A: 2", "X-B: 3", "Cookie: a=1", "Cookie: b=2", "X-Empty:")
    await stand.client.ask(request("GET", "/old", *sent, "X-Bytes: \udcff\udcfe"))
    heard = [f"{name}: {value}".strip() for name, value in stand.legacy.heard[0].headers]
    assert heard[0].startswith("Host: ")
    assert heard[1 : len(sent) + 2] == [*sent, "X-Bytes: ÿþ"]


async def test_headers_of_one_hop_do_not_pass(stand: Stand):
    sent = (
        "Connection: keep-alive, X-Mine, Authorization, Cookie",
        "X-Mine: 1",
        "Authorization: Bearer t",
        "Cookie: a=1",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Proxy-Authorization: p",
        "Upgrade: h2c",
    )
    await stand.client.ask(request("GET", "/old", *sent))
    names = [name.lower() for name, _ in stand.legacy.heard[0].headers]
    assert names == [
        "host",
        "authorization",
        "cookie",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "forwarded",
    ]


async def test_the_legacy_host_learns_who_asks(stand: Stand):
    spoofed = ("X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9")
    await stand.client.ask(request("GET", "/old", *spoofed))
    heard = stand.legacy.heard[0]
    assert heard.all("host") == ["api.test"]
    assert heard.all("x-forwarded-for") == ["127.0.0.1"]
    assert heard.all("x-forwarded-host") == ["api.test"]
    assert heard.all("x-forwarded-proto") == ["http"]
    assert heard.all("forwarded") == ["for=127.0.0.1;host=api.test;proto=http"]


async def test_a_trusted_proxy_is_believed_in_the_headers_and_in_the_log():
    trusting = await load(more="forwarding: {trusted_hops: 1}")
    async with stand_of(trusting, trusted_hops=1) as stand:
        sent = request("GET", "/old", "X-Forwarded-For: 198.51.100.1, 203.0.113.9")
        await stand.client.ask(sent)
        assert stand.legacy.heard[0].all("x-forwarded-for") == ["203.0.113.9, 127.0.0.1"]
        assert stand.edge.lines()[0]["client"] == "203.0.113.9"


async def test_a_trace_passes_and_none_is_begun(stand: Stand):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await stand.client.ask(request("GET", "/old", f"Traceparent: {trace}"))
    await stand.client.ask(request("GET", "/old"))
    assert [heard.all("traceparent") for heard in stand.legacy.heard] == [[trace], []]
    ids = [line["trace_id"] for line in stand.edge.lines()]
    assert ids == ["0af7651916cd43dd8448eb211c80319c", ""]


# --- bodies on their way in


async def test_a_body_keeps_its_length(stand: Stand):
    body = bytes(range(256)) * 5
    await stand.client.ask(request("POST", "/old", "Content-Type: x/y", body=body))
    heard = stand.legacy.heard[0]
    assert heard.body == body
    assert heard.all("content-length") == [str(len(body))]
    assert heard.all("transfer-encoding") == []


async def test_a_body_of_chunks_stays_one(stand: Stand):
    sent = request("POST", "/old", "Transfer-Encoding: chunked") + chunked(b"ab", b"c" * 70_000)
    await stand.client.ask(sent)
    heard = stand.legacy.heard[0]
    assert heard.body == b"ab" + b"c" * 70_000
    assert heard.all("content-length") == []


async def test_an_empty_body_is_announced_as_it_was(stand: Stand):
    await stand.client.ask(request("POST", "/old", "Content-Length: 0"))
    assert stand.legacy.heard[0].all("content-length") == ["0"]


async def test_a_compressed_body_stays_compressed(stand: Stand):
    body = gzip.compress(b"x" * 1000)
    await stand.client.ask(request("POST", "/old", "Content-Encoding: gzip", body=body))
    assert stand.legacy.heard[0].body == body


async def test_a_host_that_reads_slowly_slows_the_client_down(snapshot: Snapshot):
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        read = await reader.readexactly(40_000_000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08d" % len(read))
        await writer.drain()

    async with stand_of(snapshot, LegacyScript(talk=talk)) as stand:
        writer = stand.client.writer
        writer.write(request("POST", "/old", "Content-Length: 40000000") + b"x" * 40_000_000)
        before, left = -1, 0
        while before != left:
            before = left
            for _ in range(50):
                await asyncio.to_thread(lambda: None)
            left = writer.transport.get_write_buffer_size()
        assert left > 20_000_000
        go.set()
        assert (await stand.client.reply("POST")).body == b"40000000"


async def test_an_answer_may_come_before_the_body_ends(snapshot: Snapshot):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Much\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with stand_of(snapshot, LegacyScript(talk=talk)) as stand:
        # More than is waited for before the host is called.
        sent = request("POST", "/old", "Content-Length: 200000") + b"x" * 100_000
        reply = await stand.client.ask(sent)
        assert (reply.status, reply.phrase, reply.closes) == (413, "Too Much", True)


# --- answers


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-a: 1\r\nx-A: 2\r\n\r\nok",
        b"HTTP/1.1 200 Quite Fine\r\ncontent-length: 0\r\nDate: x\r\nServer: y\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: /v4/zones?x=%2F\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 418 Teapot\r\nContent-Length: 3\r\n\r\n{a}",
        b"HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>",
        b"HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
    ],
)
async def test_an_answer_passes_byte_for_byte(snapshot: Snapshot, answer: bytes):
    async with stand_of(snapshot, LegacyScript(answer)) as stand:
        reply = await stand.client.ask(request("GET", "/old"))
        assert reply.head + reply.body == answer
        again = await stand.client.ask(request("GET", "/old"))
        assert again.head == reply.head
        assert stand.legacy.connections == 1


async def test_304_may_announce_a_length_that_does_not_come(snapshot: Snapshot):
    answer = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 100\r\n\r\n"
    async with stand_of(snapshot, LegacyScript(answer)) as stand:
        for _ in range(2):
            reply = await stand.client.ask(request("GET", "/old", "If-None-Match: x"))
            assert (reply.head, reply.body) == (answer, b"")


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked", b"X: none"]
)
async def test_head_has_no_body_whatever_its_header_says(snapshot: Snapshot, framing: bytes):
    answer = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n"
    async with stand_of(snapshot, LegacyScript(answer)) as stand:
        for _ in range(2):
            reply = await stand.client.ask(request("HEAD", "/old"))
            assert (reply.status, reply.body) == (200, b"")
            kept = [] if framing.startswith(b"Transfer") else [framing]
            assert [line for line in reply.head.split(b"\r\n")[1:-2] if line] == kept


async def test_a_small_answer_of_chunks_gets_its_length(snapshot: Snapshot):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"a", b"bc")
    async with stand_of(snapshot, LegacyScript(answer)) as stand:
        reply = await stand.client.ask(request("GET", "/old"))
        assert reply.body == b"abc"
        assert reply.all("content-length") + reply.all("transfer-encoding") in (
            ["3"],
            ["chunked"],
        )


async def test_an_answer_that_ends_with_its_connection_comes_whole(snapshot: Snapshot):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100_000)
        await writer.drain()

    async with stand_of(snapshot, LegacyScript(talk=talk)) as stand:
        for _ in range(2):
            reply = await stand.client.ask(request("GET", "/old"))
            assert reply.body == b"x" * 100_000
        stand.client.write(b"GET /old HTTP/1.0\r\n\r\n")
        reply = await stand.client.reply()
        assert reply.body == b"x" * 100_000
        assert reply.all("transfer-encoding") == []


async def test_a_large_answer_comes_whole_and_only_as_fast_as_it_is_read(snapshot: Snapshot):
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
        for _ in range(400):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 1

    async with stand_of(snapshot, LegacyScript(talk=talk)) as stand:
        stand.client.write(request("GET", "/old"))
        before = -1
        while before != sent:
            before = sent
            for _ in range(50):
                await asyncio.to_thread(lambda: None)
        assert sent < 300
        reply = await stand.client.reply()
        assert len(reply.body) == 40_000_000


async def test_pieces_come_as_they_are_sent(snapshot: Snapshot):
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with stand_of(snapshot, LegacyScript(talk=talk)) as stand:
        stand.client.write(request("GET", "/old"))
        await stand.client.head()
        assert await stand.client.chunk() == b"first"
        go.set()
        assert await stand.client.chunk() == b"last"
        assert await stand.client.chunk() == b""


async def test_early_hints_pass_but_not_to_http_1_0(snapshot: Snapshot):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    async with stand_of(snapshot, LegacyScript(hints + hints + OK)) as stand:
        stand.client.write(request("GET", "/old"))
        for _ in range(2):
            assert (await stand.client.head())[3] == hints
        assert (await stand.client.reply()).status == 200
        stand.client.write(b"GET /old HTTP/1.0\r\n\r\n")
        assert (await stand.client.reply()).status == 200


async def test_connections_to_the_legacy_host_are_reused(stand: Stand):
    for _ in range(5):
        await stand.client.ask(request("GET", "/old"))
    assert stand.legacy.connections == 1


# --- a legacy host that fails


async def failed(stand: Stand, status: int) -> None:
    reply = await stand.client.ask(request("GET", "/old"))
    assert reply.status == status
    assert reply["content-type"] == "application/json"
    assert sorted(reply.json()) == ["code", "details", "message"]
    assert "127.0.0.1" not in reply.body.decode()


async def test_a_host_that_is_down_is_502_and_the_connection_stays(snapshot: Snapshot):
    async with legacy_of(LegacyScript()) as gone:
        url = gone.url
    async with edge_of(snapshot, legacy_url=url) as edge, client_of(edge.url) as client:
        stand = Stand(edge, gone, client)
        await failed(stand, 502)
        await failed(stand, 502)
        (line, _) = edge.lines()
    assert (line["side"], line["reason"], line["status"]) == ("legacy", "unmapped", 502)
    assert "cannot be reached" in line["error"]
    assert 'cutover_upstream_errors_total{upstream="legacy",code="UNAVAILABLE"} 2.0' in (
        edge.shown_metrics()
    )


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"garbage\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: m4rk\rb\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: m4rk\0b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_502(snapshot: Snapshot, answer: bytes | None):
    async with stand_of(snapshot, LegacyScript(answer)) as stand:
        await failed(stand, 502)


async def test_a_host_that_does_not_answer_in_time_is_504(snapshot: Snapshot):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    script = LegacyScript(talk=talk)
    async with stand_of(snapshot, script, legacy_timeout_s=0.05) as stand:
        await failed(stand, 504)


async def test_a_route_on_the_legacy_side_has_its_own_timeout():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    quick = await load(
        more="- {rpc: edge.v1.Items.Delete, name: delete-item, stage: legacy, timeout: 50ms}"
    )
    async with stand_of(quick, LegacyScript(talk=talk)) as stand:
        reply = await stand.client.ask(request("DELETE", "/v1/items/1"))
        assert reply.status == 504
        (line,) = stand.edge.lines()
        assert (line["route"], line["side"], line["reason"]) == ("delete-item", "legacy", "stage")


@pytest.mark.parametrize(
    ("begun", "then"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", b"zz\r\n"),
    ],
)
async def test_an_answer_that_breaks_off_does_not_look_complete(
    snapshot: Snapshot, begun: bytes, then: bytes
):
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(begun)
        await go.wait()
        writer.write(then)
        await writer.drain()
        if then:
            await reader.read()

    async with stand_of(snapshot, LegacyScript(talk=talk)) as stand:
        stand.client.write(request("GET", "/old"))
        await stand.client.head()
        go.set()
        received = await stand.client.rest()
        assert b"0\r\n\r\n" not in received
        assert len(received) < 20
        async with client_of(stand.edge.url) as other:
            assert (await other.ask(request("GET", "/v1/items"))).status == 200
        line = stand.edge.lines()[0]
        assert line["error"]
        assert line["bytes_out"] == 4
        assert 'cutover_upstream_errors_total{upstream="legacy",' in stand.edge.shown_metrics()


async def test_an_answer_that_stalls_is_cut(snapshot: Snapshot):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await reader.read()

    options = RestOptions(idle_timeout_s=0.05)
    async with stand_of(snapshot, LegacyScript(talk=talk), legacy_options=options) as stand:
        stand.client.write(request("GET", "/old"))
        received = await stand.client.rest()
        assert len(received.partition(b"\r\n\r\n")[2]) <= 4


async def test_a_malformed_body_is_cut_off_from_the_legacy_host(stand: Stand):
    async with client_of(stand.edge.url) as client:
        client.write(request("POST", "/old", "Transfer-Encoding: chunked") + b"2\r\nab\r\n")
        while not stand.legacy.connections:
            await asyncio.to_thread(lambda: None)
        client.write(b"zz\r\n")
        reply = await client.reply()
        assert (reply.status, reply.closes) == (400, True)
        assert await client.rest() == b""
    await stand.legacy.left.wait()
    assert stand.legacy.heard == []


async def test_a_mapped_path_with_another_method_passes(stand: Stand):
    assert (await stand.client.ask(request("POST", "/v1/items/1"))).status == 200
    assert stand.legacy.heard[0].line == "POST /v1/items/1 HTTP/1.1"
    assert stand.edge.lines()[0]["reason"] == "unmapped"


async def test_options_of_a_mapped_path_asks_the_legacy_host(stand: Stand):
    await stand.client.ask(request("OPTIONS", "/v1/items/1", "Origin: https://app.test"))
    assert stand.legacy.heard[0].line == "OPTIONS /v1/items/1 HTTP/1.1"


async def test_a_route_on_the_legacy_side_passes_what_no_template_could_decode(stand: Stand):
    await stand.client.ask(request("GET", "/v1/old/%zz?a=%ff"))
    assert stand.legacy.heard[0].line == "GET /v1/old/%zz?a=%ff HTTP/1.1"
    (line,) = stand.edge.lines()
    assert (line["route"], line["side"], line["reason"]) == ("old-item", "legacy", "stage")


async def test_no_free_connection_in_time_is_503(snapshot: Snapshot):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    script, options = LegacyScript(talk=talk), RestOptions(max_connections=1)
    async with (
        stand_of(snapshot, script, legacy_options=options, legacy_timeout_s=0.05) as stand,
        client_of(stand.edge.url) as other,
    ):
        stand.client.write(request("GET", "/old"))
        other.write(request("GET", "/old"))
        statuses = {(await one.reply()).status for one in (stand.client, other)}
    assert 504 in statuses
    assert statuses <= {503, 504}
