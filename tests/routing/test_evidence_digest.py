"""What begins evidence anew, and what leaves it standing."""

import dataclasses
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from proxy.config.resolved import ResolvedRoute
from proxy.routing.evidence_digest import OPTIONS, FileDigests
from proxy.routing.snapshot import Snapshot
from proxy.transcoding.declarations import DescriptorFile
from tests.routing.test_compiled import Folder

CONFIG = """\
version: 1
descriptors: [{descriptor_set: shop.binpb}, {service_config: rules.yaml}]
upstreams:
  legacy: {url: "http://127.0.0.1:1", connect_timeout: 1s}
  shop: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}
  more: {target: "127.0.0.1:1", plaintext: true, services: [a.B]}
limits: {max_url_bytes: 1KiB}
routes:
- rpc: shop.v1.Shop.Get
  canary: {sticky: [{client: true}]}
  mirror: {percent: 10, headers: {set: {x-a: "1"}, remove: [cookie]}}
  compare:
    headers: [etag]
    rules: [{path: $.id, use: number, abs: 1, reason: r, expires: 2099-01-01}]
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
  rpc Get(Order) returns (Order) { option (google.api.http) = {get: "/v1/orders/{id}"}; }
  rpc Find(Order) returns (Order);
}
message Order { string id = 1; Other other = 3; }
message Other { string text = 1; }
"""


def digest(snapshot: Snapshot, rpc: str = "shop.v1.Shop.Get") -> str:
    return next(each.evidence_digest for each in snapshot.routes if each.rpc == rpc)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, CONFIG, RULES, PROTO)


#: Changes of what a client gets of either side, or of how the two are compared.
COUNTS = {
    "depth": ("percent: 10,", "percent: 10, depth: translate,"),
    "header set": ('x-a: "1"', 'x-a: "2"'),
    "header removed": ("remove: [cookie]", "remove: [x-b]"),
    "status": ("compare:\n", "compare:\n    status: class\n"),
    "compared headers": ("[etag]", "[etag, x-b]"),
    "check of a rule": ("abs: 1", "abs: 2"),
    "use of a rule": ("use: number, abs: 1", "use: present"),
    "path of a rule": ("path: $.id", "path: $.other.text"),
    "one rule less": ("    rules:", "    status: exact\n    #"),
    "names": ("  canary:", "  names: proto\n  canary:"),
    "emit_defaults": ("  canary:", "  emit_defaults: true\n  canary:"),
    "enums_as_numbers": ("  canary:", "  enums_as_numbers: true\n  canary:"),
    "int64_as_numbers": ("  canary:", "  int64_as_numbers: true\n  canary:"),
    "unknown_fields": ("  canary:", "  unknown_fields: reject\n  canary:"),
    "stream_format": ("  canary:", "  stream_format: ndjson\n  canary:"),
    "reveal_internal_errors": ("  canary:", "  reveal_internal_errors: true\n  canary:"),
    "request_headers": ("  canary:", "  request_headers: [x-c]\n  canary:"),
    "response_metadata": ("  canary:", "  response_metadata: [x-c]\n  canary:"),
    "upstream": ("  canary:", "  upstream: more\n  canary:"),
    "target": ('shop: {target: "127.0.0.1:1"', 'shop: {target: "127.0.0.1:2"'),
    "legacy": ("http://127.0.0.1:1", "http://127.0.0.1:2"),
    "max_json_depth": ("max_url_bytes: 1KiB", "max_url_bytes: 1KiB, max_json_depth: 7"),
    "max_object_keys": ("max_url_bytes: 1KiB", "max_url_bytes: 1KiB, max_object_keys: 7"),
    "max_query_parameters": ("max_url_bytes: 1KiB", "max_url_bytes: 1KiB, max_query_parameters: 7"),
}
#: Changes of when, how often and for whom, of what is asked for, and of words.
DOES_NOT = {
    "percent": ("percent: 10", "percent: 20"),
    "sample_by": ("percent: 10,", "percent: 10, sample_by: sticky,"),
    "timeout of mirrors": ("percent: 10,", "percent: 10, timeout: 9s,"),
    "caps": ("percent: 10,", "percent: 10, max_request_bytes: 1B, max_rps: 1, max_pending: 1,"),
    "messages": ("percent: 10,", "percent: 10, max_messages: 7,"),
    "the default depth said": ("percent: 10,", "percent: 10, depth: rpc,"),
    "noise": ("compare:\n", "compare:\n    noise: {control_percent: 5}\n"),
    "reveal": ("compare:\n", "compare:\n    reveal: [$.id]\n"),
    "reason": ("reason: r", "reason: another"),
    "expiry": ("2099-01-01", "2100-01-01"),
    "gate": ("  canary:", "  gate: {min_keys: 1}\n  canary:"),
    "stage": ("  canary:", "  stage: shadow\n  canary:"),
    "canary": ("{client: true}", "{header: x-d}"),
    "fallback": ("  canary:", "  fallback: off\n  canary:"),
    "breaker": ("  canary:", "  breaker: off\n  canary:"),
    "rollback": ("  canary:", "  rollback: off\n  canary:"),
    "owner": ("  canary:", "  owner: ann\n  canary:"),
    "target_date": ("  canary:", "  target_date: 2099-01-01\n  canary:"),
    "name": ("  canary:", "  name: another\n  canary:"),
    "safety said": ("  canary:", "  safety: safe\n  canary:"),
    "timeout": ("  canary:", "  timeout: 9s\n  canary:"),
    "max_inflight": ("  canary:", "  max_inflight: 9\n  canary:"),
    "max_request_bytes": ("  canary:", "  max_request_bytes: 9B\n  canary:"),
    "compress_min_bytes": ("  canary:", "  compress_min_bytes: off\n  canary:"),
    "trailing_slash": ("  canary:", "  trailing_slash: ignore\n  canary:"),
    "settings of upstreams": ("connect_timeout: 1s", "connect_timeout: 2s"),
    "other limits": ("max_url_bytes: 1KiB", "max_url_bytes: 2KiB"),
    "another route": ("routes:\n", "routes:\n- {rpc: shop.v1.Shop.Find, names: proto}\n"),
}


@pytest.mark.parametrize("change", COUNTS)
def test_evidence_begins_anew_with(folder: Folder, change: str) -> None:
    first = folder.load(None)
    assert len(digest(first)) == 64
    folder.config = CONFIG.replace(*COUNTS[change])
    assert folder.config != CONFIG
    second = folder.load(first)
    assert digest(second) != digest(first)
    assert digest(second) == digest(folder.load(None))
    folder.config = CONFIG
    assert digest(folder.load(second)) == digest(first)


@pytest.mark.parametrize("change", DOES_NOT)
def test_evidence_stands_with(folder: Folder, change: str) -> None:
    first = folder.load(None)
    folder.config = CONFIG.replace(*DOES_NOT[change])
    assert folder.config != CONFIG
    assert digest(folder.load(first)) == digest(first)
    assert digest(folder.load(None)) == digest(first)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("string text", "bytes text"),
        ("string text = 1", "string text = 2"),
        ("text = 1", "text = 1 [debug_redact = true]"),
        ("get: ", "put: "),
        ("/v1/orders/{id}", "/v1/order/{id}"),
        ('{id}"}', '{id}" additional_bindings {get: "/v2/{id}"}}'),
        ('{id}"}', '{id}" response_body: "id"}'),
        ("rpc Find(Order)", "rpc Find(Other)"),
    ],
)
def test_evidence_begins_anew_with_the_proto(folder: Folder, old: str, new: str) -> None:
    # A rule for a number, and a call of what might be no read: neither is what this is about.
    folder.config = CONFIG.replace("use: number, abs: 1", "use: exact").replace("$.id", "$")
    first = folder.load(None)
    folder.proto = PROTO.replace(old, new)
    assert folder.proto != PROTO
    assert digest(folder.load(first)) != digest(first)


def file(name: str, *imports: str, comment: str = "", field: str = "a") -> DescriptorFile:
    proto = FileDescriptorProto(name=name, dependency=imports, syntax="proto3")
    proto.message_type.add(name="M").field.add(name=field, number=1, type=9, label=1)
    if comment:
        proto.source_code_info.location.add(path=[4, 0], leading_comments=comment, span=[1, 2, 3])
    return DescriptorFile(proto, "somewhere")


def file_digest(*files: DescriptorFile) -> str:
    """Of the last file, which may import the others."""
    return FileDigests({each.name: each for each in files}).of(files[-1].name)


def test_evidence_stands_with_comments_and_with_other_files() -> None:
    whole = file_digest(file("a"), file("b", "a"))
    assert file_digest(file("a", comment="words"), file("b", "a", comment="more")) == whole
    assert file_digest(file("c"), file("a"), file("b", "a")) == whole


def test_evidence_begins_anew_with_a_file_that_another_imports() -> None:
    chain = [file("a"), file("b", "a"), file("c", "b")]
    assert file_digest(file("a", field="x"), *chain[1:]) != file_digest(*chain)


def test_evidence_begins_anew_with_a_rule_beside_the_proto(folder: Folder) -> None:
    folder.config = CONFIG + "- {rpc: shop.v1.Shop.Find, mirror: {percent: 1}}\n"
    first = folder.load(None)
    folder.rules = RULES.replace("/found", "/there")
    second = folder.load(first)
    assert digest(second) == digest(first)
    find = "shop.v1.Shop.Find"
    assert digest(second, find) != digest(first, find)
    assert digest(first, find) != digest(first)


def test_every_option_of_a_route_is_in_one_of_the_tables() -> None:
    """An option that somebody adds must be looked at: does evidence outlive a change of it?"""
    told = {"mirror", "compare", "gate", "stage", "canary", "fallback", "breaker", "rollback"}
    told |= {"owner", "target_date", "name", "timeout_s", "max_inflight", "max_request_bytes"}
    told |= {"compress_min_bytes", "trailing_slash"}
    # What an entry is, and safety, which decides the depth, and that is in the digest.
    told |= {"rpc", "listed", "has_legacy", "safety", "safety_reason"}
    # Digested by what they say: the rows of the dialects, and the shape.
    told |= {"dialect", "requests", "answers", "shape"}
    assert {each.name for each in dataclasses.fields(ResolvedRoute)} == told | set(OPTIONS)


def test_a_digest_of_files_is_taken_over(folder: Folder) -> None:
    first = folder.load(None)
    folder.config = CONFIG.replace("percent: 10", "percent: 20")
    second = folder.load(first)
    assert second.compiled.files is first.compiled.files
    assert repr(first.compiled.files).startswith("<FileDigests ")
