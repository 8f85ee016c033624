"""The calls of mirrors: over real servers, whatever these do."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from proxy.comparison.documents import Document
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import MirrorOptions
from proxy.errors import LimitExceeded, RequestError
from proxy.routing.table import RouteBinding
from proxy.shadow.answers import (
    BROKEN,
    CANCELLED,
    HELPER,
    NO_ROOM,
    NO_UPSTREAM,
    TIMEOUT,
    TOO_LARGE,
    UNAVAILABLE,
    UNREACHABLE,
    UNSENT,
    Answered,
    grpc_failure,
    legacy_failure,
)
from proxy.shadow.comparing import Made
from proxy.shadow.legs import Legs, Prepared, longest_s
from proxy.shadow.sample import Failed, Life, Sample
from proxy.shape.outcomes.asked import Values
from proxy.status import Code
from proxy.transcoding.httpbody import Content
from proxy.upstreams import Call, Reply
from proxy.upstreams.failure import closed, timed_out, too_many
from tests.fakes import FakeClock, Served
from tests.live.edge import answers, fails, item, method
from tests.live.wire import LegacyScript
from tests.shadow.samples import (
    EVERY,
    JSON,
    binding_of,
    http_answer,
    legs_of,
    made_legs,
    sample_of,
)
from tests.upstreams.calls import refused_port
from tests.upstreams.servers import raw_server

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SHORT = replace(EVERY, timeout_s=0.05)


async def ask_grpc(legs: Legs, sample: Sample, mirror: MirrorOptions = EVERY) -> Answered | Failed:
    return await legs.grpc(sample, await prepared(legs, sample, mirror), mirror, at_once)


async def prepared(legs: Legs, sample: Sample, mirror: MirrorOptions = EVERY) -> Prepared:
    made = await legs.prepare(sample, mirror, built)
    assert isinstance(made, Prepared)
    return made


async def built(sample: Sample) -> Made | None:
    content_type = sample.headers.get("content-type")
    message = sample.binding.request.build(
        sample.captures, sample.query, sample.body, content_type
    ).message
    return Made(message, None)


async def at_once(binding: RouteBinding, wire: bytes, values: Values | None) -> Content:
    return binding.response.render(wire, values)


async def grpc_answer(*handlers: Any, mirror: MirrorOptions = EVERY) -> Answered | Failed:
    """What a gRPC server with one handler answers to the mirror of GET /v1/items/a."""
    snapshot, binding = await binding_of("GET", "/v1/items/a", mirror)
    async with legs_of(snapshot, {method("Get"): handlers[0]}) as legs:
        return await ask_grpc(legs, sample_of(snapshot, binding), mirror)


async def legacy_answer(script: LegacyScript, mirror: MirrorOptions = EVERY) -> Answered | Failed:
    snapshot, binding = await binding_of("GET", "/v1/items/a", mirror)
    async with legs_of(snapshot, script=script) as legs:
        return await legs.legacy(sample_of(snapshot, binding), mirror)


def document(answered: Answered | Failed) -> Document:
    assert isinstance(answered, Answered), answered
    return answered.document


# --- gRPC


async def test_an_answer_is_rendered_as_a_client_would_get_it() -> None:
    got = document(await grpc_answer(answers(item(id="a", big="7"), initial=(("x-cost", "3"),))))
    assert got == Document(200, (*JSON, ("x-cost", "3")), b'{"id":"a","big":"7"}')


async def test_an_applications_error_is_an_answer() -> None:
    got = document(await grpc_answer(fails(Code.NOT_FOUND, "no such item")))
    assert (got.http_status, got.headers) == (404, JSON)
    assert got.body == b'{"code":5,"message":"no such item","details":[]}'


async def test_an_unknown_method_is_an_answer_too_since_clients_would_get_it() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    async with legs_of(snapshot, {}) as legs:
        assert document(await ask_grpc(legs, sample_of(snapshot, binding))).http_status == 501


@pytest.mark.parametrize("wire", [b"\xff\xff\xff", b"\x0a\x02\xc3\x28"])
async def test_bytes_that_are_no_message_are_the_502_that_clients_would_get(wire: bytes) -> None:
    assert document(await grpc_answer(answers(wire))).http_status == 502


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        (Code.UNAVAILABLE, UNAVAILABLE),
        (Code.CANCELLED, CANCELLED),
        (Code.DEADLINE_EXCEEDED, TIMEOUT),
    ],
)
async def test_what_the_network_says_too_is_no_answer(code: Code, failed: Failed) -> None:
    assert await grpc_answer(fails(code, "words")) == failed


async def test_a_server_that_cannot_be_reached_is_an_error_of_the_mirror() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    port = await refused_port()
    async with legs_of(snapshot, target=f"127.0.0.1:{port}") as legs:
        assert await ask_grpc(legs, sample_of(snapshot, binding)) == UNREACHABLE


async def test_a_server_that_hangs_is_left_when_the_mirrors_own_time_is_up() -> None:
    seen: list[Served] = []

    async def hang(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        await asyncio.Event().wait()
        yield b""

    assert await grpc_answer(hang, mirror=SHORT) == TIMEOUT
    await seen[0].ended.wait()


class Punctual:
    """An upstream whose server never answers; it ends its calls at their own deadlines."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def unary(self, call: Call) -> Reply:
        try:
            async with asyncio.timeout(call.timeout_s):
                await asyncio.Event().wait()
        except TimeoutError:
            self.ended.append("by its deadline")
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        raise timed_out(sent=True)


async def test_a_call_that_hangs_ends_by_its_own_deadline_and_is_not_cancelled() -> None:
    """A transport may lose memory with each call that is cancelled, and mirrors hang by many."""
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    upstream = Punctual()
    legs = made_legs(snapshot, {"items": upstream}, None)  # type: ignore[dict-item]
    assert await ask_grpc(legs, sample_of(snapshot, binding), SHORT) == TIMEOUT
    assert upstream.ended == ["by its deadline"]


async def test_an_answer_larger_than_the_mirror_takes_is_not_compared() -> None:
    small = replace(EVERY, max_response_bytes=1000)
    assert await grpc_answer(answers(item(id="a" * 2000)), mirror=small) == TOO_LARGE


async def test_an_answer_that_grows_in_json_is_measured_as_json() -> None:
    small = replace(EVERY, max_response_bytes=1000)
    wire = item(blob="A" * 1200)
    assert len(wire) < 1000
    assert await grpc_answer(answers(wire), mirror=small) == TOO_LARGE


async def test_an_answer_larger_than_the_transport_takes_is_not_compared() -> None:
    assert await grpc_answer(answers(item(id="a" * (5 << 20)))) == TOO_LARGE


async def test_an_answer_that_nobody_can_render_is_not_compared() -> None:
    async def cannot(*_: Any) -> Content | None:
        return None

    snapshot, binding = await binding_of("GET", "/v1/items/a")
    async with legs_of(snapshot, {method("Get"): answers(item())}) as legs:
        sample = sample_of(snapshot, binding)
        assert await legs.grpc(sample, await prepared(legs, sample), EVERY, cannot) == HELPER


async def test_metadata_larger_than_anybody_takes_is_an_end_and_nothing_else() -> None:
    huge = tuple((f"x-{number}", "v" * 1000) for number in range(100))
    got = await grpc_answer(answers(item(), initial=huge))
    assert got == TOO_LARGE or document(got).http_status >= 400


async def test_a_connection_that_ends_in_the_middle_is_an_error_of_the_mirror() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(24)

    snapshot, binding = await binding_of("GET", "/v1/items/a")
    async with (
        raw_server(reset) as port,
        legs_of(snapshot, target=f"127.0.0.1:{port}") as legs,
    ):
        failed = await ask_grpc(legs, sample_of(snapshot, binding))
    assert failed in (UNAVAILABLE, UNREACHABLE)


async def test_the_version_of_a_server_is_read_where_it_says_it() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    handler = answers(item(), trailers=(("x-version", "v7" + "." * 100),))
    names = {"items": "x-version"}
    async with legs_of(snapshot, {method("Get"): handler}, version_metadata=names) as legs:
        answered = await ask_grpc(legs, sample_of(snapshot, binding))
    assert isinstance(answered, Answered)
    assert answered.version == "v7" + "." * 62


async def test_a_server_tells_its_version_with_an_error_as_well() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    handler = fails(Code.NOT_FOUND, "no", trailers=(("x-version", "v8"),))
    names = {"items": "x-version"}
    async with legs_of(snapshot, {method("Get"): handler}, version_metadata=names) as legs:
        answered = await ask_grpc(legs, sample_of(snapshot, binding))
    assert isinstance(answered, Answered)
    assert answered.version == "v8"


async def test_a_route_whose_upstream_has_no_mirror_is_not_called() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    legs = made_legs(snapshot, {}, None)
    assert await ask_grpc(legs, sample_of(snapshot, binding)) == NO_UPSTREAM
    assert await legs.legacy(sample_of(snapshot, binding), EVERY) == NO_UPSTREAM


# --- what a call carries


async def carried(mirror: MirrorOptions, headers: dict[str, str], **route: Any) -> dict[str, str]:
    """The metadata of a mirrored call that are not grpcio's own."""
    seen: list[Served] = []

    async def note(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        yield item()

    snapshot, binding = await binding_of("GET", "/v1/items/a", mirror, **route)
    async with legs_of(snapshot, {method("Get"): note}) as legs:
        document(await ask_grpc(legs, sample_of(snapshot, binding, headers=headers), mirror))
    pairs = [(key, str(value)) for key, value in seen[0].metadata if key != "user-agent"]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


async def test_a_call_is_marked_and_the_mark_cannot_come_from_a_client() -> None:
    headers = {"x-shadow": "spoof", "grpc-metadata-x-shadow": "spoof", "grpc-metadata-x-a": "1"}
    assert await carried(EVERY, headers) == {"x-shadow": "s3cret", "x-a": "1"}


async def test_credentials_are_dropped_or_replaced_in_the_mirror_alone() -> None:
    mirror = replace(
        EVERY,
        set_headers=(("Authorization", "Bearer of-the-mirror"), ("x-tenant-bin", "AQI=")),
        remove_headers=frozenset({"x-secret"}),
    )
    headers = {
        "grpc-metadata-authorization": "Bearer of-the-client",
        "grpc-metadata-x-secret": "1",
        "x-secret": "1",
        "grpc-metadata-x-kept": "1",
    }
    assert await carried(mirror, headers) == {
        "authorization": "Bearer of-the-mirror",
        "x-tenant-bin": "b'\\x01\\x02'",
        "x-kept": "1",
        "x-shadow": "s3cret",
    }


async def test_the_override_of_a_tester_is_not_passed_on() -> None:
    headers = {"x-cutover-override": "grpc s", "grpc-metadata-x-cutover-override": "grpc s"}
    assert await carried(EVERY, headers) == {"x-shadow": "s3cret"}


async def test_a_mirror_is_a_span_of_its_own_in_the_trace_of_its_client() -> None:
    headers = {"traceparent": TRACE, "grpc-metadata-traceparent": TRACE}
    sent = (await carried(EVERY, headers, traced=True))["traceparent"].split("-")
    assert sent[1] == TRACE.split("-")[1]
    assert sent[2] != TRACE.split("-")[2]
    assert sent[3] == "01"


async def test_a_mirror_of_a_client_without_a_trace_is_in_that_of_its_primary() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a", traced=True)
    legs = made_legs(snapshot, {}, None)
    sample = sample_of(snapshot, binding, trace_id="ab" * 16)
    metadata = dict((await prepared(legs, sample)).metadata)
    assert str(metadata["traceparent"]).split("-")[1] == "ab" * 16


async def test_metadata_that_cannot_be_carried_refuses_the_request_as_it_would_the_clients() -> (
    None
):
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    legs = made_legs(snapshot, {}, None)
    with pytest.raises(RequestError) as caught:
        await prepared(legs, sample_of(snapshot, binding, headers={"grpc-metadata-x": "\x01"}))
    refusal = legs.refusal(caught.value, sample_of(snapshot, binding))
    assert (refusal.http_status, refusal.headers) == (400, JSON)


@pytest.mark.parametrize("target", ["/v1/items/a?nothing=1", "/v1/items/a?page_size=x"])
async def test_a_query_that_the_proxy_refuses_is_refused_here_too(target: str) -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    legs = made_legs(snapshot, {}, None)
    with pytest.raises(RequestError):
        await prepared(legs, sample_of(snapshot, binding, target=target))


async def test_a_body_beyond_the_routes_limit_is_refused_here_too() -> None:
    snapshot, binding = await binding_of("POST", "/v1/items", max_request_bytes=4)
    sample = sample_of(snapshot, binding, "POST", "/v1/items", body=b"[1,2]")
    with pytest.raises(LimitExceeded) as caught:
        await prepared(made_legs(snapshot, {}, None), sample)
    assert caught.value.http_status == 413


async def test_the_time_that_rendering_takes_is_not_the_servers() -> None:
    """Large answers wait for the helper: their server is no slower for that."""
    clock = FakeClock()
    snapshot, binding = await binding_of("GET", "/v1/items/a")

    async def slowly(binding: RouteBinding, wire: bytes, _: Any) -> Content | None:
        clock.advance(5.0)
        return binding.response.render(wire)

    async with legs_of(snapshot, {method("Get"): answers(item(id="a"))}) as legs:
        legs._clock = clock
        sample = sample_of(snapshot, binding)
        answered = await legs.grpc(sample, await prepared(legs, sample), EVERY, slowly)
    assert isinstance(answered, Answered)
    assert answered.seconds == 0.0


# --- streams


async def streamed(
    *messages: bytes,
    mirror: MirrorOptions = EVERY,
    accept: str = "",
    path: str = "/v1/items/a:watch",
) -> Answered | Failed:
    snapshot, binding = await binding_of("GET", path, mirror)
    handlers = {method("Watch"): answers(*messages), method("Files"): answers(*messages)}
    async with legs_of(snapshot, handlers) as legs:
        sample = sample_of(snapshot, binding, target=path, headers={"accept": accept})
        return await ask_grpc(legs, sample, mirror)


async def test_a_stream_is_framed_as_the_client_asked_for_it() -> None:
    one, two = item(id="1"), item(id="2")
    assert document(await streamed(one, two)).body == b'[{"id":"1"},{"id":"2"}]'
    lines = document(await streamed(one, two, accept="application/x-ndjson"))
    assert lines.body == b'{"id":"1"}\n{"id":"2"}\n'
    assert lines.headers == (("content-type", "application/x-ndjson"),)
    assert document(await streamed()).body == b"[]"


async def test_of_a_stream_one_message_more_than_is_compared_is_read_and_no_further() -> None:
    seen: list[Served] = []

    async def endless(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        while True:
            yield item(id="1")

    mirror = replace(EVERY, max_messages=3)
    snapshot, binding = await binding_of("GET", "/v1/items/a:watch", mirror)
    async with legs_of(snapshot, {method("Watch"): endless}) as legs:
        got = await ask_grpc(legs, sample_of(snapshot, binding, target="/v1/items/a:watch"), mirror)
        await seen[0].ended.wait()
    assert document(got).body == b"[" + b",".join([b'{"id":"1"}'] * 4) + b"]"
    assert document(got).complete


async def test_a_stream_beyond_the_bytes_of_the_mirror_is_not_compared() -> None:
    mirror = replace(EVERY, max_response_bytes=1000)
    assert await streamed(*[item(id="a" * 300)] * 5, mirror=mirror) == TOO_LARGE
    assert await streamed(item(id="a" * 3000), mirror=mirror) == TOO_LARGE


async def test_a_stream_that_fails_in_the_middle_is_no_whole_answer() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a:watch")
    handler = fails(Code.DATA_LOSS, "gone", item(id="1"))
    async with legs_of(snapshot, {method("Watch"): handler}) as legs:
        got = await ask_grpc(legs, sample_of(snapshot, binding, target="/v1/items/a:watch"))
    assert document(got) == Document(200, JSON, b'[{"id":"1"}', complete=False)


async def test_a_message_of_a_stream_that_cannot_be_read_ends_what_is_compared() -> None:
    got = document(await streamed(item(id="1"), b"\xff"))
    assert got == Document(200, JSON, b'[{"id":"1"}', complete=False)
    assert document(await streamed(b"\xff", item(id="1"))).http_status == 502


async def test_a_stream_that_fails_at_first_keeps_its_status() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a:watch")
    async with legs_of(snapshot, {method("Watch"): fails(Code.NOT_FOUND)}) as legs:
        got = await ask_grpc(legs, sample_of(snapshot, binding, target="/v1/items/a:watch"))
    assert document(got).http_status == 404


async def test_a_stream_that_the_network_ends_is_an_error_of_the_mirror() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a:watch")
    handler = fails(Code.UNAVAILABLE, "gone", item(id="1"))
    async with legs_of(snapshot, {method("Watch"): handler}) as legs:
        sample = sample_of(snapshot, binding, target="/v1/items/a:watch")
        assert await ask_grpc(legs, sample) == UNAVAILABLE


async def test_a_stream_of_raw_content_is_its_bytes() -> None:
    from google.api.httpbody_pb2 import HttpBody

    pieces = [HttpBody(content_type="text/csv", data=data) for data in (b"a,b\n", b"c,d\n")]
    wires = [piece.SerializeToString() for piece in pieces]
    got = document(await streamed(*wires, path="/v1/files/a:all"))
    assert got == Document(200, (("content-type", "text/csv"),), b"a,b\nc,d\n")
    empty = document(await streamed(path="/v1/files/a:all"))
    assert empty == Document(200, (("content-type", "application/octet-stream"),), b"")


# --- legacy


async def test_legacy_is_asked_what_the_client_asked_and_told_that_it_is_a_mirror() -> None:
    script = LegacyScript(http_answer(b'{"id":"a"}', "x-b: 2"))
    mirror = replace(EVERY, set_headers=(("X-Api-Key", "mirror"),), remove_headers={"cookie"})
    snapshot, binding = await binding_of("GET", "/v1/items/a", mirror)
    headers = {
        "Cookie": "session",
        "X-API-Key": "client",
        "Accept-Encoding": "br",
        "X-Shadow": "spoof",
        "X-Cutover-Override": "grpc s",
        "Accept": "*/*",
        "traceparent": TRACE,
    }
    async with legs_of(snapshot, script=script) as legs:
        sample = sample_of(snapshot, binding, target="/v1/items/a?page_size=05", headers=headers)
        got = document(await legs.legacy(sample, mirror))
    assert (got.http_status, got.body) == (200, b'{"id":"a"}')
    assert ("x-b", "2") in got.headers
    (heard,) = script.heard
    assert heard.line == "GET /v1/items/a?page_size=05 HTTP/1.1"
    assert heard.all("x-shadow") == ["s3cret"]
    assert heard.all("x-api-key") == ["mirror"]
    assert heard.all("accept-encoding") == ["identity"]
    assert heard.all("x-forwarded-for") == ["192.0.2.1"]
    assert heard.all("host") == ["api.test"]
    assert heard.all("cookie") == heard.all("x-cutover-override") == []
    (parent,) = heard.all("traceparent")
    assert parent.split("-")[1] == TRACE.split("-")[1]
    assert parent.split("-")[2] != TRACE.split("-")[2]


async def test_a_body_goes_to_legacy_as_it_is_read_without_its_coding() -> None:
    script = LegacyScript(http_answer(b"{}"))
    snapshot, binding = await binding_of("POST", "/v1/items", safety=Safety.SAFE)
    headers = {"Content-Encoding": "gzip", "Content-Length": "99", "Content-Type": "text/json"}
    sample = sample_of(snapshot, binding, "POST", "/v1/items", headers, b'{"id": "a"}')
    async with legs_of(snapshot, script=script) as legs:
        document(await legs.legacy(sample, EVERY))
    (heard,) = script.heard
    assert heard.body == b'{"id": "a"}'
    assert heard.all("content-length") == ["11"]
    assert heard.all("content-encoding") == []


@pytest.mark.parametrize("safety", [Safety.UNSAFE, Safety.IDEMPOTENT])
async def test_no_write_is_ever_repeated_to_legacy(safety: Safety) -> None:
    script = LegacyScript(http_answer(b"{}"))
    snapshot, binding = await binding_of("POST", "/v1/items", safety=safety)
    async with legs_of(snapshot, script=script) as legs:
        sample = sample_of(snapshot, binding, "POST", "/v1/items")
        assert await legs.legacy(sample, EVERY) == NO_UPSTREAM
    assert script.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_a_legacy_host_that_breaks_off_or_speaks_no_http_is_an_error(
    answer: bytes | None,
) -> None:
    assert await legacy_answer(LegacyScript(answer)) == BROKEN


async def test_a_legacy_host_that_cannot_be_reached_is_an_error() -> None:
    snapshot, binding = await binding_of("GET", "/v1/items/a")
    async with legs_of(snapshot, url=f"http://127.0.0.1:{await refused_port()}") as legs:
        assert await legs.legacy(sample_of(snapshot, binding), EVERY) == UNREACHABLE


async def test_an_error_of_the_legacy_application_is_an_answer() -> None:
    script = LegacyScript(http_answer(b'{"error": 1}', status="500 Oops"))
    assert document(await legacy_answer(script)).http_status == 500


async def test_an_answer_that_drips_is_left_when_the_time_is_up() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")
        await reader.read()

    assert await legacy_answer(LegacyScript(talk=drip), SHORT) == TIMEOUT


async def test_a_legacy_host_that_says_nothing_is_left_when_the_time_is_up() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    assert await legacy_answer(LegacyScript(talk=hang), SHORT) == TIMEOUT


async def test_of_two_gigabytes_no_more_is_read_than_the_mirror_takes() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n")
        while sent < 2 << 30:
            writer.write(b"a" * 65536)
            await writer.drain()
            sent += 65536

    assert await legacy_answer(LegacyScript(talk=pour)) == TOO_LARGE
    assert sent < 64 << 20


async def test_an_answer_that_is_here_whole_has_the_same_limit() -> None:
    mirror = replace(EVERY, max_response_bytes=10)
    assert await legacy_answer(LegacyScript(http_answer(b'"123456789"')), mirror) == TOO_LARGE


# --- the table


def test_a_refusal_of_ours_for_want_of_room_is_no_answer_of_the_server() -> None:
    assert grpc_failure(too_many("full")) == NO_ROOM
    assert legacy_failure(too_many("full")) == NO_ROOM


def test_a_call_that_was_never_made_is_told_from_one_that_was() -> None:
    assert grpc_failure(closed(sent=False)) == UNREACHABLE
    assert grpc_failure(closed(sent=True)) == CANCELLED
    assert grpc_failure(timed_out(sent=False)) == TIMEOUT
    assert legacy_failure(RequestError("no HTTP")) == UNSENT
    assert grpc_failure(RequestError("bad")) is None


def test_an_examination_may_take_both_rounds_and_the_wait_between_them() -> None:
    once = longest_s(EVERY)
    again = longest_s(replace(EVERY, reverify_after_s=3.0))
    assert once > EVERY.timeout_s
    assert again >= once + 3.0 + EVERY.timeout_s


def test_reasons_are_words_of_a_small_table() -> None:
    assert {TIMEOUT.life, TOO_LARGE.life, BROKEN.life} == {
        Life.CANDIDATE_TIMEOUT,
        Life.NOT_COMPARABLE,
        Life.CANDIDATE_ERROR,
    }
