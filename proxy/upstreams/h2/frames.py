"""The frames of HTTP/2 (RFC 9113 §4, §6): their numbers, their head, and how ours are written.

Belongs here: the layout of bytes. Does not: what a frame does to a connection (`connection`).
"""

from collections.abc import Iterable
from enum import IntEnum
from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: Length (24 bits, in two parts), type, flags, stream.
HEAD: Final = Struct(">HBBBL")
HEAD_SIZE: Final = 9
#: The highest bit of a stream's number is reserved.
STREAM_MASK: Final = 0x7FFF_FFFF
LARGEST_STREAM: Final = 0x7FFF_FFFF
LARGEST_WINDOW: Final = 0x7FFF_FFFF
#: What every peer takes and what we take: we never ask for more.
FRAME_SIZE: Final = 16_384
DEFAULT_WINDOW: Final = 65_535
PRIORITY_SIZE: Final = 5
PING_SIZE: Final = 8

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITIZED: Final = 0x20

HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6

_SETTING: Final = Struct(">HL")
_NUMBER: Final = Struct(">L")
_TWO_NUMBERS: Final = Struct(">LL")


class ErrorCode(IntEnum):
    """Why a stream or a connection was ended (RFC 9113 §7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


_NAMES: Final = {int(code): code.name for code in ErrorCode}


def error_name(code: int) -> str:
    """The name of an error code, or its number.

    >>> error_name(8), error_name(99)
    ('CANCEL', '99')
    """
    return _NAMES.get(code, str(code))


class ConnectionFault(Exception):
    """The peer broke the protocol so that the connection cannot go on."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame_head(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The nine bytes before a payload of *length* bytes."""
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A whole frame.

    >>> frame(PING, ACK, 0, b"12345678").hex(" ")
    '00 00 08 06 01 00 00 00 00 31 32 33 34 35 36 37 38'
    """
    return frame_head(len(payload), kind, flags, stream_id) + payload


def settings_frame(settings: Iterable[tuple[int, int]]) -> bytes:
    """A SETTINGS frame of setting and value pairs."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*pair) for pair in settings))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The pairs of a SETTINGS frame. Raises `ConnectionFault`."""
    if len(payload) % _SETTING.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of a broken length")
    return list(_SETTING.iter_unpack(payload))


def header_frames(stream_id: int, block: bytes, *, flags: int = 0) -> bytes:
    """HEADERS with *block*, and CONTINUATION for what is above the frame size."""
    if len(block) <= FRAME_SIZE:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    frames = [frame(HEADERS, flags, stream_id, block[:FRAME_SIZE])]
    for start in range(FRAME_SIZE, len(block), FRAME_SIZE):
        last = END_HEADERS if start + FRAME_SIZE >= len(block) else 0
        frames.append(frame(CONTINUATION, last, stream_id, block[start : start + FRAME_SIZE]))
    return b"".join(frames)


def reset_frame(stream_id: int, code: int) -> bytes:
    """RST_STREAM."""
    return frame(RST_STREAM, 0, stream_id, _NUMBER.pack(code))


def window_frame(stream_id: int, increment: int) -> bytes:
    """WINDOW_UPDATE; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, _NUMBER.pack(increment))


def goaway_frame(code: int, text: bytes = b"") -> bytes:
    """GOAWAY of a client, which never has had a stream opened to it."""
    return frame(GOAWAY, 0, 0, _TWO_NUMBERS.pack(0, code) + text)


def read_number(payload: bytes) -> int:
    """The one number of RST_STREAM and WINDOW_UPDATE. Raises `ConnectionFault`."""
    if len(payload) != _NUMBER.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of a broken length")
    number: int = _NUMBER.unpack(payload)[0]
    return number


def read_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """Last stream, error code and text of a GOAWAY. Raises `ConnectionFault`."""
    if len(payload) < _TWO_NUMBERS.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a GOAWAY of a broken length")
    last, code = _TWO_NUMBERS.unpack_from(payload)
    return last & STREAM_MASK, code, payload[_TWO_NUMBERS.size :]


def without_padding(flags: int, payload: bytes) -> bytes:
    r"""The payload of DATA or HEADERS without its padding. Raises `ConnectionFault`.

    >>> without_padding(PADDED, b"\x02abc\0\0")
    b'abc'
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]
