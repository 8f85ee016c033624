"""One HTTP/2 connection of a client as a state machine: bytes in, calls on streams and bytes out.

Belongs here: frames, streams, receive windows, settings (RFC 9113), and defence against a peer
that breaks or abuses them. Does not: sockets, timers, tasks (`session`), and what a header or a
message means (`heads`, `calls`).
"""

from collections.abc import Callable
from typing import Final

from proxy.upstreams.h2 import frames
from proxy.upstreams.h2.frames import (
    FRAME_SIZE,
    HEAD_SIZE,
    LARGEST_STREAM,
    LARGEST_WINDOW,
    PING_SIZE,
    PRIORITY_SIZE,
    STREAM_MASK,
    ConnectionFault,
    ErrorCode,
)
from proxy.upstreams.h2.guard import PER_PROGRESS, Guard
from proxy.upstreams.h2.heads import Block, Heads
from proxy.upstreams.h2.hpack import NO_TABLE
from proxy.upstreams.h2.sending import Sender
from proxy.upstreams.h2.stream import STREAM_WINDOW, Owner, Stream
from proxy.upstreams.spreading import easy_streams

#: What a peer may send on all streams together; given back when it arrives, so that a stream that
#: is not read cannot stop the others.
CONNECTION_WINDOW: Final = 4 << 20
#: A window is filled again when half of it is used.
_STREAM_LOW: Final = STREAM_WINDOW // 2
_CONNECTION_LOW: Final = CONNECTION_WINDOW // 2
#: Bytes of one header block as it comes, CONTINUATION included.
_MAX_BLOCK_BYTES: Final = 1 << 20


class Connection:
    """A client's connection. *clock* is monotonic, in seconds; *max_metadata_bytes* bounds heads.

    After a `ConnectionFault` of `receive` it cannot go on. *most_streams*: see `easy_streams`.
    """

    __slots__ = (
        "_block",
        "_guard",
        "_handlers",
        "_heads",
        "_most_streams",
        "_next_id",
        "_owner",
        "_receive_window",
        "_rest",
        "_sender",
        "_streams",
        "_taken_id",
        "easy_streams",
        "has_answered",
        "is_draining",
        "is_ready",
        "max_header_bytes",
        "max_streams",
    )

    def __init__(
        self,
        owner: Owner,
        max_metadata_bytes: int,
        clock: Callable[[], float],
        most_streams: int = LARGEST_STREAM,
    ) -> None:
        self._owner = owner
        self._most_streams = most_streams
        self._guard = Guard(clock)
        self._heads = Heads(max_metadata_bytes)
        self._sender = Sender(owner, self._guard)
        self._streams: dict[int, Stream] = {}
        self._block: Block | None = None
        self._next_id = 1
        self._taken_id = 1  # the first stream of which nothing was taken to be sent
        self._receive_window = CONNECTION_WINDOW
        self._rest = b""
        #: Whether the server has sent its settings, as its first frame must.
        self.is_ready = False
        #: Whether no stream can be opened any more.
        self.is_draining = False
        #: Whether an answer has begun on any stream.
        self.has_answered = False
        #: What the server allows: open streams, and the size of a request's headers.
        self.max_streams = LARGEST_STREAM
        #: With fewer open streams there is no need of another connection.
        self.easy_streams = easy_streams(most_streams)
        self.max_header_bytes: int | None = None
        self._handlers = self._table()
        self._greet(max_metadata_bytes)

    def __repr__(self) -> str:
        state = "draining" if self.is_draining else "ready" if self.is_ready else "new"
        return f"<Connection {state} streams={len(self._streams)} next={self._next_id}>"

    def _table(self) -> tuple[Callable[[int, int, bytes], None], ...]:
        """What takes a frame, by its type."""
        return (
            self._take_data,
            self._take_headers,
            self._take_priority,
            self._take_reset,
            self._take_settings,
            self._take_push,
            self._take_ping,
            self._take_goaway,
            self._take_window,
            self._take_continuation,
        )

    def _greet(self, max_metadata_bytes: int) -> None:
        settings = (
            (frames.HEADER_TABLE_SIZE, 0),
            (frames.ENABLE_PUSH, 0),
            (frames.INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (frames.MAX_HEADER_LIST_SIZE, max_metadata_bytes),
        )
        self._sender.send(frames.PREFACE + frames.settings_frame(settings))
        self._sender.send(frames.window_frame(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW))

    # --- what the owner does

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def has_room(self) -> bool:
        """Whether a stream can be opened now."""
        return self.is_ready and not self.is_draining and len(self._streams) < self.max_streams

    def open(self, stream: Stream, block: bytes, body: bytes) -> None:
        """Open a stream for a call with one message; only while there `has_room`."""
        stream.id = stream_id = self._next_id
        if stream_id == 1:
            block = NO_TABLE + block
        self._next_id = stream_id + 2
        self._streams[stream_id] = stream
        self._sender.begin(stream, frames.header_frames(stream_id, block), body)
        if self._next_id > LARGEST_STREAM:
            self.drain(ErrorCode.NO_ERROR, "all stream numbers are used")

    def reset(self, stream: Stream, code: ErrorCode = ErrorCode.CANCEL) -> None:
        """End a stream that is open; does nothing for any other."""
        if self._streams.get(stream.id) is stream:
            self._sender.send(frames.reset_frame(stream.id, code))
            self._forget(stream)

    def refill(self, stream: Stream) -> None:
        """Let the peer send on, if it may and has used half of what it could."""
        if stream.receive_window > _STREAM_LOW or not stream.wants_more():
            return
        if self._streams.get(stream.id) is stream:
            used = STREAM_WINDOW - stream.receive_window
            stream.receive_window = STREAM_WINDOW
            self._sender.send(frames.window_frame(stream.id, used))

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        self._sender.send(frames.frame(frames.PING, 0, 0, bytes(PING_SIZE)))

    def leave(self, code: int, text: str = "") -> None:
        """Tell the peer that we go."""
        self._sender.send(frames.goaway_frame(code, text.encode()))

    def take_output(self) -> bytes:
        """The bytes to send; they are the caller's now."""
        self._taken_id = self._next_id
        return self._sender.take()

    def abandon(self) -> list[tuple[Stream, bool]]:
        """Give up all open streams; with each, whether anything of it was taken to be sent.

        What was not, never will be: a peer that has ended its side only would still read it.
        """
        self.is_draining = True
        self._sender.take()
        streams = [(each, each.id < self._taken_id) for each in self._streams.values()]
        self._streams.clear()
        return streams

    def suspect(self) -> None:
        """A stream got no answer in time: the peer may be gone."""
        self._owner.suspected()

    # --- what the peer does

    def receive(self, data: bytes) -> None:
        """Take bytes of any number of frames. Raises `ConnectionFault`."""
        if self._rest:
            data = self._rest + data
        position, size = 0, len(data)
        while size - position >= HEAD_SIZE:
            high, low, kind, flags, stream_id = frames.HEAD.unpack_from(data, position)
            start = position + HEAD_SIZE
            end = start + (high << 8) + low
            if end - start > FRAME_SIZE or not (self.is_ready or kind == frames.SETTINGS):
                raise self._fault(kind)
            if end > size:
                break
            if self._block is not None and kind != frames.CONTINUATION:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame within a header block")
            if kind <= frames.CONTINUATION:
                self._handlers[kind](flags, stream_id & STREAM_MASK, data[start:end])
            else:
                self._guard.spend()
            position = end
        self._rest = data[position:]

    def _fault(self, kind: int) -> ConnectionFault:
        if not self.is_ready:
            return ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the server does not speak HTTP/2")
        return ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of type {kind} is too long")

    def _take_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._receive_window -= size
        if self._receive_window <= _CONNECTION_LOW:
            self._refill_connection()
        stream = self._streams.get(stream_id)
        if stream is None:
            self._take_stray(stream_id)
            return
        stream.receive_window -= size
        if stream.receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more data than the window")
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        ended = flags & frames.END_STREAM
        if payload:
            self._guard.budget += PER_PROGRESS
            stream.take_data(payload)
        elif not ended:
            self._guard.spend()
        if ended:
            if self._streams.get(stream_id) is stream:
                self._close(stream)
                stream.take_end()
        elif stream.receive_window <= _STREAM_LOW:
            self.refill(stream)

    def _refill_connection(self) -> None:
        self._sender.send(frames.window_frame(0, CONNECTION_WINDOW - self._receive_window))
        self._receive_window = CONNECTION_WINDOW

    def _take_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        if flags & frames.PRIORITIZED:
            if len(payload) < PRIORITY_SIZE:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short")
            payload = payload[PRIORITY_SIZE:]
        ended = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._take_block(stream_id, payload, ended=ended)
        else:
            self._block = Block(stream_id, ended, [payload], len(payload))

    def _take_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._block
        if block is None or block.stream_id != stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._guard.spend()
        block.parts.append(payload)
        block.size += len(payload)
        if block.size > _MAX_BLOCK_BYTES:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end")
        if flags & frames.END_HEADERS:
            self._block = None
            self._take_block(stream_id, b"".join(block.parts), ended=block.ended)

    def _take_block(self, stream_id: int, block: bytes, *, ended: bool) -> None:
        # Even that of a stream long gone may change how the next one reads.
        head = self._heads.read(block)
        stream = self._streams.get(stream_id)
        if stream is None:
            self._take_stray(stream_id)
            return
        if head.is_informational and not ended:
            self._guard.spend()
            return
        self._guard.budget += PER_PROGRESS
        self.has_answered = True
        if ended:
            self._close(stream)
        stream.take_head(head, ended=ended)

    def _take_stray(self, stream_id: int) -> None:
        """A frame of a stream that is closed: it was under way when we closed it."""
        if stream_id >= self._next_id or not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame of a stream never opened")
        self._guard.spend()

    def _take_priority(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        self._guard.spend()

    def _take_reset(self, _flags: int, stream_id: int, payload: bytes) -> None:
        code = frames.read_number(payload)
        stream = self._streams.get(stream_id)
        if stream is None:
            self._take_stray(stream_id)
            return
        self._forget(stream)
        stream.take_reset(code)

    def _take_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "an ACK with a payload")
            if not self.is_ready:
                raise self._fault(frames.SETTINGS)
            self._guard.spend()
            return
        settings = frames.read_settings(payload)
        # Before what a wider window lets out: to the peer it is open from the ACK on.
        self._sender.reply(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        for setting, value in settings:
            self._apply(setting, value)
        self.is_ready = True
        self._owner.room_changed()

    def _apply(self, setting: int, value: int) -> None:
        if setting == frames.MAX_CONCURRENT_STREAMS:
            self.max_streams = value
            self.easy_streams = easy_streams(min(value, self._most_streams))
        elif setting == frames.MAX_HEADER_LIST_SIZE:
            self.max_header_bytes = value
        elif setting == frames.INITIAL_WINDOW_SIZE:
            self._sender.resize(value, self._streams.values())
        elif setting == frames.MAX_FRAME_SIZE and not FRAME_SIZE <= value < 1 << 24:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a MAX_FRAME_SIZE out of range")
        elif setting == frames.ENABLE_PUSH and value:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a server that enables push")

    def _take_push(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which we forbade")

    def _take_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != PING_SIZE:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a PING of a broken length")
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        if flags & frames.ACK:
            self._guard.spend()
        else:
            self._sender.reply(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _take_goaway(self, _flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
        self._guard.spend()
        last, code, text = frames.read_goaway(payload)
        self.drain(code, text.decode("utf-8", "replace"))
        for stream in [each for each in self._streams.values() if each.id > last]:
            self._forget(stream)
            stream.take_reset(ErrorCode.REFUSED_STREAM)

    def _take_window(self, _flags: int, stream_id: int, payload: bytes) -> None:
        increment = frames.read_number(payload) & LARGEST_WINDOW
        if not stream_id:
            self._guard.spend()
            self._sender.widen(increment)
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            self._take_stray(stream_id)
            return
        self._guard.spend()
        if not self._sender.widen_stream(stream, increment):
            self.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
            stream.take_reset(ErrorCode.FLOW_CONTROL_ERROR)

    # --- the end of a stream

    def _close(self, stream: Stream) -> None:
        """The peer has ended a stream; if we have not, there is no need to go on."""
        if stream.pending is not None:
            self._sender.send(frames.reset_frame(stream.id, ErrorCode.NO_ERROR))
        self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.id]
        self._sender.forget(stream)
        self._owner.room_changed()

    def drain(self, code: int, text: str) -> None:
        """Open no more streams; *code* and *text* say why."""
        if not self.is_draining:
            self.is_draining = True
            self._owner.going_away(code, text)
