"""A legacy host that answers unasked, too much or never: none of it reaches another request."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from proxy.errors import UpstreamError
from proxy.upstreams.rest import RestOptions, RestUpstream
from proxy.upstreams.rest.connection import Connection
from proxy.upstreams.rest.exchange import MAX_INTERIM
from tests.upstreams.servers import raw_server
from tests.upstreams.test_rest import OK, Host, failure, get, post, send, upstream_to

UNASKED = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\n\r\nold"


@pytest.mark.parametrize("unasked", [UNASKED, UNASKED[:20], b"x", UNASKED * 3000])
@pytest.mark.parametrize("request_", [get(), post(b"x")], ids=["GET", "POST"])
async def test_what_comes_between_requests_is_nobodys_answer(request_, unasked):
    gave_up = asyncio.Event()
    connections = 0

    async def give_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        if connections == 1:
            await gave_up.wait()
            writer.write(unasked)
        # The end of the connection would give it away: this one stays.
        await reader.read()

    async with upstream_to(give_up) as upstream:
        first = await upstream.forward(get(), 30.0)
        assert first.whole == b"ok"
        connection = upstream._pool._idle[0]
        gave_up.set()
        while connection.is_usable():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)
        async with await upstream.forward(request_, 30.0) as response:
            assert response.whole == b"ok"
    assert connections == 2


async def test_a_second_answer_to_one_request_ends_the_connection():
    host = Host(OK + UNASKED, OK)
    async with upstream_to(host) as upstream:
        assert [await send(upstream, get()) for _ in range(3)] == [b"ok"] * 3
    assert host.connections == 2


async def test_answers_without_end_are_not_collected():
    connection = Connection(asyncio.get_running_loop())
    connection.expect_answer("GET", RestOptions())
    connection.data_received(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    connection.data_received(OK[:-1])
    connection.data_received(OK[-1:] + b"HTTP/1.1 204 No Content\r\n\r\n" * 1000)
    assert len(connection) == 2
    await connection.read()
    _, payload = await connection.read()
    assert await payload.read() == b"ok"


@pytest.mark.parametrize("count", [MAX_INTERIM, MAX_INTERIM + 1])
async def test_interim_answers_are_bounded(count):
    told = []
    request = get(interim=lambda *interim: told.append(interim))
    async with upstream_to(Host(b"HTTP/1.1 102 Processing\r\n\r\n" * count + OK)) as upstream:
        if count > MAX_INTERIM:
            assert (await failure(upstream.forward(request, 5.0))).http_status == 502
            assert "busy=0 idle=0" in repr(upstream)
        else:
            assert await send(upstream, request) == b"ok"
            assert len(told) == count


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 O\0K\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_an_answer_that_could_mislead_the_client_is_502(answer):
    async with upstream_to(Host(answer)) as upstream:
        assert (await failure(upstream.forward(get(), 5.0))).http_status == 502
        assert "busy=0 idle=0" in repr(upstream)


async def test_a_body_that_fails_as_the_answer_ends_leaves_no_connection_behind():
    begun, gate = asyncio.Event(), asyncio.Event()

    async def short() -> AsyncIterator[bytes]:
        yield b"x"
        await gate.wait()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await begun.wait()
        writer.write(b"ok")
        await reader.read()

    async with upstream_to(refuse) as upstream:
        response = await upstream.forward(post(short(), ("Content-Length", "9")), 30.0)
        begun.set()
        assert await anext(response.body) == b"ok"
        gate.set()
        # One turn of the loop: the sender has failed, and nobody has been told yet.
        await asyncio.sleep(0)
        with pytest.raises(StopAsyncIteration):
            await anext(response.body)
        assert "busy=0 idle=0" in repr(upstream)


class AdvancingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward."""

    advanced_s = 0.0

    def time(self) -> float:
        return time.monotonic() + self.advanced_s


async def _forward_late(loop: AdvancingLoop) -> None:
    """Wait 2000 of 3000 seconds for a connection, then 1100 for the answer."""
    received: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            received.put_nowait(writer)

    async with (
        raw_server(silent) as port,
        RestUpstream(f"http://127.0.0.1:{port}", RestOptions(max_connections=1)) as upstream,
    ):
        first = asyncio.ensure_future(send(upstream, get(), 9000.0))
        writer = await received.get()
        second = asyncio.ensure_future(upstream.forward(get(), 3000.0))
        await asyncio.sleep(0)
        loop.advanced_s += 2000.0
        writer.write(OK)
        assert await first == b"ok"
        await received.get()
        loop.advanced_s += 1100.0
        async with asyncio.timeout(60.0):
            await second


def test_the_time_for_a_connection_counts_towards_the_deadline():
    with asyncio.Runner(loop_factory=AdvancingLoop) as runner:
        with pytest.raises(UpstreamError) as caught:
            runner.run(_forward_late(runner.get_loop()))
        assert caught.value.http_status == 504
