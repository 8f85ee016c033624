"""Upstreams that several generations share: made once, closed once, by the last."""

import asyncio

from proxy.cli.leases import Leases


class Kept:
    """Something that is closed once."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        await asyncio.to_thread(lambda: None)
        self.closed += 1


async def test_an_equal_key_gives_the_same_one_until_the_last_lease_has_ended():
    leases = Leases[Kept]()
    first, second = leases.take("key", Kept), leases.take("key", Kept)
    assert first.upstream is second.upstream
    await first.end()
    await first.end()
    assert (first.upstream.closed, len(leases)) == (0, 1)
    await second.end()
    assert (first.upstream.closed, len(leases)) == (1, 0)
    assert "ended" in repr(second)


async def test_another_key_gives_another_one():
    leases = Leases[Kept]()
    assert leases.take("a", Kept).upstream is not leases.take("b", Kept).upstream
    assert repr(leases) == "<Leases 2>"


async def test_one_that_is_taken_while_its_predecessor_closes_is_new():
    leases = Leases[Kept]()
    old = leases.take("key", Kept)
    ending = asyncio.ensure_future(old.end())
    await asyncio.wait([ending], timeout=0)
    new = leases.take("key", Kept)
    await ending
    assert new.upstream is not old.upstream
    assert (old.upstream.closed, new.upstream.closed) == (1, 0)
