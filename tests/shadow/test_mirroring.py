"""What of the traffic is mirrored, what is kept of it, and that clients notice nothing."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from random import Random

import pytest

from proxy.cutover.moves import Action, Move
from proxy.cutover.stages import Side, Stage
from proxy.routing.snapshot import Snapshot
from proxy.status import Code
from tests.fakes import Served
from tests.live.edge import HANDLERS, answers, fails, item, method
from tests.live.wire import LegacyScript, chunked, client_of, request
from tests.shadow.stand import (
    MARK,
    Mirrored,
    Pools,
    Recipe,
    mirrored,
    mirrored_edge,
)
from tests.waiting import until

LIST = request("GET", "/v1/items?page_size=2")
JSON = "Content-Type: application/json"


def create(body: bytes = b'{"id":"7"}', *fields: str) -> bytes:
    return request("POST", "/v1/items", JSON, *fields, body=body)


async def settled(stand: Mirrored) -> None:
    await until(lambda: not stand.edge.metrics.inflight)
    await until(lambda: not stand.pool.running + stand.pool.waiting)


async def move(stand: Mirrored, action: Action, route: str = "", **facts: object) -> None:
    made = Move(action, route, reason="a test", who="tester", **facts)  # type: ignore[arg-type]
    await stand.edge.control.move(made)


# --- what is given to the examiner


async def test_a_mirror_gets_the_request_and_the_answer_as_they_were(
    pools: Pools, shadowed: Snapshot
):
    recipe = Recipe(pools)
    script = LegacyScript(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n[]")
    pools.clock.advance(1000.0)
    async with mirrored_edge(shadowed, recipe, script=script) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(request("GET", "/v1/items?page_size=2", "X-User: u"))
        await settled(stand)
    (sample,) = recipe.examiner.samples
    assert sample.binding.route.name == "list-items"
    assert (sample.http_method, sample.target, sample.query) == (
        *("GET", "/v1/items?page_size=2", "page_size=2"),
    )
    assert (sample.headers["x-user"], sample.body, sample.primary) == ("u", b"", Side.LEGACY)
    assert (sample.peer, sample.client, sample.key) == ("127.0.0.1",) * 3
    assert (sample.answer.http_status, sample.answer.body) == (200, b"[]")
    assert ("X-A", "1") in sample.answer.headers
    assert sample.answer.complete
    assert (sample.at_s, sample.size) == (1000.0, 2)
    assert sample.primary_s > 0
    assert stand.lives() == {"eligible": 1, "sent": 1, "compared": 1}


@pytest.mark.parametrize("pieces", [(b"[1,", b"2]"), (b"", b"[1,2]")])
async def test_an_answer_in_pieces_is_kept_whole(
    pools: Pools, shadowed: Snapshot, pieces: tuple[bytes, ...]
):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        writer.write(chunked(*filter(None, pieces)))
        await reader.read()

    recipe = Recipe(pools)
    async with mirrored_edge(shadowed, recipe, script=LegacyScript(talk=talk)) as stand:
        async with client_of(stand.edge.url) as client:
            assert (await client.ask(LIST)).body == b"[1,2]"
        await settled(stand)
    assert [sample.answer.body for sample in recipe.examiner.samples] == [b"[1,2]"]


async def test_a_body_is_kept_whether_it_came_at_once_or_in_chunks(
    pools: Pools, shadowed: Snapshot
):
    recipe = Recipe(pools)
    body, coded = b'{"id":"7"}', gzip.compress(b'{"id":"7"}')
    head = request("POST", "/v1/items", JSON, "Transfer-Encoding: chunked")
    async with mirrored_edge(shadowed, recipe) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(create(body))
            await client.ask(head + chunked(body[:3], body[3:]))
            await client.ask(create(coded, "Content-Encoding: gzip"))
        await settled(stand)
    assert [sample.body for sample in recipe.examiner.samples] == [body] * 3
    assert [heard.body for heard in stand.legacy.heard][::2] == [body, coded]


async def test_a_body_in_a_coding_that_nobody_knows_is_not_comparable(
    pools: Pools, shadowed: Snapshot
):
    recipe = Recipe(pools)
    async with mirrored_edge(shadowed, recipe) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(create(b"x", "Content-Encoding: br"))
            await client.ask(create(b"no gzip", "Content-Encoding: gzip"))
        await settled(stand)
        assert stand.lives() == {"eligible": 2, "sent": 2, "not_comparable{coding}": 2}


async def test_a_body_that_swells_beyond_the_cap_is_skipped(pools: Pools):
    snapshot = await mirrored(writes="percent: 100, max_request_bytes: 1KiB")
    async with mirrored_edge(snapshot, Recipe(pools)) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(create(gzip.compress(b" " * 100_000), "Content-Encoding: gzip"))
        await settled(stand)
        assert stand.lives() == {"eligible": 1, "skipped{body_too_large}": 1}


# --- what is sampled


async def test_a_share_of_requests_is_sampled_and_of_the_rest_nothing_is_kept(pools: Pools):
    snapshot = await mirrored(mirror="percent: 25")
    recipe = Recipe(pools, random=Random(8))
    async with mirrored_edge(snapshot, recipe) as stand:
        async with client_of(stand.edge.url) as client:
            for _ in range(200):
                await client.ask(LIST)
        await settled(stand)
        lives = stand.lives()
    assert lives["eligible"] == 200
    assert lives["sent"] == len(recipe.examiner.samples)
    # Four standard deviations; the seed is fixed.
    assert 50 - 25 <= lives["sent"] <= 50 + 25


async def test_nothing_is_sampled_at_zero_percent(pools: Pools):
    snapshot = await mirrored(mirror="percent: 0")
    async with mirrored_edge(snapshot, Recipe(pools)) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(LIST)
        assert stand.lives() == {"eligible": 1, "not_sampled": 1}


async def test_sticky_sampling_takes_all_of_a_client_or_nothing(pools: Pools):
    sticky = await mirrored(
        more="- {rpc: edge.v1.Items.Check, name: check-item, stage: shadow,"
        " canary: {percent: 30, group: shop, sticky: [{header: x-user}]},"
        " mirror: {percent: 30, sample_by: sticky}}\n"
    )
    recipe = Recipe(pools)
    async with mirrored_edge(sticky, recipe) as stand:
        async with client_of(stand.edge.url) as client:
            for number in range(60):
                for _ in range(2):
                    user = f"X-User: {number}"
                    await client.ask(request("POST", "/v1/items/1:check", user, JSON, body=b"{}"))
        await settled(stand)
    users = [sample.key for sample in recipe.examiner.samples]
    assert len(users) == 2 * len(set(users))
    assert 6 <= len(set(users)) <= 30


async def test_in_canary_each_side_is_mirrored_by_the_other(pools: Pools):
    canary = (
        "- {rpc: edge.v1.Items.Check, name: check-item, stage: canary, mirror: {percent: 100},"
        " canary: {percent: 50, sticky: [{header: x-user}]}}\n"
    )
    recipe = Recipe(pools)
    async with mirrored_edge(await mirrored(more=canary), recipe) as stand:
        async with client_of(stand.edge.url) as client:
            for number in range(40):
                user = f"X-User: {number}"
                await client.ask(request("POST", "/v1/items/1:check", user, JSON, body=b"{}"))
        await settled(stand)
    primaries = [sample.primary for sample in recipe.examiner.samples]
    assert primaries.count(Side.GRPC) == len(stand.edge.upstream.calls) > 0
    assert primaries.count(Side.LEGACY) == len(stand.legacy.heard) > 0
    assert len(primaries) == 40


async def test_a_route_that_is_over_its_rate_drops(pools: Pools):
    snapshot = await mirrored(mirror="percent: 100, max_rps: 2")
    async with mirrored_edge(snapshot, Recipe(pools)) as stand:
        async with client_of(stand.edge.url) as client:
            for _ in range(5):
                await client.ask(LIST)
            pools.clock.advance(0.5)
            await client.ask(LIST)
        await settled(stand)
        assert stand.lives() == {"eligible": 6, "sent": 3, "compared": 3, "dropped{rate}": 3}


# --- what is never mirrored


@pytest.mark.parametrize(
    ("stage", "primary"),
    [
        (Stage.LEGACY, None),
        (Stage.SHADOW, Side.LEGACY),
        (Stage.GRPC, Side.GRPC),
    ],
)
async def test_the_side_that_does_not_answer_gets_the_mirror(
    pools: Pools, shadowed: Snapshot, stage: Stage, primary: Side | None
):
    recipe = Recipe(pools)
    async with mirrored_edge(shadowed, recipe) as stand:
        await move(stand, Action.STAGE, "list-items", stage=stage)
        async with client_of(stand.edge.url) as client:
            await client.ask(LIST)
        await settled(stand)
        assert stand.lives().get("eligible", 0) == (primary is not None)
    assert [each.primary for each in recipe.examiner.samples] == ([primary] if primary else [])


async def test_a_route_without_a_mirror_counts_nothing(pools: Pools, shadowed: Snapshot):
    async with mirrored_edge(shadowed, Recipe(pools)) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(request("GET", "/v1/old/1"))
            await client.ask(request("GET", "/nowhere"))
        assert stand.lives() == {}


async def test_the_kill_switch_drops_all(pools: Pools, shadowed: Snapshot):
    async with mirrored_edge(shadowed, Recipe(pools)) as stand:
        stand.edge.control.kill("tester", "a test")
        async with client_of(stand.edge.url) as client:
            await client.ask(LIST)
        await stand.edge.control.settle()
        assert stand.lives() == {"eligible": 1, "dropped{kill_switch}": 1}


async def test_head_is_skipped(pools: Pools, shadowed: Snapshot):
    async with mirrored_edge(shadowed, Recipe(pools)) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(request("HEAD", "/v1/items"))
        await settled(stand)
        assert stand.lives() == {"eligible": 1, "skipped{head}": 1}


async def test_a_request_that_is_a_mirror_itself_is_not_mirrored(pools: Pools, shadowed: Snapshot):
    mark = f"X-Shadow: {MARK.secret}"
    async with mirrored_edge(shadowed, Recipe(pools)) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(request("GET", "/v1/items", mark))
        await settled(stand)
        assert stand.lives() == {"eligible": 1, "skipped{loop}": 1}
        assert stand.legacy.heard[0].all("x-shadow") == [MARK.secret]


@pytest.mark.parametrize("name", ["x-shadow", "X-Shadow", "Grpc-Metadata-X-Shadow"])
@pytest.mark.parametrize("stage", ["shadow", "grpc"])
async def test_a_client_cannot_send_the_mark(
    pools: Pools, shadowed: Snapshot, name: str, stage: str
):
    recipe = Recipe(pools)
    async with mirrored_edge(shadowed, recipe) as stand:
        if stage == "grpc":
            await move(stand, Action.STAGE, "list-items", stage=Stage.GRPC)
        async with client_of(stand.edge.url) as client:
            await client.ask(request("GET", "/v1/items", f"{name}: 1", "X-Shadows: kept"))
        await settled(stand)
        assert stand.lives()["sent"] == 1
        for heard in stand.legacy.heard:
            assert heard.all("x-shadow") == heard.all("grpc-metadata-x-shadow") == []
            assert heard.all("x-shadows") == ["kept"]
        for call in stand.edge.upstream.calls:
            assert "x-shadow" not in dict(call.metadata)


async def test_the_mark_of_a_proxy_before_us_passes_on_to_grpc(pools: Pools, shadowed: Snapshot):
    mark = f"X-Shadow: {MARK.secret}"
    async with mirrored_edge(shadowed, Recipe(pools)) as stand:
        await move(stand, Action.STAGE, "list-items", stage=Stage.GRPC)
        async with client_of(stand.edge.url) as client:
            await client.ask(request("GET", "/v1/items", mark, "Grpc-Metadata-X-Shadow: 1"))
        (call,) = stand.edge.upstream.calls
        assert [value for key, value in call.metadata if key == "x-shadow"] == [MARK.secret]


async def test_no_answer_shows_the_mark(pools: Pools, shadowed: Snapshot):
    script = LegacyScript(b"HTTP/1.1 200 OK\r\nX-Shadow: s\r\nContent-Length: 2\r\n\r\nok")
    async with (
        mirrored_edge(shadowed, Recipe(pools), script=script) as stand,
        client_of(stand.edge.url) as client,
    ):
        assert (await client.ask(LIST)).all("x-shadow") == []


async def test_a_body_over_the_cap_is_served_and_skipped(pools: Pools):
    snapshot = await mirrored(writes="percent: 100, max_request_bytes: 1KiB")
    head = request("POST", "/v1/items", JSON, "Transfer-Encoding: chunked")
    pieces = [b"x" * 700] * 3
    async with mirrored_edge(snapshot, Recipe(pools)) as stand:
        async with client_of(stand.edge.url) as client:
            assert (await client.ask(create(b"x" * 2000))).status == 200
            assert (await client.ask(head + chunked(*pieces))).status == 200
            assert stand.pool.room.used == 0
        await settled(stand)
        assert stand.lives() == {"eligible": 2, "skipped{body_too_large}": 2}
        assert stand.legacy.heard[0].body == b"x" * 2000


async def test_an_answer_over_the_cap_is_served_and_skipped(pools: Pools):
    snapshot = await mirrored(mirror="percent: 100, max_response_bytes: 1KiB")
    body = b"x" * 200_000
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    pieces = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body)
    script = LegacyScript()
    async with mirrored_edge(snapshot, Recipe(pools), script=script) as stand:
        async with client_of(stand.edge.url) as client:
            for answer in (whole, pieces):
                script.answer = answer
                assert (await client.ask(LIST)).body == body
                assert stand.pool.room.used == 0
        await settled(stand)
        assert stand.lives() == {"eligible": 2, "skipped{response_too_large}": 2}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nshort\r\n",
    ],
)
async def test_a_legacy_host_that_fails_leaves_nothing_to_compare(
    pools: Pools, shadowed: Snapshot, answer: bytes | None
):
    async with mirrored_edge(shadowed, Recipe(pools), script=LegacyScript(answer)) as stand:
        async with client_of(stand.edge.url) as client:
            client.write(LIST)
            await client.reader.read(100)
        await settled(stand)
        assert stand.lives() == {"eligible": 1, "skipped{primary_failed}": 1}


async def test_an_error_of_the_legacy_application_is_an_answer(pools: Pools, shadowed: Snapshot):
    answer = b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"
    recipe = Recipe(pools)
    async with mirrored_edge(shadowed, recipe, script=LegacyScript(answer)) as stand:
        async with client_of(stand.edge.url) as client:
            await client.ask(LIST)
        await settled(stand)
    assert [each.answer.http_status for each in recipe.examiner.samples] == [500]


@pytest.mark.parametrize(
    ("code", "is_answer"),
    [
        (Code.UNAVAILABLE, False),
        (Code.DEADLINE_EXCEEDED, False),
        (Code.NOT_FOUND, True),
        (Code.INTERNAL, True),
        (Code.UNIMPLEMENTED, True),
    ],
)
async def test_what_grpc_answers_is_compared_and_what_it_cannot_is_not(
    pools: Pools, shadowed: Snapshot, code: Code, is_answer: bool
):
    handlers = {**HANDLERS, method("List"): fails(code, "text")}
    recipe = Recipe(pools)
    async with mirrored_edge(shadowed, recipe, handlers=handlers) as stand:
        await move(stand, Action.STAGE, "list-items", stage=Stage.GRPC)
        async with client_of(stand.edge.url) as client:
            await client.ask(LIST)
        await settled(stand)
    assert len(recipe.examiner.samples) == is_answer
    assert stand.lives().get("skipped{primary_failed}", 0) == (not is_answer)


async def test_a_request_that_the_proxy_refuses_has_no_answer_to_compare(
    pools: Pools, shadowed: Snapshot
):
    async with mirrored_edge(shadowed, Recipe(pools)) as stand:
        await move(stand, Action.STAGE, "list-items", stage=Stage.GRPC)
        async with client_of(stand.edge.url) as client:
            assert (await client.ask(request("GET", "/v1/items?page_size=x"))).status == 400
        await settled(stand)
        assert stand.lives() == {"eligible": 1, "skipped{primary_failed}": 1}


async def test_a_client_that_leaves_is_skipped(pools: Pools, shadowed: Snapshot):
    asked = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    async with mirrored_edge(shadowed, Recipe(pools), script=LegacyScript(talk=talk)) as stand:
        async with client_of(stand.edge.url) as client:
            client.write(LIST)
            await asked.wait()
        await settled(stand)
        assert stand.lives() == {"eligible": 1, "skipped{client_gone}": 1}


async def test_a_client_that_leaves_in_the_middle_of_an_answer_is_skipped(
    pools: Pools, shadowed: Snapshot
):
    left = asyncio.Event()

    async def endless(_: Served) -> AsyncIterator[bytes]:
        yield item(id="1")
        await left.wait()

    handlers = {**HANDLERS, method("Watch"): endless}
    async with mirrored_edge(shadowed, Recipe(pools), handlers=handlers) as stand:
        await move(stand, Action.STAGE, "watch-item", stage=Stage.GRPC)
        async with client_of(stand.edge.url) as client:
            client.write(request("GET", "/v1/items/1:watch"))
            await client.head()
            await client.chunk()
        await settled(stand)
        assert stand.lives() == {"eligible": 1, "skipped{client_gone}": 1}


# --- writes


@pytest.mark.parametrize("stage", ["shadow", "grpc"])
async def test_writes_are_mirrored_to_translate_on_either_side(
    pools: Pools, shadowed: Snapshot, stage: str
):
    recipe = Recipe(pools)
    handlers = {**HANDLERS, method("Create"): answers(item(id="7"))}
    async with mirrored_edge(shadowed, recipe, handlers=handlers) as stand:
        await move(stand, Action.STAGE, "create-item", stage=Stage(stage))
        async with client_of(stand.edge.url) as client:
            await client.ask(create())
        await settled(stand)
    (sample,) = recipe.examiner.samples
    assert (sample.body, str(sample.primary)) == (
        b'{"id":"7"}',
        {"shadow": "legacy", "grpc": "grpc"}[stage],
    )


# --- streams


async def test_a_stream_is_kept_as_the_client_gets_it(pools: Pools, shadowed: Snapshot):
    handlers = {**HANDLERS, method("Watch"): answers(item(id="1"), item(id="2"))}
    recipe = Recipe(pools)
    async with mirrored_edge(shadowed, recipe, handlers=handlers) as stand:
        await move(stand, Action.STAGE, "watch-item", stage=Stage.GRPC)
        async with client_of(stand.edge.url) as client:
            reply = await client.ask(request("GET", "/v1/items/1:watch"))
        await settled(stand)
    assert [each.answer.body for each in recipe.examiner.samples] == [reply.body]
    assert reply.body == b'[{"id":"1"},{"id":"2"}]'
