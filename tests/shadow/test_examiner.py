"""Examinations: from a sample to what is kept of it."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest

from proxy.comparison.comparator import CompareOptions
from proxy.comparison.documents import Document, Obstacle
from proxy.comparison.kinds import Kind
from proxy.comparison.rules import Format, Rule
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.cutover.stages import Side
from proxy.gate.evidence import Control, Epoch, Observation, Verdict
from proxy.gate.redaction import Hasher
from proxy.shadow.answers import HELPER, NO_MEMORY, TIMEOUT, UNREACHABLE
from proxy.shadow.comparing import INLINE_BODY_BYTES, INLINE_BYTES, Comparing
from proxy.shadow.examiner import PairExaminer
from proxy.shadow.helper import Helper
from proxy.shadow.legs import Legs
from proxy.shadow.pairs import compare_status
from proxy.shadow.sample import Failed, Life
from proxy.status import Code
from proxy.telemetry.metrics import Metrics
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.response import ResponseRenderer
from proxy.upstreams.rest import RestUpstream
from tests.fakes import FakeUpstream, Handler, Served
from tests.live.edge import HANDLERS, answers, fails, item, method
from tests.live.wire import LegacyScript, legacy_of, read_request
from tests.shadow.samples import (
    EVERY,
    JSON,
    binding_of,
    http_answer,
    legs_of,
    made_legs,
    mirrored,
    sample_of,
)
from tests.transcoding.request_schema import LIBRARY, bind, codecs_of, pool_of
from tests.upstreams.servers import raw_server
from tests.waiting import until

EPOCH = Epoch("get-item", "digest", "v1")
AGAIN = replace(EVERY, reverify_after_s=2.0)
TWICE = replace(EVERY, control_basis_points=10_000)
GET = method("Get")


@dataclass
class Bench:
    """An examiner over one gRPC handler and a legacy host whose answers come in turn."""

    examiner: PairExaminer
    comparing: Comparing
    metrics: Metrics
    upstream: FakeUpstream
    legacy: LegacyScript
    snapshot: Any
    binding: Any
    helper: Helper
    versions: list[tuple[str, str]] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    charged_s: list[float] = field(default_factory=list)

    async def examine(
        self, answer: Document | bytes = b'{"id":"a"}', *sent: Any, **facts: Any
    ) -> Observation | Failed:
        if isinstance(answer, bytes):
            answer = Document(200, JSON, answer)
        sample = sample_of(self.snapshot, self.binding, *sent, answer=answer, **facts)
        return await self.examiner.examine(sample, EPOCH)

    async def observe(self, *given: Any, **facts: Any) -> Observation:
        observed = await self.examine(*given, **facts)
        assert isinstance(observed, Observation), observed
        return observed

    def shown(self, *labels: str) -> float:
        """The sum of the samples of metrics that have all *labels* in their line."""
        lines = self.metrics.render()[1].decode().splitlines()
        found = [line for line in lines if all(label in line for label in labels)]
        return sum(float(line.rpartition(" ")[2]) for line in found if line[0] != "#")


@asynccontextmanager
async def helper_of() -> AsyncIterator[Helper]:
    helper = Helper()
    try:
        yield helper
    finally:
        await helper.close()


def examiner_of(legs: Legs, helper: Helper) -> PairExaminer:
    """An examiner that notes nothing of what it does."""
    return PairExaminer(
        legs,
        Comparing(helper),
        Hasher(b"k" * 32),
        Metrics(),
        note_version=lambda upstream, version: None,
        charge=lambda seconds: None,
        clock=lambda: 0.0,
        random=lambda: 0.5,
    )


def in_turn(*bodies: bytes) -> LegacyScript:
    """A legacy host that gives one body after the other, the last one again and again."""
    left = [*bodies]
    script = LegacyScript()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            script.heard.append(await read_request(reader))
            writer.write(http_answer(left.pop(0) if len(left) > 1 else left[0]))

    script.talk = talk
    return script


def handlers_in_turn(*wires: bytes) -> Handler:
    left = [*wires]

    async def handle(served: Served) -> AsyncIterator[bytes]:
        yield left.pop(0) if len(left) > 1 else left[0]

    return handle


@asynccontextmanager
async def bench_of(
    handler: Handler | Mapping[str, Handler] | None = None,
    legacy: LegacyScript | None = None,
    mirror: MirrorOptions = EVERY,
    *,
    asked: tuple[str, str] = ("GET", "/v1/items/a"),
    compare: CompareOptions | None = None,
    random: Callable[[], float] = lambda: 0.5,
    upstreams: bool = True,
    **route: Any,
) -> AsyncIterator[Bench]:
    snapshot, binding = await binding_of(*asked, mirror, compare, **route)
    if not isinstance(handler, Mapping):
        handler = {**HANDLERS, GET: handler or answers(item(id="a"))}
    upstream, metrics = FakeUpstream(handler), Metrics()
    script = legacy or LegacyScript(http_answer(b'{"id":"a"}'))
    charged_s: list[float] = []
    helper = Helper()
    async with legacy_of(script) as host, RestUpstream(host.url) as rest:
        names = {"items": "x-version"}
        legs = made_legs(
            snapshot, {"items": upstream} if upstreams else {}, rest, version_metadata=names
        )
        comparing = Comparing(helper)
        bench = Bench(
            PairExaminer(
                legs,
                comparing,
                Hasher(b"k" * 32),
                metrics,
                note_version=lambda *pair: bench.versions.append(pair),
                charge=charged_s.append,
                clock=lambda: 0.0,
                random=random,
                wait=lambda seconds: _noted(bench, seconds),
            ),
            comparing,
            metrics,
            upstream,
            script,
            snapshot,
            binding,
            helper,
            charged_s=charged_s,
        )
        try:
            yield bench
        finally:
            await helper.close()


async def _noted(bench: Bench, seconds: float) -> None:
    bench.waits_s.append(seconds)


# --- the calls


async def test_a_large_request_that_the_helper_cannot_make_is_not_compared() -> None:
    large = {"safety": Safety.UNSAFE, "max_request_bytes": 1 << 20}
    async with bench_of(asked=("POST", "/v1/items"), **large) as bench:
        await bench.helper.close()
        body = b'{"labels":["%b"]}' % (b"a" * INLINE_BODY_BYTES)
        sent = "POST", "/v1/items", {"Content-Type": "application/json"}, body
        assert await bench.examine(b"{}", *sent) == HELPER
        assert bench.upstream.calls == []


async def test_an_answer_for_which_mirrors_have_no_room_is_not_compared() -> None:
    async with bench_of() as bench:
        assert await bench.examine(hold=lambda size: size < 5) == NO_MEMORY


async def test_a_bug_in_one_of_two_calls_ends_the_other_one_too() -> None:
    """Beside its examination nobody would bound it, nor wait for it."""
    ended = asyncio.Event()

    async def fails_at_once() -> Failed:
        raise RuntimeError("m4rk")

    async def hangs() -> Failed:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return TIMEOUT

    async with bench_of() as bench:
        with pytest.raises(RuntimeError, match="m4rk"):
            await bench.examiner.both(hangs(), fails_at_once())
        await until(ended.is_set)


# --- what comes of a pair


async def test_equal_answers_match_and_what_legacy_filled_is_noted() -> None:
    async with bench_of(answers(item(id="a", count=3))) as bench:
        observed = await bench.observe(b'{"id": "a", "count": 3}')
        sample_key = Hasher(b"k" * 32).short("a client")
        assert observed.verdict is Verdict.MATCH
        assert observed.epoch == EPOCH
        assert observed.findings == ()
        assert observed.about == {}
        assert observed.fields == {"$.id", "$.count"}
        assert (observed.key, observed.at_s) == (sample_key, 1_700_000_000.0)
        assert (observed.legacy_s, observed.grpc_s) == (0.25, 0.0)
        assert observed.control is None
        assert bench.shown("cutover_shadow_compared_total", 'verdict="match"') == 1
        assert bench.shown("cutover_shadow_duration_seconds_count", 'leg="grpc"') == 1
        # Nothing was done beside the task that whoever runs mirrors charges itself.
        assert bench.charged_s == []
        assert bench.legacy.heard == []


async def test_a_difference_is_kept_without_its_values() -> None:
    async with bench_of(answers(item(id="other"))) as bench:
        observed = await bench.observe(b'{"id":"secret"}')
    assert observed.verdict is Verdict.MISMATCH
    (finding,) = observed.findings
    assert (finding.path, finding.kind, finding.times) == ("$.id", Kind.VALUE, 1)
    assert (finding.legacy.text, finding.legacy.length) == (None, 6)
    assert observed.about["template"] == "/v1/items/{id}"
    assert observed.about["legacy_status"] == observed.about["grpc_status"] == "200"
    assert "secret" not in repr(observed)
    assert bench.shown("cutover_shadow_diff", 'kind="value"') == 1


async def test_a_rule_that_makes_two_values_equal_is_counted_by_its_text() -> None:
    rule = Rule("$.id", Format("uuid"), "made at random", date(2099, 1, 1))
    compare = CompareOptions(rules=(rule,))
    one, two = "123e4567-e89b-42d3-a456-426614174000", "00000000-e89b-42d3-a456-426614174000"
    async with bench_of(answers(item(id=one)), compare=compare) as bench:
        observed = await bench.observe(json.dumps({"id": two}).encode())
    assert observed.verdict is Verdict.MATCH_WITH_RULES
    assert observed.rule_hits == {rule.text: 1}


async def test_an_error_of_the_application_is_compared() -> None:
    async with bench_of(fails(Code.NOT_FOUND)) as bench:
        observed = await bench.observe()
    assert [each.kind for each in observed.findings] == [Kind.STATUS_CLASS]
    assert observed.about["grpc_status"] == "404"


async def test_what_cannot_be_called_is_no_comparison() -> None:
    async with bench_of() as bench:
        bench.upstream.is_down = True
        assert await bench.examine() == UNREACHABLE
        assert bench.shown("cutover_shadow_compared_total") == 0


async def test_a_call_that_takes_too_long_is_no_comparison() -> None:
    async def hang(served: Served) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async with bench_of(hang, mirror=replace(EVERY, timeout_s=0.02)) as bench:
        assert await bench.examine() == TIMEOUT


async def test_an_answer_in_a_known_coding_is_read() -> None:
    answer = Document(200, (*JSON, ("content-encoding", "gzip")), gzip.compress(b'{"id":"a"}'))
    async with bench_of() as bench:
        assert (await bench.observe(answer)).verdict is Verdict.MATCH


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (b"x", "br", "coding"),
        (b"x", "gzip", "coding"),
        (gzip.compress(bytes(1 << 20)), "gzip", "response_too_large"),
    ],
)
async def test_an_answer_in_a_coding_that_cannot_be_undone_is_not_compared(
    body: bytes, coding: str, reason: str
) -> None:
    async with bench_of() as bench:
        answer = Document(200, (*JSON, ("content-encoding", coding)), body)
        assert await bench.examine(answer) == Failed(Life.NOT_COMPARABLE, reason)


async def test_an_answer_that_broke_off_is_not_compared() -> None:
    async with bench_of() as bench:
        answer = Document(200, JSON, b'{"id":', complete=False)
        failed = await bench.examine(answer)
    assert failed == Failed(Life.NOT_COMPARABLE, Obstacle.TRUNCATED.value)


async def test_streams_are_compared_message_by_message() -> None:
    asked = "GET", "/v1/items/a:watch"
    handlers = {method("Watch"): answers(item(id="1"), item(id="2"))}
    async with bench_of(handlers, asked=asked) as bench:
        lines = Document(200, (("content-type", "application/x-ndjson"),), b'{"id":"1"}\n{}\n')
        observed = await bench.observe(lines, *asked)
        assert [each.path for each in observed.findings if each.path.startswith("$")] == ["$[*].id"]


async def test_an_answer_beyond_the_helper_is_not_compared() -> None:
    text = "a" * INLINE_BYTES
    async with bench_of(answers(item(id=text))) as bench:
        await bench.helper.close()
        failed = await bench.examine(json.dumps({"id": text}).encode())
        assert failed == Failed(Life.NOT_COMPARABLE, Obstacle.HELPER.value)


async def test_large_answers_are_compared_by_the_helper() -> None:
    text = "a" * INLINE_BYTES
    async with bench_of(answers(item(id=text))) as bench:
        observed = await bench.observe(json.dumps({"id": text}).encode())
        assert observed.verdict is Verdict.MATCH
        assert (bench.comparing.inline, bench.comparing.helped) == (0, 1)


# --- the version of the server


async def test_a_new_version_begins_a_new_epoch_and_is_told() -> None:
    async with bench_of(answers(item(id="a"), trailers=(("x-version", "v2"),))) as bench:
        observed = await bench.observe()
    assert observed.epoch == replace(EPOCH, version="v2")
    assert bench.versions == [("items", "v2")]


async def test_the_version_that_is_known_is_not_told_again() -> None:
    async with bench_of(answers(item(id="a"), initial=(("x-version", "v1"),))) as bench:
        assert (await bench.observe()).epoch == EPOCH
    assert bench.versions == []


# --- the request


async def test_what_a_request_loses_is_a_mismatch_though_the_answers_are_equal() -> None:
    asked = "POST", "/v1/items"
    handlers = {method("Create"): answers(item(id="a"))}
    async with bench_of(handlers, asked=asked, unknown="warn") as bench:
        body = b'{"id": "a", "copyMe": true}'
        observed = await bench.observe(b'{"id":"a"}', *asked, body=body)
    assert observed.verdict is Verdict.MISMATCH
    assert [(each.path, each.kind) for each in observed.findings] == [
        ("request:$.item.copyMe", Kind.MISSING_FIELD)
    ]


async def test_a_request_that_is_refused_is_compared_with_what_legacy_made_of_it() -> None:
    async with bench_of() as bench:
        refused = await bench.observe(b"{}", "GET", "/v1/items/a?page_size=x")
        assert [each.kind for each in refused.findings] == [Kind.STATUS_CLASS]
        assert refused.grpc_s is None
        assert bench.upstream.calls == []
        both = Document(400, JSON, b'{"code":3}')
        agreed = await bench.observe(both, "GET", "/v1/items/a?page_size=x")
        assert "status" not in [each.path for each in agreed.findings]


async def test_a_path_that_legacy_alone_can_read_is_a_mismatch() -> None:
    async with bench_of() as bench:
        observed = await bench.observe(b"{}", "GET", "/v1/items/%ff")
        assert [each.kind for each in observed.findings] == [Kind.STATUS_CLASS]
        assert observed.about["grpc_status"] == "400"


async def test_the_shape_of_a_request_is_one_whatever_its_values() -> None:
    async with bench_of() as bench:
        one = await bench.observe(b'{"id":"a"}', "GET", "/v1/items/a?page_size=1")
        two = await bench.observe(b'{"id":"a"}', "GET", "/v1/items/b?page_size=2")
        other = await bench.observe(b'{"id":"a"}', "GET", "/v1/items/b")
        refused = await bench.observe(b'{"id":"a"}', "GET", "/v1/items/a?page_size=x")
    assert one.shape == two.shape
    assert len({one.shape, other.shape, refused.shape}) == 3


# --- depth translate


TRANSLATE = replace(EVERY, depth=Depth.TRANSLATE)
CREATE = "POST", "/v1/items"


async def test_a_translation_opens_no_connection() -> None:
    """I5: nothing is called, whatever the method, and whichever side has answered."""
    connections: list[object] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    async with raw_server(accept) as one, raw_server(accept) as other:
        for asked, body in ((CREATE, b'{"id":"a"}'), (("GET", "/v1/items/a"), b"")):
            snapshot, binding = await binding_of(*asked, TRANSLATE)
            url, target = f"http://127.0.0.1:{one}", f"127.0.0.1:{other}"
            async with legs_of(snapshot, url=url, target=target) as legs, helper_of() as helper:
                examiner = examiner_of(legs, helper)
                for primary in (Side.LEGACY, Side.GRPC):
                    sample = sample_of(snapshot, binding, *asked, body=body, primary=primary)
                    observed = await examiner.examine(sample, EPOCH)
                    assert isinstance(observed, Observation)
                    assert observed.verdict is Verdict.MATCH
    assert connections == []


async def test_a_translation_compares_the_request_alone() -> None:
    async with bench_of(mirror=TRANSLATE, asked=CREATE, unknown="warn") as bench:
        observed = await bench.observe(b'{"id":"of legacy"}', *CREATE, body=b'{"copyMe":1}')
        assert [each.path for each in observed.findings] == ["request:$.item.copyMe"]
        assert observed.verdict is Verdict.MISMATCH
        assert observed.fields == frozenset()
        assert (observed.legacy_s, observed.grpc_s) == (0.25, None)
        assert observed.about["legacy_status"] == "200"
        assert "grpc_status" not in observed.about
        assert (bench.upstream.calls, bench.legacy.heard) == ([], [])


@pytest.mark.parametrize(
    ("status", "verdict", "kinds"),
    [
        (200, Verdict.MISMATCH, [Kind.STATUS_CLASS]),
        (302, Verdict.MISMATCH, [Kind.STATUS_CLASS]),
        (422, Verdict.MATCH, []),
        (500, Verdict.MATCH, []),
    ],
)
async def test_what_cannot_be_translated_is_a_mismatch_unless_legacy_refused_it_too(
    status: int, verdict: Verdict, kinds: list[Kind]
) -> None:
    async with bench_of(mirror=TRANSLATE, asked=CREATE) as bench:
        observed = await bench.observe(Document(status, JSON, b"{}"), *CREATE, body=b"[")
        assert observed.verdict is verdict
        assert [each.kind for each in observed.findings] == kinds


async def test_a_large_request_is_compared_by_the_helper() -> None:
    body = json.dumps({"id": "a" * INLINE_BYTES}).encode()
    async with bench_of(mirror=TRANSLATE, asked=CREATE, max_request_bytes=1 << 20) as bench:
        observed = await bench.observe(b"{}", *CREATE, body=body)
        assert observed.verdict is Verdict.MATCH
        assert (bench.comparing.inline, bench.comparing.helped) == (0, 1)


# --- depth validate_only


async def test_only_the_status_of_what_is_not_carried_out_is_compared() -> None:
    """The message has no such field in the tests' API; the example's has."""
    compared = compare_status(Document(201), Document(200), CompareOptions())
    assert [each.kind for each in compared.differences] == [Kind.STATUS_CODE]
    assert compare_status(Document(201), Document(200), CompareOptions("class")).differences == ()
    refused = compare_status(Document(201), Document(400), CompareOptions("class"))
    assert [each.kind for each in refused.differences] == [Kind.STATUS_CLASS]


async def test_what_can_be_validated_is_called_so_and_its_answer_not_read() -> None:
    seen: list[bytes] = []

    async def validate(served: Served) -> AsyncIterator[bytes]:
        seen.append(served.message)
        yield b"\x22\x02hi"

    mirror = replace(TWICE, depth=Depth.VALIDATE_ONLY, reverify_after_s=1.0)
    handlers = {method("Create"): validate}
    async with bench_of(handlers, mirror=mirror, asked=CREATE, safety=Safety.UNSAFE) as bench:
        pool = pool_of(LIBRARY)
        rule = bind(pool, "library.v1.Library.Serve", *CREATE, body="book")
        library = replace(
            bench.binding,
            binding=rule,
            response=ResponseRenderer.compile(rule, codecs_of(pool)),
        )
        bench.binding = mirrored(
            bench.snapshot, library, mirror, CompareOptions(), "reject", {}, codecs_of(pool)
        )
        answer = Document(200, JSON, b'{"anything": "else"}')
        observed = await bench.observe(answer, *CREATE, body=b'{"title":"t"}')
        assert observed.verdict is Verdict.MATCH
        sent = message_class(rule.method.input_type).FromString(seen[0])
        assert (sent.validate_only, sent.book.title) == (True, "t")  # type: ignore[attr-defined]
        refused = await bench.observe(Document(400, JSON), *CREATE, body=b"{}")
        assert [each.kind for each in refused.findings] == [Kind.STATUS_CLASS]
        assert (bench.waits_s, bench.legacy.connections) == ([], 0)


# --- the other way round


async def test_legacy_is_asked_when_grpc_has_answered() -> None:
    legacy = LegacyScript(http_answer(b'{"id":"b"}'))
    async with bench_of(legacy=legacy) as bench:
        observed = await bench.observe(b'{"id":"a"}', primary=Side.GRPC)
        (finding,) = observed.findings
        assert (finding.path, observed.verdict) == ("$.id", Verdict.MISMATCH)
        assert (observed.legacy_s, observed.grpc_s) == (0.0, 0.25)
        assert len(legacy.heard) == 1
        assert bench.upstream.calls == []


@pytest.mark.parametrize("depth", [Depth.RPC, Depth.VALIDATE_ONLY, Depth.TRANSLATE])
@pytest.mark.parametrize("safety", [Safety.UNSAFE, Safety.IDEMPOTENT])
async def test_a_write_is_never_repeated_to_legacy(depth: Depth, safety: Safety) -> None:
    """I4, whatever came through the checks before."""
    mirror = replace(TWICE, depth=depth, reverify_after_s=1.0)
    async with bench_of(mirror=mirror, asked=CREATE, safety=safety) as bench:
        observed = await bench.observe(b"{}", *CREATE, body=b'{"id":"a"}', primary=Side.GRPC)
        assert observed.verdict is Verdict.MATCH
        assert bench.legacy.connections == 0


async def test_a_write_to_a_sink_is_made_once_and_legacy_left_alone() -> None:
    mirror = replace(TWICE, reverify_after_s=1.0)
    handlers = {method("Create"): answers(item(id="other"))}
    async with bench_of(handlers, mirror=mirror, asked=CREATE, safety=Safety.UNSAFE) as bench:
        observed = await bench.observe(b'{"id":"a"}', *CREATE, body=b'{"id":"a"}')
        assert observed.verdict is Verdict.MISMATCH
        assert len(bench.upstream.calls) == 1
        assert (bench.legacy.connections, bench.waits_s) == (0, [])


# --- asked again


async def test_what_both_agree_on_when_asked_again_was_transient() -> None:
    handler = handlers_in_turn(item(id="old"), item(id="new"))
    async with bench_of(handler, in_turn(b'{"id":"new"}'), AGAIN) as bench:
        observed = await bench.observe(b'{"id":"new"}')
        assert observed.verdict is Verdict.TRANSIENT
        assert [each.path for each in observed.findings] == ["$.id"]
        assert bench.waits_s == [2.0]
        assert (len(bench.upstream.calls), len(bench.legacy.heard)) == (2, 1)


async def test_what_differs_again_is_a_mismatch() -> None:
    async with bench_of(answers(item(id="b")), mirror=AGAIN) as bench:
        assert (await bench.observe(b'{"id":"a"}')).verdict is Verdict.MISMATCH


async def test_what_legacy_says_otherwise_each_time_is_noise() -> None:
    async with bench_of(answers(item(id="b")), in_turn(b'{"id":"c"}'), AGAIN) as bench:
        assert (await bench.observe(b'{"id":"a"}')).verdict is Verdict.NOISE


async def test_noise_at_one_path_does_not_excuse_another() -> None:
    handler = answers(item(id="b", count=9))
    async with bench_of(handler, in_turn(b'{"id":"c","count":3}'), AGAIN) as bench:
        observed = await bench.observe(b'{"id":"a","count":3}')
        assert observed.verdict is Verdict.MISMATCH


async def test_what_agrees_is_not_asked_again() -> None:
    async with bench_of(mirror=AGAIN) as bench:
        assert (await bench.observe()).verdict is Verdict.MATCH
        assert (bench.waits_s, bench.legacy.heard) == ([], [])


async def test_a_second_round_that_fails_leaves_the_mismatch() -> None:
    async with bench_of(answers(item(id="b")), LegacyScript(None), AGAIN) as bench:
        assert (await bench.observe(b'{"id":"a"}')).verdict is Verdict.MISMATCH


async def test_what_was_lost_is_lost_at_any_time_and_not_asked_again() -> None:
    async with bench_of(mirror=AGAIN, unknown="warn") as bench:
        observed = await bench.observe(b'{"id":"a"}', "GET", "/v1/items/a?colour=red")
        assert (observed.verdict, bench.waits_s) == (Verdict.MISMATCH, [])


async def test_mirrors_that_wait_to_ask_again_leave_room_for_others() -> None:
    mirror = replace(AGAIN, max_concurrency=4)
    async with bench_of(answers(item(id="b")), mirror=mirror) as bench:
        gate = asyncio.Event()

        async def wait(seconds: float) -> None:
            bench.waits_s.append(seconds)
            await gate.wait()

        bench.examiner.wait = wait
        running = [asyncio.ensure_future(bench.observe(b'{"id":"a"}')) for _ in range(5)]
        await until(lambda: sum(each.done() for each in running) == 3)
        assert len(bench.waits_s) == 2
        gate.set()
        assert {each.verdict for each in await asyncio.gather(*running)} == {Verdict.MISMATCH}
        assert bench.examiner.reverifying.total() == 0


# --- legacy against itself


async def test_legacy_is_asked_twice_for_the_share_that_is_said() -> None:
    mirror = replace(EVERY, control_basis_points=500)
    for drawn, asked in ((0.0499, 1), (0.05, 0)):
        async with bench_of(mirror=mirror, random=lambda: drawn) as bench:  # noqa: B023
            observed = await bench.observe()
            assert len(bench.legacy.heard) == asked
            assert (observed.control is not None) == bool(asked)


async def test_a_control_says_where_each_side_alone_differed() -> None:
    handler = answers(item(id="a", count=1, small=2, big="5"))
    legacy = in_turn(b'{"id":"a","count":3,"small":4,"big":"6"}')
    async with bench_of(handler, legacy, TWICE) as bench:
        observed = await bench.observe(b'{"id":"a","count":3,"small":2,"big":"7"}')
        # Both legs were tasks of their own, which count too.
        assert len(bench.charged_s) >= 2
        assert observed.control == Control(frozenset({"$.count"}), frozenset({"$.small"}))
        assert observed.verdict is Verdict.MISMATCH
        assert {each.path for each in observed.findings} == {"$.count", "$.big"}
        assert bench.shown("cutover_shadow_duration_seconds_count", 'leg="control"') == 1


async def test_where_legacy_differs_from_itself_a_difference_is_noise() -> None:
    async with bench_of(answers(item(id="b")), in_turn(b'{"id":"c"}'), TWICE) as bench:
        observed = await bench.observe(b'{"id":"a"}')
        assert observed.verdict is Verdict.NOISE
        assert observed.control == Control(frozenset(), frozenset())


async def test_a_control_that_fails_says_nothing() -> None:
    async with bench_of(answers(item(id="b")), LegacyScript(None), TWICE) as bench:
        observed = await bench.observe(b'{"id":"a"}')
        assert (observed.verdict, observed.control) == (Verdict.MISMATCH, None)


async def test_the_control_of_a_reverse_mirror_is_a_second_answer_of_legacy() -> None:
    legacy = in_turn(b'{"id":"b"}', b'{"id":"c"}')
    async with bench_of(legacy=legacy, mirror=TWICE) as bench:
        observed = await bench.observe(b'{"id":"a"}', primary=Side.GRPC)
        assert observed.verdict is Verdict.NOISE
        assert len(legacy.heard) == 2


# --- its end


async def test_a_mirror_that_is_cancelled_leaves_no_call_behind() -> None:
    seen: list[Served] = []

    async def hang(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        served.began.set()
        await asyncio.Event().wait()
        yield b""

    async with bench_of(hang, mirror=TWICE) as bench:
        running = asyncio.ensure_future(bench.examine())
        await until(lambda: bool(seen))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await seen[0].ended.wait()
        assert seen[0].was_cancelled


async def test_a_binding_without_a_mirror_is_a_bug_and_says_so() -> None:
    async with bench_of() as bench:
        bare = replace(bench.binding, comparator=None)
        with pytest.raises(LookupError):
            await bench.examiner.examine(sample_of(bench.snapshot, bare), EPOCH)
        route = replace(bench.binding.route, mirror=None)
        sample = sample_of(bench.snapshot, replace(bench.binding, route=route))
        with pytest.raises(LookupError):
            await bench.examiner.examine(sample, EPOCH)
        assert "PairExaminer" in repr(bench.examiner)
