"""Requests through Envoy and through us: they lead to the same, or somebody said why not."""

from typing import Any

import pytest

from tests.differential.outcomes import differences, judge, refusal_faults
from tests.differential.stand import Request, Stand
from tests.differential.tables import DIALECTS, differences_file, intended, requests

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", requests().values(), ids=list(requests()))
async def test_request_leads_to_the_same_but_for_what_is_intended(
    stand: Stand, case: dict[str, Any], dialect: str
) -> None:
    request = Request.of(case)
    envoy, ours = await stand.envoy(request, dialect), await stand.ours(request, dialect)
    assert judge(differences(envoy, ours), intended(dialect).get(case["id"])) == ""
    if dialect == "spec" and ours.is_refusal:
        assert not refusal_faults(ours, request.method)


async def test_refusals_are_json_here_and_plain_text_in_envoy(stand: Stand) -> None:
    request = Request.of({"send": "GET /nothing/here"})
    envoy, ours = await stand.envoy(request), await stand.ours(request)
    assert (envoy.content, ours.content) == ("text/plain", "application/json")


@pytest.mark.parametrize(
    "line",
    ["GET /nothing/here", "DELETE /v1/items/a", "GET /v1/items/a?i32=x", "POST /v1/all/a"],
)
async def test_refusals_are_plain_text_in_the_dialect(stand: Stand, line: str) -> None:
    request = Request.of({"send": line, "body": "[" if line.startswith("POST") else None})
    envoy, ours = await stand.envoy(request, "envoy"), await stand.ours(request, "envoy")
    assert (ours.status, ours.content, ours.allow) == (envoy.status, "text/plain", "")
    assert envoy.content == ours.content


async def test_error_bodies_have_all_members_here_and_not_in_envoy(stand: Stand) -> None:
    request = Request.of({"send": "GET /v1/items/a?plan.code=5"})
    envoy, ours = await stand.envoy(request), await stand.ours(request)
    assert envoy.body == {"code": 5}
    assert ours.body == {"code": 5, "message": "", "details": []}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_intended_difference_has_a_request_and_a_reason(dialect: str) -> None:
    listed = differences_file(dialect)
    used = {entry["reason"] for entry in listed["differences"]}
    assert intended(dialect).keys() <= requests().keys()
    assert used == listed["reasons"].keys()
