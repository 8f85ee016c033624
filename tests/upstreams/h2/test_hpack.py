"""Header compression, with the `hpack` package as the other opinion."""

import hpack
import pytest
from hpack.huffman_table import decode_huffman as their_decode
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstreams.h2.hpack import (
    STATIC_TABLE,
    HeadersTooLarge,
    HpackDecoder,
    HpackError,
    literal,
    number_bytes,
)
from proxy.upstreams.h2.huffman import decode_huffman

NAMES = st.sampled_from([b":status", b"content-type", b"grpc-status", b"x-a", b"x-b-bin", b"te"])
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=40)), max_size=8)


def block(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts))


def encoder() -> hpack.Encoder:
    return hpack.Encoder()


def test_the_static_table_is_the_one_of_the_rfc():
    assert STATIC_TABLE == HeaderTable.STATIC_TABLE


@given(st.binary(max_size=200))
def test_what_others_encode_is_read(data):
    coder = encoder().huffman_coder
    assert decode_huffman(coder.encode(data)) == data


@given(st.binary(max_size=40))
def test_strings_are_read_or_refused_like_others_do(data):
    try:
        theirs = their_decode(data)
    except hpack.HPACKDecodingError:
        theirs = None
    try:
        ours = decode_huffman(data)
    except ValueError:
        ours = None
    assert ours == theirs


@given(st.lists(FIELDS, min_size=1, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_peer_that_uses_its_table_is_read(blocks, huffman):
    theirs, ours = encoder(), HpackDecoder(1 << 20)
    for fields, packed in zip(blocks, huffman, strict=False):
        assert ours.decode(theirs.encode(fields, huffman=packed)) == fields


@given(st.lists(FIELDS, min_size=1, max_size=6), st.integers(0, 4096))
def test_a_peer_that_resizes_its_table_is_read(blocks, size):
    theirs, ours = encoder(), HpackDecoder(1 << 20)
    for number, fields in enumerate(blocks):
        if number == 1:
            theirs.header_table_size = size
        assert ours.decode(theirs.encode(fields)) == fields
    assert ours.capacity == (size if len(blocks) > 1 else 4096)


@given(st.binary(max_size=60))
def test_any_block_is_read_or_refused(data):
    try:
        fields = HpackDecoder(1000).decode(data)
    except (HpackError, HeadersTooLarge):
        return
    assert sum(len(name) + len(value) + 32 for name, value in fields) <= 1000


@given(st.binary(max_size=40), st.binary(max_size=300), st.booleans())
def test_literals_are_read_by_others(name, value, secret):
    written = literal(b"x" + name, value, secret=secret)
    (field,) = hpack.Decoder().decode(written, raw=True)
    assert field == (b"x" + name, value)
    assert isinstance(field, hpack.NeverIndexedHeaderTuple) is secret


@pytest.mark.parametrize(
    "bad",
    [
        "80",  # index 0
        "c6",  # beyond the static table, with nothing in the dynamic one
        "40",  # a name that is missing
        "000161",  # a value that is missing
        "00016105",  # a value that is longer than the block
        "823f00",  # a change of size after a field
        "3fe2ff7f",  # a table above the limit
        "ffffffffffffff",  # a number without end
        "0001618141",  # a Huffman string with wrong padding
        "00016184ffffffff",  # a Huffman string with the end of string inside
        "7f",  # a number that is cut off
    ],
)
def test_a_broken_block_is_refused(bad):
    with pytest.raises(HpackError):
        HpackDecoder(1000).decode(block(bad))


def test_a_list_above_the_limit_is_refused_and_others_can_be_read_without_a_table():
    decoder = HpackDecoder(100)
    decoder.decode(b"\x20")
    with pytest.raises(HeadersTooLarge) as caught:
        decoder.decode(literal(b"a", b"x" * 40) * 2)
    assert caught.value.in_step
    assert decoder.decode(literal(b"a", b"x" * 40)) == [(b"a", b"x" * 40)]


def test_a_list_above_the_limit_leaves_a_table_out_of_step():
    with pytest.raises(HeadersTooLarge) as caught:
        HpackDecoder(100).decode(literal(b"a", b"x" * 70))
    assert not caught.value.in_step


def test_a_small_block_cannot_become_a_large_list():
    """One byte for each copy of a large entry: what is known as a header bomb."""
    decoder = HpackDecoder(16_384)
    decoder.decode(b"\x40" + literal(b"a", b"x" * 3000)[1:])
    with pytest.raises(HeadersTooLarge):
        decoder.decode(b"\xbe" * 16_000)


def test_an_entry_larger_than_the_table_empties_it():
    decoder = HpackDecoder(1 << 20)
    decoder.decode(b"\x40" + literal(b"a", b"b")[1:])
    assert "1 entries" in repr(decoder)
    decoder.decode(b"\x40" + literal(b"a", b"x" * 5000)[1:])
    assert repr(decoder) == "<HpackDecoder 0 entries, 0/4096 bytes>"


@given(st.integers(0, 1 << 34), st.integers(1, 8))
def test_numbers_are_written_as_others_write_them(number, bits):
    assert number_bytes(number, bits) == hpack.hpack.encode_integer(number, bits)
