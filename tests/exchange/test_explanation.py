"""An explanation is what serving the same request shows: held against a front end on a socket."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf import json_format
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cli.composition import load_snapshot
from proxy.cutover.decision import Reason
from proxy.cutover.stages import Side
from proxy.example.files import folder
from proxy.exchange.described import describe
from proxy.exchange.exchange import Exchange
from proxy.exchange.explanation import ExplainedCall, Explanation, Inquiry, explain
from proxy.exchange.messages import Answer
from proxy.exchange.observer import Observer
from proxy.routing.snapshot import Snapshot
from proxy.server.frontend import Frontend
from proxy.server.protocol import ConnectionLimits, HeaderLimits
from proxy.server.reading import ReadLimits
from proxy.server.serving import Serving
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.metrics import Metrics
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.explain import FieldOrigin
from tests.exchange.steered import SECRET, steered_snapshot
from tests.fakes import FakeUpstream, Served
from tests.live.control import steering_of

UPLOAD_PROTO = """
syntax = "proto3";
package upload.v1;
import "google/api/annotations.proto";
service Uploads {
  rpc Put(stream Piece) returns (Piece) {
    option (google.api.http) = {post: "/v1/upload" body: "*"};
  }
}
message Piece { string text = 1; }
"""
CONFIG = """
version: 1
descriptors:
- proto_path: {proto}
- proto_path: own
upstreams:
  dns: {{target: "dns.test:50051", plaintext: true}}
  {legacy}
routes:
- {{rpc: dns.v1.RecordService.CreateRecord, max_request_bytes: 64B}}
- {{rpc: dns.v1.RecordService.ListRecords, timeout: 2s, request_headers: [x-tenant, x-seal-bin]}}
- {{rpc: dns.v1.RecordService.GetZone, unknown_fields: reject}}
{routes}
"""
LEGACY = 'legacy: {url: "http://old.test:8080", timeout: 30s}'
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def load(base: Path, *, legacy: str = "", routes: str = "") -> Snapshot:
    (base / "own").mkdir()
    (base / "own" / "upload.proto").write_text(UPLOAD_PROTO)
    config = CONFIG.format(proto=folder("proto"), legacy=legacy, routes=routes)
    (base / "cutover.yaml").write_text(config)
    return asyncio.run(load_snapshot(base, {}))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Without a legacy host: everything is answered by the gRPC side or by the proxy itself."""
    return load(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def beside_legacy(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """With a legacy host, which has all routes but one."""
    routes = "- {rpc: dns.v1.RecordService.DeleteRecord, stage: grpc}"
    return load(tmp_path_factory.mktemp("beside"), legacy=LEGACY, routes=routes)


def ask(
    snapshot: Snapshot, method: str, target: str, body: bytes = b"", **headers: str
) -> Explanation:
    named = CIMultiDict((name.replace("_", "-"), value) for name, value in headers.items())
    return explain(snapshot, Inquiry(method, target, CIMultiDictProxy(named), body))


def call_of(explanation: Explanation) -> ExplainedCall:
    assert isinstance(explanation.outcome, ExplainedCall)
    return explanation.outcome


def answer_of(explanation: Explanation) -> Answer:
    assert isinstance(explanation.outcome, Answer)
    return explanation.outcome


async def empty_message(_: Served) -> AsyncIterator[bytes]:
    yield b""


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def served(snapshot: Snapshot, upstream: FakeUpstream) -> AsyncIterator[int]:
    """Serve over *upstream* on loopback; gives the port."""
    loop = asyncio.get_running_loop()
    log = AccessLog(lambda _: None, clock=time.time, call_later=loop.call_later)
    stack = ExitStack()
    steering = stack.enter_context(steering_of(snapshot))
    exchange = Exchange(
        snapshot,
        {"dns": upstream},
        None,
        steering,
        clock=time.monotonic,
        random_bytes=lambda n: b"r" * n,
    )
    serving = Serving(
        exchange,
        Observer(snapshot, Metrics(), log, steering, time.monotonic),
        HeaderLimits(8192, 8192, 128),
        ReadLimits(16384),
        ConnectionLimits(keepalive_timeout_s=1.0),
    )
    frontend = Frontend(serving, clock=time.monotonic, wall_clock=time.time)
    listening = socket.create_server(("127.0.0.1", 0))
    await frontend.start(listening)
    try:
        yield listening.getsockname()[1]
    finally:
        await frontend.drain(0)
        log.flush()
        stack.close()


async def send(port: int, inquiry: Inquiry) -> HttpAnswer:
    """Send exactly what *inquiry* says on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{inquiry.http_method} {inquiry.target} HTTP/1.1", "host: h", "connection: close"]
    lines += [f"{name}: {value}" for name, value in inquiry.headers.items()]
    if inquiry.body:
        lines.append(f"content-length: {len(inquiry.body)}")
    writer.write("\r\n".join([*lines, "", ""]).encode() + inquiry.body)
    raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    return HttpAnswer(int(first.split(" ")[1]), headers, body)


RECORDS = "/v4/zones/example.com/records"

#: Requests that reach the gRPC side: method, target, body, headers.
CALLS: tuple[tuple[str, str, bytes, dict[str, str]], ...] = (
    ("GET", "/v4/zones/example.com", b"", {}),
    ("HEAD", "/v4/zones/example.com", b"", {}),
    ("GET", f"{RECORDS}?pageSize=20&tags[env]=prod&types=A&nothing=1", b"", {}),
    ("GET", f"{RECORDS}?%24alt=json", b"", {"x-tenant": "t", "X-Seal-Bin": "AQI"}),
    ("GET", RECORDS, b"", {"Grpc-Metadata-Who": "me", "Grpc-Timeout": "250m"}),
    ("GET", f"{RECORDS}/www%20-1", b"", {"traceparent": TRACE, "authorization": "Bearer t"}),
    ("GET", f"{RECORDS}/www-1", b"", {"traceparent": "nonsense", "tracestate": "a=b"}),
    ("POST", f"{RECORDS}?recordId=new", b'{"host": "a", "odd": 1}', {}),
    ("PATCH", f"{RECORDS}/www-1", b'{"ttl": "120s", "comment": null}', {}),
    ("PATCH", f"{RECORDS}/www-1?updateMask=ttl", b'{"ttl": "120s"}', {}),
    ("PATCH", f"{RECORDS}/www-1?updateMask=fooBar_x", b"{}", {}),
    ("PUT", f"{RECORDS}/www-1", b"{}", {"content-type": "application/merge-patch+json"}),
    ("GET", "/v4/zones/example.com:export", b"", {"accept": "text/event-stream"}),
    ("GET", "/v4/zones/example.com:export", b"", {}),
    ("GET", "/v4/zones/example.com/file", b"", {}),
    ("POST", "/v4/zones/example.com/file", b"\x00\xff", {"content-type": "text/dns"}),
)

#: Requests that the proxy answers by itself.
REFUSALS: tuple[tuple[str, str, bytes, dict[str, str]], ...] = (
    ("GET", "/nothing/here", b"", {}),
    ("DELETE", "/v4/zones/example.com", b"", {}),
    ("OPTIONS", "/v4/zones/example.com", b"", {}),
    ("OPTIONS", "/nothing/here", b"", {}),
    ("GET", "/v4/zones/%zz", b"", {}),
    ("GET", "/v4/zones/%ff", b"", {}),
    ("GET", "/v4/zones/z?unknown=1", b"", {}),
    ("GET", f"{RECORDS}?pageSize=many", b"", {}),
    ("GET", f"{RECORDS}?pageSize=1&pageSize=2", b"", {}),
    ("GET", RECORDS, b"", {"Grpc-Timeout": "soon"}),
    ("GET", RECORDS, b"", {"Grpc-Metadata-X": "\xe9"}),
    ("GET", RECORDS, b"{}", {}),
    ("POST", RECORDS, b"{", {}),
    ("POST", RECORDS, b"{}", {"content-type": "text/plain"}),
    ("POST", RECORDS, b'{"comment": "%b"}' % (b"x" * 64), {}),
    ("POST", "/v1/upload", b"{}", {}),
)


@pytest.mark.parametrize(("method", "target", "body", "headers"), CALLS)
async def test_the_call_is_the_one_that_is_made(
    alone: Snapshot, method: str, target: str, body: bytes, headers: dict[str, str]
) -> None:
    explanation = ask(alone, method, target, body, **headers)
    explained = call_of(explanation)
    upstream = FakeUpstream({route.method_path: empty_message for route in alone.routes})
    async with served(alone, upstream) as port:
        answer = await send(port, explanation.inquiry)
    (made,) = upstream.calls
    assert made.method == explained.method_path
    assert made.timeout_s == explained.timeout_s
    began = ("traceparent", f"00-{b'r'.hex() * 16}-{b'r'.hex() * 8}-00")
    assert made.metadata == explained.metadata + ((began,) if explained.begins_trace else ())
    if explained.message is not None and explanation.binding is not None:
        message = message_class(explanation.binding.binding.method.input_type)
        document = json_format.MessageToDict(message.FromString(made.message))
        assert document == json.loads(explained.message)
    assert answer.status == 200
    assert explained.answer_type in (answer.headers["content-type"], None)
    assert explanation.decision.side is Side.GRPC
    assert explanation.asked is not None
    assert (explanation.asked.name, explanation.asked.address) == ("dns", "dns.test:50051")


@pytest.mark.parametrize(("method", "target", "body", "headers"), REFUSALS)
async def test_the_refusal_is_the_one_that_is_sent(
    alone: Snapshot, method: str, target: str, body: bytes, headers: dict[str, str]
) -> None:
    explanation = ask(alone, method, target, body, **headers)
    explained = answer_of(explanation)
    upstream = FakeUpstream({})
    async with served(alone, upstream) as port:
        answer = await send(port, explanation.inquiry)
    assert not upstream.calls
    assert (answer.status, answer.body) == (explained.http_status, explained.body)
    assert dict(explained.headers).items() <= answer.headers.items()
    assert (explanation.decision.side, explanation.asked) == (Side.PROXY, None)


def test_an_unmapped_request_goes_to_the_legacy_host(beside_legacy: Snapshot) -> None:
    explanation = ask(beside_legacy, "GET", "/status?x=%zz")
    assert explanation.decision.reason is Reason.UNMAPPED
    assert explanation.asked is not None
    assert (explanation.asked.name, explanation.asked.timeout_s) == ("legacy", 30.0)
    assert explanation.outcome is None
    assert explanation.candidates == ()


def test_a_method_that_is_not_mapped_goes_to_the_legacy_host(beside_legacy: Snapshot) -> None:
    explanation = ask(beside_legacy, "DELETE", "/v4/zones/example.com")
    assert (explanation.decision.side, explanation.binding) == (Side.LEGACY, None)
    assert [each.http_method for each in explanation.candidates] == ["GET"]


def test_a_route_on_the_legacy_side_shows_what_the_grpc_side_would_get(
    beside_legacy: Snapshot,
) -> None:
    explanation = ask(beside_legacy, "GET", f"{RECORDS}?pageSize=3")
    assert (explanation.decision.side, explanation.decision.reason) == (Side.LEGACY, Reason.STAGE)
    assert explanation.asked is not None
    assert (explanation.asked.name, explanation.asked.timeout_s) == ("legacy", 2.0)
    assert call_of(explanation).message == b'{"zone":"example.com","pageSize":3}'


def test_a_route_on_the_legacy_side_shows_what_the_grpc_side_would_refuse(
    beside_legacy: Snapshot,
) -> None:
    explanation = ask(beside_legacy, "GET", "/v4/zones/%ff")
    assert explanation.decision.side is Side.LEGACY
    assert answer_of(explanation).http_status == 400


def test_a_moved_route_is_refused_beside_a_legacy_host_too(beside_legacy: Snapshot) -> None:
    explanation = ask(beside_legacy, "DELETE", f"{RECORDS}/www-1", b"{}")
    assert (explanation.decision.side, explanation.asked) == (Side.PROXY, None)
    assert answer_of(explanation).http_status == 400


def test_fields_name_the_source_that_gave_them(alone: Snapshot) -> None:
    call = call_of(ask(alone, "PATCH", f"{RECORDS}/www-1", b'{"ttl": "120s"}'))
    assert call.fields == (
        FieldOrigin("record.name", "path", "zones/example.com/records/www-1"),
        FieldOrigin("record.ttl", "body", "120s"),
        FieldOrigin("update_mask", "mask", "ttl"),
    )


def test_unknown_parameters_and_keys_are_named(alone: Snapshot) -> None:
    call = call_of(ask(alone, "POST", f"{RECORDS}?odd=1", b'{"host": "a", "even": 2}'))
    assert call.unknown == ("record.even", "odd")


def test_a_message_without_a_json_form_is_explained_all_the_same(alone: Snapshot) -> None:
    call = call_of(ask(alone, "PATCH", f"{RECORDS}/www-1?updateMask=fooBar_x", b"{}"))
    assert call.message is None
    assert FieldOrigin("update_mask", "query", "fooBar_x") in call.fields


def test_candidates_are_the_most_specific_first_and_hold_the_match(alone: Snapshot) -> None:
    explanation = ask(alone, "PUT", f"{RECORDS}/www-1")
    methods = [each.http_method for each in explanation.candidates]
    assert methods == ["DELETE", "GET", "PATCH", "PUT"]
    assert explanation.candidates[-1].target is explanation.binding


@pytest.mark.parametrize(("method", "target", "body", "headers"), CALLS + REFUSALS)
def test_every_explanation_is_json(
    alone: Snapshot, method: str, target: str, body: bytes, headers: dict[str, str]
) -> None:
    explanation = ask(alone, method, target, body, **headers)
    described = json.loads(json.dumps(describe(explanation)))
    assert described["request"] == {"http_method": method, "target": target}
    assert described["side"] == explanation.decision.side.value
    assert (described["call"] is None) != (described["answer"] is None)


def test_a_description_says_all_that_there_is(beside_legacy: Snapshot) -> None:
    headers = {"x-tenant": "t", "X-Seal-Bin": "AQI"}
    assert describe(ask(beside_legacy, "GET", f"{RECORDS}?pageSize=3", **headers)) == {
        "request": {"http_method": "GET", "target": f"{RECORDS}?pageSize=3"},
        "side": "legacy",
        "reason": "stage",
        "bucket": None,
        "position": "legacy",
        "upstream": {"name": "legacy", "address": "http://old.test:8080", "timeout_s": 2.0},
        "route": {
            "name": "record-service-list-records",
            "rpc": "dns.v1.RecordService.ListRecords",
            "cardinality": "unary-unary",
            "stage": "legacy",
            "upstream": "dns",
        },
        "candidates": [
            {
                "http_method": method,
                "template": "/v4/zones/{zone}/records",
                "rpc": f"dns.v1.RecordService.{rpc}",
                "origin": candidate.target.binding.origin,
                "matched": method == "GET",
            }
            for (method, rpc), candidate in zip(
                (("GET", "ListRecords"), ("POST", "CreateRecord")),
                ask(beside_legacy, "GET", RECORDS).candidates,
                strict=True,
            )
        ],
        "mirror": None,
        "shape": [],
        "call": {
            "method": "/dns.v1.RecordService/ListRecords",
            "timeout_s": 2.0,
            "metadata": [["x-tenant", "t"], ["x-seal-bin", "AQI="]],
            "begins_trace": False,
            "fields": [
                {"path": "zone", "source": "path", "text": "example.com"},
                {"path": "page_size", "source": "query", "text": "3"},
            ],
            "unknown": [],
            "message": {"zone": "example.com", "pageSize": 3},
            "answer_type": "application/json",
        },
        "answer": None,
    }


async def test_a_trusted_header_is_explained_only_where_the_route_has_that_side():
    served = await steered_snapshot()
    headers = CIMultiDictProxy(CIMultiDict([("x-cutover-override", f"grpc {SECRET}")]))
    for http_method, target, told in (
        ("POST", "/v1/upload", Reason.STAGE),
        ("GET", "/v1/items", Reason.OVERRIDE),
        ("GET", "/no", Reason.UNMAPPED),
    ):
        assert explain(served, Inquiry(http_method, target, headers)).decision.reason is told
