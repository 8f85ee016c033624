"""Entity tags, and what clients ask with them (RFC 9110 §8.8.3, §13)."""

import gzip
from typing import Any

import pytest

from proxy.status import Code
from tests.live.edge import Given, answers, fails
from tests.shape.outcomes.zones import message, read, zones

GET = "/v4/zones/a/records/1"
FIELD = 'Get: {etag: "{etag}"}'
SMALL = ", compress_min_bytes: 1B"


async def asked(
    shape: str, headers: Any = (), http_method: str = "GET", defaults: str = "", **fields: Any
) -> Given:
    handlers = {"Get": answers(message("Record", **fields))}
    async with zones(shape, handlers, defaults) as edge:
        return await edge.ask(http_method, GET, headers)


@pytest.mark.parametrize(
    ("field", "tag"),
    [
        ("abc", '"abc"'),
        ('"abc"', '"abc"'),
        ('W/"abc"', 'W/"abc"'),
        ('""', '""'),
        ("a b", None),
        ('a"b', None),
        ("é", None),
        ("a\r\nX: y", None),
        ("", None),
        ("x" * 600, None),
    ],
)
async def test_a_field_gives_the_tag(field: str, tag: str | None):
    given = await asked(FIELD, etag=field)
    assert given.all("etag") == ([] if tag is None else [tag])
    assert given.status == 200


async def test_a_tag_may_be_of_several_fields_and_weak():
    given = await asked('Get: {etag: {value: "{id}-{revision}", weak: true}}', id="a", revision=7)
    assert given["etag"] == 'W/"a-7"'


async def test_a_digest_changes_with_the_body_and_only_then():
    first, same, other = [
        await asked('Get: {etag: "{@body}"}', id=each) for each in ("1", "1", "2")
    ]
    assert first["etag"] == same["etag"] != other["etag"]
    assert (await asked('Get: {etag: {value: "{@body}", weak: true}}', id="1"))["etag"] == (
        f"W/{first['etag']}"
    )


@pytest.mark.parametrize(
    "sent",
    ['"a"', 'W/"a"', '"b", "a"', '"b" , W/"a"', "*", ' "a" ', '"a--gzip"', ',"a",,', '"b",\t"a"'],
)
@pytest.mark.parametrize("http_method", ["GET", "HEAD"])
async def test_a_client_that_has_it_gets_304(sent: str, http_method: str):
    shape = 'Get: {etag: "{etag}", headers: {Cache-Control: max-age=5, X-A: "{id}"}}'
    given = await asked(shape, {"If-None-Match": sent}, http_method, etag="a", id="1")
    assert (given.status, given.body) == (304, b"")
    assert given["etag"] == ('"a--gzip"' if "gzip" in sent else '"a"')
    assert (given["cache-control"], given.all("content-type")) == ("max-age=5", [])


@pytest.mark.parametrize(
    "sent", ['"b"', 'W/"b"', "a", '"a', "", '"A"', '*, "b"', '"b--gzip"', "**"]
)
async def test_a_client_that_has_something_else_gets_it_all(sent: str):
    given = await asked(FIELD, {"If-None-Match": sent}, etag="a")
    assert (given.status, given["etag"]) == (200, '"a"')


async def test_several_lines_are_one_list():
    headers = (("If-None-Match", '"b"'), ("If-None-Match", '"a"'))
    assert (await asked(FIELD, headers, etag="a")).status == 304


async def test_without_a_tag_nothing_is_compared():
    assert (await asked(FIELD, {"If-None-Match": "*"})).status == 200


async def test_only_what_would_be_200_is_compared():
    shape = 'Get: {etag: "{etag}", status: {code: 203}}'
    assert (await asked(shape, {"If-None-Match": '"a"'}, etag="a")).status == 203


async def test_the_gzipped_form_has_a_tag_of_its_own():
    """RFC 9110 §8.8.3.3: a strong tag is of the bytes."""
    accepts = {"Accept-Encoding": "gzip"}
    given = await asked(FIELD, accepts, defaults=SMALL, etag="a")
    assert (given["etag"], given["content-encoding"]) == ('"a--gzip"', "gzip")
    assert given["vary"] == "accept-encoding"
    assert gzip.decompress(given.body) == (await asked(FIELD, etag="a")).body
    plain = await asked(FIELD, defaults=SMALL, etag="a")
    assert (plain["etag"], plain["vary"]) == ('"a"', "accept-encoding")
    weak = await asked(FIELD, accepts, defaults=SMALL, etag='W/"a"')
    assert weak["etag"] == 'W/"a"'


async def test_the_tag_of_the_gzipped_form_is_known_again():
    headers = {"Accept-Encoding": "gzip", "If-None-Match": '"a--gzip"'}
    given = await asked(FIELD, headers, defaults=SMALL, etag="a")
    assert (given.status, given["etag"], given["vary"]) == (304, '"a--gzip"', "accept-encoding")
    assert (given.all("content-encoding"), given.body) == ([], b"")


async def test_a_tag_that_looks_like_one_of_a_gzipped_form_is_not_compressed():
    given = await asked(FIELD, {"Accept-Encoding": "gzip"}, defaults=SMALL, etag="a--gzip")
    assert (given["etag"], given.all("content-encoding")) == ('"a--gzip"', [])
    assert given["vary"] == "accept-encoding"


# --- If-Match

UPDATE = 'Update: {etag: {value: "{etag}", if_match: record.etag}}'
DELETE = 'Delete: {status: {empty: 204}, etag: {value: "{@metadata.etag}", if_match: etag}}'


async def updated(shape: str, headers: Any, body: bytes = b"{}") -> tuple[Given, dict[str, Any]]:
    handlers = {"Update": answers(message("Record", etag="b"))}
    async with zones(shape, handlers) as edge:
        given = await edge.ask("PUT", "/v4/records/1", headers, body)
        calls = edge.upstream.calls
        return given, read("UpdateRequest", calls[0].message) if calls else {}


@pytest.mark.parametrize("sent", ['"a"', '"a--gzip"', 'W/"x", "a"'])
async def test_the_api_compares_the_tag(sent: str):
    given, request = await updated(UPDATE, {"If-Match": sent})
    assert (given.status, given["etag"]) == (200, '"b"')
    assert request == {"record": {"id": "1", "etag": "a"}}


async def test_the_api_may_want_quotation_marks():
    shape = UPDATE.replace("record.etag", "record.etag, quoted: true")
    assert (await updated(shape, {"If-Match": '"a"'}))[1]["record"]["etag"] == '"a"'


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
async def test_without_a_condition_nothing_is_compared(headers: dict[str, str]):
    given, request = await updated(UPDATE, headers)
    assert (given.status, request) == (200, {"record": {"id": "1"}})


@pytest.mark.parametrize(
    ("sent", "status"),
    [('W/"a"', 412), ('"a", "b"', 400), ("a", 400), ("", 400), ('"a', 400)],
)
async def test_a_condition_that_cannot_be_passed_on_stops_the_write(sent: str, status: int):
    given, request = await updated(UPDATE, {"If-Match": sent})
    assert (given.status, request) == (status, {})


async def test_a_body_cannot_say_another_tag_than_the_header():
    assert (await updated(UPDATE, {"If-Match": '"a"'}, b'{"etag": "c"}'))[0].status == 400
    assert (await updated(UPDATE, {"If-Match": '"a"'}, b'{"etag": "a"}'))[0].status == 200


@pytest.mark.parametrize(
    ("headers", "code", "status"),
    [
        ({"If-Match": '"a"'}, Code.ABORTED, 412),
        ({}, Code.ABORTED, 409),
        ({"If-Match": "*"}, Code.ABORTED, 409),
        ({"If-Match": '"a"'}, Code.FAILED_PRECONDITION, 400),
        ({"If-Match": '"a"'}, Code.NOT_FOUND, 404),
    ],
)
async def test_a_condition_that_does_not_hold_is_412(headers: Any, code: Code, status: int):
    async with zones(DELETE, {"Delete": fails(code, "etag")}) as edge:
        assert (await edge.ask("DELETE", "/v4/records/1", headers)).status == status


async def test_metadata_can_carry_the_tag():
    shape = DELETE.replace("if_match: etag", 'if_match: "@metadata.x-match"')
    handlers = {"Delete": answers(b"", trailers=(("etag", "z"),))}
    async with zones(shape, handlers) as edge:
        given = await edge.ask("DELETE", "/v4/records/1", {"If-Match": '"a"'})
        assert (given.status, given["etag"]) == (204, '"z"')
        assert ("x-match", "a") in edge.upstream.calls[0].metadata
