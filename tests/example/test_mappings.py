"""The mappings are a whole configuration of the example."""

import re
from typing import Any

import pytest
import yaml

from proxy.config import SourceText, load_config
from proxy.example.files import folder
from proxy.example.schema import Schema
from tests.config.loading import TODAY

ENVIRONMENT = {"LEGACY_URL": "http://127.0.0.1:8081", "DNS_TARGET": "127.0.0.1:50051"}


@pytest.fixture(scope="module")
def texts() -> list[SourceText]:
    return [SourceText(path.name, path.read_text()) for path in folder("mappings").iterdir()]


@pytest.fixture(scope="module")
def mapping() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((folder("mappings") / "cutover.yaml").read_text())
    return document


def test_every_rpc_has_a_route_with_a_name(mapping: dict[str, Any], schema: Schema) -> None:
    names = ("dns.v1.RecordService", "dns.v1.StatisticsService", "HelloWorldHandler")
    services = [schema.service(name) for name in names]
    rpcs = {method.full_name for service in services for method in service.methods}
    routes = {route["rpc"]: route["name"] for route in mapping["routes"]}
    assert set(routes) == rpcs
    assert len(routes) == len(mapping["routes"]) == len(set(routes.values()))


def test_some_routes_have_moved_and_others_are_moving(mapping: dict[str, Any]) -> None:
    stages = {route["name"]: route["stage"] for route in mapping["routes"]}
    moving = {name for name, stage in stages.items() if stage != "grpc"}
    assert moving == {
        "list-nameservers",
        "verify-record",
        "import-zone-file",
        "get-statistics",
        "list-top-hosts",
        "send-statistics",
    }
    assert {stages[name] for name in moving} == {"canary", "shadow"}


def test_routes_that_decide_alike_share_a_group(texts: list[SourceText]) -> None:
    config = load_config(texts, {}, TODAY)
    options = [
        config.options_for(f"dns.v1.RecordService.{method}")
        for method in ("ListNameservers", "VerifyRecord")
    ]
    shares = {(o.canary.group, o.canary.basis_points) for o in options if o.canary}
    assert shares == {("nameservers", 10_000)}


def test_only_requests_that_name_a_user_take_part_in_the_ramp(texts: list[SourceText]) -> None:
    canary = load_config(texts, {}, TODAY).options_for("dns.v1.RecordService.ImportZoneFile").canary
    assert canary is not None
    assert [source.header for source in canary.sticky] == ["x-user-id"]
    assert canary.steps == (100, 500, 2500, 5000, 10_000)


def test_state_is_kept_where_the_environment_says(texts: list[SourceText]) -> None:
    assert load_config(texts, {}, TODAY).settings.state.directory is None
    kept = load_config(texts, {"STATE_DIR": "/var/lib/cutover"}, TODAY).settings.state.directory
    assert kept == "/var/lib/cutover"


def test_folder_of_mappings_loads(texts: list[SourceText], mapping: dict[str, Any]) -> None:
    config = load_config(texts, ENVIRONMENT, TODAY)
    for route in mapping["routes"]:
        found = config.options_for(route["rpc"])
        assert (found.name, found.stage) == (route["name"], route["stage"])


def test_environment_may_give_the_two_addresses(texts: list[SourceText]) -> None:
    names = {name for text in texts for name in re.findall(r"\$\{(\w+):-", text.text)}
    assert names == {*ENVIRONMENT, "STATE_DIR"}
    assert load_config(texts, {}, TODAY).digest == load_config(texts, ENVIRONMENT, TODAY).digest


def test_hello_is_bound_by_the_service_config_alone(schema: Schema) -> None:
    config = yaml.safe_load((folder("mappings") / "hello_service.yaml").read_text())
    [rule] = config["http"]["rules"]
    assert rule == {
        "selector": "HelloWorldHandler.SayHello",
        "post": "/hello",
        "body": "*",
        "additional_bindings": [{"get": "/hello/{Name}"}],
    }
    [method] = schema.service("HelloWorldHandler").methods
    assert not method.GetOptions().ByteSize()
