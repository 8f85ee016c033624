"""The commands about evidence: what they show, and by which code a pipeline knows their answer."""

import asyncio
import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from proxy.cli.examples import _lines
from proxy.cli.judging import worst_exit
from proxy.comparison.kinds import Kind
from proxy.cutover.opinion import Opinion
from proxy.evidence import Batch
from proxy.gate.evidence import Control, Epoch, Observation, Verdict
from tests.admin.stand import COUNTED, FORBIDDEN
from tests.cli.operating import Shell, invoke, write_operated
from tests.exchange.test_gatekeeping import FAILS, PASSES, TOO_EARLY, FakeGate
from tests.live.wire import PATIENCE_S

WHY = ("--reason", "a test", "--who", "ann")
JUDGING = ("report", "gate list-items", "examples", "suggest-rules list-items", "coverage")


async def process(*arguments: str) -> tuple[int, str, str]:
    """A command as a process of its own: its exit code, stdout and stderr."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            output, errors = await started.communicate()
    finally:
        if started.returncode is None:
            started.kill()
            await started.communicate()
    assert started.returncode is not None
    return started.returncode, output.decode(), errors.decode()


async def test_stored_differences_speak_for_settings_of_a_shape(shell: Shell):
    int64 = replace(FORBIDDEN, kind=Kind.INT64_STRING, legacy=FORBIDDEN.grpc)
    shell.stand.compared(3, Verdict.MISMATCH, findings=(int64,))
    told = (await shell.run("shape", "suggest", "list-items")).stdout
    assert told.startswith("# 4 of 4 stored differences would vanish; not tried, see --pairs\n")
    assert told.endswith("- rpc: edge.v1.Items.List\n  shape:\n    forms:\n      int64: number\n")
    as_json = await shell.run("shape", "suggest", "list-items", "--json")
    assert json.loads(as_json.stdout)["settings"] == {"forms": {"int64": "number"}}


# --- exit codes, of real processes


@pytest.mark.parametrize("command", ["report", "gate"])
async def test_a_verdict_is_the_exit_code(shell: Shell, command: str):
    judged = (command, "list-items", "-c", str(shell.folder))
    code, output, _ = await process(*judged)
    assert (code, "inconclusive" in output) == (2, True), "never a pass on no data"
    shell.stand.compared(300)
    code, output, _ = await process(*judged)
    assert (code, "pass" in output) == (0, True)
    shell.stand.compared(3, Verdict.MISMATCH, findings=(FORBIDDEN,))
    code, output, _ = await process(*judged)
    assert (code, "forbid type" in output) == (1, True)


@pytest.mark.parametrize("command", [*JUDGING, "reset-evidence list-items --reason r"])
async def test_wrong_use_is_never_the_code_of_a_verdict(shell: Shell, command: str):
    """2 is what a pipeline takes for "wait", and 1 for "do not"."""
    given = ("-c", str(shell.folder))
    code, output, errors = await process(*command.split(), "--no-such-option", *given)
    assert (code, output) == (3, "")
    assert "No such option" in errors


async def test_nobody_at_the_port_is_never_the_code_of_a_verdict(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    folder = write_operated(tmp_path / "mappings", str(port))
    for command in JUDGING:
        result = invoke([*command.split(), "-c", str(folder)])
        assert (result.exit_code, result.stdout) == (3, ""), command
        assert "no answer from the admin port" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gate", "gone"), "there is no route 'gone'"),
        (("report", "list-items", "gone"), "there is no route 'gone'"),
        (("report", "a/b"), "there is no route 'a/b'"),
        (("suggest-rules", ".."), "there is no route '..'"),
        (("examples", "gone"), "there is no route 'gone'"),
        (("examples", "--id", "ex_0"), "there is no such example"),
        (("examples", "--id", "../coverage"), "an id is ex_ and hexadecimal digits"),
        (("examples", "list-items", "--id", "ex_0"), "takes neither ROUTE"),
        (("examples", "--kind", "typo"), "is not one of"),
        (("examples", "--limit", "0"), "is not in the range"),
        (("gate",), "Missing argument 'ROUTE'"),
        (("gate", "get-item"), "get-item has no gate"),
        (("report", "--format", "pdf"), "is not one of"),
        (("report", "-o", "/no/such/folder/report.html", "--format", "html"), "No such file"),
        (("report", "--token-file", "/no/such/token"), "cannot read /no/such/token"),
        (("reset-evidence", "list-items"), "Missing option '--reason'"),
        (("reset-evidence", "list-items", "--reason", " "), "needs a reason"),
        (("reset-evidence", "gone", "--reason", "r"), "there is no route 'gone'"),
    ],
)
async def test_what_cannot_be_told_is_3_with_its_words(
    shell: Shell, arguments: tuple[str, ...], told: str
):
    result = await shell.run(*arguments, code=3)
    assert told in result.stderr
    assert result.stdout == ""


async def test_a_folder_with_problems_is_3(shell: Shell):
    (shell.folder / "cutover.yaml").write_text("version: 2\n")
    result = await shell.run("gate", "list-items", code=3)
    assert "cutover.yaml" in result.stderr


async def test_help_is_0(shell: Shell):
    for command in JUDGING:
        result = invoke([command.split()[0], "--help"])
        told = " ".join(result.stdout.split())
        assert (result.exit_code, "Exits with" in told) == (0, True)


def test_the_worst_of_several_verdicts_counts_and_a_route_without_a_gate_does_not():
    assert worst_exit(["pass", "pass", None]) == 0
    assert worst_exit(["pass", "inconclusive", None]) == 2
    assert worst_exit(["inconclusive", "fail", "pass"]) == 1
    assert worst_exit([None]) == worst_exit([]) == 2


# --- reports


async def test_a_report_without_names_is_of_all_routes_that_mirror(shell: Shell):
    shell.stand.compared(300)
    told = json.loads((await shell.run("report", "--format", "json")).stdout)
    assert [each["route"] for each in told["reports"]] == ["list-items"]
    named = await shell.run("report", "list-items", "get-item", "--format", "json")
    assert [each["route"] for each in json.loads(named.stdout)["reports"]] == [
        "list-items",
        "get-item",
    ]


async def test_a_pipe_gets_a_report_without_escapes(shell: Shell):
    shell.stand.compared(20, Verdict.MISMATCH, findings=(FORBIDDEN, COUNTED))
    output = (await shell.run("report", code=1)).stdout
    assert "\x1b" not in output
    for word in ("list-items", "fail", "$[*].id", "$[*].made", "type", "value"):
        assert word in output


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
async def test_a_report_is_written_into_a_file_as_onto_the_terminal(
    shell: Shell, tmp_path: Path, form: str
):
    shell.stand.compared(300)
    shown = (await shell.run("report", "--format", form)).stdout
    file = tmp_path / "report"
    result = await shell.run("report", "--format", form, "-o", str(file))
    assert result.stdout == ""
    written = file.read_text(encoding="utf-8")
    # But for the second at which it was made.
    assert len(written) == len(shown)
    assert "list-items" in written
    assert "\x1b" not in written


async def test_nothing_to_report_is_said(shell: Shell):
    operations = shell.stand.operations
    whole = operations.snapshot
    unmirrored = tuple(each for each in whole.routes if each.mirror is None)
    operations.snapshot = replace(whole, routes=unmirrored)
    result = await shell.run("report", code=2)
    assert result.stdout == "no route has a mirror or a gate\n"


# --- the gate


async def test_a_gate_says_what_is_missing_and_how_much(shell: Shell):
    shell.stand.compared(20)
    output = (await shell.run("gate", "list-items", code=2)).stdout
    head, *reasons = output.splitlines()
    assert head == "list-items: inconclusive"
    assert "max_mismatch 5 %" in reasons[0]
    assert "needs about" in output
    assert "comparisons differ: at most" not in output, "the reason says it"
    assert "at this rate there is enough by 20" in output
    shell.stand.compared(300, findings=(FORBIDDEN,), verdict=Verdict.TRANSIENT)
    shell.stand.compared(300)
    assert (
        "0 of 322 comparisons differ: at most"
        in (await shell.run("gate", "list-items", code=1)).stdout
    ), "a failure for another reason tells the bound beside it"


async def test_a_gate_is_told_to_programs_with_all_that_it_goes_by(shell: Shell):
    shell.stand.compared(20)
    told = json.loads((await shell.run("gate", "list-items", "--json", code=2)).stdout)
    assert (told["verdict"], told["bound"]["compared"]) == ("inconclusive", 21)


# --- examples


async def test_an_example_shows_a_value_only_where_it_was_kept(shell: Shell):
    shell.stand.compared(3, Verdict.MISMATCH, findings=(FORBIDDEN, COUNTED))
    output = (await shell.run("examples", "list-items")).stdout
    assert "$[*].id  type (2 times)" in output
    assert 'legacy  string "7"' in output
    assert "grpc    number 7" in output
    assert "legacy  string, length 20, hash ab" in output
    assert "grpc    absent" in output


async def test_examples_are_chosen_by_route_path_kind_and_id(shell: Shell):
    shell.stand.compared(30, Verdict.MISMATCH, findings=(FORBIDDEN, COUNTED))
    asked = ("examples", "--path", "$[*].id", "--kind", "type", "--limit", "2", "--json")
    found = json.loads((await shell.run(*asked)).stdout)["examples"]
    assert len(found) == 2
    one = json.loads((await shell.run("examples", "--id", found[0]["id"], "--json")).stdout)
    assert one["examples"] == found[:1]
    none = await shell.run("examples", "list-items", "--kind", "header")
    assert none.stdout == "no examples\n"


def test_what_came_over_the_wire_moves_no_cursor():
    example = {
        "id": "ex_1",
        "route": "r",
        "at": "",
        "about": {"path": "\x1b[2J"},
        "findings": [
            {
                "path": "$.a",
                "kind": "value",
                "times": 1,
                "legacy": {"type": "string", "length": 1, "text": "\x1b]0;x\x07", "hashed": ""},
                "grpc": {"type": "string", "length": 0, "text": None, "hashed": ""},
            }
        ],
    }
    shown = "".join(line for line in _lines(example) if "ex_1" not in line)
    assert "\x1b" not in shown
    assert "\\u001b[2J" in shown


# --- suggestions and coverage


async def test_suggestions_can_be_copied_into_a_configuration(shell: Shell):
    nothing = (await shell.run("suggest-rules", "list-items")).stdout
    assert yaml.safe_load(nothing) is None
    stand = shell.stand
    (route,) = (each for each in stand.operations.snapshot.routes if each.name == "list-items")
    epoch = Epoch(route.name, route.evidence_digest)
    control = Control(frozenset(), frozenset({"$[*].made"}))
    now_s = stand.control.state.clock()
    observed = (
        Observation(
            epoch, now_s, b"the-user", b"the-form", Verdict.NOISE, (COUNTED,), control=control
        )
        for _ in range(20)
    )
    stand.evidence.write(Batch(tuple(observed), {}, now_s))
    proposed = (await shell.run("suggest-rules", "list-items")).stdout
    (rule,) = yaml.safe_load(proposed)["compare"]["rules"]
    assert (rule["path"], rule["reason"]) == ("$[*].made", "")
    told = json.loads((await shell.run("suggest-rules", "list-items", "--json")).stdout)
    assert [each["path"] for each in told["suggestions"]] == ["$[*].made"]


async def test_coverage_names_the_routes_that_were_never_compared_and_why(shell: Shell):
    before = (await shell.run("coverage")).stdout
    assert "no answers were compared yet" in before
    shell.stand.compared(3)
    output = (await shell.run("coverage")).stdout
    seen, never = output.split("never compared")
    assert "list-items" in seen.splitlines()[1]
    assert any(line.split()[-2:] == ["no", "mirror"] for line in never.splitlines())
    told = json.loads((await shell.run("coverage", "--json")).stdout)
    assert [row["route"] for row in told["routes"]] == ["list-items"]


# --- reset


async def test_a_reset_tells_what_was_forgotten(shell: Shell):
    shell.stand.compared(9)
    result = await shell.run("reset-evidence", "list-items", *WHY)
    assert result.stdout.startswith("list-items: 10 compared, 0 mismatches -> nothing compared")
    assert (await shell.run("gate", "list-items", code=2)).stdout.count("nothing compared yet")
    told = json.loads((await shell.run("reset-evidence", "list-items", "--json", *WHY)).stdout)
    assert told["change"] == "list-items: 0 compared, 0 mismatches -> nothing compared"


# --- promotions


@pytest.mark.parametrize(("opinion", "code"), [(FAILS, 1), (TOO_EARLY, 2)])
async def test_a_promotion_that_a_gate_refuses_exits_by_its_verdict(
    shell: Shell, opinion: Opinion, code: int
):
    shell.stand.control.gate = FakeGate(opinion)
    result = await shell.run("promote", "delete-item", *WHY, code=code)
    reasons = "".join(f"  {reason}\n" for reason in opinion.because)
    said = f"the gate of delete-item does not pass: {opinion.verdict}\n"
    assert result.stderr == said + reasons
    assert (result.stdout, shell.stand.control.overrides.revision) == ("", 0)


async def test_a_forced_promotion_is_made_noted_and_shown_in_the_audit(shell: Shell):
    shell.stand.control.gate = FakeGate(FAILS)
    result = await shell.run("promote", "delete-item", "--force", *WHY)
    assert result.stdout.startswith("delete-item: canary 1 % -> canary 5 %")
    assert "note: the gate does not pass: forced, fail: forbid type" in result.stderr
    (_, line) = (await shell.run("audit")).stdout.splitlines()
    assert "a test (gate: forced, fail: forbid type: $.id, 3 times)" in line


async def test_the_gate_of_a_route_stands_in_the_table_of_the_status(shell: Shell):
    assert "gate" not in (await shell.run("status")).stdout.split()
    shell.stand.control.gate = FakeGate(PASSES)
    shown = (await shell.run("status")).stdout
    assert "pass 0/5,000" in shown
    assert "held by its gate" not in shown
    shell.stand.control.gate = FakeGate(TOO_EARLY)
    shown = (await shell.run("status")).stdout
    assert "inconclusive" in shown
    assert "held by its gate: min_keys 200, have 3" in shown
