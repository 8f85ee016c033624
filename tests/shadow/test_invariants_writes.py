"""No write is done twice, or on a server that was not to have it, by a mirror (I4, I5)."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from tests.live.edge import answers as answering
from tests.live.edge import item
from tests.live.edge import method as method_of
from tests.live.wire import LegacyScript, client_of, request
from tests.shadow.serving import MARK, Stand, mirrored_route, stand_of

JSON = "Content-Type: application/json"
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"id":"1"}'
#: Every HTTP method that is no read, by the RPC that it is.
WRITES = {
    "Create": request("POST", "/v1/items", JSON, body=b'{"id":"1"}'),
    "Update": request("PATCH", "/v1/items/1", JSON, body=b'{"count":2}'),
    "Delete": request("DELETE", "/v1/items/1"),
    "Check": request("POST", "/v1/items/1:check", JSON, body=b'{"count":2}'),
    "Purge": request("PURGE", "/v1/items/1"),
}
STAGES = {
    "shadow": ("shadow", ""),
    "canary at 0": ("canary", ", canary: {percent: 0, sticky: [{client: true}]}"),
    "canary at 100": ("canary", ", canary: {percent: 100, sticky: [{client: true}]}"),
    "grpc": ("grpc", ""),
}
#: What a mirror is told, whether its upstream is marked as one whose data may be written to.
CONFIGS = {
    "by default": ("timeout: 2s", False),
    "translated": ("depth: translate", False),
    "translated, with a sink": ("depth: translate", True),
    "called, with a sink": ("depth: rpc, allow_unsafe: true", True),
}


@asynccontextmanager
async def writing(place: Path, stage: str, config: str) -> AsyncIterator[Stand]:
    """A service whose writes are mirrored as *config* says."""
    (name, canary), (mirror, sink) = STAGES[stage], CONFIGS[config]
    routes = "".join(mirrored_route(rpc, rpc.lower(), mirror, name, canary) for rpc in WRITES)
    handlers = {method_of(rpc): answering(item(id="1")) for rpc in WRITES}
    async with stand_of(
        place, routes, handlers=handlers, legacy=LegacyScript(OK), sink=sink
    ) as stand:
        yield stand


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("stage", STAGES)
async def test_a_write_reaches_the_other_side_only_if_route_and_upstream_allow_it(
    tmp_path: Path, stage: str, config: str
):
    """I4: both servers count, whatever the method, the stage and the configuration."""
    on_grpc = stage in ("grpc", "canary at 100")
    async with writing(tmp_path, stage, config) as stand, client_of(stand.service.url) as client:
        for _ in range(2):
            for write in WRITES.values():
                assert (await client.ask(write)).status == 200
        await stand.settled()
        lives = stand.lives()
    each_twice = Counter(dict.fromkeys(WRITES, 2))
    # The primary's: by one side, once for each request.
    assert Counter(stand.grpc.unmarked()) == (each_twice if on_grpc else Counter())
    assert len(stand.unmarked_at_legacy()) == (0 if on_grpc else 10)
    # The mirror's: never to legacy, which knows no mirrors.
    assert stand.marked_at_legacy() == []
    called = config == "called, with a sink" and not on_grpc
    assert Counter(stand.grpc.marked()) == (each_twice if called else Counter())
    assert lives["eligible"] == 10
    if config == "called, with a sink" and on_grpc:
        assert lives["skipped{unsafe_method}"] == 10
    else:
        assert lives["sent"] == 10


@pytest.mark.parametrize(
    ("mirror", "sink", "problem"),
    [
        ("depth: rpc", False, "allow_unsafe"),
        ("depth: rpc", True, "allow_unsafe"),
        ("depth: rpc, allow_unsafe: true", False, "shadow_sink"),
    ],
)
async def test_a_call_of_a_write_without_both_permissions_is_refused_at_load(
    tmp_path: Path, mirror: str, sink: bool, problem: str
):
    routes = mirrored_route("Create", "create-item", mirror)
    with pytest.raises(ConfigError, match=problem):
        async with stand_of(tmp_path, routes, sink=sink):
            pass


async def test_a_write_that_claims_to_be_a_mirrors_is_a_write(tmp_path: Path):
    """The mark cannot come from a client: it is stripped towards both sides."""
    async with (
        writing(tmp_path, "shadow", "called, with a sink") as stand,
        client_of(stand.service.url) as client,
    ):
        for name in (MARK, MARK.upper(), f"Grpc-Metadata-{MARK}"):
            sent = request("POST", "/v1/items", JSON, f"{name}: guessed", body=b'{"id":"1"}')
            assert (await client.ask(sent)).status == 200
        await stand.settled()
        lives = stand.lives()
    assert lives["sent"] == 3
    assert stand.marked_at_legacy() == []
    secrets = {dict(served.metadata)[MARK] for _, served in stand.grpc.calls}
    assert len(secrets) == 1
    assert "guessed" not in secrets
