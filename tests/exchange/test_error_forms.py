"""Errors of routes in the form that their clients know, from end to end."""

import asyncio
import json
from dataclasses import replace

import pytest
import structlog
from google.protobuf.descriptor_pool import Default
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.errors import StatusError
from proxy.exchange.described import describe
from proxy.exchange.explanation import Inquiry, explain
from proxy.exchange.failure import failure, late_failure
from proxy.routing.snapshot import Snapshot
from proxy.shape.errors.options import ErrorOptions
from proxy.shape.errors.readable import NOWHERE
from proxy.shape.errors.renderer import ErrorRenderer, RenderedError
from proxy.status import Code, Status
from proxy.transcoding.errorbody import bad_request
from tests.live.edge import HANDLERS, Edge, edge_of, fails, item, load, method
from tests.live.wire import client_of, request
from tests.shape.errors.told import info

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-request-id": "r-1"}
NDJSON = {"Accept": "application/x-ndjson"}

CONFIG = """
- rpc: edge.v1.Items.Delete
  shape:
    names: pascal
    errors:
      body: {ok: false, errors: "{errors}", ids: ["{trace_id}", "{request_id}"], at: "{path}"}
      error: {code: "{legacy_code}", text: "{description}", field: "{field}"}
      codes: {reasons: {RECORD_EXISTS: 81057}, http: {413: 10013}, default: 1000}
      status: {names: {NOT_FOUND: 200, INTERNAL: 200}}
- {rpc: edge.v1.Items.Create, error_format: aip-193, shape: {names: pascal}}
- {rpc: edge.v1.Items.Watch, error_format: rfc9457}
- {rpc: edge.v1.Items.File, dialect: envoy}
- {rpc: edge.v1.Items.List, dialect: grpc-gateway-v1}
"""


@pytest.fixture(scope="module")
def shaped() -> Snapshot:
    return asyncio.run(load(legacy=False, more=CONFIG))


async def ask(snapshot: Snapshot, name: str, error, http_method: str, target: str, **more):
    async with edge_of(snapshot, {**HANDLERS, method(name): error}) as edge:
        return await edge.ask(http_method, target, **more)


async def test_an_error_of_a_server_has_the_form_of_its_route(shaped: Snapshot):
    error = fails(Code.ALREADY_EXISTS, "it is there", details=(info(),))
    given = await ask(shaped, "Delete", error, "DELETE", "/v1/items/7?x=1", headers=SENT)
    assert given.status == 409
    assert given.json() == {
        "ok": False,
        "errors": [{"code": 81057, "text": "it is there", "field": None}],
        "ids": [TRACE, "r-1"],
        "at": "/v1/items/7",
    }


async def test_a_refusal_of_the_proxy_has_the_same_form_and_legacy_names(shaped: Snapshot):
    async with edge_of(shaped) as edge:
        given = await edge.ask("DELETE", "/v1/items/7?page_size=many&PageSize=many")
    assert given.status == 400
    (error,) = given.json()["errors"]
    assert (error["code"], error["field"]) == (1000, "PageSize")


async def test_fields_of_servers_have_legacy_names_too(shaped: Snapshot):
    detail = bad_request([("item.inner.made", "is late"), ("item_id", "is odd"), ("item", "no")])
    error = fails(Code.INVALID_ARGUMENT, "no", details=(detail,))
    given = await ask(shaped, "Create", error, "POST", "/v1/items", body=b"{}")
    violations = given.json()["error"]["details"][0]["fieldViolations"]
    assert [each.get("field") for each in violations] == ["Inner.Made", "ItemId", None]


async def test_a_status_of_its_own_does_not_hide_a_failure_from_the_proxy(shaped: Snapshot):
    error = fails(Code.INTERNAL, "m4rk")
    given = await ask(shaped, "Delete", error, "DELETE", "/v1/items/7")
    assert given.status == 200
    assert b"m4rk" not in given.body
    assert (given.outcome.error_status, given.outcome.code) == (500, Code.INTERNAL)


async def test_an_error_before_a_stream_and_one_in_it(shaped: Snapshot):
    early = await ask(shaped, "Watch", fails(Code.NOT_FOUND, "no"), "GET", "/v1/items/1:watch")
    assert (early.status, early["content-type"]) == (404, "application/problem+json")
    assert early.json()["instance"] == "/v1/items/1:watch"
    broken = fails(Code.ABORTED, "no", item(id="1"))
    late = await ask(shaped, "Watch", broken, "GET", "/v1/items/1:watch", headers=NDJSON)
    last = json.loads(late.body.splitlines()[-1])
    assert last["error"]["title"] == "Conflict"
    assert last["error"]["detail"] == "no"


async def test_dialects_bring_the_form_of_their_errors(shaped: Snapshot):
    gone = fails(Code.FAILED_PRECONDITION, "no")
    given = await ask(shaped, "List", gone, "GET", "/v1/items")
    assert (given.status, given.json()) == (412, {"error": "no", "code": 9, "message": "no"})
    plain = await ask(shaped, "File", gone, "GET", "/v1/files/1?page_size=many")
    assert plain["content-type"] == "text/plain"


@pytest.mark.parametrize(
    "accept", ["text/html", "application/problem+json", "image/*;q=0, */*;q=0"]
)
async def test_no_error_is_refused_for_what_the_client_accepts(shaped: Snapshot, accept: str):
    """One representation, so no answer varies by `Accept` (RFC 9110 §12.4.1, §12.5.5)."""
    error, sent = fails(Code.NOT_FOUND, "no"), {"Accept": accept}
    for name, target in (("Watch", "/v1/items/1:watch"), ("Get", "/v1/items/1")):
        given = await ask(shaped, name, error, "GET", target, headers=sent)
        assert given.status == 404
        assert (
            given["content-type"] == (await ask(shaped, name, error, "GET", target))["content-type"]
        )
        assert given.all("vary") == []


async def raw(edge: Edge, sent: bytes, http_method: str = "GET"):
    async with client_of(edge.url) as client:
        client.write(sent)
        return await client.reply(http_method)


async def test_head_has_the_length_of_the_error_and_no_body(shaped: Snapshot):
    async with edge_of(shaped, {**HANDLERS, method("Get"): fails(Code.NOT_FOUND, "no")}) as edge:
        whole = await raw(edge, request("GET", "/v1/items/1"))
        head = await raw(edge, request("HEAD", "/v1/items/1"), "HEAD")
    assert head.status == whole.status == 404
    assert (head.body, head["content-length"]) == (b"", str(len(whole.body)))
    assert head["content-type"] == whole["content-type"]


async def of_defaults(defaults: str) -> Snapshot:
    return await load(legacy=False, defaults=defaults)


async def test_what_no_route_maps_has_the_form_of_defaults():
    snapshot = await of_defaults("error_format: rfc9457")
    async with edge_of(snapshot) as edge:
        missing = await edge.ask("GET", "/nowhere")
        wrong = await edge.ask("PUT", "/v1/items/1")
    assert (missing.status, missing.json()["instance"]) == (404, "/nowhere")
    assert (wrong.status, wrong["content-type"]) == (405, "application/problem+json")
    assert "GET" in wrong["allow"]


BROKEN = [
    (b"GARBAGE\r\n\r\n", 400),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
]


@pytest.mark.parametrize(("sent", "status"), BROKEN, ids=["garbage", "target", "field", "hosts"])
async def test_what_the_parser_refuses_has_the_form_of_defaults(sent: bytes, status: int):
    snapshot = await of_defaults("shape: {errors: {body: {oops: '{http_status}', x: '{path}'}}}")
    async with edge_of(snapshot) as edge:
        reply = await raw(edge, sent)
        assert (reply.status, reply.json()) == (status, {"oops": status, "x": None})
        assert reply.closes
        (line,) = edge.lines()
    assert line["status"] == status


async def test_explain_shows_the_error_that_clients_get(shaped: Snapshot):
    def shown(http_method: str, target: str):
        headers = CIMultiDictProxy(CIMultiDict(SENT))
        return describe(explain(shaped, Inquiry(http_method, target, headers)))["answer"]

    assert shown("DELETE", "/v1/items/7?page_size=many&PageSize=many")["body"]["ids"] == [
        TRACE,
        "r-1",
    ]
    assert isinstance(shown("GET", "/v1/files/1?page_size=many")["body"], str)


class Broken(ErrorRenderer):
    """A renderer with a bug."""

    def render(self, *_: object) -> RenderedError:
        raise RuntimeError("m4rk")

    def late(self, *_: object) -> bytes:
        raise RuntimeError("m4rk")


async def test_a_bug_of_a_renderer_keeps_the_status_and_tells_nothing(shaped: Snapshot):
    broken = Broken(ErrorOptions(), Default())
    error = StatusError(Status(Code.NOT_FOUND, "m4rk"), headers=(("a", "b"),))
    with structlog.testing.capture_logs() as logged:
        answer = failure(error, replace(shaped, errors=broken), None)
        late = late_failure(error, broken, NOWHERE)
    assert (answer.http_status, answer.headers[1:]) == (404, (("a", "b"),))
    assert json.loads(answer.body) == json.loads(late)
    assert json.loads(late) == {"code": 5, "message": "NOT_FOUND", "details": []}
    assert [each["event"] for each in logged] == ["error not written"] * 2
