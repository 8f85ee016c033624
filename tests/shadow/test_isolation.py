"""Clients notice nothing of mirrors: not of one that hangs or fails, nor of a bug of ours."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog

from proxy.cutover.moves import Action, Move
from proxy.cutover.stages import Stage
from proxy.exchange.messages import Answer, Outcome, StreamAnswer
from proxy.exchange.mirroring import Mirroring
from proxy.gate.evidence import Epoch, Observation
from proxy.routing.snapshot import Snapshot
from proxy.shadow.capture import Capture
from proxy.shadow.mirror import RouteMirror
from proxy.shadow.mirrors import Mirrors
from proxy.shadow.sample import Failed, Sample
from tests.live.edge import HANDLERS, answers, item, method
from tests.live.wire import OK, LegacyScript, Reply, chunked, client_of, request
from tests.shadow.stand import (
    FakeExaminer,
    HeldExaminer,
    Pools,
    Recipe,
    mirrored_edge,
)
from tests.waiting import until

LIST = request("GET", "/v1/items")
WATCH = request("GET", "/v1/items/1:watch")
AT_ONCE = request("POST", "/v1/items", body=b"{}")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

ANSWERS = {
    "whole": OK,
    "pieces": CHUNKED + chunked(b"a", b"b" * 300),
    "error": b"HTTP/1.1 404 No\r\nX-Why: 1\r\nContent-Length: 4\r\n\r\nnope",
    "nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "unchanged": b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n',
}
HANDLING = {**HANDLERS, method("Watch"): answers(item(id="1"), item(id="2"))}


async def fail(_: Sample, __: Epoch) -> Observation | Failed:
    raise RuntimeError("m4rk")


def bug(*_: object, **__: object) -> None:
    raise RuntimeError("m4rk")


def buggy_mirrors(point: str) -> type[Mirrors]:
    """Mirrors that fail at *point*: in a method of their own, or in one of their captures."""
    captures = type("BuggyCapture", (Capture,), {"__slots__": (), point: bug})

    def capture(self: Mirrors, mirror: RouteMirror, sample: Sample) -> Capture:
        made = captures(mirror, self._pool.room, sample)
        assert isinstance(made, Capture)
        return made

    return type("BuggyMirrors", (Mirrors,), {"capture": capture, point: bug})


async def talked(recipe: Recipe, snapshot: Snapshot, answer: str, *, mirrored: bool) -> list[Reply]:
    """What clients read: answers of both sides, several on each connection."""
    script = LegacyScript(ANSWERS[answer])
    with structlog.testing.capture_logs():
        async with mirrored_edge(snapshot, recipe, script=script, handlers=HANDLING) as stand:
            stages = {"list-items": Stage.SHADOW, "watch-item": Stage.GRPC}
            for route, stage in stages.items():
                move = Move(
                    *(Action.STAGE, route),
                    stage=stage if mirrored else {**stages, "list-items": Stage.LEGACY}[route],
                    reason="a test",
                    who="tester",
                )
                await stand.edge.control.move(move)
            async with client_of(stand.edge.url) as client:
                # The next request on the connection must not notice either.
                asked = (LIST, WATCH, write(b"x"), LIST, write(b"x" * 100), AT_ONCE, LIST)
                replies = [await client.ask(sent) for sent in asked]
            await until(lambda: not stand.edge.metrics.inflight)
    return replies


def write(body: bytes) -> bytes:
    head = request("POST", "/v1/items", "Transfer-Encoding: chunked")
    return head + chunked(body[:10], body[10:]) if len(body) > 10 else head + chunked(body)


def plain(replies: list[Reply]) -> list[object]:
    """All but the second at which an answer was made."""
    return [
        (each.status, each.phrase, [pair for pair in each.headers if pair[0] != "date"], each.body)
        for each in replies
    ]


EXAMINERS = {"equal": FakeExaminer, "fails": lambda: FakeExaminer(fail), "hangs": HeldExaminer}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_the_bytes_of_the_primary_are_the_same_whatever_the_mirror_does(
    pools: Pools, shadowed: Snapshot, answer: str
):
    expected = await talked(Recipe(pools), shadowed, answer, mirrored=False)
    for make in EXAMINERS.values():
        replies = await talked(Recipe(pools, make()), shadowed, answer, mirrored=True)
        assert plain(replies) == plain(expected)


POINTS = (
    *("of", "leaves", "refuses", "capture"),
    *("body_announced", "body_came", "body_piece", "body_read"),
    *("answer_begun", "answer_piece", "missing", "whole"),
)


@pytest.mark.parametrize("answer", ["whole", "pieces"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_bug_at_any_point_costs_the_mirror_alone(
    pools: Pools, shadowed: Snapshot, point: str, answer: str
):
    """The fixture holds the accounts to their equations, too: a bug is counted as one."""
    expected = await talked(Recipe(pools), shadowed, answer, mirrored=False)
    recipe = Recipe(pools, mirrors_of=buggy_mirrors(point))
    assert plain(await talked(recipe, shadowed, answer, mirrored=True)) == plain(expected)
    reasons = {reason for (_, (_, reason)), _ in pools.evidence.counts.items()}
    # Legacy is given a body as it came; gRPC, which would read it, answers no write here. What has
    # no mirror that can be found is not eligible.
    assert ("internal" in reasons) == (point not in ("body_read", "of"))


# --- what is wrapped passes everything on


class Pieces:
    """An answer's pieces: *given*, then *end* is raised; counts what was asked for."""

    def __init__(self, given: list[bytes], end: BaseException | None = None) -> None:
        self.given = given
        self.end = end
        self.asked = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.asked += 1
        if self.given:
            return self.given.pop(0)
        raise self.end or StopAsyncIteration


async def nothing() -> None:
    return


async def wrapped(
    pools: Pools, snapshot: Snapshot, pieces: Pieces
) -> tuple[StreamAnswer, Capture, Mirroring]:
    """An answer of *pieces* as it leaves a mirrored exchange."""
    async with mirrored_edge(snapshot, Recipe(pools)) as stand:
        mirroring = stand.edge.exchange._mirroring
        assert mirroring is not None
        outcome = Outcome()
        given = stand.edge.request("GET", "/v1/items", (), b"")
        found = snapshot.table.find("GET", "/v1/items")
        binding = found.binding
        assert binding is not None
        stand.edge.observer._steering.enter(binding.route, outcome)
        decision = stand.edge.observer._steering.decide(binding.route, given, outcome)
        mirroring.begin(binding, found, given, outcome, decision)
        outcome.decision = decision
        assert outcome.capture is not None
        answer = StreamAnswer(200, (), pieces, nothing)
        mirroring.answered(outcome.capture, answer)
        stand.edge.observer._steering.ended(given, outcome)
        mirroring.ended(outcome.capture, outcome)
        return answer, outcome.capture, mirroring


@pytest.mark.parametrize(
    "end",
    [
        ConnectionResetError("m4rk"),
        RuntimeError("m4rk"),
        asyncio.CancelledError("m4rk"),
        GeneratorExit("m4rk"),
        KeyboardInterrupt("m4rk"),
    ],
)
async def test_how_a_stream_ends_is_passed_on_untouched(
    pools: Pools, shadowed: Snapshot, end: BaseException
):
    pieces = Pieces([b"a", b"b"], end)
    answer, capture, _ = await wrapped(pools, shadowed, pieces)
    assert [await anext(answer.chunks), await anext(answer.chunks)] == [b"a", b"b"]
    with pytest.raises(type(end)) as caught:
        await anext(answer.chunks)
    assert caught.value is end
    assert not capture.answer_is_whole
    assert capture.answer_failed == isinstance(end, Exception)


async def test_a_stream_is_asked_for_a_piece_when_the_client_takes_one(
    pools: Pools, shadowed: Snapshot
):
    pieces = Pieces([b"a", b"b"])
    answer, capture, _ = await wrapped(pools, shadowed, pieces)
    assert pieces.asked == 0
    assert await anext(answer.chunks) == b"a"
    assert pieces.asked == 1
    assert [piece async for piece in answer.chunks] == [b"b"]
    assert capture.answer_is_whole
    assert "Capture" in repr(answer.chunks)


async def test_an_answer_is_not_copied(pools: Pools, shadowed: Snapshot):
    piece = b"x" * 1000
    answer, *_ = await wrapped(pools, shadowed, Pieces([piece]))
    assert await anext(answer.chunks) is piece
    assert isinstance(Answer(200, ()), Answer)
