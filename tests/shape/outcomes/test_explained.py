"""What is explained of a request is the call that it would make, page and condition included."""

import json
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.exchange.explanation import ExplainedCall, Inquiry, explain
from tests.shape.outcomes.zones import load

SHAPES = """
List: {paging: {per_page: n, tokens: "t{offset}"}}
Update: {etag: {value: "{etag}", if_match: record.etag}}
Delete: {etag: {value: "{@metadata.etag}", if_match: "@metadata.x-match"}}
"""
TAG = {"If-Match": '"a"'}


async def explained(
    http_method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> Any:
    given = CIMultiDictProxy(CIMultiDict(headers or {}))
    return explain(await load(SHAPES), Inquiry(http_method, target, given, body)).outcome


@pytest.mark.parametrize(
    ("http_method", "target", "message"),
    [
        (
            *("GET", "/v4/zones/a/records?page=3&n=5&filter=x"),
            {"zone": "a", "pageSize": 5, "pageToken": "t10", "filter": "x"},
        ),
        ("PUT", "/v4/records/1", {"record": {"id": "1", "etag": "a"}}),
        ("DELETE", "/v4/records/1", {"id": "1"}),
    ],
)
async def test_the_call_is_the_one_that_is_made(
    http_method: str, target: str, message: dict[str, Any]
):
    body = b"{}" if http_method == "PUT" else b""
    outcome = await explained(http_method, target, TAG, body)
    assert isinstance(outcome, ExplainedCall)
    assert json.loads(outcome.message or b"") == message
    assert outcome.unknown == ()
    assert (("x-match", "a") in outcome.metadata) == (http_method == "DELETE")


async def test_a_page_that_there_cannot_be_is_explained_as_it_is_answered():
    outcome = await explained("GET", "/v4/zones/a/records?page=0")
    assert outcome.http_status == 400
