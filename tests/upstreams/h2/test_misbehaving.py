"""The transport before servers that misbehave, or behave in ways that are rare."""

import asyncio
import gzip
from dataclasses import replace

import h2.errors
import pytest
from h2.events import (
    PingAckReceived,
    PingReceived,
    RequestReceived,
    SettingsAcknowledged,
    StreamReset,
)
from h2.settings import SettingCodes

from proxy.status import Code
from proxy.upstreams import Call
from proxy.upstreams.h2 import H2Upstream, frames
from proxy.upstreams.h2.channel import Channel
from proxy.upstreams.h2.connection import STREAM_WINDOW
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.retry import RetryOptions
from tests.upstreams.calls import failure
from tests.upstreams.h2.peer import HEAD, TRAILERS, Asked, Peer, peer_server, prefixed

ONCE = GrpcOptions(retry=None, initial_reconnect_backoff_s=0.01, max_reconnect_backoff_s=0.01)
#: All calls on one connection, however many.
ALONE = replace(ONCE, max_connections=1)


def call(message: bytes = b"x", *, timeout_s: float = 30.0, idempotent: bool = False) -> Call:
    return Call("/t.T/echo", message, (), timeout_s, idempotent)


def upstream_of(port: int, options: GrpcOptions = ONCE) -> H2Upstream:
    return H2Upstream(f"127.0.0.1:{port}", options)


def channel_of(upstream: H2Upstream) -> Channel:
    return upstream._members.next().line._channel


def answering(write) -> object:
    """A script that answers the first call by *write*, then serves."""

    async def script(peer: Peer) -> None:
        write(peer, await peer.call())
        await peer.serve()

    return script


# --- answers that are none


def trailers_only(status: str, *more: tuple[str, str]):
    def write(peer: Peer, asked: Asked) -> None:
        peer.head(asked, [*HEAD, ("grpc-status", status), *more], end=True)

    return write


def http_answer(status: str, *, content_type: str = "text/html", end: bool = False):
    def write(peer: Peer, asked: Asked) -> None:
        headers = [(":status", status), ("content-type", content_type), ("retry-after", "9")]
        peer.head(asked, headers, end=end)
        if not end:
            peer.data(asked, b"<html>", end_stream=True)

    return write


def no_status(peer: Peer, asked: Asked) -> None:
    peer.head(asked)
    peer.data(asked, prefixed(b"x"), end_stream=True)


def no_status_in_trailers(peer: Peer, asked: Asked) -> None:
    peer.head(asked)
    peer.data(asked, prefixed(b"x"))
    peer.trailers(asked, [("x", "y")])


def no_message(peer: Peer, asked: Asked) -> None:
    peer.head(asked)
    peer.trailers(asked)


def two_messages(peer: Peer, asked: Asked) -> None:
    peer.head(asked)
    peer.data(asked, prefixed(b"1"))
    peer.data(asked, prefixed(b"2"))
    peer.trailers(asked)


def half_a_message(peer: Peer, asked: Asked) -> None:
    peer.head(asked)
    peer.data(asked, prefixed(b"abc")[:-1])
    peer.trailers(asked)


def compressed_without_a_word(peer: Peer, asked: Asked) -> None:
    peer.head(asked)
    peer.data(asked, b"\1" + prefixed(b"abc")[1:])


@pytest.mark.parametrize(
    ("write", "code", "text"),
    [
        (trailers_only("5", ("grpc-message", "no %C3%BC")), Code.NOT_FOUND, "no ü"),
        (trailers_only("99"), Code.UNKNOWN, ""),
        (trailers_only("abc"), Code.UNKNOWN, ""),
        (http_answer("404"), Code.UNIMPLEMENTED, "HTTP status 404"),
        (http_answer("503"), Code.UNAVAILABLE, "HTTP status 503"),
        (http_answer("401", end=True), Code.UNAUTHENTICATED, "HTTP status 401"),
        (http_answer("302"), Code.UNKNOWN, "HTTP status 302"),
        (http_answer("200"), Code.UNKNOWN, "content type 'text/html'"),
        (http_answer("200", end=True), Code.UNKNOWN, "content type 'text/html'"),
        (no_status, Code.UNKNOWN, "no status"),
        (no_status_in_trailers, Code.UNKNOWN, "no status"),
        (no_message, Code.INTERNAL, "without an answer"),
        (two_messages, Code.INTERNAL, "more than one answer"),
        (half_a_message, Code.INTERNAL, "ends within a message"),
        (compressed_without_a_word, Code.INTERNAL, "compressed"),
    ],
)
async def test_an_answer_that_is_none_says_why_and_the_connection_goes_on(write, code, text):
    async with peer_server(answering(write)) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (code, True)
        assert text in error.status.message
        assert (await upstream.unary(call(b"next"))).message == b"next"


RAW_ANSWERS = {
    "data before the headers": frames.frame(frames.DATA, 0, 1, prefixed(b"x")),
    "a malformed answer": frames.header_frames(1, b"\x20\x88\x00\x01A\x01x"),
    "headers in the middle": frames.header_frames(1, b"\x20\x88\x5f\x10application/grpc") * 2,
}


@pytest.mark.parametrize("name", RAW_ANSWERS)
async def test_an_answer_that_breaks_http_ends_one_call(name):
    async def script(peer: Peer) -> None:
        await peer.call()
        await peer.raw(RAW_ANSWERS[name])
        await peer.event(StreamReset)
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert error.status.code is Code.INTERNAL
        assert name in error.status.message
        assert (await upstream.unary(call(b"next"))).message == b"next"


async def test_an_error_is_not_hidden_by_a_message():
    def write(peer: Peer, asked: Asked) -> None:
        peer.head(asked, [*HEAD, ("first", "1")])
        peer.data(asked, prefixed(b"x"))
        peer.trailers(asked, [("grpc-status", "9"), ("last", "2")])

    async with peer_server(answering(write)) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert error.status.code is Code.FAILED_PRECONDITION
        assert error.metadata == (("first", "1"), ("last", "2"))


async def test_padding_is_no_part_of_a_message():
    def write(peer: Peer, asked: Asked) -> None:
        peer.head(asked)
        peer.data(asked, prefixed(b"padded"), pad_length=200)
        peer.trailers(asked)

    async with peer_server(answering(write)) as port, upstream_of(port) as upstream:
        assert (await upstream.unary(call())).message == b"padded"


async def test_large_metadata_come_in_several_frames():
    def write(peer: Peer, asked: Asked) -> None:
        peer.head(asked, [*HEAD, *((f"x{n}", "y" * 5000) for n in range(9))])
        peer.data(asked, prefixed(b"x"))
        peer.trailers(asked)

    options = GrpcOptions(max_metadata_bytes=1 << 20)
    async with peer_server(answering(write)) as port, upstream_of(port, options) as upstream:
        assert len((await upstream.unary(call())).metadata) == 9


@pytest.mark.parametrize("in_trailers", [False, True])
async def test_metadata_above_the_limit_end_one_call(in_trailers):
    large = [("x", "y" * 3000)]

    def write(peer: Peer, asked: Asked) -> None:
        peer.head(asked, [*HEAD, *([] if in_trailers else large)])
        if in_trailers:
            peer.trailers(asked, [*TRAILERS, *large])

    options = GrpcOptions(max_metadata_bytes=2000)
    async with peer_server(answering(write)) as port, upstream_of(port, options) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.http_status) == (Code.RESOURCE_EXHAUSTED, 502)
        assert (await upstream.unary(call(b"next"))).message == b"next"


# --- resets


RESETS = [
    (h2.errors.ErrorCodes.NO_ERROR, Code.INTERNAL),
    (h2.errors.ErrorCodes.PROTOCOL_ERROR, Code.INTERNAL),
    (h2.errors.ErrorCodes.INTERNAL_ERROR, Code.INTERNAL),
    (h2.errors.ErrorCodes.CANCEL, Code.CANCELLED),
    (h2.errors.ErrorCodes.ENHANCE_YOUR_CALM, Code.RESOURCE_EXHAUSTED),
    (h2.errors.ErrorCodes.INADEQUATE_SECURITY, Code.PERMISSION_DENIED),
    (99, Code.INTERNAL),
]


@pytest.mark.parametrize(("reset", "code"), RESETS)
@pytest.mark.parametrize("phase", ["at once", "after the head", "in a message", "after it"])
async def test_a_reset_has_a_meaning_at_any_time(reset, code, phase):
    def write(peer: Peer, asked: Asked) -> None:
        if phase != "at once":
            peer.head(asked)
        if phase in ("in a message", "after it"):
            peer.data(asked, prefixed(b"abc")[: None if phase == "after it" else 6])
        peer.h2.reset_stream(asked.stream_id, reset)

    async with peer_server(answering(write)) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (code, True)
        assert (await upstream.unary(call(b"next"))).message == b"next"


async def test_a_cancel_at_the_deadline_is_the_deadline():
    async def script(peer: Peer) -> None:
        asked = await peer.call()
        await asyncio.wait_for(asyncio.get_running_loop().create_future(), 0.1)
        peer.h2.reset_stream(asked.stream_id, h2.errors.ErrorCodes.CANCEL)

    async with peer_server(script) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call(timeout_s=0.05)))
        assert error.status.code is Code.DEADLINE_EXCEEDED


async def test_a_call_that_the_server_refused_is_made_again_even_if_not_idempotent():
    async def script(peer: Peer) -> None:
        for _ in range(2):
            asked = await peer.call()
            peer.h2.reset_stream(asked.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        assert (await upstream.unary(call(b"first"))).message == b"first"
        assert await anext(upstream.stream(call(b"second"))) == b"second"


async def test_a_server_that_refuses_every_call_is_not_asked_for_ever():
    asked = []

    async def script(peer: Peer) -> None:
        while True:
            asked.append(await peer.call())
            peer.h2.reset_stream(asked[-1].stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)

    async with peer_server(script) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)
        assert len(asked) == 6


async def test_a_call_refused_after_it_began_is_not_made_again():
    def write(peer: Peer, asked: Asked) -> None:
        peer.head(asked)
        peer.h2.reset_stream(asked.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)

    async with peer_server(answering(write)) as port, upstream_of(port) as upstream:
        assert (await failure(upstream.unary(call()))).sent


# --- connections that end


async def test_a_server_that_leaves_every_few_calls_loses_and_repeats_none():
    processed: list[bytes] = []

    async def script(peer: Peer) -> None:
        for _ in range(5):
            asked = await peer.call()
            processed.append(asked.message)
            await peer.answer(asked, asked.message)
        peer.h2.close_connection(last_stream_id=asked.stream_id)
        await peer.gone()

    async def caller(upstream: H2Upstream, number: int) -> None:
        for count in range(20):
            message = b"%d-%d" % (number, count)
            assert (await upstream.unary(call(message))).message == message

    async with peer_server(script) as port, upstream_of(port) as upstream:
        await asyncio.gather(*(caller(upstream, number) for number in range(4)))
    assert len(processed) == len(set(processed)) == 80


async def test_calls_in_flight_are_finished_after_goaway():
    async def script(peer: Peer) -> None:
        asked = await peer.call()
        peer.h2.send_headers(asked.stream_id, HEAD)
        await peer.raw(frames.frame(frames.GOAWAY, 0, 0, b"\x7f\xff\xff\xff" + bytes(4)))
        peer.data(asked, prefixed(b"late"))
        peer.trailers(asked)
        await peer.gone()

    async def other(peer: Peer) -> None:
        await peer.serve()

    async with peer_server(script, other) as port, upstream_of(port) as upstream:
        assert (await upstream.unary(call())).message == b"late"
        assert (await upstream.unary(call(b"new"))).message == b"new"


async def test_a_connection_lost_in_a_call_is_told_and_not_repeated():
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.call())

    async with peer_server(script) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent, len(seen)) == (Code.UNAVAILABLE, True, 1)


async def test_a_server_that_ends_its_side_fails_the_calls_at_once():
    async def script(peer: Peer) -> None:
        await peer.call()
        await peer.half_close()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, True)
        assert "the server closed the connection" in error.status.message


async def test_a_server_that_greets_and_leaves_at_once_is_left_for_another():
    greeted = asyncio.Event()

    async def leave(peer: Peer) -> None:
        peer.h2.close_connection()
        await peer.gone()

    async def stay(peer: Peer) -> None:
        await peer.event(SettingsAcknowledged)
        greeted.set()
        await peer.serve()

    async with peer_server(leave, stay) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)
        await greeted.wait()
        assert (await upstream.unary(call(b"again"))).message == b"again"


async def test_a_server_that_allows_no_table_of_headers_is_told_that_there_is_none():
    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 0})
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        for message in (b"one", b"two"):
            assert (await upstream.unary(call(message))).message == message


async def test_a_server_that_drops_every_connection_is_given_time():
    connections = 0

    async def greet_and_leave(peer: Peer) -> None:
        nonlocal connections
        connections += 1
        await peer.flush()

    options = GrpcOptions(retry=None, initial_reconnect_backoff_s=5.0, max_reconnect_backoff_s=5.0)
    async with peer_server(greet_and_leave) as port, upstream_of(port, options) as upstream:
        for _ in range(3):
            await failure(upstream.unary(call(timeout_s=0.1)))
        assert connections <= 2


# --- floods and broken frames


BROKEN = {
    "ping flood": frames.frame(frames.PING, 0, 0, bytes(8)) * 20_000,
    "settings flood": frames.settings_frame([(4, 70_000)]) * 20_000,
    "empty data flood": frames.frame(frames.DATA, 0, 1, b"") * 20_000,
    "bad settings": frames.settings_frame([(4, 1 << 31)]),
    "bad frame size": b"\xff" * 100,
    "push": frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\x02"),
    "bad headers": frames.header_frames(1, b"\xff\xff\xff\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_server_that_breaks_the_protocol_loses_the_connection(name):
    async def broken(peer: Peer) -> None:
        await peer.call()
        await peer.raw(BROKEN[name])
        await peer.gone()

    async def other(peer: Peer) -> None:
        await peer.serve()

    async with peer_server(broken, other) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call()))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, True)
        assert "broken HTTP/2" in error.status.message
        assert (await upstream.unary(call(b"next"))).message == b"next"


# --- windows


async def test_a_body_waits_for_windows():
    body = bytes(range(256)) * 1000

    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        replies = await asyncio.gather(*(upstream.unary(call(body)) for _ in range(3)))
        assert [reply.message for reply in replies] == [body[:1000]] * 3


async def test_a_window_that_never_opens_ends_at_the_deadline_and_hurts_nobody():
    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
        await peer.event(StreamReset)
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call(bytes(1000), timeout_s=0.1)))
        assert error.status.code is Code.DEADLINE_EXCEEDED
        assert (await upstream.unary(call(b"small"))).message == b"small"


async def test_an_early_error_ends_a_body_that_waits():
    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
        event = await peer.event(RequestReceived)
        asked = Asked(event.stream_id, {}, b"")
        peer.head(asked, [*HEAD, ("grpc-status", "8")], end=True)
        reset = await peer.event(StreamReset)
        assert reset.error_code == 0
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        error = await failure(upstream.unary(call(bytes(1000))))
        assert error.status.code is Code.RESOURCE_EXHAUSTED
        assert (await upstream.unary(call(b"small"))).message == b"small"


async def test_a_slow_reader_keeps_the_window_of_its_stream_shut():
    sent = asyncio.Event()

    async def script(peer: Peer) -> None:
        asked = await peer.call()
        peer.head(asked)
        for _ in range(STREAM_WINDOW // 16_384):
            if peer.h2.local_flow_control_window(asked.stream_id) < 16_384:
                break
            peer.data(asked, prefixed(bytes(16_379)))
            await peer.flush()
        sent.set()
        other = await peer.call()
        assert peer.h2.local_flow_control_window(asked.stream_id) < STREAM_WINDOW // 2
        await peer.answer(other)
        while peer.h2.local_flow_control_window(asked.stream_id) < STREAM_WINDOW // 2:
            await peer.event(h2.events.WindowUpdated)
        peer.trailers(asked)
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        stream = upstream.stream(call())
        await anext(stream)
        await sent.wait()
        await upstream.unary(call())
        rest = [message async for message in stream]
        assert len(rest) == STREAM_WINDOW // 16_384 - 1


async def test_empty_messages_fill_a_window_too():
    """Each takes room where it waits."""
    count = STREAM_WINDOW // 5
    part = prefixed(b"") * 3276
    sent = asyncio.Event()

    async def script(peer: Peer) -> None:
        asked = await peer.call()
        peer.head(asked)
        for _ in range(count // 3276):
            peer.data(asked, part)
            await peer.flush()
        peer.h2.ping(bytes(8))
        await peer.event(PingAckReceived)  # all is there, and what it allows is here
        sent.set()
        await peer.answer(await peer.call())
        assert peer.h2.local_flow_control_window(asked.stream_id) < STREAM_WINDOW // 2
        peer.trailers(asked)
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        stream = upstream.stream(call())
        await anext(stream)
        await sent.wait()
        await upstream.unary(call())
        assert len([message async for message in stream]) == count // 3276 * 3276 - 1


async def test_a_compressed_message_of_a_stream_is_taken_to_pieces_when_it_is_read():
    def write(peer: Peer, asked: Asked) -> None:
        peer.head(asked, [*HEAD, ("grpc-encoding", "gzip")])
        for message in (gzip.compress(b"good"), b"bad"):
            peer.data(asked, b"\x01" + prefixed(message)[1:])
        peer.trailers(asked)

    async with peer_server(answering(write)) as port, upstream_of(port) as upstream:
        stream = upstream.stream(call())
        assert await anext(stream) == b"good"
        for _ in range(2):
            error = await failure(anext(stream))
            assert error.status.code is Code.INTERNAL
        assert (await upstream.unary(call(b"next"))).message == b"next"


async def test_a_server_that_does_not_read_stops_new_calls_until_it_does():
    reads = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 30})
        peer.h2.increment_flow_control_window(1 << 30)
        await peer.flush()
        await reads.wait()
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        body = bytes(4 << 20)
        large = [asyncio.create_task(upstream.unary(call(body))) for _ in range(8)]
        await failure(upstream.unary(call(timeout_s=0.2)))
        error = await failure(upstream.unary(call(timeout_s=0.2)))
        assert (error.status.code, error.sent) == (Code.DEADLINE_EXCEEDED, False)
        assert " paused" in repr(channel_of(upstream)._sessions[0])
        reads.set()
        assert {(await task).message for task in large} == {bytes(1000)}
        assert (await upstream.unary(call(b"next"))).message == b"next"


async def test_a_server_that_does_not_read_does_not_hold_up_the_end():
    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 30})
        peer.h2.increment_flow_control_window(1 << 30)
        await peer.flush()
        await asyncio.get_running_loop().create_future()

    async with peer_server(script) as port:
        async with upstream_of(port) as upstream:
            calls = [asyncio.create_task(upstream.unary(call(bytes(4 << 20)))) for _ in range(4)]
            await failure(upstream.unary(call(timeout_s=0.5)))
        errors = await asyncio.gather(*map(failure, calls))
        assert {error.status.code for error in errors} == {Code.CANCELLED}


# --- limits of streams


async def test_one_stream_at_a_time_is_enough():
    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port, ALONE) as upstream:
        messages = [b"%d" % number for number in range(50)]
        replies = await asyncio.gather(*(upstream.unary(call(m)) for m in messages))
        assert [reply.message for reply in replies] == messages


async def test_a_server_that_allows_no_stream_is_waited_for_until_the_deadline():
    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port, ALONE) as upstream:
        error = await failure(upstream.unary(call(timeout_s=0.1)))
        assert (error.status.code, error.sent) == (Code.DEADLINE_EXCEEDED, False)


async def test_a_server_that_allows_streams_later_gets_the_calls_that_wait():
    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        await peer.event(SettingsAcknowledged)
        await peer.event(SettingsAcknowledged)
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port, ALONE) as upstream:
        assert (await upstream.unary(call(b"late"))).message == b"late"


async def test_a_call_whose_deadline_passes_while_it_waits_is_not_sent():
    seen = []

    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        while True:
            asked = await peer.call()
            seen.append(asked.message)
            if asked.message != b"hang":
                await peer.answer(asked)

    async with peer_server(script) as port, upstream_of(port, ALONE) as upstream:
        await upstream.unary(call(b"first"))
        # The one that hangs lasts longer: else one that waits might get its place at its end.
        late = [call(b"late", timeout_s=0.1) for _ in range(20)]
        calls = (call(b"hang", timeout_s=1.0), *late)
        errors = await asyncio.gather(*(failure(upstream.unary(each)) for each in calls))
        assert {error.status.code for error in errors} == {Code.DEADLINE_EXCEEDED}
        assert [error.sent for error in errors] == [True, *[False] * 20]
        await upstream.unary(call(b"last"))
    assert seen == [b"first", b"hang", b"last"]


async def test_closing_makes_none_of_the_calls_that_wait():
    seen = []
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        while True:
            seen.append((await peer.event(RequestReceived)).stream_id)
            asked.set()

    async with peer_server(script) as port:
        async with upstream_of(port, ALONE) as upstream:
            calls = [asyncio.create_task(failure(upstream.unary(call()))) for _ in range(20)]
            await asked.wait()
            closing = asyncio.create_task(upstream.close())
            errors = await asyncio.gather(*calls)
            late = await failure(upstream.unary(call()))
            await closing
        assert [error.sent for error in errors] == [True, *[False] * 19]
        assert (late.status.code, late.sent) == (Code.UNAVAILABLE, False)
    assert seen == [1]


# --- keepalive


async def test_keepalive_leaves_a_server_alone_that_answers_pings():
    async def script(peer: Peer) -> None:
        asked = await peer.call()
        await peer.event(PingReceived)
        await peer.answer(asked)
        await peer.serve()

    options = GrpcOptions(keepalive_time_s=0.02, keepalive_timeout_s=20.0, retry=None)
    async with peer_server(script) as port, upstream_of(port, options) as upstream:
        assert (await upstream.unary(call())).message == b"answer"


async def test_a_server_that_complains_of_pings_gets_fewer():
    async def complain(peer: Peer) -> None:
        await peer.call()
        await peer.event(PingReceived)
        peer.h2.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM, b"too_many_pings")
        await peer.flush()

    options = GrpcOptions(keepalive_time_s=0.02, keepalive_timeout_s=20.0, retry=None)
    async with peer_server(complain) as port, upstream_of(port, options) as upstream:
        error = await failure(upstream.unary(call()))
        assert error.status.code is Code.UNAVAILABLE
        assert channel_of(upstream)._keepalive_time_s == 0.04


async def test_a_ping_is_answered_between_calls():
    async def script(peer: Peer) -> None:
        asked = await peer.call()
        peer.h2.ping(b"12345678")
        await peer.event(PingAckReceived)
        await peer.answer(asked)
        await peer.serve()

    async with peer_server(script) as port, upstream_of(port) as upstream:
        assert (await upstream.unary(call())).message == b"answer"


# --- what the client sends


async def test_the_client_tells_its_timeout_and_cancels():
    seen: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
    reset: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        seen.set_result(await peer.call())
        reset.set_result((await peer.event(StreamReset)).error_code)

    async with peer_server(script) as port, upstream_of(port) as upstream:
        task = asyncio.create_task(upstream.unary(call(timeout_s=7.0)))
        asked = await seen
        told = asked.headers["grpc-timeout"]
        assert told.endswith("m")
        assert 0 < int(told[:-1]) <= 7000
        assert asked.headers[":authority"] == f"127.0.0.1:{port}"
        assert (asked.headers["te"], asked.message) == ("trailers", b"x")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await reset == h2.errors.ErrorCodes.CANCEL


async def test_an_idempotent_call_survives_a_lost_connection():
    async def script(peer: Peer) -> None:
        await peer.call()

    async def other(peer: Peer) -> None:
        await peer.serve()

    options = GrpcOptions(
        retry=RetryOptions(
            initial_backoff_s=0.001, max_attempts=100, reserve_per_s=1000.0, max_saved=1000.0
        )
    )
    async with peer_server(script, other) as port, upstream_of(port, options) as upstream:
        assert (await upstream.unary(call(b"x", idempotent=True))).message == b"x"
