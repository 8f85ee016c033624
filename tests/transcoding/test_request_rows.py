"""The rows of requests: what a builder does with each setting, and what it does without."""

from typing import Any

import pytest

from proxy.errors import RequestError
from proxy.transcoding.binding import Binding
from proxy.transcoding.request import RequestBuilder, RequestOptions
from proxy.transcoding.texts import TextForms
from tests.transcoding.request_schema import LIBRARY, bind, codecs_of, make, pool_of

POOL = pool_of(LIBRARY)
CODECS = codecs_of(POOL)
JSON = "application/json"


def library(http_method: str, template: str, body: str = "") -> Binding:
    return bind(POOL, "library.v1.Library.Serve", http_method, template, body=body)


GET = library("GET", "/v1/{name=books/*}")
POST = library("POST", "/v1/{name=books/*}", "*")
PUT = library("PUT", "/v1/{book.name=books/*}", "book")
PATCH = library("PATCH", "/v1/{book.name=books/*}", "book")
SCALAR = library("POST", "/v1/{name=books/*}", "key")


def build(
    binding: Binding,
    query: str = "",
    body: bytes = b"",
    content_type: str | None = JSON,
    **options: Any,
) -> Any:
    forms = {key: options.pop(key) for key in list(options) if key in TextForms.__slots__}
    made = RequestOptions(**options, texts=TextForms(**forms))
    builder = RequestBuilder.compile(binding, CODECS, made)
    return builder.build(["books/1"], query, body, content_type).message


def refused(binding: Binding, *given: Any, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        build(binding, *given, **options)
    assert caught.value.http_status in (400, 415)
    return str(caught.value)


def request(**content: Any) -> Any:
    return make(POOL, "library.v1.BookRequest", content)


FORMS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"bools": "python"}, "validate_only=True", {"validateOnly": True}),
    ({"bools": "go"}, "validate_only=t", {"validateOnly": True}),
    ({"bools": "lenient"}, "validate_only=YES", {"validateOnly": True}),
    ({"numbers": "decimal"}, "limit=007", {"limit": 7}),
    ({"numbers": "decimal"}, "book.weight=.5", {"book": {"weight": 0.5}}),
    ({"numbers": "c"}, "book.weight=0x1p-2", {"book": {"weight": 0.25}}),
    ({"numbers": "decimal"}, "book.rating=%2B5", {"book": {"rating": 5}}),
    ({"masks": "keep"}, "update_mask=a.b,c", {"updateMask": "a.b,c"}),
    ({"values": "text"}, "anything=5", {"anything": "5"}),
    ({"enums": "ignore_case"}, "book.cover=hard", {"book": {"cover": "HARD"}}),
    ({"inside_well_known": True}, "since.seconds=5", {"since": "1970-01-01T00:00:05Z"}),
    ({"takes_last": True}, "limit=1&limit=2", {"limit": 2}),
    ({"takes_last": True}, "counts[a]=1&counts[a]=2", {"counts": {"a": 2}}),
    ({"takes_last": True}, "update_mask=a&update_mask=b", {"updateMask": "a,b"}),
    ({"plus_is_space": False}, "key=a%2Bb+c", {"key": "a+b+c"}),
    ({"keeps_bad_escapes": True}, "key=100%", {"key": "100%"}),
    ({"drops_flags": True}, "limit&key=a", {"key": "a"}),
    ({"ignores_collisions": True}, "name=books/2", {}),
]


@pytest.mark.parametrize(("options", "query", "expected"), FORMS)
def test_a_query_that_a_setting_lets_pass(
    options: dict[str, Any], query: str, expected: dict[str, Any]
) -> None:
    assert build(GET, query, **options) == request(name="books/1", **expected)


#: Settings by which a query means something else and is none the wider.
OTHERWISE: list[dict[str, Any]] = [{"masks": "keep"}, {"values": "text"}, {"plus_is_space": False}]


@pytest.mark.parametrize(
    "query", [query for options, query, _ in FORMS if options not in OTHERWISE]
)
def test_the_same_query_is_refused_without_the_setting(query: str) -> None:
    assert refused(GET, query)


@pytest.mark.parametrize(
    ("options", "query", "text"),
    [
        ({"enum_numbers": "known"}, "book.cover=9", "is not a value of library.v1.Cover"),
        ({"maps": False}, "counts[a]=1", "is no parameter of this request"),
        ({"values": "text"}, "extra={}", "is a message"),
        ({"numbers": "decimal"}, "limit=1e2", "expected a 32-bit integer"),
        ({"takes_last": True}, "left=a&left=b", "is given twice"),
        ({"takes_last": True}, "left=a&right=b", "has room for one"),
        ({"ignores_collisions": True}, "limit=x", "expected a 32-bit integer"),
        ({"inside_well_known": True}, "since.minutes=5", "is no parameter of this request"),
        ({"keeps_bad_escapes": True}, "key=%ff", "not UTF-8"),
    ],
)
def test_a_query_that_is_refused_with_a_setting(
    options: dict[str, Any], query: str, text: str
) -> None:
    assert text in refused(GET, query, **options)


def test_the_path_wins_in_any_case() -> None:
    body = b'{"name": "books/2", "revision": 3}'
    assert build(POST, "", body, ignores_collisions=True) == request(name="books/1", revision=3)
    assert build(GET, "name=books/2", ignores_collisions=True, takes_last=True) == request(
        name="books/1"
    )
    merged = {"merges_query": True, "takes_last": True}
    assert "another value than the path" in refused(GET, "name=books/2", **merged)
    assert "another value than the path" in refused(POST, "name=books/2", **merged)


def test_a_query_adds_to_a_body() -> None:
    body = b'{"revision": 3, "words": ["a"], "counts": {"a": 1}, "left": "l"}'
    query = "limit=5&words=b&counts[b]=2&revision=3"
    made = build(POST, query, body, merges_query=True)
    assert made == request(
        name="books/1", revision=3, words=["a", "b"], counts={"a": 1, "b": 2}, left="l", limit=5
    )


@pytest.mark.parametrize("query", ["revision=4", "counts[a]=2", "right=r", "limit=2&limit=3"])
def test_a_query_contradicts_no_body(query: str) -> None:
    body = b'{"revision": 3, "counts": {"a": 1}, "left": "l", "limit": 2}'
    assert refused(POST, query, body, merges_query=True)


def test_what_a_query_gives_otherwise_can_be_left_out() -> None:
    body = b'{"revision": 3, "counts": {"a": 1}}'
    query = "revision=4&counts[a]=2&limit=5"
    made = build(POST, query, body, merges_query=True, ignores_collisions=True)
    assert made == request(name="books/1", revision=3, counts={"a": 1}, limit=5)


def test_a_query_reaches_into_the_field_of_the_body() -> None:
    made = build(PUT, "book.title=t&book.tags=b", b'{"pages": 5, "tags": ["a"]}', merges_query=True)
    expected = {"name": "books/1", "pages": 5, "tags": ["a", "b"], "title": "t"}
    assert made == request(book=expected)
    assert "than the body" in refused(PUT, "book.title=t", b'{"pages": 5}')
    left = build(PUT, "book.title=t&key=k", b'{"pages": 5}', ignores_collisions=True)
    assert left == request(book={"name": "books/1", "pages": 5}, key="k")


def test_any_content_type_is_json() -> None:
    made = build(POST, "", b'{"key": "k"}', "text/plain; charset=latin1", any_content_type=True)
    assert made == request(name="books/1", key="k")
    assert "is not JSON" in refused(POST, "", b'{"key": "k"}', "text/plain")


@pytest.mark.parametrize("body", [b"{}", b" {\n} "])
def test_an_object_without_members_says_nothing(body: bytes) -> None:
    for unexpected in ("empty", "ignore"):
        assert build(GET, "", body, unexpected_body=unexpected) == request(name="books/1")
    assert "takes no body" in refused(GET, "", body)


@pytest.mark.parametrize("body", [b'{"key": "k"}', b"[]", b"null", b" ", b"{}{}"])
def test_a_body_without_a_rule_can_be_dropped(body: bytes) -> None:
    assert build(GET, "", body, unexpected_body="ignore") == request(name="books/1")
    assert "takes no body" in refused(GET, "", body, unexpected_body="empty")


def test_an_absent_body_can_make_its_field() -> None:
    assert build(PATCH, makes_absent_body=True, fill_mask=False).HasField("book")
    plain = library("PUT", "/v1/{name=books/*}", "book")
    assert build(plain, makes_absent_body=True) == request(name="books/1", book={})
    assert build(plain) == request(name="books/1")
    assert build(plain, "", b'{"title": "t"}', makes_absent_body=True) == request(
        name="books/1", book={"title": "t"}
    )


@pytest.mark.parametrize("field", ["key", "words", "counts"])
def test_an_absent_body_makes_nothing_of_what_is_no_message(field: str) -> None:
    binding = library("POST", "/v1/{name=books/*}", field)
    assert build(binding, makes_absent_body=True) == request(name="books/1")


def test_a_mask_can_be_left_to_the_client() -> None:
    assert not build(PATCH, "", b'{"title": "t"}', fill_mask=False).HasField("update_mask")


def test_a_form_is_more_parameters() -> None:
    made = build(GET, "words=b", b"key=a+b%26c&words=a", reads_form=True)
    assert made == request(name="books/1", key="a b&c", words=["a", "b"])
    assert build(GET, "key=k", b"", reads_form=True) == request(name="books/1", key="k")
    assert build(GET, "", b"key=k", reads_form=True) == request(name="books/1", key="k")


@pytest.mark.parametrize("body", [b"key=\xff", b"key=%00", b"key=%zz", b"nothing=1"])
def test_a_form_is_held_to_what_a_query_is(body: bytes) -> None:
    assert refused(GET, "", body, reads_form=True)


def test_a_form_gives_no_body() -> None:
    made = build(PATCH, "", b"book.title=t", reads_form=True, merges_query=True)
    assert made == request(book={"name": "books/1", "title": "t"})
    assert not made.HasField("update_mask")
