"""Answers: the whole message, a field of it, or raw content."""

import json
from typing import Any

import pytest

from proxy.errors import UpstreamError
from proxy.status import Code
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.response import ResponseRenderer
from tests.transcoding.request_schema import LIBRARY, bind, codecs_of, make, pool_of

POOL = pool_of(LIBRARY)
CODECS = codecs_of(POOL)
SERVE = "library.v1.Library.Serve"


def renderer(response_body: str = "", method: str = SERVE) -> ResponseRenderer:
    return ResponseRenderer.compile(
        bind(POOL, method, "GET", "/v1", response_body=response_body), CODECS
    )


def reply(**content: Any) -> bytes:
    return make(POOL, "library.v1.BookReply", content).SerializeToString()


def test_a_message_is_its_json() -> None:
    content = renderer().render(reply(total="9007199254740993", done=True))
    assert content.content_type == "application/json"
    assert json.loads(content.body) == {"total": "9007199254740993", "done": True}


def test_an_all_default_message_is_an_empty_object() -> None:
    assert renderer().render(b"") == ("application/json", b"{}")


@pytest.mark.parametrize(
    ("field", "wire", "expected"),
    [
        ("book", reply(book={"title": "a"}), {"title": "a"}),
        ("book", reply(book={}), {}),
        ("book", b"", {}),
        ("books", reply(books=[{"title": "a"}, {}]), [{"title": "a"}, {}]),
        ("books", b"", []),
        ("counts", reply(counts={"a": 1}), {"a": 1}),
        ("counts", b"", {}),
        ("total", reply(total="5"), "5"),
        ("total", b"", "0"),
        ("done", b"", False),
        ("note", reply(note=""), ""),
        ("note", b"", None),
        ("rating", reply(rating=0), 0),
        ("rating", b"", None),
    ],
)
def test_a_response_body_is_one_field(field: str, wire: bytes, expected: Any) -> None:
    content = renderer(field).render(wire)
    assert content.content_type == "application/json"
    assert json.loads(content.body) == expected


def test_http_body_travels_raw() -> None:
    upload = make(POOL, "google.api.HttpBody", {"contentType": "text/dns", "data": "/w=="})
    whole = renderer(method="library.v1.Library.Upload")
    assert whole.raw
    assert whole.render(upload.SerializeToString()) == ("text/dns", b"\xff")
    part = renderer("file")
    assert part.raw
    assert part.render(reply(file={"contentType": "a/b", "data": "/w=="})) == ("a/b", b"\xff")
    assert not renderer().raw


def test_http_body_without_a_name_is_octets() -> None:
    for wire in (b"", reply(file={})):
        assert renderer("file").render(wire) == ("application/octet-stream", b"")


@pytest.mark.parametrize("content_type", ["a/b\r\nx: y", "a/b\0", "é", " a/b", "a/b "])
def test_a_content_type_that_no_header_can_hold_is_502(content_type: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        renderer("file").render(reply(file={"contentType": content_type}))
    assert caught.value.http_status == 502


@pytest.mark.parametrize("field", ["", "book", "books", "file"])
def test_what_is_no_message_is_the_upstream_s_fault(field: str) -> None:
    with pytest.raises(UpstreamError, match="is not a valid BookReply: ") as caught:
        renderer(field).render(b"\xff")
    assert (caught.value.http_status, caught.value.status.code) == (502, Code.INTERNAL)


@pytest.mark.parametrize("field", ["", "book"])
def test_a_message_without_a_json_form_is_502(field: str) -> None:
    reply_class = message_class(POOL.FindMessageTypeByName("library.v1.BookReply"))
    message: Any = reply_class()
    message.book.printed.nanos = -1
    with pytest.raises(UpstreamError, match="is not a valid BookReply: ") as caught:
        renderer(field).render(message.SerializeToString())
    assert caught.value.http_status == 502


def test_a_renderer_says_what_it_is() -> None:
    assert repr(renderer()) == "<ResponseRenderer of library.v1.Library.Serve at /v1>"
