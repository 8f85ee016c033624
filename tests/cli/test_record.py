"""`cutover record` against a running service, and `cutover replay` of what it wrote."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.composition import load_snapshot
from proxy.cli.service import Service
from proxy.config.sections import Admin, Listen
from proxy.example.legacy import LegacyHost
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer
from proxy.exchange.recording import MAX_WAITING, Busy, Terms
from proxy.recordings.exchange import Recorded
from proxy.recordings.json_lines import read_recording
from tests.live.example import LOOPBACK, environment, write_mappings
from tests.live.wire import client_of, request
from tests.waiting import until

TOKEN = "a-token-of-20-letters"
ZONE = "/v4/zones/example.com"
CAPS = ("--limit", "2", "--for", "60s", "--rate", "500")
NAMED = "  name: get-statistics\n  stage: shadow\n"


@dataclass
class Stand:
    service: Service
    folder: Path
    environment: dict[str, str]

    async def run(self, *arguments: str) -> Result:
        """A command in a thread, since the port answers in this one."""
        command = [*arguments, "-c", str(self.folder)]
        return await asyncio.to_thread(CliRunner().invoke, main, command, env=self.environment)

    async def record(self, out: Path, *options: str, route: str = "get-zone") -> Result:
        own = ("--route", route, "-o", str(out), "--reason", "test")
        reached = ("--admin", self.service.admin_url)
        return await self.run("record", *own, *reached, *options)

    async def get(self, target: str, *fields: str) -> None:
        async with client_of(self.service.url) as client:
            assert (await client.ask(request("GET", target, *fields))).status == 200

    def end(self) -> None:
        """End the recording that is under way."""
        session = self.service._recorder.session
        assert session is not None
        session.close()

    async def begins(self, command: "asyncio.Future[Result] | None" = None) -> None:
        """Wait until it records, or *command* has ended without."""

        def has_begun() -> bool:
            ended = command is not None and command.done()
            return ended or self.service._recorder.session is not None

        await until(has_begun)


def configured(place: Path, record: str) -> Path:
    write_mappings(place, **({"record": record} if record else {}))
    (place / "admin.token").write_text(TOKEN)
    file = place / "cutover.yaml"
    file.write_text(file.read_text().replace("port: 9901}", "port: 9901, token_file: admin.token}"))
    return place


async def served(folder: Path) -> AsyncIterator[Stand]:
    store = seeded_store()
    async with LegacyHost(store) as legacy, DnsServer(store) as server:
        environ = dict(environment(legacy.url, server.address))
        snapshot = await load_snapshot(folder, environ)
        admin = Admin(host=LOOPBACK, port=0)
        listen = Listen(host=LOOPBACK, port=0)
        async with Service(snapshot, folder, len, listen=listen, admin=admin) as service:
            yield Stand(service, folder, environ)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    (tmp_path / "mappings").mkdir()
    async for each in served(
        configured(tmp_path / "mappings", "{max_exchanges: 100, max_rps: 500}")
    ):
        yield each


async def recorded(stand: Stand, out: Path, *targets: str, route: str = "get-zone") -> Result:
    """What the command says when it has recorded *targets*."""
    running = asyncio.ensure_future(stand.record(out, *CAPS, route=route))
    await stand.begins(running)
    for target in targets:
        await stand.get(target, "Authorization: Bearer kim", "X-User-Id: kim")
    return await running


def lines(out: Path) -> list[Recorded]:
    found = [*read_recording(out.read_bytes())]
    assert all(isinstance(each, Recorded) for each in found)
    return found  # type: ignore[return-value]


async def test_exchanges_are_recorded_until_the_cap_and_no_value_is_among_them(
    stand: Stand, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    result = await recorded(stand, out, ZONE, ZONE)
    assert result.exit_code == 0, result.output
    assert result.output == f"2 recorded in {out}; ended by count\n"
    first, second = lines(out)
    assert "kim" not in out.read_text()
    assert "example.com" not in out.read_text()
    assert (first.route, first.side, first.http_status) == ("get-zone", "grpc", 200)
    assert first.target == "/v4/zones/aaaaaaa.aaa"
    assert first.redacted
    assert json.loads(first.answer_body)["success"] is False
    assert second.target == first.target
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


async def test_a_recording_in_har_is_whole(stand: Stand, tmp_path: Path) -> None:
    out = tmp_path / "out.har"
    assert (await recorded(stand, out, ZONE, ZONE)).exit_code == 0
    log = json.loads(out.read_bytes())["log"]
    assert (log["version"], len(log["entries"])) == ("1.2", 2)


async def test_other_routes_are_not_recorded(stand: Stand, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    await recorded(stand, out, f"{ZONE}/records?page=1", ZONE, ZONE)
    assert {each.route for each in lines(out)} == {"get-zone"}


async def test_what_was_recorded_can_be_replayed(stand: Stand, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    await recorded(
        stand,
        out,
        f"{ZONE}/records?page=1&per_page=3",
        f"{ZONE}/records?page=2",
        route="list-records",
    )
    result = await stand.run("replay", str(out), "--translate-only", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["counts"]["same"] == 2


async def test_the_audit_tells_who_recorded_what_and_why(stand: Stand, tmp_path: Path) -> None:
    await recorded(stand, tmp_path / "out.jsonl", ZONE, ZONE)
    entry = next(iter(stand.service.control.state.read_audit(1)))
    told = entry.as_json()
    assert (told["action"], told["route"]) == ("record", "get-zone")
    assert "at most 2 exchanges in 60 s" in json.dumps(told)


async def test_who_leaves_ends_the_recording(stand: Stand) -> None:
    body = json.dumps(
        {
            "routes": ["get-zone"],
            "max_exchanges": 2,
            "max_bytes": 10_000,
            "max_duration_s": 60,
            "max_rps": 5,
            "reason": "test",
        }
    ).encode()
    asked = request(
        *("POST", "/admin/v1/recordings", f"Authorization: Bearer {TOKEN}"),
        body=body,
        host="localhost",
    )
    async with client_of(stand.service.admin_url) as client:
        client.write(asked)
        await stand.begins()
    await until(lambda: stand.service._recorder.session is None)


async def test_one_records_at_a_time(stand: Stand, tmp_path: Path) -> None:
    running = asyncio.ensure_future(stand.record(tmp_path / "one.jsonl", *CAPS))
    await stand.begins(running)
    second = await stand.record(tmp_path / "two.jsonl", *CAPS)
    assert second.exit_code == 1
    assert "somebody is recording already" in second.output
    assert not (tmp_path / "two.jsonl").exists()
    await stand.get(ZONE)
    await stand.get(ZONE)
    assert (await running).exit_code == 0


async def test_time_ends_a_recording_of_nothing(stand: Stand, tmp_path: Path) -> None:
    out = tmp_path / "out.har"
    result = await stand.record(out, "--limit", "2", "--for", "50ms")
    assert result.output == f"0 recorded in {out}; ended by time\n"
    assert json.loads(out.read_bytes())["log"]["entries"] == []


async def test_what_is_left_out_is_counted(stand: Stand, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    caps = ("--limit", "2", "--for", "60s", "--max-bytes", "1KiB", "--rate", "500")
    running = asyncio.ensure_future(stand.record(out, *caps))
    await stand.begins(running)
    for _ in range(3):
        await stand.get(ZONE)
    result = await running
    assert "1 left out: bytes; ended by bytes" in result.output


@pytest.mark.parametrize(
    ("section", "rate", "why"),
    [
        ("{max_body_bytes: 16B}", "5", "response_too_large"),
        ("{max_rps: 0.001}", "0.001", "rate"),
    ],
    ids=["size", "rate"],
)
async def test_exchanges_beyond_a_cap_are_left_out_and_answered(
    tmp_path: Path, section: str, rate: str, why: str
) -> None:
    (tmp_path / "mappings").mkdir()
    async for stand in served(configured(tmp_path / "mappings", section)):
        caps = ("--limit", "9", "--for", "60s", "--rate", rate)
        running = asyncio.ensure_future(stand.record(tmp_path / "out.jsonl", *caps))
        await stand.begins(running)
        for _ in range(3):
            await stand.get(ZONE)
        stand.end()
        assert f"left out: {why}; ended by closed" in (await running).output
        assert stand.service._recorder.dropped >= 2


async def test_a_bug_of_the_recorder_costs_a_line_and_no_answer(
    stand: Stand, tmp_path: Path
) -> None:
    running = asyncio.ensure_future(stand.record(tmp_path / "out.jsonl", *CAPS))
    await stand.begins(running)
    session = stand.service._recorder.session
    assert session is not None
    session._rules = None  # type: ignore[assignment]
    await stand.get(ZONE)
    session._mirrors = None  # type: ignore[assignment]
    await stand.get(ZONE)
    stand.end()
    assert "\n0 recorded in " in (await running).output


async def test_lines_that_nobody_takes_are_left_out_once_many_wait(stand: Stand) -> None:
    terms = Terms(frozenset({"get-zone"}), 10_000, 1 << 30, 60.0, 500.0, 1 << 16)
    recorder = stand.service._recorder
    session = recorder.open(terms)
    with pytest.raises(Busy):
        recorder.open(terms)
    recorded = Recorded("GET", ZONE, (), b"", 200, (), b"")
    snapshot = stand.service.snapshot
    binding = next(each for each in snapshot.bindings if each.route.name == "get-zone")
    for _ in range(MAX_WAITING + 2):
        session.add(recorded, binding, snapshot)
    assert (session.recorded, session.dropped) == (MAX_WAITING, {"slow_reader": 2})
    recorder.close(session)
    session.add(recorded, binding, snapshot)
    assert session.dropped["ended"] == 1
    assert (recorder.recorded, recorder.dropped) == (MAX_WAITING, 2)


async def test_no_file_is_replaced(stand: Stand, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    result = await stand.record(out, *CAPS)
    assert result.exit_code == 2
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--limit", "101", "--for", "1m"), "max_exchanges must be more than 0 and at most 100"),
        (("--limit", "1", "--for", "2h"), "max_duration_s must be"),
        (("--limit", "1", "--for", "1m", "--rate", "501"), "max_rps must be"),
        (("--limit", "1", "--for", "1m", "--max-bytes", "1GiB"), "max_bytes must be"),
    ],
    ids=["count", "time", "rate", "bytes"],
)
async def test_nobody_gets_more_than_is_configured(
    stand: Stand, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    result = await stand.record(tmp_path / "out", *options)
    assert result.exit_code == 1
    assert told in result.output
    assert stand.service._recorder.session is None


async def test_a_route_that_is_not_there_is_refused(stand: Stand, tmp_path: Path) -> None:
    result = await stand.record(tmp_path / "out", "--limit", "1", "--for", "1m", route="other")
    assert result.exit_code == 1
    assert "there is no route 'other'" in result.output


async def test_without_caps_nothing_is_even_asked(stand: Stand, tmp_path: Path) -> None:
    for caps in (("--limit", "1"), ("--for", "1m")):
        assert (await stand.record(tmp_path / "out", *caps)).exit_code == 2


async def test_recording_is_off_until_it_is_configured(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    async for stand in served(configured(tmp_path / "mappings", "")):
        result = await stand.record(tmp_path / "out", "--limit", "1", "--for", "1m")
        assert result.exit_code == 1
        assert "recording is off" in result.output


async def test_who_has_no_token_records_nothing(stand: Stand, tmp_path: Path) -> None:
    (stand.folder / "wrong.token").write_text("another-token-of-operators")
    wrong = ("--token-file", str(stand.folder / "wrong.token"))
    result = await stand.record(tmp_path / "out", *CAPS, *wrong)
    assert result.exit_code == 1
    assert "bearer token" in result.output
