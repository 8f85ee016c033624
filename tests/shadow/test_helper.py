"""The helper process: what it compares, and what becomes of it when it breaks."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from google.api.httpbody_pb2 import HttpBody

from proxy.children import environment_of, framed
from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison, Document, Obstacle
from proxy.comparison.kinds import Kind
from proxy.comparison.requests import RequestComparator
from proxy.errors import RequestError, UpstreamError
from proxy.shadow.comparing import (
    INLINE_BODY_BYTES,
    INLINE_BYTES,
    INLINE_UNCLOSED_BYTES,
    INLINE_WIRE_BYTES,
    Comparing,
    Made,
    is_closed,
)
from proxy.shadow.helper import (
    MAX_STARTS,
    STARTS_WITHIN_S,
    Helper,
    start_process,
)
from proxy.shadow.helper_frames import (
    BuildJob,
    Built,
    Forget,
    Job,
    Rendered,
    RenderJob,
    build_definition_of,
    definition_of,
    read_reply,
    read_request,
    render_definition_of,
    reply_frame,
    request_frame,
)
from proxy.shadow.helper_process import LONGEST_S, NICENESS, Worker, serve
from proxy.shadow.sample import Sample
from proxy.transcoding.response import ResponseRenderer
from tests.fakes import FakeClock
from tests.live.edge import item, load, message, schema
from tests.shadow.samples import JSON, binding_of, sample_of
from tests.transcoding.request_schema import LIBRARY, bind, codecs_of, make, pool_of
from tests.waiting import until

REFUSED = Comparison(obstacle=Obstacle.HELPER)


def comparator_of(**options: Any) -> Comparator:
    answer = schema().pool.FindMessageTypeByName("edge.v1.Item")
    return Comparator.compile(answer, None, CompareOptions(**options))


def pair(legacy: bytes, grpc: bytes) -> tuple[Document, Document]:
    return Document(200, JSON, legacy), Document(200, JSON, grpc)


DIFFERENT = pair(b'{"id":"a","count":3}', b'{"id":"b","count":3}')


@asynccontextmanager
async def helper_of(**options: Any) -> AsyncIterator[Helper]:
    helper = Helper(**options)
    try:
        yield helper
    finally:
        await helper.close()


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


#: Says nothing, until its input ends.
SILENT = "while os.read(0, 65536): pass"


def scripted(script: str) -> Callable[[int], tuple[subprocess.Popen[bytes], socket.socket]]:
    """A helper that runs *script* in place of ours; its input and output are 0 and 1."""

    def start(memory_bytes: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-c", f"import os\n{script}"]
            return subprocess.Popen(command, stdin=theirs, stdout=theirs), ours

    return start


# --- what it compares


async def test_the_helper_says_what_the_comparator_says() -> None:
    comparator = comparator_of(headers=("x-a",))
    pairs = [
        DIFFERENT,
        pair(b'{"id":"a"}', b'{"id":"a"}'),
        pair(b'{"parts":[{"id":"a"}],"extra":{"\\ud800":1}}', b'{"parts":[{"id":"c"}]}'),
        pair(b"no json", b"{}"),
        (Document(200, JSON, b"{}", complete=False), Document(200, JSON, b"{}")),
        (Document(404, (("x-a", "\udcff"),), b"{}"), Document(200, JSON, b"{}")),
    ]
    async with helper_of() as helper:
        for legacy, grpc in pairs:
            said = await helper.compare(comparator, legacy, grpc)
            assert said == comparator.compare(legacy, grpc)
        assert helper.starts == 1
        assert str(helper.process_id) in repr(helper)


async def test_each_pair_is_compared_by_its_own_comparator() -> None:
    strict, lenient = comparator_of(status="exact"), comparator_of(status="class")
    legacy, grpc = Document(200, JSON, b"{}"), Document(201, JSON, b"{}")
    async with helper_of() as helper:
        said = await asyncio.gather(
            *(helper.compare(each, legacy, grpc) for each in (strict, lenient, strict))
        )
    kinds = [[difference.kind for difference in each.differences] for each in said]
    assert kinds == [[Kind.STATUS_CODE], [], [Kind.STATUS_CODE]]


def _limits_of(process_id: int) -> str:
    return Path(f"/proc/{process_id}/limits").read_text()


async def test_the_helper_renders_as_the_renderer_does() -> None:
    snapshot = await load()
    text = "a" * INLINE_WIRE_BYTES
    async with helper_of() as helper:
        comparing = Comparing(helper)
        for path, wire in (
            ("/v1/items/a", item(id=text, big="7")),
            ("/v1/items", message("ItemList", items=[{"id": text}])),
            ("/v1/files/a", HttpBody(content_type="a/b", data=text.encode()).SerializeToString()),
        ):
            renderer = snapshot.table.find("GET", path).binding.response
            assert await comparing.render(renderer, wire) == renderer.render(wire)
        renderer = snapshot.table.find("GET", "/v1/items/a").binding.response
        with pytest.raises(UpstreamError) as caught:
            await comparing.render(renderer, b"\xff" * len(text) * 2)
        assert caught.value.http_status == 502
    assert await comparing.render(renderer, item(id=text)) is None
    assert await comparing.render(renderer, item(id="a")) == renderer.render(item(id="a"))


async def test_what_only_the_whole_pool_knows_is_rendered_here_up_to_a_size() -> None:
    rule = bind(pool_of(LIBRARY), "library.v1.Library.Serve", "GET", "/v1/{name}")
    renderer = ResponseRenderer.compile(rule, codecs_of(pool_of(LIBRARY)))
    assert not is_closed(rule.method.output_type)
    async with helper_of() as helper:
        for size, is_rendered in (
            (INLINE_UNCLOSED_BYTES - 9, True),
            (INLINE_UNCLOSED_BYTES, False),
        ):
            reply = make(pool_of(LIBRARY), "library.v1.BookReply", {"note": "n" * size})
            wire = reply.SerializeToString()
            content = await Comparing(helper).render(renderer, wire)
            assert content == (renderer.render(wire) if is_rendered else None)
        assert helper.starts == 0


# --- the messages that it makes

PARTS = b'{"parts":[%b]}' % b",".join([b'{"id":"a","big":7}'] * 800)
LARGE = {
    "many small messages": PARTS,
    "a key that no message has": b'{"none":1,' + PARTS[1:],
    "something of another type": b'{"count":"x",' + PARTS[1:],
    "no JSON": PARTS[:-1],
    "a list": b"[" + PARTS + b"]",
    "null": b" " * 9_000 + b"null",
    "no UTF-8": PARTS.replace(b'"a"', b'"\xff"', 1),
    "a key twice": b'{"parts":[],' + PARTS[1:],
}


@pytest.mark.parametrize(
    ("http_method", "target"),
    [
        ("POST", "/v1/items?view=BOX"),
        ("POST", "/v1/items/a:check"),
        ("PATCH", "/v1/items/a?update_mask=id"),
        ("PATCH", "/v1/items/b"),
    ],
)
async def test_the_helper_makes_of_large_requests_what_the_builder_does(
    http_method: str, target: str
) -> None:
    """I21: the loop is held up by small bodies alone."""
    path = target.partition("?")[0]
    async with helper_of() as helper:
        comparing = Comparing(helper)
        for unknown in ("reject", "warn"):
            snapshot, binding = await binding_of(http_method, path, unknown=unknown)
            requests = binding.requests
            assert requests is not None
            for body in LARGE.values():
                assert len(body) > INLINE_BODY_BYTES
                sample = sample_of(snapshot, binding, http_method, target, IN_JSON, body)
                here, there = _built_here(sample), await _built(comparing, sample, requests)
                assert there == here, (body[:20], unknown)
        assert helper.starts == 1


IN_JSON = {"Content-Type": "application/json"}


def _built_here(sample: Sample) -> object:
    request, requests = sample.binding.request, sample.binding.requests
    assert requests is not None
    try:
        message = request.build(sample.captures, sample.query, sample.body, IN_JSON["Content-Type"])
    except RequestError as error:
        return _facts(error)
    return Made(message.message, requests.documents(sample.body, message.message))


async def _built(comparing: Comparing, sample: Sample, requests: RequestComparator) -> object:
    try:
        made = await comparing.build(sample, requests)
    except RequestError as error:
        return _facts(error)
    return made


def _facts(error: RequestError) -> tuple[object, ...]:
    return str(error), error.field, error.status, error.http_status, error.headers


async def test_a_request_that_the_helper_cannot_make_is_not_compared() -> None:
    snapshot, binding = await binding_of("POST", "/v1/items")
    requests = binding.requests
    assert requests is not None
    sample = sample_of(snapshot, binding, "POST", "/v1/items", IN_JSON, PARTS)
    async with helper_of(start=scripted("os._exit(3)")) as helper:
        assert await Comparing(helper).build(sample, requests) is None
        sample.body = b"{}"
        assert await Comparing(helper).build(sample, requests) is not None


async def test_a_tool_that_took_the_place_of_another_is_told_of_anew() -> None:
    async with helper_of() as helper:
        for status, kinds in (("exact", [Kind.STATUS_CODE]), ("class", [])) * 3:
            comparator = comparator_of(status=status)
            said = await helper.compare(
                comparator, Document(200, JSON, b"{}"), Document(201, JSON, b"{}")
            )
            assert [each.kind for each in said.differences] == kinds
            del comparator  # the next one may get its place in memory


async def test_the_process_gives_way_and_may_not_take_all_memory() -> None:
    async with helper_of(memory_bytes=3 << 29) as helper:
        await helper.compare(comparator_of(), *DIFFERENT)
        assert helper.process_id is not None
        limits = _limits_of(helper.process_id)
        assert f"Max address space         {3 << 29}" in limits
        niceness = os.getpriority(os.PRIO_PROCESS, helper.process_id)
        assert niceness == min(19, os.nice(0) + NICENESS)


async def test_the_process_gets_no_secret_of_the_environment() -> None:
    """It reads what strangers sent; tokens and passwords are of no use to it."""
    async with helper_of() as helper:
        await helper.compare(comparator_of(), *DIFFERENT)
        given = _environment_of(helper.process_id)
    names = {line.partition(b"=")[0].decode() for line in given.split(b"\0") if line}
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert "PYTEST_CURRENT_TEST" not in names
    assert names == {*environment_of(os.environ)}
    assert environment_of({"DATABASE_URL": "x", "TOKEN": "x", "PATH": "/bin"}) == {"PATH": "/bin"}


def _environment_of(process_id: int | None) -> bytes:
    return Path(f"/proc/{process_id}/environ").read_bytes()


@pytest.mark.parametrize("meant_for_the_parent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_process_outlives_signals_to_all_around_its_parent(
    meant_for_the_parent: signal.Signals,
) -> None:
    """A service that drains, or reads its files again, is in need of its helper still."""
    comparator = comparator_of()
    async with helper_of() as helper:
        await helper.compare(comparator, *DIFFERENT)
        process_id = helper.process_id
        assert process_id is not None
        os.kill(process_id, meant_for_the_parent)
        said = await helper.compare(comparator, *DIFFERENT)
        assert (said, helper.process_id) == (comparator.compare(*DIFFERENT), process_id)


async def test_a_pair_for_which_its_memory_does_not_suffice_ends_as_too_much() -> None:
    worker = Worker()

    class Greedy:
        def compare(self, legacy: Document, grpc: Document) -> Comparison:
            raise MemoryError

    worker._comparators[1] = Greedy()  # type: ignore[assignment]
    reply = worker.take(Job(7, 1, *DIFFERENT))
    assert reply is not None
    assert read_reply(reply[4:]) == (7, Comparison(obstacle=Obstacle.BUDGET))


# --- its life


async def test_no_process_is_there_before_it_is_needed() -> None:
    async with helper_of() as helper:
        assert (helper.starts, helper.process_id) == (0, None)
    assert helper.starts == 0


async def test_a_process_that_was_killed_is_replaced() -> None:
    comparator = comparator_of()
    async with helper_of() as helper:
        await helper.compare(comparator, *DIFFERENT)
        first = helper.process_id
        assert first is not None
        os.kill(first, 9)
        await until(lambda: not _alive(helper))
        said = await helper.compare(comparator, *DIFFERENT)
        assert said == comparator.compare(*DIFFERENT)
        assert helper.process_id not in (first, None)
        assert not is_running(first)


def _alive(helper: Helper) -> bool:
    return helper._link is not None and helper._link.is_alive


async def test_the_process_ends_when_its_helper_is_closed() -> None:
    async with helper_of() as helper:
        await helper.compare(comparator_of(), *DIFFERENT)
        process_id = helper.process_id
    assert process_id is not None
    assert not is_running(process_id)
    assert await helper.compare(comparator_of(), *DIFFERENT) == REFUSED
    assert helper.starts == 1


async def test_the_process_ends_when_its_parent_has() -> None:
    process, ours = start_process(1 << 30)
    ours.close()
    assert await asyncio.to_thread(process.wait, 60) == 0


async def test_a_pair_that_ends_the_process_is_not_compared_and_others_are() -> None:
    async with helper_of(start=scripted("os.read(0, 9); os._exit(3)")) as helper:
        assert await helper.compare(comparator_of(), *DIFFERENT) == REFUSED
        assert helper.process_id is None


async def test_a_pair_that_takes_too_long_is_given_up_with_its_process() -> None:
    started: list[int] = []
    start = scripted(SILENT)

    def noted(memory_bytes: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
        process, ours = start(memory_bytes)
        started.append(process.pid)
        return process, ours

    async with helper_of(start=noted, deadline_s=0.05) as helper:
        assert await helper.compare(comparator_of(), *DIFFERENT) == REFUSED
        assert not is_running(started[0])


@pytest.mark.parametrize(
    "said",
    [b"\xff\xff\xff\xff", framed(b"no json"), framed(b"{}"), framed(b"[]"), framed(b"\xff")],
)
async def test_a_process_that_says_something_else_is_ended(said: bytes) -> None:
    script = f"os.read(0, 9); os.write(1, {said!r})\n{SILENT}"
    async with helper_of(start=scripted(script)) as helper:
        assert await helper.compare(comparator_of(), *DIFFERENT) == REFUSED
        assert helper.process_id is None


async def test_processes_that_end_at_once_are_not_started_again_and_again() -> None:
    clock = FakeClock(100.0)
    async with helper_of(start=scripted("os._exit(1)"), clock=clock) as helper:
        for _ in range(MAX_STARTS + 3):
            assert await helper.compare(comparator_of(), *DIFFERENT) == REFUSED
        assert helper.starts == MAX_STARTS
        clock.advance(STARTS_WITHIN_S)
        assert await helper.compare(comparator_of(), *DIFFERENT) == REFUSED
        assert helper.starts == MAX_STARTS + 1


async def test_a_system_without_room_for_a_process_costs_the_comparison_alone() -> None:
    def refuse(memory_bytes: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
        raise BlockingIOError(11, "no more processes")

    async with helper_of(start=refuse) as helper:
        assert await helper.compare(comparator_of(), *DIFFERENT) == REFUSED


async def test_no_more_pairs_wait_than_may() -> None:
    async with helper_of(max_jobs=2, start=scripted(SILENT)) as helper:
        jobs = [
            asyncio.ensure_future(helper.compare(comparator_of(), *DIFFERENT)) for _ in range(2)
        ]
        await until(lambda: helper.jobs == 2)
        assert await helper.compare(comparator_of(), *DIFFERENT) == REFUSED
        for job in jobs:
            job.cancel()
        await asyncio.wait(jobs)
        assert helper.jobs == 0


async def test_a_process_whose_asker_has_left_while_it_began_is_not_lost() -> None:
    """Cancelled at any moment of the start, the process is used by the next, or ended."""
    async with helper_of(start=scripted(SILENT)) as helper:
        job = asyncio.ensure_future(helper.compare(comparator_of(), *DIFFERENT))
        await until(lambda: helper.starts == 1)
        job.cancel()
        await asyncio.wait([job])
    assert (helper.process_id, helper.starts) == (None, 1)


async def test_a_pair_whose_asker_has_left_holds_up_nobody() -> None:
    comparator = comparator_of()
    async with helper_of() as helper:
        for _ in range(3):
            left = asyncio.ensure_future(helper.compare(comparator, *DIFFERENT))
            await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(lambda: None))])
            left.cancel()
            await asyncio.wait([left])
        said = await helper.compare(comparator, *DIFFERENT)
        assert said == comparator.compare(*DIFFERENT)


# --- frames


def test_the_worker_serves_frames_until_they_end() -> None:
    comparator = comparator_of()
    frames = [definition_of(comparator, 5), Job(1, 5, *DIFFERENT), Forget(5), Forget(6)]
    sink = BytesIO()
    alarms: list[int] = []
    serve(BytesIO(b"".join(map(request_frame, frames)) + b"\x00\x00"), sink, alarms.append)
    # What goes on when nobody waits any more has an end of its own.
    assert alarms == [LONGEST_S, 0] * len(frames)
    assert sink.getvalue() == reply_frame(1, comparator.compare(*DIFFERENT))


async def test_the_worker_renders_and_forgets() -> None:
    snapshot = await load()
    worker, wire = Worker(), message("ItemList", items=[{"id": "a"}])
    for path, body in (("/v1/items", b'[{"id":"a"}]'), ("/v1/items/a", None)):
        renderer = snapshot.table.find("GET", path).binding.response
        assert worker.take(render_definition_of(renderer, 4)) is None
        reply = worker.take(RenderJob(1, 4, wire))
        assert reply is not None
        number, rendered = read_reply(reply[4:])
        assert number == 1
        assert isinstance(rendered, Rendered)
        assert rendered.body == (body if body is not None else rendered.body)
    broken = worker.take(RenderJob(2, 4, b"\xff"))
    assert broken is not None
    assert "not a valid Item" in str(read_reply(broken[4:])[1])
    assert repr(worker) == "<Worker comparators=0 renderers=1 builders=0>"
    worker.take(Forget(4))
    with pytest.raises(KeyError):
        worker.take(RenderJob(3, 4, wire))


@pytest.mark.parametrize(
    "rule", [("POST", "/v1/items"), ("POST", "/v1/items/a:check"), ("GET", "/v1/items/a")]
)
async def test_the_worker_builds_and_forgets(rule: tuple[str, str]) -> None:
    http_method, path = rule
    snapshot, binding = await binding_of(http_method, path)
    worker, captures = Worker(), snapshot.table.find(http_method, path).captures
    assert worker.take(build_definition_of(binding.request, 4)) is None
    for body in (b'{"labels": ["a"]}', b"", b"[]", b"null"):
        sample = sample_of(snapshot, binding, http_method, path, IN_JSON, body)
        reply = worker.take(BuildJob(1, 4, captures, "", body, "application/json"))
        assert reply is not None
        number, built = read_reply(reply[4:])
        assert number == 1
        assert isinstance(built, Built)
        here = _built_here(sample)
        if built.refusal is not None:
            assert isinstance(here, tuple)
            assert here[1] == built.refusal.field
            assert here[0] == str(RequestError(built.refusal.message, field=built.refusal.field))
        else:
            assert isinstance(here, Made)
            assert here.message.SerializePartialToString() == built.wire
            assert built.printed == (None if here.documents is None else here.documents[1].body)
    worker.take(Forget(4))
    assert "builders=0" in repr(worker)


def test_what_is_said_is_what_is_heard() -> None:
    comparator = comparator_of()
    definition = definition_of(comparator, 5)
    assert read_request(request_frame(definition)[4:]) == definition
    assert definition.message == "edge.v1.Item"
    compared = comparator.compare(*DIFFERENT)
    assert read_reply(reply_frame(9, compared)[4:]) == (9, compared)


# --- where pairs are compared


async def test_nothing_above_the_inline_limit_is_compared_on_the_event_loop() -> None:
    """I21: the loop is held up by small pairs alone."""
    comparator = comparator_of()
    half = INLINE_BYTES // 2
    small = pair(b'{"id":"%b"}' % (b"a" * (half - 9)), b'{"id":"%b"}' % (b"b" * (half - 9)))
    assert len(small[0].body) + len(small[1].body) == INLINE_BYTES
    large = pair(small[0].body, small[1].body + b" ")
    async with helper_of() as helper:
        comparing = Comparing(helper)
        one = await comparing.compare(comparator, *small)
        assert (comparing.inline, comparing.helped) == (1, 0)
        other = await comparing.compare(comparator, *large)
        assert (comparing.inline, comparing.helped) == (1, 1)
        assert one == other
