"""The mappings are a whole configuration of the example."""

import re
from typing import Any

import pytest
import yaml

from proxy.config import SourceText, load_config
from proxy.example.files import folder
from proxy.example.schema import Schema

ENVIRONMENT = {"LEGACY_URL": "http://127.0.0.1:8081", "DNS_TARGET": "127.0.0.1:50051"}


@pytest.fixture(scope="module")
def texts() -> list[SourceText]:
    return [SourceText(path.name, path.read_text()) for path in folder("mappings").iterdir()]


@pytest.fixture(scope="module")
def mapping() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((folder("mappings") / "cutover.yaml").read_text())
    return document


def test_every_rpc_has_a_route_with_a_name(mapping: dict[str, Any], schema: Schema) -> None:
    services = (schema.service("dns.v1.RecordService"), schema.service("HelloWorldHandler"))
    rpcs = {method.full_name for service in services for method in service.methods}
    routes = {route["rpc"]: route["name"] for route in mapping["routes"]}
    assert set(routes) == rpcs
    assert len(routes) == len(mapping["routes"]) == len(set(routes.values()))


def test_both_sides_have_routes(mapping: dict[str, Any]) -> None:
    assert {route["stage"] for route in mapping["routes"]} == {"grpc", "legacy"}


def test_folder_of_mappings_loads(texts: list[SourceText], mapping: dict[str, Any]) -> None:
    config = load_config(texts, ENVIRONMENT)
    for route in mapping["routes"]:
        found = config.options_for(route["rpc"])
        assert (found.name, found.stage) == (route["name"], route["stage"])


def test_environment_may_give_the_two_addresses(texts: list[SourceText]) -> None:
    names = {name for text in texts for name in re.findall(r"\$\{(\w+):-", text.text)}
    assert names == set(ENVIRONMENT)
    assert load_config(texts, {}).digest == load_config(texts, ENVIRONMENT).digest


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
