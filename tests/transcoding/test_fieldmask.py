"""The leaves of a PATCH body, and the mask that they fill."""

from typing import Any

import pytest

from proxy.transcoding.descriptors import message_class
from proxy.transcoding.fieldmask import json_leaves, mask_filler
from proxy.transcoding.parameters import FieldTables
from proxy.transcoding.request import RequestBuilder
from tests.transcoding.request_schema import LIBRARY, bind, codecs_of, make, pool_of

POOL = pool_of(LIBRARY)
TABLES = FieldTables(codecs_of(POOL))
BOOK = bind(POOL, "library.v1.Library.Serve", "PATCH", "/v1/{name=books/*}", body="book")


def mask_of(body: str, **given: Any) -> list[str]:
    """The paths that a PATCH with this body gets; *given* is the request as it is before."""
    filler = mask_filler(BOOK, json_leaves(BOOK, TABLES))
    assert filler is not None
    request: Any = make(POOL, "library.v1.BookRequest", given)
    filler.fill(request, body.encode())
    assert request.HasField("update_mask")
    return list(request.update_mask.paths)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ("{}", []),
        ("null", []),
        ('{"title": "a"}', ["title"]),
        ('{"title": "", "pages": 0}', ["pages", "title"]),
        ('{"title": null, "author": null}', ["author", "title"]),
        ('{"author": {"name": "a", "born": 1}}', ["author.born", "author.name"]),
        ('{"author": {"mentor": {"name": null}}}', ["author.mentor.name"]),
        ('{"author": {}}', ["author"]),
        ('{"tags": ["a"], "labels": {"a": "b"}}', ["labels", "tags"]),
        ('{"tags": [], "labels": {}}', ["labels", "tags"]),
        ('{"extra": {"a": {"b": 1}}}', ["extra"]),
        ('{"attached": {"@type": "x"}}', ["attached"]),
        ('{"remark": {"a": 1}, "rating": 3}', ["rating", "remark"]),
        ('{"printed": "1970-01-01T00:00:00Z"}', ["printed"]),
        ('{"readers": [{"name": "a"}]}', ["readers"]),
        ('{"orderBy": "a"}', ["sort_key"]),
        ('{"sort_key": "a"}', ["sort_key"]),
        ('{"unknown": {"name": 1}, "note": "a"}', ["note"]),
        ('{"cover": "HARD", "covers": ["SOFT"]}', ["cover", "covers"]),
        ('{"cover": 7}', ["cover"]),
        ('{"cover": null}', ["cover"]),
        ('{"cover": "SOFT", "pages": 1}', ["pages"]),
        ('{"lender": {"name": "a"}}', ["lender.name"]),
        ('{"unknown": ' + "1" * 5000 + ', "pages": 1}', ["pages"]),
    ],
)
def test_a_mask_names_the_leaves_of_the_body(body: str, paths: list[str]) -> None:
    assert mask_of(body) == paths


def test_an_unknown_enum_name_that_is_passed_over_is_not_cleared_instead() -> None:
    codecs = codecs_of(POOL, unknown_fields="ignore")
    builder = RequestBuilder.compile(BOOK, codecs)
    body = b'{"cover": "SOFT", "pages": 1}'
    message: Any = builder.build(["books/1"], "", body, "application/json").message
    assert message.book.cover == 0
    assert list(message.update_mask.paths) == ["pages"]


def test_a_mask_of_the_client_is_kept() -> None:
    assert mask_of('{"title": "a"}', updateMask="pages") == ["pages"]


def test_an_empty_mask_of_the_client_is_a_mask() -> None:
    filler = mask_filler(BOOK, json_leaves(BOOK, TABLES))
    request: Any = message_class(BOOK.method.input_type)()
    request.update_mask.SetInParent()
    assert filler is not None
    filler.fill(request, b'{"title": "a"}')
    assert list(request.update_mask.paths) == []


@pytest.mark.parametrize(
    ("method", "http_method", "body"),
    [
        ("Serve", "PUT", "book"),
        ("Serve", "POST", "book"),
        ("Serve", "PATCH", "*"),
        ("Serve", "PATCH", ""),
        ("Serve", "PATCH", "authors"),
        ("Serve", "PATCH", "counts"),
        ("Serve", "PATCH", "extra"),
        ("Serve", "PATCH", "since"),
        ("Serve", "PATCH", "revision"),
        ("Serve", "PATCH", "cover"),
        ("Two", "PATCH", "book"),
        ("Many", "PATCH", "book"),
    ],
)
def test_other_requests_have_no_mask_to_fill(method: str, http_method: str, body: str) -> None:
    binding = bind(POOL, f"library.v1.Library.{method}", http_method, "/v1/books", body=body)
    assert mask_filler(binding, json_leaves(binding, TABLES)) is None


def test_they_say_what_they_are() -> None:
    leaves = json_leaves(BOOK, TABLES)
    assert "under 'book.'" in repr(leaves)
    assert repr(mask_filler(BOOK, leaves)) == "<MaskFiller of update_mask>"
