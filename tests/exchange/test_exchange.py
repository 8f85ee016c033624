"""Requests that are transcoded, over fakes: request in, call out, answer back."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
import structlog
from google.api import httpbody_pb2
from google.rpc import error_details_pb2

from proxy.errors import UpstreamError
from proxy.exchange.exchange import Exchange
from proxy.routing.snapshot import Snapshot
from proxy.status import HTTP_STATUS, Code, Detail, Status
from proxy.upstreams import Call, Reply
from tests.fakes import Handler, Served
from tests.live.control import steering_of
from tests.live.edge import (
    HANDLERS,
    Edge,
    answers,
    edge_of,
    fails,
    item,
    load,
    message,
    method,
    read,
)
from tests.live.wire import client_of, request

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NEW_TRACE = "00-07070707070707070707070707070707-0707070707070707-00"


@pytest.fixture
async def edge(lone_snapshot: Snapshot) -> AsyncIterator[Edge]:
    """Without a legacy side; every method answers an empty message."""
    async with edge_of(lone_snapshot) as made:
        yield made


def with_get(handler: Handler) -> dict[str, Handler]:
    return {**HANDLERS, method("Get"): handler}


def metadata_of(edge: Edge) -> dict[str, str | bytes]:
    return dict(edge.upstream.calls[-1].metadata)


# --- the way there and back


async def test_path_query_and_body_become_one_message(edge: Edge):
    await edge.ask("GET", "/v1/items/a%20b?pageSize=3&labels=x&labels=y&like.shelf=s&tags[k]=v")
    (call,) = edge.upstream.calls
    assert call.method == "/edge.v1.Items/Get"
    assert read("GetRequest", call.message) == {
        "id": "a b",
        "pageSize": 3,
        "labels": ["x", "y"],
        "like": {"shelf": "s"},
        "tags": {"k": "v"},
    }


async def test_an_additional_binding_calls_the_same_method(edge: Edge):
    await edge.ask("GET", "/v1/shelves/s%2F1/items/a/b")
    (call,) = edge.upstream.calls
    assert read("GetRequest", call.message) == {"id": "shelves/s%2F1/items/a/b"}


async def test_a_verb_and_a_custom_method_have_routes_of_their_own(edge: Edge):
    await edge.ask("POST", "/v1/items/7:check", body=b'{"shelf": "s"}')
    await edge.ask("PURGE", "/v1/items/7")
    assert [call.method for call in edge.upstream.calls] == [method("Check"), method("Purge")]


async def test_patch_fills_the_mask_from_the_body(edge: Edge):
    await edge.ask("PATCH", "/v1/items/7", body=b'{"shelf": "s", "small": 0}')
    assert read("UpdateRequest", edge.upstream.calls[0].message) == {
        "item": {"id": "7", "shelf": "s"},
        "updateMask": "shelf,small",
    }


async def test_the_answer_is_the_message_as_json(lone_snapshot: Snapshot):
    big = item(id="1", big=str(2**53 + 1), kind="BAG", blob="AQI=")
    async with edge_of(lone_snapshot, with_get(answers(big))) as edge:
        given = await edge.ask("GET", "/v1/items/1")
    assert given.status == 200
    assert given["content-type"] == "application/json"
    assert given.json() == {"id": "1", "big": "9007199254740993", "kind": "BAG", "blob": "AQI="}


async def test_an_empty_message_is_an_empty_object(edge: Edge):
    assert (await edge.ask("DELETE", "/v1/items/1")).body == b"{}"


async def test_response_body_is_the_field_alone(lone_snapshot: Snapshot):
    handlers = {**HANDLERS, method("List"): answers(message("ItemList", items=[{"id": "1"}]))}
    async with edge_of(lone_snapshot, handlers) as edge:
        assert (await edge.ask("GET", "/v1/items")).json() == [{"id": "1"}]


async def test_http_body_travels_raw(lone_snapshot: Snapshot):
    body = message_of_http_body("text/dns", b"\x00raw")
    async with edge_of(lone_snapshot, {**HANDLERS, method("File"): answers(body)}) as edge:
        given = await edge.ask("GET", "/v1/files/1")
    assert (given["content-type"], given.body) == ("text/dns", b"\x00raw")


def message_of_http_body(content_type: str, data: bytes) -> bytes:
    body = httpbody_pb2.HttpBody(content_type=content_type, data=data)
    return bytes(body.SerializeToString())


# --- errors of the upstream


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
async def test_each_code_has_its_http_status(lone_snapshot: Snapshot, code: Code):
    async with edge_of(lone_snapshot, with_get(fails(code, "told"))) as edge:
        given = await edge.ask("GET", "/v1/items/1")
    hidden = {Code.UNKNOWN: "unknown error", Code.INTERNAL: "internal error"}
    assert given.status == HTTP_STATUS[code]
    assert given.json() == {"code": code, "message": hidden.get(code, "told"), "details": []}
    assert given["content-type"] == "application/json"
    assert (given.outcome.code, given.outcome.error) == (code, "told")
    assert given.outcome.upstream_failed


async def test_details_are_told_and_unknown_ones_stay_opaque(lone_snapshot: Snapshot):
    known = error_details_pb2.ErrorInfo(reason="FULL", domain="edge.test")
    debug = error_details_pb2.DebugInfo(detail="m4rk")
    details = (
        Detail("type.googleapis.com/google.rpc.ErrorInfo", known.SerializeToString()),
        Detail("type.googleapis.com/google.rpc.DebugInfo", debug.SerializeToString()),
        Detail("type.googleapis.com/edge.v1.Item", item(id="7")),
        Detail("type.googleapis.com/who.knows", b"\x01\x02"),
        Detail("type.googleapis.com/edge.v1.Item", b"\xff"),
    )
    handler = fails(Code.FAILED_PRECONDITION, "full", details=details)
    async with edge_of(lone_snapshot, with_get(handler)) as edge:
        given = await edge.ask("GET", "/v1/items/1")
    assert given.status == 400
    assert given.json()["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "FULL",
            "domain": "edge.test",
        },
        {"@type": "type.googleapis.com/edge.v1.Item", "id": "7"},
        {"@type": "type.googleapis.com/who.knows", "value": "AQI="},
        {"@type": "type.googleapis.com/edge.v1.Item", "value": "/w=="},
    ]
    assert b"m4rk" not in given.body


async def test_internal_texts_are_revealed_by_option():
    route = "- {rpc: edge.v1.Items.Delete, reveal_internal_errors: true}"
    revealing = await load(legacy=False, more=route)
    handlers = {**HANDLERS, method("Delete"): fails(Code.INTERNAL, "told")}
    async with edge_of(revealing, handlers) as edge:
        assert (await edge.ask("DELETE", "/v1/items/1")).json()["message"] == "told"


async def test_metadata_that_comes_with_an_error_passes_the_allow_list(lone_snapshot: Snapshot):
    handler = fails(Code.NOT_FOUND, trailers=(("x-cost", "3"), ("x-secret", "m4rk")))
    async with edge_of(lone_snapshot, with_get(handler)) as edge:
        given = await edge.ask("GET", "/v1/items/1")
    assert given.all("x-cost") == ["3"]
    assert given.all("x-secret") == []


class Scripted:
    """An upstream whose every call ends in one error, or a bug."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def unary(self, _: Call) -> Reply:
        raise self._error

    async def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UpstreamError(Status(Code.UNAVAILABLE, "ipv4:10.1.2.3: m4rk"), sent=False), 503),
        (UpstreamError(Status(Code.UNAVAILABLE, "10.1.2.3 m4rk TLS"), http_status=502), 502),
    ],
)
async def test_why_an_upstream_cannot_be_reached_is_for_the_log(
    lone_snapshot: Snapshot, error: UpstreamError, status: int
):
    async with edge_of(lone_snapshot, upstream=Scripted(error)) as edge:
        given = await edge.ask("GET", "/v1/items/1")
    assert given.status == status
    assert given.json()["message"] == "the upstream cannot be reached, or gave no valid answer"
    assert "m4rk" in given.outcome.error


async def test_a_bug_costs_one_request_and_says_nothing(lone_snapshot: Snapshot):
    with structlog.testing.capture_logs() as logged:
        async with edge_of(lone_snapshot, upstream=Scripted(RuntimeError("m4rk"))) as edge:
            given = await edge.ask("GET", "/v1/items/1")
    assert given.status == 500
    assert given.json() == {"code": 13, "message": "internal error", "details": []}
    assert (logged[0]["event"], logged[0]["rpc"]) == ("exchange failed", "edge.v1.Items.Get")


async def test_a_client_that_is_gone_is_for_the_front_end(lone_snapshot: Snapshot):
    async with edge_of(lone_snapshot, upstream=Scripted(ConnectionResetError())) as edge:
        with pytest.raises(ConnectionResetError):
            await edge.ask("GET", "/v1/items/1")


@pytest.mark.parametrize(
    ("name", "target", "wire"),
    [
        ("Get", "/v1/items/1", b"\xff\xff"),
        ("Get", "/v1/items/1", b"\x0a\x01\xff"),
        ("Get", "/v1/items/1", b"\x6a\x0c\x08" + b"\xff" * 9 + b"\x01\x00"),
        ("List", "/v1/items", b"\x0a\x7f"),
        ("File", "/v1/files/1", b"\xff"),
        ("File", "/v1/files/1", b"\x0a\x03a\r\n"),
    ],
)
async def test_answers_that_are_no_message_get_502(
    lone_snapshot: Snapshot, name: str, target: str, wire: bytes
):
    async with edge_of(lone_snapshot, {**HANDLERS, method(name): answers(wire)}) as edge:
        given = await edge.ask("GET", target)
    assert given.status == 502
    assert given.outcome.upstream_failed
    assert given.json()["code"] == Code.INTERNAL


async def test_an_answer_nested_too_deep_gets_502(lone_snapshot: Snapshot):
    wire = b""
    for _ in range(150):
        wire = b"\x7a" + _varint(len(wire)) + wire
    async with edge_of(lone_snapshot, with_get(answers(wire))) as edge:
        assert (await edge.ask("GET", "/v1/items/1")).status == 502


def _varint(number: int) -> bytes:
    low = bytes([number & 127 | (128 if number > 127 else 0)])
    return low + _varint(number >> 7) if number > 127 else low


# --- deadline, metadata, trace


@pytest.mark.parametrize(
    ("header", "timeout_s"),
    [({}, 15.0), ({"Grpc-Timeout": "2S"}, 2.0), ({"Grpc-Timeout": "1H"}, 15.0)],
)
async def test_a_call_always_has_a_deadline(edge: Edge, header, timeout_s: float):
    await edge.ask("GET", "/v1/items/1", header)
    assert edge.upstream.calls[0].timeout_s == timeout_s


@pytest.mark.parametrize("value", ["1", "S", "-1S", "1s", "123456789S", "1e9S", "", "٣S"])
async def test_a_timeout_that_cannot_be_read_is_refused(edge: Edge, value: str):
    given = await edge.ask("GET", "/v1/items/1", {"Grpc-Timeout": value})
    assert given.status == 400
    assert edge.upstream.calls == []


async def test_a_deadline_that_passes_gets_504(lone_snapshot: Snapshot):
    async def hang(_: Served) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async with edge_of(lone_snapshot, with_get(hang)) as edge:
        given = await edge.ask("GET", "/v1/items/1", {"Grpc-Timeout": "1m"})
    assert given.status == 504
    assert given.json()["code"] == Code.DEADLINE_EXCEEDED


async def test_headers_become_metadata_by_allow_list(edge: Edge):
    headers = {
        "Authorization": "Bearer t",
        "X-Request-Id": "r",
        "Cookie": "c",
        "X-Other": "o",
        "Connection": "x-request-id",
        "Grpc-Metadata-Tenant": "t",
        "Grpc-Metadata-Key-Bin": "AQI",
        "Grpc-Foo": "f",
        "TE": "trailers",
    }
    await edge.ask("GET", "/v1/items/1", headers)
    metadata = metadata_of(edge)
    assert metadata.pop("traceparent") == NEW_TRACE
    assert metadata == {
        "authorization": "Bearer t",
        "x-request-id": "r",
        "tenant": "t",
        "key-bin": b"\x01\x02",
    }


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Authorization", "b\udcff", 400),
        ("Authorization", "ä", 400),
        ("Authorization", "a\tb", 400),
        ("Grpc-Metadata-Key-Bin", "!!", 400),
        ("Grpc-Metadata-Ke!y", "v", 400),
        ("Authorization", "x" * 8200, 431),
    ],
)
async def test_headers_that_no_metadata_can_carry_are_refused(
    edge: Edge, name: str, value: str, status: int
):
    given = await edge.ask("GET", "/v1/items/1", {name: value})
    assert given.status == status
    assert edge.upstream.calls == []


async def test_a_trace_is_passed_on(edge: Edge):
    headers = {"traceparent": TRACE, "tracestate": "a=b", "baggage": "k=v"}
    given = await edge.ask("GET", "/v1/items/1", headers)
    assert metadata_of(edge) == headers
    assert given.outcome.trace_id == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("header", [{}, {"traceparent": "nonsense", "tracestate": "a=b"}])
async def test_a_trace_begins_here_where_none_came(edge: Edge, header):
    given = await edge.ask("GET", "/v1/items/1", header)
    assert metadata_of(edge) == {"traceparent": NEW_TRACE}
    assert given.outcome.trace_id == "07" * 16


async def test_no_trace_begins_where_none_may_pass():
    untraced = await load(
        legacy=False, more="- {rpc: edge.v1.Items.Delete, request_headers: [authorization]}"
    )
    async with edge_of(untraced) as edge:
        given = await edge.ask("DELETE", "/v1/items/1")
        assert metadata_of(edge) == {}
    assert given.outcome.trace_id == ""


async def test_metadata_and_trailers_become_headers_by_allow_list(lone_snapshot: Snapshot):
    handler = answers(
        b"",
        initial=(("x-cost", "1"), ("server", "m4rk"), ("sign-bin", b"\x01")),
        trailers=(("x-cost", "2"), ("x-cost", "b\r\nad"), ("grpc-foo", "m4rk")),
    )
    async with edge_of(lone_snapshot, with_get(handler)) as edge:
        given = await edge.ask("GET", "/v1/items/1")
    assert given.headers == (
        ("content-type", "application/json"),
        ("x-cost", "1"),
        ("sign-bin", "AQ=="),
        ("x-cost", "2"),
    )


# --- content coding of answers


LONG = item(shelf="x" * 2000)


@pytest.mark.parametrize(
    ("accepted", "coded"),
    [
        ([], False),
        (["gzip"], True),
        (["br", "gzip;q=0.5"], True),
        (["*"], True),
        (["gzip;q=0, *"], False),
        (["gzip;q=nonsense"], False),
        (["identity"], False),
    ],
)
async def test_large_answers_are_compressed_for_who_takes_it(
    lone_snapshot: Snapshot, accepted: list[str], coded: bool
):
    async with edge_of(lone_snapshot, with_get(answers(LONG))) as edge:
        headers = tuple(("Accept-Encoding", value) for value in accepted)
        given = await edge.ask("GET", "/v1/items/1", headers)
    assert given.all("content-encoding") == (["gzip"] if coded else [])
    assert given.all("vary") == ["accept-encoding"]
    body = gzip.decompress(given.body) if coded else given.body
    assert body == b'{"shelf":"' + b"x" * 2000 + b'"}'


async def test_small_answers_and_errors_are_not_compressed(lone_snapshot: Snapshot):
    accepting = {"Accept-Encoding": "gzip"}
    handler = fails(Code.NOT_FOUND, "x" * 2000)
    async with edge_of(lone_snapshot, with_get(handler)) as edge:
        for target in ("/v1/items", "/v1/items/1"):
            given = await edge.ask("GET", target, accepting)
            assert given.all("content-encoding") == given.all("vary") == []


async def test_very_large_answers_are_compressed_beside_the_loop(lone_snapshot: Snapshot):
    handler = answers(item(shelf="x" * 400_000))
    async with edge_of(lone_snapshot, with_get(handler)) as edge:
        given = await edge.ask("GET", "/v1/items/1", {"Accept-Encoding": "gzip"})
    assert len(gzip.decompress(given.body)) == 400_000 + len('{"shelf":""}')


async def test_compression_can_be_off():
    plain = await load(legacy=False, more="- {rpc: edge.v1.Items.Delete, compress_min_bytes: off}")
    async with edge_of(plain) as edge:
        given = await edge.ask("DELETE", "/v1/items/1", {"Accept-Encoding": "gzip"})
    assert given.all("vary") == []


# --- what is not served here


async def test_nothing_mapped_is_404(edge: Edge):
    given = await edge.ask("GET", "/nothing")
    assert given.status == 404
    assert given.json() == {
        "code": Code.NOT_FOUND,
        "message": "nothing is mapped to this path",
        "details": [],
    }
    assert given.outcome.decision.side == "proxy"


async def test_another_method_is_405_with_allow(edge: Edge):
    given = await edge.ask("POST", "/v1/items/1")
    assert given.status == 405
    assert given["allow"] == "DELETE, GET, HEAD, PATCH, PURGE"
    assert given.json()["code"] == Code.UNIMPLEMENTED


async def test_options_lists_what_is_allowed(edge: Edge):
    given = await edge.ask("OPTIONS", "/v1/items")
    assert (given.status, given.body, given["allow"]) == (204, b"", "GET, HEAD, POST, OPTIONS")
    assert (await edge.ask("OPTIONS", "/nothing")).status == 404


@pytest.mark.parametrize("target", ["/v1/upload", "/v1/chat"])
async def test_streams_of_requests_are_not_served_yet(edge: Edge, target: str):
    given = await edge.ask("POST", target, body=b"[]")
    assert given.status == 501
    assert "takes a stream of requests" in given.json()["message"]
    assert edge.upstream.calls == []


async def test_refusals_keep_nothing_of_the_requests_that_they_end(edge: Edge):
    """An error that is raised again and again collects the frames of all who raised it."""

    def depth(error: BaseException | None) -> int:
        traceback, count = error.__traceback__ if error else None, 0
        while traceback:
            traceback, count = traceback.tb_next, count + 1
        return count

    for http_method, target in (("GET", "/nothing"), ("POST", "/v1/items/1")):
        for _ in range(5):
            await edge.ask(http_method, target)
        assert depth(edge.snapshot.table.find(http_method, target).refusal) == 0


async def test_head_is_answered_from_get(edge: Edge):
    assert (await edge.ask("HEAD", "/v1/items/1")).status == 200
    assert edge.upstream.calls[0].method == method("Get")


async def test_the_side_is_told_by_option_alone(edge: Edge):
    assert (await edge.ask("GET", "/v1/items/1")).all("x-cutover-side") == []
    telling = await load(legacy=False, more="debug: {expose_side: true}")
    async with edge_of(telling) as told:
        assert (await told.ask("GET", "/v1/items/1"))["x-cutover-side"] == "grpc"
        assert (await told.ask("GET", "/nothing"))["x-cutover-side"] == "proxy"
        assert (await told.ask("GET", "/v1/items/%zz"))["x-cutover-side"] == "proxy"
        async with client_of(told.url) as client:
            assert (await client.ask(request("GET", "/a#b"))).all("x-cutover-side") == ["proxy"]


def test_an_exchange_says_what_it_is_over(lone_snapshot: Snapshot):
    with steering_of(lone_snapshot) as steering:
        exchange = Exchange(
            *(lone_snapshot, {}, None, steering),
            clock=lambda: 0.0,
            random_bytes=lambda count: b"\1" * count,
        )
    assert repr(exchange).endswith("routes=13> upstreams=0>")
