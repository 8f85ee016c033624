"""Requests through us in the dialect of grpc-gateway: they lead to what it made of them.

Belongs here: holding the dialect to what `record_gateway` wrote down once. Does not: running
grpc-gateway, so that these tests need no Go.
"""

from typing import Any

import pytest

from tests.differential.outcomes import Outcome, as_facets, differences, from_facets, judge
from tests.differential.stand import Request, Stand
from tests.differential.tables import differences_file, intended, recorded, requests

pytestmark = pytest.mark.asyncio(loop_scope="session")
DIALECT = "grpc-gateway"


@pytest.mark.parametrize("case", requests().values(), ids=list(requests()))
async def test_request_leads_to_what_it_led_to_but_for_what_is_intended(
    alone: Stand, case: dict[str, Any]
) -> None:
    ours = await alone.ours(Request.of(case), DIALECT)
    found = differences(recorded()[case["id"]], ours, "gateway")
    assert judge(found, intended(DIALECT).get(case["id"])) == ""


async def test_every_request_was_recorded_and_every_difference_has_a_reason() -> None:
    listed = differences_file(DIALECT)
    used = {entry["reason"] for entry in listed["differences"]}
    assert recorded().keys() == requests().keys()
    assert intended(DIALECT).keys() <= requests().keys()
    assert used == listed["reasons"].keys()


async def test_an_outcome_can_be_written_down() -> None:
    outcome = Outcome(200, "text/plain", [1], seen=({"Get": {}},), metadata=(["a", "b"],))
    assert from_facets(as_facets(outcome)) == outcome
    assert as_facets(Outcome(404)) == {"status": 404}
