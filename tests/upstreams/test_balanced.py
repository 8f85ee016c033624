"""Several addresses behind one name: spread, failover, coming and going."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import dns.rcode
import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2

from proxy.status import Code
from proxy.upstreams import Call
from proxy.upstreams.balanced import BalancedUpstream
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.health import Health
from proxy.upstreams.members import MAX_MEMBERS
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.retry import RetryOptions
from proxy.upstreams.target import Address
from proxy.upstreams.tls import TlsOptions
from tests.fakes import Abort, Served
from tests.upstreams.calls import failure
from tests.upstreams.dns import DnsServer, dns_server
from tests.upstreams.h2.peer import HEAD, Peer, peer_server
from tests.upstreams.servers import grpc_server, shared_port
from tests.upstreams.test_contract import Listed
from tests.waiting import until

#: Linux has all of 127.0.0.0/8 on loopback, so that several servers can have one port.
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
OFTEN = GrpcOptions(resolve_every_s=0.02, initial_reconnect_backoff_s=0.02)


@pytest.fixture(params=[GrpcUpstream, H2Upstream], ids=["grpcio", "h2"])
def transport(request) -> type[BalancedUpstream]:
    return request.param


def call(name="where", message=b"", *, timeout_s=30.0, idempotent=False) -> Call:
    return Call(f"/t.T/{name}", message, (), timeout_s, idempotent)


class Server:
    """A server that says where it is; *served* has the messages of its calls in order."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.served: list[bytes] = []
        self.abort: Abort | None = None
        self.health = health_pb2.HealthCheckResponse.SERVING
        self.going_on = asyncio.Event()
        self.stack = AsyncExitStack()

    def table(self) -> dict:
        watch = "/grpc.health.v1.Health/Watch"
        return {"/t.T/where": self.where, "/t.T/slow": self.slow, watch: self.watch}

    async def where(self, served: Served) -> AsyncIterator[bytes]:
        self.served.append(served.message)
        if self.abort is not None:
            raise self.abort
        yield self.host.encode()

    async def slow(self, served: Served) -> AsyncIterator[bytes]:
        self.served.append(served.message)
        await self.going_on.wait()
        yield self.host.encode()

    async def watch(self, _: Served) -> AsyncIterator[bytes]:
        yield health_pb2.HealthCheckResponse(status=self.health).SerializeToString()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        await self.stack.aclose()


class Fleet:
    """Servers on one port, and the DNS server that knows them."""

    def __init__(self, dns_server: DnsServer) -> None:
        self.dns = dns_server
        self.servers: dict[str, Server] = {}
        self.port = shared_port(*HOSTS)

    @property
    def target(self) -> str:
        return self.dns.target(self.port)

    async def begin(self, *hosts: str, credentials=None) -> None:
        for host in hosts:
            server = self.servers[host] = Server(host)
            serving = grpc_server(server.table(), credentials, port=self.port, host=host)
            await server.stack.enter_async_context(serving)

    def announce(self, *hosts: str) -> None:
        self.dns.addresses = list(hosts)

    def calls(self) -> dict[str, int]:
        return {host: len(server.served) for host, server in self.servers.items()}


@asynccontextmanager
async def fleet(*hosts: str, credentials=None) -> AsyncIterator[Fleet]:
    async with dns_server(*hosts) as server:
        made = Fleet(server)
        try:
            await made.begin(*hosts, credentials=credentials)
            yield made
        finally:
            for each in made.servers.values():
                await each.stop()


async def answers(upstream: BalancedUpstream, count: int) -> Counter[str]:
    return Counter([(await upstream.unary(call())).message.decode() for _ in range(count)])


async def all_connected(upstream: BalancedUpstream, count: int) -> None:
    await until(lambda: upstream._members.states == ("ready",) * count)


# --- the round


async def test_calls_go_round_all_addresses_of_a_name(transport):
    async with fleet(*HOSTS) as servers, transport(servers.target, OFTEN) as upstream:
        await upstream.start()
        await all_connected(upstream, 4)
        assert (upstream.addresses, upstream.ready, upstream.connectivity) == (4, True, "ready")
        assert await answers(upstream, 40) == dict.fromkeys(HOSTS, 10)
        streams = [upstream.stream(call()) for _ in range(40)]
        assert Counter([(await anext(s)).decode() for s in streams]) == dict.fromkeys(HOSTS, 10)


async def test_the_first_call_needs_no_start(transport):
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        assert upstream.connectivity == "idle"
        assert (await upstream.unary(call())).message.decode() in HOSTS


async def test_asking_whether_it_is_ready_makes_it_so(transport):
    async with fleet(HOSTS[0]) as servers, transport(servers.target, OFTEN) as upstream:
        assert not upstream.ready
        await until(lambda: upstream.ready)


async def test_literal_addresses_need_no_resolver(transport):
    async with fleet(*HOSTS[:2]) as servers:
        target = "ipv4:" + ",".join(f"{host}:{servers.port}" for host in HOSTS[:2])
        async with transport(target) as upstream:
            await upstream.start()
            await all_connected(upstream, 2)
            assert await answers(upstream, 10) == dict.fromkeys(HOSTS[:2], 5)
        assert servers.dns.questions == 0


async def test_a_server_that_hangs_gets_no_more_calls_than_the_others_have_open(transport):
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        await upstream.start()
        await all_connected(upstream, 2)
        hanging = [asyncio.create_task(upstream.unary(call("slow"))) for _ in range(2)]
        await until(lambda: sum(servers.calls().values()) == 2)
        servers.servers[HOSTS[0]].going_on.set()
        await asyncio.wait(hanging, return_when=asyncio.FIRST_COMPLETED)
        assert await answers(upstream, 20) == {HOSTS[0]: 20}
        servers.servers[HOSTS[1]].going_on.set()
        await asyncio.gather(*hanging)


# --- coming and going


async def test_servers_that_come_are_used_and_those_that_go_lose_no_call(transport):
    """From two servers to four and back, under load, without an error."""
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        ended = asyncio.Event()
        made = [0]

        async def load() -> None:
            while not ended.is_set():
                await upstream.unary(call(message=b"w"))
                made[0] += 1

        tasks = [asyncio.create_task(load()) for _ in range(8)]
        await until(lambda: made[0] > 50)
        await servers.begin(*HOSTS[2:])
        servers.announce(*HOSTS)
        await until(lambda: min(servers.calls().values()) > 50)
        servers.announce(*HOSTS[2:])
        await until(lambda: upstream.addresses == 2 and "leaving=0" in repr(upstream))
        for host in HOSTS[:2]:
            await servers.servers[host].stop()
        before = made[0]
        await until(lambda: made[0] > before + 200)
        ended.set()
        await asyncio.gather(*tasks)
        # Nothing was made twice, nothing was lost.
        assert sum(servers.calls().values()) == made[0]


async def test_an_address_that_goes_takes_no_new_calls_and_finishes_the_old(transport):
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        await upstream.start()
        await all_connected(upstream, 2)
        slow = [asyncio.create_task(upstream.unary(call("slow", b"s"))) for _ in range(2)]
        await until(lambda: min(servers.calls().values()) == 1)
        servers.announce(HOSTS[1])
        await until(lambda: upstream.addresses == 1)
        assert await answers(upstream, 10) == {HOSTS[1]: 10}
        assert "leaving=1" in repr(upstream)
        for server in servers.servers.values():
            server.going_on.set()
        replies = await asyncio.gather(*slow)
        assert {reply.message.decode() for reply in replies} == set(HOSTS[:2])
        await until(lambda: "leaving=0" in repr(upstream))


async def test_an_address_that_comes_back_keeps_its_connection(transport):
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        await upstream.start()
        await all_connected(upstream, 2)
        lines = [member.line for member in upstream._members._members.values()]
        slow = [asyncio.create_task(upstream.unary(call("slow"))) for _ in range(2)]
        await until(lambda: min(servers.calls().values()) == 1)
        servers.announce(HOSTS[1])
        await until(lambda: upstream.addresses == 1)
        servers.announce(*HOSTS[:2])
        await until(lambda: upstream.addresses == 2)
        assert {member.line for member in upstream._members._members.values()} == set(lines)
        for server in servers.servers.values():
            server.going_on.set()
        await asyncio.gather(*slow)
        assert set(await answers(upstream, 10)) == set(HOSTS[:2])


async def test_closing_ends_the_calls_on_an_address_that_goes(transport):
    async with fleet(*HOSTS[:2]) as servers:
        upstream = transport(servers.target, OFTEN)
        await upstream.start()
        await all_connected(upstream, 2)
        calls = [asyncio.create_task(failure(upstream.unary(call("slow")))) for _ in range(2)]
        await until(lambda: sum(servers.calls().values()) == 2)
        servers.announce(HOSTS[0])
        await until(lambda: upstream.addresses == 1)
        assert len(upstream._members._leaving) == 1
        await upstream.close()
        assert {error.status.code for error in await asyncio.gather(*calls)} == {Code.CANCELLED}


@pytest.mark.parametrize("failure", ["error", "empty", "silence"])
async def test_a_resolution_that_fails_keeps_what_was_known(transport, failure):
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        await upstream.start()
        await all_connected(upstream, 2)
        if failure == "error":
            servers.dns.failure = dns.rcode.SERVFAIL
        elif failure == "empty":
            servers.announce()
        else:
            servers.dns.is_silent = True
        asked = servers.dns.questions
        await until(lambda: servers.dns.questions > asked)
        assert set(await answers(upstream, 10)) == set(HOSTS[:2])


async def test_a_name_without_addresses_fails_at_once_and_is_asked_again(transport):
    async with fleet(HOSTS[0]) as servers, transport(servers.target, OFTEN) as upstream:
        servers.dns.failure = dns.rcode.NXDOMAIN
        for made in (upstream.unary(call()), anext(upstream.stream(call()))):
            error = await failure(made)
            assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)
            assert "orders.example" in error.status.message
        assert (upstream.connectivity, upstream.ready) == ("transient_failure", False)
        servers.dns.failure = None
        await until(lambda: upstream.ready)
        assert (await upstream.unary(call())).message


async def test_a_dns_server_that_says_nothing_ends_at_the_deadline(transport):
    async with fleet(HOSTS[0]) as servers, transport(servers.target, OFTEN) as upstream:
        servers.dns.is_silent = True
        error = await failure(upstream.unary(call(timeout_s=0.1)))
        assert (error.status.code, error.sent) == (Code.DEADLINE_EXCEEDED, False)


async def test_closing_ends_the_wait_for_an_address(transport):
    async with fleet(HOSTS[0]) as servers, transport(servers.target, OFTEN) as upstream:
        servers.dns.is_silent = True
        waiting = asyncio.create_task(upstream.unary(call()))
        await until(lambda: servers.dns.questions > 0)
        await upstream.close()
        error = await failure(waiting)
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)


async def test_more_addresses_than_may_be_are_not_connected_to_and_the_choice_is_stable():
    many = [Address(f"127.0.1.{number}", 1) for number in range(1, 101)]
    resolver = Listed(*many)
    async with H2Upstream("orders.example:1", OFTEN, resolver=resolver) as upstream:
        await upstream.start()
        await until(lambda: upstream.addresses == MAX_MEMBERS)
        before = set(upstream._members._members)
        resolver.addresses = tuple(reversed(many))
        seen = asyncio.Event()
        upstream._members._changed = seen.set
        await seen.wait()
        assert set(upstream._members._members) == before


# --- failover


async def test_a_call_that_was_not_sent_is_made_on_another_address_whatever_it_does(transport):
    """The line still looks ready when the server is gone: the call finds out."""
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        servers.announce("127.0.0.9", HOSTS[0], HOSTS[1])
        await upstream.start()
        await until(lambda: upstream._members.states.count("ready") == 2)
        assert await answers(upstream, 20) == dict.fromkeys(HOSTS[:2], 10)


async def test_while_nobody_is_connected_the_first_who_is_takes_the_calls(transport):
    async with fleet(HOSTS[0]) as servers, transport(servers.target, OFTEN) as upstream:
        servers.announce("127.0.0.9", HOSTS[0])
        assert await answers(upstream, 3) == {HOSTS[0]: 3}


async def test_when_all_are_away_the_call_fails_at_once_and_was_not_sent(transport):
    async with fleet(HOSTS[0]) as servers, transport(servers.target, OFTEN) as upstream:
        servers.announce("127.0.0.8", "127.0.0.9")
        for _ in range(3):
            error = await failure(upstream.unary(call(idempotent=False)))
            assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)
        error = await failure(anext(upstream.stream(call())))
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, False)


async def test_a_retry_goes_to_another_address(transport):
    retry = RetryOptions(max_attempts=2, reserve_per_s=1e3, max_saved=1e3)
    options = GrpcOptions(resolve_every_s=0.02, retry=retry)
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, options) as upstream:
        await upstream.start()
        await all_connected(upstream, 2)
        servers.servers[HOSTS[0]].abort = Abort(Code.UNAVAILABLE, "not I")
        for _ in range(10):
            reply = await upstream.unary(call(idempotent=True))
            assert reply.message.decode() == HOSTS[1]
            message = await anext(upstream.stream(call(idempotent=True)))
            assert message.decode() == HOSTS[1]


async def test_a_server_that_fails_at_once_draws_no_more_calls_than_its_turn(transport):
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        await upstream.start()
        await all_connected(upstream, 2)
        failing, well = (servers.servers[host] for host in HOSTS[:2])
        failing.abort = Abort(Code.UNAVAILABLE, "not I")
        # Whatever is open on the one that is well.
        slow = [asyncio.create_task(upstream.unary(call("slow"))) for _ in range(8)]
        await until(lambda: len(well.served) >= 4)
        failing.going_on.set()
        for _ in range(2):
            await asyncio.gather(upstream.unary(call()), return_exceptions=True)
        before = servers.calls()
        for _ in range(40):
            await asyncio.gather(upstream.unary(call(message=b"w")), return_exceptions=True)
        assert servers.calls()[failing.host] - before[failing.host] == 20
        # A write is made once, wherever it fails.
        assert failing.served.count(b"w") + well.served.count(b"w") == 40
        well.going_on.set()
        await asyncio.gather(*slow)


async def test_an_error_tells_that_nothing_was_sent_only_if_no_attempt_was(transport):
    """The first attempt reaches a server that then goes away; the second finds nobody."""
    options = GrpcOptions(
        resolve_every_s=0.02,
        max_reconnect_backoff_s=0.05,
        retry=RetryOptions(max_attempts=5, initial_backoff_s=0.05),
    )
    async with fleet(HOSTS[0]) as servers, transport(servers.target, options) as upstream:
        server = servers.servers[HOSTS[0]]
        hanging = asyncio.create_task(failure(upstream.unary(call("slow", idempotent=True))))
        await until(lambda: bool(server.served))
        await server.stop()
        error = await hanging
        assert (error.status.code, error.sent) == (Code.UNAVAILABLE, True)


# --- health and TLS


async def test_a_server_that_is_not_well_gets_calls_only_when_all_are_unwell(transport):
    async with fleet(*HOSTS[:2]) as servers, transport(servers.target, OFTEN) as upstream:
        servers.servers[HOSTS[0]].health = health_pb2.HealthCheckResponse.NOT_SERVING
        await upstream.start()
        await until(
            lambda: (
                {m.health for m in upstream._members._members.values()}
                == {Health.SERVING, Health.NOT_SERVING}
            )
        )
        assert (upstream.health, upstream.ready) == (Health.SERVING, True)
        assert await answers(upstream, 10) == {HOSTS[1]: 10}
        servers.announce(HOSTS[0])
        await until(lambda: upstream.health is Health.NOT_SERVING)
        assert not upstream.ready
        assert await answers(upstream, 3) == {HOSTS[0]: 3}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def credentials_of(authority: trustme.CA, name: str) -> grpc.ServerCredentials:
    issued = authority.issue_cert(name)
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    return grpc.ssl_server_credentials([pair])


@pytest.mark.parametrize(
    ("certified", "server_name", "is_trusted"),
    [
        ("orders.example", None, True),
        ("127.0.0.1", None, False),
        ("other.example", None, False),
        ("other.example", "other.example", True),
    ],
)
async def test_the_name_is_verified_not_the_address(
    transport, authority, tmp_path, certified, server_name, is_trusted
):
    ca = Path(tmp_path) / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    options = GrpcOptions(tls=TlsOptions(ca, server_name=server_name), resolve_every_s=0.02)
    errors = []
    async with (
        fleet(HOSTS[0], credentials=credentials_of(authority, certified)) as servers,
        transport(servers.target, options, on_tls_error=errors.append) as upstream,
    ):
        if is_trusted:
            assert (await upstream.unary(call())).message.decode() == HOSTS[0]
        else:
            error = await failure(upstream.unary(call()))
            assert (error.http_status, error.sent) == (502, False)
            assert errors


async def test_the_authority_is_the_name(transport):
    async with dns_server(HOSTS[0]) as server, raw_authority() as (port, authorities):
        async with transport(server.target(port), GrpcOptions(retry=None)) as upstream:
            await failure(upstream.unary(call(timeout_s=5.0)))
        assert authorities == [f"orders.example:{port}"]


@asynccontextmanager
async def raw_authority():
    """A server that notes the authority of a call, and answers that it does not know it."""
    authorities: list[str] = []

    async def script(peer: Peer) -> None:
        while True:
            asked = await peer.call()
            authorities.append(asked.headers[":authority"])
            peer.head(asked, [*HEAD, ("grpc-status", "12")], end=True)
            await peer.flush()

    async with peer_server(script) as port:
        yield port, authorities
