"""What a snapshot takes over from the one before: all that is the same, and nothing stale."""

import asyncio
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.composition import Attempt, attempt_load
from proxy.errors import RequestError
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding
from proxy.sources.fingerprint import Inputs
from tests.cli.versions import compiled

CONFIG = """\
version: 1
descriptors: [{descriptor_set: shop.binpb}, {service_config: rules.yaml}]
upstreams:
  legacy: {url: "http://127.0.0.1:1"}
  shop: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}
routes: [{rpc: shop.v1.Shop.Get, timeout: 5s}]
"""
RULES = """\
type: google.api.Service
http: {rules: [{selector: shop.v1.Shop.Find, get: "/found"}]}
"""
PROTO = """\
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Shop {
  rpc Get(Order) returns (Order) {
    option (google.api.http) = {get: "/v1/orders/{id}" additional_bindings {get: "/o/{id}"}};
  }
  rpc Put(Order) returns (Order) {
    option (google.api.http) = {put: "/v1/orders/{id}" body: "inner"};
  }
  rpc Find(Order) returns (Order);
}
message Order { string id = 1; Order inner = 2; Other other = 3; }
message Other { string text = 1; string old_text = 2; }
"""
#: `{"id": "a"}` with an `other` of all texts.
WIRE = b"\n\x01a\x1a\x06\n\x01t\x12\x01o"


@dataclass
class Folder:
    """A folder that is loaded again and again."""

    place: Path
    config: str = CONFIG
    rules: str = RULES
    proto: str = PROTO

    def load(self, before: Snapshot | None) -> Snapshot:
        return self.attempt(before).snapshot

    def attempt(self, before: Snapshot | None, attempt: Attempt | None = None) -> Any:
        (self.place / "shop.binpb").write_bytes(compiled(self.proto))
        (self.place / "secret").write_text("0123456789abcdef" * 2)
        (self.place / "cutover.yaml").write_text(self.config)
        (self.place / "rules.yaml").write_text(self.rules)
        loaded = asyncio.run(attempt_load(self.place, {}, attempt, before))
        assert not loaded.problems
        return loaded


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def by_rule(snapshot: Snapshot) -> dict[str, RouteBinding]:
    return {
        f"{each.binding.http_method} {each.binding.template}": each for each in snapshot.bindings
    }


def taken(old: Snapshot, new: Snapshot) -> set[str]:
    """The rules whose bindings are those of *old*."""
    before = by_rule(old)
    return {rule for rule, each in by_rule(new).items() if before.get(rule) is each}


def answers(snapshot: Snapshot) -> dict[str, bytes]:
    """What every binding makes of the same answer."""
    return {rule: each.response.render(WIRE).body for rule, each in by_rule(snapshot).items()}


def facts(snapshot: Snapshot) -> list[dict[str, Any]]:
    """All of the routes that can be compared."""
    return [
        {each.name: getattr(route, each.name) for each in fields(route)}
        | {
            "metadata_of": None,
            "headers_of": None,
            "trailers_of": None,
            "errors": None,
            "canary": repr(route.canary),
        }
        for route in snapshot.routes
    ]


#: Queries and bodies that one option or limit decides about.
INPUTS = (
    ("nonsense=1", b""),
    ("&".join(["other.text=t"] * 8), b""),
    ("", b'{"nonsense": 1}'),
    ("", b'{"inner": ' * 8 + b"{}" + b"}" * 8),
    ("", b"{%s}" % b",".join(b'"x%d": 1' % number for number in range(8))),
)


def requests(snapshot: Snapshot) -> dict[str, list[str]]:
    """What every binding makes of the same requests."""
    return {
        rule: [built(each, *given) for given in INPUTS] for rule, each in by_rule(snapshot).items()
    }


def built(binding: RouteBinding, query: str, body: bytes) -> str:
    captures = ["1"] * len(binding.binding.variables)
    try:
        return str(binding.request.build(captures, query, body, "application/json"))
    except RequestError as error:
        return repr((error, error.field))


def test_the_same_folder_gives_the_same_table(folder: Folder):
    first = folder.load(None)
    second = folder.load(first)
    assert second.schema is first.schema
    assert second.table is first.table
    assert taken(first, second) == set(by_rule(first))


def test_an_option_of_one_route_is_one_route_to_compile(folder: Folder):
    first = folder.load(None)
    folder.config = CONFIG.replace("timeout: 5s", "timeout: 6s")
    second = folder.load(first)
    assert taken(first, second) == {"PUT /v1/orders/{id}", "GET /found"}
    old, new = by_rule(first)["GET /o/{id}"], by_rule(second)["GET /o/{id}"]
    assert (old.route.timeout_s, new.route.timeout_s) == (5, 6)
    assert old.request is new.request
    assert old.response is new.response
    assert second.table.find("GET", "/o/1").binding is new


#: Changes that concern the first route.
CHANGES = {
    "names": ("routes: [{", "routes: [{names: proto, "),
    "emit_defaults": ("routes: [{", "routes: [{emit_defaults: true, "),
    "enums_as_numbers": ("routes: [{", "routes: [{enums_as_numbers: true, "),
    "int64_as_numbers": ("routes: [{", "routes: [{int64_as_numbers: true, "),
    "unknown_fields": ("routes: [{", "routes: [{unknown_fields: ignore, "),
    "trailing_slash": ("routes: [{", "routes: [{trailing_slash: ignore, "),
    "request_headers": ("routes: [{", "routes: [{request_headers: [x-a], "),
    "response_metadata": ("routes: [{", "routes: [{response_metadata: [x-a], "),
    "stage": ("routes: [{", "routes: [{stage: grpc, "),
    "safety": ("routes: [{", "routes: [{safety: unsafe, "),
    "name": ("routes: [{", "routes: [{name: another, "),
    "dialect": ("routes: [{", "routes: [{dialect: envoy, "),
    "bool_texts": ("routes: [{", "routes: [{bool_texts: go, "),
    "client_timeout": ("routes: [{", "routes: [{client_timeout: ignore, "),
    "head": ("routes: [{", "routes: [{head: mismatch, "),
    "method_override": ("routes: [{", "routes: [{method_override: get, "),
    "unescape": ("routes: [{", "routes: [{unescape: before_split, "),
    "breaker": ("routes: [{", "routes: [{breaker: off, "),
    "max_json_depth": ("version: 1", "version: 1\nlimits: {max_json_depth: 7}"),
    "max_object_keys": ("version: 1", "version: 1\nlimits: {max_object_keys: 7}"),
    "max_query_parameters": ("version: 1", "version: 1\nlimits: {max_query_parameters: 7}"),
    "override": ("version: 1", "version: 1\noverride: {header: x-o, secret_file: secret}"),
    "legacy": ('legacy: {url: "http://127.0.0.1:1"}', ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_taken_over_is_what_would_be_made(folder: Folder, change: str):
    """There and back: the routes, answers and requests are those of a load from nothing."""
    first = folder.load(None)
    folder.config = CONFIG.replace(*CHANGES[change])
    second = folder.load(first)
    fresh = folder.load(None)
    assert second.schema is first.schema
    assert "GET /v1/orders/{id}" not in taken(first, second)
    for seen in (facts, answers, requests):
        assert seen(second) == seen(fresh)
    assert second.plans == fresh.plans
    ignores_slashes = change in ("trailing_slash", "dialect")
    assert (second.table.find("GET", "/o/1/").binding is None) != ignores_slashes
    folder.config = CONFIG
    third = folder.load(second)
    for seen in (facts, answers, requests):
        assert seen(third) == seen(first)


def test_one_byte_of_a_proto_is_another_schema(folder: Folder):
    first = folder.load(None)
    folder.proto = PROTO.replace("old_text", "new_text")
    second = folder.load(first)
    assert second.schema is not first.schema
    assert taken(first, second) == set()
    assert set(answers(first).values()) == {b'{"id":"a","other":{"text":"t","oldText":"o"}}'}
    assert set(answers(second).values()) == {b'{"id":"a","other":{"text":"t","newText":"o"}}'}


def test_one_rule_is_another_schema(folder: Folder):
    first = folder.load(None)
    folder.rules = RULES.replace("/found", "/there")
    second = folder.load(first)
    assert "GET /there" in by_rule(second)
    assert second.table.find("GET", "/found").binding is None


def test_of_another_schema_only_code_of_the_same_source_is_taken(folder: Folder):
    first = folder.load(None)
    folder.proto = PROTO.replace("old_text", "new_text")
    second = folder.load(first)
    ((old,), (new,)) = (
        [tables.codecs.codes for tables in each.compiled.tables.values()]
        for each in (first, second)
    )
    same = {source for source, code in new.items() if old.get(source) is code}
    assert same
    assert [source for source in new if source not in same] == [
        source for source in new if "new_text" in source
    ]


def test_what_nothing_uses_any_more_is_let_go(folder: Folder):
    first = folder.load(None)
    folder.config = CONFIG.replace("routes: [{", "routes: [{names: proto, ")
    second = folder.load(first)
    assert len(second.compiled.tables) == 2
    folder.config = CONFIG
    assert len(folder.load(second).compiled.tables) == 1


def test_a_schema_that_was_read_for_a_folder_that_is_refused_is_not_read_again(folder: Folder):
    first = folder.load(None)
    folder.proto = PROTO.replace("old_text", "new_text")
    refused = folder.attempt(first)
    again = folder.attempt(first, replace(refused, snapshot=None))
    assert again.schema is refused.schema
    assert again.snapshot.schema is again.schema
    back = Folder(folder.place).attempt(first, again)
    assert back.schema is first.schema
    assert Attempt(Inputs(folder.place), "").schema is None
