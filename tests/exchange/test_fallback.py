"""Legacy answers, within one request, for a gRPC side that could not; and never a second time."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import cast

import pytest

from proxy.errors import UpstreamError
from proxy.exchange.exchange import FALLBACK_TIMEOUT_S, Exchange
from proxy.exchange.messages import Outcome
from proxy.exchange.passthrough import Passthrough
from proxy.exchange.steering import Steering
from proxy.routing.snapshot import Snapshot
from proxy.status import Code, Status
from proxy.upstreams import Call, Reply
from proxy.upstreams.rest import RestRequest, RestResponse, RestUpstream
from tests.exchange.steered import INSIDE, OUTSIDE, Steered, steered, steered_snapshot
from tests.fakes import Abort, FakeClock, FakeUpstream, Served
from tests.live.control import control_of
from tests.live.edge import HANDLERS, answers, edge_of, fails, load, message, method
from tests.live.wire import LegacyScript, chunked, client_of, request

USER = f"X-User: {INSIDE}"
ITEM = b'{"shelf": "s"}'


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return asyncio.run(steered_snapshot())


@pytest.fixture
async def stand(snapshot: Snapshot) -> AsyncIterator[Steered]:
    """With a server that cannot be reached: nothing is ever sent."""
    async with steered(snapshot) as made:
        made.edge.upstream.is_down = True
        yield made


# --- what legacy gets


async def test_the_answer_and_everything_that_tells_of_it_says_so(stand: Steered):
    reply, line = await stand.ask("GET", "/v1/items", USER)
    assert (reply.status, reply.body) == (200, b"ok")
    assert reply.all("x-cutover-fallback") == ["not_ready"]
    assert reply.all("x-cutover-side") == ["legacy"]
    assert (line["side"], line["reason"], line["fallback"]) == ("legacy", "fallback", "not_ready")
    assert (line["grpc_code"], line["status"]) == ("UNAVAILABLE", 200)
    assert line["error"] == "failed to connect to all addresses"
    labels = ('route="list-items"', 'reason="not_ready"')
    assert stand.total("cutover_fallback_total", *labels) == 1
    failed = ('upstream="items"', 'code="UNAVAILABLE"')
    assert stand.total("cutover_upstream_errors_total", *failed) == 1
    assert stand.total("cutover_requests_total", 'side="grpc"') == 0


@pytest.mark.parametrize(
    "body",
    [b"", ITEM, b'{"shelf": "' + b"s" * 7000 + b'"}'],
    ids=["empty", "small", "large"],
)
@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("framing", ["length", "chunked", "continue"])
async def test_legacy_gets_the_body_as_it_came(
    stand: Steered, body: bytes, coding: str, framing: str
):
    sent = gzip.compress(body) if coding else body
    fields = [USER, *([f"Content-Encoding: {coding}"] if coding else [])]
    async with client_of(stand.edge.url) as client:
        if framing == "length":
            client.write(request("POST", "/v1/items", *fields, body=sent))
        else:
            fields.append("Transfer-Encoding: chunked")
            expect = ["Expect: 100-continue"] if framing == "continue" else []
            client.write(request("POST", "/v1/items", *fields, *expect))
            if expect:
                assert (await client.head())[0] == 100
            pieces = [sent[at : at + 1000] for at in range(0, len(sent), 1000)]
            client.write(chunked(*pieces))
        reply = await client.reply("POST")
        assert (reply.status, reply.all("x-cutover-fallback")) == (200, ["not_ready"])
        again = await client.ask(request("GET", "/v1/items", f"X-User: {OUTSIDE}"))
        assert again.status == 200
    heard = stand.legacy.heard[0]
    assert (heard.line, heard.body) == ("POST /v1/items HTTP/1.1", sent)
    assert heard.all("content-encoding") == ([coding] if coding else [])


@pytest.mark.parametrize(
    ("target", "fields", "body"),
    [
        ("/v1/items?item_id=%zz", (), b"{}"),
        ("/v1/items", (), b"no JSON"),
        ("/v1/items", ("Content-Encoding: br",), b"\x0b\x02\x80{}\x03"),
        ("/v1/items", ("Grpc-Timeout: soon",), b"{}"),
        ("/v1/items", ("Grpc-Metadata-a!b: c",), b"{}"),
    ],
)
async def test_what_cannot_be_transcoded_goes_where_it_went_before(
    stand: Steered, target: str, fields: tuple[str, ...], body: bytes
):
    reply, line = await stand.ask("POST", target, USER, *fields, body=body)
    assert reply.all("x-cutover-fallback") == ["translate_error"]
    assert stand.edge.upstream.calls == []
    assert [heard.body for heard in stand.legacy.heard] == [body]
    assert line["error"]
    assert stand.total("cutover_upstream_errors_total") == 0


async def test_a_path_that_cannot_be_decoded_goes_where_it_went_before():
    lenient = await load(more="")
    async with steered(lenient) as stand:
        reply, _ = await stand.ask("GET", "/v1/items/%zz")
        assert (reply.status, reply.all("x-cutover-fallback")) == (400, [])
    on = await load(
        more="- {rpc: edge.v1.Items.File, name: file, fallback: {on: [translate_error]}}"
    )
    async with steered(on) as stand:
        reply, _ = await stand.ask("GET", "/v1/files/%zz")
        assert (reply.status, reply.all("x-cutover-fallback")) == (200, ["translate_error"])
        assert stand.legacy.heard[0].line == "GET /v1/files/%zz HTTP/1.1"


# --- what may fall back, and what may not


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
@pytest.mark.parametrize("http_method", ["GET", "POST"])
async def test_only_a_safe_request_is_made_twice_after_it_was_sent(
    snapshot: Snapshot, http_method: str, code: Code
):
    handlers = {**HANDLERS, method("List"): fails(code), method("Create"): fails(code)}
    async with steered(snapshot, handlers) as stand:
        body = ITEM if http_method == "POST" else b""
        reply, line = await stand.ask(http_method, "/v1/items", USER, body=body)
        falls_back = http_method == "GET" and code in (Code.UNAVAILABLE, Code.UNIMPLEMENTED)
        assert len(stand.edge.upstream.calls) == 1
        assert len(stand.legacy.heard) == falls_back
        assert line["grpc_code"] == code.name
        assert reply.all("x-cutover-side") == [line["side"]] == ["legacy" if falls_back else "grpc"]
        assert stand.total("cutover_upstream_errors_total", f'code="{code.name}"') == 1


async def test_an_answer_that_is_no_message_is_not_asked_for_again(snapshot: Snapshot):
    """The call was made: what it did, it did."""
    handlers = {**HANDLERS, method("List"): answers(b"\xff"), method("Create"): answers(b"\xff")}
    async with steered(snapshot, handlers) as stand:
        for http_method, body in (("GET", b""), ("POST", ITEM)):
            reply, line = await stand.ask(http_method, "/v1/items", USER, body=body)
            assert (reply.status, line["side"]) == (502, "grpc")
    assert stand.legacy.heard == []


class Ledger(FakeUpstream):
    """A server that writes down what it was sent, then fails in one of many ways."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__(HANDLERS)
        self.error = error
        self.written = 0

    async def unary(self, call: Call) -> Reply:
        self.written += self.error.sent
        raise self.error


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
async def test_a_write_is_never_written_on_both_sides(snapshot: Snapshot, code: Code, sent: bool):
    upstream = Ledger(UpstreamError(Status(code, "no"), sent=sent))
    async with steered(snapshot, upstream=upstream) as stand:
        reply, _ = await stand.ask("POST", "/v1/items", USER, body=ITEM)
        assert upstream.written + len(stand.legacy.heard) <= 1
        if not sent and code is Code.UNAVAILABLE:
            assert (reply.status, len(stand.legacy.heard)) == (200, 1)


async def test_a_route_without_leave_keeps_the_error(snapshot: Snapshot):
    """The default is not_ready alone."""
    async with steered(snapshot, {**HANDLERS, method("Get"): fails(Code.UNAVAILABLE)}) as stand:
        reply, line = await stand.ask("GET", "/v1/items/1")
        assert (reply.status, line["side"]) == (503, "grpc")
    assert stand.legacy.heard == []


async def test_a_stream_falls_back_until_its_first_message(snapshot: Snapshot):
    one = message("Item", id="1")

    async def before(served: Served) -> AsyncIterator[bytes]:
        if served.metadata is None:
            yield b""
        raise Abort(Code.UNAVAILABLE, "no")

    for handler, side in ((before, "legacy"), (fails(Code.UNAVAILABLE, "no", one), "grpc")):
        async with steered(snapshot, {**HANDLERS, method("Watch"): handler}) as stand:
            async with client_of(stand.edge.url) as client:
                client.write(request("GET", "/v1/items/1:watch", "Connection: close"))
                status, _, headers, _ = await client.head()
                await client.rest()
            assert status == 200
            told = [value for name, value in headers if name.lower() == "x-cutover-fallback"]
            assert told == (["unavailable"] if side == "legacy" else [])
            assert len(stand.legacy.heard) == (side == "legacy")
            assert [line["side"] for line in stand.edge.lines()] == [side]


async def test_a_spent_budget_leaves_the_error_of_grpc(snapshot: Snapshot):
    async with steered(snapshot, {**HANDLERS, method("Watch"): answers()}) as stand:
        stand.edge.upstream.is_down = True
        route = next(each for each in snapshot.routes if each.name == "create-item")
        assert route.guard is not None
        guard = stand.edge.control.guard_of("create-item", route.guard)
        spent_s = 1e12
        while guard.budget.withdraw(spent_s):
            continue
        reply, line = await stand.ask("POST", "/v1/items", USER, body=ITEM)
        assert (reply.status, line["side"], line["reason"]) == (503, "grpc", "bucket")
        assert reply.all("x-cutover-fallback") == []
    assert stand.legacy.heard == []


# --- when legacy fails too


async def test_when_both_fail_the_client_gets_legacys_failure_marked(snapshot: Snapshot):
    async with steered(snapshot, script=LegacyScript(None)) as stand:
        stand.edge.upstream.is_down = True
        reply, line = await stand.ask("GET", "/v1/items", USER)
        assert (reply.status, reply.all("x-cutover-fallback")) == (502, ["not_ready"])
        assert (line["side"], line["reason"], line["status"]) == ("legacy", "fallback", 502)
        for upstream in ("items", "legacy"):
            labels = (f'upstream="{upstream}"', 'code="UNAVAILABLE"')
            assert stand.total("cutover_upstream_errors_total", *labels) == 1


async def test_a_refusal_by_legacy_is_passed_back_and_no_success_of_grpc(snapshot: Snapshot):
    script = LegacyScript(b"HTTP/1.1 404 Nope\r\nContent-Length: 2\r\n\r\nno")
    async with steered(snapshot, script=script) as stand:
        stand.edge.upstream.is_down = True
        reply, _ = await stand.ask("GET", "/v1/items", USER)
        assert (reply.status, reply.phrase) == (404, "Nope")
        route = next(each for each in snapshot.routes if each.name == "list-items")
        assert route.guard is not None
        counts = stand.edge.control.guard_of("list-items", route.guard).counts
        assert (counts.grpc.requests, counts.grpc.errors) == (1, 1)
        assert counts.legacy.requests == 0


class TimedLegacy:
    """A legacy host that notes how much time it is given, and cannot be reached."""

    def __init__(self) -> None:
        self.timeouts_s: list[float] = []

    async def forward(self, _request: RestRequest, timeout_s: float) -> RestResponse:
        self.timeouts_s.append(timeout_s)
        raise UpstreamError(Status(Code.UNAVAILABLE, "no"), sent=False)


@pytest.mark.parametrize(("spent_s", "left_s"), [(0.0, 15.0), (4.0, 11.0), (14.9, 1.0)])
async def test_legacy_gets_what_is_left_of_the_routes_time(
    snapshot: Snapshot, spent_s: float, left_s: float
):
    """And a moment where nothing is left; the client has waited for all of it already."""
    clock, legacy = FakeClock(100.0), TimedLegacy()

    async def late(_: Served) -> AsyncIterator[bytes]:
        clock.advance(spent_s)
        raise Abort(Code.UNAVAILABLE, "no")
        yield b""

    passthrough = Passthrough(
        cast(RestUpstream, legacy), trusted_hops=0, timeout_s=30.0, clock=clock
    )
    with control_of(snapshot, clock=clock) as control:
        exchange = Exchange(
            snapshot,
            {"items": FakeUpstream({method("List"): late})},
            passthrough,
            Steering(snapshot, control, clock),
            clock=clock,
            random_bytes=bytes,
        )
        async with edge_of(snapshot, exchange=exchange) as edge:
            asked = edge.request("GET", "/v1/items", {"x-user": INSIDE}, b"")
            answer = await exchange.answer(asked, Outcome())
    assert answer.http_status == 503
    assert legacy.timeouts_s == [pytest.approx(max(left_s, FALLBACK_TIMEOUT_S))]


# --- the header is ours


@pytest.mark.parametrize("name", ["X-Cutover-Fallback", "x-cutover-side"])
async def test_nobody_else_can_tell_who_answered(snapshot: Snapshot, name: str):
    """Neither a legacy host that echoes what a client sends, nor one that is a cutover itself."""
    head = f"HTTP/1.1 200 OK\r\n{name}: forged\r\nX-Other: kept\r\nContent-Length: 2\r\n\r\n"
    script = LegacyScript(f"{head}ok".encode())
    async with steered(snapshot, script=script) as stand:
        usual, _ = await stand.ask("GET", "/nothing", f"{name}: forged")
        stand.edge.upstream.is_down = True
        fallen, _ = await stand.ask("GET", "/v1/items", USER, f"{name}: forged")
    for reply, fallback in ((usual, []), (fallen, ["not_ready"])):
        assert reply.all("x-other") == ["kept"]
        assert reply.all("x-cutover-fallback") == fallback
        assert reply.all("x-cutover-side") == ["legacy"]
