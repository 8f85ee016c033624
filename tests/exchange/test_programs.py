"""Programs of routes, from end to end: what clients get, and when they fail."""

import asyncio
import json

import pytest

from proxy.errors import LimitExceeded
from proxy.programs.pool import ProgramPool
from proxy.programs.steps import ProgramSteps
from proxy.routing.snapshot import Snapshot
from proxy.shape.programs import BindingPrograms, Program
from proxy.transcoding.httpbody import Content
from tests.live.edge import HANDLERS, answers, edge_of, item, load, method

CONFIG = """
- rpc: edge.v1.Items.Purge
  shape:
    names: snake
    jq: {answer: 'if .id == "bad" then error("a secret") else {data: .} end', timeout: 10s}
- rpc: edge.v1.Items.Create
  shape:
    jq: {request: 'if .wrapped then .wrapped else error("no wrapped") end', timeout: 10s}
- rpc: edge.v1.Items.Watch
  shape:
    jq: {answer: 'if .id == "bad" then error("no") else .id end', timeout: 10s}
- rpc: edge.v1.Items.Check
  shape:
    jq: {request: '.x', answer: 'last(range(1e15))', timeout: 1ms, max_bytes: 1KiB}
"""
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return asyncio.run(load(legacy=False, more=CONFIG))


async def ask(snapshot: Snapshot, handler, http_method: str, target: str, **more):
    async with edge_of(snapshot, {**HANDLERS, **handler}) as edge:
        answer = await edge.ask(http_method, target, **more)
        return answer, edge


async def test_an_answer_is_what_its_program_makes_of_the_shape(snapshot: Snapshot):
    handler = {method("Purge"): answers(item(id="7", big=2**53 + 1))}
    answer, _ = await ask(snapshot, handler, "PURGE", "/v1/items/7")
    assert (answer.status, answer.json()) == (200, {"data": {"id": "7", "big": str(2**53 + 1)}})


async def test_a_program_that_fails_on_an_answer_tells_clients_nothing(snapshot: Snapshot):
    handler = {method("Purge"): answers(item(id="bad"))}
    answer, _ = await ask(snapshot, handler, "PURGE", "/v1/items/7")
    assert (answer.status, answer.json()["message"]) == (502, "internal error")


async def test_a_request_is_what_its_program_makes_of_the_body(snapshot: Snapshot):
    async with edge_of(snapshot) as edge:
        body = json.dumps({"wrapped": {"id": "7"}}).encode()
        answer = await edge.ask("POST", "/v1/items", headers=JSON, body=body)
        assert answer.status == 200
        [call] = edge.upstream.calls
        assert b"7" in call.message


async def test_a_program_refuses_requests_in_its_own_words(snapshot: Snapshot):
    async with edge_of(snapshot) as edge:
        answer = await edge.ask("POST", "/v1/items", headers=JSON, body=b"{}")
        assert (answer.status, answer.json()["message"]) == (400, "no wrapped")
        assert edge.upstream.calls == []


async def test_a_request_without_a_body_is_no_matter_of_a_program(snapshot: Snapshot):
    answer, _ = await ask(snapshot, {}, "POST", "/v1/items", headers=JSON)
    assert answer.status == 200


async def test_each_message_of_a_stream_is_given_to_the_program(snapshot: Snapshot):
    handler = {method("Watch"): answers(item(id="a"), item(id="b"))}
    answer, _ = await ask(snapshot, handler, "GET", "/v1/items/7:watch")
    assert answer.json() == ["a", "b"]


async def test_a_stream_breaks_off_where_the_program_fails(snapshot: Snapshot):
    handler = {method("Watch"): answers(item(id="a"), item(id="bad"))}
    accept = {"Accept": "application/x-ndjson"}
    answer, _ = await ask(snapshot, handler, "GET", "/v1/items/7:watch", headers=accept)
    first, last = answer.body.splitlines()
    assert (json.loads(first), json.loads(last)["error"]["code"]) == ("a", 13)


async def test_a_program_that_never_ends_costs_its_own_answer(snapshot: Snapshot):
    async with edge_of(snapshot) as edge:
        body = json.dumps({"x": {"id": "7"}}).encode()
        answer = await edge.ask("POST", "/v1/items/7:check", headers=JSON, body=body)
        # Of the two programs of this route either may be too slow within a millisecond.
        assert answer.status in (500, 502)
        assert (await edge.ask("PURGE", "/v1/items/7")).json() == {"data": {}}


async def test_more_than_a_program_takes_is_refused(snapshot: Snapshot):
    body = json.dumps({"x": "a" * 2000}).encode()
    answer, _ = await ask(snapshot, {}, "POST", "/v1/items/7:check", headers=JSON, body=body)
    assert answer.status == 413


async def test_an_answer_for_which_there_is_no_room_is_no_failure_of_the_upstream():
    """Else whoever floods one route would have the routes of others moved back to legacy."""
    steps = ProgramSteps(ProgramPool(max_jobs=0))
    programs = BindingPrograms(None, Program(".", 1.0, 1024))
    with pytest.raises(LimitExceeded) as raised:
        await steps.answer(programs, Content("application/json", b"{}"))
    assert (raised.value.http_status, raised.value.limit) == (502, "programs")
    assert raised.value.headers == ()
