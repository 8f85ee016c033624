"""Mirrors in a service: their own connections, their evidence, their end."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.cli.service import Service
from proxy.cli.shadowing import Shadowing
from proxy.shadow.marks import MARK_FILE
from proxy.shadow.sample import Drop, Life
from tests.cli.test_service import service_of
from tests.fakes import Served
from tests.live.edge import answers, item, message, method
from tests.live.wire import LegacyScript, client_of, legacy_of, request
from tests.shadow.stand import lives_of
from tests.upstreams.servers import grpc_server
from tests.waiting import until

GET = request("GET", "/v1/items?page_size=2")
LEGACY = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n[{"id": "1"}]'
)


def routes(depth: str = "rpc", stage: str = "shadow", more: str = "") -> str:
    mirror = f"mirror: {{percent: 100, depth: {depth}}}"
    return (
        f"- {{rpc: edge.v1.Items.List, name: list-items, stage: {stage}, {mirror}}}\n"
        f"- {{rpc: edge.v1.Items.Watch, name: watch-item, stage: legacy}}\n{more}"
    )


def shadowing_of(service: Service) -> Shadowing:
    return service._shadowing


async def settled(service: Service) -> None:
    pool = shadowing_of(service).pool
    await until(lambda: not service._metrics.inflight)
    await until(lambda: not pool.running + pool.waiting)


async def test_what_legacy_answers_is_compared_with_grpc_and_reported(tmp_path: Path):
    seen: list[Served] = []

    async def listed(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        yield message("ItemList", items=[{"id": "1"}])

    async with (
        grpc_server({method("List"): listed}) as port,
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(tmp_path, f"127.0.0.1:{port}", legacy_url=legacy.url, more=routes()) as service,
        client_of(service.url) as client,
    ):
        for _ in range(3):
            assert (await client.ask(GET)).body == b'[{"id": "1"}]'
        await settled(service)
        pool = shadowing_of(service).pool
        assert lives_of(pool) == {"eligible": 3, "sent": 3, "compared": 3}
        assert pool.ledger.imbalance == 0
        # The mark tells the server; the legacy host, asked by the client, has none.
        secret = (service.control.state.path / MARK_FILE).read_text()
        assert [dict(served.metadata)["x-shadow"] for served in seen] == [secret] * 3
        assert [heard.all("x-shadow") for heard in legacy.heard] == [[], [], []]
        pool.ledger.flush()
        async with asyncio.timeout(30):
            while (report := await service._reporter.report("list-items"))["counts"]["match"] < 3:
                continue
        assert report["counts"]["eligible"] == 3


async def test_mirrors_leave_the_numbers_of_primaries_alone(tmp_path: Path):
    async with (
        grpc_server({method("List"): answers(message("ItemList"))}) as port,
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(tmp_path, f"127.0.0.1:{port}", legacy_url=legacy.url, more=routes()) as service,
        client_of(service.url) as client,
    ):
        await client.ask(GET)
        await settled(service)
        shown = service._metrics.render()[1].decode().splitlines()
    requests = [line for line in shown if line.startswith("cutover_requests_total{")]
    assert len(requests) == 1
    assert 'side="legacy"' in requests[0]
    assert not [line for line in shown if "cutover_request_duration" in line and "grpc" in line]
    told = [line for line in shown if line.startswith("cutover_upstream_inflight{")]
    named = {line.split('upstream="')[1].split('"')[0] for line in told}
    assert named == {"items", "items:mirror", "legacy", "legacy:mirror"}


async def test_translating_opens_no_connection(tmp_path: Path):
    """Nobody listens at the target: a connection would be refused, and told of."""
    writes = (
        "- {rpc: edge.v1.Items.Create, name: create-item, stage: shadow, mirror: {percent: 100}}\n"
    )
    async with (
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(
            tmp_path,
            "127.0.0.1:1",
            legacy_url=legacy.url,
            more=routes("translate", more=writes),
        ) as service,
        client_of(service.url) as client,
    ):
        connections = legacy.connections
        await client.ask(GET)
        await client.ask(
            request("POST", "/v1/items", "Content-Type: application/json", body=b'{"id":"1"}')
        )
        await settled(service)
        assert lives_of(shadowing_of(service).pool) == {"eligible": 2, "sent": 2, "compared": 2}
        assert legacy.connections == connections + 1
        assert "items:mirror" not in service._metrics.render()[1].decode()


async def test_a_service_that_mirrors_nothing_starts_nothing_for_it(tmp_path: Path):
    async with (
        legacy_of(LegacyScript()) as legacy,
        service_of(tmp_path, "127.0.0.1:1", legacy_url=legacy.url) as service,
    ):
        async with client_of(service.url) as client:
            reply = await client.ask(request("GET", "/v1/old/1", "X-Shadow: mine"))
        assert reply.status == 200
        # Servers may heed the mark whether or not anything is mirrored: no client can send it.
        assert legacy.heard[0].all("x-shadow") == []
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if name.startswith("evidence")]
        files = {path.name for path in service.control.state.path.iterdir()}
        assert not {name for name in files if name.startswith(("evidence", "shadow"))}
        assert shadowing_of(service).end_s == 0.0


async def test_a_mark_that_others_share_passes_on_where_nothing_is_mirrored(tmp_path: Path):
    """Of two proxies in a row the first one mirrors, and the servers behind the second heed it."""
    secret = "a-mark-that-others-know"
    (tmp_path / "mark").write_text(secret)
    seen: list[Served] = []

    async def got(served: Served) -> AsyncIterator[bytes]:
        seen.append(served)
        yield item(id="1")

    more = "shadow: {mark: {secret_file: mark}}\n"
    async with (
        grpc_server({method("Get"): got}) as port,
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(tmp_path, f"127.0.0.1:{port}", legacy_url=legacy.url, more=more) as service,
        client_of(service.url) as client,
    ):
        for path in ("/v1/items/1", "/v1/old/1"):
            for mark in (secret, "guessed"):
                assert (await client.ask(request("GET", path, f"x-shadow: {mark}"))).status == 200
    assert [dict(served.metadata).get("x-shadow") for served in seen] == [secret, None]
    assert [heard.all("x-shadow") for heard in legacy.heard] == [[secret], []]


async def test_a_server_that_answers_mirrors_with_too_much_fills_no_memory(tmp_path: Path):
    """The transport refuses what nothing would be compared of, before it has come."""
    large = message("ItemList", items=[{"id": "1" * 5000}])
    mirror = "mirror: {percent: 100, max_response_bytes: 2KiB}"
    more = f"- {{rpc: edge.v1.Items.List, name: list-items, stage: shadow, {mirror}}}\n"
    async with (
        grpc_server({method("List"): answers(large)}) as port,
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(tmp_path, f"127.0.0.1:{port}", legacy_url=legacy.url, more=more) as service,
        client_of(service.url) as client,
    ):
        await client.ask(GET)
        await settled(service)
        pool = shadowing_of(service).pool
        assert lives_of(pool)["not_comparable{response_too_large}"] == 1
        mirrored = [key for key in service._generations._grpc._held if key[1] is not None]
        assert [most for _, most in mirrored] == [2048]
        file = tmp_path / "cutover.yaml"
        file.write_text(file.read_text().replace("2KiB", "64KiB"))
        assert (await service.reload()).result.value == "applied"
        await client.ask(GET)
        await settled(service)
        assert lives_of(pool)["compared"] == 1


async def test_a_request_that_ends_after_its_mirrors_is_counted_in_the_evidence(tmp_path: Path):
    """One that the end of the drain cut off: nobody hands counts over behind it."""
    state = f"state: {{directory: '{tmp_path}/state'}}\n"
    async with legacy_of(LegacyScript(LEGACY)) as legacy:
        async with service_of(
            tmp_path, "127.0.0.1:1", legacy_url=legacy.url, more=routes(more=state)
        ) as service:
            shadowing = shadowing_of(service)
            route = next(each for each in service.snapshot.routes if each.name == "list-items")
            await shadowing.drain()
            counts = shadowing.pool.ledger.counts_of(shadowing._versions.epoch_of(route))
            counts.add(Life.ELIGIBLE)
            counts.add(Life.DROPPED, Drop.DRAINING)
        async with service_of(
            tmp_path, "127.0.0.1:1", legacy_url=legacy.url, more=routes(more=state)
        ) as service:
            report = await service._reporter.report("list-items")
    assert report["counts"]["dropped"] == {"draining": 1}


async def test_a_reload_takes_mirrors_and_their_connections_along(tmp_path: Path):
    handlers = {method("List"): answers(message("ItemList", items=[{"id": "1"}]))}
    async with (
        grpc_server(handlers) as port,
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(tmp_path, f"127.0.0.1:{port}", legacy_url=legacy.url, more=routes()) as service,
        client_of(service.url) as client,
    ):
        await client.ask(GET)
        file = tmp_path / "cutover.yaml"
        written = file.read_text()
        file.write_text(written.replace("percent: 100", "percent: 0"))
        assert (await service.reload()).result.value == "applied"
        await client.ask(GET)
        file.write_text(written.replace("stage: shadow", "stage: legacy"))
        assert (await service.reload()).result.value == "applied"
        await client.ask(GET)
        await settled(service)
        assert lives_of(shadowing_of(service).pool) == {
            "eligible": 2,
            "sent": 1,
            "compared": 1,
            "not_sampled": 1,
        }
        file.write_text(written.split("- {rpc: edge.v1.Items.List")[0])
        assert (await service.reload()).result.value == "applied"
        generations = service._generations
        await until(lambda: len(generations._grpc) == 1)
        assert len(generations._legacy) == 1


async def test_mirrors_that_hang_are_cut_off_at_the_end_and_counted(tmp_path: Path):
    began = asyncio.Event()

    async def hang(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await asyncio.Event().wait()
        yield b""

    more = routes(more="shadow: {drain: 0s}\ndrain: {wait: 0s}\n")
    async with grpc_server({method("List"): hang}) as port, legacy_of(LegacyScript(LEGACY)) as old:
        async with (
            service_of(tmp_path, f"127.0.0.1:{port}", legacy_url=old.url, more=more) as service,
            client_of(service.url) as client,
        ):
            await client.ask(GET)
            await began.wait()
        pool = shadowing_of(service).pool
    assert lives_of(pool) == {"eligible": 1, "sent": 1, "candidate_timeout{draining}": 1}
    assert (pool.ledger.imbalance, pool.room.used) == (0, 0)


async def test_evidence_is_written_before_the_end(tmp_path: Path):
    state = f"state: {{directory: '{tmp_path}/state'}}\n"
    handlers = {method("List"): answers(message("ItemList", items=[{"id": "1"}]))}
    async with grpc_server(handlers) as port, legacy_of(LegacyScript(LEGACY)) as legacy:
        for expected in (1, 2):
            async with (
                service_of(
                    tmp_path, f"127.0.0.1:{port}", legacy_url=legacy.url, more=routes(more=state)
                ) as service,
                client_of(service.url) as client,
            ):
                await client.ask(GET)
            async with service_of(
                tmp_path, f"127.0.0.1:{port}", legacy_url=legacy.url, more=routes(more=state)
            ) as service:
                report = await service._reporter.report("list-items")
            assert report["counts"]["eligible"] == report["counts"]["match"] == expected


async def test_a_state_directory_that_takes_no_files_costs_the_mirrors_alone(tmp_path: Path):
    state = tmp_path / "state"
    (state / MARK_FILE).mkdir(parents=True)
    more = routes(more=f"state: {{directory: '{state}'}}\n")
    async with (
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(tmp_path, "127.0.0.1:1", legacy_url=legacy.url, more=more) as service,
        client_of(service.url) as client,
    ):
        assert (await client.ask(GET)).status == 200
        assert lives_of(shadowing_of(service).pool) == {}


@pytest.mark.parametrize("stage", ["shadow", "grpc"])
async def test_the_secret_of_the_mark_may_be_given(tmp_path: Path, stage: str):
    secret = "a-mark-that-others-know"
    more = routes(stage=stage, more="shadow: {mark: {header: X-Mirror, secret_file: mark}}\n")
    (tmp_path / "mark").write_text(secret)
    handlers = {method("List"): answers(message("ItemList", items=[{"id": "1"}]))}
    async with (
        grpc_server(handlers) as port,
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(tmp_path, f"127.0.0.1:{port}", legacy_url=legacy.url, more=more) as service,
        client_of(service.url) as client,
    ):
        assert (await client.ask(request("GET", "/v1/items", f"x-mirror: {secret}"))).status == 200
        assert (await client.ask(request("GET", "/v1/items", "x-mirror: guessed"))).status == 200
        await settled(service)
        lives = lives_of(shadowing_of(service).pool)
        assert (lives["skipped{loop}"], lives["compared"]) == (1, 1)
        marks = [heard.all("x-mirror") for heard in legacy.heard]
    # In stage grpc legacy hears of the mirror alone; the one that was marked is none.
    assert marks == {"shadow": [[secret], []], "grpc": [[secret]]}[stage]


async def test_where_evidence_is_kept_changes_with_a_restart_only(tmp_path: Path):
    async with (
        legacy_of(LegacyScript(LEGACY)) as legacy,
        service_of(tmp_path, "127.0.0.1:1", legacy_url=legacy.url, more=routes()) as service,
    ):
        file = tmp_path / "cutover.yaml"
        file.write_text(file.read_text() + "evidence: {retention: 1d}\n")
        result = await service.reload()
        assert result.result.value == "refused"
        assert "evidence.retention: is not what it was" in str(result.problems[0])
