"""`cutover replay`: recorded answers against those of the example's gRPC server."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from proxy import __version__
from proxy.cli import main
from proxy.cli.composition import load_snapshot
from proxy.recordings.binding_rules import redaction_rules
from proxy.recordings.exchange import Recorded
from proxy.recordings.har import CLOSING, har_entry, opening
from proxy.recordings.json_lines import json_line
from proxy.recordings.redaction import redacted
from tests.live.example import environment, write_mappings
from tests.recordings.hosts import Hosts, hosts

ZONE = "/v4/zones/example.com"
PLAIN = "    plaintext: true\n"


@pytest.fixture(scope="module")
def stand() -> Iterator[Hosts]:
    with hosts() as both:
        yield both


@pytest.fixture(scope="module")
def mappings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mappings(tmp_path_factory.mktemp("mappings"))


def written(place: Path, *recorded: Recorded) -> Path:
    file = place / "recording.jsonl"
    file.write_bytes(b"".join(map(json_line, recorded)))
    return file


def replayed(stand: Hosts, mappings: Path, file: Path, *options: str) -> Result:
    environment = {"LEGACY_URL": stand.legacy_url, "DNS_TARGET": stand.dns_target}
    command = ["replay", str(file), "-c", str(mappings), *options]
    return CliRunner().invoke(main, command, env=environment)


def counts(result: Result) -> dict[str, int]:
    told: dict[str, int] = json.loads(result.stdout)["counts"]
    return {ending: count for ending, count in told.items() if count}


@pytest.fixture
def reads(stand: Hosts) -> list[Recorded]:
    targets = (ZONE, f"{ZONE}/records?page=1&per_page=5", "/v4/zones/no.example")
    return [stand.ask(target) for target in targets]


def test_answers_that_are_still_the_same_pass(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    result = replayed(stand, mappings, written(tmp_path, *reads), "--json")
    assert (result.exit_code, counts(result)) == (0, {"same": 3}), result.output


def test_another_answer_fails_and_is_told_by_its_path(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    answer = json.loads(reads[0].answer_body)
    answer["result"]["name"] = "other.example"
    changed = replace(reads[0], answer_body=json.dumps(answer).encode())
    result = replayed(stand, mappings, written(tmp_path, changed, reads[1]))
    assert result.exit_code == 1
    assert f"different  get-zone  1 GET {ZONE}\n" in result.stdout
    assert '  $.result.name  value: recorded string "other.example", gRPC string' in result.stdout


def test_a_recording_in_har_is_read_alike(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    file = tmp_path / "recording.har"
    entries = b",\n".join(json.dumps(har_entry(each)).encode() for each in reads)
    file.write_bytes(opening(__version__) + entries + CLOSING)
    result = replayed(stand, mappings, file, "--json")
    assert (result.exit_code, counts(result)) == (0, {"same": 3}), result.output


def hidden(stand: Hosts, mappings: Path, recorded: Recorded) -> Recorded:
    """The exchange as a recording of ours has it that keeps the name of the zone."""
    environ = environment(stand.legacy_url, stand.dns_target)
    snapshot = asyncio.run(load_snapshot(mappings, environ))
    binding = snapshot.table.find("GET", recorded.path).binding
    assert binding is not None
    return redacted(recorded, redaction_rules(binding, ("request:/zone",)))


def test_redacted_answers_are_compared_by_their_forms(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    same = hidden(stand, mappings, reads[0])
    assert b"example.com" not in same.answer_body
    answer = json.loads(reads[0].answer_body)
    other = replace(reads[0], answer_body=json.dumps(answer | {"result": "gone"}).encode())
    file = written(tmp_path, same, hidden(stand, mappings, other))
    result = replayed(stand, mappings, file, "--json")
    assert (result.exit_code, counts(result)) == (1, {"same": 1, "different": 1}), result.output
    [found] = json.loads(result.stdout)["exchanges"][1]["differences"]
    assert (found["path"], found["kind"]) == ("$.result", "type")


def test_what_would_write_is_translated_and_not_sent(
    stand: Hosts, mappings: Path, tmp_path: Path
) -> None:
    create = Recorded("POST", f"{ZONE}/records", (), b"{}", 201, (), b"{}")
    for options in ((), ("--writes",)):
        result = replayed(stand, mappings, written(tmp_path, create), *options, "--json")
        assert (result.exit_code, counts(result)) == (2, {"skipped": 1}), result.output
    assert "no shadow_sink" in json.loads(result.stdout)["exchanges"][0]["reason"]


def test_writes_are_sent_where_both_say_so(stand: Hosts, mappings: Path, tmp_path: Path) -> None:
    text = (mappings / "cutover.yaml").read_text()
    sink = tmp_path / "mappings"
    sink.mkdir()
    for each in mappings.iterdir():
        (sink / each.name).write_bytes(each.read_bytes())
    marked = text.replace(
        "    plaintext: true\n", "    plaintext: true\n    shadow_sink: true\n", 1
    )
    assert marked != text
    (sink / "cutover.yaml").write_text(marked)
    missing = stand.ask(f"{ZONE}/records/nobody-9", "DELETE")
    result = replayed(stand, sink, written(tmp_path, missing), "--writes", "--json")
    assert (result.exit_code, counts(result)) == (0, {"same": 1}), result.output


def test_a_server_that_does_not_answer_proves_nothing(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    slow = tmp_path / "mappings"
    slow.mkdir()
    for each in mappings.iterdir():
        (slow / each.name).write_bytes(each.read_bytes())
    text = (slow / "cutover.yaml").read_text()
    (slow / "cutover.yaml").write_text(text.replace("  timeout: 15s\n", "  timeout: 200ms\n"))
    nowhere = replace(stand, dns_target="127.0.0.1:9")
    result = replayed(nowhere, slow, written(tmp_path, reads[0]))
    assert result.exit_code == 2
    assert "the server's answer cannot be had" in result.stdout


def test_a_request_that_the_proxy_refuses_is_compared_by_its_refusal(
    stand: Hosts, mappings: Path, tmp_path: Path
) -> None:
    refused = stand.ask(f"{ZONE}/records?page=many")
    result = replayed(stand, mappings, written(tmp_path, refused), "--json")
    assert (result.exit_code, counts(result)) == (0, {"same": 1}), result.output


def test_a_header_of_the_command_takes_the_place_of_the_recorded_one(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    late = replace(reads[0], request_headers=(("Grpc-Timeout", "never"),))
    file = written(tmp_path, late)
    assert replayed(stand, mappings, file).exit_code == 1
    assert replayed(stand, mappings, file, "-H", "grpc-timeout: 5S").exit_code == 0


def test_translation_alone_needs_no_server(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    nowhere = replace(stand, dns_target="127.0.0.1:9")
    file = written(tmp_path, *reads)
    result = replayed(nowhere, mappings, file, "--translate-only", "--json")
    assert (result.exit_code, counts(result)) == (0, {"same": 3}), result.output


def test_a_request_that_makes_no_message_any_more_fails_without_a_call(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    bad = replace(reads[1], target=f"{ZONE}/records?page=many")
    result = replayed(stand, mappings, written(tmp_path, bad), "--translate-only", "--json")
    assert (result.exit_code, counts(result)) == (1, {"different": 1}), result.output


def test_what_nothing_is_mapped_to_proves_nothing(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    other = replace(reads[0], target="/v9/other")
    result = replayed(stand, mappings, written(tmp_path, other))
    assert result.exit_code == 2
    assert "skipped: no route takes this request\n" in result.stdout
    both = written(tmp_path, other, reads[0])
    assert replayed(stand, mappings, both).exit_code == 0
    assert replayed(stand, mappings, both, "--fail-on-skipped").exit_code == 2


def test_one_route_or_side_can_be_replayed_alone(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    marked = [replace(reads[0], side="legacy"), *reads[1:]]
    file = written(tmp_path, *marked)
    for options in (("--route", "get-zone", "--limit", "1"), ("--side", "legacy")):
        result = replayed(stand, mappings, file, *options, "--json")
        assert (result.exit_code, counts(result)) == (0, {"same": 1}), result.output


def test_a_pipeline_gets_a_case_for_each_exchange(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    wrong = replace(reads[0], http_status=500, answer_body=b"\0 \x1b[2J")
    junit = tmp_path / "junit.xml"
    file = written(tmp_path, *reads, wrong, replace(reads[0], target="/v9/other"))
    assert replayed(stand, mappings, file, "--junit", str(junit)).exit_code == 1
    root = ElementTree.parse(junit).getroot()  # noqa: S314 - we wrote it
    assert root.tag == "testsuites"
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    suites = {suite.get("name"): suite for suite in root}
    assert [*suites] == ["(no route)", "get-zone", "list-records"]
    failed = suites["get-zone"].find("testcase/failure")
    assert failed is not None
    assert failed.get("message") == "differs at status"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no JSON", "is neither HAR nor lines of JSON"),
        ('{"log": {}}', "has no log.entries"),
        ('{"a": 1}', "line 1 has no request and answer"),
    ],
    ids=["text", "har", "line"],
)
def test_what_is_no_recording_is_wrong_use(
    stand: Hosts, mappings: Path, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "recording"
    file.write_text(text)
    result = replayed(stand, mappings, file)
    assert result.exit_code == 3
    assert told in result.output


def test_options_that_would_do_nothing_are_wrong_use(
    stand: Hosts, mappings: Path, tmp_path: Path, reads: list[Recorded]
) -> None:
    file = written(tmp_path, *reads)
    for options in (("--translate-only", "--writes"), ("--route", "other"), ("-H", "nothing")):
        assert replayed(stand, mappings, file, *options).exit_code == 3
