"""`cutover serve --workers 2` as processes: killed, restarted, upgraded and drained under load."""

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import proxy
from tests.cli.processes import Proxy, serving, write_folder
from tests.fakes import Handler, Served
from tests.live.edge import answers, item, method
from tests.live.wire import PATIENCE_S, Client, client_of, request
from tests.supervisor.load import GET, load_on, ports_of_clients
from tests.upstreams.servers import grpc_server
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

REQUESTS = "cutover_requests_total"
DIED = 'cutover_worker_restarts_total{reason="died"}'
ROLLED = 'cutover_worker_restarts_total{reason="rolled"}'


class Workers:
    """A proxy with two workers, all of which serve."""

    def __init__(self, served: Proxy, url: str, admin_url: str) -> None:
        self.served = served
        self.url = url
        self.admin_url = admin_url
        self.port = int(url.rpartition(":")[2])

    @property
    def parent(self) -> int:
        return self.served.process.pid

    def pids(self) -> set[int]:
        children = Path(f"/proc/{self.parent}/task/{self.parent}/children").read_text()
        return {int(pid) for pid in children.split()}

    def runtime(self) -> Path:
        """The directory that the processes share: a worker has a file of it open."""
        for descriptor in Path(f"/proc/{min(self.pids())}/fd").iterdir():
            target = descriptor.readlink()
            if target.name == "access-log.lock":
                return target.parent
        raise AssertionError("no worker has the log's lock open")

    def signal(self, number: signal.Signals) -> None:
        self.served.process.send_signal(number)

    async def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels; all requests together."""
        async with client_of(self.admin_url) as client:
            reply = await client.ask(
                request("GET", "/metrics", "Connection: close", host="localhost")
            )
        values = {REQUESTS: 0.0}
        for family in text_string_to_metric_families(reply.body.decode()):
            for sample in family.samples:
                labels = ",".join(f'{name}="{each}"' for name, each in sample.labels.items())
                values[f"{sample.name}{{{labels}}}"] = sample.value
                if sample.name == REQUESTS and sample.labels["route"] == "get-item":
                    values[REQUESTS] += sample.value
        return values

    async def until(self, name: str, value: float) -> dict[str, float]:
        """The metrics once the one of that *name* has reached *value*.

        What other workers have counted is up to a second old.
        """
        async with asyncio.timeout(PATIENCE_S):
            while (metrics := await self.metrics())[name] < value:
                continue
        return metrics


@asynccontextmanager
async def workers_of(
    place: Path,
    handler: Handler,
    *,
    cwd: Path | None = None,
    stdout: int = asyncio.subprocess.DEVNULL,
) -> AsyncIterator[Workers]:
    """Two workers before a gRPC server that answers Get with *handler*."""
    async with grpc_server({method("Get"): handler}) as port:
        write_folder(place, f"127.0.0.1:{port}")
        async with serving(place, "--workers", "2", cwd=cwd, stdout=stdout) as served:
            started = await served.tell("serving", workers=2)
            yield Workers(served, started["url"], started["admin"])
            assert await ended(served) in (0, -signal.SIGKILL, -signal.SIGTERM)


async def ended(served: Proxy) -> int:
    """End it; all its processes have let go of its stderr then."""
    if served.process.returncode is None:
        served.process.terminate()
    return (await served.end())[0]


ONE = item(id="1")


async def test_a_killed_worker_loses_its_own_requests_only_and_is_replaced(tmp_path: Path) -> None:
    gates: list[asyncio.Event] = []

    async def slow(_: Served) -> AsyncIterator[bytes]:
        gates.append(asyncio.Event())
        await gates[-1].wait()
        yield ONE

    async with workers_of(tmp_path, slow) as workers:
        counted = 0.0
        for times in range(1, 4):
            before = workers.pids()
            clients = [await Client.to(workers.url) for _ in range(8)]
            gates.clear()
            for client in clients:
                client.write(GET)
            await until(lambda: len(gates) == 8)
            victim = min(before)
            its = ports_of_clients(victim, workers.port)
            os.kill(victim, signal.SIGKILL)
            died = await workers.served.tell("worker died", pid=victim)
            again = await workers.served.tell("worker serves", worker=died["worker"])
            assert died["how"] == "SIGKILL"
            assert again["pid"] not in before
            for gate in gates:
                gate.set()
            lost = 0
            for client in clients:
                port = client.writer.get_extra_info("sockname")[1]
                if port in its:
                    assert await client.rest() == b""
                    lost += 1
                else:
                    assert (await client.reply()).status == 200
                await client.close()
            counted += 8 - lost
            metrics = await workers.until(REQUESTS, counted)
            assert metrics[REQUESTS] == counted
            assert (await workers.until("cutover_workers{}", 2))[DIED] == times


EXPIRED = """\
mirror: {percent: 1}, compare: {rules: [{path: $.id, use: ignore, reason: r, expires: 2020-01-01}]}
"""


async def test_a_rule_that_expired_overnight_leaves_no_host_without_workers(
    tmp_path: Path,
) -> None:
    """Who stays goes on as it was, who comes serves the same, and says why nothing else does."""
    async with workers_of(tmp_path, answers(ONE)) as workers:
        config = (tmp_path / "cutover.yaml").read_text()
        entry = f"name: get-item, {EXPIRED.strip()}}}"
        expired = config.replace("name: get-item}", entry).replace(
            'services: ["edge.v1.*"]}', 'services: ["edge.v1.*"]}, legacy: {url: "http://a"}'
        )
        assert expired.count("2020-01-01") == expired.count("http://a") == 1
        (tmp_path / "cutover.yaml").write_text(expired)
        victim = min(workers.pids())
        os.kill(victim, signal.SIGKILL)
        died = await workers.served.tell("worker died", pid=victim)
        await workers.served.tell("worker serves", worker=died["worker"])
        await workers.until("cutover_workers{}", 2)
        async with client_of(workers.url) as client:
            assert (await client.ask(GET)).status == 200
    for count in ("1", "2"):
        async with serving(tmp_path, "--workers", count) as served:
            told = await served.tell("a rule has expired: gate and reloads fail")
            assert (told["rule"], told["expires"]) == ("$.id ignore", "2020-01-01")
            await served.tell("serving")
            served.process.terminate()
            assert (await served.end())[0] == 0
    async with serving(tmp_path, "--check") as served, asyncio.timeout(PATIENCE_S):
        _, errors = await served.process.communicate()
        assert served.process.returncode == 1
        assert b"was the last day of the rule, 2020-01-01" in errors


async def test_counters_never_fall_while_workers_are_killed(tmp_path: Path) -> None:
    async with workers_of(tmp_path, answers(ONE)) as workers:
        async with load_on(workers.url, keep_alive=2, close=2):
            seen = [await workers.until(REQUESTS, 1)]
            for _ in range(4):
                seen += [await workers.metrics() for _ in range(3)]
                victim = min(workers.pids())
                os.kill(victim, signal.SIGKILL)
                await workers.served.tell("worker died", pid=victim)
                seen.append(await workers.metrics())
                await workers.served.tell("worker serves")
            seen.append(await workers.metrics())
        assert seen[-1][REQUESTS] > seen[0][REQUESTS]
        assert seen[-1][DIED] == 4
        for earlier, later in pairwise(seen):
            for name, value in earlier.items():
                if name.partition("{")[0].endswith(("_total", "_count", "_bucket", "_sum")):
                    assert later[name] >= value, name


async def test_new_code_takes_over_without_a_request_lost(tmp_path: Path) -> None:
    """A package of another version is put in place of the one that runs."""
    code = tmp_path / "code"
    shutil.copytree(
        Path(proxy.__file__).parent, code / "proxy", ignore=shutil.ignore_patterns("__pycache__")
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    async with workers_of(folder, answers(ONE), cwd=code) as workers:
        old = workers.pids()
        async with load_on(workers.url) as load:
            await until(lambda: load.answered > 50)
            init = code / "proxy" / "__init__.py"
            init.write_text(init.read_text().replace(proxy.__version__, "9.9.9"))
            before = await workers.until(REQUESTS, 50)
            workers.signal(signal.SIGUSR2)
            await workers.served.tell("the program was replaced", version="9.9.9")
            await workers.served.tell("rolling restart done")
            answered = load.answered
            await until(lambda: load.answered > answered + 50)
        assert load.failures == []
        assert workers.served.process.returncode is None
        assert len(workers.pids()) == 2
        assert not workers.pids() & old
        metrics = await workers.until(REQUESTS, before[REQUESTS] + 50)
        assert metrics[ROLLED] == 2
        assert metrics[DIED] == 0


async def test_what_cannot_be_served_replaces_nothing(tmp_path: Path) -> None:
    async with workers_of(tmp_path, answers(ONE)) as workers:
        old = workers.pids()
        config = (tmp_path / "cutover.yaml").read_text()
        (tmp_path / "cutover.yaml").write_text(config + "drain: {wiat: 1s}\n")
        workers.signal(signal.SIGUSR2)
        told = await workers.served.tell("nothing is replaced: what is on disk cannot be served")
        assert "cutover.yaml" in told["problems"][0]
        assert "wiat" in told["problems"][0]
        assert workers.pids() == old
        # A worker that is killed now finds the same folder: it is tried again and again, while the
        # other one serves, until the folder is in order.
        victim = min(old)
        os.kill(victim, signal.SIGKILL)
        slot = (await workers.served.tell("worker died", pid=victim))["worker"]
        await workers.served.tell("the folder cannot be served", worker=slot)
        for _ in range(3):
            assert (await workers.served.tell("worker died", worker=slot))["how"] == "exit code 1"
        async with client_of(workers.url) as client:
            assert (await client.ask(GET)).status == 200
        (tmp_path / "cutover.yaml").write_text(config)
        await workers.served.tell("worker serves", worker=slot)
        assert (await workers.until("cutover_workers{}", 2))[DIED] >= 4


async def test_a_parent_that_can_open_nothing_waits_until_it_can(tmp_path: Path) -> None:
    """Nor does it need the directory of before: systemd removes it when a user logs out."""
    async with workers_of(tmp_path, answers(ONE)) as workers:
        shutil.rmtree(workers.runtime())
        victim = min(workers.pids())
        _, hard = resource.prlimit(workers.parent, resource.RLIMIT_NOFILE)
        resource.prlimit(workers.parent, resource.RLIMIT_NOFILE, (3, hard))
        os.kill(victim, signal.SIGKILL)
        await workers.served.tell("worker cannot be started")
        async with client_of(workers.url) as client:
            assert (await client.ask(GET)).status == 200
        resource.prlimit(workers.parent, resource.RLIMIT_NOFILE, (hard, hard))
        await workers.served.tell("worker serves")
        assert len(workers.pids() - {victim}) == 2
        assert (await workers.until("cutover_workers{}", 2))[DIED] == 1


async def test_a_signal_to_the_parent_reaches_all_workers(tmp_path: Path) -> None:
    async with workers_of(tmp_path, answers(ONE)) as workers:
        old = workers.pids()
        config = tmp_path / "cutover.yaml"
        config.write_text(config.read_text() + "drain: {timeout: 7s}\n")
        workers.signal(signal.SIGHUP)
        heard = {(await workers.served.tell("configuration in force"))["pid"] for _ in range(2)}
        assert heard == old
        # One worker that somebody ends goes when another one has taken its place.
        victim = min(old)
        os.kill(victim, signal.SIGTERM)
        await workers.served.tell("worker serves")
        left = await workers.served.tell("worker left", pid=victim)
        assert left["how"] == "exit code 0"
        assert len(workers.pids()) == 2
        await workers.until(ROLLED, 1)


async def test_workers_whose_parent_is_killed_finish_and_end(tmp_path: Path) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await go.wait()
        yield ONE

    async with workers_of(tmp_path, slow) as workers:
        runtime = workers.runtime()
        async with client_of(workers.url) as client:
            client.write(GET)
            await began.wait()
            workers.signal(signal.SIGKILL)
            for _ in range(2):
                await workers.served.tell("the parent is gone: draining")
            go.set()
            reply = await client.reply()
            assert (reply.status, reply.closes) == (200, True)
        assert (await workers.served.end())[0] == -signal.SIGKILL
        with pytest.raises(ConnectionRefusedError):
            await Client.to(workers.url)
        assert not runtime.exists()


async def test_the_end_comes_within_a_rolling_restart_too(tmp_path: Path) -> None:
    async with workers_of(tmp_path, answers(ONE)) as workers:
        async with load_on(workers.url, keep_alive=2, close=0) as load:
            workers.signal(signal.SIGUSR2)
            await workers.served.tell("rolling restart")
            load.ending = True
        workers.signal(signal.SIGTERM)
        assert (await workers.served.end())[0] == 0
        assert load.failures == []
        events = [line["event"] for line in workers.served.told]
        assert "rolling restart done" not in events
        assert events[-1] == "stopped"


async def test_a_second_signal_ends_all_of_them_at_once(tmp_path: Path) -> None:
    began = asyncio.Event()

    async def hang(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await asyncio.Event().wait()
        yield b""

    async with workers_of(tmp_path, hang) as workers, client_of(workers.url) as client:
        client.write(GET)
        await began.wait()
        workers.signal(signal.SIGTERM)
        await workers.served.tell("draining")
        workers.signal(signal.SIGTERM)
        assert (await workers.served.end())[0] == -signal.SIGTERM
        assert await client.rest() == b""


async def test_lines_of_the_access_log_stay_whole(tmp_path: Path) -> None:
    async def read(stream: asyncio.StreamReader) -> bytes:
        return await stream.read()

    async with workers_of(tmp_path, answers(ONE), stdout=asyncio.subprocess.PIPE) as workers:
        stream = workers.served.process.stdout
        assert stream is not None
        reading = asyncio.ensure_future(read(stream))

        async def ask(number: int) -> None:
            async with client_of(workers.url) as client:
                for each in range(250):
                    path = f"/nothing/{number}/{each}/{'x' * 900}"
                    assert (await client.ask(request("GET", path))).status == 404

        await asyncio.gather(*map(ask, range(8)))
        workers.signal(signal.SIGTERM)
        output = await reading
        paths = {json.loads(line)["path"].rpartition("/")[0] for line in output.splitlines()}
        assert paths == {f"/nothing/{one}/{each}" for one in range(8) for each in range(250)}


async def test_a_folder_that_cannot_be_served_is_told_once(tmp_path: Path) -> None:
    write_folder(tmp_path, "127.0.0.1:1")
    (tmp_path / "edge.binpb").write_bytes(b"\xff")
    async with serving(tmp_path, "--workers", "3") as served, asyncio.timeout(PATIENCE_S):
        _, errors = await served.process.communicate()
        assert served.process.returncode == 1
        lines = errors.decode().splitlines()
        assert "edge.binpb" in lines[0]
        assert re.fullmatch(rf"{len(lines) - 1} problems?", lines[-1])
        assert len(set(lines)) == len(lines)
