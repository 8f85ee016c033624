"""The channels of grpcio's to one address, and attempts at calls on them.

Belongs here: how many channels there are, and which of them a call gets. Does not: the calls on
one (`channels`), what failures mean (`failure`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import grpc

from proxy.upstreams import Call, Reply
from proxy.upstreams.failure import closed, request_too_large
from proxy.upstreams.grpc.channels import CountedChannel
from proxy.upstreams.grpc.options import Place
from proxy.upstreams.grpc.stream import GrpcStreamAttempt
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.spreading import ASSUMED_STREAMS, easy_streams


class GrpcLine:
    """Channels to one place; implements `proxy.upstreams.line.Line`.

    Calls share the first channel while it has few of them; then the one with the fewest gets them,
    and another one is opened. What a server does not take waits in grpcio.

    *changed* is called when the state has changed, a turn of the loop or two after grpcio knows.
    *direct* False makes calls by grpcio's public interface only.
    """

    __slots__ = (
        *("_changed", "_channels", "_closing", "_easy_streams", "_first", "_is_closed"),
        *("_look_later", "_open", "_options", "_place", "_state", "_task", "_was_busy"),
    )

    def __init__(
        self,
        place: Place,
        options: GrpcOptions,
        credentials: grpc.ChannelCredentials | None,
        changed: Callable[[], None] | None,
        *,
        direct: bool,
    ) -> None:
        self._place = place
        self._options = options
        self._changed = changed
        self._open = partial(CountedChannel, place, options, credentials, direct=direct)
        self._first = self._open()
        self._channels = [self._first]
        self._easy_streams = easy_streams(options.max_streams or ASSUMED_STREAMS)
        self._was_busy = False
        self._look_later: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._state = "idle"
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<GrpcLine {self._place.target} {self.state} {self._channels!r}>"

    @property
    def state(self) -> str:
        """Idle, connecting, ready, transient_failure or shutdown."""
        if self._is_closed:
            return "shutdown"
        return self._state if self._task is not None else _name(self._first.channel.get_state())

    def connect(self) -> None:
        """Begin to connect, unless connected or about to be; begin to tell of changes."""
        if self._is_closed:
            return
        self._first.channel.get_state(try_to_connect=True)
        if self._changed is not None and self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"state {self._place.target}")

    async def _follow(self) -> None:
        """Keep the state: asking grpcio for it at every call would cost each of them."""
        channel = self._first.channel
        while True:
            state = channel.get_state(try_to_connect=True)
            self._state = _name(state)
            if self._changed is not None:
                self._changed()
            await channel.wait_for_state_change(state)

    # --- calls

    def unary(self, call: Call, deadline_s: float) -> Awaitable[Reply]:
        """Make one attempt. Raises `UpstreamError`, at once or when awaited."""
        self._check(call)
        first = self._first
        channel = first if first.open_calls < self._easy_streams else self._least_busy()
        return channel.unary(call, deadline_s)

    def begin(self, call: Call, deadline_s: float) -> GrpcStreamAttempt:
        """Make one attempt at a unary-stream call. Raises `UpstreamError` when it cannot be."""
        self._check(call)
        first = self._first
        channel = first if first.open_calls < self._easy_streams else self._least_busy()
        return channel.begin(call, deadline_s)

    def _check(self, call: Call) -> None:
        size, limit = len(call.message), self._options.max_send_bytes
        if size > limit:
            raise request_too_large(size, limit)

    # --- more channels than one

    def _least_busy(self) -> CountedChannel:
        """The channel with the fewest calls; another one is opened when that has many.

        Calls would wait on one that is not connected: the first one is used in any case, others
        only while they are.
        """
        if self._is_closed:
            raise closed(sent=False)
        self._was_busy = True
        channels, first = self._channels, self._first
        usable = [each for each in channels if each is first or each.is_connected]
        channel = min(usable, key=lambda each: each.open_calls)
        is_busy = channel.open_calls >= self._easy_streams
        if is_busy and usable == channels and len(channels) < self._options.max_connections:
            self._add()
        return channel

    def _add(self) -> None:
        """Open another channel, and begin to connect it."""
        channel = self._open()
        channel.channel.get_state(try_to_connect=True)
        self._channels.append(channel)
        if self._look_later is None:
            self._look_again()

    def _look_again(self) -> None:
        self._was_busy = False
        loop = asyncio.get_running_loop()
        self._look_later = loop.call_later(self._options.spare_time_s, self._let_spares_go)

    def _let_spares_go(self) -> None:
        """Close the channels that nobody needed since the last look, but the first."""
        self._look_later = None
        if not self._was_busy:
            for channel in self._channels[1:]:
                if not channel.open_calls:
                    self._channels.remove(channel)
                    task = asyncio.get_running_loop().create_task(channel.close())
                    self._closing.add(task)
                    task.add_done_callback(self._closing.discard)
        if len(self._channels) > 1:
            self._look_again()

    # --- the end

    async def close(self) -> None:
        """Close the channels. Calls still open end with CANCELLED."""
        self._is_closed = True
        if self._look_later is not None:
            self._look_later.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        every = [channel.close() for channel in self._channels]
        await asyncio.gather(*every, *self._closing)


def _name(state: grpc.ChannelConnectivity) -> str:
    return state.name.lower()
