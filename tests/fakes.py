"""Named fakes of what the proxy talks to; each passes the contract suite of the real thing.

A handler is what a server does with one call. The same handlers serve behind `FakeUpstream` and
behind a real gRPC server (`tests.upstreams.servers`), so that both are held to the same tests.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from proxy.errors import UpstreamError
from proxy.status import Code, Detail, Status
from proxy.upstreams import Call, Metadata, Reply


class FakeClock:
    """A clock that stands still until it is moved; call it for the time in seconds."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class Abort(Exception):
    """A handler ends its call with an error status."""

    def __init__(
        self,
        code: Code,
        message: str = "",
        details: tuple[Detail, ...] = (),
        trailers: Metadata = (),
    ) -> None:
        super().__init__(code, message)
        self.status = Status(code, message, details)
        self.trailers = trailers


@dataclass
class Served:
    """One call as a handler sees it. Set *initial* before the first message, *trailers* any time.

    *ended* is set when the call is over for the server, *was_cancelled* says how.
    """

    message: bytes
    metadata: Metadata
    initial: Metadata = ()
    trailers: Metadata = ()
    began: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    was_cancelled: bool = False


Handler = Callable[[Served], AsyncIterator[bytes]]


class FakeUpstream:
    """An upstream in memory: *handlers* by method path. *is_down* refuses every call.

    *calls* has every call that was made, in order.
    """

    def __init__(self, handlers: Mapping[str, Handler], *, max_send_bytes: int = 4 << 20) -> None:
        self._handlers = handlers
        self._max_send_bytes = max_send_bytes
        self._open: set[asyncio.Task[object]] = set()
        self._closed = False
        self.is_down = False
        self.calls: list[Call] = []

    def __repr__(self) -> str:
        return f"<FakeUpstream calls={len(self.calls)}>"

    async def unary(self, call: Call) -> Reply:
        stream = FakeStream(self, call)
        messages = [message async for message in stream]
        return Reply(messages[0], await stream.metadata(), await stream.trailers())

    def stream(self, call: Call) -> "FakeStream":
        return FakeStream(self, call)

    async def close(self) -> None:
        self._closed = True
        for task in tuple(self._open):
            task.cancel()

    def begin(self, call: Call) -> tuple[Served, AsyncIterator[bytes]]:
        """Hand a call to its handler, or raise as a channel would."""
        if self._closed:
            raise _error(Code.UNAVAILABLE, "the upstream is closed", sent=False)
        if len(call.message) > self._max_send_bytes:
            status = Status(Code.RESOURCE_EXHAUSTED, "the request message is too large")
            raise UpstreamError(status, http_status=413, sent=False)
        self.calls.append(call)
        if self.is_down:
            raise _error(Code.UNAVAILABLE, "failed to connect to all addresses", sent=False)
        handler = self._handlers.get(call.method)
        if handler is None:
            raise _error(Code.UNIMPLEMENTED, "Method not found!")
        served = Served(call.message, call.metadata)
        return served, handler(served)

    async def step(self, call: Call, messages: AsyncIterator[bytes]) -> bytes:
        """The handler's next message, in a task that `close` can end."""
        task: asyncio.Task[object] = asyncio.ensure_future(anext(messages, None))
        self._open.add(task)
        try:
            async with asyncio.timeout(call.timeout_s):
                message = await task
        except TimeoutError:
            raise _error(Code.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        except asyncio.CancelledError:
            if self._closed:
                raise _error(Code.CANCELLED, "the upstream is closed") from None
            raise
        finally:
            self._open.discard(task)
        if message is None:
            raise StopAsyncIteration
        assert isinstance(message, bytes)
        return message


def _error(code: Code, text: str, *, sent: bool = True) -> UpstreamError:
    return UpstreamError(Status(code, text), sent=sent)


class FakeStream:
    """The answer of a call to a `FakeUpstream`; the handler runs only as far as it is read."""

    def __init__(self, upstream: FakeUpstream, call: Call) -> None:
        self._upstream = upstream
        self._call = call
        self._served: Served | None = None
        self._messages: AsyncIterator[bytes] | None = None
        self._first: bytes | None = None
        self._cancelled = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await self._next()

    async def metadata(self) -> Metadata:
        if self._messages is None:
            self._first = await anext(self, None)
        assert self._served is not None
        return self._served.initial

    async def trailers(self) -> Metadata:
        assert self._served is not None
        return self._served.trailers

    def cancel(self) -> None:
        self._cancelled = True
        if self._served is not None and not self._served.ended.is_set():
            self._served.was_cancelled = True
            self._served.ended.set()

    async def _next(self) -> bytes:
        if self._cancelled:
            raise _error(Code.CANCELLED, "the call was cancelled here")
        if self._messages is None:
            self._served, self._messages = self._upstream.begin(self._call)
        served = self._served
        assert served is not None
        try:
            return await self._upstream.step(self._call, self._messages)
        except Abort as abort:
            served.ended.set()
            metadata = served.initial + served.trailers + abort.trailers
            raise UpstreamError(abort.status, metadata=metadata) from None
        except StopAsyncIteration:
            served.ended.set()
            raise
        except asyncio.CancelledError:
            served.was_cancelled = True
            served.ended.set()
            raise
