"""The Huffman code of HPACK (RFC 7541 §5.2 and Appendix B), for reading only.

The code is canonical, so the lengths are all there is to know: among codes of one length, those
of smaller symbols come first. Four bits are read at a step.
"""

from typing import Final

#: The length in bits of the code of every byte, and of the end of string at last.
_LENGTHS: Final[tuple[int, ...]] = (
    *(13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28),
    *(28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28),
    *(6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6),
    *(5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10),
    *(13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7),
    *(7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6),
    *(15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5),
    *(6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28),
    *(20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23),
    *(24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24),
    *(22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23),
    *(21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23),
    *(26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25),
    *(19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27),
    *(20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23),
    *(26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26),
    30,
)
_END_OF_STRING: Final = 256
#: Shorter codes are more frequent; a byte of code holds at most 8/5 characters.
SHORTEST_BITS: Final = 5
LONGEST_BITS: Final = 30

#: From a place in the code tree by four bits: the next place, and the bytes that came out.
_Step = tuple[int, bytes]


def _codes() -> dict[int, int]:
    """The symbol of every code; a code is written with a 1 before its bits."""
    codes: dict[int, int] = {}
    code = bits = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(_LENGTHS)):
        code <<= length - bits
        bits = length
        codes[1 << bits | code] = symbol
        code += 1
    return codes


def _places(codes: dict[int, int]) -> list[int]:
    """Every place inside the tree: the proper beginnings of all codes, the root first."""
    found = {1}
    for code in codes:
        place = code >> 1
        while place not in found:
            found.add(place)
            place >>= 1
    return sorted(found)


def _step(place: int, nibble: int, codes: dict[int, int]) -> tuple[int, bytes] | None:
    """Where four bits lead; None when they end the string, which no string may hold."""
    out = bytearray()
    for shift in (3, 2, 1, 0):
        place = place << 1 | nibble >> shift & 1
        symbol = codes.get(place)
        if symbol == _END_OF_STRING:
            return None
        if symbol is not None:
            out.append(symbol)
            place = 1
    return place, bytes(out)


def _table() -> tuple[tuple[tuple[_Step | None, ...], ...], frozenset[int]]:
    codes = _codes()
    places = _places(codes)
    numbers = {place: number for number, place in enumerate(places)}
    steps = (
        tuple(
            None if step is None else (numbers[step[0]], step[1])
            for step in (_step(place, nibble, codes) for nibble in range(16))
        )
        for place in places
    )
    # A string ends within a code whose bits are all 1, at most seven of them.
    ends = frozenset(numbers[place] for place in ((1 << n + 1) - 1 for n in range(8)))
    return tuple(steps), ends


_STEPS, _ENDS = _table()


def decode_huffman(data: bytes) -> bytes:
    """The string that *data* encodes. Raises `ValueError`.

    >>> decode_huffman(bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff"))
    b'www.example.com'
    """
    place = 0
    out: list[bytes] = []
    for byte in data:
        for nibble in (byte >> 4, byte & 15):
            step = _STEPS[place][nibble]
            if step is None:
                raise ValueError("a Huffman string with an end inside")
            place = step[0]
            if step[1]:
                out.append(step[1])
    if place not in _ENDS:
        raise ValueError("a Huffman string with wrong padding")
    return b"".join(out)
