"""The documents say what is so: pages made from code are up to date, and their examples are run."""

import json
import re
import shlex
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import pytest_asyncio
from click.testing import CliRunner
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cli import main
from proxy.cli.composition import load_snapshot
from proxy.cli.service import Service
from proxy.config.options import Options
from proxy.config.sections import Admin, Limits, Listen
from proxy.config.units import parse_size
from proxy.config.upstreams import GrpcUpstream, LegacyUpstream
from proxy.cutover.decision import Reason
from proxy.cutover.fallback import FallbackReason
from proxy.example.legacy import LegacyHost
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer
from proxy.exchange.explanation import ExplainedCall, Inquiry, explain
from proxy.routing.snapshot import Snapshot
from proxy.server.pace import Pace
from proxy.status import HTTP_STATUS, Code
from proxy.transcoding.metadata import MAX_METADATA_BYTES
from proxy.transcoding.protojson.unknown import MOST_UNKNOWN
from proxy.transcoding.query import MAX_UNKNOWN_NAMES, SYSTEM_PARAMETERS
from tests.config.documentation import PAGE, render_documentation
from tests.document_examples import (
    PAGES,
    ROOT,
    SETTINGS,
    WALK,
    WALKS,
    Block,
    Example,
    anchors,
    blocks,
    commands,
    exchanges,
    links,
    output_pattern,
    parse_example,
    table_rows,
)
from tests.document_requests import check_answer, send
from tests.live.example import write_plain_mappings

README = ROOT / "README.md"
SEMANTICS = ROOT / "docs" / "semantics.md"
#: The word behind the language of a block that the README takes from the walk.
QUOTED = "walk"
#: Those of the walks are one story each, which `tests.test_document_walk` runs.
EXCHANGES = [
    (block, parse_example(block))
    for page in PAGES
    if page not in WALKS
    for settings, block in exchanges(page)
    if settings is None
]


def test_configuration_page_is_up_to_date() -> None:
    """`python -m tests.config.documentation` writes it."""
    assert PAGE.read_text(encoding="utf-8") == render_documentation()


@dataclass(frozen=True)
class Stand:
    """The example's two hosts, and the proxy before them over its mappings without shapes."""

    snapshot: Snapshot
    port: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    mappings = write_plain_mappings(tmp_path_factory.mktemp("mappings"))
    async with AsyncExitStack() as stack:
        store = seeded_store()
        legacy = await stack.enter_async_context(LegacyHost(store))
        server = await stack.enter_async_context(DnsServer(store))
        environ = {"LEGACY_URL": legacy.url, "DNS_TARGET": server.address}
        snapshot = await load_snapshot(mappings, environ)
        service = Service(
            snapshot,
            mappings,
            lambda _: None,
            listen=Listen(host="127.0.0.1", port=0),
            admin=Admin(host="127.0.0.1", port=0),
        )
        await stack.enter_async_context(service)
        yield Stand(snapshot, int(service.url.rpartition(":")[2]))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("block", "example"), EXCHANGES, ids=[str(each) for each, _ in EXCHANGES])
async def test_an_exchange_goes_as_it_is_shown(
    stand: Stand, block: Block, example: Example
) -> None:
    if example.message is not None:
        headers = CIMultiDictProxy(CIMultiDict(example.headers))
        inquiry = Inquiry(example.method, example.target, headers, example.body.encode())
        explanation = explain(stand.snapshot, inquiry)
        assert isinstance(explanation.outcome, ExplainedCall), explanation.outcome
        assert explanation.binding is not None
        assert explanation.binding.route.rpc == example.message.rpc
        assert json.loads(explanation.outcome.message or b"") == example.message.document
    if example.answer is not None:
        check_answer(example.answer, await send(stand.port, example))


def test_every_block_is_of_a_kind_that_is_tried() -> None:
    tried = {"console", "exchange", "proto", "sh", "yaml"}
    pictures = {"mermaid"}
    for page in PAGES:
        for block in blocks(page):
            assert block.language in tried | pictures, str(block)


def test_every_fence_is_closed() -> None:
    for page in PAGES:
        fences = [line for line in page.read_text().splitlines() if line.startswith("```")]
        assert len(fences) == 2 * len(list(blocks(page))), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def of_the_reader(language: str) -> list[Block]:
    """The README's blocks but for those of other stories: quoted from the walk, or settings."""
    return [block for block in blocks(README, language) if block.words not in (QUOTED, SETTINGS)]


def own_api(base: Path) -> None:
    """Write the files of the README's own API below *base*."""
    write_files(base, (*blocks(README, "proto"), *of_the_reader("yaml")))


def write_files(base: Path, files: Iterable[Block]) -> None:
    """Write the files that blocks show below *base*."""
    for block in files:
        assert block.words, f"{block} names no file"
        path = base / block.words
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)


def run(command: str) -> str:
    words = shlex.split(command)
    assert words[0] == "cutover"
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_readers_own_api_goes_as_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_api(tmp_path)
    (tmp_path / "mappings" / "rules.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    assert try_commands(of_the_reader("console")) == 3


def try_commands(shown: Iterable[Block]) -> int:
    """Run the commands of blocks, each of which prints what is shown; how many there are."""
    every = [each for block in shown for each in commands(block)]
    for command, output in every:
        printed = run(command)
        assert output_pattern(output).fullmatch(printed), printed
    return len(every)


def test_requests_are_validated_as_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "validation.md"
    write_files(tmp_path, (*blocks(page, "proto"), *blocks(page, "yaml")))
    monkeypatch.chdir(tmp_path)
    assert try_commands(blocks(page, "console")) == 1


def test_what_the_readme_quotes_is_in_the_walk_that_is_run() -> None:
    run_there = [each for block in blocks(WALK, "console") for each in commands(block)]
    for block in blocks(README):
        if block.words == QUOTED and block.language == "console":
            assert not [each for each in commands(block) if each not in run_there]
        elif block.words == QUOTED:
            assert block.text in WALK.read_text(encoding="utf-8")


def test_the_readers_own_api_is_mapped_in_ten_lines() -> None:
    first, _ = of_the_reader("yaml")
    assert len(first.text.splitlines()) == 10


def test_the_readers_own_rules_without_annotations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_api(tmp_path)
    config = tmp_path / "mappings" / "cutover.yaml"
    source = "- proto_path: ../proto\n"
    config.write_text(config.read_text().replace(source, f"{source}- service_config: rules.yaml\n"))
    monkeypatch.chdir(tmp_path)
    assert "binding   GET /api/orders/{id} " in run("cutover explain GET /api/orders/7")


def test_commands_of_the_checkout_are_those_of_the_script() -> None:
    tasks = set(re.findall(r"^(\w+)\)$", (ROOT / "run").read_text(), re.MULTILINE))
    found = set()
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.text.splitlines():
                words = line.partition("#")[0].split()
                assert words[0] in ("./run", "uv"), f"{block}: {line}"
                found |= {words[1]} if words[0] == "./run" else set()
    assert {"demo", "test"} <= found <= tasks


def test_every_command_is_in_the_readme() -> None:
    rows = [row[0].strip("`").split()[1] for row in table_rows(README, "Commands")]
    assert sorted(rows) == main.list_commands(click.Context(main))


def test_the_status_table_is_that_of_the_code() -> None:
    cells = [cell for row in table_rows(SEMANTICS, "Errors") if len(row) == 4 for cell in row]
    shown = {
        code: int(status) for code, status in zip(cells[::2], cells[1::2], strict=True) if code
    }
    assert shown == {f"{code.value} {code.name}": HTTP_STATUS[code] for code in Code}


def test_every_reason_for_a_side_and_for_a_fallback_is_told() -> None:
    rows = [row for row in table_rows(SEMANTICS, "Which side") if len(row) == 3]
    told = [set(re.findall(r"`(\w+)`", row[0])) for row in rows]
    known = set(Reason) - {Reason.FALLBACK, Reason.REFUSED} | set(FallbackReason)
    assert set().union(*told) == known
    # The first three come before everything that a route may say.
    assert told[:3] == [{Reason.KILL_SWITCH}, {Reason.UNMAPPED}, {Reason.OVERRIDE}]


def test_every_system_parameter_is_named() -> None:
    text = SEMANTICS.read_text(encoding="utf-8")
    (paragraph,) = (each for each in text.split("\n\n") if each.startswith("**System parameters**"))
    assert set(re.findall(r"`([^`]+)`", paragraph)) == SYSTEM_PARAMETERS


def test_the_headers_that_pass_by_default_are_named() -> None:
    defaults = Options()
    rows = table_rows(SEMANTICS, "Headers and metadata")
    requests, answers = rows[0][2], rows[2][2]
    assert re.findall(r"`([^`]+)`", requests) == ["request_headers", *defaults.request_headers]
    assert re.findall(r"`([^`]+)`", answers) == ["response_metadata", *defaults.response_metadata]


def test_limits_are_those_of_the_code() -> None:
    sections = (Limits(), Options(), GrpcUpstream(target="t", plaintext=True))
    legacy = LegacyUpstream(url="http://h")
    settings = {key: value for each in (*sections, legacy) for key, value in each}
    shown = [
        match.groups()
        for row in table_rows(SEMANTICS, "Limits")
        if (match := re.fullmatch(r"`(\w+)`, (.+)", row[1]))
    ]
    assert len(shown) == 11
    for key, default in shown:
        size = default.replace(" ", "")
        assert settings[key] == (int(size) if size.isdecimal() else parse_size(size)), key


def test_limits_without_a_setting_are_those_of_the_code() -> None:
    rows = {row[0]: row[1] for row in table_rows(SEMANTICS, "Limits")}
    pace = Pace()
    assert parse_size(rows["metadata of a call"].replace(" ", "")) == MAX_METADATA_BYTES
    names = f"{MOST_UNKNOWN} of the body and {MAX_UNKNOWN_NAMES} of the query"
    assert rows["unknown names that are logged"] == names
    earned = f"{pace.body_grace_s:g} s, and 1 s more for every {pace.body_bytes_per_s:g} bytes"
    assert rows["time for a body to transcode"].startswith(earned)
    assert rows["time in which a client reads nothing of its answer"] == f"{pace.stall_s:g} s"
