"""What the admin port shows, over a real listener."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from proxy.admin.reads import Reads
from proxy.admin.writes import Writes
from proxy.routing.snapshot import Snapshot
from tests.admin.stand import Stand, stand_of
from tests.live.edge import edge_of, load
from tests.live.wire import Client, client_of, request


@pytest.fixture
async def stand(snapshot: Snapshot) -> AsyncIterator[Stand]:
    """Without a token: everybody may read."""
    async with stand_of(snapshot) as made:
        yield made


@pytest.fixture
async def client(stand: Stand) -> AsyncIterator[Client]:
    async with client_of(stand.url) as made:
        yield made


def asked(http_method: str, path: str, *fields: str) -> bytes:
    return request(http_method, path, *fields, host="localhost")


async def test_a_process_that_answers_is_healthy(client: Client):
    reply = await client.ask(asked("GET", "/-/healthy"))
    assert (reply.status, reply.json()) == (200, {"status": "ok"})


async def test_readiness_is_asked_anew_each_time(stand: Stand, client: Client):
    ready = await client.ask(asked("GET", "/-/ready"))
    assert (ready.status, ready.json()) == (
        200,
        {"status": "ready", "checks": {"drain": "", "upstreams": ""}},
    )
    stand.checks = {"drain": "draining", "upstreams": ""}
    not_ready = await client.ask(asked("GET", "/-/ready"))
    assert (not_ready.status, not_ready.json()["status"]) == (503, "not ready")
    assert not_ready.json()["checks"]["drain"] == "draining"


async def test_metrics_are_those_of_prometheus(client: Client):
    reply = await client.ask(asked("GET", "/metrics"))
    assert reply["content-type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(reply.body.decode())}
    assert {"cutover_requests", "cutover_inflight_requests", "process_open_fds"} <= names


async def test_metrics_come_as_open_metrics_where_that_is_asked_for(client: Client):
    sent = asked("GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0")
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
    reply = await client.ask(asked("GET", "/routes"))
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
    async with stand_of(secret) as stand:
        reply = await stand.get("/config")
    assert reply.json()["digest"] == secret.config.digest
    assert reply.json()["config"]["listen"] == {"host": "${HOST}"}
    assert b"m4rk" not in reply.body


@pytest.mark.parametrize("target", ["/", "/-/quit", "/metrics/", "/../config"])
async def test_there_is_nothing_else(client: Client, target: str):
    reply = await client.ask(asked("GET", target))
    assert (reply.status, reply.json()) == (404, {"error": "not found"})


@pytest.mark.parametrize("http_method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_changed_without_a_token_file(client: Client, http_method: str):
    reply = await client.ask(asked(http_method, "/config"))
    assert (reply.status, reply.json()) == (
        403,
        {"error": "changes are off: the configuration names no admin.token_file"},
    )


async def test_it_says_where_it_listens(stand: Stand):
    assert stand.url.rpartition(":")[2] in repr(stand.admin)


async def test_a_port_that_takes_no_more_finishes_what_is_connected(stand: Stand, client: Client):
    assert (await client.ask(asked("GET", "/-/healthy"))).status == 200
    await stand.admin.stop_accepting()
    await stand.admin.stop_accepting()
    assert (await client.ask(asked("GET", "/-/healthy"))).status == 200
    with pytest.raises(ConnectionError):
        await Client.to(stand.url)
    assert "Reads of" in repr(Reads(stand.operations))
    assert "Writes to" in repr(Writes(stand.operations))
