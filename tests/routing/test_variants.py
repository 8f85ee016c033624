"""Variants of bindings: what is compiled for which, and names that mean fields instead."""

import asyncio
from pathlib import Path

import pytest

from proxy.cli.composition import load_snapshot
from proxy.errors import RequestError
from proxy.example.schema import compile_folder
from proxy.routing.table import Found, RouteBinding

PROTO = """
syntax = "proto3";
package named.v1;
import "google/api/annotations.proto";
service Names {
  rpc Find(Query) returns (Query) { option (google.api.http) = {get: "/find"}; }
  rpc Post(Query) returns (Query) {
    option (google.api.http) = {post: "/post" body: "*"};
  }
}
message Query {
  string alt = 1;
  Deep pretty_print = 2;
  message Deep { string text = 1; }
}
"""
CONFIG = """
version: 1
descriptors: [{descriptor_set: named.binpb}]
upstreams: {named: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}}
defaults: {dialect: %s}
"""


def found(place: Path, http_method: str, path: str, dialect: str = "google") -> Found:
    (place / "proto").mkdir()
    (place / "proto" / "named.proto").write_text(PROTO)
    (place / "named.binpb").write_bytes(compile_folder(place / "proto"))
    (place / "cutover.yaml").write_text(CONFIG % dialect)
    return asyncio.run(load_snapshot(place, {})).table.find(http_method, path)


def test_a_field_of_the_name_of_a_parameter_gets_it(tmp_path: Path):
    asked = found(tmp_path, "GET", "/find").as_asked("alt=proto")
    assert asked.refusal is None
    assert isinstance(asked.binding, RouteBinding)
    message = asked.binding.request.build((), "alt=proto", b"", None).message
    assert str(message) == 'alt: "proto"\n'


@pytest.mark.parametrize("query", ["prettyPrint=perhaps", "prettyPrint.text=a"])
def test_a_message_of_the_name_of_a_parameter_is_no_parameter_either(tmp_path: Path, query: str):
    assert found(tmp_path, "GET", "/find").as_asked(query).refusal is None


def test_with_a_whole_body_the_query_holds_no_fields(tmp_path: Path):
    asked = found(tmp_path, "POST", "/post").as_asked("alt=proto")
    assert isinstance(asked.refusal, RequestError)


def test_what_the_path_was_refused_for_stays(tmp_path: Path):
    refusal = RequestError("the path")
    asked = found(tmp_path, "POST", "/post")._replace(refusal=refusal).as_asked("alt=proto")
    assert asked.refusal is refusal


def test_a_binding_without_variants_stays_as_it_is(tmp_path: Path):
    plain = found(tmp_path, "GET", "/find", "spec")
    assert plain.as_asked("$alt=json;enum-encoding=int") is plain
    assert plain.binding is not None
    assert plain.binding.variants is None


def test_variants_share_what_is_the_same(tmp_path: Path):
    base = found(tmp_path, "GET", "/find").binding
    assert base is not None
    assert base.variants is not None
    assert repr(base.variants) == "<Variants 3>"
    variant = base.variants.of("$alt=json;enum-encoding=int")
    assert variant is not None
    assert variant.request is base.request
    assert variant.route is base.route
    assert variant.response is not base.response
