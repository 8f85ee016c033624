"""Errors that mirrors are compared with are those that clients would get."""

import asyncio
import json

import pytest

from proxy.errors import StatusError
from proxy.routing.snapshot import Snapshot
from proxy.shadow.answers import error_document
from proxy.status import Code
from tests.exchange.test_error_forms import CONFIG, SENT, TRACE
from tests.live.edge import load
from tests.shadow.samples import sample_of
from tests.shape.errors.told import BAD_FIELD, info, told


@pytest.fixture(scope="module")
def shaped() -> Snapshot:
    return asyncio.run(load(legacy=False, more=CONFIG))


@pytest.mark.parametrize(
    "error",
    [told(Code.ALREADY_EXISTS, "it is there", info(), metadata=(("x-cost", "3"),)), BAD_FIELD],
    ids=["call", "refusal"],
)
async def test_a_mirror_shows_the_error_of_its_route(shaped: Snapshot, error: StatusError) -> None:
    found = shaped.table.find("DELETE", "/v1/items/7").binding
    assert found is not None
    sample = sample_of(shaped, found, "DELETE", "/v1/items/7?x=1", SENT, trace_id=TRACE)
    document = error_document(error, sample)
    body = json.loads(document.body)
    assert (document.http_status, body["ids"]) == (error.http_status, [TRACE, "r-1"])
    assert body["at"] == "/v1/items/7"
    assert body["errors"][0]["text"] == error.status.message
    assert document.headers[0] == ("content-type", "application/json")
    assert (("x-cost", "3") in document.headers) is (error is not BAD_FIELD)
