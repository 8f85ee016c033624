"""Header compression (RFC 7541): reading whole blocks, and writing literals.

Belongs here: bytes to name and value pairs, and back. Does not: what a header means (`heads`).

We ask peers for a dynamic table of no size, and then need no state to read what they send. Not
all obey, and none does before it has read our settings, so the reader keeps the table.
"""

from collections import deque
from typing import Final

from proxy.upstreams.h2.huffman import LONGEST_BITS, decode_huffman

#: What an entry counts beside its bytes, in the table and in the size of a header list.
ENTRY_OVERHEAD: Final = 32
#: The size that the dynamic table has before any setting: the largest that a peer may use.
_LARGEST_TABLE: Final = 4096
#: No number in a header block needs more; longer ones are an attack.
_LONGEST_NUMBER: Final = 5

#: Begins our first block: we use no dynamic table. A peer that allows less than the default of
#: 4096 bytes must be told that we keep to it (RFC 9113 §4.3.1), and strict ones insist.
NO_TABLE: Final = b"\x20"

_STATUSES: Final = (b"200", b"204", b"206", b"304", b"400", b"404", b"500")
_NAMES: Final = (
    *(b"accept-charset", b"accept-encoding", b"accept-language", b"accept-ranges", b"accept"),
    *(b"access-control-allow-origin", b"age", b"allow", b"authorization", b"cache-control"),
    *(b"content-disposition", b"content-encoding", b"content-language", b"content-length"),
    *(b"content-location", b"content-range", b"content-type", b"cookie", b"date", b"etag"),
    *(b"expect", b"expires", b"from", b"host", b"if-match", b"if-modified-since"),
    *(b"if-none-match", b"if-range", b"if-unmodified-since", b"last-modified", b"link"),
    *(b"location", b"max-forwards", b"proxy-authenticate", b"proxy-authorization", b"range"),
    *(b"referer", b"refresh", b"retry-after", b"server", b"set-cookie"),
    *(b"strict-transport-security", b"transfer-encoding", b"user-agent", b"vary", b"via"),
    b"www-authenticate",
)

Field = tuple[bytes, bytes]

#: RFC 7541 Appendix A; indexes begin at 1.
STATIC_TABLE: Final[tuple[Field, ...]] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    *((b":status", status) for status in _STATUSES),
    *((name, b"gzip, deflate" if name == b"accept-encoding" else b"") for name in _NAMES),
)


class HpackError(ValueError):
    """A header block that cannot be read. Nothing after it on the connection can."""


class HeadersTooLarge(Exception):
    """A header block holds more than the limit. *in_step* says whether others can still be read."""

    def __init__(self, *, in_step: bool) -> None:
        super().__init__("headers too large")
        self.in_step = in_step


class HpackDecoder:
    """Reads the header blocks of one connection, in order. *limit* bounds a list's size."""

    __slots__ = ("_entries", "_limit", "_size", "capacity")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: deque[Field] = deque()
        self._size = 0
        #: The size of the dynamic table that the peer has chosen, in bytes. With 0, a block's
        #: meaning depends on nothing but its bytes.
        self.capacity = _LARGEST_TABLE

    def __repr__(self) -> str:
        return f"<HpackDecoder {len(self._entries)} entries, {self._size}/{self.capacity} bytes>"

    def decode(self, block: bytes) -> list[Field]:
        """The fields of a whole block. Raises `HpackError` and `HeadersTooLarge`."""
        try:
            return self._fields(block)
        except IndexError:
            raise HpackError("a header block that ends too early") from None

    def _fields(self, block: bytes) -> list[Field]:
        fields: list[Field] = []
        position = self._resized(block)
        room = self._limit
        while position < len(block):
            field, position = self._field(block, position, room)
            room -= len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
            if room < 0:
                raise self._too_large()
            fields.append(field)
        return fields

    def _too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(in_step=self.capacity == 0)

    def _resized(self, block: bytes) -> int:
        """Read the changes of size that may begin a block; returns where the fields begin."""
        position = 0
        while position < len(block) and block[position] & 0xE0 == 0x20:
            size, position = _read_number(block, position, 5)
            if size > _LARGEST_TABLE:
                raise HpackError("a dynamic table larger than any that was allowed")
            self.capacity = size
            self._evict()
        return position

    def _field(self, block: bytes, position: int, room: int) -> tuple[Field, int]:
        first = block[position]
        if first & 0x80:
            index, position = _read_number(block, position, 7)
            return self._entry(index), position
        if first & 0xE0 == 0x20:
            raise HpackError("a change of the table's size after a field")
        is_kept = first & 0x40
        index, position = _read_number(block, position, 6 if is_kept else 4)
        if index:
            name = self._entry(index)[0]
        else:
            name, position = self._string(block, position, room)
        value, position = self._string(block, position, room)
        if is_kept:
            self._keep((name, value))
        return (name, value), position

    def _entry(self, index: int) -> Field:
        if 0 < index <= len(STATIC_TABLE):
            return STATIC_TABLE[index - 1]
        inner = index - len(STATIC_TABLE) - 1
        if not 0 <= inner < len(self._entries):
            raise HpackError(f"there is no header {index}")
        return self._entries[inner]

    def _string(self, block: bytes, position: int, room: int) -> tuple[bytes, int]:
        is_huffman = block[position] & 0x80
        length, start = _read_number(block, position, 7)
        end = start + length
        if end > len(block):
            raise HpackError("a header that is longer than its block")
        # Said before decoding: what is refused must not cost anything.
        if (length * 8 // LONGEST_BITS if is_huffman else length) > room:
            raise self._too_large()
        raw = block[start:end]
        if not is_huffman:
            return raw, end
        try:
            return decode_huffman(raw), end
        except ValueError as error:
            raise HpackError(str(error)) from error

    def _keep(self, field: Field) -> None:
        self._entries.appendleft(field)
        self._size += _entry_size(field)
        self._evict()

    def _evict(self) -> None:
        while self._size > self.capacity:
            self._size -= _entry_size(self._entries.pop())


def _entry_size(field: Field) -> int:
    return len(field[0]) + len(field[1]) + ENTRY_OVERHEAD


def _read_number(block: bytes, position: int, bits: int) -> tuple[int, int]:
    """A number whose first byte has *bits* for it (RFC 7541 §5.1), and where it ends."""
    mask = (1 << bits) - 1
    number = block[position] & mask
    position += 1
    if number < mask:
        return number, position
    for count in range(_LONGEST_NUMBER):
        byte = block[position]
        position += 1
        number += (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            return number, position
    raise HpackError("a number that is too long")


def number_bytes(number: int, bits: int, first: int = 0) -> bytes:
    """A number whose first byte has *bits* for it and the other bits of *first*.

    >>> number_bytes(1337, 5).hex(" ")
    '1f 9a 0a'
    """
    mask = (1 << bits) - 1
    if number < mask:
        return bytes((first | number,))
    out = bytearray((first | mask,))
    number -= mask
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(out)


def string_bytes(text: bytes) -> bytes:
    """A string as it is, without Huffman code: it costs us more than it saves."""
    return number_bytes(len(text), 7) + text


def literal(name: bytes, value: bytes, *, secret: bool = False) -> bytes:
    r"""A field that enters no table. No hop on the way may index a *secret* one either.

    >>> literal(b"te", b"trailers")
    b'\x00\x02te\x08trailers'
    """
    return (b"\x10" if secret else b"\x00") + string_bytes(name) + string_bytes(value)


def indexed(field: Field) -> bytes:
    """A field of the static table.

    >>> indexed((b":method", b"POST")).hex()
    '83'
    """
    return number_bytes(STATIC_TABLE.index(field) + 1, 7, 0x80)
