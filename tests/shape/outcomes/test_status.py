"""The status of answers that are no errors."""

import pytest

from tests.live.edge import answers
from tests.shape.outcomes.zones import message, zones

TABLE = "Get: {status: {field: state, values: {PENDING: 202, ACTIVE: 203}}}"
NUMBER = "Get: {status: {code: 203, field: http_code, allowed: [200, 201]}}"
BOOL = 'Get: {status: {field: fresh, values: {"true": 201}}}'
FIND = "Find: {status: {empty: 204, empty_if: record}}"
GET = "/v4/zones/a/records/1"


@pytest.mark.parametrize(
    ("shape", "fields", "status"),
    [
        ("Get: {status: {code: 201}}", {"id": "1"}, 201),
        (TABLE, {"state": "PENDING"}, 202),
        (TABLE, {"state": "ACTIVE"}, 203),
        (TABLE, {"id": "1"}, 200),
        (TABLE, {"state": 77}, 200),
        (NUMBER, {"http_code": 201}, 201),
        (NUMBER, {"http_code": 500}, 203),
        (NUMBER, {"http_code": -1}, 203),
        (NUMBER, {}, 203),
        (BOOL, {"fresh": True}, 201),
        (BOOL, {}, 200),
    ],
)
async def test_the_message_says_the_status(shape: str, fields: dict[str, object], status: int):
    async with zones(shape, {"Get": answers(message("Record", **fields))}) as edge:
        given = await edge.ask("GET", GET)
        assert given.status == status
        assert given["content-type"] == "application/json"


async def test_a_message_with_nothing_in_it_is_no_content():
    async with zones("Delete: {status: {empty: 204}}", {"Delete": answers(b"")}) as edge:
        given = await edge.ask("DELETE", "/v4/records/1")
        assert (given.status, given.body, given.all("content-type")) == (204, b"", [])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"hints": ["x"]}, 204),
        ({}, 204),
        ({"record": {}}, 200),
        ({"record": {"id": "1"}}, 200),
    ],
)
async def test_a_named_field_says_whether_there_is_content(fields: dict[str, object], status: int):
    async with zones(FIND, {"Find": answers(message("Found", **fields))}) as edge:
        given = await edge.ask("GET", "/v4/zones/a:find")
        assert given.status == status
        assert bool(given.body) == (status == 200)


async def test_errors_keep_their_status():
    async with zones("Get: {status: {code: 201}}", {}) as edge:
        given = await edge.ask("GET", GET)
        assert given.status >= 400


async def test_a_redirect_says_where_to():
    shape = 'Get: {status: {code: 303}, headers: {Location: "/v4/other/{id}"}}'
    async with zones(shape, {"Get": answers(message("Record", id="1"))}) as edge:
        given = await edge.ask("GET", GET)
        assert (given.status, given["location"]) == (303, "/v4/other/1")


async def test_bytes_that_are_no_message_are_a_bad_gateway():
    async with zones(TABLE, {"Get": answers(b"\xff")}) as edge:
        assert (await edge.ask("GET", GET)).status == 502
