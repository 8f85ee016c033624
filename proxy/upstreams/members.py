"""The addresses behind one upstream, and which of them the next call goes to.

Belongs here: coming, going and choosing. Does not: where the addresses come from (`refreshing`),
and calls (`balanced`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams import Call
from proxy.upstreams.failure import closed, timed_out
from proxy.upstreams.health import Health, HealthWatch
from proxy.upstreams.line import FAILING, READY, Line, OpenLine
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.target import Address

#: Addresses that are connected to, at most: each worker process holds a connection to each.
MAX_MEMBERS: Final = 64

Clock = Callable[[], float]


class Member:
    """One address: the line to it, its health, and how many calls are open on it.

    Whoever makes a call adds to *open_calls*, and says `left` when it is over; *is_failing* is
    whether the last call that ended did so by the server's fault.
    """

    __slots__ = ("_clock", "_gone", "_task", "_watch", "is_failing", "line", "name", "open_calls")

    def __init__(self, name: str, line: Line, options: GrpcOptions, clock: Clock) -> None:
        self.name = name
        self.line = line
        self.open_calls = 0
        self.is_failing = False
        self._clock = clock
        self._gone: Callable[[Member], None] | None = None
        self._watch = HealthWatch(
            self._messages, options.health_service, options.keepalive_time_s, clock
        )
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Member {self.line!r} health={self.health.value} open={self.open_calls}>"

    @property
    def health(self) -> Health:
        """What the server's health service says."""
        return self._watch.state

    def watch_health(self, changed: Callable[[], None]) -> None:
        """Begin to follow the health service, unless that has begun."""
        if self._task is None:
            self._watch.changed = changed
            self._task = asyncio.create_task(self._watch.follow(), name=f"health {self.name}")

    async def _messages(self, call: Call) -> AsyncIterator[bytes]:
        """The answers of a call that is not repeated, and whose failure is nobody's news."""
        attempt = self.line.begin(call, self._clock() + call.timeout_s)
        try:
            while (message := await attempt.read()) is not None:
                yield message
        finally:
            attempt.drop()

    def left(self) -> None:
        """A call is over."""
        self.open_calls -= 1
        if self._gone is not None and not self.open_calls:
            self._gone(self)

    def leave(self, gone: Callable[["Member"], None]) -> None:
        """Take no new calls: *gone* is called when the last one is over."""
        self._stop_watching()
        self._gone = gone
        if not self.open_calls:
            gone(self)

    def stay(self) -> None:
        """Take calls again."""
        self._gone = None

    def _stop_watching(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        """Close the line. Calls still open end with CANCELLED."""
        task = self._task
        self._stop_watching()
        if task is not None:
            await asyncio.wait([task])
        await self.line.close()


class Members:
    """The addresses of one upstream. *turn* is where the round begins, by chance.

    `next` is the way of nearly every call; what else a call may need is `choose`.
    """

    def __init__(self, open_line: OpenLine, options: GrpcOptions, clock: Clock, turn: int) -> None:
        self._open_line = open_line
        self._options = options
        self._clock = clock
        self._turn = turn
        self._members: dict[Address | None, Member] = {}
        self._leaving: dict[Address | None, Member] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._waiters: set[asyncio.Future[None]] = set()
        self._is_watching = False
        self.is_closed = False
        #: Those that take calls now. Of a single fixed line this is always the line: it knows
        #: best whether a call waits or fails.
        self._ready: tuple[Member, ...] = ()
        self._is_fixed = False
        #: Why there is no address yet.
        self.problem: str | None = None

    def __repr__(self) -> str:
        return f"<Members {list(self._members.values())} leaving={len(self._leaving)}>"

    def __len__(self) -> int:
        return len(self._members)

    # --- who there is

    def fix(self, addresses: tuple[Address, ...]) -> None:
        """Take these addresses for good; none: one line to the whole target."""
        if len(addresses) > 1:
            self.replace(addresses)
            return
        address = addresses[0] if addresses else None
        self._is_fixed = True
        self._ready = (self._add(address, None),)

    def replace(self, addresses: Iterable[Address]) -> None:
        """Take these addresses: connect to new ones, let go of those that are not among them.

        Of too many, those that are connected to already come first: a DNS server that shuffles
        them must not make us change places all the time.
        """
        if self.is_closed:
            return
        wanted = sorted(addresses, key=lambda each: each not in self._members)[:MAX_MEMBERS]
        for address in [each for each in self._members if each not in wanted]:
            self._let_go(address)
        for address in wanted:
            if address not in self._members:
                self._take(address)
        self.problem = None
        self._changed()

    def unresolved(self, problem: str) -> None:
        """There was no answer: what was there before stays; without any, calls fail at once."""
        self.problem = problem
        self._changed()

    def _take(self, address: Address) -> None:
        member = self._leaving.pop(address, None)
        if member is None:
            member = self._add(address, self._changed)
        else:
            member.stay()
            self._members[address] = member
            self._watch(member)
        member.line.connect()

    def _add(self, address: Address | None, changed: Callable[[], None] | None) -> Member:
        line = self._open_line(address, changed)
        name = "target" if address is None else str(address)
        member = self._members[address] = Member(name, line, self._options, self._clock)
        self._watch(member)
        return member

    def _watch(self, member: Member) -> None:
        if self._is_watching:
            member.watch_health(self._changed)

    def _let_go(self, address: Address | None) -> None:
        member = self._members.pop(address)
        self._leaving[address] = member
        member.leave(lambda gone: self._gone(address, gone))

    def _gone(self, address: Address | None, member: Member) -> None:
        if self.is_closed:
            return  # `close` ends it, which is why its last call is over
        del self._leaving[address]
        task = asyncio.get_running_loop().create_task(member.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def connect(self) -> None:
        """Begin to connect to all."""
        for member in self._members.values():
            member.line.connect()

    def watch_health(self) -> None:
        """Follow the health of all, of those to come as well."""
        self._is_watching = True
        for member in self._members.values():
            member.watch_health(self._changed)

    async def close(self) -> None:
        """Close all lines, those that were let go as well."""
        self.is_closed = True
        self._wake()
        every = [*self._members.values(), *self._leaving.values()]
        await asyncio.gather(*(member.close() for member in every), *self._closing)

    # --- what is known of them

    @property
    def states(self) -> tuple[str, ...]:
        """The states of the lines."""
        return tuple(member.line.state for member in self._members.values())

    @property
    def health(self) -> Health:
        """Serving if one is, not serving if all are known not to be."""
        known = {member.health for member in self._members.values()}
        if Health.SERVING in known:
            return Health.SERVING
        return Health.NOT_SERVING if known == {Health.NOT_SERVING} else Health.UNKNOWN

    def _changed(self) -> None:
        """Look again who takes calls: the connected ones, and those known to be unwell last."""
        if not self._is_fixed:
            ready = [each for each in self._members.values() if each.line.state == READY]
            well = [each for each in ready if each.health is not Health.NOT_SERVING]
            self._ready = tuple(well or ready)
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- choosing

    def next(self) -> Member | None:
        """Who takes the next call, in turn; None when nobody can now.

        When the one after it has fewer calls open, that one: one that hangs gets no more of them
        than the others have. But not when that one fails: who fails soonest has the fewest open,
        and would get all.
        """
        ready = self._ready
        count = len(ready)
        if count <= 1:
            return ready[0] if count else None
        self._turn = turn = self._turn + 1
        first, second = ready[turn % count], ready[(turn + 1) % count]
        if second.open_calls < first.open_calls and not second.is_failing:
            return second
        return first

    def has_other(self, tried: Collection[Member]) -> bool:
        """Whether there is one that was not tried and is not known to be out of reach."""
        return any(
            member not in tried and member.line.state != FAILING
            for member in self._members.values()
        )

    async def choose(self, deadline_s: float, tried: Collection[Member] = ()) -> Member:
        """Who takes a call, one not *tried* before any other. Waits while all connect.

        Raises `UpstreamError`: when the deadline passes, when there is no address, when closed.
        """
        while True:
            found = self._choice(tried)
            if found is not None:
                return found
            await self._change(deadline_s)

    def _choice(self, tried: Collection[Member]) -> Member | None:
        if self.is_closed:
            raise closed(sent=False)
        ready = [member for member in self._ready if member not in tried]
        if ready:
            return min(ready, key=lambda member: member.open_calls)
        others = [member for member in self._members.values() if member not in tried]
        if any(member.line.state != FAILING for member in others):
            for member in others:
                member.line.connect()
            return None
        if not self._members:
            if self.problem is not None:
                raise _no_address(self.problem)
            return None
        # What is ready was tried; or nothing is, and whichever it is fails at once and says why.
        return self.next() or next(iter(others or self._members.values()))

    async def _change(self, deadline_s: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(max(0.0, deadline_s - self._clock())):
                await waiter
        except TimeoutError:
            raise timed_out(sent=False) from None
        finally:
            self._waiters.discard(waiter)


def _no_address(problem: str) -> UpstreamError:
    return UpstreamError(Status(Code.UNAVAILABLE, f"no address: {problem}"), sent=False)
