"""The connections to one server over time: made, used, left and made again.

Belongs here: which connection a call gets, when one more is made, and what waits while there is
none. Does not: the calls (`calls`), and making one again (`attempts`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.upstreams.failure import closed, too_many
from proxy.upstreams.h2.calls import CallStream
from proxy.upstreams.h2.dialing import Dialer, Unreachable
from proxy.upstreams.h2.frames import ErrorCode
from proxy.upstreams.h2.open_calls import OpenCalls
from proxy.upstreams.h2.requests import RequestHeads
from proxy.upstreams.h2.session import Session
from proxy.upstreams.options import GrpcOptions

#: Calls that wait for a connection, or for the server to allow another stream. More would only
#: wait for their deadlines.
_MAX_WAITING: Final = 1000
_BACKOFF_GROWTH: Final = 1.6
#: The share of a back-off that is left to chance, lest all clients come back at once. It never
#: makes one longer: the longest is what a server that came back may wait for us.
_JITTER: Final = 0.3

#: A server that complains of pings gets half as many; and at last one in so many seconds.
_LONGEST_KEEPALIVE_S: Final = 3600.0
_TOO_MANY_PINGS: Final = "too_many_pings"


class Channel:
    """Connects to one server. *clock* is monotonic, in seconds; *random* gives 0 to 1.

    Calls share the first connection while it has few of them; then the one with the fewest gets
    them, and another one is made. *changed* is called when the state has changed, but for the
    beginning of a first attempt.
    """

    def __init__(
        self,
        options: GrpcOptions,
        heads: RequestHeads,
        make_dialer: Callable[[Callable[[], Session]], Dialer],
        clock: Callable[[], float],
        random: Callable[[], float],
        changed: Callable[[], None] | None,
    ) -> None:
        self._options = options
        self._heads = heads
        self.now_s = clock
        self._random = random
        self._changed = changed
        self._dialer = make_dialer(self._make_session)
        self._loop = asyncio.get_running_loop()
        self._calls = OpenCalls(self._loop, clock)
        #: In order of arrival; a call that ends while it waits leaves.
        self._waiting: dict[CallStream, None] = {}
        #: The connections that take calls, the first one first.
        self._sessions: list[Session] = []
        self._left: set[Session] = set()
        self._task: asyncio.Task[None] | None = None
        self._failure: Unreachable | None = None
        #: When one more connection may be tried for again, after one could not be had.
        self._more_later: asyncio.TimerHandle | None = None
        self._look_later: asyncio.TimerHandle | None = None
        self._was_busy = False
        self._backoff_s = 0.0
        self._keepalive_time_s = options.keepalive_time_s
        self._is_closed = False
        self.max_receive_bytes = options.max_receive_bytes

    def __repr__(self) -> str:
        return (
            f"<Channel {self.state} connections={len(self._sessions)} {self._calls!r} "
            f"waiting={len(self._waiting)}>"
        )

    @property
    def state(self) -> str:
        """Idle, connecting, ready, transient_failure or shutdown, as gRPC calls them."""
        if self._is_closed:
            return "shutdown"
        if self._sessions:
            return "ready"
        if self._failure is not None:
            return "transient_failure"
        return "idle" if self._task is None else "connecting"

    def submit(self, call: CallStream) -> None:
        """Make a call as soon as there is a connection for it. Raises `StatusError`."""
        sessions = self._sessions
        if sessions and sessions[0].is_at_ease:
            self._calls.add(call)
            sessions[0].open(call)
            return
        self._was_busy = True
        self._spread()
        session = self._with_room()
        if session is not None:
            self._calls.add(call)
            session.open(call)
        else:
            self._wait(call)

    def _with_room(self) -> Session | None:
        """The connection with the fewest calls of those that can take one more."""
        free = [session for session in self._sessions if session.has_room]
        return min(free, key=lambda session: session.open_calls, default=None)

    def _wait(self, call: CallStream) -> None:
        if self._is_closed:
            raise closed(sent=False)
        if not self._sessions:
            if self._failure is not None:
                raise self._failure.error()
            self.connect()
        if len(self._waiting) >= _MAX_WAITING:
            raise too_many("too many calls wait for a connection")
        self._waiting[call] = None
        self._calls.add(call)

    def ended(self, call: CallStream) -> None:
        """A call is over."""
        self._calls.discard(call)
        if call.connection is None:
            self._waiting.pop(call, None)

    # --- connecting

    def connect(self) -> None:
        """Begin to connect, unless connected or about to be."""
        if not self._sessions:
            self._begin()

    def _begin(self) -> None:
        if self._task is None and not self._is_closed:
            self._task = self._loop.create_task(self._connect())

    def _spread(self) -> None:
        """Begin to make one more connection if all that there are have nearly all they can have."""
        sessions = self._sessions
        if not sessions or len(sessions) >= self._options.max_connections:
            return
        if self._more_later is None and all(session.is_busy for session in sessions):
            self._begin()

    async def _connect(self) -> None:
        """Try until there is a connection. Once an attempt has failed, calls do not wait."""
        while True:
            if self._backoff_s and not self._sessions:
                await asyncio.sleep(self.pause_s)
            try:
                session = await self._dialer.dial()
            except Unreachable as failure:
                self._grow_backoff()
                if self._sessions:
                    break  # one more is not to be had
                self._fail(failure)
            else:
                self._take(session)
                return
        self._task = None
        self._spread_later()

    def _take(self, session: Session) -> None:
        """Make calls on a new connection, too."""
        self._task = self._failure = None
        self._sessions.append(session)
        self.has_room()
        if len(self._sessions) == 1:
            self._tell()
        elif self._look_later is None:
            self._look_again()
        if self._waiting:
            self._spread()

    def _spread_later(self) -> None:
        """Try for one more connection after a while, if calls still wait for it then."""
        if self._more_later is None and not self._is_closed:
            self._more_later = self._loop.call_later(self.pause_s, self._spread_again)

    def _spread_again(self) -> None:
        self._more_later = None
        if self._waiting:
            self._spread()

    def _look_again(self) -> None:
        self._was_busy = False
        self._look_later = self._loop.call_later(self._options.spare_time_s, self._let_spares_go)

    def _let_spares_go(self) -> None:
        """Close the connections that nobody needed since the last look, but the first."""
        self._look_later = None
        if not self._was_busy:
            for session in self._sessions[1:]:
                if not session.open_calls:
                    session.let_go()
        if len(self._sessions) > 1:
            self._look_again()

    @property
    def pause_s(self) -> float:
        """Seconds until the next attempt to connect; chance makes them less, never more."""
        return self._backoff_s * (1 - _JITTER * self._random())

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def _fail(self, failure: Unreachable) -> None:
        self._failure = failure
        self._tell()
        for call in tuple(self._waiting):
            call.fail(failure.error())

    def _grow_backoff(self) -> None:
        options = self._options
        grown_s = max(self._backoff_s * _BACKOFF_GROWTH, options.initial_reconnect_backoff_s)
        self._backoff_s = min(grown_s, options.max_reconnect_backoff_s)

    def _make_session(self) -> Session:
        return Session(self, self._heads, self._options, self._keepalive_time_s, self.now_s)

    # --- what sessions say

    def has_room(self) -> None:
        """Make the calls that wait, as many as there is room for."""
        while self._waiting:
            session = self._with_room()
            if session is None:
                return
            call = next(iter(self._waiting))
            del self._waiting[call]
            session.open(call)

    def leaving(self, session: Session, code: int, text: str) -> None:
        """A connection takes no more calls: make another one.

        At once after one that was of use: servers end connections after a number of calls, or of
        minutes. A server that takes connections and drops them unused is given time.
        """
        if code == ErrorCode.ENHANCE_YOUR_CALM and _TOO_MANY_PINGS in text:
            self._keepalive_time_s = min(self._keepalive_time_s * 2, _LONGEST_KEEPALIVE_S)
        if session.lost.done():
            self._left.discard(session)
        else:
            self._left.add(session)
        if session not in self._sessions:
            return
        self._sessions.remove(session)
        lived_s = self.now_s() - session.began_s
        if session.was_useful or lived_s > self._options.max_reconnect_backoff_s:
            self._backoff_s = 0.0
        else:
            self._grow_backoff()
        if self._sessions:
            self._spread_later()
        else:
            self.connect()
            self._tell()

    # --- the end

    async def close(self) -> None:
        """End all calls and close all connections."""
        self._is_closed = True
        sessions = {*self._left, *self._sessions}
        # Before the calls: one that ends makes room, which none of those that wait may have now.
        self._sessions.clear()
        for timer in (self._more_later, self._look_later):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._calls.close()
        await asyncio.gather(*(session.close() for session in sessions))
