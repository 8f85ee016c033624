"""The protocol without a socket: bytes in, calls on streams and bytes out."""

from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstreams.h2 import frames
from proxy.upstreams.h2.connection import CONNECTION_WINDOW, Connection
from proxy.upstreams.h2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITIZED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ConnectionFault,
    ErrorCode,
    frame,
)
from proxy.upstreams.h2.heads import Head
from proxy.upstreams.h2.hpack import literal
from proxy.upstreams.h2.stream import STREAM_WINDOW, Stream
from tests.fakes import FakeClock

GREETING = frames.settings_frame(())
OK = b"\x20\x88" + literal(b"content-type", b"application/grpc")
TRAILERS = literal(b"grpc-status", b"0")


class Recorder:
    """An owner that remembers."""

    def __init__(self) -> None:
        self.wakes = 0
        self.rooms = 0
        self.suspicions = 0
        self.left: list[tuple[int, str]] = []

    def wake(self) -> None:
        self.wakes += 1

    def room_changed(self) -> None:
        self.rooms += 1

    def suspected(self) -> None:
        self.suspicions += 1

    def going_away(self, code: int, text: str) -> None:
        self.left.append((code, text))


class RecordingStream(Stream):
    """A stream that remembers what it was told."""

    def __init__(self, *, wants: bool = True) -> None:
        super().__init__()
        self.events: list[object] = []
        self.wants = wants

    def wants_more(self) -> bool:
        return self.wants

    def take_head(self, head: Head, *, ended: bool) -> None:
        self.events.append(("head", head.http_status, head.grpc_status, ended))

    def take_data(self, data: bytes) -> None:
        if self.events and isinstance(self.events[-1], bytes):
            self.events[-1] += data
        else:
            self.events.append(data)

    def take_end(self) -> None:
        self.events.append("end")

    def take_reset(self, code: int) -> None:
        self.events.append(("reset", code))


class Line:
    """A connection under test, greeted, with its owner."""

    def __init__(self, greeting: bytes = GREETING) -> None:
        self.owner = Recorder()
        self.clock = FakeClock(1000.0)
        self.connection = Connection(self.owner, 16_384, self.clock)
        self.connection.receive(greeting)
        self.connection.take_output()
        self.owner.rooms = 0

    def open(self, body: bytes = b"body", *, wants: bool = True) -> RecordingStream:
        stream = RecordingStream(wants=wants)
        self.connection.open(stream, b"block", body)
        return stream

    def receive(self, *parts: bytes) -> None:
        self.connection.receive(b"".join(parts))

    def output(self) -> list[tuple[int, int, int, bytes]]:
        return list(split(self.connection.take_output()))


def split(data: bytes):
    """The frames in *data*: type, flags, stream, payload."""
    while data:
        high, low, kind, flags, stream_id = frames.HEAD.unpack_from(data)
        end = frames.HEAD_SIZE + (high << 8) + low
        yield kind, flags, stream_id, data[frames.HEAD_SIZE : end]
        data = data[end:]


def answer(stream_id: int = 1, message: bytes = b"message") -> bytes:
    return b"".join(
        (
            frame(HEADERS, END_HEADERS, stream_id, OK),
            frame(DATA, 0, stream_id, message),
            frame(HEADERS, END_HEADERS | END_STREAM, stream_id, TRAILERS),
        )
    )


ANSWERED = [("head", 200, None, False), b"message", ("head", None, "0", True)]


def fault(line: Line, *parts: bytes) -> ErrorCode:
    with pytest.raises(ConnectionFault) as caught:
        line.receive(*parts)
    return caught.value.code


# --- the way of a call


def test_the_greeting_turns_the_table_and_push_off_and_opens_the_window():
    connection = Connection(Recorder(), 5000, FakeClock())
    output = connection.take_output()
    assert output.startswith(frames.PREFACE)
    settings, window = split(output.removeprefix(frames.PREFACE))
    assert dict(frames.read_settings(settings[3])) == {1: 0, 2: 0, 4: STREAM_WINDOW, 6: 5000}
    assert window == (WINDOW_UPDATE, 0, 0, (CONNECTION_WINDOW - 65_535).to_bytes(4, "big"))
    assert repr(connection) == "<Connection new streams=0 next=1>"
    assert not connection.has_room


def test_settings_are_acknowledged():
    connection = Connection(Recorder(), 5000, FakeClock())
    connection.take_output()
    connection.receive(GREETING)
    assert list(split(connection.take_output())) == [(SETTINGS, ACK, 0, b"")]
    assert connection.has_room


def test_a_call_is_a_head_and_a_body():
    line = Line()
    line.open(b"abc")
    assert line.output() == [
        (HEADERS, END_HEADERS, 1, b"\x20block"),
        (DATA, END_STREAM, 1, b"abc"),
    ]
    line.open()
    assert line.output()[0] == (HEADERS, END_HEADERS, 3, b"block")


def test_what_a_wider_window_lets_out_follows_the_acknowledgement():
    line = Line(frames.settings_frame([(frames.INITIAL_WINDOW_SIZE, 10)]))
    line.open(bytes(30))
    line.output()
    line.receive(frames.settings_frame([(frames.INITIAL_WINDOW_SIZE, 25)]))
    assert line.output() == [(SETTINGS, ACK, 0, b""), (DATA, 0, 1, bytes(15))]


def test_a_body_that_no_window_lets_out_is_let_go_of_with_its_call():
    line = Line()
    line.open(bytes(65_535))
    waiting = ref(line.open(bytes(1000)))
    line.connection.reset(waiting())
    assert waiting() is None
    line.output()
    line.receive(frames.window_frame(0, 5000))
    assert line.output() == []


def test_an_answer_reaches_its_stream():
    line = Line()
    first, second = line.open(), line.open()
    line.receive(answer(3), answer(1))
    assert first.events == second.events == ANSWERED
    assert (line.connection.open_streams, line.owner.rooms) == (0, 2)


@given(st.lists(st.integers(1, 40), max_size=30))
def test_how_the_bytes_are_cut_changes_nothing(cuts):
    line = Line()
    streams = [line.open(), line.open()]
    data = answer(3) + frame(PING, 0, 0, bytes(8)) + answer(1)
    for cut in cuts:
        line.receive(data[:cut])
        data = data[cut:]
    line.receive(data)
    assert [stream.events for stream in streams] == [ANSWERED, ANSWERED]


def test_an_answer_may_come_byte_by_byte():
    line = Line()
    stream = line.open()
    for byte in answer():
        line.receive(bytes((byte,)))
    assert stream.events == ANSWERED


def test_padding_priority_and_continuation_change_nothing():
    line = Line()
    stream = line.open()
    padded = b"\x03" + bytes(5) + OK[:4] + bytes(3)
    line.receive(
        frame(HEADERS, PADDED | PRIORITIZED, 1, padded),
        frame(CONTINUATION, 0, 1, OK[4:7]),
        frame(CONTINUATION, END_HEADERS, 1, OK[7:]),
        frame(DATA, PADDED, 1, b"\x02mess" + bytes(2)),
        frame(DATA, PADDED, 1, b"\x00age"),
        frame(PRIORITY, 0, 1, bytes(5)),
        frame(0x77, 0, 1, b"unknown"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILERS),
    )
    assert stream.events == ANSWERED


def test_an_interim_answer_is_passed_over():
    line = Line()
    stream = line.open()
    line.receive(frame(HEADERS, END_HEADERS, 1, b"\x20" + literal(b":status", b"103")), answer())
    assert stream.events == ANSWERED


def test_data_may_end_the_stream():
    line = Line()
    stream = line.open()
    line.receive(frame(HEADERS, END_HEADERS, 1, OK), frame(DATA, END_STREAM, 1, b"x"))
    assert stream.events[1:] == [b"x", "end"]
    assert line.connection.open_streams == 0


def test_a_long_head_is_continued():
    line = Line()
    block = bytes(range(256)) * 200
    line.connection.open(RecordingStream(), block, b"")
    output = line.output()
    assert [each[0] for each in output] == [HEADERS, *[CONTINUATION] * 3, DATA]
    assert [each[1] for each in output] == [0, 0, 0, END_HEADERS, END_STREAM]
    assert b"".join(each[3] for each in output[:-1]) == b"\x20" + block


# --- ends


def test_a_reset_is_told_once():
    line = Line()
    stream = line.open()
    line.receive(frame(RST_STREAM, 0, 1, b"\0\0\0\x08"), answer())
    assert stream.events == [("reset", 8)]


def test_our_reset_is_sent_once_and_what_still_comes_is_dropped():
    line = Line()
    stream = line.open()
    line.output()
    line.connection.reset(stream)
    line.connection.reset(stream)
    assert line.output() == [(RST_STREAM, 0, 1, b"\0\0\0\x08")]
    line.receive(answer())
    assert stream.events == []


def test_an_early_answer_ends_the_body():
    line = Line()
    stream = line.open(bytes(100_000))
    line.output()
    line.receive(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK + TRAILERS))
    assert stream.events == [("head", 200, "0", True)]
    assert line.output() == [(RST_STREAM, 0, 1, bytes(4))]
    line.receive(frames.window_frame(0, 1 << 20))
    assert line.output() == []


def test_goaway_refuses_what_the_server_has_not_seen():
    line = Line()
    streams = [line.open() for _ in range(3)]
    line.receive(frame(GOAWAY, 0, 0, b"\0\0\0\x03" + b"\0\0\0\x0b" + b"too_many_pings"))
    assert [stream.events for stream in streams] == [[], [], [("reset", 7)]]
    assert line.owner.left == [(11, "too_many_pings")]
    assert not line.connection.has_room
    line.receive(answer(1), frame(GOAWAY, 0, 0, b"\0\0\0\x01" + bytes(4)), answer(3))
    assert streams[0].events == ANSWERED
    assert streams[1].events == [("reset", 7)]
    assert len(line.owner.left) == 1
    assert "draining" in repr(line.connection)


def test_a_connection_ends_when_its_numbers_are_used():
    line = Line()
    line.connection._next_id = frames.LARGEST_STREAM
    line.open()
    assert line.owner.left == [(0, "all stream numbers are used")]
    assert not line.connection.has_room


def test_an_abandoned_connection_gives_its_streams_up():
    line = Line()
    stream = line.open()
    line.output()
    late = line.open()
    assert line.connection.abandon() == [(stream, True), (late, False)]
    assert line.output() == []
    line.connection.reset(stream)
    assert (line.connection.open_streams, line.connection.has_room) == (0, False)


# --- limits of the server


def test_the_server_bounds_the_streams():
    line = Line(frames.settings_frame([(3, 2), (6, 900)]))
    assert line.connection.max_header_bytes == 900
    first = line.open()
    line.open()
    assert not line.connection.has_room
    line.connection.reset(first)
    assert line.connection.has_room


def test_a_body_waits_for_the_window_of_its_stream():
    line = Line(frames.settings_frame([(4, 3)]))
    stream = line.open(b"abcdef")
    assert line.output()[1:] == [(DATA, 0, 1, b"abc")]
    line.receive(frames.window_frame(1, 1))
    assert line.output() == [(DATA, 0, 1, b"d")]
    line.receive(frames.settings_frame([(4, 1)]))
    line.receive(frames.window_frame(1, 2))
    assert line.output() == [(SETTINGS, ACK, 0, b"")]
    line.receive(frames.settings_frame([(4, 9)]))
    assert line.output() == [(SETTINGS, ACK, 0, b""), (DATA, END_STREAM, 1, b"ef")]
    assert stream.pending is None


def test_bodies_share_the_window_of_the_connection_in_turns():
    line = Line(frames.settings_frame([(4, 1 << 20)]))
    line.open(bytes(100_000))
    line.open(bytes(100_000))
    sent = [(each[2], len(each[3])) for each in line.output() if each[0] == DATA]
    assert sum(size for _, size in sent) == 65_535
    line.receive(frames.window_frame(0, 3 * 16_384))
    sent = [(each[2], len(each[3])) for each in line.output()]
    assert sent == [(1, 16_384), (3, 16_384), (1, 16_384)]


def test_a_small_call_is_not_stopped_by_a_large_one():
    line = Line(frames.settings_frame([(4, 20_000)]))
    line.open(bytes(100_000))
    line.output()
    line.open(b"small")
    assert line.output()[-1] == (DATA, END_STREAM, 3, b"small")


def test_an_empty_message_needs_no_window():
    line = Line(frames.settings_frame([(4, 0)]))
    line.open(b"")
    assert line.output()[-1] == (DATA, END_STREAM, 1, b"")


# --- our windows


def test_windows_are_filled_again_at_half():
    line = Line()
    stream = line.open()
    line.output()
    line.receive(frame(HEADERS, END_HEADERS, 1, OK))
    half = STREAM_WINDOW // 2
    for _ in range(half // 16_384):
        assert line.output() == []
        line.receive(frame(DATA, 0, 1, bytes(16_384)))
    assert line.output() == [(WINDOW_UPDATE, 0, 1, half.to_bytes(4, "big"))]
    assert stream.receive_window == STREAM_WINDOW


def test_a_stream_that_is_not_read_keeps_its_window_and_the_others_go_on():
    line = Line()
    slow = line.open(wants=False)
    line.output()
    line.receive(frame(HEADERS, END_HEADERS, 1, OK))
    for _ in range(STREAM_WINDOW // 16_384):
        line.receive(frame(DATA, 0, 1, bytes(16_384)))
    assert line.output() == []
    for _ in range(CONNECTION_WINDOW // 16_384):
        line.receive(frame(DATA, END_STREAM, line.open().id, bytes(16_384)))
    assert (WINDOW_UPDATE, 0, 1) not in [each[:3] for each in line.output()]
    slow.wants = True
    line.connection.refill(slow)
    assert line.output()[-1] == (WINDOW_UPDATE, 0, 1, STREAM_WINDOW.to_bytes(4, "big"))
    line.connection.reset(slow)
    slow.receive_window = 0
    line.connection.refill(slow)
    assert [each[0] for each in line.output()] == [RST_STREAM]


def test_the_connection_s_window_is_filled_by_data_of_closed_streams_too():
    line = Line()
    line.connection.reset(line.open())
    line.output()
    for _ in range(CONNECTION_WINDOW // 2 // 16_384):
        line.receive(frame(DATA, 0, 1, bytes(16_384)))
    half = (CONNECTION_WINDOW // 2).to_bytes(4, "big")
    assert line.output() == [(WINDOW_UPDATE, 0, 0, half)]


# --- pings


def test_a_ping_is_answered():
    line = Line()
    line.receive(frame(PING, 0, 0, b"12345678"))
    assert line.output() == [(PING, ACK, 0, b"12345678")]


def test_we_ping_and_say_goodbye():
    line = Line()
    line.connection.ping()
    line.connection.leave(ErrorCode.NO_ERROR, "bye")
    assert line.output() == [(PING, 0, 0, bytes(8)), (GOAWAY, 0, 0, bytes(8) + b"bye")]
    line.receive(frame(PING, ACK, 0, bytes(8)))


# --- a peer that breaks the protocol


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", ErrorCode.FRAME_SIZE_ERROR),
        (frame(DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(DATA, 0, 5, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(DATA, 0, 2, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(DATA, PADDED, 1, b"\x01"), ErrorCode.PROTOCOL_ERROR),
        (frame(DATA, PADDED, 1, b""), ErrorCode.PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS, 5, OK), ErrorCode.PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09abc"), ErrorCode.PROTOCOL_ERROR),
        (frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"abc"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(HEADERS, END_HEADERS, 1, b"\x80"), ErrorCode.COMPRESSION_ERROR),
        (frame(CONTINUATION, END_HEADERS, 1, OK), ErrorCode.PROTOCOL_ERROR),
        (frame(HEADERS, 0, 1, OK) + frame(DATA, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(HEADERS, 0, 1, OK) + frame(0x77, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(HEADERS, 0, 1, OK) + frame(CONTINUATION, 4, 3, b""), ErrorCode.PROTOCOL_ERROR),
        (frame(RST_STREAM, 0, 1, b"\0\0\0"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(RST_STREAM, 0, 5, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (frame(SETTINGS, 0, 1, b""), ErrorCode.PROTOCOL_ERROR),
        (frame(SETTINGS, 0, 0, b"12345"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(SETTINGS, ACK, 0, b"123456"), ErrorCode.FRAME_SIZE_ERROR),
        (frames.settings_frame([(2, 1)]), ErrorCode.PROTOCOL_ERROR),
        (frames.settings_frame([(4, 1 << 31)]), ErrorCode.FLOW_CONTROL_ERROR),
        (frames.settings_frame([(5, 16_383)]), ErrorCode.PROTOCOL_ERROR),
        (frames.settings_frame([(5, 1 << 24)]), ErrorCode.PROTOCOL_ERROR),
        (frame(PUSH_PROMISE, 4, 1, b"\0\0\0\x02" + OK), ErrorCode.PROTOCOL_ERROR),
        (frame(PING, 0, 0, b"1234567"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(PING, 0, 1, b"12345678"), ErrorCode.PROTOCOL_ERROR),
        (frame(GOAWAY, 0, 0, b"1234567"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(GOAWAY, 0, 1, b"12345678"), ErrorCode.PROTOCOL_ERROR),
        (frame(WINDOW_UPDATE, 0, 0, bytes(3)), ErrorCode.FRAME_SIZE_ERROR),
        (frames.window_frame(0, 0), ErrorCode.FLOW_CONTROL_ERROR),
        (frames.window_frame(0, 0x7FFF_FFFF), ErrorCode.FLOW_CONTROL_ERROR),
        (frames.window_frame(5, 1), ErrorCode.PROTOCOL_ERROR),
        (
            frames.window_frame(1, 0x7FFF_0000 - 1) + frames.settings_frame([(4, 0x7FFF_FFFF)]),
            ErrorCode.FLOW_CONTROL_ERROR,
        ),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(bad, code):
    line = Line()
    line.open()
    assert fault(line, bad) is code


@pytest.mark.parametrize("increment", [0, 0x7FFF_FFFF])
def test_a_bad_window_of_a_stream_ends_the_stream_alone(increment):
    line = Line()
    stream = line.open()
    line.output()
    line.receive(frames.window_frame(1, increment))
    assert stream.events == [("reset", 3)]
    assert line.output() == [(RST_STREAM, 0, 1, b"\0\0\0\x03")]


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46" * 3,
        frame(PING, 0, 0, bytes(8)),
        frame(SETTINGS, ACK, 0, b""),
    ],
)
def test_what_does_not_greet_does_not_speak_http2(greeting):
    with pytest.raises(ConnectionFault, match="does not speak HTTP/2"):
        Connection(Recorder(), 5000, FakeClock()).receive(greeting)


def test_more_data_than_the_window_ends_the_connection():
    line = Line()
    line.open(wants=False)
    line.receive(frame(HEADERS, END_HEADERS, 1, OK))
    data = frame(DATA, 0, 1, bytes(16_384))
    line.receive(data * (STREAM_WINDOW // 16_384))
    assert fault(line, data) is ErrorCode.FLOW_CONTROL_ERROR


# --- floods


@pytest.mark.parametrize(
    "idle",
    [
        frame(PING, 0, 0, bytes(8)),
        frame(PING, ACK, 0, bytes(8)),
        frame(SETTINGS, 0, 0, b""),
        frame(SETTINGS, ACK, 0, b""),
        frame(DATA, 0, 1, b""),
        frame(DATA, PADDED, 1, b"\x01\x00"),
        frame(PRIORITY, 0, 1, bytes(5)),
        frame(0x77, 0, 0, b""),
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),
        frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1"),
        frame(HEADERS, END_HEADERS, 1, b"\x20" + literal(b":status", b"103")),
        frame(GOAWAY, 0, 0, b"\0\0\0\x01" + bytes(4)),
    ],
)
def test_a_flood_ends_the_connection_with_little_kept(idle):
    line = Line()
    line.open()
    assert fault(line, idle * 5000) is ErrorCode.ENHANCE_YOUR_CALM
    assert len(line.connection.take_output()) < 50_000


def test_a_flood_on_a_closed_stream_ends_the_connection():
    line = Line()
    line.connection.reset(line.open())
    reset = frame(RST_STREAM, 0, 1, bytes(4))
    assert fault(line, reset * 5000) is ErrorCode.ENHANCE_YOUR_CALM


def test_a_header_block_without_end_ends_the_connection():
    line = Line()
    line.open()
    more = frame(CONTINUATION, 0, 1, bytes(16_384))
    with pytest.raises(ConnectionFault, match="without end"):
        line.receive(frame(HEADERS, 0, 1, OK), more * 100)


def test_empty_continuations_end_the_connection():
    line = Line()
    line.open()
    nothing = frame(CONTINUATION, 0, 1, b"")
    assert fault(line, frame(HEADERS, 0, 1, OK), nothing * 5000) is ErrorCode.ENHANCE_YOUR_CALM


def test_a_server_that_pings_now_and_then_is_no_flood():
    line = Line()
    for _ in range(5000):
        line.clock.advance(1.0)
        line.receive(frame(PING, 0, 0, bytes(8)))
        line.output()


def test_a_busy_server_may_ping_and_open_windows():
    line = Line()
    for _ in range(3000):
        stream = line.open()
        idle = frame(PING, 0, 0, bytes(8)) + frames.window_frame(0, 9) + frames.window_frame(0, 9)
        line.receive(idle, answer(stream.id))
        line.output()


def test_answers_that_are_not_read_end_the_connection():
    line = Line()
    line.open()
    for _ in range(500):
        line.receive(frame(DATA, 0, 1, b"x"), frame(PING, 0, 0, bytes(8)))
    more = (frame(DATA, 0, 1, b"x") + frame(PING, 0, 0, bytes(8))) * 600
    with pytest.raises(ConnectionFault, match="not read"):
        line.receive(more)


# --- anything


KINDS = st.integers(0, 11)
STREAMS = st.sampled_from([0, 1, 2, 3, 5, 7])
PAYLOADS = st.one_of(st.binary(max_size=40), st.sampled_from([OK, TRAILERS, b"", bytes(8)]))
FRAMES = st.builds(frame, KINDS, st.integers(0, 255), STREAMS, PAYLOADS)


@given(st.lists(st.one_of(FRAMES, st.binary(max_size=20)), max_size=20), st.integers(1, 50))
def test_any_bytes_are_taken_or_a_fault(parts, cut):
    whole, pieces = Line(), Line()
    ours = [whole.open(), whole.open()]
    theirs = [pieces.open(), pieces.open()]
    data = b"".join(parts)
    ends = [end_of(whole, [data]), end_of(pieces, chunks(data, cut))]
    assert ends[0] == ends[1]
    assert [stream.events for stream in ours] == [stream.events for stream in theirs]


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def end_of(line: Line, parts: list[bytes]) -> str:
    try:
        for part in parts:
            line.receive(part)
    except ConnectionFault as caught:
        return str(caught)
    return "open"
