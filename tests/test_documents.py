"""The documents say what is so: pages made from code are up to date, and their examples are run."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

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
from proxy.example.files import folder
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
    Block,
    Example,
    anchors,
    blocks,
    commands,
    is_as_shown,
    links,
    output_pattern,
    parse_example,
    table_rows,
)

README = ROOT / "README.md"
SEMANTICS = ROOT / "docs" / "semantics.md"
EXCHANGES = [(block, parse_example(block)) for page in PAGES for block in blocks(page, "exchange")]


def test_configuration_page_is_up_to_date() -> None:
    """`python -m tests.config.documentation` writes it."""
    assert PAGE.read_text(encoding="utf-8") == render_documentation()


@dataclass(frozen=True)
class Stand:
    """The example as `cutover demo` has it: two hosts and the proxy before them."""

    snapshot: Snapshot
    port: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand() -> AsyncIterator[Stand]:
    async with AsyncExitStack() as stack:
        store = seeded_store()
        legacy = await stack.enter_async_context(LegacyHost(store))
        server = await stack.enter_async_context(DnsServer(store))
        environ = {"LEGACY_URL": legacy.url, "DNS_TARGET": server.address}
        snapshot = await load_snapshot(folder("mappings"), environ)
        service = Service(
            snapshot,
            folder("mappings"),
            lambda _: None,
            listen=Listen(host="127.0.0.1", port=0),
            admin=Admin(host="127.0.0.1", port=0),
        )
        await stack.enter_async_context(service)
        yield Stand(snapshot, int(service.url.rpartition(":")[2]))


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: CIMultiDict[str]
    body: str

    @property
    def says(self) -> str:
        """The field and the message of an error."""
        error = json.loads(self.body)
        fields = [each["fieldViolations"][0]["field"] for each in error["details"]]
        return ": ".join([*fields, error["message"]])


async def send(port: int, example: Example) -> HttpAnswer:
    """Send a request on a connection of its own, as it is written."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{example.method} {example.target} HTTP/1.1", "Host: h", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in example.headers]
    if example.body:
        lines.append(f"Content-Length: {len(example.body.encode())}")
    writer.write("\r\n".join([*lines, "", example.body]).encode())
    raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    headers = CIMultiDict(tuple(field.split(": ", 1)) for field in fields)
    if headers.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    return HttpAnswer(int(first.split(" ")[1]), headers, body.decode())


def unchunked(body: bytes) -> bytes:
    size, _, rest = body.partition(b"\r\n")
    length = int(size, 16)
    return rest[:length] + unchunked(rest[length + 2 :]) if length else b""


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
        answer = await send(stand.port, example)
        assert answer.status == example.answer.status, answer.body
        for name, value in example.answer.headers:
            assert is_as_shown(value, answer.headers[name])
        if example.answer.says:
            assert answer.says == example.answer.says
        if example.answer.body:
            assert is_as_shown(example.answer.body, answer.body), answer.body


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


def own_api(base: Path) -> None:
    """Write the files of the README's own API below *base*."""
    for block in (*blocks(README, "proto"), *blocks(README, "yaml")):
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
    shown = [each for block in blocks(README, "console") for each in commands(block)]
    assert len(shown) == 3
    for command, output in shown:
        printed = run(command)
        assert output_pattern(output).fullmatch(printed), printed


def test_the_readers_own_api_is_mapped_in_ten_lines() -> None:
    first, _ = blocks(README, "yaml")
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
    assert sorted(rows) == sorted(main.commands)


def test_the_status_table_is_that_of_the_code() -> None:
    cells = [cell for row in table_rows(SEMANTICS, "Errors") if len(row) == 4 for cell in row]
    shown = {
        code: int(status) for code, status in zip(cells[::2], cells[1::2], strict=True) if code
    }
    assert shown == {f"{code.value} {code.name}": HTTP_STATUS[code] for code in Code}


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
