"""The documents say what is so: pages made from code are up to date, and their examples are run."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cli.composition import load_snapshot
from proxy.cli.service import Service
from proxy.config.sections import Admin, Listen
from proxy.example.files import folder
from proxy.example.legacy import LegacyHost
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer
from proxy.exchange.explanation import ExplainedCall, Inquiry, explain
from proxy.routing.snapshot import Snapshot
from tests.config.documentation import PAGE, render_documentation
from tests.document_examples import (
    PAGES,
    ROOT,
    Block,
    Example,
    blocks,
    is_as_shown,
    parse_example,
)

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
