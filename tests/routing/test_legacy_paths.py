"""Paths of shaped routes: legacy names are taken, the API's own are told, nothing private shows."""

import asyncio
from pathlib import Path

import pytest

from proxy.cli.composition import attempt_load
from proxy.comparison.documents import ABSENT, Difference, Excerpt
from proxy.comparison.kinds import Kind
from proxy.comparison.requests import RequestComparator
from proxy.gate.redaction import Hasher, Redactor
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding

PROTO = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
service Shop {
  rpc Get(Ask) returns (Order) { option (google.api.http) = {get: "/v1/orders/{id}"}; }
  rpc List(Ask) returns (Orders) { option (google.api.http) = {get: "/v1/orders"}; }
  rpc Put(Change) returns (Order) {
    option (google.api.http) = {put: "/v1/orders/{order.id}" body: "order"};
  }
}
message Ask { string id = 1; string card = 2 [debug_redact = true]; map<string, int32> counts = 3; }
message Change { Order order = 1; }
message Orders { repeated Order orders = 1; int32 total_size = 2; }
message Order {
  string id = 1;
  google.protobuf.Timestamp create_time = 2;
  string card_number = 3 [debug_redact = true];
  Holder holder = 4;
  Holder secret = 5 [debug_redact = true];
  repeated string tags = 6;
  string note = 7;
  bool paid = 8;
}
message Holder { string name = 1; string pin = 2 [debug_redact = true]; }
"""
CONFIG = """version: 1
descriptors: [{{proto_path: protos}}]
upstreams:
  legacy: {{url: "http://127.0.0.1:1"}}
  shop: {{target: "127.0.0.1:1", plaintext: true, services: ["*"]}}
profiles:
  old:
    names: snake
    fields:
      Order.create_time: {{name: created_on}}
      Order.card_number: {{name: pan}}
      Order.holder: {{flatten: holder_}}
      Order.secret: {{flatten: ""}}
      Order.note: {{drop: true}}
      Ask.card: {{name: pan}}
    nest: {{Order: {{meta: [create_time, card_number]}}}}
    add:
      Order: {{href: "/cards/{{card_number}}", about: {{ref: "{{secret.name}}", at: "{{id}}"}}}}
    query: {{rename: {{number: id}}, brackets: true}}
    answer: {{body: {{ok: true, data: "{{}}"}}}}
defaults: {{stage: shadow, mirror: {{percent: 100}}, shape: {{profile: old}}}}
routes:
- rpc: shop.v1.Shop.Get
  compare: {{{get}}}
- rpc: shop.v1.Shop.List
  shape: {{answer: {{of: orders, body: {{total: "{{total_size}}"}}}}}}
  compare: {{{list}}}
- rpc: shop.v1.Shop.Put
  {put_shape}
  mirror: {{depth: translate, percent: 100}}
  compare: {{{put}}}
"""
HASHER = Hasher(b"k" * 32)
SECRET = Excerpt("string", 8, '"hunter-2"')
REASON = "reason: because"


def load(folder: Path, **compare: str) -> tuple[Snapshot | None, list[str]]:
    (folder / "protos").mkdir(exist_ok=True)
    (folder / "protos/shop.proto").write_text(PROTO)
    said = {"get": "", "list": "", "put": "", "put_shape": ""} | compare
    (folder / "cutover.yaml").write_text(CONFIG.format(**said))
    loaded = asyncio.run(attempt_load(folder, {}, None, None))
    return loaded.snapshot, [f"{each.place.path}: {each.message}" for each in loaded.problems]


def binding(snapshot: Snapshot | None, method: str) -> RouteBinding:
    assert snapshot is not None
    return next(each for each in snapshot.bindings if each.route.rpc.endswith(f".{method}"))


def ignored(path: str) -> str:
    return f"rules: [{{path: '{path}', use: present, {REASON}}}]"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "$.data.id"),
        ("get", "$.data.meta.created_on"),
        ("get", "$.data.holder_name"),
        ("get", "$.data.about.ref"),
        ("get", "$.ok"),
        ("get", "$.data.tags[*]"),
        ("get", "error:$.errors[*].anything"),
        ("get", "request:?number"),
        ("get", "request:?counts[a]"),
        ("list", "$.data[*].meta.pan"),
        ("list", "$.total"),
        ("put", "request:$.meta.created_on"),
        ("put", "request:$.holder_name"),
    ],
)
def test_paths_have_legacy_names(tmp_path: Path, method: str, path: str) -> None:
    snapshot, problems = load(tmp_path, **{method: ignored(path)})
    assert problems == []
    comparator = binding(snapshot, method.capitalize()).comparator
    assert comparator is not None
    assert [rule.path for rule in comparator.options.rules] == [path]


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("get", "$.create_time", "; under the shape it is $.data.meta.created_on"),
        ("get", "$.data.createTime", "has no field .createTime"),
        ("get", "$.holder.name", "; under the shape it is $.data.holder_name"),
        ("get", "$.note", "; the shape leaves this field out"),
        ("get", "$.data.tag", "did you mean .tags?"),
        ("list", "$.orders[*].cardNumber", "; under the shape it is $.data[*].meta.pan"),
        ("list", "$.totalSize", "; under the shape it is $.total"),
        ("put", "request:$.order.create_time", "; under the shape it is request:$.meta.created_on"),
        ("put", "request:$.create_time", "; under the shape it is request:$.meta.created_on"),
        ("get", "request:?id", "is called id"),
        ("get", "request:?card", "is called card; did you mean pan?"),
        ("get", "request:?pam", "is called pam; did you mean pan?"),
        ("get", "request:?card.bank", "is called card.bank"),
        ("get", "request:?counts", "no parameter gives counts: "),
        ("get", "$.data.id.more", "$.data.id is no object, which has no .more"),
        ("get", "$.data.holder[*]", "shop.v1.Order at $.data has no field .holder"),
    ],
)
def test_the_apis_own_names_are_told_what_they_are_called(
    tmp_path: Path, method: str, path: str, hint: str
) -> None:
    snapshot, [problem] = load(tmp_path, **{method: ignored(path)})
    assert snapshot is None
    assert hint in problem


def test_a_request_in_its_envelope_has_its_paths(tmp_path: Path) -> None:
    shape = 'shape: {request: {body: {order: "{}"}}}'
    snapshot, problems = load(tmp_path, put_shape=shape, put=ignored("request:$.order.meta.pan"))
    assert problems == []
    assert isinstance(binding(snapshot, "Put").requests, RequestComparator)
    _, [problem] = load(tmp_path, put_shape=shape, put=ignored("request:$.meta.pan"))
    assert "the document at $ has no field .meta" in problem


def test_where_a_program_makes_the_body_every_path_may_be(tmp_path: Path) -> None:
    route = 'shape: {jq: {answer: "."}}'
    snapshot, problems = load(tmp_path, put_shape=route, put="")
    assert problems == []
    comparator = binding(snapshot, "Put").comparator
    assert comparator is not None
    assert comparator.fields == {"$"}


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        ("rules: [{path: $.data, use: number, abs: 1, reason: r}]", "is never met: $.data is an"),
        ("rules: [{path: $.data.paid, use: number, abs: 1, reason: r}]", "is a truth value"),
        ("rules: [{path: $.data.tags, use: format, format: uuid, reason: r}]", "is a list"),
        ("rules: [{path: $.data.tags, use: timestamp, tolerance: 1s, reason: r}]", "is a list"),
        ("reveal: ['$']", "shows nothing: $ is an object; values are shown of what is in it"),
        ("reveal: ['$.data.tags']", "shows nothing: $.data.tags is a list"),
    ],
)
def test_what_can_do_nothing_at_a_path_is_refused(
    tmp_path: Path, compare: str, message: str
) -> None:
    _, [problem] = load(tmp_path, get=compare)
    assert message in problem


# --- what is kept of values


def shown(redactor: Redactor | None, path: str) -> tuple[str, str | None]:
    assert redactor is not None
    found = redactor.finding(Difference(path, Kind.VALUE, 1, SECRET, ABSENT), HASHER)
    return found.path, found.legacy.text


PRIVATE = (
    "$.data.meta.pan",
    "$.data.pin",
    "$.data.holder_pin",
    "$.data.name",
    "$.data.href",
    "$.data.about.ref",
    "request:?pan",
)
PUBLIC = ("$.data.id", "$.data.holder_name", "$.data.about.at", "$.data.meta.created_on")


def test_private_fields_are_hidden_under_whatever_name(tmp_path: Path) -> None:
    listed = ", ".join(f"'{path}'" for path in (*PRIVATE, *PUBLIC, "request:?number"))
    snapshot, problems = load(tmp_path, get=f"reveal: [{listed}]")
    assert problems == []
    redactor = binding(snapshot, "Get").redactor
    for path in PRIVATE:
        assert shown(redactor, path) == (path, None)
    for path in (*PUBLIC, "request:?number"):
        assert shown(redactor, path) == (path, SECRET.text)


def test_a_private_field_in_another_case_is_no_less_private(tmp_path: Path) -> None:
    snapshot, _ = load(tmp_path, get="reveal: ['$.data.meta.pan', '$.data.holder_pin']")
    redactor = binding(snapshot, "Get").redactor
    for path in ("$.data.meta.PAN", "$.data.holderPin"):
        assert shown(redactor, path)[1] is None


def test_names_that_are_data_are_hashed_and_those_of_the_shape_are_not(tmp_path: Path) -> None:
    redactor = binding(load(tmp_path)[0], "Get").redactor
    assert shown(redactor, "$.data.about.at")[0] == "$.data.about.at"
    for path in (
        '$.data["kim@example.com"]',
        "request:?counts[kim@example.com]",
        "request:?4f1c9ab",
    ):
        kept = shown(redactor, path)[0]
        assert "#" in kept
        assert "kim" not in kept
        assert "4f1c" not in kept


def test_what_a_program_may_have_moved_is_hidden(tmp_path: Path) -> None:
    route = 'shape: {jq: {answer: "."}}'
    snapshot, _ = load(tmp_path, put_shape=route, put="reveal: ['$.moved']")
    assert shown(binding(snapshot, "Put").redactor, "$.moved") == ("$.moved", None)
