"""What may be answered without the parser: only what the parser would see as one request."""

import asyncio

import pytest
from aiohttp import http_parser
from aiohttp.base_protocol import BaseProtocol
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.server.shedding import Tally, is_one_request
from tests.waiting import until

HOST = b"Host: a\r\n"


def get(*fields: bytes, line: bytes = b"GET /a?b=c HTTP/1.1\r\n") -> bytes:
    return line + HOST + b"".join(fields) + b"\r\n"


def post(*fields: bytes, body: bytes = b"{}") -> bytes:
    return get(*fields, line=b"POST / HTTP/1.1\r\n") + body


@pytest.mark.parametrize(
    "data",
    [
        get(),
        get(b"Connection: keep-alive\r\n"),
        get(b"connection:Keep-Alive\r\n"),
        get(b"X-Note: transfer-encoding, content-length: 5\r\n"),
        get(line=b"DELETE /a HTTP/1.1\r\n"),
        get(line=b"POST /a HTTP/1.1\r\n"),
        get(line=b"OPTIONS / HTTP/1.1\r\n"),
        post(b"Content-Length: 2\r\n"),
        post(b"content-length:2\r\n", b"Accept: */*\r\n"),
        post(b"Content-Length: 0\r\n", body=b""),
        post(b"Content-Length: 4\r\n", body=b"\r\n\r\n"),
        post(b"A: \xff\r\n", b"Content-Length: 2\r\n"),
    ],
)
def test_a_plain_request_is_known(data: bytes):
    assert is_one_request(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        get()[:-1],
        get() + b"G",
        get() + get(),
        b"\r\n" + get(),
        get(line=b"HEAD / HTTP/1.1\r\n"),
        get(line=b"CONNECT a:1 HTTP/1.1\r\n"),
        get(line=b"GET / HTTP/1.0\r\n"),
        get(line=b"GET / HTTP/2.0\r\n"),
        get(line=b"GET /a b HTTP/1.1\r\n"),
        get(line=b"GET http://a/ HTTP/1.1\r\n"),
        get(line=b"OPTIONS * HTTP/1.1\r\n"),
        get(line=b"get / HTTP/1.1\r\n"),
        get(b"Transfer-Encoding: chunked\r\n"),
        get(b"tRANSFER-encoding: chunked\r\n"),
        get(b"Transfer-Encoding : chunked\r\n"),
        get(b"Upgrade: websocket\r\n"),
        get(b"Connection: close\r\n"),
        get(b"Connection: keep-alive, close\r\n"),
        get(b"Connection: upgrade\r\n"),
        get(b"A: b\r\n Content-Length: 5\r\n"),
        get(b"A: b\nContent-Length: 5\r\n"),
        get(b"A: b\rContent-Length: 5\r\n"),
        get(b"A: \0\r\n"),
        get(b"A: \x01\r\n"),
        get(b"A: \x7f\r\n"),
        get(b"A b\r\n"),
        get(b": b\r\n"),
        b"GET / HTTP/1.1\nHost: a\n\n",
        post(),
        post(b"Content-Length: 2\r\n", body=b"{"),
        post(b"Content-Length: 2\r\n", body=b"{}\n"),
        post(b"Content-Length: 2\r\n", b"Content-Length: 2\r\n"),
        post(b"Content-Length: 2\r\n", b"Content-Length: 3\r\n"),
        post(b"Content-Length: +2\r\n"),
        post(b"Content-Length: 2 \r\n"),
        post(b"Content-Length: 2, 2\r\n"),
        post(b"Content-Length: 0x2\r\n"),
        post("Content-Length: ٢\r\n".encode()),
        post(b"Content-Length:\r\n"),
        post(b"Content-Length: 0000000002\r\n"),
        post(b"Content_Length: 2\r\n"),
        post(b"Content-Length: 2\r\n", b"Expect: 100-continue\r\n"),
        post(b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n"),
        post(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", body=b"0\r\n\r\n"),
    ],
)
def test_whatever_is_unusual_is_left_to_the_parser(data: bytes):
    assert not is_one_request(data)


class FakeProtocol(BaseProtocol):
    """What the parser asks its connection for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.transport = asyncio.Transport()


def requests_in(data: bytes) -> int | None:
    """How many whole requests aiohttp's parser sees in *data*; None for an error or a rest."""
    loop = asyncio.new_event_loop()
    try:
        parser = http_parser.HttpRequestParser(
            FakeProtocol(loop), loop, 1 << 16, max_line_size=8190, max_field_size=8190
        )
        probe = b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n"
        try:
            messages, _, _ = parser.feed_data(data)
            after, _, _ = parser.feed_data(probe)
        except http_parser.BadHttpMessage:
            return None
        is_whole = all(body.is_eof() for _, body in messages)
        return len(messages) if is_whole and [m.path for m, _ in after] == ["/probe"] else None
    finally:
        loop.close()


PIECES = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", b"HEAD / HTTP/1.1\r\n", b"GET /"),
        *(b"Host: a\r\n", b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"A: b\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Content-Length:2", b"Connection: keep-alive\r\n"),
        *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"{}", b"0\r\n\r\n", b":", b"Content-Length"),
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=12).map(b"".join))
@example(post(b"Content-Length: 2\r\n"))
def test_the_parser_sees_one_request_in_whatever_is_taken_for_one(data: bytes):
    # What lacks a host, or has two, is refused either way; where it ends is not in doubt.
    if data.count(HOST) == 1 and is_one_request(data):
        assert requests_in(data) == 1


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"A: b\r\n", b"Content-Length: 2\r\n", b"X_y: \xe4\r\n"])),
    st.sampled_from([b"", b"{}", b"{}{}"]),
    st.integers(0, 200),
    st.binary(max_size=2),
)
def test_so_it_does_when_a_byte_was_changed(
    fields: list[bytes], body: bytes, at: int, other: bytes
):
    plain = post(*fields, body=body)
    data = plain[:at] + other + plain[at + 1 :]
    # What lacks a host, or has two, is refused either way; where it ends is not in doubt.
    if data.count(HOST) == 1 and is_one_request(data):
        assert requests_in(data) == 1


async def test_a_tally_tells_all_that_it_counted():
    told: list[tuple[str, int]] = []
    tally = Tally(asyncio.get_running_loop(), lambda *what: told.append(what))
    for reason in ("a", "b", "a"):
        tally.add(reason)
    assert repr(tally) == "<Tally {'a': 2, 'b': 1}>"
    tally.flush()
    assert told == [("a", 2), ("b", 1)]
    tally.flush()
    tally.add("a")
    await until(lambda: told[2:] == [("a", 1)])
