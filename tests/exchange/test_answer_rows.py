"""Each row in which peers differ about answers, alone and in its dialects, through an exchange."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from google.api import httpbody_pb2
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cli.composition import load_snapshot
from proxy.exchange.explanation import ExplainedCall, Inquiry, explain
from proxy.exchange.messages import Answer, StreamAnswer
from proxy.exchange.streaming import StreamCut
from proxy.status import Code
from tests.fakes import Handler
from tests.live.edge import (
    HANDLERS,
    Edge,
    Given,
    answers,
    descriptor_set,
    edge_of,
    fails,
    item,
    method,
    read,
)

CONFIG = """
version: 1
descriptors: [{descriptor_set: edge.binpb}]
upstreams: {items: {target: "127.0.0.1:1", plaintext: true, services: ["edge.v1.*"]}}
defaults: {%s}
"""
GET = "/v1/items/1"
WATCH = "/v1/items/1:watch"
LINES = {"Accept": "application/x-ndjson"}
EVENTS = {"Accept": "text/event-stream"}
TWO = (item(id="1"), item(id="2"))


class Behind:
    """Makes edges whose routes have some options."""

    def __init__(self, place: Path) -> None:
        self._place = place

    @asynccontextmanager
    async def __call__(
        self, options: str, handlers: Mapping[str, Handler] | None = None
    ) -> AsyncIterator[Edge]:
        (self._place / "edge.binpb").write_bytes(descriptor_set())
        (self._place / "cutover.yaml").write_text(CONFIG % options)
        snapshot = await load_snapshot(self._place, {})
        async with edge_of(snapshot, {**HANDLERS, **(handlers or {})}) as edge:
            yield edge

    async def watch(self, options: str, handler: Handler, headers: Mapping[str, str]) -> Given:
        async with self(options, {method("Watch"): handler}) as edge:
            return await edge.ask("GET", WATCH, headers)


@pytest.fixture
def behind(tmp_path: Path) -> Behind:
    return Behind(tmp_path)


def sent(edge: Edge) -> dict[str, str | bytes]:
    """The metadata of the one call, but for the trace."""
    (call,) = edge.upstream.calls
    return {name: value for name, value in call.metadata if name != "traceparent"}


# --- stream_choice, stream_envelope, stream_content_type


@pytest.mark.parametrize("name", ["array", "ndjson", "sse"])
async def test_a_fixed_form_is_that_whatever_clients_accept(behind: Behind, name: str):
    types = {"array": "application/json", "ndjson": "application/x-ndjson"}
    for headers in ({}, LINES, EVENTS, {"Accept": "application/json"}):
        options = f"stream_choice: fixed, stream_format: {name}"
        given = await behind.watch(options, answers(*TWO), headers)
        assert given["content-type"] == types.get(name, "text/event-stream")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (LINES, b'{"result":{"id":"1"}}\n{"result":{"id":"2"}}\n'),
        (EVENTS, b'data: {"result":{"id":"1"}}\n\ndata: {"result":{"id":"2"}}\n\n'),
        ({}, b'[{"id":"1"},{"id":"2"}]'),
    ],
)
async def test_an_envelope_is_around_each_message_of_lines_and_events(
    behind: Behind, headers: Mapping[str, str], body: bytes
):
    assert (await behind.watch("stream_envelope: result", answers(*TWO), headers)).body == body


@pytest.mark.parametrize(
    ("headers", "last"),
    [
        (LINES, b'{"error":{"code":9,"message":"no","details":[]}}\n'),
        (EVENTS, b'event: error\ndata: {"error":{"code":9,"message":"no","details":[]}}\n\n'),
    ],
)
async def test_a_late_error_in_an_envelope_is_told_from_messages(
    behind: Behind, headers: Mapping[str, str], last: bytes
):
    failing = fails(Code.FAILED_PRECONDITION, "no", TWO[0])
    given = await behind.watch("stream_envelope: result", failing, headers)
    assert given.status == 200
    assert given.body.endswith(last)


async def test_an_early_error_of_a_stream_stands_in_the_envelope_too(behind: Behind):
    given = await behind.watch("stream_envelope: result", fails(Code.NOT_FOUND, "no"), LINES)
    assert given.status == 404
    assert given.json() == {"error": {"code": 5, "message": "no", "details": []}}


async def test_only_streams_have_errors_in_an_envelope(behind: Behind):
    handlers = {method("Get"): fails(Code.NOT_FOUND, "no")}
    async with behind("stream_envelope: result", handlers) as edge:
        assert (await edge.ask("GET", GET)).json() == {"code": 5, "message": "no", "details": []}
        refused = await edge.ask("GET", f"{WATCH}?pageSize=many")
    assert refused.json()["code"] == 3


async def test_an_envelope_of_no_messages_is_nothing(behind: Behind):
    assert (await behind.watch("stream_envelope: result", answers(), LINES)).body == b""


async def test_lines_can_be_sent_as_json_and_are_asked_for_as_lines(behind: Behind):
    given = await behind.watch("stream_content_type: json", answers(*TWO), LINES)
    assert given["content-type"] == "application/json"
    assert given.body == b'{"id":"1"}\n{"id":"2"}\n'
    given = await behind.watch("stream_content_type: json", answers(*TWO), {})
    assert given.body.startswith(b"[")


@pytest.mark.parametrize("dialect", ["grpc-gateway", "grpc-gateway-v1"])
async def test_behind_grpc_gateway_streams_are_lines_in_an_envelope(behind: Behind, dialect: str):
    given = await behind.watch(f"dialect: {dialect}", answers(item(id="1")), EVENTS)
    assert given["content-type"] == "application/json"
    assert given.body.startswith(b'{"result":{"id":"1"')
    assert given.body.endswith(b"}}\n")


@pytest.mark.parametrize("dialect", ["google", "envoy"])
async def test_behind_envoy_and_google_streams_are_arrays(behind: Behind, dialect: str):
    given = await behind.watch(f"dialect: {dialect}", answers(*TWO), EVENTS)
    assert given["content-type"] == "application/json"
    assert given.body == b'[{"id":"1"},{"id":"2"}]'


@pytest.mark.parametrize("dialect", ["spec", "google", "envoy"])
async def test_an_array_that_fails_late_is_aborted_in_every_dialect(behind: Behind, dialect: str):
    """Envoy closes it as if it were complete, which no client of it can want."""
    handlers = {method("Watch"): fails(Code.ABORTED, "no", TWO[0])}
    async with behind(f"dialect: {dialect}", handlers) as edge:
        answer, _ = await edge.begin("GET", WATCH)
        assert isinstance(answer, StreamAnswer)
        with pytest.raises(StreamCut):
            [chunk async for chunk in answer.chunks]


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ("dialect: grpc-gateway", {"code": 9, "message": "no", "details": []}),
        ("dialect: google, stream_format: ndjson", {"code": 400, "status": "FAILED_PRECONDITION"}),
        ("dialect: grpc-gateway-v1", {"grpc_code": 9, "message": "no"}),
    ],
)
async def test_a_late_error_has_the_form_of_its_dialect_in_one_envelope(
    behind: Behind, options: str, last: dict[str, object]
):
    failing = fails(Code.FAILED_PRECONDITION, "no", TWO[0])
    given = await behind.watch(options, failing, {})
    error = orjson.loads(given.body.splitlines()[-1])
    assert error.keys() == {"error"}
    assert error["error"].items() >= last.items()


# --- what is written of values


async def test_the_gateways_write_defaults_or_proto_names(behind: Behind):
    handlers = {method("Get"): answers(item(id="1", made="2026-01-02T03:04:05Z"))}
    async with behind("dialect: grpc-gateway", handlers) as edge:
        second = (await edge.ask("GET", GET)).json()
    assert (second["small"], second["labels"], second["kind"]) == (0, [], "KIND_UNSPECIFIED")
    handlers = {method("Update"): answers(item(id="1"))}
    async with behind("dialect: grpc-gateway-v1", handlers) as edge:
        first = (await edge.ask("PATCH", GET, body=b'{"small": 1}')).json()
    assert first == {"id": "1"}


async def test_what_is_not_set_can_be_null(behind: Behind):
    handlers = {method("Get"): answers(item(id="1", shelf="a"))}
    async with behind("emit_unset: true", handlers) as edge:
        written = (await edge.ask("GET", GET)).json()
    assert written == {"id": "1", "shelf": "a", "made": None, "extra": None, "inner": None}
    async with behind("dialect: grpc-gateway", handlers) as edge:
        written = (await edge.ask("GET", GET)).json()
    assert (written["made"], written["inner"], "room" in written) == (None, None, False)


# --- forward_headers


CLIENTS = (
    ("Authorization", "Bearer m"),
    ("Cookie", "a=b"),
    ("User-Agent", "old/1"),
    ("X-Tenant", "t1"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("Grpc-Metadata-Extra", "e"),
    ("X-Odd", "größe"),
    ("Grpc-Timeout", "1S"),
    ("Connection", "keep-alive"),
)


async def test_a_list_passes_what_it_names(behind: Behind):
    async with behind("request_headers: [authorization]") as edge:
        await edge.ask("GET", GET, CLIENTS)
        assert sent(edge) == {"authorization": "Bearer m", "extra": "e"}


async def test_all_headers_pass_but_those_of_connections_and_of_grpc(behind: Behind):
    async with behind("forward_headers: all") as edge:
        await edge.ask("GET", GET, CLIENTS)
        assert sent(edge) == {
            "authorization": "Bearer m",
            "cookie": "a=b",
            "x-tenant": "t1",
            "extra": "e",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-host": "api.test",
        }


async def test_the_gateway_prefixes_permanent_headers(behind: Behind):
    async with behind("forward_headers: grpc-gateway, request_headers: [authorization]") as edge:
        await edge.ask("GET", GET, CLIENTS)
        assert sent(edge) == {
            "authorization": "Bearer m",
            "grpcgateway-authorization": "Bearer m",
            "grpcgateway-cookie": "a=b",
            "grpcgateway-user-agent": "old/1",
            "extra": "e",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-host": "api.test",
        }


async def test_what_came_through_trusted_hops_is_told(behind: Behind):
    options = "forward_headers: all}\nforwarding: {trusted_hops: 1"
    async with behind(options) as edge:
        await edge.ask("GET", GET, (("X-Forwarded-For", "spoofed, 203.0.113.9"),))
        assert sent(edge)["x-forwarded-for"] == "203.0.113.9, 192.0.2.1"


async def test_an_explanation_has_the_same_metadata(behind: Behind):
    async with behind("dialect: grpc-gateway") as edge:
        headers = CIMultiDictProxy(CIMultiDict({"host": "api.test", "cookie": "a=b"}))
        inquiry = Inquiry("GET", GET, headers, client_address="192.0.2.1")
        outcome = explain(edge.snapshot, inquiry).outcome
        await edge.ask("GET", GET, {"cookie": "a=b"})
        assert isinstance(outcome, ExplainedCall)
        assert dict(outcome.metadata) == sent(edge)


# --- expose_metadata, expose_trailers

INITIAL = (("x-cost", "3"), ("content-length", "9"), ("x-cutover-side", "us"), ("date", "now"))
TRAILERS = (("x-sum", "4"), ("grpc-status-details-bin", b"\1"), ("sign-bin", b"\1\2"))


async def exposed(behind: Behind, options: str, headers: Mapping[str, str]) -> dict[str, str]:
    handlers = {method("Get"): answers(item(), initial=INITIAL, trailers=TRAILERS)}
    async with behind(options, handlers) as edge:
        given = await edge.ask("GET", GET, headers)
    return {name: value for name, value in given.headers if name != "content-type"}


ASKING = {"TE": "gzip, trailers;q=0.5"}


@pytest.mark.parametrize(
    ("options", "headers", "expected"),
    [
        ("response_metadata: [x-cost, x-sum]", {}, {"x-cost": "3", "x-sum": "4"}),
        ("expose_metadata: all", {}, {"x-cost": "3", "x-sum": "4", "sign-bin": "AQI="}),
        ("expose_metadata: all, expose_trailers: never", ASKING, {"x-cost": "3"}),
        ("expose_metadata: all, expose_trailers: asked", {"TE": "x-trailers"}, {"x-cost": "3"}),
        (
            "response_metadata: [x-sum], expose_trailers: asked",
            ASKING,
            {"x-sum": "4"},
        ),
        ("dialect: envoy", ASKING, {"x-cost": "3"}),
        (
            "dialect: grpc-gateway",
            {},
            {
                "grpc-metadata-x-cost": "3",
                "grpc-metadata-x-cutover-side": "us",
                "grpc-metadata-date": "now",
            },
        ),
        (
            "dialect: grpc-gateway, response_metadata: [x-cost]",
            ASKING,
            {
                "x-cost": "3",
                "grpc-metadata-x-cost": "3",
                "grpc-metadata-x-cutover-side": "us",
                "grpc-metadata-date": "now",
                "grpc-trailer-x-sum": "4",
                "grpc-trailer-sign-bin": "AQI=",
            },
        ),
    ],
)
async def test_metadata_and_trailers_become_headers(
    behind: Behind, options: str, headers: Mapping[str, str], expected: dict[str, str]
):
    assert await exposed(behind, options, headers) == expected


# --- system_parameters, http_body

BOX = item(id="1", kind="BOX", inner={"kind": "BAG"})
AS_NUMBERS = {"id": "1", "kind": 1, "inner": {"kind": 2}}
AS_NAMES = {"id": "1", "kind": "BOX", "inner": {"kind": "BAG"}}


async def got(behind: Behind, query: str, options: str = "dialect: google") -> Given:
    async with behind(options, {method("Get"): answers(BOX)}) as edge:
        return await edge.ask("GET", f"{GET}?{query}")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", AS_NAMES),
        ("$alt=json", AS_NAMES),
        ("%24alt=json%3Benum-encoding%3Dint", AS_NUMBERS),
        ("$alt=json;enum-encoding=int", AS_NUMBERS),
        ("alt=json;enum-encoding=int&$alt=json%3Benum-encoding=int", AS_NUMBERS),
        ("%61lt=json;enum-encoding=int", AS_NUMBERS),
        ("$fields=id&key=k&$.xgafv=2", AS_NAMES),
    ],
)
async def test_alt_says_how_enums_are_written(behind: Behind, query: str, expected: object):
    given = await got(behind, query)
    assert given.json() == expected
    assert given.outcome.unknown_fields == ()


async def test_parameters_of_the_system_are_passed_over_where_nobody_honours_them(behind: Behind):
    given = await got(behind, "$alt=json;enum-encoding=int&$prettyPrint=true", "dialect: spec")
    assert given.json() == AS_NAMES
    assert b"\n" not in given.body


async def test_numbers_stay_where_a_route_has_them_always(behind: Behind):
    options = "dialect: google, enums_as_numbers: true"
    assert (await got(behind, "$alt=json", options)).json() == AS_NUMBERS


@pytest.mark.parametrize(
    "query",
    [
        "$alt=proto",
        "alt=",
        "$alt=json;enum-encoding=name",
        "$alt=JSON",
        "$alt=json&alt=json;enum-encoding=int",
        "$alt=sse",
        "$alt=media",
        "$prettyPrint=1",
        "$prettyPrint=true&prettyPrint=false",
    ],
)
async def test_what_a_parameter_of_the_system_cannot_say_is_refused(behind: Behind, query: str):
    given = await got(behind, query)
    assert given.status == 400
    assert given.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert given.outcome.code is Code.INVALID_ARGUMENT


async def test_a_query_that_cannot_be_read_is_refused_as_ever(behind: Behind):
    given = await got(behind, "$alt=json&x=%zz")
    assert given.status == 400
    assert "decoded" in given.json()["error"]["message"]


async def test_pretty_json_is_the_same_json(behind: Behind):
    given = await got(behind, "$prettyPrint=true&$alt=json;enum-encoding=int")
    assert given.json() == AS_NUMBERS
    assert given.body.startswith(b'{\n  "id": "1",\n')
    assert (await got(behind, "prettyPrint=false")).body == (await got(behind, "")).body


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("$alt=sse", b'data: {"kind":"BOX"}\n\n'),
        ("$alt=json", b'[{"kind":"BOX"}]'),
        ("$alt=json;enum-encoding=int&$prettyPrint=true", b'[{"kind":1}]'),
    ],
)
async def test_alt_says_how_a_stream_is_written(behind: Behind, query: str, body: bytes):
    handlers = {method("Watch"): answers(item(kind="BOX"))}
    async with behind("dialect: google", handlers) as edge:
        assert (await edge.ask("GET", f"{WATCH}?{query}", EVENTS)).body == body


CONTENT = httpbody_pb2.HttpBody(content_type="text/dns", data=b"\xff").SerializeToString()


@pytest.mark.parametrize(
    ("options", "query", "content_type", "body"),
    [
        ("dialect: google", "", "text/dns", b"\xff"),
        ("dialect: google", "$alt=media&$prettyPrint=false", "text/dns", b"\xff"),
        (
            *("dialect: google", "$alt=json;enum-encoding=int", "application/json"),
            b'{"contentType":"text/dns","data":"/w=="}',
        ),
        ("dialect: google, http_body: raw", "$alt=json", "text/dns", b"\xff"),
        ("dialect: google, http_body: raw", "$prettyPrint=true", "text/dns", b"\xff"),
    ],
)
async def test_http_bodies_are_json_for_who_asks(
    behind: Behind, options: str, query: str, content_type: str, body: bytes
):
    async with behind(options, {method("File"): answers(CONTENT)}) as edge:
        given = await edge.ask("GET", f"/v1/files/1?{query}")
    assert (given["content-type"], given.body) == (content_type, body)


async def test_an_explanation_knows_what_was_asked(behind: Behind):
    async with behind("dialect: google") as edge:

        def explained(query: str) -> ExplainedCall | Answer | None:
            headers = CIMultiDictProxy(CIMultiDict[str]())
            return explain(edge.snapshot, Inquiry("GET", f"{WATCH}?{query}", headers)).outcome

        events, refusal = explained("alt=sse"), explained("alt=xml")
    assert isinstance(events, ExplainedCall)
    assert events.answer_type == "text/event-stream"
    assert isinstance(refusal, Answer)
    assert refusal.http_status == 400


async def test_enums_of_requests_are_read_by_number_too(behind: Behind):
    async with behind("dialect: google") as edge:
        await edge.ask("POST", "/v1/items?$alt=json", body=b'{"kind": 2, "id": "x"}')
        (call,) = edge.upstream.calls
    assert read("CreateRequest", call.message)["item"]["kind"] == "BAG"
