"""The legacy side against raw sockets: what goes over the wire, byte for byte."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trustme

from proxy.errors import LimitExceeded, RequestError, StatusError, UpstreamError
from proxy.status import Code
from proxy.upstreams.rest import RestOptions, RestRequest, RestResponse, RestUpstream
from proxy.upstreams.rest.connection import MAX_QUEUED, Connection
from proxy.upstreams.rest.options import parse_url
from proxy.upstreams.tls import TlsOptions
from tests.upstreams.servers import raw_server
from tests.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Host:
    """A legacy host that records heads and bodies, and answers from a script.

    *answers* are given one per request; the last one again and again. After an answer that ends
    in None the connection is closed, without one.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers) or [OK]
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            self.bodies.append(await _read_body(head, reader))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is None:
                return
            writer.write(answer)
            await writer.drain()
            if b"\r\nConnection: close" in answer:
                return


async def _read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    lower = head.lower()
    if b"\r\ntransfer-encoding: chunked\r\n" in lower:
        return await reader.readuntil(b"0\r\n\r\n")
    if b"\r\ncontent-length: " in lower:
        length = int(lower.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)
    return b""


@asynccontextmanager
async def upstream_to(
    talk: Callable, options: RestOptions | None = None
) -> AsyncIterator[RestUpstream]:
    async with (
        raw_server(talk) as port,
        RestUpstream(f"http://127.0.0.1:{port}", options) as upstream,
    ):
        yield upstream


def get(target="/", headers=(("Host", "h"),), method="GET", **rest) -> RestRequest:
    return RestRequest(method, target, headers, **rest)


def post(body, *headers) -> RestRequest:
    return RestRequest("POST", "/", (("Host", "h"), *headers), body)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(response: RestResponse) -> bytes:
    if response.whole is not None:
        return response.whole
    return b"".join([piece async for piece in response.body])


async def send(upstream: RestUpstream, request: RestRequest, timeout_s: float = 30.0) -> bytes:
    async with await upstream.forward(request, timeout_s) as response:
        return await read(response)


async def failure(awaitable, kind: type[StatusError] = UpstreamError) -> StatusError:
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value


# --- the request as it came


@pytest.mark.parametrize(
    "target",
    [
        "/a?",
        "//x",
        "/a/../b",
        "/a/./b",
        "/%7e",
        "/a%2Fb",
        "/a;b=c;d",
        "/%E2%82%AC",
        "/%zz",
        "/a??b=c?d",
        "/a?b=%20&c=+&&=",
        "/a?x[]={}|^`\"<>'",
        "/a#b",
        "*",
        "http://elsewhere/a",
        "/é/\udcff",
    ],
)
async def test_the_target_passes_byte_for_byte(target):
    host = Host()
    async with upstream_to(host) as upstream:
        await send(upstream, get(target))
    line = f"GET {target} HTTP/1.1\r\n".encode("utf-8", "surrogateescape")
    assert host.heads[0].startswith(line)


@pytest.mark.parametrize(
    "method", ["GET", "get", "PATCH", "PROPFIND", "M-SEARCH", "x!#$%&'*+.^_`|~"]
)
async def test_any_method_passes_as_it_is_spelled(method):
    host = Host()
    async with upstream_to(host) as upstream:
        await send(upstream, get(method=method))
    assert host.heads[0].startswith(method.encode() + b" / HTTP/1.1\r\n")


async def test_headers_keep_order_case_and_duplicates_and_none_is_added():
    host = Host()
    headers = (
        ("hOST", "api.example:81"),
        ("x-b", "1"),
        ("X-A", "2"),
        ("X-B", ""),
        ("cookie", "a=b; c=d"),
        ("Cookie", "e=f"),
        ("X-Latin", "caf\udce9"),
    )
    async with upstream_to(host) as upstream:
        await send(upstream, get(headers=headers))
    expected = (
        b"GET / HTTP/1.1\r\nhOST: api.example:81\r\nx-b: 1\r\nX-A: 2\r\nX-B: \r\n"
        b"cookie: a=b; c=d\r\nCookie: e=f\r\nX-Latin: caf\xe9\r\n\r\n"
    )
    assert host.heads == [expected]


async def test_a_request_without_host_gets_that_of_the_upstream():
    host = Host()
    async with upstream_to(host) as upstream:
        await send(upstream, get(headers=()))
    assert host.heads[0].startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize("name", ["Connection", "TE", "Transfer-Encoding", "Upgrade", "Trailer"])
async def test_headers_of_one_hop_never_pass(name):
    host = Host()
    async with upstream_to(host) as upstream:
        await send(upstream, get(headers=(("Host", "h"), (name, "x"))))
    assert host.heads == [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"]


@pytest.mark.parametrize(
    "request_",
    [
        get("/a b"),
        get("/a\r\nX: y"),
        get("/a\x00"),
        get(""),
        get(method="GET /x"),
        get(method=""),
        get(headers=(("X", "a\r\nY: b"),)),
        get(headers=(("X", "a\nb"),)),
        get(headers=(("X", "a\x00b"),)),
        get(headers=(("X\r", "a"),)),
        get(headers=(("X", "\ud800"),)),
        get(headers=(("Content-Length", "1"),)),
        post(b"ab", ("Content-Length", "3")),
        post(b"ab", ("Content-Length", "+2")),
        post(b"ab", ("Content-Length", "²")),
    ],
)
async def test_what_is_no_http_is_refused_before_anything_is_sent(request_):
    host = Host()
    async with upstream_to(host) as upstream:
        error = await failure(upstream.forward(request_, 5.0), RequestError)
        assert error.http_status == 400
    assert host.connections == 0


# --- bodies of requests


@pytest.mark.parametrize(
    ("body", "headers", "framing", "sent"),
    [
        (None, (), b"", b""),
        (None, (("Content-Length", "0"),), b"Content-Length: 0\r\n", b""),
        (b"ab", (), b"Content-Length: 2\r\n", b"ab"),
        (b"ab", (("content-length", "2"),), b"content-length: 2\r\n", b"ab"),
        (b"", (), b"Content-Length: 0\r\n", b""),
        (("a", "b"), (("content-length", "2"),), b"content-length: 2\r\n", b"ab"),
        (("ab", "", "c"), (), b"Transfer-Encoding: chunked\r\n", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        ((), (), b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ],
)
async def test_a_body_keeps_its_framing(body, headers, framing, sent):
    host = Host()
    if isinstance(body, tuple):
        body = pieces(*(part.encode() for part in body))
    async with upstream_to(host) as upstream:
        assert await send(upstream, post(body, *headers)) == b"ok"
        assert await send(upstream, get()) == b"ok"
    assert host.heads[0] == b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n"
    assert host.bodies[0] == sent
    assert host.connections == 1


@pytest.mark.parametrize("parts", [(b"ab",), (b"abc", b"d")])
async def test_a_body_of_another_size_than_announced_is_never_whole_to_the_host(parts):
    host = Host()
    async with upstream_to(host) as upstream:
        request = post(pieces(*parts), ("Content-Length", "3"))
        await failure(upstream.forward(request, 5.0), RequestError)
    assert host.bodies == [] or len(parts) == 2


async def test_a_body_that_fails_is_cut_and_its_error_is_the_callers():
    async def broken() -> AsyncIterator[bytes]:
        yield b"ab"
        raise ConnectionResetError("the client went away")

    host = Host()
    async with upstream_to(host) as upstream:
        with pytest.raises(ConnectionResetError, match="client went away"):
            await upstream.forward(post(broken()), 5.0)
    assert host.bodies == []


async def test_a_body_waits_for_a_host_that_does_not_read():
    taken, gate = 0, asyncio.Event()

    async def large() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(24):
            taken += 1
            yield b"x" * (1 << 20)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await gate.wait()
        await reader.readexactly(24 << 20)
        writer.write(OK)

    async with upstream_to(slow) as upstream:
        request = post(large(), ("Content-Length", str(24 << 20)))
        sending = asyncio.create_task(send(upstream, request))
        async with upstream_to(Host()) as other:
            for _ in range(20):
                await send(other, get())
        assert taken < 24
        gate.set()
        assert await sending == b"ok"


async def test_an_answer_before_the_end_of_the_body_is_taken_and_the_connection_closed():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async with upstream_to(refuse) as upstream:
        async with await upstream.forward(post(endless()), 5.0) as response:
            assert (response.status, await read(response)) == (413, b"no")
        assert "busy=0 idle=0" in repr(upstream)


async def test_request_and_answer_can_stream_at_the_same_time():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (data := await reader.readuntil(b"\r\n")) != b"0\r\n":
            writer.write(data + await reader.readuntil(b"\r\n"))
        writer.write(b"0\r\n\r\n")

    answered: asyncio.Queue[bytes] = asyncio.Queue()

    async def ping_pong() -> AsyncIterator[bytes]:
        yield b"one"
        assert await answered.get() == b"one"
        yield b"two"

    got = []
    async with (
        upstream_to(echo) as upstream,
        await upstream.forward(post(ping_pong()), 5.0) as response,
    ):
        async for piece in response.body:
            got.append(piece)
            answered.put_nowait(piece)
    assert got == [b"one", b"two"]


# --- Expect: 100-continue, interim answers


async def test_a_body_waits_for_100_and_interim_answers_are_told():
    begun, interim = [], []

    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.append(False)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(2)
        writer.write(OK)

    async def body() -> AsyncIterator[bytes]:
        begun.append(True)
        yield b"ab"

    headers = (("Expect", "100-continue"), ("Content-Length", "2"))
    request = RestRequest("POST", "/", headers, body(), lambda *told: interim.append(told))
    async with upstream_to(host) as upstream:
        assert await send(upstream, request) == b"ok"
    assert begun == [False, True]
    assert interim == [(103, "Early Hints", (("Link", "</a>"),)), (100, "Continue", ())]


async def test_a_refusal_instead_of_100_leaves_the_body_unread():
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        assert await reader.read() == b""

    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    request = RestRequest("POST", "/", (("Expect", "100-continue"),), never())
    async with (
        upstream_to(host) as upstream,
        await upstream.forward(request, 5.0) as response,
    ):
        assert (response.status, response.whole) == (417, b"")


async def test_a_host_that_ignores_the_expectation_gets_the_body_all_the_same():
    host = Host()
    headers = (("Expect", "100-continue"), ("Content-Length", "2"))
    async with upstream_to(host, RestOptions(expect_wait_s=0.05)) as upstream:
        assert await send(upstream, RestRequest("POST", "/", headers, pieces(b"ab"))) == b"ok"
    assert host.bodies == [b"ab"]


async def test_switching_protocols_unasked_is_bad_gateway():
    host = Host(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    async with upstream_to(host) as upstream:
        assert (await failure(upstream.forward(get(), 5.0))).http_status == 502


# --- answers as they came


async def test_an_answer_keeps_status_reason_and_headers():
    answer = (
        b"HTTP/1.1 299 Odd Reason\r\nset-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\n"
        b"X-Latin: caf\xe9\r\n"
        b"Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\ncontent-encoding: gzip\r\n"
        b"Location: ../a?b\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00"
    )
    async with (
        upstream_to(Host(answer)) as upstream,
        await upstream.forward(get(), 5.0) as response,
    ):
        assert (response.status, response.reason, response.length) == (299, "Odd Reason", 3)
        assert response.headers == (
            ("set-Cookie", "a=b; Path=/"),
            ("Set-Cookie", "c=d"),
            ("X-Latin", "caf\udce9"),
            ("content-encoding", "gzip"),
            ("Location", "../a?b"),
            ("Content-Length", "3"),
        )
        assert await read(response) == b"\x1f\x8b\x00"
        assert repr(response) == "<RestResponse 299 length=3>"


async def test_redirects_and_cookies_are_the_clients():
    host = Host(
        b"HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    )
    async with upstream_to(host) as upstream:
        async with await upstream.forward(get("/a"), 5.0) as response:
            assert response.status == 302
        await send(upstream, get("/c"))
    assert [head.split(b" ")[1] for head in host.heads] == [b"/a", b"/c"]
    assert b"Cookie" not in host.heads[1]


@pytest.mark.parametrize(
    ("method", "status", "header"),
    [
        ("HEAD", b"200 OK", b"Content-Length: 1234"),
        ("HEAD", b"200 OK", b"Transfer-Encoding: chunked"),
        ("GET", b"304 Not Modified", b"Content-Length: 1234"),
        ("GET", b"204 No Content", b"X-Nothing: 1"),
    ],
)
async def test_an_answer_without_a_body_keeps_what_it_announces(method, status, header):
    host = Host(b"HTTP/1.1 " + status + b"\r\n" + header + b"\r\n\r\n")
    async with upstream_to(host) as upstream:
        for _ in range(2):
            async with await upstream.forward(get(method=method), 5.0) as response:
                assert response.whole == b""
                assert response.length == (1234 if b"1234" in header else None)
        assert host.connections == 1


async def test_a_chunked_body_is_read_and_the_connection_used_again():
    host = Host(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    )
    async with upstream_to(host) as upstream:
        async with await upstream.forward(get(), 5.0) as response:
            assert response.headers == ()
            assert await read(response) == b"abc"
        assert await send(upstream, get()) == b"abc"
    assert host.connections == 1


async def test_a_body_that_ends_with_the_connection_is_read_to_its_end():
    host = Host(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nabc")
    async with upstream_to(host) as upstream:
        assert await send(upstream, get()) == b"abc"
        assert await send(upstream, get()) == b"abc"
    assert host.connections == 2


async def test_a_large_body_comes_in_pieces_while_the_host_waits():
    sent, size = 0, 24 << 20

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    async with (
        upstream_to(flood) as upstream,
        await upstream.forward(get(), 5.0) as response,
    ):
        assert response.whole is None
        got = len(await anext(response.body))
        async with upstream_to(Host()) as other:
            for _ in range(20):
                await send(other, get())
        assert sent < size
        async for piece in response.body:
            assert len(piece) <= 1 << 20
            got += len(piece)
        assert got == size


# --- what goes wrong


async def test_a_host_that_is_down_is_502_and_nothing_was_sent():
    async with raw_server(Host()) as port:
        pass
    async with RestUpstream(f"http://127.0.0.1:{port}") as upstream:
        error = await failure(upstream.forward(get(), 5.0))
        assert (error.status.code, error.http_status, error.sent) == (Code.UNAVAILABLE, 502, False)
        error = await failure(upstream.forward(get(), 5.0))
        assert error.http_status == 502


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 64])
async def test_a_name_that_is_unknown_or_none_at_all_is_502(name):
    async with RestUpstream(f"http://{name}:1") as upstream:
        assert (await failure(upstream.forward(get(), 5.0))).http_status == 502


async def test_a_host_that_is_slow_is_504_at_the_deadline():
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with upstream_to(silent) as upstream:
        for request in (get(), post(b"x"), post(pieces(b"x"))):
            error = await failure(upstream.forward(request, 0.05))
            assert (error.status.code, error.http_status) == (Code.DEADLINE_EXCEEDED, 504)


async def test_a_request_that_got_no_answer_in_time_may_have_been_sent():
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read()

    async with upstream_to(answer_once) as upstream:
        await send(upstream, get())
        error = await failure(upstream.forward(post(b"x"), 0.05))
        assert (error.http_status, error.sent) == (504, True)


async def test_a_header_that_drips_is_504_at_the_deadline():
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            await asyncio.wait([asyncio.ensure_future(reader.read(1))], timeout=0.01)

    async with upstream_to(drip) as upstream:
        assert (await failure(upstream.forward(get(), 0.1))).http_status == 504


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"junk junk junk\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nX: y",
    ],
)
async def test_an_answer_that_is_none_is_502(answer):
    async with upstream_to(Host(answer)) as upstream:
        error = await failure(upstream.forward(get(), 5.0))
        assert (error.status.code, error.http_status, error.sent) == (Code.UNAVAILABLE, 502, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
)
async def test_a_body_that_breaks_off_never_looks_complete(answer):
    async with (
        upstream_to(Host(answer)) as upstream,
        await upstream.forward(get(), 5.0) as response,
    ):
        assert response.whole is None
        assert (await failure(read(response))).http_status == 502
        assert "busy=0 idle=0" in repr(upstream)


async def test_a_body_with_broken_chunks_never_looks_complete():
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await read_first.wait()
        writer.write(b"XX")
        await reader.read()

    read_first = asyncio.Event()
    async with (
        upstream_to(host) as upstream,
        await upstream.forward(get(), 5.0) as response,
    ):
        assert await anext(response.body) == b"ab"
        read_first.set()
        assert (await failure(read(response))).http_status == 502


async def test_a_body_that_pauses_too_long_breaks_off():
    async def pause(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await reader.read()

    async with (
        upstream_to(pause, RestOptions(idle_timeout_s=0.05)) as upstream,
        await upstream.forward(get(), 5.0) as response,
    ):
        assert (await failure(read(response))).http_status == 502


async def test_closing_the_upstream_breaks_off_what_is_being_read():
    async def pause(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/part" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        arrived.set()
        await reader.read()

    arrived = asyncio.Event()
    async with upstream_to(pause) as upstream:
        response = await upstream.forward(get("/part"), 5.0)
        assert await anext(response.body) == b"ab"
        arrived.clear()
        reading = asyncio.ensure_future(read(response))
        waiting = asyncio.ensure_future(upstream.forward(get("/none"), 5.0))
        await arrived.wait()
        await upstream.close()
        assert (await failure(reading)).http_status == 502
        assert (await failure(waiting)).http_status == 502
        assert (await failure(upstream.forward(get(), 5.0))).sent is False


async def test_cancelling_while_waiting_or_reading_closes_the_connection():
    ended: asyncio.Queue[bytes] = asyncio.Queue()
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def pause(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        arrived.put_nowait(head)
        if b"/part" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        with suppress(ConnectionError):
            await reader.read()
        ended.put_nowait(head)

    async with upstream_to(pause) as upstream:
        waiting = asyncio.ensure_future(upstream.forward(get("/none"), 5.0))
        await arrived.get()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await ended.get()
        async with await upstream.forward(get("/part"), 5.0) as response:
            assert await anext(response.body) == b"ab"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(response.body), 0.01)
            await ended.get()
            assert "busy=0 idle=0" in repr(upstream)


async def test_a_host_that_takes_no_more_may_still_have_answered():
    """The body is far larger than any socket buffer, so the rest of it cannot be written."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()

    async def large() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * (1 << 20)

    async with upstream_to(refuse) as upstream:
        async with await upstream.forward(post(large()), 5.0) as response:
            assert response.status == 413
        assert "busy=0 idle=0" in repr(upstream)


async def test_a_host_that_takes_no_more_and_says_nothing_is_502():
    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async def large() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * (1 << 20)

    async with upstream_to(vanish) as upstream:
        assert (await failure(upstream.forward(post(large()), 5.0))).http_status == 502


async def test_an_answer_closed_half_read_does_not_spoil_the_next():
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3000000
    async with upstream_to(Host(large, OK)) as upstream:
        async with await upstream.forward(get(), 5.0) as response:
            await anext(response.body)
        with pytest.raises(StopAsyncIteration):
            await anext(response.body)
        assert await send(upstream, get()) == b"ok"


# --- connections


class Closing:
    """A host that answers once per connection and closes it silently at the next request."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "TRACE"])
async def test_a_safe_request_survives_a_connection_that_the_host_has_closed(method):
    host = Closing()
    async with upstream_to(host) as upstream:
        await send(upstream, get("/1"))
        async with await upstream.forward(get("/2", method=method), 5.0) as response:
            assert response.status == 200
    assert [head.split(b" ")[1] for head in host.heads] == [b"/1", b"/2", b"/2"]


@pytest.mark.parametrize(
    "request_",
    [post(b"x"), post(None), get(method="PUT"), get(method="DELETE"), get(body=b"x")],
)
async def test_any_other_request_is_never_sent_twice(request_):
    host = Closing()
    async with upstream_to(host) as upstream:
        await send(upstream, get("/1"))
        error = await failure(upstream.forward(request_, 5.0))
        assert (error.http_status, error.sent) == (502, True)
    assert len(host.heads) == 2


async def test_a_safe_request_is_sent_at_most_twice():
    host = Host(OK, None)
    async with upstream_to(host) as upstream:
        await send(upstream, get("/1"))
        assert (await failure(upstream.forward(get("/2"), 5.0))).http_status == 502
    assert len(host.heads) == 3


async def test_an_idle_connection_that_the_host_closed_is_not_used_for_a_write():
    closed = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        writer.transport.abort()
        closed.set()

    async with upstream_to(once) as upstream:
        for _ in range(3):
            assert await send(upstream, post(b"")) == b"ok"
            await closed.wait()
            closed.clear()


async def test_a_host_that_cannot_be_reached_in_time_is_504_and_nothing_was_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with RestUpstream(url, RestOptions(connect_timeout_s=0.0)) as upstream:
            error = await failure(upstream.forward(get(), 5.0))
            assert (error.http_status, error.sent) == (504, False)


async def test_a_connection_tells_its_state_and_takes_nothing_when_closed():
    connection = Connection(asyncio.get_running_loop())
    assert repr(connection) == "<Connection closed reused=False>"
    assert connection.is_stale()
    with pytest.raises(ConnectionResetError):
        connection.write(b"x")


async def test_kept_connections_expire():
    host = Host()
    async with upstream_to(host, RestOptions(keepalive_s=0.0)) as upstream:
        for _ in range(3):
            await send(upstream, get())
    assert host.connections >= 2


async def test_connections_are_bounded_and_the_next_request_waits_for_one():
    gate = asyncio.Event()
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def gated(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            arrived.put_nowait(await reader.readuntil(b"\r\n\r\n"))
            await gate.wait()
            writer.write(OK)

    async with upstream_to(gated, RestOptions(max_connections=1)) as upstream:
        first = asyncio.ensure_future(send(upstream, get()))
        await arrived.get()
        error = await failure(upstream.forward(get(), 0.05), LimitExceeded)
        assert (error.http_status, upstream.refused) == (503, 1)
        second = asyncio.ensure_future(send(upstream, get()))
        gate.set()
        assert await asyncio.gather(first, second) == [b"ok", b"ok"]


async def test_no_more_requests_wait_for_a_connection_than_may():
    gate = asyncio.Event()

    async def gated(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await gate.wait()
            writer.write(OK)

    async with upstream_to(gated, RestOptions(max_connections=1)) as upstream:
        made = [asyncio.ensure_future(send(upstream, get())) for _ in range(1 + MAX_QUEUED)]
        await until(lambda: upstream.inflight == len(made))
        error = await failure(upstream.forward(get(), 30.0), LimitExceeded)
        assert (error.http_status, error.limit) == (503, "upstream")
        assert (upstream.inflight, upstream.refused) == (len(made), 1)
        # Who gives up makes room for another.
        made.pop().cancel()
        await until(lambda: upstream.inflight == len(made))
        made.append(asyncio.ensure_future(send(upstream, get())))
        gate.set()
        assert await asyncio.gather(*made) == [b"ok"] * len(made)


async def test_who_waits_for_a_connection_gets_none_after_the_end():
    host = Host()
    gate = asyncio.Event()

    async def gated(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host.connections += 1
        gate.set()
        await reader.read()
        await reader.read()

    async with upstream_to(gated, RestOptions(max_connections=1)) as upstream:
        made = [asyncio.ensure_future(failure(send(upstream, get()))) for _ in range(3)]
        await gate.wait()
        await until(lambda: upstream.inflight == 3)
        await upstream.close()
        errors = await asyncio.gather(*made)
        assert sorted(error.sent for error in errors) == [False, False, True]
        assert (upstream.inflight, upstream.is_closed, host.connections) == (0, True, 1)


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def tls_host(authority: trustme.CA, *, mutual: bool = False) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("legacy.example").configure_cert(context)
    if mutual:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    async with raw_server(Host(), context) as port:
        yield port


def tls(folder, authority, name="legacy.example", client=None) -> RestOptions:
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    if client is None:
        return RestOptions(tls=TlsOptions(ca, server_name=name))
    certificate, key = folder / "client.pem", folder / "client.key"
    client.cert_chain_pems[0].write_to_path(certificate)
    client.private_key_pem.write_to_path(key)
    return RestOptions(tls=TlsOptions(ca, certificate, key, name))


async def test_tls_verifies_the_host(tmp_path, authority):
    async with (
        tls_host(authority) as port,
        RestUpstream(f"https://127.0.0.1:{port}", tls(tmp_path, authority)) as upstream,
    ):
        for request in (get(), post(b"x"), get()):
            assert await send(upstream, request) == b"ok"


@pytest.mark.parametrize("wrong", ["authority", "name", "system"])
async def test_tls_that_cannot_be_set_up_is_502_and_counted(tmp_path, authority, wrong):
    errors: list[UpstreamError] = []
    trusted = trustme.CA() if wrong == "authority" else authority
    options = tls(tmp_path, trusted, "other.example" if wrong == "name" else "legacy.example")
    async with (
        tls_host(authority) as port,
        RestUpstream(
            f"https://127.0.0.1:{port}",
            None if wrong == "system" else options,
            on_tls_error=errors.append,
        ) as upstream,
    ):
        error = await failure(upstream.forward(get(), 5.0))
        assert (error.http_status, error.sent) == (502, False)
        assert errors == [error]


async def test_mutual_tls_shows_the_client_certificate(tmp_path, authority):
    client = authority.issue_cert("client.example")
    async with (
        tls_host(authority, mutual=True) as port,
        RestUpstream(
            f"https://127.0.0.1:{port}", tls(tmp_path, authority, client=client)
        ) as upstream,
    ):
        assert await send(upstream, get()) == b"ok"


# --- the address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://legacy", ("legacy", 443, "legacy", True)),
        ("http://legacy/", ("legacy", 80, "legacy", False)),
        ("http://[::1]:8080", ("::1", 8080, "[::1]:8080", False)),
    ],
)
def test_the_url_of_the_host_is_read(url, expected):
    address = parse_url(url)
    assert (address.host, address.port, address.authority, address.is_tls) == expected


@pytest.mark.parametrize(
    "url",
    ["legacy:80", "ftp://x", "http://", "http://u:p@h", "http://h/p", "http://h?q", "http://h#f"],
)
def test_any_other_url_is_refused(url):
    with pytest.raises(ValueError, match="URL of the legacy host"):
        parse_url(url)


# --- the end


async def test_who_retires_finishes_what_is_under_way_first():
    going_on = asyncio.Event()

    async def slow(reader, writer) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"/slow" in head:
                writer.write(OK[:-1])
                await going_on.wait()
                writer.write(OK[-1:])
            else:
                writer.write(OK)
            await writer.drain()

    async with upstream_to(slow) as upstream:
        begun = await upstream.forward(get("/slow"), 30.0)
        assert upstream.inflight == 1
        retiring = asyncio.create_task(upstream.retire(30.0))
        # A request that has begun may ask late.
        assert await send(upstream, get("/late")) == b"ok"
        assert (upstream.inflight, retiring.done()) == (1, False)
        going_on.set()
        async with begun:
            assert await read(begun) == b"ok"
        assert await retiring
        assert not (await failure(upstream.forward(get(), 30.0))).sent


async def test_who_retires_does_not_wait_for_ever():
    async def hang(reader, _) -> None:
        await reader.read()

    async with upstream_to(hang) as upstream:
        hanging = asyncio.create_task(upstream.forward(get(), 30.0))
        await until(lambda: upstream.inflight == 1)
        assert not await upstream.retire(0.05)
        await failure(hanging)
        assert upstream.inflight == 0


async def test_who_has_nothing_under_way_retires_at_once():
    async with upstream_to(Host()) as upstream:
        assert await send(upstream, get()) == b"ok"
        assert await upstream.retire(30.0)
