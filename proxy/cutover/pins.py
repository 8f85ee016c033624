"""Pins: for a while after a write, the side that answered it answers its sticky key again.

Data written on one side reaches the other late; a client that was drawn to the other side, as by
a raised percent, would not find what it has just written. Belongs here: the table of pins.
Does not: whose buffer it is in, and which answers are worth a pin (`exchange`).
"""

from hashlib import blake2b
from typing import Final

from proxy.cutover.stages import Side

#: The longest time to live, in seconds. Data that takes more than a day to get to the other side
#: needs a stage, not a pin; and a word from before a clock began anew is dead after as much.
MAX_TTL_S: Final = 86_400

#: Words that a key may be in; a look-up reads half a cache line. A table that gets a quarter as
#: many living pins as it has words loses one in 230 of them early, one that gets half as many,
#: one in 27 (the tail of a Poisson distribution above four).
WAYS: Final = 4

_WORD_BYTES: Final = 8

#: Bytes of a set: the least that a table has, and what a table is a multiple of.
SET_BYTES: Final = WAYS * _WORD_BYTES

#: Bytes of a table unless told otherwise, 1 MiB: a quarter of its words are 32,768 pins, those of
#: 1,000 clients who write for the first time in each second when a pin is held for 30 s.
DEFAULT_BYTES: Final = 131_072 * _WORD_BYTES

_PREFIX: Final = "cutover-pin-1\0"

# A word: 31 bits of tag, a bit of side, 32 bits of expiry in whole seconds of the clock.
_EXPIRY_MASK: Final = 0xFFFF_FFFF
_GRPC_BIT: Final = 1 << 32
_TAG_SHIFT: Final = 33
_TAG_BITS: Final = 31
_TAG_MASK: Final = (1 << _TAG_BITS) - 1

_LEGACY: Final = Side.LEGACY
_GRPC: Final = Side.GRPC


class Pins:
    """A table of pins in one *buffer*, which processes may share (an anonymous or a file's mmap).

    Bounded by construction: a key's hash names a set of four words, and a pin that finds them all
    alive takes the place of the one that would end first. A word is written by one aligned store
    of eight bytes, and tag, side and expiry are all in it, so another process reads the old pin or
    the new one. Two processes that pin in one set at once may lose one of the two pins. Nothing
    else is lost, and nothing waits.

    A key is known by its set and 31 bits of tag. A look-up of a key that is not pinned finds the
    pin of another with a probability of at most 4 / 2^31, about 2 * 10^-9, when all words of the
    set are alive; what it then gets is a side that is good for a route in canary.

    Times are of one monotonic clock that all processes share. Its seconds are kept modulo 2^32,
    136 years, and compared as serial numbers (RFC 1982): whatever the clock began with, a word
    counts when it ends within the next `MAX_TTL_S`. So a word that a file kept over a restart of
    the machine, and so of the clock, counts for that long at most, and is a pin that once held.

    Raises `ValueError` for a buffer that is read-only or no whole number of sets.
    """

    __slots__ = ("_sets", "_words")

    def __init__(self, buffer: memoryview) -> None:
        if buffer.readonly:
            raise ValueError("pins need a buffer that can be written to")
        if not buffer.nbytes or buffer.nbytes % SET_BYTES:
            raise ValueError(f"{buffer.nbytes} bytes are no whole number of sets of {SET_BYTES}")
        self._words = buffer.cast("B").cast("Q")
        self._sets = buffer.nbytes // SET_BYTES

    def __repr__(self) -> str:
        return f"<Pins in {self._sets} sets of {WAYS}>"

    def pin(self, group: str, key: str, side: Side, now_s: float, ttl_s: float) -> bool:
        """Keep *key* of *group* on *side* for *ttl_s* seconds, up to one second longer.

        The last pin of a key is the one that holds. Gives whether a living pin of another key had
        to make room. Raises `ValueError` for a *ttl_s* that is not above 0 and at most
        `MAX_TTL_S`, and for a *side* that answers no writes.
        """
        if not 0 < ttl_s <= MAX_TTL_S:
            raise ValueError(f"a pin of {ttl_s} seconds is not above 0 and at most {MAX_TTL_S}")
        if side is not _GRPC and side is not _LEGACY:
            raise ValueError(f"nothing can be pinned to the side {side.value}")
        first, tag = self._place(group, key)
        words = self._words[first : first + WAYS].tolist()
        way = _room(words, tag, int(now_s))
        expiry = (int(now_s + ttl_s) + 1) & _EXPIRY_MASK
        side_bit = _GRPC_BIT if side is _GRPC else 0
        self._words[first + way] = tag << _TAG_SHIFT | side_bit | expiry
        for other in range(WAYS):
            # Two processes that pinned one key at once may have put it in two places.
            if other != way and words[other] >> _TAG_SHIFT == tag:
                self._words[first + other] = 0
        return words[way] >> _TAG_SHIFT != tag and _left_s(words[way], int(now_s)) > 0

    def side_of(self, group: str, key: str, now_s: float) -> Side | None:
        """The side that *key* of *group* is pinned to, None when it is not, or no longer."""
        first, tag = self._place(group, key)
        longest_s, side = 0, None
        for word in self._words[first : first + WAYS].tolist():
            if word >> _TAG_SHIFT == tag:
                left_s = _left_s(word, int(now_s))
                if left_s > longest_s:
                    longest_s, side = left_s, _GRPC if word & _GRPC_BIT else _LEGACY
        return side

    def release(self) -> None:
        """Let go of the buffer, so that an mmap can be closed; no other method works after it."""
        self._words.release()

    def _place(self, group: str, key: str) -> tuple[int, int]:
        """The first word of the set of a key, and its tag."""
        text = f"{_PREFIX}{group}\0{key}".encode("utf-8", "surrogateescape")
        number = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
        return (number >> _TAG_BITS) % self._sets * WAYS, number & _TAG_MASK


def _left_s(word: int, now: int) -> int:
    """The seconds that *word* counts from *now* on; 0 when it is empty or has ended."""
    left_s = ((word & _EXPIRY_MASK) - now) & _EXPIRY_MASK
    return left_s if word and left_s <= MAX_TTL_S + 1 else 0


def _room(words: list[int], tag: int, now: int) -> int:
    """Which of *words* a pin goes to: where it is already, else the one that ends first."""
    for way, word in enumerate(words):
        if word >> _TAG_SHIFT == tag:
            return way
    return min(range(WAYS), key=lambda way: _left_s(words[way], now))
