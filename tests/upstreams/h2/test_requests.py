"""The headers of calls."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstreams.h2.requests import Refused, RequestHeads


def decoded(block: bytes) -> list[tuple[bytes, bytes]]:
    return [tuple(field) for field in hpack.Decoder().decode(block, raw=True)]


def heads() -> RequestHeads:
    return RequestHeads("http", "dns:50051")


def test_a_call_has_the_headers_of_grpc():
    fields = decoded(heads().of("/t.T/echo", ()).block)
    assert fields[:4] == [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/t.T/echo"),
        (b":authority", b"dns:50051"),
    ]
    assert (b"te", b"trailers") in fields
    assert (b"content-type", b"application/grpc") in fields
    assert dict(decoded(RequestHeads("https", "a").of("/a", ()).block))[b":scheme"] == b"https"


def test_metadata_keep_their_order_and_no_hop_may_index_them():
    metadata = (("a", "1"), ("b-bin", b"\x00\xff"), ("a", "2"), ("empty", ""), ("c", " x "))
    block = heads().of("/a", metadata).block
    fields = hpack.Decoder().decode(block, raw=True)[-5:]
    assert [tuple(field) for field in fields] == [
        (b"a", b"1"),
        (b"b-bin", b"AP8"),
        (b"a", b"2"),
        (b"empty", b""),
        (b"c", b"x"),
    ]
    assert all(isinstance(field, hpack.NeverIndexedHeaderTuple) for field in fields)


@given(st.lists(st.tuples(st.from_regex(r"[a-z0-9_.-]{1,200}", fullmatch=True), st.binary())))
def test_the_size_is_that_of_the_list(pairs):
    metadata = tuple((f"{name}-bin", value) for name, value in pairs)
    made = heads()
    head = made.of("/a", metadata)
    listed = decoded(head.block + made.timeout(99_999.0))
    exact = sum(len(name) + len(value) + 32 for name, value in listed)
    assert 0 <= head.size - exact < 10


@pytest.mark.parametrize(
    "name", ["te", "content-type", "user-agent", "host", "connection", "grpc-timeout"]
)
def test_names_of_the_transport_are_left_out(name):
    made = heads()
    assert made.of("/a", ((name, "x"),)).block == made.of("/a", ()).block


@pytest.mark.parametrize(
    "metadata",
    [
        (("Upper", "x"),),
        ((":path", "x"),),
        (("", "x"),),
        (("sp ace", "x"),),
        (("x", "line\nbreak"),),
        (("x", "é"),),
        (("x", "\udcff"),),
        (("x", "\x7f"),),
        (("é", "x"),),
        (("x", 3),),
        ((3, "x"),),
        (("x-bin", "text"),),
        (("x", b"bytes"),),
        (("x",),),
        (3,),
        3,
    ],
)
def test_bad_metadata_are_refused_without_quoting_them(metadata):
    with pytest.raises(Refused, match=r"^metadata that gRPC cannot carry \(\w+\)$"):
        heads().of("/a", metadata)


@pytest.mark.parametrize("method", ["", "a", "/", "/a b", "/a\r\n", "/é", None])
def test_a_method_that_is_no_path_is_refused(method):
    with pytest.raises(Refused):
        heads().of(method, ())


@pytest.mark.parametrize(
    ("timeout_s", "text"),
    [
        (15.0, b"15000m"),
        (0.0301, b"31m"),
        (0.03, b"30m"),
        (1e-9, b"1m"),
        (0.0, b"1m"),
        (99_999.999, b"99999999m"),
        (100_000.0, b"100000S"),
        (1e12, b"99999999S"),
    ],
)
def test_a_timeout_is_never_shorter_than_asked(timeout_s, text):
    assert decoded(heads().timeout(timeout_s)) == [(b"grpc-timeout", text)]


def test_what_is_remembered_has_a_limit():
    made = heads()
    for number in range(5000):
        made.of(f"/m{number}", ((f"n{number}", "x"),))
    assert int(repr(made).split("methods=")[1][:-1]) <= 1024
