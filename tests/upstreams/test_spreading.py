"""More calls at one time than a server takes on one connection: both transports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import pytest
from h2.settings import SettingCodes

from proxy.errors import UpstreamError
from proxy.status import Code
from proxy.upstreams import Call
from proxy.upstreams.balanced import BalancedUpstream
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.h2.line import H2Line
from proxy.upstreams.options import GrpcOptions
from tests.upstreams.calls import failure
from tests.upstreams.h2.peer import Asked, Peer, peer_server
from tests.waiting import until

OPTIONS = GrpcOptions(
    initial_reconnect_backoff_s=0.02,
    max_reconnect_backoff_s=0.05,
    retry=None,
    watch_health=False,
    spare_time_s=3600.0,
)


@pytest.fixture(params=[GrpcUpstream, H2Upstream], ids=["grpcio", "h2"])
def transport(request) -> type[BalancedUpstream]:
    return request.param


def call(message: bytes = b"x", *, timeout_s: float = 30.0) -> Call:
    return Call("/t.T/hold", message, (), timeout_s)


class Server:
    """Takes *streams* calls on each of its connections, of which it takes no more than *most*.

    It answers what begins with `held` when it is `let_go`, and all else at once.
    """

    def __init__(self, streams: int, most: int = 100) -> None:
        self.streams = streams
        self.most = most
        self.open = 0
        self.refused = 0
        #: The calls that it holds, by connection.
        self.held: dict[Peer, list[Asked]] = {}
        self.served: list[bytes] = []

    @property
    def spread(self) -> list[int]:
        """How many calls it holds on each connection, most of them first."""
        return sorted((len(asked) for asked in self.held.values() if asked), reverse=True)

    @property
    def count(self) -> int:
        return sum(self.spread)

    async def talk(self, peer: Peer) -> None:
        if len(self.held) >= self.most:
            self.refused += 1
            return
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self.streams})
        self.held[peer] = []
        try:
            await self._serve(peer)
        finally:
            del self.held[peer]

    async def _serve(self, peer: Peer) -> None:
        while True:
            asked = await peer.call()
            self.served.append(asked.message)
            if asked.message.startswith(b"held"):
                self.held[peer].append(asked)
            else:
                await peer.answer(asked, asked.message)

    async def let_go(self) -> None:
        for peer, calls in self.held.items():
            while calls:
                asked = calls.pop()
                await peer.answer(asked, asked.message)


@asynccontextmanager
async def serving(
    transport: type[BalancedUpstream], server: Server, options: GrpcOptions = OPTIONS
) -> AsyncIterator[BalancedUpstream]:
    if transport is GrpcUpstream:
        # What h2 is told by the server.
        options = replace(options, max_streams=options.max_streams or server.streams)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(peer_server(server.talk))
        yield await stack.enter_async_context(transport(f"127.0.0.1:{port}", options))


class Calls:
    """Calls that are made one by one, each when the one before is with the server."""

    def __init__(self, upstream: BalancedUpstream, server: Server) -> None:
        self._upstream = upstream
        self._server = server
        self.tasks: list[asyncio.Task] = []

    async def make(self, count: int) -> None:
        for _ in range(count):
            message = b"held %d" % len(self.tasks)
            self.tasks.append(asyncio.create_task(self._upstream.unary(call(message))))
            await until(lambda seen=message: seen in self._server.served)

    async def end(self) -> None:
        while not all(task.done() for task in self.tasks):
            await self._server.let_go()
            await asyncio.wait(self.tasks, timeout=0.01)
        answers = [(await task).message for task in self.tasks]
        assert answers == [b"held %d" % number for number in range(len(answers))]


def connections(upstream: BalancedUpstream) -> int:
    """How many connections there are that take calls."""
    line = upstream._members.next().line
    if isinstance(line, H2Line):
        return len(line._channel._sessions)
    return sum(channel.is_connected for channel in line._channels)


# --- more of them


@pytest.mark.parametrize(
    ("streams", "count", "spread"),
    [(1, 4, [1, 1, 1, 1]), (4, 16, [4, 4, 4, 4])],
)
async def test_calls_that_come_together_run_at_the_same_time(streams, count, spread):
    """What waits goes to whichever connection has room first."""
    server = Server(streams)
    async with serving(H2Upstream, server) as upstream:
        calls = [asyncio.create_task(upstream.unary(call(b"held"))) for _ in range(count)]
        await until(lambda: server.spread == spread)
        await server.let_go()
        assert {(await task).message for task in calls} == {b"held"}


async def test_another_connection_is_there_before_one_is_full(transport):
    server = Server(4)
    async with serving(transport, server) as upstream:
        calls = Calls(upstream, server)
        for expected in (1, 2, 3):
            # Three of four streams are easy; the fourth call makes a connection for the fifth.
            await calls.make(3)
            assert connections(upstream) == expected
            await calls.make(1)
            await until(lambda count=expected + 1: connections(upstream) == count)
        await calls.make(4)
        assert server.spread == [4, 4, 4, 4]
        await calls.end()


async def test_few_calls_stay_on_one_connection(transport):
    server = Server(100)
    async with serving(transport, server) as upstream:
        calls = Calls(upstream, server)
        await calls.make(70)
        assert (server.spread, connections(upstream)) == ([70], 1)
        await calls.end()


async def test_streams_count_as_calls(transport):
    server = Server(4)
    async with serving(transport, server) as upstream:
        streams = [upstream.stream(call(b"held %d" % number)) for number in range(5)]
        reading = []
        for number, stream in enumerate(streams):
            reading.append(asyncio.create_task(anext(stream)))
            await until(lambda seen=number: server.count == seen + 1)
            if number == 3:
                await until(lambda: connections(upstream) == 2)
        assert server.spread == [4, 1]
        await server.let_go()
        assert [await task for task in reading] == [b"held %d" % number for number in range(5)]


async def test_an_option_says_how_many_calls_a_connection_gets(transport):
    server = Server(100)
    async with serving(transport, server, replace(OPTIONS, max_streams=4)) as upstream:
        calls = Calls(upstream, server)
        await calls.make(4)
        await until(lambda: connections(upstream) == 2)
        # It is no limit: the server knows better what it takes.
        for expected in (3, 4):
            await calls.make(4)
            await until(lambda count=expected: connections(upstream) == count)
        await calls.make(20)
        assert server.spread == [8, 8, 8, 8]
        await calls.end()


# --- the end of them


async def test_what_all_connections_cannot_take_waits_and_ends_at_its_deadline(transport):
    server = Server(1)
    async with serving(transport, server, replace(OPTIONS, max_connections=2)) as upstream:
        calls = Calls(upstream, server)
        await calls.make(1)
        waiting = asyncio.create_task(upstream.unary(call(b"held, too")))
        await until(lambda: connections(upstream) == 2)
        if transport is GrpcUpstream:
            # That one waits in grpcio, for the connection that it got.
            await calls.make(1)
        await until(lambda: server.spread == [1, 1])
        late = await failure(upstream.unary(call(b"late", timeout_s=0.1)))
        assert (late.status.code, connections(upstream)) == (Code.DEADLINE_EXCEEDED, 2)
        assert late.sent is (transport is GrpcUpstream)
        assert b"late" not in server.served
        await server.let_go()
        await calls.end()
        await until(lambda: b"held, too" in server.served)
        await server.let_go()
        assert (await waiting).message == b"held, too"


async def test_connections_that_nobody_needs_any_more_are_closed(transport):
    server = Server(4)
    options = replace(OPTIONS, spare_time_s=0.05)
    async with serving(transport, server, options) as upstream:
        calls = Calls(upstream, server)
        await calls.make(4)
        await until(lambda: connections(upstream) == 2)
        await calls.make(1)
        await calls.end()
        await until(lambda: connections(upstream) == len(server.held) == 1)
        # And made again when they are.
        again = Calls(upstream, server)
        await again.make(4)
        await until(lambda: connections(upstream) == 2)
        await again.end()


async def test_a_connection_with_calls_is_not_closed(transport):
    server = Server(4)
    options = replace(OPTIONS, spare_time_s=0.02)
    async with serving(transport, server, options) as upstream:
        calls = Calls(upstream, server)
        await calls.make(4)
        await until(lambda: connections(upstream) == 2)
        await calls.make(1)
        first, second = sorted(server.held.values(), key=len, reverse=True)
        peer = next(peer for peer, held in server.held.items() if held is first)
        while first:
            asked = first.pop()
            await peer.answer(asked, asked.message)
        # Some looks at the connections later, each of which finds few calls.
        looks = asyncio.create_task(many_looks(upstream, 5))
        await looks
        assert (connections(upstream), len(second)) == (2, 1)
        await calls.end()


async def many_looks(upstream: BalancedUpstream, count: int) -> None:
    """Wait until the connections were looked at so often."""
    line = upstream._members.next().line
    looking = line._channel if isinstance(line, H2Line) else line
    for _ in range(count):
        before = looking._look_later
        await until(lambda before=before: looking._look_later is not before)


async def test_a_server_that_takes_one_connection_only_keeps_all_calls(transport):
    server = Server(4, most=1)
    async with serving(transport, server) as upstream:
        calls = Calls(upstream, server)
        await calls.make(4)
        await until(lambda: server.refused > 0)
        waiting = asyncio.create_task(upstream.unary(call(b"waits")))
        await calls.end()
        assert (await waiting).message == b"waits"
        assert connections(upstream) == 1


async def test_a_call_that_waits_gets_the_connection_that_could_not_be_had_at_first():
    server = Server(1, most=1)
    async with serving(H2Upstream, server) as upstream:
        calls = Calls(upstream, server)
        await calls.make(1)
        waiting = asyncio.create_task(upstream.unary(call(b"waits")))
        await until(lambda: server.refused > 1)
        server.most = 2
        assert (await waiting).message == b"waits"
        await calls.end()


async def test_a_connection_that_is_lost_takes_no_other_calls_along(transport):
    server = Server(4)
    async with serving(transport, server) as upstream:
        calls = Calls(upstream, server)
        await calls.make(4)
        await until(lambda: connections(upstream) == 2)
        await calls.make(1)
        first = next(peer for peer, held in server.held.items() if len(held) == 4)
        first.close()
        errors = await asyncio.gather(*map(failure, calls.tasks[:4]))
        assert all(error.sent for error in errors)
        assert await answered(upstream, b"more") == b"more"
        await server.let_go()
        assert (await calls.tasks[4]).message == b"held 4"


async def answered(upstream: BalancedUpstream, payload: bytes) -> bytes:
    """The answer of a call once all transports know which connection is lost: grpcio may give it
    to that one for a moment still.
    """
    async with asyncio.timeout(30):
        while True:
            with suppress(UpstreamError):
                return (await upstream.unary(call(payload))).message


async def test_closing_ends_the_calls_of_all_connections(transport):
    server = Server(4)
    async with serving(transport, server) as upstream:
        calls = Calls(upstream, server)
        await calls.make(4)
        await until(lambda: connections(upstream) == 2)
        await calls.make(3)
        await upstream.close()
        errors = await asyncio.gather(*map(failure, calls.tasks))
        assert {error.status.code for error in errors} == {Code.CANCELLED}
        late = await failure(upstream.unary(call(b"late")))
        assert not late.sent
    await until(lambda: not server.held)


async def test_closing_while_a_connection_is_made_leaves_none_behind():
    server = Server(1)
    began = asyncio.Event()
    first = True

    async def talk(peer: Peer) -> None:
        nonlocal first
        if first:
            first = False
            await server.talk(peer)
        else:
            began.set()
            await peer.silence()

    async with peer_server(talk) as port:
        upstream = H2Upstream(f"127.0.0.1:{port}", OPTIONS)
        calls = Calls(upstream, server)
        await calls.make(1)
        waiting = asyncio.create_task(failure(upstream.unary(call(b"waits"))))
        await began.wait()
        await upstream.close()
        assert not (await waiting).sent
        assert connections_left(upstream) == (0, None)
        await asyncio.gather(*calls.tasks, return_exceptions=True)


def connections_left(upstream: BalancedUpstream) -> tuple[int, object]:
    channel = next(iter(upstream._members._members.values())).line._channel
    return len(channel._sessions), None if channel._task.done() else channel._task
