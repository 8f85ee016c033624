"""Addresses that come and go while calls are open, over lines that connect to nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.upstreams.line import READY
from proxy.upstreams.members import Member, Members
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.target import Address
from tests.fakes import FakeClock

HERE, THERE = Address("127.0.0.1", 1), Address("127.0.0.2", 1)


@dataclass
class FakeLine:
    """A line that is connected at once. *at_end* ends the calls that are open on it."""

    address: Address | None
    state: str = READY
    closed: int = 0
    at_end: list[Callable[[], None]] = field(default_factory=list)

    def connect(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        self.closed += 1
        # Those who wait for the calls hear of it in the next turn of the loop.
        await asyncio.wait([asyncio.ensure_future(self._end_calls())])

    async def _end_calls(self) -> None:
        while self.at_end:
            self.at_end.pop()()


class Lines:
    """Opens lines and remembers them."""

    def __init__(self) -> None:
        self.opened: list[FakeLine] = []

    def __call__(self, address: Address | None, _: Callable[[], None] | None) -> FakeLine:
        self.opened.append(FakeLine(address))
        return self.opened[-1]


def members_of(lines: Lines) -> Members:
    return Members(lines, GrpcOptions(), FakeClock(), 0)


def begin(members: Members) -> Member:
    """A call on the next address, which ends when its line does."""
    member = members.next()
    assert member is not None
    member.open_calls += 1
    member.line.at_end.append(member.left)
    return member


async def test_an_address_that_goes_is_closed_after_its_last_call() -> None:
    lines = Lines()
    members = members_of(lines)
    members.replace([HERE])
    member = begin(members)
    members.replace([THERE])
    assert [line.closed for line in lines.opened] == [0, 0]
    lines.opened[0].at_end.clear()
    member.left()
    await asyncio.gather(*members._closing)
    assert [line.closed for line in lines.opened] == [1, 0]
    await members.close()
    assert [line.closed for line in lines.opened] == [1, 1]


async def test_an_address_that_goes_without_calls_is_closed_before_the_end() -> None:
    """Whoever closes waits for the lines that are being closed already."""
    lines = Lines()
    members = members_of(lines)
    members.replace([HERE])
    members.replace([THERE])
    assert lines.opened[0].closed == 0
    await members.close()
    assert [line.closed for line in lines.opened] == [1, 1]


async def test_closing_ends_the_calls_of_an_address_that_goes_and_closes_it_once() -> None:
    lines = Lines()
    members = members_of(lines)
    members.replace([HERE])
    member = begin(members)
    members.replace([THERE])
    await members.close()
    assert member.open_calls == 0
    # Its last call is over because it was closed; a second task would have nobody to wait for it.
    assert not members._closing
    assert [line.closed for line in lines.opened] == [1, 1]


async def test_after_the_end_no_address_is_taken() -> None:
    lines = Lines()
    members = members_of(lines)
    await members.close()
    members.replace([HERE])
    assert (len(members), lines.opened) == (0, [])
