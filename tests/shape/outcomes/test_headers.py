"""Response headers from fields, metadata and the request."""

import string
from typing import Any

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.exchange.messages import Outcome
from proxy.shape.outcomes.fields import field_at, http_date
from proxy.shape.outcomes.headers import based, name_fault, segment, segments, whole_url
from tests.live.edge import answers
from tests.shape.outcomes.zones import message, schema, zones

GET = "/v4/zones/a/records/1"
LOCATION = 'Create: {status: {code: 201}, headers: {Location: "/v4/zones/{@request.zone}/r/{id}"}}'


async def headers_of(
    shape: str, fields: dict[str, Any], target: str = GET, **more: Any
) -> dict[str, str]:
    """The headers of an answer with *fields*, by their names in lower case."""
    async with zones(f"Get: {shape}", {"Get": answers(message("Record", **fields), **more)}) as e:
        return {name.lower(): value for name, value in (await e.ask("GET", target)).headers}


async def test_a_created_thing_says_where_it_is():
    async with zones(LOCATION, {"Create": answers(message("Record", id="7"))}) as edge:
        given = await edge.ask("POST", "/v4/zones/a.b/records", body=b'{"name": "x"}')
        assert (given.status, given["location"]) == (201, "/v4/zones/a.b/r/7")


@pytest.mark.parametrize(
    ("id_", "location"),
    [
        ("a/b", "/r/a%2Fb"),
        ("a b?c#d", "/r/a%20b%3Fc%23d"),
        ("é", "/r/%C3%A9"),
        ("x\r\nSet-Cookie: a=b", "/r/x%0D%0ASet-Cookie%3A%20a%3Db"),
        ("%2F", "/r/%252F"),
        ("..", None),
        (".", None),
        ("", None),
        ("...", "/r/..."),
    ],
)
async def test_values_are_one_segment_of_a_url(id_: str, location: str | None):
    found = await headers_of('{headers: {Location: "/r/{id}"}}', {"id": id_})
    assert found.get("location") == location


@pytest.mark.parametrize(
    ("name", "location"),
    [("zones/a/r/b c", "/v4/zones/a/r/b%20c"), ("zones/../b", None), ("a/.", None), ("/a", None)],
)
async def test_names_of_resources_keep_their_slashes(name: str, location: str | None):
    shape = '{headers: {Location: {value: "/v4/{name}", slashes: true}}}'
    assert (await headers_of(shape, {"name": name})).get("location") == location


@pytest.mark.parametrize("name", ["/evil.example/a", "//evil.example/a", "///evil.example"])
async def test_a_name_never_becomes_a_host(name: str):
    shape = '{headers: {Location: {value: "/{name}", slashes: true}}}'
    assert "location" not in await headers_of(shape, {"name": name})


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://a.example/x?y=1&z=%20", "https://a.example/x?y=1&z=%20"),
        ("/x\r\ny", "/x%0D%0Ay"),
        ("/ä <b>", "/%C3%A4%20%3Cb%3E"),
    ],
)
async def test_a_field_may_hold_the_whole_url(url: str, location: str):
    assert (await headers_of('{headers: {Location: "{name}"}}', {"name": url}))["location"] == (
        location
    )


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "é", "a\0b", "\x7f", "", "x" * 5000])
async def test_what_no_header_may_hold_leaves_it_out(value: str):
    found = await headers_of('{headers: {X-Name: "<{name}>"}}', {"name": value})
    assert "x-name" not in found
    assert "x-evil" not in found


async def test_holes_have_the_form_that_the_body_has():
    shape = '{headers: {X-A: "{revision} {state} {fresh} {update_time} {parent.id}"}}'
    fields = {
        "revision": str(2**53 + 1),
        "state": "PENDING",
        "update_time": "2026-01-02T03:04:05Z",
        "parent": {"id": "p"},
    }
    found = await headers_of(shape, fields)
    assert found["x-a"] == "9007199254740993 PENDING false 2026-01-02T03:04:05Z p"


async def test_a_header_is_left_out_for_a_field_that_is_not_set():
    shape = '{headers: {X-Owner: "{owner}", X-Parent: "{parent.id}", X-Code: "{http_code}"}}'
    assert {name for name in await headers_of(shape, {}) if name.startswith("x-")} == {"x-code"}
    assert (await headers_of(shape, {"owner": "o", "parent": {"id": "p"}}))["x-parent"] == "p"


async def test_times_of_http_have_its_form():
    shape = '{headers: {Last-Modified: "{update_time}"}}'
    found = await headers_of(shape, {"update_time": "2026-01-02T03:04:05.678Z"})
    assert found["last-modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert "last-modified" not in await headers_of(shape, {})


async def test_metadata_and_trailers_become_headers():
    shape = (
        '{headers: {X-Cost: "{@metadata.cost}", X-End: "{@metadata.end}", X-No: "{@metadata.n}"}}'
    )
    found = await headers_of(
        shape, {}, initial=(("cost", "3"), ("n-bin", b"x")), trailers=(("end", "4"), ("end", "5"))
    )
    assert (found["x-cost"], found["x-end"], "x-no" in found) == ("3", "4", False)


async def test_a_header_of_the_shape_takes_the_place_of_one_of_metadata():
    shape = 'Get: {headers: {X-Cost: "{id}"}}'
    handlers = {"Get": answers(message("Record", id="9"), initial=(("x-cost", "3"), ("x-b", "1")))}
    async with zones(shape, handlers, ", response_metadata: [x-cost, x-b]") as edge:
        given = await edge.ask("GET", GET)
        assert (given.all("x-cost"), given.all("x-b")) == (["9"], ["1"])


async def test_a_header_may_be_for_some_status_only():
    shape = (
        "{status: {field: state, values: {PENDING: 202}}, "
        'headers: {Retry-After: {value: "5", on: [202]}}}'
    )
    assert (await headers_of(shape, {"state": "PENDING"}))["retry-after"] == "5"
    assert "retry-after" not in await headers_of(shape, {})


@pytest.mark.parametrize(
    ("base_url", "host", "location"),
    [
        ("request", "api.test:8080", "http://api.test:8080/r/1"),
        ("request", "[::1]:80", "http://[::1]:80/r/1"),
        ("request", "evil.test/<script>", "/r/1"),
        ("request", "", "/r/1"),
        ("https://api.example.com", "evil.test", "https://api.example.com/r/1"),
    ],
)
async def test_urls_can_be_absolute(base_url: str, host: str, location: str):
    shape = f'Get: {{base_url: "{base_url}", headers: {{Location: "/r/{{id}}"}}}}'
    async with zones(shape, {"Get": answers(message("Record", id="1"))}) as edge:
        request = edge.request("GET", GET, (), b"")
        request.headers = CIMultiDictProxy(CIMultiDict({"Host": host}))
        answer = await edge.exchange.answer(request, Outcome())
        assert dict(answer.headers)["Location"] == location


def test_a_url_of_another_host_gets_no_base():
    assert based("//evil.test/x", "https://a.example") == "//evil.test/x"
    assert based("https://b.example/x", "https://a.example") == "https://b.example/x"


@pytest.mark.parametrize(
    "name", ["content-length", "Transfer-Encoding", "connection", "etag", "x-cutover-side", "a b"]
)
def test_headers_of_the_message_itself_cannot_be_set(name: str):
    assert name_fault(name)


SAFE = frozenset(string.printable) - frozenset("\t\n\r\x0b\x0c")


@hypothesis_given(strategies.text(max_size=40))
def test_no_text_at_all_gets_out_of_its_header(text: str):
    for encode in (segment, segments, whole_url):
        assert SAFE.issuperset(encode(text))


async def test_what_is_no_field_is_there_too():
    shape = (
        "{status: {code: 203}, base_url: request, "
        'headers: {X-A: "{@status} {@origin} {@request.id}", X-B: "{@request.zone}"}}'
    )
    found = await headers_of(shape, {})
    assert (found["x-a"], found["x-b"]) == ("203 http://api.test 1", "a")


async def test_an_envelope_alone_has_what_is_no_field():
    shape = (
        'Get: {base_url: request, answer: {body: {of: "{@request.zone}", cost: "{@metadata.cost}", '
        'status: "{@status}", origin: "{@origin}", none: "{@metadata.none}", is: "{}"}}}'
    )
    replies = answers(message("Record", id="7"), trailers=(("cost", "3"),))
    async with zones(shape, {"Get": replies}) as edge:
        body = (await edge.ask("GET", GET)).json()
    values = {"of": "a", "cost": "3", "status": 200, "origin": "http://api.test", "none": None}
    assert body == {**values, "is": {"id": "7"}}


@pytest.mark.parametrize("seconds", [-62135596801, 253402300800])
async def test_a_time_that_no_calendar_has_leaves_its_header_out(seconds: int):
    """The body cannot be made either; a header for itself must not break an answer without it."""
    shape = 'Delete: {headers: {Last-Modified: "{@metadata.x}"}}'
    async with zones(shape, {"Delete": answers(b"")}) as edge:
        assert (await edge.ask("DELETE", "/v4/records/1")).all("last-modified") == []
    record = schema().message("zones.v1.Record")()
    record.update_time.seconds = seconds
    date_of = http_date(field_at(record.DESCRIPTOR, "update_time"))
    assert date_of is not None
    assert date_of(record) is None
