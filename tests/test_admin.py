"""The admin port, over a real listener."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from proxy.admin import Admin, Operations
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.metrics import Metrics
from tests.live.control import control_of
from tests.live.edge import edge_of, load
from tests.live.wire import Client, client_of, request


class Stand:
    """An admin port, what it shows, and a connection to it."""

    def __init__(self, snapshot: Snapshot, metrics: Metrics) -> None:
        self.checks = {"drain": "", "upstreams": ""}
        self.stack = ExitStack()
        self.control = self.stack.enter_context(control_of(snapshot, metrics=metrics))
        self.reloads: list[dict[str, Any]] = []
        self.admin = Admin(
            Operations(snapshot, metrics, self.control, lambda: self.checks, self.reload)
        )
        self.url = ""

    async def reload(self, **how: Any) -> dict[str, Any]:
        self.reloads.append(how)
        return {"result": "applied", "digest": "d1", "problems": [], "losses": []}

    async def stop(self) -> None:
        await self.admin.stop()
        self.stack.close()

    async def start(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        await self.admin.start(listening)


@pytest.fixture
def snapshot() -> Snapshot:
    return asyncio.run(load())


@pytest.fixture
async def stand(snapshot: Snapshot) -> AsyncIterator[Stand]:
    made = Stand(snapshot, Metrics())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(stand: Stand) -> AsyncIterator[Client]:
    async with client_of(stand.url) as made:
        yield made


async def test_a_process_that_answers_is_healthy(client: Client):
    reply = await client.ask(request("GET", "/-/healthy"))
    assert (reply.status, reply.json()) == (200, {"status": "ok"})


async def test_readiness_is_asked_anew_each_time(stand: Stand, client: Client):
    ready = await client.ask(request("GET", "/-/ready"))
    assert (ready.status, ready.json()) == (
        200,
        {"status": "ready", "checks": {"drain": "", "upstreams": ""}},
    )
    stand.checks = {"drain": "draining", "upstreams": ""}
    not_ready = await client.ask(request("GET", "/-/ready"))
    assert (not_ready.status, not_ready.json()["status"]) == (503, "not ready")
    assert not_ready.json()["checks"]["drain"] == "draining"


async def test_metrics_are_those_of_prometheus(client: Client):
    reply = await client.ask(request("GET", "/metrics"))
    assert reply["content-type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(reply.body.decode())}
    assert {"cutover_requests", "cutover_inflight_requests", "process_open_fds"} <= names


async def test_metrics_come_as_open_metrics_where_that_is_asked_for(client: Client):
    sent = request("GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0")
    reply = await client.ask(sent)
    assert reply["content-type"].startswith("application/openmetrics-text")
    assert reply.body.endswith(b"# EOF\n")
    assert [family.name for family in open_metrics(reply.body.decode())]


async def test_metrics_never_hold_anything_of_a_request(snapshot: Snapshot):
    async with edge_of(snapshot) as edge, client_of(edge.url) as client:
        for target in ("/v1/items/m4rk?m4rk=m4rk", "/m4rk", "/v1/items/m4rk%zz"):
            for http_method in ("GET", "POST", "PURGE", "MKCOL"):
                await client.ask(request(http_method, target, "m4rk: m4rk"))
        await client.ask(request("GET", "/m4rk#m4rk"))
        async with client_of(edge.url) as other:
            await other.ask(b"m4rk\r\n\r\n")
        shown = edge.shown_metrics()
    assert "m4rk" not in shown
    families = {one.name: one for one in text_string_to_metric_families(shown)}
    counted = sum(one.value for one in families["cutover_requests"].samples)
    assert counted == 14
    assert {one.labels["route"] for one in families["cutover_requests"].samples} <= {
        "unmapped",
        *(route.name for route in snapshot.routes),
    }


async def test_routes_have_their_upstream_stage_and_place(client: Client):
    reply = await client.ask(request("GET", "/routes"))
    by_template = {(one["http_method"], one["template"]): one for one in reply.json()["routes"]}
    one = by_template["GET", "/v1/items/{id}"]
    assert one == {
        "name": "get-item",
        "http_method": "GET",
        "template": "/v1/items/{id}",
        "rpc": "edge.v1.Items.Get",
        "cardinality": "unary-unary",
        "upstream": "items",
        "stage": "grpc",
        "origin": one["origin"],
    }
    assert one["origin"]
    assert by_template["GET", "/v1/old/{id}"]["stage"] == "legacy"
    assert isinstance(reply.json()["report"], list)


async def test_the_configuration_is_shown_as_written_without_what_the_environment_gave():
    secret = await load(more='listen: {host: "${HOST}"}', environ={"HOST": "m4rk"})
    stand = Stand(secret, Metrics())
    await stand.start()
    try:
        async with client_of(stand.url) as client:
            reply = await client.ask(request("GET", "/config"))
    finally:
        await stand.stop()
    assert reply.json()["digest"] == secret.config.digest
    assert reply.json()["config"]["listen"] == {"host": "${HOST}"}
    assert b"m4rk" not in reply.body


@pytest.mark.parametrize("target", ["/", "/-/quit", "/metrics/", "/../config"])
async def test_there_is_nothing_else(client: Client, target: str):
    assert (await client.ask(request("GET", target))).status == 404


@pytest.mark.parametrize("http_method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_changed_without_a_token_file(client: Client, http_method: str):
    reply = await client.ask(request(http_method, "/config"))
    assert (reply.status, reply.json()) == (
        403,
        {"error": "changes are off: the configuration names no admin.token_file"},
    )


async def test_it_says_where_it_listens(stand: Stand):
    assert stand.url.rpartition(":")[2] in repr(stand.admin)
