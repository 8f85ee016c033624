"""The front end's own part: framing of answers, drain, what it says of itself."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator

import pytest
import structlog
import uvloop
from aiohttp import http_exceptions, http_parser
from google.protobuf.descriptor_pool import Default

from proxy.errors import StatusError
from proxy.exchange.messages import Answer, Outcome, StreamAnswer
from proxy.routing.snapshot import Snapshot
from proxy.server.pace import Pace
from proxy.server.protocol import HeaderLimits, refusal_of, require_c_parser
from proxy.server.writing import HttpDate
from proxy.transcoding.errorbody import error_json
from tests.fakes import Served
from tests.live.edge import HANDLERS, Edge, answers, edge_of, item, method
from tests.live.wire import LegacyScript, client_of, legacy_of, request
from tests.waiting import until

GET = request("GET", "/v1/items/1")
WATCH = request("GET", "/v1/items/1:watch")


@pytest.fixture
async def edge(snapshot: Snapshot) -> AsyncIterator[Edge]:
    handlers = {
        **HANDLERS,
        method("Get"): answers(item(id="1")),
        method("Watch"): answers(item(id="1"), item(id="2")),
    }
    async with edge_of(snapshot, handlers) as made:
        yield made


async def test_a_whole_answer_has_its_length_and_the_date(edge: Edge):
    async with client_of(edge.url) as client:
        reply = await client.ask(GET)
    names = [name for name, _ in reply.headers]
    assert (reply.status, reply.phrase, reply.body) == (200, "OK", b'{"id":"1"}')
    assert names == ["content-type", "content-length", "date"]
    assert reply["content-length"] == "10"


async def test_head_has_the_header_of_get_and_no_body(edge: Edge):
    async with client_of(edge.url) as client:
        whole, head = await client.ask(GET), await client.ask(GET.replace(b"GET", b"HEAD"))
        assert [pair for pair in head.headers if pair[0] != "date"] == [
            pair for pair in whole.headers if pair[0] != "date"
        ]
        assert (await client.ask(GET)).body == whole.body


async def test_head_of_a_stream_has_no_body_and_ends_the_call(edge: Edge):
    async with client_of(edge.url) as client:
        reply = await client.ask(WATCH.replace(b"GET", b"HEAD"))
        assert (reply.status, reply["content-type"]) == (200, "application/json")
        assert reply.all("content-length") == []
        assert (await client.ask(GET)).status == 200


async def test_a_stream_comes_in_chunks_and_the_connection_stays(edge: Edge):
    async with client_of(edge.url) as client:
        for _ in range(2):
            reply = await client.ask(WATCH)
            assert reply["transfer-encoding"] == "chunked"
            assert reply.body == b'[{"id":"1"},{"id":"2"}]'


async def test_a_stream_to_http_1_0_ends_with_the_connection(edge: Edge):
    async with client_of(edge.url) as client:
        sent = b"GET /v1/items/1:watch HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        reply = await client.ask(sent)
    assert reply.all("transfer-encoding") == []
    assert reply.closes
    assert reply.body == b'[{"id":"1"},{"id":"2"}]'


async def test_options_without_a_legacy_host_has_no_body_and_no_length(lone_snapshot: Snapshot):
    async with edge_of(lone_snapshot) as edge, client_of(edge.url) as client:
        reply = await client.ask(request("OPTIONS", "/v1/items/1"))
        assert (reply.status, reply["allow"]) == (204, "DELETE, GET, HEAD, PATCH, PURGE, OPTIONS")
        assert reply.all("content-length") == []
        assert (await client.ask(GET)).status == 200


# --- answers that break


class Scripted:
    """An exchange that gives one answer; what the front end makes of it is looked at."""

    def __init__(self, answer: Answer | StreamAnswer | Exception) -> None:
        self._answer = answer

    async def answer(self, _: object, outcome: Outcome) -> Answer | StreamAnswer:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def unread(self, error: StatusError) -> Answer:
        return Answer(error.http_status, (), error_json(error, Default(), reveal_upstream=False))


async def broken() -> AsyncIterator[bytes]:
    yield b"some"
    raise RuntimeError("m4rk")


async def short() -> AsyncIterator[bytes]:
    yield b""
    yield b"some"


async def nothing_to_close() -> None:
    return


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("m4rk"),
        Answer(200, (("a", "b\r\nm4rk: 1"),)),
        Answer(200, (("a\n", "m4rk"),)),
        Answer(200, (("a", "m4rk\0"),)),
        Answer(200, (), reason_phrase="m4rk\r\nb: c"),
    ],
)
async def test_a_bug_of_ours_gets_500_without_a_text_and_a_line_in_the_log(
    snapshot: Snapshot, answer: Answer | Exception
):
    with structlog.testing.capture_logs() as logged:
        async with (
            edge_of(snapshot, exchange=Scripted(answer)) as edge,
            client_of(edge.url) as client,
        ):
            reply = await client.ask(GET)
            assert await client.rest() == b""
    assert (reply.status, reply.closes) == (500, True)
    assert reply.json() == {"code": 13, "message": "internal error", "details": []}
    assert b"m4rk" not in reply.head
    assert logged[0]["event"] == "request handler failed"


@pytest.mark.parametrize("chunks", [broken, short])
async def test_an_answer_that_falls_short_of_its_length_is_cut(snapshot: Snapshot, chunks):
    headers = (("Content-Length", "10"),)
    answer = StreamAnswer(200, headers, chunks(), nothing_to_close, as_is=True, length=10)
    async with (
        edge_of(snapshot, exchange=Scripted(answer)) as edge,
        client_of(edge.url) as client,
    ):
        client.write(GET)
        received = await client.rest()
    assert not received.endswith(b"x" * 10)
    assert answer.sent == 4


async def test_an_odd_status_has_no_phrase(snapshot: Snapshot):
    scripted = Scripted(Answer(299, ()))
    async with edge_of(snapshot, exchange=scripted) as edge, client_of(edge.url) as client:
        reply = await client.ask(GET)
    assert (reply.status, reply.phrase) == (299, "")


# --- drain


async def test_draining_finishes_what_runs_and_then_closes(snapshot: Snapshot):
    go, began = asyncio.Event(), asyncio.Event()

    async def slow(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await go.wait()
        yield item(id="1")

    async with (
        edge_of(snapshot, {**HANDLERS, method("Get"): slow}) as edge,
        client_of(edge.url) as busy,
        client_of(edge.url) as idle,
    ):
        assert (await idle.ask(request("GET", "/v1/items"))).closes is False
        busy.write(GET)
        await began.wait()
        draining = asyncio.ensure_future(edge.frontend.drain(30.0))
        assert await idle.rest() == b""
        assert "draining" in repr(edge.frontend)
        with pytest.raises(ConnectionRefusedError):
            async with client_of(edge.url):
                pass
        go.set()
        reply = await busy.reply()
        assert (reply.status, reply.closes) == (200, True)
        await draining
        assert await busy.rest() == b""


async def test_draining_cuts_off_what_does_not_end(snapshot: Snapshot):
    began = asyncio.Event()

    async def hang(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await asyncio.Event().wait()
        yield b""

    async with (
        edge_of(snapshot, {**HANDLERS, method("Get"): hang}) as edge,
        client_of(edge.url) as client,
    ):
        client.write(GET)
        await began.wait()
        await edge.frontend.drain(0.01)
        assert await client.rest() == b""
        (line,) = edge.lines()
        assert (line["error"], line["status"]) == ("cut off: the drain's time was over", 0)


async def test_a_request_that_was_sent_before_the_drain_is_answered(snapshot: Snapshot):
    """Its connection is idle as far as we know: the bytes are in the kernel's buffer."""
    async with (
        edge_of(snapshot) as edge,
        client_of(edge.url) as client,
        client_of(edge.url) as idle,
    ):
        items = request("GET", "/v1/items")
        for each in (client, idle):
            assert (await each.ask(items)).status == 200
        client.write(items)
        await edge.frontend.drain(5.0)
        reply = await client.reply()
        assert (reply.status, reply.closes) == (200, True)
        assert await idle.rest() == b""


async def test_a_body_that_is_coming_still_comes_during_the_drain(snapshot: Snapshot):
    async with edge_of(snapshot) as edge, client_of(edge.url) as client:
        client.write(request("POST", "/v1/items", "Content-Length: 2") + b"{")
        await until(lambda: edge.frontend.serving.inflight == 1)
        draining = asyncio.ensure_future(edge.frontend.drain(5.0))
        await until(lambda: "draining" in repr(edge.frontend))
        reply = await client.ask(b"}")
        assert (reply.status, reply.closes) == (200, True)
        await draining


async def test_a_stream_that_ends_during_the_drain_ends_its_connection(snapshot: Snapshot):
    go, began = asyncio.Event(), asyncio.Event()

    async def watch(_: Served) -> AsyncIterator[bytes]:
        yield item(id="1")
        began.set()
        await go.wait()
        yield item(id="2")

    async with (
        edge_of(snapshot, {**HANDLERS, method("Watch"): watch}) as edge,
        client_of(edge.url) as client,
    ):
        client.write(WATCH)
        await began.wait()
        draining = asyncio.ensure_future(edge.frontend.drain(5.0))
        await until(lambda: "draining" in repr(edge.frontend))
        go.set()
        assert (await client.reply()).body == b'[{"id":"1"},{"id":"2"}]'
        await draining
        assert await client.rest() == b""


async def test_no_more_connections_are_taken_but_those_there_are_served(edge: Edge):
    async with client_of(edge.url) as client:
        assert (await client.ask(GET)).status == 200
        edge.frontend.stop_accepting()
        edge.frontend.stop_accepting()
        reply = await client.ask(GET)
        assert (reply.status, reply.closes) == (200, False)
        with pytest.raises(ConnectionRefusedError):
            async with client_of(edge.url):
                pass


def test_a_process_out_of_descriptors_turns_clients_away_and_goes_on(snapshot: Snapshot):
    """On the loop that is used: asyncio's own has ways of its own to wait."""
    uvloop.run(run_out_of_descriptors(snapshot))


async def run_out_of_descriptors(snapshot: Snapshot) -> None:
    loop = asyncio.get_running_loop()
    async with edge_of(snapshot) as edge:
        port = int(edge.url.rpartition(":")[2])
        # Made before, since they need descriptors too.
        clients = [socket.socket() for _ in range(20)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (clients[-1].fileno() + 5, hard))
        try:
            for client in clients:
                client.setblocking(False)
                await loop.sock_connect(client, ("127.0.0.1", port))
            await until(lambda: edge.frontend.connections > 0)
            outcomes = [await outcome_of(client) for client in clients]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for client in clients:
                client.close()
        assert set(outcomes) == {b"HTTP/1.1 200", b""}
        async with client_of(edge.url) as late:
            assert (await late.ask(request("GET", "/v1/items"))).status == 200


async def outcome_of(client: socket.socket) -> bytes:
    """The beginning of the answer to a request, b"" where the connection was closed."""
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(client, request("GET", "/v1/items"))
        return (await loop.sock_recv(client, 4096))[:12]
    except ConnectionError:
        return b""


async def test_a_connection_is_asked_to_go_before_the_drain(edge: Edge):
    async with client_of(edge.url) as client:
        edge.frontend.discourage()
        assert (await client.ask(GET)).closes
        assert await client.rest() == b""
    async with client_of(edge.url) as late:
        assert (await late.ask(GET)).status == 200


async def test_a_front_end_says_what_it_does(snapshot: Snapshot):
    async with edge_of(snapshot) as edge:
        assert repr(edge.frontend) == "<Frontend serving connections=0>"
        assert "inflight=0" in repr(edge.observer)


# --- parts


def test_the_date_is_made_once_a_second():
    date = HttpDate()
    first = date.at(1_000_000_000.1)
    assert first == "date: Sun, 09 Sep 2001 01:46:40 GMT\r\n"
    assert date.at(1_000_000_000.9) is first
    assert date.at(1_000_000_001.0) != first


def test_the_c_parser_is_here():
    require_c_parser()
    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (http_exceptions.LineTooLong(b"m4rk", 8192), 414),
        (http_exceptions.LineTooLong(b"m4rk", 8193), 431),
        (http_exceptions.BadHttpMessage("Too many headers received"), 431),
        (http_exceptions.BadHttpMessage("m4rk"), 400),
        (http_exceptions.BadStatusLine("m4rk"), 400),
        (None, 400),
    ],
)
def test_what_cannot_be_parsed_has_a_status(error: Exception | None, status: int):
    limits = HeaderLimits(url_bytes=8192, field_bytes=8192, fields=10)
    given, text = refusal_of(error, limits)
    assert given == status
    assert "m4rk" not in text


async def test_legacy_answers_keep_their_own_date_and_get_no_header_of_ours(snapshot: Snapshot):
    script = LegacyScript(b"HTTP/1.1 200 Fine\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n")
    async with (
        legacy_of(script) as legacy,
        edge_of(snapshot, legacy_url=legacy.url) as edge,
        client_of(edge.url) as client,
    ):
        reply = await client.ask(request("GET", "/old"))
    assert reply.head == script.answer


def test_a_pace_gives_a_full_body_an_hour():
    pace = Pace()
    assert pace.body_grace_s + (1 << 20) / pace.body_bytes_per_s < 3600
