"""What hostile clients send, over raw sockets: refused with one JSON error, and nothing passes.

Every case goes to a route that is transcoded and to a path that passes to the legacy host; what
is refused for both must reach neither.
"""

import asyncio
import gzip
import json
import logging
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import structlog

from proxy.routing.snapshot import Snapshot
from proxy.server.protocol import ConnectionLimits
from tests.fakes import Served
from tests.live.edge import HANDLERS, Edge, edge_of, method, read
from tests.live.wire import Client, LegacyScript, chunked, client_of, legacy_of, request

#: One path of each side. MARK is looked for in answers: they must not echo the request.
TARGETS = ("/v1/items", "/old/path")
HASTE = ConnectionLimits(keepalive_timeout_s=0.05)
MARK = "m4rk"


@dataclass
class Stand:
    """A front end with both sides behind it, and one connection to it."""

    edge: Edge
    legacy: LegacyScript
    client: Client

    def reached(self) -> int:
        """Requests that got to either side."""
        return len(self.edge.upstream.calls) + len(self.legacy.heard)


@asynccontextmanager
async def stand_of(snapshot: Snapshot, **options) -> AsyncIterator[Stand]:
    script = options.pop("script", None) or LegacyScript()
    async with (
        legacy_of(script) as legacy,
        edge_of(snapshot, legacy_url=legacy.url, **options) as edge,
        client_of(edge.url) as client,
    ):
        yield Stand(edge, legacy, client)


@pytest.fixture
async def stand(snapshot: Snapshot) -> AsyncIterator[Stand]:
    async with stand_of(snapshot) as made:
        yield made


HOST = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(*fields: bytes, body: bytes = b"0\r\n\r\n", version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST TARGET " + version + b"\r\n" + HOST + b"".join(fields) + b"\r\n" + body


def get(*fields: bytes, host: bytes = HOST) -> bytes:
    return b"GET TARGET HTTP/1.1\r\n" + host + b"".join(fields) + b"\r\n"


#: Framing that two servers may read differently (RFC 9112 §6.3, §11.2). TARGET stands for a path.
FRAMING = {
    "length and chunks": (400, post(b"Content-Length: 5\r\n", CHUNKED)),
    "chunks and length": (400, post(CHUNKED, b"Content-Length: 5\r\n")),
    "two lengths": (400, post(b"Content-Length: 5\r\n", b"Content-Length: 4\r\n")),
    "the same length twice": (400, post(b"Content-Length: 5\r\n", b"Content-Length: 5\r\n")),
    "a list of lengths": (400, post(b"Content-Length: 5, 5\r\n")),
    "length with plus": (400, post(b"Content-Length: +5\r\n")),
    "length with minus": (400, post(b"Content-Length: -5\r\n")),
    "length with underscore": (400, post(b"Content-Length: 1_0\r\n")),
    "length in hex": (400, post(b"Content-Length: 0x5\r\n")),
    "length in Arabic digits": (400, post("Content-Length: ٥\r\n".encode())),
    "length without digits": (400, post(b"Content-Length:\r\n")),
    "length beyond 64 bits": (400, post(b"Content-Length: 99999999999999999999999\r\n")),
    "two codings": (400, post(CHUNKED, CHUNKED)),
    "xchunked": (400, post(b"Transfer-Encoding: xchunked\r\n")),
    "identity": (400, post(b"Transfer-Encoding: identity\r\n")),
    "chunked not last": (400, post(b"Transfer-Encoding: chunked, identity\r\n")),
    "coding after a vertical tab": (400, post(b"Transfer-Encoding: \x0bchunked\r\n")),
    "coding with a space in its name": (400, post(b"Transfer-Encoding : chunked\r\n")),
    "empty coding in a list": (501, post(b"Transfer-Encoding: ,chunked\r\n")),
    "gzip as transfer coding": (501, post(b"Transfer-Encoding: gzip, chunked\r\n")),
    "chunks in HTTP/1.0": (400, post(CHUNKED, version=b"HTTP/1.0")),
    "chunk size with 0x": (400, post(CHUNKED, body=b"0x2\r\n{}\r\n0\r\n\r\n")),
    "chunk size with minus": (400, post(CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n")),
    "chunk size with plus": (400, post(CHUNKED, body=b"+2\r\n{}\r\n0\r\n\r\n")),
    "chunk size with a space before": (400, post(CHUNKED, body=b" 2\r\n{}\r\n0\r\n\r\n")),
    "chunk size of nothing": (400, post(CHUNKED, body=b"\r\n{}\r\n0\r\n\r\n")),
    "chunk size beyond 64 bits": (400, post(CHUNKED, body=b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n")),
    "chunk longer than its size": (400, post(CHUNKED, body=b"2\r\n{}xx0\r\n\r\n")),
    "chunk ended by bare LF": (400, post(CHUNKED, body=b"2\n{}\n0\n\n")),
    "LF in a chunk extension": (400, post(CHUNKED, body=b"2;a\nb\r\n{}\r\n0\r\n\r\n")),
    "length in a trailer": (
        400,
        post(CHUNKED, body=b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"),
    ),
}

#: Header blocks and request lines that are no HTTP/1.1.
MALFORMED = {
    "bare LF everywhere": (400, b"GET TARGET HTTP/1.1\nHost: a\n\n"),
    "bare LF in the block": (400, get(b"A: b\nC: d\r\n")),
    "bare CR in a value": (400, get(b"A: b\rC: d\r\n")),
    "NUL in a value": (400, get(b"A: b\0c\r\n")),
    "control character in a value": (400, get(b"A: b\x01c\r\n")),
    "folded line": (400, get(b"A: b\r\n c\r\n")),
    "folded first line": (400, b"GET TARGET HTTP/1.1\r\n Host: a\r\n\r\n"),
    "space before the colon": (400, get(b"A : b\r\n")),
    "empty name": (400, get(b": b\r\n")),
    "no colon": (400, get(b"Abc\r\n")),
    "name that is no token": (400, get(b"A(b: c\r\n")),
    "name of other bytes": (400, get(b"\xffb: c\r\n")),
    "no Host": (400, get(host=b"")),
    "two Hosts": (400, get(b"Host: b\r\n")),
    "the same Host twice": (400, get(b"Host: a\r\n")),
    "a list of hosts": (400, get(host=b"Host: a, b\r\n")),
    "a path in Host": (400, get(host=b"Host: a/b\r\n")),
    "a user in Host": (400, get(host=b"Host: u@a\r\n")),
    "HTTP/2.0 in the line": (505, b"GET TARGET HTTP/2.0\r\nHost: a\r\n\r\n"),
    "HTTP/0.9": (505, b"GET TARGET\r\n\r\n"),
    "HTTP/1.2": (400, b"GET TARGET HTTP/1.2\r\nHost: a\r\n\r\n"),
    "HTTP/11": (400, b"GET TARGET HTTP/11\r\nHost: a\r\n\r\n"),
    "http in lower case": (400, b"GET TARGET http/1.1\r\nHost: a\r\n\r\n"),
    "method in lower case": (400, b"get TARGET HTTP/1.1\r\nHost: a\r\n\r\n"),
    "method that nobody knows": (400, b"FROB TARGET HTTP/1.1\r\nHost: a\r\n\r\n"),
    "target without a slash": (400, b"GET m4rk HTTP/1.1\r\nHost: a\r\n\r\n"),
    "space in the target": (400, b"GET TARGET m4rk HTTP/1.1\r\nHost: a\r\n\r\n"),
    "tab in the target": (400, b"GET TARGET\tm4rk HTTP/1.1\r\nHost: a\r\n\r\n"),
    "NUL in the target": (400, b"GET TARGET\0m4rk HTTP/1.1\r\nHost: a\r\n\r\n"),
    "bytes in the target": (400, b"GET TARGET\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    "fragment": (400, b"GET TARGET#m4rk HTTP/1.1\r\nHost: a\r\n\r\n"),
    "fragment in the query": (400, b"GET TARGET?a#m4rk HTTP/1.1\r\nHost: a\r\n\r\n"),
    "URL of another host": (400, b"GET http://m4rk.test/TARGET HTTP/1.1\r\nHost: a\r\n\r\n"),
    "URL with a user": (400, b"GET http://m4rk@a/TARGET HTTP/1.1\r\nHost: a\r\n\r\n"),
    "URL of another scheme": (400, b"GET ftp://a/TARGET HTTP/1.1\r\nHost: a\r\n\r\n"),
    "star for GET": (400, b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT to a host": (501, b"CONNECT m4rk.test:443 HTTP/1.1\r\nHost: m4rk.test\r\n\r\n"),
    "CONNECT to a path": (501, b"CONNECT TARGET HTTP/1.1\r\nHost: a\r\n\r\n"),
    "HTTP/2 preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (400, bytes.fromhex("160301020001000001fc0303") + b"m4rk"),
    "garbage": (400, b"\x00\x01\xff\xfe m4rk \r\n\r\n"),
    "another expectation": (417, post(b"Expect: 200-m4rk\r\n", b"Content-Length: 5\r\n")),
}

#: More than the limits allow: 8 KiB of target, 8 KiB of field, 16 KiB and 128 fields together.
LARGE = {
    "target": (414, b"GET TARGET?" + b"m4rk" * 2100 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "target without an end": (414, b"GET TARGET?" + b"m4rk" * 20_000),
    "field": (431, get(b"A: " + b"m4rk" * 2100 + b"\r\n")),
    "name": (431, get(b"m4rk" * 2100 + b": b\r\n")),
    "all fields": (431, get(*(b"A%d: " % n + b"m4rk" * 1000 + b"\r\n" for n in range(5)))),
    "number of fields": (431, get(b"A: b\r\n" * 200)),
    "number of trailers": (431, post(CHUNKED, body=b"0\r\n" + b"A: b\r\n" * 200 + b"\r\n")),
    "trailer": (431, post(CHUNKED, body=b"0\r\nA: " + b"m4rk" * 2100 + b"\r\n\r\n")),
}

REFUSED = FRAMING | MALFORMED | {f"too large: {name}": case for name, case in LARGE.items()}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("status", "sent"), REFUSED.values(), ids=REFUSED)
async def test_what_no_route_takes_gets_one_json_error_and_the_end_of_the_connection(
    stand: Stand, target: str, status: int, sent: bytes, caplog: pytest.LogCaptureFixture
):
    with structlog.testing.capture_logs() as logged, caplog.at_level(logging.DEBUG):
        stand.client.write(sent.replace(b"/TARGET", b"TARGET").replace(b"TARGET", target.encode()))
        reply = await stand.client.reply()
    assert reply.status == status
    assert reply["content-type"] == "application/json"
    assert reply.closes
    assert sorted(reply.json()) == ["code", "details", "message"]
    assert MARK not in reply.head.decode() + reply.body.decode()
    assert reply["date"].endswith(" GMT")
    assert stand.reached() == 0
    assert not any("exc_info" in line for line in logged)
    assert not any(record.exc_info for record in caplog.records)
    if status != 417:  # There the body is still read and thrown away, for the client's sake.
        assert await stand.client.rest() == b""
    (line,) = stand.edge.lines()
    assert (line["status"], line["side"], line["client"]) == (status, "proxy", "127.0.0.1")
    assert 'side="proxy"' in stand.edge.shown_metrics()


# --- what looks odd and is right


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n" + get(),
        get(host=b"Host:\r\n"),
        get(host=b"HOST:a\r\n"),
        get(host=b"Host: \t a \t\r\n"),
        get(host=b"Host: [::1]:8080\r\n"),
        b"GET http://a/TARGET HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET HTTP://A/TARGET HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET TARGET HTTP/1.0\r\n\r\n",
        get(b"Connection: upgrade\r\nUpgrade: websocket\r\n"),
        get(b"Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n"),
        get(b"X-Bytes: \xc3\xa4\xff\r\n"),
    ],
)
@pytest.mark.parametrize("target", TARGETS)
async def test_requests_that_only_look_odd_are_answered(stand: Stand, target: str, sent: bytes):
    sent = sent.replace(b"/TARGET", b"TARGET").replace(b"TARGET", target.encode())
    assert (await stand.client.ask(sent)).status == 200
    assert stand.reached() == 1


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: CHUNKED\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
        (CHUNKED, b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
        (CHUNKED, b"002\r\n{}\r\n0\r\n\r\n"),
        (CHUNKED, b"2;ext=1;e\r\n{}\r\n0\r\n\r\n"),
        (CHUNKED, b"2\r\n{}\r\n0\r\nX-Trailer: t\r\n\r\n"),
        (CHUNKED, b"0\r\n\r\n"),
        (b"Content-Length: 02\r\n", b"{}"),
    ],
)
@pytest.mark.parametrize("target", TARGETS)
async def test_bodies_arrive_however_they_are_framed(
    stand: Stand, target: str, fields: bytes, body: bytes
):
    sent = post(fields, body=body).replace(b"TARGET", target.encode())
    assert (await stand.client.ask(sent)).status == 200
    assert stand.reached() == 1
    if stand.legacy.heard:
        assert stand.legacy.heard[0].body == (b"" if body.startswith(b"0\r\n") else b"{}")


@pytest.mark.parametrize(
    "target",
    ["/a/%zz", "/a/%", "/a/../b", "/./a", "/a//b", "/a\\b", "/a/%00", "/%ff", "/a?b=%zz&c=%ff"],
)
@pytest.mark.parametrize("http_method", ["GET", "PURGE", "PROPFIND", "TRACE", "MKCOL"])
async def test_odd_targets_and_methods_pass_to_the_legacy_host_untouched(
    stand: Stand, http_method: str, target: str
):
    assert (await stand.client.ask(request(http_method, target))).status == 200
    assert stand.legacy.heard[0].line == f"{http_method} {target} HTTP/1.1"


@pytest.mark.parametrize("escape", ["%zz", "%", "%f", "%00", "%ff", "%c0%af", "..", "%2e%2E", "."])
async def test_paths_that_cannot_be_decoded_do_not_reach_a_transcoded_route(
    stand: Stand, escape: str
):
    reply = await stand.client.ask(request("GET", f"/v1/items/{escape}"))
    assert reply.status == 400
    assert reply.json()["code"] == 3
    assert not reply.closes
    assert stand.reached() == 0


async def test_an_escaped_slash_never_separates(stand: Stand):
    await stand.client.ask(request("GET", "/v1/items/a%2Fb"))
    assert read("GetRequest", stand.edge.upstream.calls[0].message) == {"id": "a/b"}


async def test_star_of_options_asks_the_legacy_host(stand: Stand):
    assert (await stand.client.ask(request("OPTIONS", "*"))).status == 200
    assert stand.legacy.heard[0].line == "OPTIONS * HTTP/1.1"


async def test_a_url_of_the_same_host_is_passed_on_as_its_path(stand: Stand):
    await stand.client.ask(request("GET", "http://api.test/old?x=1"))
    await stand.client.ask(request("GET", "http://api.test?x=1"))
    await stand.client.ask(request("GET", "http://api.test"))
    lines = [heard.line for heard in stand.legacy.heard]
    assert lines == ["GET /old?x=1 HTTP/1.1", "GET /?x=1 HTTP/1.1", "GET / HTTP/1.1"]


# --- connections


@pytest.mark.parametrize("target", TARGETS)
async def test_requests_sent_ahead_are_answered_in_order(stand: Stand, target: str):
    stand.client.write(b"".join(request("GET", f"{target}?page_size={n}") for n in range(40)))
    for _ in range(40):
        assert (await stand.client.reply()).status == 200
    sizes = [read("GetRequest", call.message) for call in stand.edge.upstream.calls]
    asked = [one.get("pageSize", 0) for one in sizes]
    asked += [int(heard.line.split("=")[1].split(" ")[0]) for heard in stand.legacy.heard]
    assert asked == list(range(40))


async def test_garbage_sent_ahead_ends_the_connection_once(stand: Stand):
    """In one segment the parser gives up both; then neither may have been acted on."""
    stand.client.write(request("GET", "/v1/items") + b"GARBAGE\r\n\r\n")
    assert (await stand.client.reply()).status == 400
    assert await stand.client.rest() == b""
    assert stand.reached() == 0
    async with client_of(stand.edge.url) as client:
        assert (await client.ask(request("GET", "/v1/items"))).status == 200
        assert (await client.ask(b"GARBAGE\r\n\r\n")).status == 400
        assert await client.rest() == b""


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "irc/6.9"])
async def test_nothing_is_lost_unseen_behind_a_request_for_another_protocol(
    stand: Stand, target: str, protocol: str
):
    """The parser drops what comes with it: the connection must not go on from the middle."""
    upgrade = request("GET", target, "Connection: upgrade", f"Upgrade: {protocol}")
    stand.client.write(upgrade + request("GET", target))
    reply = await stand.client.reply()
    assert reply.status == 200
    assert reply.closes
    assert await stand.client.rest() == b""
    assert stand.reached() == 1


async def test_a_connection_stays_when_another_protocol_was_asked_for_alone(stand: Stand):
    """Some clients ask for h2c with each request, and would have to connect for each."""
    upgrade = request("GET", "/v1/items", "Connection: upgrade", "Upgrade: h2c")
    for _ in range(3):
        reply = await stand.client.ask(upgrade)
        assert (reply.status, reply.closes) == (200, False)


async def test_a_request_with_a_body_that_asks_for_another_protocol_is_the_last(stand: Stand):
    upgrade = ("Connection: upgrade", "Upgrade: h2c")
    reply = await stand.client.ask(request("POST", "/v1/items", *upgrade, body=b"{}"))
    assert (reply.status, reply.closes) == (200, True)


async def test_websocket_is_answered_as_plain_http(stand: Stand):
    upgrade = request("GET", "/old", "Connection: upgrade", "Upgrade: websocket")
    stand.client.write(upgrade + request("GET", "/old"))
    assert (await stand.client.reply()).status == 200
    assert (await stand.client.reply()).status == 200
    assert [heard.all("upgrade") for heard in stand.legacy.heard] == [[], []]


async def test_http_1_0_clients_are_told_what_becomes_of_the_connection(stand: Stand):
    for target in TARGETS:
        stand.client.write(f"GET {target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
        assert (await stand.client.reply())["connection"] == "keep-alive"
    reply = await stand.client.ask(b"GET /v1/items HTTP/1.0\r\n\r\n")
    assert reply.closes
    assert await stand.client.rest() == b""


async def test_connection_close_is_obeyed(stand: Stand):
    for target in TARGETS:
        async with client_of(stand.edge.url) as client:
            assert (await client.ask(request("GET", target, "Connection: close"))).closes
            assert await client.rest() == b""


async def test_an_idle_connection_is_closed(snapshot: Snapshot):
    async with stand_of(snapshot, connection_limits=HASTE) as stand:
        assert await stand.client.rest() == b""
        async with client_of(stand.edge.url) as client:
            assert (await client.ask(request("GET", "/v1/items"))).status == 200
            assert await client.rest() == b""


async def test_a_header_that_drips_ends_with_the_idle_time(snapshot: Snapshot):
    async with stand_of(snapshot, connection_limits=HASTE) as stand:
        stand.client.write(b"GET /v1/items HTTP/1.1\r\nHost: a\r\nA: ")
        assert await stand.client.rest() == b""
        assert stand.reached() == 0


# --- bodies


BODY = json.dumps({"shelf": "x" * 500}).encode()
#: Without the time of day, which would give a test another name in every process.
GZIPPED = gzip.compress(BODY, mtime=0)
BOMB = gzip.compress(b" " * 10_000_000, mtime=0)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", GZIPPED),
        ("x-gzip", GZIPPED),
        ("GZIP", GZIPPED),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
    ],
)
@pytest.mark.parametrize("framed", [True, False])
async def test_coded_bodies_are_decoded_for_transcoding_and_left_alone_for_legacy(
    stand: Stand, coding: str, body: bytes, framed: bool
):
    for target in TARGETS:
        if framed:
            sent = request("POST", target, f"Content-Encoding: {coding}", body=body)
        else:
            fields = (f"Content-Encoding: {coding}", "Transfer-Encoding: chunked")
            sent = request("POST", target, *fields) + chunked(body[:20], body[20:])
        assert (await stand.client.ask(sent)).status == 200
    made = read("CreateRequest", stand.edge.upstream.calls[0].message)
    assert made == {"item": {"shelf": "x" * 500}}
    assert stand.legacy.heard[0].body == body
    assert stand.legacy.heard[0].all("content-encoding") == [coding]


@pytest.mark.parametrize(
    ("status", "coding", "body"),
    [
        (413, "gzip", BOMB),
        (413, "deflate", zlib.compress(b" " * 10_000_000)),
        (413, "identity", b" " * 8193),
        (400, "gzip", b"no gzip at all"),
        (400, "gzip", GZIPPED[:-4]),
        (400, "gzip", GZIPPED + b"more"),
        (400, "gzip", b""),
        (400, "deflate", b"\xff\xff"),
        (415, "br", b"\x0b\x02\x80{}\x03"),
        (415, "gzip, gzip", GZIPPED),
        (415, "m4rk", b"{}"),
    ],
)
async def test_bodies_that_cannot_be_decoded_are_refused(
    stand: Stand, status: int, coding: str, body: bytes
):
    fields = (f"Content-Encoding: {coding}", "Transfer-Encoding: chunked")
    pieces = [body[at : at + 5000] for at in range(0, len(body), 5000)]
    sent = request("POST", "/v1/items", *fields) + chunked(*pieces)
    reply = await stand.client.ask(sent)
    assert reply.status == status
    assert MARK not in reply.body.decode()
    assert stand.reached() == 0
    assert (reply.all("accept-encoding") == ["gzip, deflate"]) == (status == 415)


async def test_a_body_that_is_announced_too_large_is_not_waited_for(stand: Stand):
    reply = await stand.client.ask(request("POST", "/v1/items", "Content-Length: 8193"))
    assert (reply.status, reply.closes) == (413, True)
    assert reply.json()["message"] == "the body is larger than 8192 bytes"
    assert stand.reached() == 0


async def test_a_body_of_just_the_limit_is_taken(stand: Stand):
    body = b"{}" + b" " * 8190
    assert (await stand.client.ask(request("POST", "/v1/items", body=body))).status == 200
    assert (await stand.client.ask(request("POST", "/v1/items", body=body + b" "))).status == 413


async def test_a_body_of_chunks_is_refused_as_soon_as_it_is_too_large(stand: Stand):
    stand.client.write(request("POST", "/v1/items", "Transfer-Encoding: chunked"))
    stand.client.write(b"2001\r\n" + b" " * 0x2001 + b"\r\n")
    reply = await stand.client.reply()
    assert (reply.status, reply.closes) == (413, True)


async def test_a_large_body_passes_to_the_legacy_host_whatever_the_limit(stand: Stand):
    body = b"x" * 3_000_000
    assert (await stand.client.ask(request("POST", "/old", body=body))).status == 200
    assert stand.legacy.heard[0].body == body


async def test_what_follows_a_refused_body_is_not_taken_for_a_request(stand: Stand):
    """A body that was not read must not be parsed as the next request."""
    inner = request("DELETE", "/v1/items/7")
    sent = request("POST", "/v1/items", f"Content-Length: {9000 + len(inner)}")
    stand.client.write(sent + inner)
    assert (await stand.client.reply()).status == 413
    stand.client.writer.write_eof()
    assert await stand.client.rest() == b""
    assert stand.reached() == 0


async def test_a_body_that_breaks_off_reaches_no_backend(stand: Stand):
    for target in TARGETS:
        async with client_of(stand.edge.url) as client:
            client.write(request("POST", target, "Content-Length: 100") + b'{"shelf":')
            client.writer.write_eof()
            await client.rest()
    assert stand.edge.upstream.calls == []
    assert stand.legacy.heard == []


async def test_a_body_that_turns_out_malformed_is_not_waited_for(stand: Stand):
    """The size of its second chunk comes when the first one was taken already."""
    for target in TARGETS:
        async with client_of(stand.edge.url) as client:
            client.write(request("POST", target, "Transfer-Encoding: chunked") + b"1\r\n{\r\n")
            while not stand.edge.metrics.inflight:
                await asyncio.to_thread(lambda: None)
            client.write(b"zz\r\n")
            reply = await client.reply()
            assert (reply.status, reply.closes) == (400, True)
            assert reply.json()["message"] == "the body is not well-formed HTTP/1.1"
            assert await client.rest() == b""
    assert stand.reached() == 0


async def test_a_malformed_body_sent_ahead_fails_its_own_request_alone(snapshot: Snapshot):
    go, began = asyncio.Event(), asyncio.Event()

    async def slow(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await go.wait()
        yield b""

    handlers = {**HANDLERS, method("Get"): slow}
    async with edge_of(snapshot, handlers) as edge, client_of(edge.url) as client:
        client.write(request("GET", "/v1/items/1"))
        await began.wait()
        client.write(request("POST", "/v1/items", "Transfer-Encoding: chunked") + b"1\r\n{\r\n")
        (connection,) = edge.frontend._server.connections
        while not connection._messages:
            await asyncio.to_thread(lambda: None)
        client.write(b"zz\r\n")
        while len(connection._messages) < 2:
            await asyncio.to_thread(lambda: None)
        go.set()
        assert (await client.reply()).status == 200
        assert (await client.reply()).status == 400
        assert await client.rest() == b""


# --- 100-continue


async def test_continue_is_sent_when_the_body_is_wanted(stand: Stand):
    sent = request("POST", "/v1/items", "Expect: 100-continue", "Content-Length: 2")
    stand.client.write(sent)
    status, _, headers, _ = await stand.client.head()
    assert (status, headers) == (100, ())
    stand.client.write(b"{}")
    reply = await stand.client.reply()
    assert (reply.status, reply.closes) == (200, False)


async def test_continue_is_sent_once_for_the_legacy_host_too(snapshot: Snapshot):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(2)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)
        await writer.drain()
        await reader.read()

    async with stand_of(snapshot, script=LegacyScript(talk=talk)) as stand:
        expecting = request("POST", "/old", "Expect: 100-continue", "Content-Length: 2")
        stand.client.write(expecting)
        assert (await stand.client.head())[0] == 100
        stand.client.write(b"ab")
        reply = await stand.client.reply()
        assert (reply.status, reply.body) == (200, b"ab")


async def test_no_continue_when_the_body_is_here_already(stand: Stand):
    sent = request("POST", "/v1/items", "Expect: 100-continue", body=b"{}")
    stand.client.write(sent)
    statuses = [(await stand.client.head())[0]]
    if statuses == [100]:  # Allowed (RFC 9110 §10.1.1), and no second one.
        statuses.append((await stand.client.head())[0])
    assert statuses[-1] == 200


@pytest.mark.parametrize(
    ("target", "length", "status"),
    [("/v1/items", "8193", 413), ("/v1/items/%zz:check", "2", 400), ("/v1/upload", "2", 501)],
)
async def test_an_unwanted_body_is_refused_without_continue_and_the_connection_ends(
    stand: Stand, target: str, length: str, status: int
):
    fields = ("Expect: 100-continue", f"Content-Length: {length}")
    reply = await stand.client.ask(request("POST", target, *fields))
    assert (reply.status, reply.closes) == (status, True)


async def test_expect_without_a_body_means_nothing(stand: Stand):
    reply = await stand.client.ask(request("GET", "/v1/items", "Expect: 100-continue"))
    assert (reply.status, reply.closes) == (200, False)
