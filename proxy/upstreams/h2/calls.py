"""A gRPC call on a stream: from the first header block of its answer to its status.

Belongs here: what every answer has in common, and the two kinds of call. Does not: frames, where
the stream goes (`channel`), and making a call again (`upstream`).
"""

import asyncio
from collections import deque
from typing import Final, Protocol

from proxy.errors import UpstreamError
from proxy.status import Code, Status, code_of_grpc_status, code_of_http_status
from proxy.upstreams import Metadata, Reply
from proxy.upstreams.failure import Unprocessed, answer_error, closed, timed_out
from proxy.upstreams.h2.connection import Connection
from proxy.upstreams.h2.frames import ErrorCode, error_name
from proxy.upstreams.h2.heads import Head
from proxy.upstreams.h2.messages import PREFIX_SIZE, MessageFault, Messages
from proxy.upstreams.h2.requests import RequestHead
from proxy.upstreams.h2.stream import STREAM_WINDOW, Stream

_OK: Final = "0"

#: What a reset stream means (gRPC over HTTP/2, "Errors"); INTERNAL for all others.
_CODE_OF_RESET: Final[dict[int, Code]] = {
    ErrorCode.CANCEL: Code.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: Code.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: Code.PERMISSION_DENIED,
    ErrorCode.REFUSED_STREAM: Code.UNAVAILABLE,
}

_METADATA_TOO_LARGE: Final = "the server's metadata are larger than the limit"
_CANCELLED: Final = Status(Code.CANCELLED, "the call was cancelled here")


class Keeper(Protocol):
    """Who keeps the calls that are open."""

    max_receive_bytes: int

    def now_s(self) -> float:
        """The time on the monotonic clock."""
        ...

    def ended(self, call: "CallStream") -> None:
        """A call is over."""
        ...


class CallStream(Stream):
    """One attempt at a call. *deadline_s* is on the monotonic clock, *body* the prefixed message.

    It ends once: by what comes, by `fail`, or by `cancel`.
    """

    __slots__ = (
        "_head",
        "_keeper",
        "_messages",
        "body",
        "connection",
        "deadline_s",
        "head",
        "is_over",
    )

    def __init__(self, keeper: Keeper, head: RequestHead, body: bytes, deadline_s: float) -> None:
        super().__init__()
        self._keeper = keeper
        self.head = head
        self.body = body
        self.deadline_s = deadline_s
        #: Where the call is; None while it waits for a connection.
        self.connection: Connection | None = None
        self.is_over = False
        self._head: Head | None = None
        self._messages = Messages(keeper.max_receive_bytes)

    def __repr__(self) -> str:
        state = "over" if self.is_over else "waiting" if self.connection is None else "open"
        return f"<{type(self).__name__} {self.id} {state}>"

    def arrived(self, messages: list[bytes]) -> None:
        """Messages have come. Raises `MessageFault`."""
        raise NotImplementedError

    def succeeded(self, trailers: Metadata) -> None:
        """The call has ended well, as far as the server knows."""
        raise NotImplementedError

    def failed(self, error: UpstreamError) -> None:
        """The call has ended with an error."""
        raise NotImplementedError

    @property
    def initial(self) -> Metadata:
        """Initial metadata, as far as they have come."""
        return () if self._head is None else self._head.metadata

    # --- ends that we make

    def fail(self, error: UpstreamError) -> None:
        """End the call with *error*, unless it is over."""
        if not self.is_over:
            self.cancel()
            self.failed(error)

    def cancel(self) -> None:
        """End the call without a word to the caller, who knows."""
        if not self.is_over:
            self.is_over = True
            self._keeper.ended(self)
            if self.connection is not None:
                self.connection.reset(self)

    def expire(self) -> None:
        """The deadline has passed."""
        if self.connection is not None:
            self.connection.suspect()
        self.fail(timed_out(sent=self.connection is not None))

    def close(self) -> None:
        """The upstream is closed."""
        self.fail(closed(sent=self.connection is not None))

    # --- what comes

    def take_head(self, head: Head, *, ended: bool) -> None:
        """A header block: the first one, trailers, or both at once."""
        if head.problem:
            self._fault(head)
        elif ended:
            self._finish(head)
        elif self._head is not None:
            self.fail(answer_error(Code.INTERNAL, "headers in the middle of an answer"))
        elif head.http_status == 200 and head.is_grpc:
            self._head = head
            self._messages.encoding = head.encoding
        else:
            self.fail(_no_grpc(head))

    def _fault(self, head: Head) -> None:
        if head.is_too_large:
            status = Status(Code.RESOURCE_EXHAUSTED, _METADATA_TOO_LARGE)
            self.fail(UpstreamError(status, http_status=502))
        else:
            self.fail(answer_error(Code.INTERNAL, f"a malformed answer: {head.problem}"))

    def take_data(self, data: bytes) -> None:
        """A part of the answer's messages."""
        if self._head is None:
            self.fail(answer_error(Code.INTERNAL, "data before the headers"))
            return
        try:
            messages = self._messages.feed(data)
            if messages:
                self.arrived(messages)
        except MessageFault as fault:
            self.fail(answer_error(fault.code, str(fault), initial=self.initial))

    def take_end(self) -> None:
        """The end without trailers: the status is missing."""
        self.fail(answer_error(Code.UNKNOWN, "the answer has no status", initial=self.initial))

    def take_reset(self, code: int) -> None:
        """The server has given the stream up, or never looked at it."""
        if code == ErrorCode.REFUSED_STREAM and self._head is None:
            self.fail(Unprocessed("the server did not take the call"))
        elif code == ErrorCode.CANCEL and self._keeper.now_s() >= self.deadline_s:
            # It knows the deadline, too.
            self.expire()
        else:
            text = f"the server reset the stream: {error_name(code)}"
            meaning = _CODE_OF_RESET.get(code, Code.INTERNAL)
            self.fail(answer_error(meaning, text, initial=self.initial))

    def _finish(self, head: Head) -> None:
        if self.is_over:
            return
        if head.grpc_status != _OK:
            self.fail(_status_error(head, self._head))
        elif self._messages.size:
            text = "the answer ends within a message"
            self.fail(answer_error(Code.INTERNAL, text, initial=self.initial))
        else:
            self.is_over = True
            self._keeper.ended(self)
            self.succeeded(head.metadata)


def _no_grpc(head: Head) -> UpstreamError:
    """The error of an answer that goes on, but is none of gRPC."""
    if head.http_status == 200:
        text = f"an answer of content type {head.content_type!r}, which is not gRPC's"
        return answer_error(Code.UNKNOWN, text, initial=head.metadata)
    code = code_of_http_status(head.http_status or 0)
    return answer_error(code, f"HTTP status {head.http_status}", initial=head.metadata)


def _status_error(trailers: Head, first: Head | None) -> UpstreamError:
    """The error that trailers speak of; without a status, the one that HTTP's stands for."""
    if trailers.grpc_status is None:
        if first is None:
            return _no_grpc(trailers)
        return answer_error(Code.UNKNOWN, "the answer has no status", initial=first.metadata)
    code = code_of_grpc_status(trailers.grpc_status)
    return answer_error(
        code,
        trailers.grpc_message,
        initial=() if first is None else first.metadata,
        trailers=trailers.metadata,
    )


class UnaryStream(CallStream):
    """A call with one answer, which *reply* gets."""

    __slots__ = ("_message", "reply")

    def __init__(
        self,
        keeper: Keeper,
        head: RequestHead,
        body: bytes,
        deadline_s: float,
        reply: "asyncio.Future[Reply]",
    ) -> None:
        super().__init__(keeper, head, body, deadline_s)
        self.reply = reply
        self._message: bytes | None = None

    def wants_more(self) -> bool:
        """Whatever comes is needed; its size has a limit."""
        return True

    def arrived(self, messages: list[bytes]) -> None:
        """Keep the one message. Raises `MessageFault` for another one."""
        if self._message is not None or len(messages) > 1:
            raise MessageFault(Code.INTERNAL, "a unary call with more than one answer")
        self._message = self._messages.opened(messages[0])

    def succeeded(self, trailers: Metadata) -> None:
        """The call has ended well, if there was a message."""
        if self._message is None:
            self.failed(answer_error(Code.INTERNAL, "a unary call without an answer"))
        elif not self.reply.done():
            self.reply.set_result(Reply(self._message, self.initial, trailers))

    def failed(self, error: UpstreamError) -> None:
        """The call has ended with an error."""
        if not self.reply.done():
            self.reply.set_exception(error)


class ServerStream(CallStream):
    """A call with any number of answers, read one at a time.

    Implements `proxy.upstreams.line.StreamAttempt`.
    """

    __slots__ = ("_error", "_queue", "_queued_bytes", "_reader", "_trailers")

    def __init__(self, keeper: Keeper, head: RequestHead, body: bytes, deadline_s: float) -> None:
        super().__init__(keeper, head, body, deadline_s)
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._error: UpstreamError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._trailers: Metadata = ()

    def wants_more(self) -> bool:
        """While a reader waits, or little is kept for it."""
        return self._reader is not None or self._kept_bytes() <= STREAM_WINDOW // 2

    def _kept_bytes(self) -> int:
        return self._queued_bytes + self._messages.size

    def arrived(self, messages: list[bytes]) -> None:
        """Keep messages for the reader."""
        self._queue.extend(messages)
        self._queued_bytes += sum(map(len, messages)) + PREFIX_SIZE * len(messages)
        self._wake()

    def succeeded(self, trailers: Metadata) -> None:
        """The call has ended well."""
        self._trailers = trailers
        self._wake()

    def failed(self, error: UpstreamError) -> None:
        """The call has ended with an error; what has come before it is still read."""
        self._error = error
        self._wake()

    def drop(self) -> None:
        """End the call and forget what has come; does nothing when it was read to its end."""
        if self._queue or not self.is_over:
            self._queue.clear()
            self.cancel()
            self.failed(UpstreamError(_CANCELLED))

    async def metadata(self) -> Metadata:
        """Initial metadata; only when something was read."""
        return self.initial

    async def trailers(self) -> Metadata:
        """Trailers; only after the last message."""
        return self._trailers

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    async def read(self) -> bytes | None:
        """The next message, None after the last. Raises `UpstreamError`.

        Cancelling the task cancels the call.
        """
        while not self._queue:
            if self._error is not None:
                raise self._error
            if self.is_over:
                return None
            await self._wait()
        message = self._queue.popleft()
        self._queued_bytes -= len(message) + PREFIX_SIZE
        self._refill()
        return self._opened(message)

    def _opened(self, message: bytes) -> bytes:
        try:
            return self._messages.opened(message)
        except MessageFault as fault:
            self._queue.clear()
            self.cancel()
            self._error = answer_error(fault.code, str(fault), initial=self.initial)
            raise self._error from fault

    async def _wait(self) -> None:
        self._reader = asyncio.get_running_loop().create_future()
        self._refill()
        try:
            await self._reader
        except asyncio.CancelledError:
            self.drop()
            raise

    def _refill(self) -> None:
        if self.connection is not None:
            self.connection.refill(self)
