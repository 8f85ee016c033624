"""Server streams, over fakes: framing, errors early and late, one message at a time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from google.api import httpbody_pb2

from proxy.exchange.messages import StreamAnswer
from proxy.exchange.streaming import StreamCut
from proxy.routing.snapshot import Snapshot
from proxy.status import Code
from proxy.upstreams import Call, Metadata
from tests.fakes import Handler, Served
from tests.live.edge import HANDLERS, Edge, answers, edge_of, fails, item, method, read
from tests.live.wire import client_of, request

WATCH = "/v1/items/1:watch"
FILES = "/v1/files/1:all"
NDJSON = {"Accept": "application/x-ndjson"}
EVENTS = {"Accept": "text/event-stream"}


def watching(handler: Handler) -> dict[str, Handler]:
    return {**HANDLERS, method("Watch"): handler, method("Files"): handler}


def content(data: bytes, content_type: str = "text/dns") -> bytes:
    body = httpbody_pb2.HttpBody(content_type=content_type, data=data)
    return bytes(body.SerializeToString())


TWO = (item(id="1"), item(id="2"))


@pytest.mark.parametrize(
    ("headers", "content_type", "none", "two"),
    [
        ({}, "application/json", b"[]", b'[{"id":"1"},{"id":"2"}]'),
        ({"Accept": "*/*"}, "application/json", b"[]", b'[{"id":"1"},{"id":"2"}]'),
        (NDJSON, "application/x-ndjson", b"", b'{"id":"1"}\n{"id":"2"}\n'),
        (EVENTS, "text/event-stream", b"", b'data: {"id":"1"}\n\ndata: {"id":"2"}\n\n'),
    ],
)
async def test_accept_chooses_the_framing(
    lone_snapshot: Snapshot, headers, content_type: str, none: bytes, two: bytes
):
    for messages, body in (((), none), (TWO, two)):
        async with edge_of(lone_snapshot, watching(answers(*messages))) as edge:
            given = await edge.ask("GET", WATCH, headers)
        assert (given.status, given["content-type"], given.body) == (200, content_type, body)
        assert given.outcome.code is Code.OK


async def test_several_accept_headers_count_as_one(lone_snapshot: Snapshot):
    async with edge_of(lone_snapshot, watching(answers(*TWO))) as edge:
        headers = (("Accept", "text/html;q=0.1"), ("Accept", "text/event-stream"))
        assert (await edge.ask("GET", WATCH, headers))["content-type"] == "text/event-stream"


async def test_path_and_query_reach_a_stream_too(lone_snapshot: Snapshot):
    async with edge_of(lone_snapshot, watching(answers())) as edge:
        await edge.ask("GET", "/v1/items/a%2Fb:watch?pageSize=3", {"Grpc-Timeout": "2S"})
        (call,) = edge.upstream.calls
    assert read("GetRequest", call.message) == {"id": "a/b", "pageSize": 3}
    assert call.timeout_s == 2.0


async def test_initial_metadata_becomes_headers(lone_snapshot: Snapshot):
    handler = answers(*TWO, initial=(("x-cost", "1"), ("x-secret", "m4rk")))
    async with edge_of(lone_snapshot, watching(handler)) as edge:
        given = await edge.ask("GET", WATCH)
    assert given.headers == (("content-type", "application/json"), ("x-cost", "1"))


@pytest.mark.parametrize("headers", [{}, NDJSON, EVENTS])
async def test_an_early_error_keeps_its_status(lone_snapshot: Snapshot, headers):
    async with edge_of(lone_snapshot, watching(fails(Code.NOT_FOUND, "no"))) as edge:
        given = await edge.ask("GET", WATCH, headers)
    assert (given.status, given["content-type"]) == (404, "application/json")
    assert given.json() == {"code": 5, "message": "no", "details": []}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (NDJSON, b'{"id":"1"}\n{"error":{"code":9,"message":"no","details":[]}}\n'),
        (
            EVENTS,
            b'data: {"id":"1"}\n\nevent: error\ndata: {"code":9,"message":"no","details":[]}\n\n',
        ),
    ],
)
async def test_a_late_error_is_the_last_frame(lone_snapshot: Snapshot, headers, body: bytes):
    handler = fails(Code.FAILED_PRECONDITION, "no", TWO[0])
    async with edge_of(lone_snapshot, watching(handler)) as edge:
        given = await edge.ask("GET", WATCH, headers)
    assert given.body == body
    assert (given.outcome.code, given.outcome.error) == (Code.FAILED_PRECONDITION, "no")
    assert given.outcome.upstream_failed


async def test_a_late_error_hides_internal_texts(lone_snapshot: Snapshot):
    async with edge_of(lone_snapshot, watching(fails(Code.INTERNAL, "m4rk", TWO[0]))) as edge:
        given = await edge.ask("GET", WATCH, NDJSON)
    assert b"internal error" in given.body
    assert b"m4rk" not in given.body


@pytest.mark.parametrize("target", [WATCH, FILES])
async def test_a_late_error_that_cannot_be_told_cuts_the_stream(
    lone_snapshot: Snapshot, target: str
):
    first = TWO[0] if target == WATCH else content(b"some")
    async with edge_of(lone_snapshot, watching(fails(Code.ABORTED, "no", first))) as edge:
        answer, outcome = await edge.begin("GET", target)
        assert isinstance(answer, StreamAnswer)
        with pytest.raises(StreamCut):
            [chunk async for chunk in answer.chunks]
    assert (outcome.code, outcome.error) == (Code.ABORTED, "no")
    assert outcome.upstream_failed


async def test_a_cut_stream_does_not_look_complete_to_the_client(lone_snapshot: Snapshot):
    async with edge_of(lone_snapshot, watching(fails(Code.ABORTED, "no", TWO[0]))) as edge:
        async with client_of(edge.url) as client:
            client.write(request("GET", WATCH))
            received = await client.rest()
        assert b"0\r\n\r\n" not in received
        with structlog.testing.capture_logs() as logged:
            (line,) = edge.lines()
        assert logged == []
    assert (line["error"], line["grpc_code"], line["bytes_out"]) == ("no", "ABORTED", 11)
    assert 'cutover_upstream_errors_total{upstream="items",code="ABORTED"} 1.0' in (
        edge.shown_metrics()
    )


@pytest.mark.parametrize(("position", "status"), [(0, 502), (1, 200)])
async def test_garbage_in_a_stream_is_an_error_of_the_upstream(
    lone_snapshot: Snapshot, position: int, status: int
):
    messages = [*TWO[:position], b"\xff", TWO[1]]
    async with edge_of(lone_snapshot, watching(answers(*messages))) as edge:
        given = await edge.ask("GET", WATCH, NDJSON)
    assert given.status == status
    assert b'"code":13' in given.body
    assert given.outcome.upstream_failed


async def test_http_body_messages_are_one_body_of_the_first_ones_type(lone_snapshot: Snapshot):
    messages = (content(b"ab"), content(b""), content(b"\x00cd", "ignored/type"))
    async with edge_of(lone_snapshot, watching(answers(*messages))) as edge:
        given = await edge.ask("GET", FILES, NDJSON)
    assert (given["content-type"], given.body) == ("text/dns", b"ab\x00cd")


async def test_no_http_body_message_is_an_empty_body(lone_snapshot: Snapshot):
    async with edge_of(lone_snapshot, watching(answers())) as edge:
        given = await edge.ask("GET", FILES)
    assert (given.status, given["content-type"]) == (200, "application/octet-stream")
    assert given.body == b""


async def test_the_next_message_is_asked_for_when_the_last_one_is_taken(lone_snapshot: Snapshot):
    asked = 0

    async def count(_: Served) -> AsyncIterator[bytes]:
        nonlocal asked
        for number in range(10):
            asked = number + 1
            yield item(id=str(number))

    async with edge_of(lone_snapshot, watching(count)) as edge:
        answer, _ = await edge.begin("GET", WATCH)
        assert isinstance(answer, StreamAnswer)
        assert asked == 1
        chunks = aiter(answer.chunks)
        for taken in range(1, 5):
            await anext(chunks)
            assert asked == taken
        await answer.close()


async def test_closing_an_answer_cancels_the_call(lone_snapshot: Snapshot):
    seen: list[Served] = []

    async def endless(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        while True:
            yield b""

    async with edge_of(lone_snapshot, watching(endless)) as edge:
        answer, _ = await edge.begin("GET", WATCH)
        assert isinstance(answer, StreamAnswer)
        await anext(aiter(answer.chunks))
        await answer.close()
        assert seen[0].was_cancelled


async def test_an_idle_event_stream_is_kept_alive_by_comments(lone_snapshot: Snapshot):
    go = asyncio.Event()

    async def pause(_: Served) -> AsyncIterator[bytes]:
        yield TWO[0]
        await go.wait()
        yield TWO[1]

    async with edge_of(lone_snapshot, watching(pause), keep_alive_s=0.01) as edge:
        answer, _ = await edge.begin("GET", WATCH, EVENTS)
        assert isinstance(answer, StreamAnswer)
        chunks = aiter(answer.chunks)
        assert await anext(chunks) == b'data: {"id":"1"}\n\n'
        assert [await anext(chunks), await anext(chunks)] == [b":\n\n", b":\n\n"]
        go.set()
        rest = b"".join([chunk async for chunk in chunks])
    assert rest.replace(b":\n\n", b"") == b'data: {"id":"2"}\n\n'


async def test_an_idle_event_stream_can_be_closed(lone_snapshot: Snapshot):
    seen: list[Served] = []

    async def pause(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        yield TWO[0]
        await asyncio.Event().wait()

    async with edge_of(lone_snapshot, watching(pause)) as edge:
        async with client_of(edge.url) as client:
            client.write(request("GET", WATCH, "Accept: text/event-stream"))
            await client.head()
            await client.chunk()
        await seen[0].ended.wait()
        assert seen[0].was_cancelled


async def test_waiting_for_the_first_message_can_be_cancelled(lone_snapshot: Snapshot):
    seen: list[Served] = []
    began = asyncio.Event()

    async def hang(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        began.set()
        await asyncio.Event().wait()
        yield b""

    async with edge_of(lone_snapshot, watching(hang)) as edge:
        asking = asyncio.ensure_future(edge.begin("GET", WATCH))
        await began.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert seen[0].was_cancelled


class Buggy:
    """An upstream whose stream breaks with what no upstream may raise."""

    async def metadata(self) -> Metadata:
        return ()

    def stream(self, _: Call) -> "Buggy":
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[bytes]:
        yield b""
        raise RuntimeError("m4rk")

    def cancel(self) -> None:
        return

    async def close(self) -> None:
        return


@pytest.mark.parametrize("target", [WATCH, FILES])
async def test_a_bug_in_a_stream_costs_one_answer(lone_snapshot: Snapshot, target: str):
    with structlog.testing.capture_logs() as logged:
        async with (
            edge_of(lone_snapshot, upstream=Buggy()) as edge,
            client_of(edge.url) as client,
        ):
            client.write(request("GET", target))
            received = await client.rest()
            async with client_of(edge.url) as other:
                assert (await other.ask(request("GET", "/nothing"))).status == 404
    assert b"m4rk" not in received
    assert [line["event"] for line in logged] == ["stream failed"]
    assert edge.lines()[0]["error"] == "internal error"


async def test_streams_count_no_overhead(lone_snapshot: Snapshot):
    """Their time is the upstream's and the client's, and nobody knows how much is ours."""

    async def wait_a_turn(_: Served) -> AsyncIterator[bytes]:
        yield b""
        await asyncio.to_thread(lambda: None)

    async with edge_of(lone_snapshot, watching(wait_a_turn)) as edge:
        await over_the_wire(edge, WATCH)
        assert 'cutover_overhead_seconds_count{route="items-watch"} 0.0' in edge.shown_metrics()
        await over_the_wire(edge, "/v1/items/1")
        assert 'cutover_overhead_seconds_count{route="get-item"} 1.0' in edge.shown_metrics()


@pytest.mark.parametrize("handler", [answers(b""), fails(Code.NOT_FOUND)])
async def test_the_wait_for_the_first_message_is_the_upstream_s(
    lone_snapshot: Snapshot, handler: Handler
):
    async with edge_of(lone_snapshot, watching(handler)) as edge:
        assert (await edge.ask("GET", WATCH)).outcome.upstream_s > 0


async def over_the_wire(edge: Edge, target: str) -> None:
    async with client_of(edge.url) as client:
        await client.ask(request("GET", target))
