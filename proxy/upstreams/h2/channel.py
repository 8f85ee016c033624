"""The connection of one upstream over time: made, used, left and made again.

Belongs here: which connection a call gets, and what waits while there is none. Does not: the
calls (`calls`), and making one again (`upstream`).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams.failure import closed
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

    *changed* is called when the state has changed, but for the beginning of a first attempt.
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
        self._calls = OpenCalls(asyncio.get_running_loop(), clock)
        #: In order of arrival; a call that ends while it waits leaves.
        self._waiting: dict[CallStream, None] = {}
        self._session: Session | None = None
        self._left: set[Session] = set()
        self._task: asyncio.Task[None] | None = None
        self._failure: Unreachable | None = None
        self._backoff_s = 0.0
        self._keepalive_time_s = options.keepalive_time_s
        self._is_closed = False
        self.max_receive_bytes = options.max_receive_bytes

    def __repr__(self) -> str:
        return f"<Channel {self.state} {self._calls!r} waiting={len(self._waiting)}>"

    @property
    def state(self) -> str:
        """Idle, connecting, ready, transient_failure or shutdown, as gRPC calls them."""
        if self._is_closed:
            return "shutdown"
        if self._session is not None:
            return "ready"
        if self._failure is not None:
            return "transient_failure"
        return "idle" if self._task is None else "connecting"

    def submit(self, call: CallStream) -> None:
        """Make a call as soon as there is a connection for it. Raises `UpstreamError`."""
        session = self._session
        if session is not None and session.has_room:
            self._calls.add(call)
            session.open(call)
        else:
            self._wait(call)

    def _wait(self, call: CallStream) -> None:
        if self._is_closed:
            raise closed(sent=False)
        if self._session is None:
            if self._failure is not None:
                raise self._failure.error()
            self.connect()
        if len(self._waiting) >= _MAX_WAITING:
            status = Status(Code.UNAVAILABLE, "too many calls wait for a connection")
            raise UpstreamError(status, sent=False)
        self._waiting[call] = None
        self._calls.add(call)

    def ended(self, call: CallStream) -> None:
        """A call is over."""
        self._calls.discard(call)
        if call.connection is None:
            self._waiting.pop(call, None)

    def connect(self) -> None:
        """Begin to connect, unless connected or about to be."""
        if self._session is None and self._task is None and not self._is_closed:
            self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        """Try until there is a connection. Once an attempt has failed, calls do not wait."""
        while True:
            if self._backoff_s:
                await asyncio.sleep(self.pause_s)
            try:
                session = await self._dialer.dial()
            except Unreachable as failure:
                self._fail(failure)
            else:
                break
            self._grow_backoff()
        self._task = self._failure = None
        self._session = session
        self.has_room()
        self._tell()

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
        session = self._session
        while self._waiting and session is not None and session.has_room:
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
        if session is not self._session:
            return
        self._session = None
        lived_s = self.now_s() - session.began_s
        if session.was_useful or lived_s > self._options.max_reconnect_backoff_s:
            self._backoff_s = 0.0
        else:
            self._grow_backoff()
        self.connect()
        self._tell()

    # --- the end

    async def close(self) -> None:
        """End all calls and close all connections."""
        self._is_closed = True
        sessions = {*self._left, *((self._session,) if self._session is not None else ())}
        # Before the calls: one that ends makes room, which none of those that wait may have now.
        self._session = None
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._calls.close()
        await asyncio.gather(*(session.close() for session in sessions))
