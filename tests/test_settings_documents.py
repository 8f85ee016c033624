"""The documents say what settings do: examples are run with the settings above them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cli.composition import load_snapshot
from proxy.cli.service import Service
from proxy.config.answer_dialect import AnswerDialect
from proxy.config.base import Section
from proxy.config.dialects import DIALECTS
from proxy.config.error_dialect import ErrorDialect
from proxy.config.options import Options
from proxy.config.request_dialect import RequestDialect
from proxy.config.sections import Admin, Listen
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer
from proxy.exchange.explanation import ExplainedCall, Inquiry, explain
from tests.document_examples import (
    PAGES,
    ROOT,
    SETTINGS,
    WALKS,
    Block,
    Example,
    blocks,
    exchanges,
    parse_example,
    table_rows,
)
from tests.document_requests import check_answer, send
from tests.live.example import LOOPBACK, descriptors

#: What stands around the settings: the example's gRPC server, and no host beside it.
CONFIG = """\
version: 1
descriptors: [{descriptor_set: dns.binpb}]
upstreams: {dns: {target: "%s", plaintext: true, services: ["dns.v1.*"]}}
"""
#: Settings of dialects that `docs/errors.md` is about.
ERRORS_KEYS = frozenset(ErrorDialect.__annotations__)
DIALECT_PAGE = ROOT / "docs" / "dialects.md"
SETTLED = [
    (settings, parse_example(block), str(block))
    for page in PAGES
    if page not in WALKS
    for settings, block in exchanges(page)
    if settings is not None
]
UNUSED = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.words == SETTINGS and block not in [settings for settings, _ in exchanges(page)]
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target() -> AsyncIterator[str]:
    async with DnsServer(seeded_store()) as server:
        yield server.address


@asynccontextmanager
async def served(place: Path, target: str, settings: Block) -> AsyncIterator[Service]:
    (place / "dns.binpb").write_bytes(descriptors())
    (place / "cutover.yaml").write_text(CONFIG % target + settings.text)
    service = Service(
        await load_snapshot(place, {}),
        place,
        lambda _: None,
        listen=Listen(host=LOOPBACK, port=0),
        admin=Admin(host=LOOPBACK, port=0),
    )
    async with service:
        yield service


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("settings", "example"),
    [(settings, example) for settings, example, _ in SETTLED],
    ids=[name for _, _, name in SETTLED],
)
async def test_an_exchange_goes_as_it_is_shown(
    tmp_path: Path, target: str, settings: Block, example: Example
) -> None:
    async with served(tmp_path, target, settings) as service:
        if example.message is not None:
            headers = CIMultiDictProxy(CIMultiDict(example.headers))
            inquiry = Inquiry(example.method, example.target, headers, example.body.encode())
            explanation = explain(await load_snapshot(tmp_path, {}), inquiry)
            assert isinstance(explanation.outcome, ExplainedCall), explanation.outcome
            assert explanation.binding is not None
            assert explanation.binding.route.rpc == example.message.rpc
            assert json.loads(explanation.outcome.message or b"") == example.message.document
        if example.answer is not None:
            port = int(service.url.rpartition(":")[2])
            check_answer(example.answer, await send(port, example))


def test_all_settings_are_for_some_exchange() -> None:
    assert not [str(block) for block in UNUSED]


@pytest.mark.parametrize(
    ("heading", "section"), [("Requests", RequestDialect), ("Answers", AnswerDialect)]
)
def test_the_tables_are_those_of_the_code(heading: str, section: type[Section]) -> None:
    shown = {
        row[0].strip("`"): row[1:] for row in table_rows(DIALECT_PAGE, heading) if len(row) == 6
    }
    assert shown.keys() >= section.__annotations__.keys()
    for key, cells in shown.items():
        built_in = yaml_text(Options.model_fields[key].default)
        peers = {name: each[key] for name, each in DIALECTS.items() if key in each}
        expected = {name: yaml_text(value) for name, value in peers.items()}
        assert cells[0] == f"`{built_in}`", key
        said = dict(zip(DIALECTS, cells, strict=True)).items()
        assert {name: cell.strip("`") for name, cell in said if cell} == {
            **expected,
            "spec": built_in,
        }, key


def yaml_text(value: object) -> str:
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_setting_of_a_dialect_is_in_a_table() -> None:
    """Those of errors have a page of their own."""
    shown = {row[0].strip("`") for row in all_rows() if len(row) == 6}
    assert {key for each in DIALECTS.values() for key in each} - ERRORS_KEYS <= shown


def all_rows() -> list[list[str]]:
    return [*table_rows(DIALECT_PAGE, "Requests"), *table_rows(DIALECT_PAGE, "Answers")]


def test_every_setting_of_requests_is_in_an_example() -> None:
    """But for the one for whose type the example's API has no field."""
    given = {
        key
        for settings, _, _ in SETTLED
        for key in yaml.safe_load(settings.text).get("defaults") or {}
    }
    assert RequestDialect.__annotations__.keys() - given == {"value_texts"}
