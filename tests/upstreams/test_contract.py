"""What every upstream does, the fake like the real ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import trustme

from proxy.errors import UpstreamError
from proxy.status import HTTP_STATUS, Code, Detail
from proxy.upstreams import Call, Upstream
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.tls import TlsOptions
from tests.fakes import Abort, FakeUpstream, Served
from tests.upstreams.servers import grpc_server

_ERRORS = tuple(code for code in Code if code is not Code.OK)
_DETAIL = Detail("type.googleapis.com/google.rpc.RequestInfo", b"\n\x03abc")
_BIG = b"x" * (3 << 20)


class Handlers:
    """The methods of the contract's server; *served* has the calls that arrived."""

    def __init__(self) -> None:
        self.served: asyncio.Queue[Served] = asyncio.Queue()
        self.sent = 0

    def table(self) -> dict:
        names = ("echo", "fail", "hang", "count", "break_off", "flood", "quiet")
        return {f"/t.T/{name}": getattr(self, name) for name in names}

    async def echo(self, served: Served) -> AsyncIterator[bytes]:
        served.initial = (("first", "1"), ("first-bin", b"\x00\xff"))
        served.trailers = (("last", "2"), ("last-bin", b"\x01"))
        self.served.put_nowait(served)
        yield served.message

    async def quiet(self, served: Served) -> AsyncIterator[bytes]:
        yield served.message

    async def fail(self, served: Served) -> AsyncIterator[bytes]:
        trailers = (("why", "because"), ("why-bin", b"\x00"))
        raise Abort(Code(int(served.message)), "no ü", (_DETAIL,), trailers)
        yield b""

    async def hang(self, served: Served) -> AsyncIterator[bytes]:
        self.served.put_nowait(served)
        await asyncio.Event().wait()
        yield b""

    async def count(self, served: Served) -> AsyncIterator[bytes]:
        served.initial = (("first", "1"),)
        served.trailers = (("last", "2"),)
        for number in range(int(served.message)):
            yield b"%d" % number

    async def break_off(self, served: Served) -> AsyncIterator[bytes]:
        for number in range(int(served.message)):
            yield b"%d" % number
        raise Abort(Code.DATA_LOSS, "gone", (_DETAIL,), (("why", "because"),))

    async def flood(self, served: Served) -> AsyncIterator[bytes]:
        self.served.put_nowait(served)
        while True:
            self.sent += 1
            yield _BIG


def call(name: str, message: bytes = b"", *, timeout_s: float = 30.0, metadata=()) -> Call:
    return Call(f"/t.T/{name}", message, metadata, timeout_s)


@asynccontextmanager
async def _fake(handlers: Handlers):
    upstream = FakeUpstream(handlers.table())
    yield upstream
    await upstream.close()


@asynccontextmanager
async def _real(handlers: Handlers, *, direct: bool):
    async with (
        grpc_server(handlers.table()) as port,
        GrpcUpstream(f"127.0.0.1:{port}", GrpcOptions(), direct=direct) as upstream,
    ):
        yield upstream


@asynccontextmanager
async def _h2(handlers: Handlers):
    async with (
        grpc_server(handlers.table()) as port,
        H2Upstream(f"127.0.0.1:{port}", GrpcOptions()) as upstream,
    ):
        yield upstream


@asynccontextmanager
async def _h2_tls(handlers: Handlers):
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    with authority.cert_pem.tempfile() as ca:
        options = GrpcOptions(tls=TlsOptions(Path(ca)))
        async with (
            grpc_server(handlers.table(), grpc.ssl_server_credentials([pair])) as port,
            H2Upstream(f"127.0.0.1:{port}", options) as upstream,
        ):
            yield upstream


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture(params=["fake", "direct", "public", "h2", "h2 over TLS"])
async def upstream(request, handlers) -> AsyncIterator[Upstream]:
    kinds = {
        "fake": lambda: _fake(handlers),
        "direct": lambda: _real(handlers, direct=True),
        "public": lambda: _real(handlers, direct=False),
        "h2": lambda: _h2(handlers),
        "h2 over TLS": lambda: _h2_tls(handlers),
    }
    async with kinds[request.param]() as made:
        yield made


async def failure(awaitable) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await awaitable
    return caught.value


async def read_into(messages: list[bytes], stream) -> None:
    async for message in stream:
        messages.append(message)  # noqa: PERF401  # what came before an error counts


async def test_a_unary_call_brings_the_message_back(upstream):
    assert (await upstream.unary(call("echo", b"hello"))).message == b"hello"


async def test_an_empty_message_is_a_message(upstream):
    assert (await upstream.unary(call("quiet"))).message == b""


async def test_metadata_goes_both_ways(upstream, handlers):
    sent = (("a", "1"), ("a", "2"), ("empty", ""), ("b-bin", b"\x00\xff"), ("c", " !~"))
    reply = await upstream.unary(call("echo", metadata=sent))
    got = (await handlers.served.get()).metadata
    assert [pair for pair in got if pair[0] in {"a", "empty", "b-bin"}] == list(sent[:4])
    assert reply.metadata == (("first", "1"), ("first-bin", b"\x00\xff"))
    assert reply.trailers == (("last", "2"), ("last-bin", b"\x01"))


@pytest.mark.parametrize("code", _ERRORS)
async def test_every_error_code_comes_with_text_details_and_trailers(upstream, code):
    error = await failure(upstream.unary(call("fail", b"%d" % code)))
    assert (error.status.code, error.status.message) == (code, "no ü")
    assert error.status.details == (_DETAIL,)
    assert error.http_status == HTTP_STATUS[code]
    assert {("why", "because"), ("why-bin", b"\x00")} <= set(error.metadata)
    assert error.sent


async def test_an_unknown_method_is_unimplemented(upstream):
    assert (await failure(upstream.unary(call("nothing")))).status.code is Code.UNIMPLEMENTED


async def test_the_deadline_ends_a_call(upstream):
    error = await failure(upstream.unary(call("hang", timeout_s=0.05)))
    assert (error.status.code, error.http_status) == (Code.DEADLINE_EXCEEDED, 504)


async def test_cancelling_the_task_cancels_the_call(upstream, handlers):
    task = asyncio.create_task(upstream.unary(call("hang")))
    served = await handlers.served.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await served.ended.wait()
    assert served.was_cancelled


async def test_big_messages_pass(upstream):
    assert (await upstream.unary(call("echo", _BIG))).message == _BIG


async def test_a_message_above_the_limit_never_leaves(upstream):
    error = await failure(upstream.unary(call("echo", b"x" * ((4 << 20) + 1))))
    assert (error.http_status, error.sent) == (413, False)
    error = await failure(anext(upstream.stream(call("count", b"x" * ((4 << 20) + 1)))))
    assert (error.http_status, error.sent) == (413, False)


async def test_closing_ends_open_calls_as_cancelled(upstream, handlers):
    task = asyncio.create_task(upstream.unary(call("hang")))
    await handlers.served.get()
    await upstream.close()
    assert (await failure(task)).status.code is Code.CANCELLED


async def test_a_call_after_closing_was_not_sent(upstream):
    await upstream.close()
    error = await failure(upstream.unary(call("echo")))
    assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)
    error = await failure(anext(upstream.stream(call("count", b"1"))))
    assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)


@pytest.mark.parametrize("count", [0, 1, 1000])
async def test_a_stream_brings_every_message_in_order(upstream, count):
    stream = upstream.stream(call("count", b"%d" % count))
    assert [message async for message in stream] == [b"%d" % n for n in range(count)]


async def test_a_stream_has_metadata_first_and_trailers_last(upstream):
    stream = upstream.stream(call("count", b"2"))
    assert await stream.metadata() == (("first", "1"),)
    assert [message async for message in stream] == [b"0", b"1"]
    assert await stream.trailers() == (("last", "2"),)


async def test_metadata_of_an_empty_stream_can_be_asked_for(upstream):
    stream = upstream.stream(call("count", b"0"))
    await stream.metadata()
    assert [message async for message in stream] == []


async def test_an_early_stream_error_comes_with_the_metadata(upstream):
    error = await failure(upstream.stream(call("fail", b"5")).metadata())
    assert (error.status.code, error.status.details) == (Code.NOT_FOUND, (_DETAIL,))


async def test_an_early_stream_error_comes_with_the_first_read(upstream):
    error = await failure(anext(upstream.stream(call("fail", b"5"))))
    assert (error.status.code, error.http_status) == (Code.NOT_FOUND, 404)


async def test_a_late_stream_error_comes_after_every_message(upstream):
    stream, got = upstream.stream(call("break_off", b"3")), []
    error = await failure(read_into(got, stream))
    assert got == [b"0", b"1", b"2"]
    assert error.status.code is Code.DATA_LOSS
    assert ("why", "because") in error.metadata


async def test_the_deadline_ends_a_stream(upstream):
    error = await failure(anext(upstream.stream(call("hang", timeout_s=0.05))))
    assert error.status.code is Code.DEADLINE_EXCEEDED


async def test_cancelling_a_stream_reaches_the_server(upstream, handlers):
    stream = upstream.stream(call("flood"))
    assert await anext(stream) == _BIG
    stream.cancel()
    served = await handlers.served.get()
    await served.ended.wait()
    assert served.was_cancelled
    stream.cancel()


async def test_reading_a_cancelled_stream_is_an_error_not_a_cancellation(upstream):
    stream = upstream.stream(call("flood"))
    await anext(stream)
    stream.cancel()
    assert (await failure(read_into([], stream))).status.code is Code.CANCELLED


async def test_a_stream_cancelled_before_it_is_read_is_never_made(upstream):
    stream = upstream.stream(call("count", b"3"))
    stream.cancel()
    assert (await failure(anext(stream))).status.code is Code.CANCELLED


async def test_a_stream_closed_while_it_is_read_is_cancelled(upstream, handlers):
    task = asyncio.create_task(anext(upstream.stream(call("hang"))))
    await handlers.served.get()
    await upstream.close()
    assert (await failure(task)).status.code is Code.CANCELLED


async def test_cancelling_the_reading_task_cancels_the_stream(upstream, handlers):
    task = asyncio.create_task(upstream.stream(call("hang")).metadata())
    served = await handlers.served.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await served.ended.wait()
    assert served.was_cancelled


async def test_a_reader_that_pauses_stops_the_server(upstream, handlers):
    stream = upstream.stream(call("flood"))
    await anext(stream)
    # Other calls on the connection go on, and the flood has stopped at the transport's buffers.
    for _ in range(20):
        await upstream.unary(call("echo", b"x"))
    assert handlers.sent < 50
    stream.cancel()
