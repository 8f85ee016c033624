"""gRPC messages within DATA: five bytes before each, and compression.

Belongs here: bytes to messages and back. Does not: frames, windows and calls.
"""

import zlib
from struct import Struct
from typing import Final

from proxy.status import Code

#: Whether the message is compressed, and its length.
_PREFIX: Final = Struct(">BL")
PREFIX_SIZE: Final = 5

#: `wbits` of zlib for each encoding that we accept.
_INFLATERS: Final = {"gzip": 31, "deflate": 15}


class MessageFault(Exception):
    """An answer that is no sequence of messages, or has one that we do not take."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


class Packed(bytes):
    """A message that is still compressed."""

    __slots__ = ()


def prefixed(message: bytes) -> bytes:
    """A message as it is sent: never compressed.

    >>> prefixed(b"abc").hex(" ")
    '00 00 00 00 03 61 62 63'
    """
    return _PREFIX.pack(0, len(message)) + message


class Messages:
    """Puts the messages of one answer together. *limit* bounds each, in bytes."""

    __slots__ = ("_chunks", "_limit", "_needed", "_size", "encoding")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[bytes] = []
        self._size = 0
        #: Bytes until there is something to read: a prefix, or a prefix and its message.
        self._needed = PREFIX_SIZE
        #: How compressed messages are compressed, by the answer's head.
        self.encoding = ""

    def __repr__(self) -> str:
        return f"<Messages {self._size}/{self._needed} bytes>"

    @property
    def size(self) -> int:
        """Bytes of a message that is not whole yet."""
        return self._size

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, give the messages that they complete. Raises `MessageFault`.

        Compressed ones stay so until `opened`: while they wait for a reader, they take the room
        that their window gave them, and not a thousand times as much.
        """
        if not self._size and len(data) >= PREFIX_SIZE:
            flag, length = _PREFIX.unpack_from(data)
            # By far the most frequent: one message, whole and plain.
            if flag == 0 and length == len(data) - PREFIX_SIZE <= self._limit:
                return [data[PREFIX_SIZE:]]
        self._chunks.append(data)
        self._size += len(data)
        return self._take() if self._size >= self._needed else []

    def _take(self) -> list[bytes]:
        found: list[bytes] = []
        data = b"".join(self._chunks) if len(self._chunks) > 1 else self._chunks[0]
        position = 0
        while True:
            end = self._end(data, position)
            if end > len(data):
                break
            found.append(self._message(data, position, end))
            position = end
        self._needed = end - position
        self._size = len(data) - position
        self._chunks = [data[position:]] if self._size else []
        return found

    def _end(self, data: bytes, position: int) -> int:
        """Where the message at *position* ends, or its prefix when not even that is here."""
        if len(data) - position < PREFIX_SIZE:
            return position + PREFIX_SIZE
        flag, length = _PREFIX.unpack_from(data, position)
        if flag > 1:
            raise MessageFault(Code.INTERNAL, f"a message with the unknown flag {flag}")
        if length > self._limit:
            raise too_large(length, self._limit)
        return position + PREFIX_SIZE + int(length)

    def _message(self, data: bytes, start: int, end: int) -> bytes:
        message = data[start + PREFIX_SIZE : end]
        return Packed(message) if data[start] else message

    def opened(self, message: bytes) -> bytes:
        """A message of `feed`, inflated if it has to be. Raises `MessageFault`."""
        if type(message) is not Packed:
            return message
        return inflate(message, self.encoding, self._limit)


def too_large(size: int, limit: int) -> MessageFault:
    """The fault of a message above the limit, in the words of grpc core."""
    text = f"CLIENT: Received message larger than max ({size} vs. {limit})"
    return MessageFault(Code.RESOURCE_EXHAUSTED, text)


def inflate(data: bytes, encoding: str, limit: int) -> bytes:
    """The message that was compressed. Raises `MessageFault`; makes no more than *limit* bytes."""
    bits = _INFLATERS.get(encoding)
    if bits is None:
        raise MessageFault(Code.INTERNAL, "a message compressed in a way that was not asked for")
    inflater = zlib.decompressobj(bits)
    try:
        message = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise MessageFault(Code.INTERNAL, f"a message that cannot be inflated: {error}") from error
    if len(message) > limit:
        raise too_large(len(message), limit)
    if not inflater.eof or inflater.unused_data:
        raise MessageFault(Code.INTERNAL, "a compressed message that is not whole")
    return message
