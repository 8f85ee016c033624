"""Whole requests: path, query and body into one message, and the account of it."""

from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import RequestError
from proxy.transcoding.binding import Binding
from proxy.transcoding.body import require_json
from proxy.transcoding.explain import FieldOrigin, explain_request
from proxy.transcoding.parameters import FieldTables
from proxy.transcoding.request import RequestBuilder, RequestOptions
from proxy.transcoding.response import ResponseRenderer
from tests.transcoding.request_schema import (
    LIBRARY,
    STRICT,
    bind,
    codecs_of,
    make,
    message_type,
    pool_of,
)

STEADY: Final = settings(derandomize=True, deadline=None)
POOL = pool_of(LIBRARY)
CODECS = codecs_of(POOL)
TABLES = FieldTables(CODECS)
JSON = "application/json"


def library(http_method: str, template: str, body: str = "", method: str = "Serve") -> Binding:
    return bind(POOL, f"library.v1.Library.{method}", http_method, template, body=body)


GET = library("GET", "/v1/{name=books/*}")
GET_NESTED = library("GET", "/v1/{book.author.name}/{book.pages}")
POST = library("POST", "/v1/{name=books/*}", "*")
PATCH = library("PATCH", "/v1/{book.name=books/*}", "book")


def compiled(binding: Binding, **options: Any) -> RequestBuilder:
    return RequestBuilder.compile(binding, CODECS, RequestOptions(**options), TABLES)


def build(
    binding: Binding,
    *captures: str,
    query: str = "",
    body: bytes = b"",
    content_type: str | None = JSON,
    **options: Any,
) -> Any:
    return compiled(binding, **options).build(captures, query, body, content_type).message


def request(**content: Any) -> Any:
    return make(POOL, "library.v1.BookRequest", content)


def refusal(binding: Binding, *captures: str, **parts: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        build(binding, *captures, **parts)
    return caught.value


def test_path_query_and_body_each_fill_their_fields() -> None:
    message = build(
        PATCH, "books/1", query="revision=7&update_mask=title", body=b'{"title": "a", "pages": 3}'
    )
    book = {"name": "books/1", "title": "a", "pages": "3"}
    assert message == request(book=book, revision="7", updateMask="title")


def test_a_path_alone_makes_the_message() -> None:
    assert build(GET, "books/1") == request(name="books/1")
    assert build(GET_NESTED, "ann", "1e2") == request(
        book={"author": {"name": "ann"}, "pages": "100"}
    )


def test_the_wire_is_the_message() -> None:
    built = compiled(GET).build(["books/1"], "", b"", None)
    assert built.wire == request(name="books/1").SerializeToString()
    assert built.unknown == ()


def test_messages_on_the_way_are_present_when_the_value_is_default() -> None:
    assert build(GET_NESTED, "", "0").book.HasField("author")


def test_a_path_takes_well_known_types() -> None:
    binding = library("GET", "/v1/{since}/{book.rating}")
    message = build(binding, "1970-01-01T00:00:01Z", "0")
    assert message == request(since="1970-01-01T00:00:01Z", book={"rating": 0})
    assert message.book.HasField("rating")


@pytest.mark.parametrize(
    ("captures", "field", "text"),
    [
        (("a", "x"), "book.pages", 'expected a 64-bit integer, not "x"'),
        (("a\0", "1"), "book.author.name", "the text holds a NUL character"),
        (("a", ""), "book.pages", 'expected a 64-bit integer, not ""'),
    ],
)
def test_a_bad_capture_names_its_field(captures: tuple[str, ...], field: str, text: str) -> None:
    error = refusal(GET_NESTED, *captures)
    assert (error.field, error.status.message, error.http_status) == (field, text, 400)


def test_a_variable_that_no_text_can_give_is_refused_at_load() -> None:
    variable = library("GET", "/v1/{name}").variables[0]
    field = POOL.FindMessageTypeByName("library.v1.BookRequest").fields_by_name["book"]
    binding = library("GET", "/v1/{name}")
    object.__setattr__(binding, "variables", (type(variable)(variable.variable, (field,)),))
    with pytest.raises(ValueError, match="cannot give a field of this type"):
        compiled(binding)


HIDING = """
syntax = "proto3"; package hiding;
message Inner { string HasField = 1; }
message Outer { Inner inner = 1; }
message Plain { string name = 1; }
service Hiding { rpc Take(Outer) returns (Plain); rpc Give(Plain) returns (Outer); }
"""


def test_a_message_with_a_field_that_hides_a_method_is_refused_at_load() -> None:
    pool = pool_of(HIDING)
    codecs = codecs_of(pool)
    with pytest.raises(ValueError, match=r"the field HasField of hiding\.Inner hides a method"):
        RequestBuilder.compile(bind(pool, "hiding.Hiding.Take", "GET", "/v1"), codecs)
    with pytest.raises(ValueError, match=r"the field HasField of hiding\.Inner hides a method"):
        ResponseRenderer.compile(bind(pool, "hiding.Hiding.Give", "GET", "/v1"), codecs)


@pytest.mark.parametrize("http_method", ["GET", "DELETE", "POST", "LINK"])
def test_a_body_that_the_rule_does_not_take_is_refused(http_method: str) -> None:
    error = refusal(library(http_method, "/v1/books"), body=b"{}")
    assert error.http_status == 400
    assert error.status.message == f"this {http_method} request takes no body"
    assert build(library(http_method, "/v1/books")) == request()


def test_a_body_is_refused_for_any_method_alike() -> None:
    error = refusal(library("*", "/v1/books"), body=b" ")
    assert error.status.message == "this request takes no body"


def test_an_empty_body_leaves_the_message_to_path_and_query() -> None:
    assert build(POST, "books/1", content_type="text/plain") == request(name="books/1")
    message = build(PATCH, "books/1", query="revision=1", content_type="text/plain")
    assert message == request(book={"name": "books/1"}, revision="1")


def test_an_empty_patch_fills_no_mask() -> None:
    assert not build(PATCH, "books/1").HasField("update_mask")


@pytest.mark.parametrize(
    ("field", "body", "content"),
    [
        ("authors", b'[{"name": "a"}, {"born": 2}]', [{"name": "a"}, {"born": 2}]),
        ("words", b'["a", "b"]', ["a", "b"]),
        ("counts", b'{"a": 1}', {"a": 1}),
        ("revision", b'"9007199254740993"', "9007199254740993"),
        ("since", b'"1970-01-01T00:00:01Z"', "1970-01-01T00:00:01Z"),
        ("extra", b'{"a": [1]}', {"a": [1]}),
        ("key", b'"a\\u0000"', "a\0"),
    ],
)
def test_a_body_field_may_be_of_any_kind(field: str, body: bytes, content: Any) -> None:
    assert build(library("POST", "/v1", field), body=body) == request(**{field: content})


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"pages": "x"}', b'{"nope": 1}', b"\xff", b'{"title": 1}', b" "]
)
def test_a_bad_json_body_is_400(body: bytes) -> None:
    assert refusal(POST, "books/1", body=body).http_status == 400
    assert refusal(PATCH, "books/1", body=body).http_status == 400


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON"),
        *("application/json;charset=UTF-8", 'application/json; Charset="utf-8"', "text/x+json"),
        *("application/merge-patch+json", "application/vnd.api+JSON; v=1", "application/json;"),
        *(" application/json ", "application/json; charset=us-ascii; x"),
    ],
)
def test_json_content_types_are_read(content_type: str | None) -> None:
    require_json(content_type)
    assert build(POST, "b", body=b"{}", content_type=content_type) == request(name="b")


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"),
        *("application/jsonp", "json", "+json", "application/xml", "/+json", "a/b/c+json", ";"),
        *("application/json; charset=latin-1", "application/json;charset=utf-16", "text/json"),
        "application/json, text/plain",
    ],
)
def test_other_content_types_are_415(content_type: str) -> None:
    for binding in (POST, PATCH):
        error = refusal(binding, "b", body=b"{}", content_type=content_type)
        assert error.http_status == 415


# --- Two sources for one field ---


def test_the_path_wins_over_an_equal_body_and_query() -> None:
    message = build(POST, "books/1", body=b'{"name": "books/1"}')
    assert message == request(name="books/1")
    assert build(GET, "books/1", query="name=books%2F1") == request(name="books/1")


@pytest.mark.parametrize(
    ("binding", "captures", "parts", "field"),
    [
        (POST, ("a",), {"body": b'{"name": "b"}'}, "name"),
        (PATCH, ("a",), {"body": b'{"name": "b"}'}, "book.name"),
        (GET, ("a",), {"query": "name=b"}, "name"),
        (GET_NESTED, ("a", "1"), {"query": "book.author.name=b"}, "book.author.name"),
        (GET_NESTED, ("a", "1"), {"query": "book.pages=2"}, "book.pages"),
        (PATCH, ("a",), {"query": "book.name=b"}, "book.name"),
        (PATCH, ("a",), {"query": "book.title=b", "body": b'{"title": "c"}'}, "book.title"),
        (PATCH, ("a",), {"query": "book.title=b", "body": b"{}"}, "book.title"),
        (PATCH, ("a",), {"query": "book.title=b"}, "book.title"),
        (library("POST", "/v1/{limit}", "*"), ("0",), {"body": b'{"limit": 1}'}, "limit"),
        (library("POST", "/v1/{left}", "*"), ("a",), {"body": b'{"right": "b"}'}, "left"),
        (library("GET", "/v1/{left}"), ("a",), {"query": "right=b"}, "right"),
        (library("POST", "/{book.shelf}", "book"), ("a",), {"body": b'{"box": 0}'}, "book.shelf"),
        (
            library("POST", "/{since}", "*"),
            ("1970-01-01T00:00:00Z",),
            {"body": b'{"since": "1970-01-01T00:00:01Z"}'},
            "since",
        ),
    ],
)
def test_a_different_value_for_a_taken_field_is_400(
    binding: Binding, captures: tuple[str, ...], parts: dict[str, Any], field: str
) -> None:
    error = refusal(binding, *captures, **parts)
    assert (error.http_status, error.field) == (400, field)


def test_a_presence_field_is_compared_even_at_its_default() -> None:
    binding = library("POST", "/v1/{limit}", "*")
    assert refusal(binding, "1", body=b'{"limit": 0}').field == "limit"
    assert build(binding, "0", body=b'{"limit": 0}').HasField("limit")


def test_a_default_in_the_body_gives_way_to_the_path() -> None:
    """Without presence, `""` is how JSON writers spell a field that they did not set."""
    assert build(POST, "a", body=b'{"name": ""}') == request(name="a")
    assert build(POST, "a", body=b'{"name": null}') == request(name="a")


def test_an_empty_capture_does_not_hide_another_value_in_the_body() -> None:
    assert refusal(library("POST", "/v1/{name=**}", "*"), "", body=b'{"name": "b"}').field == "name"


def test_a_whole_body_leaves_no_field_to_the_query() -> None:
    assert refusal(POST, "a", query="revision=1").field == "revision"
    message = build(POST, "a", query="revision=1&key=k&alt=json", unknown_parameters="ignore")
    assert message == request(name="a")
    with pytest.raises(RequestError):
        build(POST, "a", query="x=%zz", unknown_parameters="ignore")


def test_names_that_were_unknown_are_handed_on() -> None:
    pool_codecs = codecs_of(POOL, unknown_fields="warn")
    builder = RequestBuilder.compile(PATCH, pool_codecs, RequestOptions(unknown_parameters="warn"))
    built = builder.build(["a"], "nope=1", b'{"odd": 1, "title": "t"}', JSON)
    assert set(built.unknown) >= {"nope"}
    assert any("odd" in name for name in built.unknown)
    message: Any = built.message
    assert list(message.update_mask.paths) == ["title"]


def test_a_patch_names_what_its_body_holds() -> None:
    message = build(PATCH, "books/1", body=b'{"title": null, "author": {"born": 0}}')
    assert list(message.update_mask.paths) == ["author.born", "title"]


def test_a_mask_in_the_query_is_kept() -> None:
    message = build(PATCH, "books/1", query="updateMask=pages", body=b'{"title": "a"}')
    assert list(message.update_mask.paths) == ["pages"]


def test_mask_filling_can_be_off() -> None:
    assert not build(PATCH, "a", body=b'{"title": "a"}', fill_mask=False).HasField("update_mask")


# --- Raw bodies ---


def test_an_upload_travels_raw() -> None:
    cover = library("PUT", "/v1/{name}/cover", "cover")
    message = build(cover, "a", query="revision=1", body=b"\xff\0", content_type="image/png")
    assert message.cover.data == b"\xff\0"
    assert message.cover.content_type == "image/png"
    assert (message.name, message.revision) == ("a", 1)


def test_an_upload_may_be_empty_and_unnamed() -> None:
    message = build(library("PUT", "/v1/cover", "cover"), content_type=None)
    assert message.HasField("cover")
    assert message.cover.content_type == ""


def test_a_request_may_be_an_upload_as_a_whole() -> None:
    binding = library("POST", "/v1:upload", "*", method="Upload")
    message = build(binding, body=b"{", content_type="text/csv")
    assert (message.data, message.content_type) == (b"{", "text/csv")


@pytest.mark.parametrize("content_type", ["image/png\udcff", "é", "a\r\nb", " ", "a/b "])
def test_an_upload_s_content_type_must_be_one(content_type: str) -> None:
    binding = library("POST", "/v1:upload", "*", method="Upload")
    assert refusal(binding, body=b"x", content_type=content_type).http_status == 415


def test_text_that_is_no_unicode_is_refused() -> None:
    """Servers hand on bytes that are no UTF-8 as lone surrogates."""
    assert refusal(GET, "a", query="key=\udcff").http_status == 400
    assert refusal(POST, "a", body=b"{}", content_type="\udcff").http_status == 415


# --- proto2 ---


def test_a_missing_required_field_is_the_client_s_error() -> None:
    pool = pool_of(STRICT)
    binding = bind(pool, "strict.v1.Strict.Serve", "GET", "/v1/{name}")
    builder = RequestBuilder.compile(binding, codecs_of(pool))
    assert builder.build(["a"], "part.text=x&closed=ONE", b"", None).wire
    with pytest.raises(RequestError) as caught:
        RequestBuilder.compile(
            bind(pool, "strict.v1.Strict.Serve", "GET", "/v1"), codecs_of(pool)
        ).build([], "inner.id=a", b"", None)
    assert caught.value.field == "name"


def test_required_fields_are_found_at_any_depth() -> None:
    strict = FieldTables(codecs_of(pool_of(STRICT)))
    assert strict.may_require(message_type(pool_of(STRICT), "strict.v1.Outer"))
    assert not TABLES.may_require(message_type(POOL, "library.v1.BookRequest"))


# --- Explaining ---


def origins(binding: Binding, *captures: str, **parts: Any) -> list[tuple[str, str, str]]:
    arguments = (parts.get("query", ""), parts.get("body", b""), parts.get("content_type", JSON))
    explained = explain_request(compiled(binding), captures, *arguments)
    assert all(isinstance(origin, FieldOrigin) for origin in explained)
    return [tuple(origin) for origin in explained]


def test_every_field_is_accounted_for() -> None:
    body = b'{"name": "b/1", "title": "t", "pages": 3, "tags": ["a", "b"], "author": {"born": 2}}'
    assert origins(PATCH, "b/1", query="counts[a]=1&words=x&words=y&alt=json", body=body) == [
        ("book.name", "path", "b/1"),
        ("book.author.born", "body", "2"),
        ("book.pages", "body", "3"),
        ("book.tags", "body", '["a", "b"]'),
        ("book.title", "body", "t"),
        ("counts[a]", "query", "1"),
        ("words", "query", "x"),
        ("words", "query", "y"),
        ("update_mask", "mask", "author.born,name,pages,tags,title"),
    ]


def test_a_client_s_mask_comes_from_the_query() -> None:
    assert ("update_mask", "query", "pages") in origins(
        PATCH, "b", query="updateMask=pages", body=b"{}"
    )


@pytest.mark.parametrize(
    ("binding", "parts", "expected"),
    [
        (library("GET", "/v1"), {}, []),
        (library("GET", "/v1"), {"query": "keY&alt=1"}, None),
        (library("POST", "/v1", "*"), {"body": b'{"key": "k"}'}, [("key", "body", "k")]),
        (library("POST", "/v1", "words"), {"body": b'["a"]'}, [("words", "body", '["a"]')]),
        (library("PUT", "/v1", "cover"), {"body": b"abc"}, [("cover", "body", "3 bytes")]),
        (library("PUT", "/", "*", "Upload"), {"body": b"abc"}, [("*", "body", "3 bytes")]),
    ],
)
def test_bodies_of_other_kinds_are_one_field(
    binding: Binding, parts: dict[str, Any], expected: Any
) -> None:
    if expected is None:
        with pytest.raises(RequestError):
            origins(binding, **parts)
    else:
        assert origins(binding, **parts) == expected


def test_what_names_no_field_has_no_origin() -> None:
    builder = compiled(GET, unknown_parameters="ignore")
    explained = explain_request(builder, ["a"], "nope=1&key=k", b"", None)
    assert explained == (("name", "path", "a"), ("key", "query", "k"))


def test_explaining_refuses_what_serving_would() -> None:
    with pytest.raises(RequestError):
        origins(PATCH, "a", body=b'{"name": "b"}')


def test_they_say_what_they_are() -> None:
    builder = compiled(PATCH)
    assert repr(builder) == (
        "<RequestBuilder of library.v1.Library.Serve at /v1/{book.name=books/*}>"
    )
    assert repr(builder.variables[0]) == "<PathVariable book.name>"
    assert repr(builder.variables[0].parameter.node) == "<Node name: one value>"


BUILDERS = [compiled(binding) for binding in (GET, POST, PATCH)]


@STEADY
@given(st.text(max_size=20), st.text(max_size=40), st.binary(max_size=40), st.none() | st.text())
def test_no_input_raises_anything_but_a_request_error(
    capture: str, query: str, body: bytes, content_type: str | None
) -> None:
    for builder in BUILDERS:
        with suppress(RequestError):
            assert builder.build([capture], query, body, content_type).wire is not None
