"""Who knows the addresses behind a name."""

import asyncio

import dns.rcode
import pytest

from proxy.upstreams.resolving import SystemResolver, Unresolved, resolver_for
from proxy.upstreams.target import Address, parse_target
from tests.upstreams.dns import dns_server


async def test_the_system_knows_this_host():
    resolver = resolver_for(parse_target("localhost:7"))
    assert repr(resolver) == "<SystemResolver localhost:7>"
    assert Address("127.0.0.1", 7) in await resolver.resolve()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 80])
async def test_a_name_that_nobody_knows_is_told(host):
    with pytest.raises(Unresolved, match=host[:10]):
        await resolver_for(parse_target(f"dns:///{host}:1")).resolve()


async def test_one_question_at_a_time_is_put_to_the_system():
    resolver = SystemResolver(Address("localhost", 1))
    answers = await asyncio.gather(*(resolver.resolve() for _ in range(3)))
    assert answers[0] is answers[1] is answers[2]
    assert await resolver.resolve() is not answers[0]


async def test_a_question_that_nobody_waits_for_any_more_does_no_harm():
    resolver = SystemResolver(Address("no-such-host.invalid", 1))
    asked = asyncio.create_task(resolver.resolve())
    await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(lambda: None))])
    asked.cancel()
    with pytest.raises((asyncio.CancelledError, Unresolved)):
        await asked
    with pytest.raises(Unresolved):
        await resolver.resolve()


async def test_the_server_that_a_target_names_is_asked():
    async with dns_server("127.0.0.2", "127.0.0.3", "127.0.0.2", "::1") as server:
        resolver = resolver_for(parse_target(server.target(5)))
        assert repr(resolver) == (
            f"<NamedServerResolver orders.example:5 at 127.0.0.1:{server.port}>"
        )
        assert set(await resolver.resolve()) == {
            *(Address("127.0.0.2", 5), Address("127.0.0.3", 5), Address("::1", 5))
        }
        server.addresses = ["127.0.0.4"]
        assert await resolver.resolve() == (Address("127.0.0.4", 5),)


@pytest.mark.parametrize("failure", [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_a_server_that_fails_has_no_answer(failure):
    async with dns_server() as server:
        server.failure = failure
        with pytest.raises(Unresolved, match=r"orders\.example"):
            await resolver_for(parse_target(server.target(5))).resolve()


async def test_a_name_without_an_address_has_no_answer():
    async with dns_server() as server:
        with pytest.raises(Unresolved, match=r"orders\.example"):
            await resolver_for(parse_target(server.target(5))).resolve()
