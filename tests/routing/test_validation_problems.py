"""`validate` in a configuration: where it does something, and where it is refused."""

import asyncio
from pathlib import Path

import pytest

from proxy.cli.composition import attempt_load
from proxy.errors import RequestError
from proxy.routing.snapshot import Snapshot

PROTO = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "buf/validate/validate.proto";
service Shop {
  rpc Add(Order) returns (Order) {
    option (google.api.http) = {post: "/v1/orders" body: "*"};
  }
  rpc Find(Search) returns (Order) { option (google.api.http) = {get: "/v1/orders"}; }
  rpc Break(Broken) returns (Order) { option (google.api.http) = {get: "/v1/broken"}; }
}
message Order { Line line = 1; }
message Line { int32 count = 1 [(buf.validate.field).int32.gt = 0]; }
message Search { string text = 1; }
message Broken {
  string name = 1 [(buf.validate.field).cel = {id: "b", message: "m", expression: "this >"}];
}
"""
CONFIG = """version: 1
descriptors: [{proto_path: protos}]
upstreams: {shop: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}}
"""
ADD, FIND, BREAK = ("shop.v1.Shop.Add", "shop.v1.Shop.Find", "shop.v1.Shop.Break")


def load(folder: Path, more: str) -> tuple[Snapshot, list[str]]:
    (folder / "protos").mkdir()
    (folder / "protos/shop.proto").write_text(PROTO)
    (folder / "cutover.yaml").write_text(CONFIG + more)
    loaded = asyncio.run(attempt_load(folder, {}, None, None))
    return loaded.snapshot, [str(problem) for problem in loaded.problems]


def refusal(snapshot: Snapshot, rpc: str, body: bytes) -> str:
    binding = next(each for each in snapshot.bindings if each.route.rpc == rpc)
    with pytest.raises(RequestError) as raised:
        binding.request.build((), "", body, "application/json")
    return raised.value.status.message


def test_a_route_that_asks_for_it_refuses_what_breaks_a_rule(tmp_path: Path):
    snapshot, problems = load(tmp_path, f"routes: [{{rpc: {ADD}, validate: true}}]\n")
    assert problems == []
    assert refusal(snapshot, ADD, b'{"line": {}}') == "must be greater than 0"


def test_a_route_that_does_not_ask_takes_all(tmp_path: Path):
    snapshot, _ = load(tmp_path, "")
    binding = next(each for each in snapshot.bindings if each.route.rpc == ADD)
    built = binding.request.build((), "", b'{"line": {"count": -1}}', "application/json")
    assert built.unknown == ()


def test_a_route_without_rules_cannot_ask(tmp_path: Path):
    _, problems = load(tmp_path, f"routes: [{{rpc: {FIND}, validate: true}}]\n")
    [problem] = problems
    assert problem.endswith(
        "cutover.yaml:4:45: routes[0].validate: does nothing: "
        "no message of the request has a buf.validate rule"
    )


def test_a_rule_that_cannot_be_compiled_is_a_problem_of_those_who_ask(tmp_path: Path):
    _, problems = load(tmp_path, f"routes: [{{rpc: {BREAK}, validate: true}}]\n")
    [problem] = problems
    assert f"routes[0].validate: {BREAK}: the rules of shop.v1.Broken are wrong: " in problem


def test_all_routes_may_ask_when_some_have_rules(tmp_path: Path):
    off = f"routes: [{{rpc: {BREAK}, validate: false}}]\n"
    snapshot, problems = load(tmp_path, "defaults: {validate: true}\n" + off)
    assert problems == []
    assert refusal(snapshot, ADD, b'{"line": {}}') == "must be greater than 0"


def test_all_routes_cannot_ask_when_none_has_rules(tmp_path: Path):
    off = [f"{{rpc: {rpc}, validate: false}}" for rpc in (ADD, BREAK)]
    routes = f"routes: [{', '.join(off)}]\n"
    _, problems = load(tmp_path, "defaults: {validate: true}\n" + routes)
    [problem] = problems
    assert "cutover.yaml:4:22: defaults.validate: does nothing: " in problem
