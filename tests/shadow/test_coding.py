"""Content codings of captured bodies."""

import gzip
import zlib

import pytest

from proxy.comparison.documents import Document
from proxy.shadow.coding import Undecodable, codings_of, decoded, plain_document

TEXT = b'{"id": "a"}'


def bare(body: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
    ],
)
def test_a_known_coding_is_undone(coding: str, body: bytes) -> None:
    assert decoded(body, (coding,), 100) == TEXT


def test_codings_are_undone_in_the_opposite_order() -> None:
    body = gzip.compress(zlib.compress(TEXT))
    codings = codings_of((("Content-Encoding", "deflate"), ("content-encoding", "GZIP")))
    assert decoded(body, codings, 100) == TEXT


def test_a_small_body_that_blows_up_is_cut_at_the_limit() -> None:
    with pytest.raises(Undecodable) as caught:
        decoded(gzip.compress(bytes(10_000_000)), ("gzip",), 1000)
    assert caught.value.reason == "response_too_large"


def test_a_body_without_coding_has_the_same_limit() -> None:
    assert decoded(b"12345", (), 5) == b"12345"
    with pytest.raises(Undecodable) as caught:
        decoded(b"123456", (), 5)
    assert caught.value.reason == "response_too_large"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", b"anything"),
        ("gzip", b"no gzip at all"),
        ("gzip", gzip.compress(TEXT, mtime=0)[:-5]),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"more"),
        ("gzip", b""),
        ("deflate", b""),
    ],
)
def test_what_cannot_be_undone_is_said_in_one_word(coding: str, body: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        decoded(body, (coding,), 100)
    assert caught.value.reason == "coding"


def test_more_codings_than_anybody_uses_are_not_tried() -> None:
    with pytest.raises(Undecodable):
        decoded(b"", ("gzip", "gzip", "gzip"), 100)


def test_a_document_is_plain_and_its_headers_stay() -> None:
    headers = (("Content-Encoding", "gzip"), ("x-a", "1"))
    plain = plain_document(Document(200, headers, gzip.compress(TEXT, mtime=0)), 100)
    assert plain == Document(200, headers, TEXT)


def test_a_document_that_broke_off_is_left_as_it_is() -> None:
    broken = Document(200, (("content-encoding", "gzip"),), b"\x1f", complete=False)
    assert plain_document(broken, 100) is broken


def test_a_document_without_body_has_nothing_to_undo() -> None:
    empty = Document(304, (("content-encoding", "br"),))
    assert plain_document(empty, 100) is empty
