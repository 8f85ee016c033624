"""Servers that die, freeze, come back or misbehave under load: both transports, real processes."""

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import h2.errors
import pytest
from h2.settings import SettingCodes

from proxy.errors import LimitExceeded, StatusError, UpstreamError
from proxy.status import Code
from proxy.upstreams import Call
from proxy.upstreams.balanced import BalancedUpstream
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.grpc.options import channel_arguments
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.h2.channel import Channel
from proxy.upstreams.h2.dialing import Unreachable
from proxy.upstreams.h2.requests import RequestHeads
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.target import Address
from tests.upstreams.calls import failure
from tests.upstreams.h2.peer import HEAD, Asked, Peer, peer_server, prefixed
from tests.upstreams.servers import grpc_server, shared_port
from tests.upstreams.test_contract import Listed
from tests.waiting import until

FAST = GrpcOptions(initial_reconnect_backoff_s=0.02, max_reconnect_backoff_s=0.1)


@pytest.fixture(params=[GrpcUpstream, H2Upstream], ids=["grpcio", "h2"])
def transport(request) -> type[BalancedUpstream]:
    return request.param


def call(message: bytes = b"x", *, timeout_s=30.0, idempotent=False, name="echo") -> Call:
    return Call(f"/t.T/{name}", message, (), timeout_s, idempotent)


async def ending(awaitable: Awaitable[object]) -> StatusError:
    """The error that a call ends with, the server's or ours."""
    with pytest.raises(StatusError) as caught:
        await awaitable
    return caught.value


@asynccontextmanager
async def server_process(
    port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.upstreams.frozen_server", str(port), host),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


# --- processes that die and come back


async def test_a_server_that_was_killed_is_used_within_a_second_of_its_return(transport):
    """With the options that an upstream has by default, after an outage of some back-offs."""
    async with server_process() as (process, port):
        upstream = transport(f"127.0.0.1:{port}", GrpcOptions(watch_health=False))
        await upstream.unary(call())
        process.kill()
        await process.wait()
    async with upstream:
        # Long enough for the back-off to have grown to its limit.
        began_s = time.monotonic()
        await until(lambda: not upstream.ready and time.monotonic() - began_s > 2.5)
        async with server_process(port):
            back_s = time.monotonic()
            await until(lambda: upstream.ready)
            # A second is the longest back-off (see below); the rest is for a busy machine.
            assert time.monotonic() - back_s < 4.0
            assert (await upstream.unary(call())).message == b"x"


def test_grpcio_waits_no_longer_than_the_longest_back_off_with_its_jitter():
    arguments = dict(channel_arguments(GrpcOptions(max_reconnect_backoff_s=1.0)))
    assert arguments["grpc.max_reconnect_backoff_ms"] * 1.2 <= 1000
    assert arguments["grpc.initial_reconnect_backoff_ms"] == 100


@pytest.mark.parametrize("chance", [0.0, 1.0])
async def test_h2_waits_no_longer_than_the_longest_back_off(chance):
    loop = asyncio.get_running_loop()
    refusals: list[float] = []

    class Refusing:
        async def dial(self) -> None:
            refusals.append(loop.time())
            raise Unreachable("refused", is_tls=False)

    channel = Channel(
        FAST, RequestHeads("http", "a"), lambda _: Refusing(), loop.time, lambda: chance, None
    )
    channel.connect()
    await until(lambda: len(refusals) == 8)
    shares = {0.0: 1.0, 1.0: 0.7}
    assert channel._backoff_s == 0.1
    assert channel.pause_s == pytest.approx(0.1 * shares[chance])
    await channel.close()


async def test_no_write_is_made_twice_when_servers_die_in_the_middle(transport):
    """Each write is answered once, or fails; what failed as not sent has been seen by nobody."""
    seen: Counter[bytes] = Counter()

    async def note(served) -> AsyncIterator[bytes]:
        seen[served.message] += 1
        yield served.message

    not_sent: list[bytes] = []
    ended = asyncio.Event()

    async def writer(upstream: BalancedUpstream, number: int) -> None:
        count = 0
        while not ended.is_set():
            count += 1
            message = b"%d-%d" % (number, count)
            try:
                await upstream.unary(call(message))
            except UpstreamError as error:
                if not error.sent:
                    not_sent.append(message)
                await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(lambda: None))])

    async with grpc_server({"/t.T/echo": note}) as port:
        upstream = transport(f"127.0.0.1:{port}", FAST)
        tasks = [asyncio.create_task(writer(upstream, number)) for number in range(8)]
        await until(lambda: len(seen) > 100)
    async with upstream:
        for _ in range(4):
            before = len(seen)
            async with grpc_server({"/t.T/echo": note}, port=port):
                await until(lambda before=before: len(seen) > before + 100)
        ended.set()
        await asyncio.gather(*tasks)
    assert max(seen.values()) == 1
    assert not_sent
    assert not seen.keys() & set(not_sent)


# --- processes that freeze


async def test_a_frozen_server_holds_no_more_calls_than_may_be_and_each_ends_in_time(transport):
    options = GrpcOptions(max_inflight=8, retry=None, watch_health=False)
    async with (
        server_process() as (process, port),
        transport(f"127.0.0.1:{port}", options) as upstream,
        grpc_server({"/t.T/echo": echo}) as other_port,
        transport(f"127.0.0.1:{other_port}") as other,
    ):
        await upstream.unary(call())
        process.send_signal(signal.SIGSTOP)
        made = [asyncio.create_task(ending(upstream.unary(call(timeout_s=1.0)))) for _ in range(50)]
        # Calls to others go on.
        for _ in range(20):
            assert (await other.unary(call())).message == b"x"
        errors = await asyncio.gather(*made)
        told = Counter((error.status.code, error.http_status) for error in errors)
        assert told == {(Code.DEADLINE_EXCEEDED, 504): 8, (Code.UNAVAILABLE, 503): 42}
        assert Counter(map(type, errors)) == {UpstreamError: 8, LimitExceeded: 42}
        assert (upstream.inflight, upstream.refused) == (0, 42)
        process.send_signal(signal.SIGCONT)
        assert (await upstream.unary(call())).message == b"x"


async def test_a_frozen_server_is_found_out_by_calls_that_expire():
    """Without waiting for the keepalive time, which is longer than the deadlines are."""
    options = GrpcOptions(
        keepalive_time_s=1000.0, keepalive_timeout_s=0.1, connect_timeout_s=0.1, retry=None
    )
    async with (
        server_process() as (process, port),
        H2Upstream(f"127.0.0.1:{port}", options) as upstream,
    ):
        await upstream.unary(call())
        process.send_signal(signal.SIGSTOP)
        assert (await failure(upstream.unary(call(timeout_s=0.7)))).http_status == 504
        await until(lambda: upstream.connectivity == "transient_failure")
        error = await failure(upstream.unary(call()))
        assert (error.http_status, error.sent) == (503, False)
        process.send_signal(signal.SIGCONT)
        await until(lambda: upstream.ready)
        assert (await upstream.unary(call())).message == b"x"


async def echo(served) -> AsyncIterator[bytes]:
    yield served.message


# --- servers that misbehave

Write = Callable[[Peer, Asked], Awaitable[None]]


class Ledger:
    """What the servers executed, and what the callers were told."""

    def __init__(self) -> None:
        self.executed: Counter[bytes] = Counter()
        self.answered: list[bytes] = []
        self.failed: dict[bytes, UpstreamError] = {}

    async def execute(self, peer: Peer) -> Asked:
        asked = await peer.call()
        self.executed[asked.message] += 1
        return asked

    async def write(self, upstream: BalancedUpstream, messages: list[bytes]) -> None:
        for message in messages:
            try:
                reply = await upstream.unary(call(message))
            except UpstreamError as error:
                self.failed[message] = error
            else:
                assert reply.message == message
                self.answered.append(message)

    async def load(self, upstream: BalancedUpstream, *, callers: int, each: int) -> None:
        await asyncio.gather(
            *(
                self.write(upstream, [b"%d-%d" % (caller, n) for n in range(each)])
                for caller in range(callers)
            )
        )

    def check(self, made: int) -> None:
        """No call hung, none was executed twice, none that was executed is said not to be sent."""
        assert len(self.answered) + len(self.failed) == made
        assert max(self.executed.values()) == 1
        assert set(self.answered) <= set(self.executed)
        unsent = {message for message, error in self.failed.items() if not error.sent}
        assert not unsent & set(self.executed)


async def test_a_server_that_goes_away_every_hundred_calls_executes_none_twice(transport):
    ledger = Ledger()

    async def script(peer: Peer) -> None:
        for _ in range(100):
            asked = await ledger.execute(peer)
            await peer.answer(asked, asked.message)
        peer.h2.close_connection(last_stream_id=asked.stream_id)
        await peer.gone()

    async with peer_server(script) as port, transport(f"127.0.0.1:{port}", FAST) as upstream:
        await ledger.load(upstream, callers=8, each=100)
    ledger.check(800)
    if transport is H2Upstream:
        # What the server did not look at is made again on the next connection.
        assert not ledger.failed


async def test_a_server_that_goes_away_and_names_less_than_it_was_sent_executes_none_twice(
    transport,
):
    """Some calls are on their way when the server says that it will not look at them."""
    ledger = Ledger()

    async def script(peer: Peer) -> None:
        last = 0
        for _ in range(20):
            asked = await ledger.execute(peer)
            await peer.answer(asked, asked.message)
            last = asked.stream_id
        # Whatever else has come in the meantime was not executed.
        peer.h2.close_connection(last_stream_id=last)
        await peer.flush()

    async with peer_server(script) as port, transport(f"127.0.0.1:{port}", FAST) as upstream:
        await ledger.load(upstream, callers=16, each=20)
    ledger.check(320)


PHASES = ("request head", "request", "head", "in a message", "message")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "code", [h2.errors.ErrorCodes.INTERNAL_ERROR, h2.errors.ErrorCodes.REFUSED_STREAM]
)
async def test_a_reset_at_any_phase_hangs_no_call_and_repeats_none(transport, phase, code):
    """Every third call is reset. One refused before an answer was, by its word, not executed."""
    ledger = Ledger()
    refused = code is h2.errors.ErrorCodes.REFUSED_STREAM and phase in ("request head", "request")

    async def script(peer: Peer) -> None:
        number = 0
        while True:
            number += 1
            asked = await peer.call()
            if number % 3:
                ledger.executed[asked.message] += 1
                await peer.answer(asked, asked.message)
                continue
            if not refused:
                ledger.executed[asked.message] += 1
            if phase in PHASES[2:]:
                peer.head(asked, HEAD)
            if phase in PHASES[3:]:
                whole = prefixed(asked.message)
                peer.data(asked, whole if phase == "message" else whole[:-1])
            peer.h2.reset_stream(asked.stream_id, code)
            await peer.flush()

    async with peer_server(script) as port, transport(f"127.0.0.1:{port}", FAST) as upstream:
        await ledger.load(upstream, callers=4, each=15)
    ledger.check(60)
    assert bool(ledger.failed) is not (refused and transport is H2Upstream)


async def test_one_stream_at_a_time_hangs_no_call(transport):
    ledger = Ledger()

    async def script(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        while True:
            asked = await ledger.execute(peer)
            await peer.answer(asked, asked.message)

    async with peer_server(script) as port, transport(f"127.0.0.1:{port}", FAST) as upstream:
        await ledger.load(upstream, callers=8, each=20)
    # grpcio may have sent more than one before it heard of the limit.
    ledger.check(160)


async def test_a_connection_lost_while_calls_wait_for_a_stream_loses_only_what_was_sent(transport):
    """One stream, one call on it, and the connection goes: the others were not sent."""
    ledger = Ledger()
    holding = asyncio.Event()

    async def hold(peer: Peer) -> None:
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        first = await ledger.execute(peer)
        await peer.answer(first, first.message)
        await ledger.execute(peer)
        holding.set()

    async def serve(peer: Peer) -> None:
        while True:
            asked = await ledger.execute(peer)
            await peer.answer(asked, asked.message)

    alone = replace(FAST, max_connections=1)
    async with peer_server(hold, serve) as port, transport(f"127.0.0.1:{port}", alone) as upstream:
        await ledger.write(upstream, [b"first"])
        await ledger.load(upstream, callers=10, each=1)
        assert holding.is_set()
    ledger.check(11)
    if transport is H2Upstream:
        assert [error.sent for error in ledger.failed.values()] == [True]


async def test_a_call_of_which_nothing_was_written_is_made_again_whatever_it_does():
    """The server ends its side in the same turn of the loop that gave it the call."""
    ledger = Ledger()

    async def script(peer: Peer) -> None:
        while True:
            asked = await ledger.execute(peer)
            await peer.answer(asked, asked.message)

    async with peer_server(script) as port, H2Upstream(f"127.0.0.1:{port}", FAST) as upstream:
        await upstream.unary(call(b"first"))
        session = upstream._members.next().line._channel._sessions[0]
        late = asyncio.create_task(upstream.unary(call(b"late")))
        asyncio.get_running_loop().call_soon(session.eof_received)
        assert (await late).message == b"late"
    assert ledger.executed == {b"first": 1, b"late": 1}


async def test_a_server_that_quotes_a_failure_of_its_own_has_seen_the_call(transport):
    """Even when its connection goes with the answer, so that there is none."""

    async def script(peer: Peer) -> None:
        asked = await peer.call()
        text = "connections to all backends failing; last error: UNKNOWN: ipv4:10.0.0.1:1: Failed"
        peer.head(asked, [*HEAD, ("grpc-status", "14"), ("grpc-message", text)], end=True)
        peer.h2.close_connection()
        await peer.flush()

    options = GrpcOptions(retry=None)
    async with peer_server(script) as port, transport(f"127.0.0.1:{port}", options) as upstream:
        assert (await failure(upstream.unary(call()))).sent


async def test_two_servers_one_that_dies_cost_no_read_an_error(transport):
    """Reads are idempotent: those on the dying server are made again on the other."""
    port = shared_port("127.0.0.1", "127.0.0.2")
    async with server_process(port, "127.0.0.2"), server_process(port) as (dying, _):
        addresses = (Address("127.0.0.1", port), Address("127.0.0.2", port))
        resolver = Listed(*addresses)
        async with transport(f"orders.example:{port}", FAST, resolver=resolver) as upstream:
            await upstream.start()
            await until(lambda: upstream._members.states == ("ready", "ready"))
            ended = asyncio.Event()
            made = [0]

            async def read() -> None:
                while not ended.is_set():
                    await upstream.unary(call(idempotent=True))
                    made[0] += 1

            tasks = [asyncio.create_task(read()) for _ in range(4)]
            await until(lambda: made[0] > 100)
            dying.kill()
            before = made[0]
            await until(lambda: made[0] > before + 200)
            ended.set()
            await asyncio.gather(*tasks)
