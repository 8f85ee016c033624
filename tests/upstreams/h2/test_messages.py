"""Messages within DATA."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.status import Code
from proxy.upstreams.h2.messages import MessageFault, Messages, inflate, prefixed


@given(st.lists(st.binary(max_size=50), max_size=6), st.lists(st.integers(1, 30), max_size=60))
def test_messages_are_found_however_they_are_cut(messages, cuts):
    data = b"".join(map(prefixed, messages))
    reader, found = Messages(1000), []
    for cut in cuts:
        if data[:cut]:
            found += reader.feed(data[:cut])
        data = data[cut:]
    if data:
        found += reader.feed(data)
    assert found == messages
    assert reader.size == 0


def test_a_message_that_is_not_whole_has_a_size():
    reader = Messages(1000)
    assert reader.feed(prefixed(b"abc") + prefixed(b"abc")[:-1]) == [b"abc"]
    assert reader.size == 7
    assert repr(reader) == "<Messages 7/8 bytes>"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_message_is_inflated(encoding):
    compressed = gzip.compress(b"abc") if encoding == "gzip" else zlib.compress(b"abc")
    reader = Messages(1000)
    reader.encoding = encoding
    found = reader.feed(b"\x01" + prefixed(compressed)[1:] + prefixed(b"plain"))
    assert found == [compressed, b"plain"]
    assert [reader.opened(message) for message in found] == [b"abc", b"plain"]


def fault(data: bytes, encoding: str = "gzip") -> MessageFault:
    reader = Messages(1000)
    reader.encoding = encoding
    with pytest.raises(MessageFault) as caught:
        [reader.opened(message) for message in reader.feed(data)]
    return caught.value


def compressed(data: bytes) -> bytes:
    return b"\x01" + prefixed(data)[1:]


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (prefixed(b"x" * 1001), Code.RESOURCE_EXHAUSTED, "larger than max (1001 vs. 1000)"),
        (b"\0\xff\xff\xff\xff", Code.RESOURCE_EXHAUSTED, "larger than max (4294967295 vs. 1000)"),
        (
            compressed(gzip.compress(bytes(10**7), mtime=0)),
            Code.RESOURCE_EXHAUSTED,
            "larger than max",
        ),
        (b"\2\0\0\0\0", Code.INTERNAL, "unknown flag 2"),
        (compressed(b"junk"), Code.INTERNAL, "cannot be inflated"),
        (compressed(b""), Code.INTERNAL, "not whole"),
        (compressed(gzip.compress(b"abc", mtime=0)[:-1]), Code.INTERNAL, "not whole"),
        (compressed(gzip.compress(b"abc", mtime=0) + b"x"), Code.INTERNAL, "not whole"),
    ],
    # Compressed bytes are not the same with every zlib.
    ids=["long", "longest", "bomb", "flag", "junk", "nothing", "cut", "more"],
)
def test_a_message_that_is_not_taken_says_why(data, code, text):
    error = fault(data)
    assert error.code is code
    assert text in str(error)


@pytest.mark.parametrize("encoding", ["", "identity", "br"])
def test_a_message_compressed_in_an_unknown_way_is_not_taken(encoding):
    assert fault(compressed(b"abc"), encoding).code is Code.INTERNAL


def test_a_message_of_just_the_limit_is_taken():
    assert Messages(1000).feed(prefixed(bytes(1000))) == [bytes(1000)]
    assert inflate(gzip.compress(bytes(1000)), "gzip", 1000) == bytes(1000)
