"""Through the proxy gRPC says what the old host says: status, headers and body of every answer.

Each request goes to the old host, and to a proxy over the shipped mappings that must ask gRPC; both
have a store of their own and see the same requests, so that changes meet earlier changes too.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.example.legacy import LegacyHost
from proxy.example.seed import seeded_store
from tests.example.conftest import RestAnswer, RestClient
from tests.live.example import Running, running
from tests.waiting import until

SECRET = "a-secret-of-sixteen-or-more"
ZONE = "/v4/zones/example.com"
RECORDS = f"{ZONE}/records"
WWW = f"{RECORDS}/www-1"
NEW = {"name": "new", "type": "A", "ipv4": "192.0.2.7", "ttl": 60, "tags": {"a": "b"}}
MX = {"name": "new", "type": "MX", "mx_priority": 5, "mx_exchange": "m.example."}
SRV = {
    "name": "_x._udp",
    "type": "SRV",
    "srv_priority": 1,
    "srv_weight": 2,
    "srv_port": 3,
    "srv_target": "a.",
}

#: What clients read of the head of an answer.
HEADERS = ("content-type", "location", "x-zone-serial")


@dataclass(frozen=True)
class Sides:
    """The old host, and gRPC behind the proxy."""

    legacy: RestClient
    proxy: RestClient
    example: Running

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[RestAnswer, RestAnswer]:
        if body is not None:
            headers = {"content_type": "application/json", **headers}
        old = await self.legacy.send(method, path, body, **headers)
        override = {"x-cutover-override": f"grpc {SECRET}"}
        new = await self.proxy.send(method, path, body, **headers, **override)
        return old, new

    async def agree(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> RestAnswer:
        """Fail unless both sides say the same; the old host's answer."""
        old, new = await self.ask(method, path, body, **headers)
        assert seen(new) == seen(old), (method, path, body)
        assert new.headers["x-cutover-side"] in ("grpc", "proxy")
        return old


def seen(answer: RestAnswer) -> tuple[int, dict[str, str | None], Any]:
    """All that a client sees: equal bytes of JSON, but for the order of keys and white space."""
    headers = {name: answer.headers.get(name) for name in HEADERS}
    kind = answer.headers.get("content-type", "")
    body: Any = answer.body
    if kind.startswith("application/json") and answer.body:
        body = canonical(answer.body)
    elif kind.startswith(("application/x-ndjson", "text/event-stream")):
        body = [_canonical_line(line) for line in answer.body.splitlines()]
    return answer.status, headers, body


def _canonical_line(line: bytes) -> bytes | str:
    """A line of NDJSON or of an event, of which some have no JSON."""
    _, mark, data = line.rpartition(b"data: ")
    return mark.decode() + canonical(data) if data.startswith(b"{") else line


def canonical(text: bytes) -> str:
    """JSON with sorted keys: 1, 1.0 and true are three things."""
    return json.dumps(json.loads(text), sort_keys=True)


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[Sides]:
    (tmp_path / "override.secret").write_text(SECRET)
    override = "{secret_file: override.secret}"
    async with (
        LegacyHost(seeded_store()) as host,
        running(tmp_path, override=override) as example,
        aiohttp.ClientSession() as session,
    ):
        yield Sides(RestClient(session, host.url), RestClient(session, example.url), example)


#: Method, URL and body of each request, in the order in which they are sent.
ASKED: list[tuple[str, str, object]] = [
    ("GET", ZONE, None),
    ("GET", "/v4/zones/fresh.example", None),
    ("GET", "/v4/zones/large.example", None),
    ("GET", "/v4/zones/secondary.example", None),
    ("GET", "/v4/zones/none", None),
    ("GET", f"{ZONE}/nameservers", None),
    ("GET", "/v4/zones/none/nameservers", None),
    ("GET", RECORDS, None),
    ("GET", "/v4/zones/fresh.example/records", None),
    ("GET", f"{RECORDS}?per_page=1000", None),
    ("GET", f"{RECORDS}?per_page=5000", None),
    ("GET", f"{RECORDS}?per_page=7&page=3", None),
    ("GET", f"{RECORDS}?per_page=7&page=11", None),
    ("GET", f"{RECORDS}?per_page=7&page=12", None),
    ("GET", f"{RECORDS}?type=MX,CAA", None),
    ("GET", f"{RECORDS}?type=MX&type=CAA", None),
    ("GET", f"{RECORDS}?tags[env]=prod", None),
    ("GET", f"{RECORDS}?tags[env]=prod&type=A&per_page=1&page=2", None),
    ("GET", f"{RECORDS}?name=blog", None),
    ("GET", f"{RECORDS}?modified_since=2026-05-17%2006:00:13.000000", None),
    ("GET", f"{RECORDS}?nothing=1", None),
    ("GET", f"{RECORDS}?per_page=-1", None),
    ("GET", f"{RECORDS}?page=0", None),
    ("GET", f"{RECORDS}?page=many", None),
    ("GET", f"{RECORDS}?type=NOPE", None),
    ("GET", f"{RECORDS}?modified_since=soon", None),
    ("GET", WWW, None),
    ("GET", f"{RECORDS}/1009", None),
    ("GET", f"{RECORDS}/sip", None),
    ("GET", f"{RECORDS}/apex-mx2", None),
    ("GET", f"{RECORDS}/apex-txt", None),
    ("GET", f"{RECORDS}/apex-caa", None),
    ("GET", f"{RECORDS}/www-2", None),
    ("GET", f"{RECORDS}/none", None),
    ("GET", f"{RECORDS}/7", None),
    ("POST", f"{RECORDS}?label=new", NEW),
    ("POST", RECORDS, NEW),
    ("POST", RECORDS, MX),
    ("POST", RECORDS, SRV),
    ("POST", RECORDS, {"name": "new", "type": "TXT", "txt": ["a", ""]}),
    ("POST", RECORDS, {"name": "new", "type": "CAA", "rdata": "0001"}),
    ("POST", RECORDS, {"name": "new6", "type": "AAAA", "ipv6": "::7", "weight": 0, "comment": ""}),
    ("POST", RECORDS, {"name": "mx0", "type": "MX", "mx_priority": 0, "mx_exchange": "a."}),
    ("POST", RECORDS, {**NEW, "name": "more", "unknown": {"a": [1]}, "comment": None}),
    ("POST", RECORDS, {"name": "new", "type": "A"}),
    ("POST", RECORDS, {}),
    ("POST", RECORDS, {"name": "", "ttl": -1, "type": "SRV", "srv_port": 70_000}),
    ("POST", RECORDS, {"name": 1}),
    ("POST", RECORDS, {**NEW, "ttl": "soon"}),
    ("POST", RECORDS, {**NEW, "type": "NOPE"}),
    ("POST", RECORDS, {**MX, "mx_priority": "first"}),
    ("POST", RECORDS, {"name": "x", "type": "TXT", "txt": [1]}),
    ("POST", RECORDS, {"name": "x", "type": "CAA", "rdata": "?"}),
    ("POST", RECORDS, {**NEW, "tags": {"a": 1}}),
    ("POST", RECORDS, {**NEW, "ipv6": "::"}),
    ("POST", RECORDS, b"{"),
    ("POST", RECORDS, b"[]"),
    ("POST", f"{RECORDS}?label=NEW", NEW),
    ("POST", f"{RECORDS}?label=17", NEW),
    ("POST", f"{RECORDS}?label=blog", NEW),
    ("POST", RECORDS, {"name": "www", "type": "CNAME", "target": "a."}),
    ("POST", RECORDS, {"name": "blog", "type": "CNAME", "target": "www.example.com."}),
    ("POST", "/v4/zones/secondary.example/records", NEW),
    ("POST", "/v4/zones/none/records", NEW),
    ("PUT", WWW, NEW),
    ("PUT", WWW, {**MX, "name": "other"}),
    ("PUT", WWW, {**NEW, "weight": 2, "ttl": 1.5}),
    ("PUT", f"{RECORDS}/none", NEW),
    ("PATCH", WWW, {"ttl": 5}),
    ("PATCH", WWW, {"comment": "c"}),
    ("PATCH", WWW, {"comment": None}),
    ("PATCH", WWW, {"tags": {"x": "y"}}),
    ("PATCH", WWW, {"tags": {}}),
    ("PATCH", WWW, {}),
    ("PATCH", WWW, {"mx_priority": 7}),
    ("PATCH", WWW, {"mx_priority": 0, "ttl": None}),
    ("PATCH", WWW, {"ipv4": "192.0.2.4"}),
    ("PATCH", WWW, {"type": "A", "ipv4": "192.0.2.4"}),
    ("PATCH", WWW, {"ipv4": None}),
    ("PATCH", WWW, {"type": "AAAA"}),
    ("PATCH", f"{RECORDS}/apex-mx1", {"mx_exchange": "mx.example."}),
    ("POST", f"{RECORDS}/apex-mx1:verify", {}),
    ("POST", f"{RECORDS}/apex-mx1:verify", {"name_servers": ["ns2.example.net."]}),
    ("POST", f"{WWW}:verify", {}),
    ("POST", f"{RECORDS}/1009:verify", {}),
    ("POST", f"{WWW}:verify", {"name_servers": ["x"]}),
    ("POST", f"{WWW}:verify", {"name_servers": "x"}),
    ("POST", f"{RECORDS}/none:verify", {}),
    ("DELETE", f"{RECORDS}/apex-ns1", None),
    ("DELETE", f"{RECORDS}/apex-ns2", None),
    ("DELETE", WWW, None),
    ("DELETE", WWW, None),
    ("POST", "/v4/zones/example.com/statistics:send", {"to": "ada@example.com"}),
    ("POST", "/v4/zones/example.com/statistics:send", {"to": "ada"}),
    ("POST", "/v4/zones/none/statistics:send", {"to": "ada@example.com"}),
    ("GET", "/v4/zones/none/statistics", None),
    ("GET", "/v4/zones/none/statistics/hosts", None),
    ("GET", "/v4/zones/fresh.example:export", None),
    ("GET", "/v4/zones/none:export", None),
    ("GET", f"{ZONE}:export?type=MX,TXT", None),
    ("GET", f"{ZONE}/file", None),
    ("GET", "/v4/zones/none/file", None),
    ("POST", "/hello", {"Name": "Ada"}),
    ("GET", "/hello/Ada", None),
]


async def test_each_request_has_the_same_answer_from_both_sides(sides: Sides) -> None:
    """A list of all that differ, since one often explains others."""
    different = []
    for method, path, body in ASKED:
        old, new = await sides.ask(method, path, body)
        if seen(new) != seen(old):
            different.append((method, path, body, seen(old), seen(new)))
        assert new.headers["x-cutover-side"] in ("grpc", "proxy"), (method, path)
    assert different == []
    # All of the example was asked, but for imports, which come below.
    names = {binding.route.name for binding in sides.example.service.snapshot.bindings}
    asked = names - {"import-zone-file"}
    await until(lambda: {line["route"] for line in sides.example.lines()} == asked)


@pytest.mark.parametrize("path", [ZONE, RECORDS, "/v4/zones/none", f"{ZONE}/file"])
async def test_heads_are_the_same(sides: Sides, path: str) -> None:
    answer = await sides.agree("HEAD", path, accept_encoding="identity")
    assert answer.body == b""


@pytest.mark.parametrize(
    "accept", ["application/json", "application/x-ndjson", "text/event-stream"]
)
async def test_exports_are_the_same(sides: Sides, accept: str) -> None:
    answer = await sides.agree("GET", f"{ZONE}:export", accept=accept)
    assert answer.body.count(b'"created_on"') == 73


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
async def test_exports_end_alike_when_the_storage_fails(sides: Sides, accept: str) -> None:
    answer = await sides.agree("GET", "/v4/zones/damaged.example:export", accept=accept)
    assert b'"success":false' in answer.body.splitlines()[-2:][0] + answer.body.splitlines()[-1]


async def test_array_of_a_zone_that_is_damaged_breaks_off_on_both_sides(sides: Sides) -> None:
    for side in (sides.legacy, sides.proxy):
        with pytest.raises(aiohttp.ClientPayloadError):
            await side.send("GET", "/v4/zones/damaged.example:export")


@pytest.mark.parametrize("text", [b"a IN A 192.0.2.1\n", b"a IN A nowhere\nb IN\n", b"\xff"])
@pytest.mark.parametrize("query", ["?dry_run=1", "?dry_run=0", "", "?dry_run=perhaps"])
async def test_imports_are_the_same(sides: Sides, text: bytes, query: str) -> None:
    await sides.agree("POST", f"{ZONE}/file{query}", text, content_type="text/dns")
    await sides.agree("GET", RECORDS)
