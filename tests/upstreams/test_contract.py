"""What every upstream does, the fake like the real ones."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import trustme

from proxy.errors import LimitExceeded
from proxy.status import HTTP_STATUS, Code, Detail
from proxy.upstreams import Call, Upstream
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.retry import RetryOptions
from proxy.upstreams.target import Address
from proxy.upstreams.tls import TlsOptions
from tests.fakes import Abort, FakeUpstream, Served
from tests.upstreams.calls import failure
from tests.upstreams.servers import grpc_server

_ERRORS = tuple(code for code in Code if code is not Code.OK)
_DETAIL = Detail("type.googleapis.com/google.rpc.RequestInfo", b"\n\x03abc")
_BIG = b"x" * (3 << 20)
OPTIONS = GrpcOptions()


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


def call(name: str, message: bytes = b"", *, timeout_s=30.0, metadata=(), idempotent=False) -> Call:
    return Call(f"/t.T/{name}", message, metadata, timeout_s, idempotent)


class Listed:
    """A resolver that knows what it is told: the addresses of a name on this host."""

    def __init__(self, *addresses: Address) -> None:
        self.addresses = addresses

    async def resolve(self) -> tuple[Address, ...]:
        return self.addresses


def _named(upstream: type, port: int, options: GrpcOptions) -> Upstream:
    resolver = Listed(Address("127.0.0.1", port))
    return upstream(f"orders.example:{port}", options, resolver=resolver)


def _literal(upstream: type, port: int, options: GrpcOptions, **more) -> Upstream:
    return upstream(f"127.0.0.1:{port}", options, **more)


#: How an upstream is opened to a server on a port: over each transport, to an address and a name.
TRANSPORTS = {
    "direct": lambda port, options=OPTIONS: _literal(GrpcUpstream, port, options),
    "public": lambda port, options=OPTIONS: _literal(GrpcUpstream, port, options, direct=False),
    "named": lambda port, options=OPTIONS: _named(GrpcUpstream, port, options),
    "h2": lambda port, options=OPTIONS: _literal(H2Upstream, port, options),
    "h2 named": lambda port, options=OPTIONS: _named(H2Upstream, port, options),
}


@asynccontextmanager
async def _fake(handlers: Handlers):
    upstream = FakeUpstream(handlers.table())
    yield upstream
    await upstream.close()


@asynccontextmanager
async def _real(handlers: Handlers, open_upstream):
    async with grpc_server(handlers.table()) as port, open_upstream(port) as upstream:
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


@pytest.fixture(params=["fake", *TRANSPORTS, "h2 over TLS"])
async def upstream(request, handlers) -> AsyncIterator[Upstream]:
    if request.param == "fake":
        made = _fake(handlers)
    elif request.param == "h2 over TLS":
        made = _h2_tls(handlers)
    else:
        made = _real(handlers, TRANSPORTS[request.param])
    async with made as upstream:
        yield upstream


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


# --- repetition, the same whichever transport; the fake has none


@pytest.fixture(params=TRANSPORTS)
def open_upstream(request):
    return TRANSPORTS[request.param]


class Flaky:
    """A method that fails a number of times before it answers."""

    def __init__(self, failures: int, abort: Abort) -> None:
        self.failures = failures
        self.abort = abort
        self.calls = 0

    async def __call__(self, served: Served) -> AsyncIterator[bytes]:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.abort
        yield served.message


DOWN = Abort(Code.UNAVAILABLE, "try again")
NOW = Abort(Code.UNAVAILABLE, "try again", (), (("grpc-retry-pushback-ms", "0"),))
NEVER = Abort(Code.UNAVAILABLE, "stay away", (), (("grpc-retry-pushback-ms", "-1"),))
FAST = GrpcOptions(retry=RetryOptions(initial_backoff_s=0.001))


@pytest.mark.parametrize(
    ("abort", "failures", "idempotent", "calls", "succeeds"),
    [
        (DOWN, 2, True, 3, True),
        (DOWN, 3, True, 3, False),
        (NOW, 1, True, 2, True),
        (NEVER, 1, True, 1, False),
        (DOWN, 1, False, 1, False),
        (Abort(Code.INTERNAL), 1, True, 1, False),
    ],
)
@pytest.mark.parametrize("streams", [False, True], ids=["unary", "stream"])
async def test_only_an_idempotent_call_is_repeated_and_only_after_unavailable(
    open_upstream, abort, failures, idempotent, calls, succeeds, streams
):
    flaky = Flaky(failures, abort)
    async with grpc_server({"/t.T/flaky": flaky}) as port, open_upstream(port, FAST) as upstream:
        made = call("flaky", b"x", idempotent=idempotent)
        stream = upstream.stream(made)
        attempt = anext(stream) if streams else upstream.unary(made)
        if succeeds:
            await attempt
        else:
            assert (await failure(attempt)).sent
        assert flaky.calls == calls
        assert upstream.retries == (calls - 1, 0)
        stream.cancel()
        assert upstream.inflight == 0


async def test_retries_end_with_their_budget(open_upstream):
    flaky = Flaky(1000, DOWN)
    retry = RetryOptions(initial_backoff_s=0.0, ratio=0.5, reserve_per_s=0.0)
    options = GrpcOptions(retry=retry)
    async with grpc_server({"/t.T/flaky": flaky}) as port, open_upstream(port, options) as upstream:
        for _ in range(20):
            await failure(upstream.unary(call("flaky", idempotent=True)))
        assert (flaky.calls, upstream.retries[0]) == (30, 10)


async def test_without_retries_nothing_is_repeated(open_upstream):
    flaky = Flaky(1, DOWN)
    options = GrpcOptions(retry=None)
    async with grpc_server({"/t.T/flaky": flaky}) as port, open_upstream(port, options) as upstream:
        await failure(upstream.unary(call("flaky", idempotent=True)))
        assert (flaky.calls, upstream.retries) == (1, (0, 0))


async def test_a_stream_is_not_begun_again_after_its_first_message(open_upstream):
    began = []

    async def one_then_down(served: Served) -> AsyncIterator[bytes]:
        began.append(served)
        yield b"x"
        raise DOWN

    async with (
        grpc_server({"/t.T/echo": one_then_down}) as port,
        open_upstream(port, FAST) as upstream,
    ):
        stream = upstream.stream(call("echo", idempotent=True))
        assert await anext(stream) == b"x"
        assert "Attempt" in repr(stream) or "ServerStream" in repr(stream)
        assert upstream.inflight == 1
        for _ in range(2):
            await failure(anext(stream))
        assert (len(began), upstream.inflight) == (1, 0)


async def test_a_server_that_is_away_was_not_called(open_upstream):
    async with grpc_server({}) as port:
        pass
    async with open_upstream(port, GrpcOptions(retry=None)) as upstream:
        for _ in range(2):
            error = await failure(upstream.unary(call("echo")))
            assert (error.http_status, error.sent) == (503, False)
        error = await failure(anext(upstream.stream(call("echo"))))
        assert (error.http_status, error.sent) == (503, False)
        assert not upstream.ready
        assert upstream.connectivity in {"transient_failure", "connecting"}


# --- limits, the same whichever transport


async def test_no_more_calls_are_open_than_may_be(open_upstream, handlers):
    options = GrpcOptions(max_inflight=3)
    table = handlers.table()
    async with grpc_server(table) as port, open_upstream(port, options) as upstream:
        calls = [asyncio.create_task(upstream.unary(call("hang"))) for _ in range(2)]
        stream = upstream.stream(call("hang"))
        calls.append(asyncio.create_task(anext(stream)))
        for _ in calls:
            await handlers.served.get()
        for refused in (upstream.unary(call("echo")), anext(upstream.stream(call("count", b"1")))):
            with pytest.raises(LimitExceeded, match="as many calls") as caught:
                await refused
            assert (caught.value.http_status, caught.value.limit) == (503, "upstream")
            assert caught.value.headers == (("retry-after", "1"),)
        assert (upstream.inflight, upstream.refused) == (3, 2)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert upstream.inflight == 0
        assert (await upstream.unary(call("quiet", b"x"))).message == b"x"


async def test_a_stream_that_nobody_reads_any_more_is_cancelled(open_upstream, handlers):
    async with grpc_server(handlers.table()) as port, open_upstream(port) as upstream:
        stream = upstream.stream(call("flood"))
        await anext(stream)
        served = await handlers.served.get()
        del stream
        gc.collect()
        await served.ended.wait()
        assert (served.was_cancelled, upstream.inflight) == (True, 0)


# --- the end, the same whichever transport


async def test_who_retires_finishes_its_calls_first(open_upstream, handlers):
    going_on = asyncio.Event()

    async def slow(served: Served) -> AsyncIterator[bytes]:
        handlers.served.put_nowait(served)
        await going_on.wait()
        yield served.message

    table = {**handlers.table(), "/t.T/slow": slow}
    async with grpc_server(table) as port, open_upstream(port) as upstream:
        begun = asyncio.create_task(upstream.unary(call("slow", b"begun")))
        await handlers.served.get()
        retiring = asyncio.create_task(upstream.retire(30.0))
        # A request that has begun may call late.
        assert (await upstream.unary(call("quiet", b"late"))).message == b"late"
        assert not retiring.done()
        going_on.set()
        assert (await begun).message == b"begun"
        assert await retiring
        assert not (await failure(upstream.unary(call("quiet")))).sent


async def test_who_retires_does_not_wait_for_ever(open_upstream, handlers):
    async with grpc_server(handlers.table()) as port, open_upstream(port) as upstream:
        hanging = asyncio.create_task(upstream.unary(call("hang")))
        await handlers.served.get()
        assert not await upstream.retire(0.05)
        assert (await failure(hanging)).status.code is Code.CANCELLED


async def test_who_has_no_calls_retires_at_once(open_upstream):
    async with grpc_server({}) as port, open_upstream(port) as upstream:
        assert await upstream.retire(30.0)
