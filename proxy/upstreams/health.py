"""What a gRPC server says about its health, by `grpc.health.v1` (gRFC A17).

Belongs here: watching and the state that results. Does not: acting on it.
"""

import asyncio
from collections.abc import AsyncIterable, Callable
from enum import Enum
from typing import Final

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from proxy.errors import StatusError
from proxy.status import Code
from proxy.upstreams import Call

_WATCH: Final = "/grpc.health.v1.Health/Watch"

#: Seconds until a failed watch is begun again, doubled with every failure up to the largest.
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0

#: A watch is renewed well before keepalive would ping it, since servers count pings on silent
#: connections as abuse and close them. As part of the keepalive time, and at most.
_WINDOW_SHARE: Final = 0.75
_LONGEST_WINDOW_S: Final = 15.0
#: The part of a window after which its end is taken for the end of the window: a server that says
#: DEADLINE_EXCEEDED itself, at once, must not be asked again at once. Clocks may differ a little.
_WHOLE_WINDOW: Final = 0.9


class Health(Enum):
    """What is known of a server's health."""

    UNKNOWN = "unknown"
    SERVING = "serving"
    NOT_SERVING = "not_serving"


class HealthWatch:
    """Follows the health of one service; run `follow` as a task.

    *start* makes the one streaming call, and does not repeat it. *clock* is monotonic, in seconds.
    *changed* is called whenever the state is another.
    """

    __slots__ = ("_call", "_clock", "_start", "changed", "state")

    def __init__(
        self,
        start: Callable[[Call], AsyncIterable[bytes]],
        service: str,
        keepalive_time_s: float,
        clock: Callable[[], float],
    ) -> None:
        request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        window_s = min(_LONGEST_WINDOW_S, keepalive_time_s * _WINDOW_SHARE)
        self._call = Call(_WATCH, request, (), window_s)
        self._start = start
        self._clock = clock
        self.changed: Callable[[], None] | None = None
        #: The last that is known.
        self.state = Health.UNKNOWN

    def __repr__(self) -> str:
        return f"<HealthWatch {self.state.value}>"

    async def follow(self) -> None:
        """Watch until cancelled, or until the server says that it has no health service."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began_s = self._clock()
            code = await self._watch_once()
            if code is Code.UNIMPLEMENTED:
                self._know(Health.UNKNOWN)
                return
            is_over = self._clock() - began_s >= self._call.timeout_s * _WHOLE_WINDOW
            if code is Code.DEADLINE_EXCEEDED and self.state is not Health.UNKNOWN and is_over:
                pause_s = _FIRST_PAUSE_S
                continue
            self._know(Health.UNKNOWN)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _know(self, state: Health) -> None:
        if state is not self.state:
            self.state = state
            if self.changed is not None:
                self.changed()

    async def _watch_once(self) -> Code:
        """Watch for one window; gives how it ended. A window without a word is unknown health."""
        heard = False
        try:
            async for message in self._start(self._call):
                heard = True
                self._know(_read_state(message))
        except StatusError as error:
            if not heard:
                self._know(Health.UNKNOWN)
            return error.status.code
        return Code.OK


def _read_state(message: bytes) -> Health:
    try:
        status = health_pb2.HealthCheckResponse.FromString(message).status
    except DecodeError:
        return Health.UNKNOWN
    if status == health_pb2.HealthCheckResponse.SERVING:
        return Health.SERVING
    if status == health_pb2.HealthCheckResponse.UNKNOWN:
        return Health.UNKNOWN
    return Health.NOT_SERVING
