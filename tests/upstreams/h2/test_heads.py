"""What header blocks of answers mean."""

import pytest

from proxy.upstreams.h2.frames import ConnectionFault, ErrorCode
from proxy.upstreams.h2.heads import Heads, interpret
from proxy.upstreams.h2.hpack import literal


def block(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(literal(*field) for field in fields)


def test_an_answer_has_a_status_metadata_and_an_encoding():
    head = interpret(
        [
            (b":status", b"200"),
            (b"content-type", b"application/grpc+proto"),
            (b"grpc-encoding", b"gzip"),
            (b"a", "ü".encode()),
            (b"a", b"\xff"),
            (b"b-bin", b"AP8"),
            (b"c-bin", b"AA==,AQ"),
        ]
    )
    assert (head.http_status, head.is_grpc, head.encoding) == (200, True, "gzip")
    assert head.metadata == (
        ("a", "ü"),
        ("a", "�"),
        ("b-bin", b"\x00\xff"),
        ("c-bin", b"\x00"),
        ("c-bin", b"\x01"),
    )


@pytest.mark.parametrize(
    ("content_type", "is_grpc"),
    [
        (b"application/grpc", True),
        (b"application/grpc;x=y", True),
        (b"Application/GRPC+json", True),
        (b"application/grpc-web", False),
        (b"text/html", False),
        (b"", False),
    ],
)
def test_the_content_type_tells_grpc_from_the_rest(content_type, is_grpc):
    assert interpret([(b"content-type", content_type)]).is_grpc is is_grpc


@pytest.mark.parametrize(
    "field",
    [
        (b"Upper", b"x"),
        (b"", b"x"),
        (b"sp ace", b"x"),
        (b":path", b"/"),
        (b"x", b"a\r\nb: c"),
        (b"x", b"a\0"),
        (b":status", b"2x0"),
        (b":status", b"20000"),
        (b"x-bin", b"a"),
        (b"x-bin", b"!!!!"),
    ],
)
def test_what_http_does_not_allow_is_malformed(field):
    assert interpret([field]).problem


@pytest.mark.parametrize("name", [b":status", b"grpc-status", b"content-type"])
def test_two_different_values_where_one_counts_are_malformed(name):
    assert interpret([(name, b"200"), (name, b"0")]).problem == f"two values of {name.decode()}"
    assert not interpret([(name, b"200"), (name, b"200")]).problem


def test_names_of_the_connection_are_no_metadata():
    names = (b"connection", b"transfer-encoding", b"te", b"grpc-accept-encoding", b"upgrade")
    assert interpret([(name, b"x") for name in names]).metadata == ()


def test_a_block_seen_before_is_not_read_again():
    heads = Heads(1000)
    first = heads.read(b"\x20" + block((b"a", b"b")))
    assert heads.read(b"\x20" + block((b"a", b"b"))) is first
    assert repr(heads).startswith("<Heads known=1 ")


def test_with_a_table_nothing_is_remembered():
    heads = Heads(1000)
    kept = b"\x40" + literal(b"a", b"b")[1:]
    assert heads.read(kept).metadata == (("a", "b"),)
    assert heads.read(b"\xbe").metadata == (("a", "b"),)
    heads.read(b"\x40" + literal(b"c", b"d")[1:])
    assert heads.read(b"\xbe").metadata == (("c", "d"),)


def test_what_is_remembered_has_a_limit():
    heads = Heads(100_000)
    for number in range(1000):
        heads.read(b"\x20" + block((b"a", b"%d" % number)))
    heads.read(b"\x20" + block((b"a", b"x" * 5000)))
    assert int(repr(heads).split("known=")[1].split()[0]) <= 256


def test_a_block_that_cannot_be_read_ends_the_connection():
    with pytest.raises(ConnectionFault) as caught:
        Heads(1000).read(b"\x80")
    assert caught.value.code is ErrorCode.COMPRESSION_ERROR


def test_headers_above_the_limit_concern_one_call_only():
    heads = Heads(100)
    assert heads.read(b"\x20" + block((b"a", b"x" * 200))).is_too_large
    assert heads.read(b"\x20" + block((b"a", b"x"))).metadata == (("a", "x"),)


def test_headers_above_the_limit_with_a_table_end_the_connection():
    with pytest.raises(ConnectionFault):
        Heads(100).read(block((b"a", b"x" * 200)))
