"""Reloads of a service under real traffic: whole versions only, and nothing lost."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection
from structlog.testing import capture_logs

from proxy.cli.composition import load_snapshot
from proxy.cli.reloading import Occasion, Reloader, Reloading, ReloadResult, Result
from proxy.cli.service import Service
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from proxy.telemetry.metrics import Metrics
from tests.cli.versions import ITEM, METHOD, PROTO, Mount, compiled, version_of
from tests.fakes import Handler, Served
from tests.live.edge import CONFIG as EDGE
from tests.live.edge import schema
from tests.live.wire import Client, client_of, request
from tests.upstreams.servers import grpc_server
from tests.waiting import until

GET = request("GET", "/v1/items/1")
#: Nobody listens there.
LEGACY = "http://127.0.0.1:1"
GET_AND_CLOSE = request("GET", "/v1/items/1", "Connection: close")


async def item(served: Served) -> AsyncIterator[bytes]:
    """An item; the metadata has the headers of both versions."""
    served.initial = (("x-v1", "1"), ("x-v2", "1"))
    yield ITEM


@asynccontextmanager
async def service_of(mount: Mount) -> AsyncIterator[Service]:
    snapshot = await load_snapshot(mount.folder, {})
    async with Service(snapshot, mount.folder, len, environ={}) as service:
        yield service


@asynccontextmanager
async def mounted(
    place: Path, handler: Handler = item, *, stage: str = "grpc", **options: str
) -> AsyncIterator[tuple[Mount, Service]]:
    """A service of version 1 over a real server."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(grpc_server({METHOD: handler}))
        mount = Mount(place, f"127.0.0.1:{port}", **options)
        mount.put("v1", stage=stage)
        yield mount, await stack.enter_async_context(service_of(mount))


async def asked(service: Service) -> str:
    """The version that answers a request now."""
    async with client_of(service.url) as client:
        reply = await client.ask(GET)
        return version_of(reply.headers, reply.body)


async def applied(service: Service, **how: object) -> ReloadResult:
    result = await service.reload(**how)
    assert result.result is Result.APPLIED, result
    return result


async def metrics(service: Service) -> str:
    async with client_of(service.admin_url) as admin:
        return (await admin.ask(request("GET", "/metrics", host="localhost"))).body.decode()


async def config(service: Service) -> dict[str, Any]:
    async with client_of(service.admin_url) as admin:
        return (await admin.ask(request("GET", "/config", host="localhost"))).json()


@dataclass
class Traffic:
    """Requests one after the other, over kept connections and over one for each."""

    url: str
    versions: list[str] = field(default_factory=list)

    async def keep_alive(self, until_end: asyncio.Event) -> None:
        async with client_of(self.url) as client:
            while not until_end.is_set():
                await self._ask(client, GET)

    async def close(self, until_end: asyncio.Event) -> None:
        while not until_end.is_set():
            async with client_of(self.url) as client:
                await self._ask(client, GET_AND_CLOSE)

    async def _ask(self, client: Client, sent: bytes) -> None:
        reply = await client.ask(sent)
        assert reply.status == 200, reply
        self.versions.append(version_of(reply.headers, reply.body))


@asynccontextmanager
async def under_traffic(service: Service) -> AsyncIterator[list[str]]:
    """Traffic until the end, which fails if one request did; gives the versions that answered."""
    traffic, end = Traffic(service.url), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(traffic.keep_alive(end))
            group.create_task(traffic.close(end))
        await until(lambda: len(traffic.versions) > 5)
        yield traffic.versions
        end.set()


async def test_swaps_under_traffic_lose_no_request_and_mix_no_answer(tmp_path: Path):
    """One kept connection sees them all; each answer is of one version, by two marks."""
    async with mounted(tmp_path) as (mount, service), under_traffic(service) as versions:
        for _ in range(10):
            for version in ("v2", "v1"):
                mount.put(version)
                await applied(service, force=True)
                seen = len(versions)
                await until(lambda seen=seen: len(versions) > seen + 12)
                assert set(versions[seen + 12 :]) <= {version}
    assert {"v1", "v2"} == set(versions)


async def test_a_swapped_mount_is_noticed_without_being_told(tmp_path: Path):
    async with mounted(tmp_path, stage="legacy", legacy=LEGACY) as (mount, service):
        mount.put("v2", stage="legacy")
        while (last := (await config(service))["last_reload"]) is None:
            await asyncio.to_thread(lambda: None)
        assert (last["trigger"], last["result"]) == ("poll", "applied")
        mount.put("v2")
        while (await config(service))["digest"] == last["digest"]:
            await asyncio.to_thread(lambda: None)
        assert await asked(service) == "v2"


async def test_a_request_ends_on_the_version_it_began_with(tmp_path: Path):
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(served: Served) -> AsyncIterator[bytes]:
        began.set()
        await go.wait()
        async for message in item(served):
            yield message

    async with mounted(tmp_path, slow) as (mount, service), client_of(service.url) as client:
        client.write(GET)
        await began.wait()
        mount.put("v2")
        await applied(service, force=True)
        generations = (await config(service))["generations"]
        assert [(each["generation"], each["inflight"]) for each in generations] == [(2, 0), (1, 1)]
        go.set()
        reply = await client.reply()
        assert version_of(reply.headers, reply.body) == "v1"
        assert await asked(service) == "v2"
        assert [each["generation"] for each in (await config(service))["generations"]] == [2]


#: A change of the folder that it must not survive, what is told of it, and where.
BAD = {
    "unknown key": ("version: 1", "version: 1\nnonsense: 1", "cutover.yaml:3:1"),
    "wrong type": ("emit_defaults: true", "emit_defaults: 7", "cutover.yaml:"),
    "no yaml": ("version: 1", "version: [", "cutover.yaml:"),
    "missing file": ("proto_path: ..data", "proto_path: nowhere", "cutover.yaml:5"),
    "unreadable tls": ("plaintext: true", "tls: {ca: no.pem}", "no.pem"),
    "unknown rpc": ("reload:", "routes: [{rpc: a.B.C}]\nreload:", "cutover.yaml:8"),
    "bad proto": ("string id = 1;", "strong id = 1;", "items.proto:9"),
    "bad rule": ("/v1/items/{id}", "/v1/items/{id", "items.proto:6"),
    "field gone": ("string v1 = 2;", "", "items.proto:6"),
    "listen": ("listen: {host: 127.0.0.1", "listen: {host: 0.0.0.0", "cutover.yaml:3"),
    "admin": ("port: 0}\ndescriptors", "port: 7}\ndescriptors", "cutover.yaml:4"),
    "state": ("version: 1", "version: 1\nstate: {directory: elsewhere}", "cutover.yaml:3"),
    "unreadable secret": (
        "version: 1",
        "version: 1\noverride: {header: x-side, secret_file: none}",
        "cutover.yaml:3",
    ),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_folder_changes_nothing_and_is_told_with_its_place(tmp_path: Path, kind: str):
    text, bad, place = BAD[kind]
    async with mounted(tmp_path, poll="off") as (mount, service):
        good, before = mount.files(), await config(service)
        mount.write({name: one.replace(text, bad) for name, one in good.items()})
        assert good != mount.files()
        with capture_logs() as told:
            result = await service.reload(trigger="signal")
        assert result.result is Result.REFUSED
        problems = [entry for entry in told if entry["event"] == "configuration refused"]
        assert any(place in entry["place"] for entry in problems), problems
        after = await config(service)
        assert (after["digest"], after["config"]) == (before["digest"], before["config"])
        assert after["last_reload"]["problems"][0]["place"] == str(result.problems[0].place)
        assert await asked(service) == "v1"
        assert "cutover_config_last_reload_successful 0.0" in await metrics(service)
        mount.write(good)
        assert (await service.reload()).result is Result.UNCHANGED
        assert "cutover_config_last_reload_successful 1.0" in await metrics(service)


async def test_a_bad_folder_is_told_once_by_polling_and_its_repair_is_noticed(tmp_path: Path):
    """By one look after the other, so that what is not told can be told from what is told late."""
    mount = Mount(tmp_path, "127.0.0.1:1")
    mount.put("v1")
    applied_ones: list[Snapshot] = []

    async def apply(snapshot: Snapshot) -> None:
        applied_ones.append(snapshot)

    with StateDirectory.temporary() as state:
        work = Reloading(mount.folder, {}, apply, Metrics(), state, lambda _: {})
        reloader = Reloader(work, await load_snapshot(mount.folder, {}))
        await tell_bad_and_good(mount, reloader)
    assert applied_ones == []


async def tell_bad_and_good(mount: Mount, reloader: Reloader) -> None:
    good = mount.files()
    with capture_logs() as told:
        await reloader.look()
        assert told == []
        mount.write({"cutover.yaml": "version: 2\n"})
        for _ in range(3):
            await reloader.look()
        assert [entry["event"] for entry in told] == ["configuration refused"] * len(told)
        assert reloader.refusal is not None
        assert len(told) == len(reloader.refusal.problems)
        mount.write(good)
        for _ in range(3):
            await reloader.look()
        assert reloader.refusal is None
        assert told[-1]["event"] == "configuration is in force already"
        assert len(told) == len(set(map(str, told)))


async def test_a_file_that_a_bad_folder_names_is_waited_for(tmp_path: Path):
    async with mounted(tmp_path) as (mount, service):
        good = mount.files()
        set_name = good["cutover.yaml"].replace("proto_path: ..data", "descriptor_set: late.binpb")
        mount.write({"cutover.yaml": set_name + "# v2\n"})
        while (await config(service))["last_reload"] is None:
            await asyncio.to_thread(lambda: None)
        (mount.folder / "late.binpb").write_bytes(compiled(PROTO.format(field="v1")))
        while (await config(service))["last_reload"]["result"] != "applied":
            await asyncio.to_thread(lambda: None)
        assert await asked(service) == "v1"


async def test_what_breaks_a_live_route_needs_force(tmp_path: Path):
    async with mounted(tmp_path, poll="off") as (mount, service):
        mount.put("v2")
        result = await service.reload()
        assert result.result is Result.REFUSED
        (problem,) = result.problems
        assert problem.message == (
            "would break route items-get, which gRPC answers: GET /v1/items/{id}: "
            "answer field v1 is called v2 now; force it to accept that"
        )
        assert await asked(service) == "v1"
        forced = await applied(service, force=True, who="ops", reason="agreed")
        assert [loss.what for loss in forced.losses] == ["answer field v1 is called v2 now"]
        assert forced.describe()["who"] == "ops"
        assert await asked(service) == "v2"


async def test_what_breaks_a_route_that_legacy_answers_is_only_told(tmp_path: Path):
    async with mounted(tmp_path, poll="off", stage="legacy", legacy=LEGACY) as (mount, service):
        mount.put("v2", stage="legacy")
        with capture_logs() as told:
            result = await applied(service)
        assert len(result.losses) == 1
        assert {"answer field v1 is called v2 now"} <= {entry.get("loss") for entry in told}


async def test_a_route_that_goes_back_to_legacy_may_lose_what_it_had(tmp_path: Path):
    async with mounted(tmp_path, poll="off", legacy=LEGACY) as (mount, service):
        mount.put("v2", stage="legacy")
        assert (await applied(service)).losses


async def test_what_one_process_was_forced_to_take_the_others_take_too(tmp_path: Path):
    async with AsyncExitStack() as stack:
        state = str(tmp_path / "state")
        mount, forced = await stack.enter_async_context(mounted(tmp_path, state=state))
        follower = await stack.enter_async_context(service_of(mount))
        mount.put("v2")
        while (await config(follower))["last_reload"] is None:
            await asyncio.to_thread(lambda: None)
        assert (await config(follower))["last_reload"]["result"] == "refused"
        await applied(forced, force=True, who="ops", reason="agreed")
        while (await config(follower))["last_reload"]["result"] != "applied":
            await asyncio.to_thread(lambda: None)
        assert await asked(follower) == "v2"
        (entry,) = forced.control.state.read_audit(9)
        assert (entry.action, entry.who, entry.why) == ("reload", "ops", "agreed")


async def test_only_what_came_by_the_admin_port_is_told_to_the_audit_log(tmp_path: Path):
    async with mounted(tmp_path, poll="off", stage="legacy", legacy=LEGACY) as (mount, service):
        for version, trigger in (("v2", "signal"), ("v1", "poll"), ("v2", "worker")):
            mount.put(version, stage="legacy")
            await applied(service, trigger=trigger)
        assert [*service.control.state.read_audit(9)] == []
        mount.put("v1", stage="legacy")
        before = (await config(service))["digest"]
        result = await applied(service, trigger="admin", who="ops", reason="agreed")
        (entry,) = service.control.state.read_audit(9)
        assert (entry.before, entry.after, entry.who) == (before, result.digest, "ops")


async def test_a_record_that_cannot_be_kept_does_not_undo_a_reload(tmp_path: Path):
    async with mounted(tmp_path, poll="off", state=str(tmp_path / "state")) as (mount, service):
        mount.put("v2")
        shutil.rmtree(tmp_path / "state")
        with capture_logs() as told:
            await applied(service, force=True)
        assert "a reload could not be recorded" in [entry["event"] for entry in told]
        assert await asked(service) == "v2"


async def test_counters_go_on_over_a_reload(tmp_path: Path):
    async with mounted(tmp_path, poll="off") as (mount, service):
        await asked(service)
        mount.put("v2")
        await applied(service, force=True)
        await asked(service)
        shown = await metrics(service)
    counted = [line for line in shown.splitlines() if line.startswith("cutover_requests_total{")]
    (line,) = (line for line in counted if 'route="items-get"' in line)
    assert 'code_class="2xx"' in line
    assert line.endswith(" 2.0")
    assert 'cutover_config_reloads_total{result="success"} 2.0' in shown


async def test_a_reload_that_comes_with_the_end_changes_nothing(tmp_path: Path):
    async with mounted(tmp_path, poll="off") as (mount, service):
        mount.put("v2")
    result = await service.reload(force=True)
    assert result.result is Result.REFUSED
    assert result.problems[0].message == "the process is ending"


async def test_a_reload_that_fails_as_nobody_expects_is_counted(tmp_path: Path):
    """The metric must not stay at the last success, and what is in force goes on."""
    mount = Mount(tmp_path, "127.0.0.1:1")
    mount.put("v1")
    metrics = Metrics()

    async def apply(_: Snapshot) -> None:
        raise ZeroDivisionError

    with StateDirectory.temporary() as state:
        work = Reloading(mount.folder, {}, apply, metrics, state, lambda _: {})
        reloader = Reloader(work, await load_snapshot(mount.folder, {}))
        mount.put("v2")
        with pytest.raises(ZeroDivisionError):
            await reloader.reload(Occasion("signal"))
    assert b'cutover_config_reloads_total{result="failure"} 1.0' in metrics.render()[1]
    assert reloader.last is None


async def test_a_folder_that_a_server_describes_is_asked_for_again_when_somebody_says_so(
    tmp_path: Path,
):
    """Its files have not changed, which says nothing of what the server would tell."""
    server = grpc.aio.server()
    names = ("edge.v1.Items", reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server, pool=schema().pool)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    bare = EDGE % ("", "")
    config = bare.replace("descriptor_set: edge.binpb", "reflection: items")
    (tmp_path / "cutover.yaml").write_text(
        config.replace("127.0.0.1:1", f"127.0.0.1:{port}")
        + "listen: {host: 127.0.0.1, port: 0}\nadmin: {host: 127.0.0.1, port: 0}\n"
    )
    try:
        snapshot = await load_snapshot(tmp_path, {})
        async with Service(snapshot, tmp_path, len, environ={}) as service:
            await applied(service, trigger="signal")
            assert service.snapshot is not snapshot
    finally:
        await server.stop(None)
