"""A gRPC upstream: the calls, spread over the addresses of its target, their limit and repetition.

Belongs here: what ties the parts of this package together, whatever the transport. Does not: the
parts, and the two transports (`grpc`, `h2`), which differ in how they open a line.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from proxy.errors import LimitExceeded, UpstreamError
from proxy.upstreams import Call, Reply
from proxy.upstreams.attempts import Attempts, Policy
from proxy.upstreams.closing import Closing, until_idle
from proxy.upstreams.failure import too_many
from proxy.upstreams.health import Health
from proxy.upstreams.line import FAILING, READY, OpenLine
from proxy.upstreams.members import Member, Members
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.refreshing import Refresh
from proxy.upstreams.replies import RepeatedStream
from proxy.upstreams.resolving import Resolver
from proxy.upstreams.retry import Retries
from proxy.upstreams.target import Address

#: No call needs more than a year, and no server needs to count further.
MAX_TIMEOUT_S: Final = 365 * 86400.0
#: The round begins anywhere, lest all workers call the first address first.
_TURNS: Final = 1 << 16


class BalancedUpstream(Closing):
    """Calls to the addresses of one target; implements `proxy.upstreams.Upstream`.

    The addresses are *addresses*, or what *resolver* says, which is asked again every
    `options.resolve_every_s`; without either, *open_line* knows the whole target. *on_tls_error*
    is called for every attempt that failed because TLS could not be set up. Make it in the event
    loop that will use it.
    """

    def __init__(
        self,
        target: str,
        options: GrpcOptions,
        open_line: OpenLine,
        *,
        addresses: tuple[Address, ...] = (),
        resolver: Resolver | None = None,
        on_tls_error: Callable[[UpstreamError], None],
    ) -> None:
        self._target = target
        self._options = options
        self._clock = clock = time.monotonic
        turn = int(random.random() * _TURNS)  # noqa: S311 - spreads load, keeps no secret
        self._members = members = Members(open_line, options, clock, turn)
        self._refresh = None
        if resolver is None:
            members.fix(addresses)
        else:
            self._refresh = Refresh(resolver, members, options.resolve_every_s, random.random)
        retry = options.retry
        self._retries = None if retry is None else Retries(retry, random.random, clock)
        self._policy = Policy(members, self._retries, clock, random.random, on_tls_error)
        self._max_inflight = options.max_inflight
        self._idle: asyncio.Event | None = None
        #: Calls that are open now, those that wait for a connection among them.
        self.inflight = 0
        #: Calls that were refused because too many were open, or waited for a connection.
        self.refused = 0

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self._target} {self.connectivity} "
            f"health={self.health.value} inflight={self.inflight} {self._members!r}>"
        )

    # --- what is known of it

    async def start(self) -> None:
        """Begin to connect, and to watch the servers' health. Calls work without it too."""
        if self._options.watch_health:
            self._members.watch_health()
        self._connect()

    def _connect(self) -> None:
        if self._refresh is not None:
            self._refresh.begin()
        self._members.connect()

    @property
    def health(self) -> Health:
        """What the health services of the addresses say; UNKNOWN without one."""
        return self._members.health

    @property
    def connectivity(self) -> str:
        """The best state of an address: ready, connecting, idle, transient_failure, shutdown."""
        states = self._members.states
        for state in (READY, "connecting", "idle"):
            if state in states:
                return state
        if not states:
            return FAILING if self._members.problem else "idle"
        return states[0]

    @property
    def ready(self) -> bool:
        """Whether calls can be made now: connected, and not known to be unwell.

        Asking makes an idle upstream connect.
        """
        self._connect()
        return READY in self._members.states and self.health is not Health.NOT_SERVING

    @property
    def is_closed(self) -> bool:
        """Whether it is closed, or being closed."""
        return self._members.is_closed

    @property
    def addresses(self) -> int:
        """How many addresses there are."""
        return len(self._members)

    @property
    def retries(self) -> tuple[int, int]:
        """How many retries were made, and how many the budget refused."""
        return (0, 0) if self._retries is None else (self._retries.granted, self._retries.refused)

    # --- calls

    async def unary(self, call: Call) -> Reply:
        """Make a unary-unary call. Cancelling the task cancels the call.

        Raises `UpstreamError`, and `LimitExceeded` when too many are open. It is made again only
        as `attempts.Attempts` says, and within its deadline.
        """
        self.enter()
        try:
            deadline_s = self._deadline_s(call)
            attempts: Attempts | None = None
            member = self._members.next() or await self.member(deadline_s)
            while True:
                member.open_calls += 1
                try:
                    reply = await member.line.unary(call, deadline_s)
                    member.is_failing = False
                    return reply
                except UpstreamError as error:
                    attempts = attempts or self._attempts(call, deadline_s)
                    delay_s = attempts.delay_s(member, error)
                    if delay_s is None:
                        raise
                except LimitExceeded:
                    self.refused += 1
                    raise
                finally:
                    member.left()
                member = await attempts.next(delay_s)
        finally:
            self.leave()

    def stream(self, call: Call) -> RepeatedStream:
        """Start a unary-stream call; errors appear when the answer is read.

        The call is made when it is first read. As long as no message has come it is made again
        like a unary one.
        """
        return RepeatedStream(self, call, self._deadline_s(call), self._attempts)

    def _deadline_s(self, call: Call) -> float:
        return self._clock() + min(call.timeout_s, MAX_TIMEOUT_S)

    def _attempts(self, call: Call, deadline_s: float) -> Attempts:
        return Attempts(self._policy, call, deadline_s)

    async def member(self, deadline_s: float) -> Member:
        """Who takes a call; waits for the first address. Raises `UpstreamError`."""
        if self._refresh is not None:
            self._refresh.begin()
        return self._members.next() or await self._members.choose(deadline_s)

    def enter(self) -> None:
        """A call begins. Raises `LimitExceeded` when there are too many.

        A server that hangs must not hold every request of the process.
        """
        if self.inflight >= self._max_inflight:
            self.refused += 1
            raise too_many("as many calls to the upstream are open as may be")
        self.inflight += 1
        if self._retries is not None:
            self._retries.deposit()

    def leave(self) -> None:
        """A call is over."""
        self.inflight -= 1
        if self._idle is not None and not self.inflight:
            self._idle.set()

    # --- the end

    async def retire(self, timeout_s: float) -> bool:
        """Close when no call is open any more, after *timeout_s* at the latest.

        Calls can be made until then: a request that has begun may not have called yet. Gives
        whether all of them ended by themselves.
        """
        self._idle = asyncio.Event()
        ended = await until_idle(self._idle, lambda: not self.inflight, timeout_s)
        await self.close()
        return ended

    async def close(self) -> None:
        """Close the connections. Calls still open end with CANCELLED."""
        if self._refresh is not None:
            await self._refresh.close()
        await self._members.close()
