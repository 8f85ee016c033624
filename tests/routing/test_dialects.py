"""Dialects by what is known of their peers: one request for each row that they differ in.

`envoy` and `grpc-gateway` are held to the peers themselves in `tests.differential`; here are those
that nobody can run: what their manuals, sources and issues say.
"""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cli.composition import load_snapshot
from proxy.exchange.explanation import ExplainedCall, Inquiry, explain
from proxy.routing.snapshot import Snapshot
from tests.live.example import descriptors

JSON = ("content-type", "application/json")
TEXT = ("content-type", "text/plain")
LIST = "/v4/zones/z/records"
ONE = "/v4/zones/z/records/r"

#: Dialect, request line, headers, body; the status of a refusal, or the message as a part of JSON.
FACTS = [
    # google: what its clients in Python send, and what http.proto says for all else.
    ("google", "POST /v4/zones/z/file?validateOnly=True", [TEXT], b"x", '"validateOnly": true'),
    ("google", "POST /v4/zones/z/file?validateOnly=TRUE", [TEXT], b"x", 400),
    ("google", f"GET {LIST}?host=a+b", [], b"", '"host": "a b"'),
    ("google", f"GET {LIST}?types=28", [], b"", '"types": ["AAAA"]'),
    ("google", f"GET {LIST}?zone=other", [], b"", 400),
    ("google", f"DELETE {LIST}", [], b"", 405),
    ("google", f"HEAD {LIST}", [], b"", '"zone": "z"'),
    # grpc-gateway v1: as v2 where nothing else is known; misses are 405.
    ("grpc-gateway-v1", f"DELETE {LIST}", [], b"", 405),
    ("grpc-gateway-v1", f"HEAD {LIST}", [], b"", 405),
    ("grpc-gateway-v1", f"OPTIONS {LIST}", [], b"", 405),
    ("grpc-gateway-v1", "GET /nothing", [], b"", 404),
    ("grpc-gateway-v1", f"GET {LIST}/", [], b"", 404),
    ("grpc-gateway-v1", f"GET {LIST}?zone=other", [], b"", '{"zone": "z"}'),
    ("grpc-gateway-v1", f"GET {LIST}?nothing=1", [], b"", '{"zone": "z"}'),
    ("grpc-gateway-v1", f"GET {LIST}?tags[a]=b", [], b"", '"tags": {"a": "b"}'),
    ("grpc-gateway-v1", "POST /v4/zones/z/file?validateOnly=T", [TEXT], b"x", '"validateOnly"'),
    ("grpc-gateway-v1", f"GET {LIST}", [], b"anything", '{"zone": "z"}'),
    ("grpc-gateway-v1", f"PATCH {ONE}", [TEXT], b'{"host": "h"}', '"updateMask": "host"'),
    ("grpc-gateway-v1", "GET /v4/zones%2Fz/records", [], b"", '{"zone": "z"}'),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def snapshots(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Snapshot]]:
    made = {}
    for dialect in dict.fromkeys(fact[0] for fact in FACTS):
        place = tmp_path_factory.mktemp(dialect)
        (place / "dns.binpb").write_bytes(descriptors())
        (place / "cutover.yaml").write_text(
            "version: 1\ndescriptors: [{descriptor_set: dns.binpb}]\n"
            "upstreams: {dns: {target: a, plaintext: true}}\n"
            f"defaults: {{upstream: dns, dialect: {dialect}}}\n"
        )
        made[dialect] = await load_snapshot(place, {})
    yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("dialect", "line", "headers", "body", "expected"),
    FACTS,
    ids=[f"{fact[0]} {fact[1]}" for fact in FACTS],
)
async def test_a_dialect_does_what_its_peer_does(
    snapshots: dict[str, Snapshot],
    dialect: str,
    line: str,
    headers: list[tuple[str, str]],
    body: bytes,
    expected: int | str,
) -> None:
    result = outcome(snapshots[dialect], line, headers, body)
    if isinstance(expected, int):
        assert result == expected
    else:
        assert expected in str(result)


def outcome(
    snapshot: Snapshot, line: str, headers: list[tuple[str, str]], body: bytes
) -> int | str:
    """The message of a request, or the status that it is answered with."""
    method, _, target = line.partition(" ")
    inquiry = Inquiry(method, target, CIMultiDictProxy(CIMultiDict(headers)), body)
    told = explain(snapshot, inquiry).outcome
    if isinstance(told, ExplainedCall):
        return json.dumps(json.loads(told.message or b""))
    assert told is not None
    return told.http_status
