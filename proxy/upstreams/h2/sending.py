"""What goes out on a connection: frames in order, bodies as fast as the windows allow.

Belongs here: send windows (RFC 9113 §5.2), fairness between bodies, bounds on what waits. Does
not: receiving.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from proxy.upstreams.h2 import frames
from proxy.upstreams.h2.frames import FRAME_SIZE, LARGEST_WINDOW, ConnectionFault, ErrorCode
from proxy.upstreams.h2.guard import PER_PROGRESS, Guard
from proxy.upstreams.h2.stream import Owner, Stream

#: Answers to PING and SETTINGS that wait to be sent. The peer causes them and does not read them.
_MAX_REPLIES: Final = 1000


class Sender:
    """The outgoing half of a connection."""

    __slots__ = ("_guard", "_output", "_owner", "_queue", "_replies", "_window", "stream_window")

    def __init__(self, owner: Owner, guard: Guard) -> None:
        self._owner = owner
        self._guard = guard
        self._output: list[bytes] = []
        #: Streams whose bodies wait for a window, in turn.
        self._queue: OrderedDict[Stream, None] = OrderedDict()
        self._replies = 0
        self._window = frames.DEFAULT_WINDOW
        #: The send window of a new stream.
        self.stream_window = frames.DEFAULT_WINDOW

    def __repr__(self) -> str:
        return f"<Sender window={self._window} queue={len(self._queue)}>"

    def take(self) -> bytes:
        """The bytes to send; they are the caller's now."""
        output = b"".join(self._output)
        self._output.clear()
        self._replies = 0
        return output

    def send(self, data: bytes) -> None:
        """Send a whole frame."""
        self._output.append(data)
        self._owner.wake()

    def reply(self, data: bytes) -> None:
        """Send what the peer asked for. Raises `ConnectionFault` when it asks and does not read."""
        self._guard.spend()
        self._replies += 1
        if self._replies > _MAX_REPLIES:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "answers that are not read")
        self.send(data)

    def begin(self, stream: Stream, head: bytes, body: bytes) -> None:
        """Send the frames of *head*, then *body* to its end."""
        size = len(body)
        self._guard.budget += PER_PROGRESS
        stream.send_window = self.stream_window
        self._output.append(head)
        if size <= FRAME_SIZE and size <= self._window and size <= stream.send_window:
            self._window -= size
            start = frames.frame_head(size, frames.DATA, frames.END_STREAM, stream.id)
            self._output.append(start + body)
        else:
            stream.pending = memoryview(body)
            self._queue[stream] = None
            self.pump()
        self._owner.wake()

    def pump(self) -> None:
        """Send what the windows allow, one frame of each body in turn."""
        blocked: list[Stream] = []
        while self._queue and self._window > 0:
            stream, _ = self._queue.popitem(last=False)
            body = stream.pending
            if body is None:
                continue
            size = min(FRAME_SIZE, len(body), self._window, stream.send_window)
            if size <= 0:
                blocked.append(stream)
                continue
            self._send_part(stream, body, size)
            if stream.pending is not None:
                self._queue[stream] = None
        self._queue.update(dict.fromkeys(blocked))

    def forget(self, stream: Stream) -> None:
        """Send no more of a body. Where no window ever opens, nothing else would let go of it."""
        if stream.pending is not None:
            stream.pending = None
            self._queue.pop(stream, None)

    def _send_part(self, stream: Stream, body: memoryview, size: int) -> None:
        is_last = size == len(body)
        self._guard.budget += PER_PROGRESS
        self._window -= size
        stream.send_window -= size
        stream.pending = None if is_last else body[size:]
        flags = frames.END_STREAM if is_last else 0
        self.send(frames.frame_head(size, frames.DATA, flags, stream.id) + body[:size])

    def widen(self, increment: int) -> None:
        """The peer lets more pass on the whole connection. Raises `ConnectionFault`."""
        self._window += increment
        if not increment or self._window > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window too large or not moved")
        self.pump()

    def widen_stream(self, stream: Stream, increment: int) -> bool:
        """The peer lets more pass on one stream; False when that is an error of the stream."""
        stream.send_window += increment
        if not increment or stream.send_window > LARGEST_WINDOW:
            return False
        self.pump()
        return True

    def resize(self, stream_window: int, streams: Iterable[Stream]) -> None:
        """Apply a new initial window, to open streams too; theirs may become negative."""
        if stream_window > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
        change = stream_window - self.stream_window
        self.stream_window = stream_window
        for stream in streams:
            stream.send_window += change
            if stream.send_window > LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
        self.pump()
