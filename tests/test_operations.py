"""The page on operations says what is so: its tables are those of the code."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from aiohttp import ClientSession
from click.testing import CliRunner

from proxy.admin.operations import Operations
from proxy.admin.reads import Reads
from proxy.admin.recordings import Recordings
from proxy.admin.shadow import ShadowPages
from proxy.admin.writes import Writes
from proxy.cli import main
from proxy.cli.composition import load_snapshot
from proxy.cli.judging import EXIT_OF_VERDICTS
from proxy.cli.reloading import _FIXED
from proxy.cli.service import Service
from proxy.cli.shadowing import _EVIDENCE_FILE, _KEY_FILE, EVIDENCE_CLOSE_S
from proxy.config.safeguards import Fallback
from proxy.config.schema import Settings
from proxy.config.sections import Admin, Connections, Drain, Limits, Listen
from proxy.config.shadow import Shadow
from proxy.config.upstreams import GrpcUpstream, LegacyUpstream
from proxy.cutover.decision import Reason
from proxy.cutover.fallback import BURST
from proxy.cutover.moves import INTERNAL, MAX_REASON_LENGTH, Action, Move
from proxy.cutover.pins import DEFAULT_BYTES
from proxy.cutover.sticky import MAX_KEY_CHARACTERS
from proxy.evidence import SqliteStore, load_key
from proxy.evidence.limits import CLIENT_COMPARISONS_PER_HOUR
from proxy.example.files import folder
from proxy.exchange.orphans import MAX_ORPHANS
from proxy.server.admission import LEAST
from proxy.server.shedding import CONNECTIONS, INFLIGHT, RETRY_AFTER, TELL_EVERY_S
from proxy.shadow.marks import load_mark
from proxy.shadow.reporting import READ_TIMEOUT_S, REFRESH_S, REFRESH_SHARE
from proxy.state.audit import AUDIT_BYTES, AUDIT_FILES
from proxy.state.directory import Facts, StateDirectory
from proxy.state.document import AuditEntry
from proxy.state.moving import carry_out
from proxy.supervisor.restarts import MAX_DELAY_S
from proxy.supervisor.signals import TAKEN
from proxy.supervisor.worker import EXIT_BROKEN, LEAVE_GRACE_S, START_LIMIT_S
from proxy.telemetry import names
from proxy.telemetry.access_log import MAX_LINES, MAX_PATH_LENGTH, AccessEntry, AccessLog
from proxy.telemetry.sink import MAX_BATCHES
from proxy.telemetry.tally import Definition, Kind
from tests.document_examples import ROOT, blocks, table_rows

PAGE = ROOT / "docs" / "operations.md"
TEXT = PAGE.read_text(encoding="utf-8")
DROPPED = "cutover_access_log_lines_dropped_total"


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def rows(heading: str, width: int) -> list[list[str]]:
    return [row for row in table_rows(PAGE, heading) if len(row) == width]


def definitions() -> dict[str, Definition]:
    """All metrics, by the names that Prometheus sees."""
    found = [each for each in vars(names).values() if isinstance(each, Definition)]
    return {each.name + ("_total" if each.kind is Kind.COUNTER else ""): each for each in found}


def test_every_metric_is_told_with_its_type_and_labels() -> None:
    shown = {row[0].strip("`"): row[1:3] for row in rows("Metrics", 4)}
    known = {
        name: [each.kind.value, ", ".join(each.labels)] for name, each in definitions().items()
    }
    assert shown == known | {DROPPED: ["counter", ""]}


def test_every_metric_that_is_named_exists() -> None:
    mentioned = set(re.findall(r"cutover_[a-z_]+", TEXT))
    assert mentioned <= definitions().keys() | {DROPPED}


def test_reasons_are_those_of_decisions() -> None:
    shown = [name for row in rows("Logs", 3) for name in quoted(row[0])]
    assert sorted(shown) == sorted(Reason)


def test_what_is_refused_is_counted_by_these_words() -> None:
    (row,) = (row for row in rows("Metrics", 4) if "cutover_refused_total" in row[0])
    assert quoted(row[3]) == [INFLIGHT, CONNECTIONS]


def test_every_field_of_the_access_log_is_told() -> None:
    nothing: Any = None
    lines: list[bytes] = []
    log = AccessLog(lines.append, clock=float, call_later=nothing, max_lines=1)
    entry = AccessEntry("GET", "/" * (MAX_PATH_LENGTH + 1), 200, 1.0, bucket=1, percent=1.0)
    entry.fallback, entry.unknown_fields, entry.error, entry.count = "not_ready", ("a",), "b", 2
    entry.page_calls = 2
    unset = [each.name for each in fields(AccessEntry) if getattr(entry, each.name) is None]
    assert not unset, "an optional field that this test does not know"
    log.add(entry)
    shown = [name for row in rows("Logs", 2) for name in quoted(row[0])]
    assert sorted(shown) == sorted(json.loads(lines[0]))
    assert f"a path ends after {MAX_PATH_LENGTH} characters" in TEXT
    assert f"alike within {TELL_EVERY_S} s" in TEXT


def test_every_field_of_an_audit_line_is_told() -> None:
    (paragraph,) = (each for each in TEXT.split("\n\n") if each.startswith("An audit line has"))
    entry = AuditEntry("1-a", "", "", "", "", "", "", "", "", 1)
    assert set(quoted(paragraph)) == set(entry.as_json())


def test_every_page_of_the_admin_port_is_told() -> None:
    nothing: Any = None
    operations: Operations = nothing
    recordings = Recordings(operations)
    pages = Reads(operations), Writes(operations), ShadowPages(operations), recordings
    routes = [route for each in pages for route in each.routes()]
    shown = {(row[0], row[1].strip("`")) for row in rows("The admin port", 4)}
    assert shown == {(route.method, route.path) for route in routes}


async def test_every_key_of_the_status_is_told() -> None:
    mappings = folder("mappings")
    snapshot = await load_snapshot(mappings, {})
    listen, admin = Listen(host="127.0.0.1", port=0), Admin(host="127.0.0.1", port=0)
    async with Service(snapshot, mappings, lambda _: None, listen=listen, admin=admin) as service:
        await service.control.move(Move(Action.KILL, on=True, reason="a test", who="a test"))
        url = f"{service.admin_url}/admin/v1/status"
        async with ClientSession() as session, session.get(url) as response:
            status = await response.json()
    top, routes = rows_of("key"), rows_of("key of a route")
    assert top.keys() == status.keys()
    assert all(routes.keys() == route.keys() for route in status["routes"])
    assert ["on", *quoted(top["kill_switch"])[1:]] == [*status["kill_switch"]]
    ramps = [route["ramp"] for route in status["routes"] if route["ramp"]]
    assert [*ramps[0]] == quoted(routes["ramp"])


def rows_of(heading: str) -> dict[str, str]:
    """The cells beside each name in the table of two columns that *heading* begins."""
    (table,) = re.findall(rf"^\| {heading} \|.*\n\|.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    return {name: row[1] for row in cells for name in quoted(row[0])}


def test_every_move_of_the_admin_port_is_told() -> None:
    (row,) = (row for row in rows("The admin port", 4) if "{action}" in row[1])
    assert set(quoted(row[2])) == set(Action) - INTERNAL - {Action.KILL}


def test_every_file_of_the_state_directory_is_told(tmp_path: Path) -> None:
    with StateDirectory(tmp_path) as state:
        move = Move(Action.KILL, on=True, reason="a test", who="a test")
        entry = carry_out(state, move, {}, digest="").entry
        state.shared_memory("pins", DEFAULT_BYTES)
        assert state.lead.try_lead()
        state.accept("digest", Facts("reload", entry.who, entry.why))
        load_key(tmp_path / _KEY_FILE)
        load_mark(tmp_path, "x-shadow")
        evidence = SqliteStore(tmp_path / _EVIDENCE_FILE)
        evidence.read("route")
        made = {each.name for each in tmp_path.iterdir()}
        evidence.close()
    shown = [name for row in rows("The state directory", 2) for name in quoted(row[0])]
    assert set(shown) == made
    assert f"full at {AUDIT_BYTES >> 20} MiB, then `audit.1.jsonl` to `audit.{AUDIT_FILES}" in TEXT
    assert f"after a write, {DEFAULT_BYTES >> 20} MiB" in TEXT


def test_how_gates_look_at_the_evidence_is_told() -> None:
    section = TEXT.partition("## Gates")[2].partition("\n## ")[0].replace("\n", " ")
    assert f"no answer within {READ_TIMEOUT_S:g} s" in section
    assert f"looks at the evidence every {REFRESH_S:g} s" in section
    assert (REFRESH_SHARE, "a twentieth of a core" in section) == (1 / 20, True)
    codes = {row[1].partition(":")[0]: int(row[0]) for row in rows("Gates", 3) if row[0].isdigit()}
    assert {each: codes[each] for each in EXIT_OF_VERDICTS} == EXIT_OF_VERDICTS


def test_what_needs_a_restart_is_told() -> None:
    (line,) = (each for each in re.split(r"\n\n|\n- ", TEXT) if "need a restart" in each)
    assert tuple(quoted(line)) == _FIXED


def test_signals_are_those_that_are_taken() -> None:
    shown = {name for row in rows("Processes", 3) for name in row[0].split(", ")}
    assert shown == {number.name for number in TAKEN} - {"SIGCHLD"}


def test_exit_codes_are_those_of_the_command() -> None:
    shown = {row[0]: row[1] for row in rows("Processes", 2)}
    assert shown.pop(str(EXIT_BROKEN))
    help_text = CliRunner().invoke(main, ["--help"]).output
    assert shown == dict(re.findall(r"^ +(\d)  (.+)$", help_text, re.MULTILINE))


def defaults() -> dict[str, object]:
    """The defaults of the settings that are limits, by their names on the page."""
    grpc = GrpcUpstream(target="t", plaintext=True)
    legacy = LegacyUpstream(url="http://h")
    sections = {
        "limits": Limits(),
        "connections": Connections(),
        "upstreams.NAME": grpc,
        "upstreams.legacy": legacy,
        "fallback": Fallback(),
        "shadow": Shadow(),
    }
    return {
        f"{name}.{key.removesuffix('_s')}": value
        for name, section in sections.items()
        for key, value in section
    }


def test_limits_are_those_of_the_code() -> None:
    shown = {}
    for row in rows("Limits", 4):
        if match := re.match(r"`([\w.]+)`, ([\d.]+)( s)?", row[1]):
            shown[match[1]] = float(match[2])
    known = defaults()
    assert shown == {name: known[name] for name in shown}
    of_a_request = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
    for name in Limits.model_fields:
        assert f"limits.{name}" in shown or f"`{name}`" in of_a_request, name
    for name in Connections.model_fields:
        assert f"connections.{name.removesuffix('_s')}" in shown, name


def test_limits_without_a_setting_are_those_of_the_code() -> None:
    most = {row[0]: row[1] for row in rows("Limits", 4)}
    assert most["the same, when the event loop is late"].endswith(f"at least {LEAST}")
    assert most["writes whose clients have left"] == str(MAX_ORPHANS)
    assert most["fallbacks of a route"].endswith(f", {BURST} at once")
    assert most["sticky key"] == f"{MAX_KEY_CHARACTERS} characters"
    assert most["reason of a move"] == f"{MAX_REASON_LENGTH} characters"
    assert most["log lines that wait for their reader"] == f"{MAX_BATCHES} batches of {MAX_LINES}"
    assert (
        most["comparisons of one client that a gate counts"]
        == f"{CLIENT_COMPARISONS_PER_HOUR} per hour"
    )
    assert most["loading a folder in a new worker"] == f"{START_LIMIT_S:g} s"
    assert f"`Retry-After: {RETRY_AFTER[1]}`" in TEXT
    assert f"growing intervals, up to {MAX_DELAY_S:g} s" in TEXT


def test_the_grace_period_covers_the_drain() -> None:
    folder, deployment = (yaml.safe_load(block.text) for block in blocks(PAGE, "yaml"))
    drain = Drain(**folder["drain"])
    pod = deployment["spec"]["template"]["spec"]
    grace_s = pod["terminationGracePeriodSeconds"]
    mirrors_s = Shadow().drain_s + EVIDENCE_CLOSE_S
    assert grace_s >= drain.wait_s + drain.timeout_s + LEAVE_GRACE_S + mirrors_s
    text = TEXT.replace("\n", " ")
    assert f"`timeout` + {LEAVE_GRACE_S:g} s at least" in text
    assert f"with mirrors `shadow.drain` + {EVIDENCE_CLOSE_S:g} s more" in text
    assert f"not written yet has {EVIDENCE_CLOSE_S:g} s" in text
    (container,) = pod["containers"]
    ports = {each["containerPort"] for each in container["ports"]}
    settings = Settings.model_fields
    assert ports == {settings["listen"].default.port, settings["admin"].default.port}
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert folder["state"]["directory"] in mounted
    assert str(Path(folder["admin"]["token_file"]).parent) in mounted
