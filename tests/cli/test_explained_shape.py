"""`cutover explain` under a shape: each step that a request, its answer and its errors take."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from proxy.cli import main
from tests.cli.folders import shop

PROTO = """\
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
service Orders {
  rpc CreateOrder(Order) returns (Order) {
    option (google.api.http) = {post: "/v1/orders" body: "*"};
  }
  rpc ListOrders(ListRequest) returns (ListReply) {
    option (google.api.http) = {get: "/v1/orders"};
  }
}
message Order {
  int64 order_id = 1;
  google.protobuf.Timestamp create_time = 2;
  Buyer buyer = 3;
  string secret = 4;
  double weight = 5;
}
message Buyer { string name = 1; }
message ListRequest { int32 page_size = 1; string page_token = 2; }
message ListReply { repeated Order orders = 1; string next_page_token = 2; }
"""
CONFIG = """\
version: 1
descriptors:
- proto_path: proto
upstreams:
  shop: {target: "shop.test:50051", plaintext: true}
profiles:
  old:
    names: snake
    forms: {int64: number}
    fields:
      Order.create_time: {name: created_on, timestamp: epoch_ms, unset: null}
      Order.buyer: {flatten: buyer_}
      Order.secret: {drop: true}
      Order.weight: {float: text, zero: write}
    lossy: [timestamp]
routes:
- rpc: shop.v1.Orders.CreateOrder
  shape:
    profile: old
    request: {body: {order: "{}"}}
    answer: {body: {ok: true, result: "{}"}}
    status: {code: 201}
    headers: {Location: "/v1/orders/{order_id}"}
    errors: {body: {error: "{message}"}}
    urls: {trailing_slash: true}
    jq: {request: ".wrapped"}
- rpc: shop.v1.Orders.ListOrders
  shape:
    profile: old
    query: {rename: {size: page_size}}
    errors:
      body: {error: "{legacy_code}: {message}"}
      codes: {default: E1}
      messages: {names: {INVALID_ARGUMENT: "bad {field}"}}
"""
PAGED = CONFIG.replace(
    "query: {rename: {size: page_size}}", "paging: {page: p, per_page: n, items: orders}"
)


def explained(folder: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["explain", *arguments, "-c", str(folder)])
    assert result.exit_code == 0, result.output
    return result


def steps(folder: Path, *arguments: str) -> list[tuple[str, str, str, str]]:
    told = json.loads(explained(folder, *arguments, "--json").stdout)["shape"]
    return [(step["part"], step["setting"], step["about"], step["text"]) for step in told]


def test_each_step_of_a_shape_is_told_in_the_order_of_an_exchange(tmp_path: Path) -> None:
    folder = shop(tmp_path, config=CONFIG, proto=PROTO)
    body = '{"wrapped": {"order": {"order_id": 7, "buyer_name": "kim"}}}'
    assert steps(folder, "POST", "/v1/orders/", "-d", body) == [
        ("request", "profile", "", "old"),
        ("request", "urls", "", "trailing_slash"),
        ("request", "jq", "", ".wrapped"),
        ("request", "body", "", '{"order":"{}"}'),
        ("request", "names", "", "snake"),
        ("request", "drop", "Order.secret", "is unknown"),
        ("request", "int64", "Order.order_id", "number"),
        ("request", "name", "Order.create_time", "created_on"),
        ("request", "timestamp", "Order.create_time", "epoch_ms"),
        ("request", "flatten", "Order.buyer.name", "buyer_name"),
        ("request", "float", "Order.weight", "text"),
        ("answer", "names", "", "snake"),
        ("answer", "drop", "Order.secret", "is left out"),
        ("answer", "int64", "Order.order_id", "number"),
        ("answer", "name", "Order.create_time", "created_on"),
        ("answer", "timestamp", "Order.create_time", "epoch_ms"),
        ("answer", "unset", "Order.create_time", "null"),
        ("answer", "flatten", "Order.buyer.name", "buyer_name"),
        ("answer", "float", "Order.weight", "text"),
        ("answer", "zero", "Order.weight", "written"),
        ("answer", "body", "", '{"ok":true,"result":"{}"}'),
        ("answer", "status", "", '{"code":201}'),
        ("answer", "headers", "", '{"Location":{"value":"/v1/orders/{order_id}"}}'),
        ("error", "body", "", '{"error":"{message}"}'),
    ]


def test_a_program_is_run_before_the_fields_are_told(tmp_path: Path) -> None:
    folder = shop(tmp_path, config=CONFIG, proto=PROTO)
    body = '{"wrapped": {"order": {"order_id": 7, "buyer_name": "kim"}}}'
    told = json.loads(explained(folder, "POST", "/v1/orders", "-d", body, "--json").stdout)
    assert told["call"]["message"] == {"orderId": "7", "buyer": {"name": "kim"}}


def test_a_program_that_refuses_is_told_as_the_client_gets_it(tmp_path: Path) -> None:
    config = CONFIG.replace('".wrapped"', """'error("no order")'""")
    folder = shop(tmp_path, config=config, proto=PROTO)
    told = json.loads(explained(folder, "POST", "/v1/orders", "-d", "{}", "--json").stdout)
    assert told["answer"]["http_status"] == 400
    assert "no order" in told["answer"]["body"]["error"]


def test_parameters_with_names_of_their_own_are_told(tmp_path: Path) -> None:
    folder = shop(tmp_path, config=CONFIG, proto=PROTO)
    told = steps(folder, "GET", "/v1/orders?size=3&page_token=a")
    assert [step for step in told if step[1] == "query"] == [
        ("request", "query", "size", "page_size")
    ]


def test_what_becomes_of_the_parameters_of_pages_is_told(tmp_path: Path) -> None:
    folder = shop(tmp_path, config=PAGED, proto=PROTO)
    told = steps(folder, "GET", "/v1/orders?p=3&n=2&n%6F=1")
    assert [step for step in told if step[:2] == ("request", "paging")] == [
        ("request", "paging", "p", "by reading the pages before it"),
        ("request", "paging", "n", "page_size"),
    ]


def test_what_clients_are_not_told_of_a_refusal_is_told_here(tmp_path: Path) -> None:
    folder = shop(tmp_path, config=CONFIG, proto=PROTO)
    arguments = ("GET", "/v1/orders?size=many")
    shown = explained(folder, *arguments).stdout
    wrong = 'expected a 32-bit integer, not "many"'
    assert f"\nwhat is wrong\n  page_size: {wrong}\n" in shown
    answer = json.loads(explained(folder, *arguments, "--json").stdout)["answer"]
    assert answer["body"] == {"error": "E1: bad size"}
    assert answer["refused"] == {"message": wrong, "field": "page_size"}


def test_the_texts_of_errors_are_told_as_they_stand_in_files(tmp_path: Path) -> None:
    told = steps(shop(tmp_path, config=CONFIG, proto=PROTO), "GET", "/v1/orders")
    texts = {setting: text for part, setting, _, text in told if part == "error"}
    assert texts["messages"] == '{"names":{"INVALID_ARGUMENT":"bad {field}"}}'


def test_people_read_the_steps_by_what_they_are_about(tmp_path: Path) -> None:
    folder = shop(tmp_path, config=CONFIG, proto=PROTO)
    shown = explained(folder, "GET", "/v1/orders?size=3").stdout
    request = shown.partition("shape of the request\n")[2].splitlines()
    assert [line.split() for line in request[:2]] == [
        ["profile", "old"],
        ["query", "size", "page_size"],
    ]
    assert "shape of the answer\n  names " in shown


def test_without_a_shape_there_are_no_steps(tmp_path: Path) -> None:
    config = CONFIG[: CONFIG.index("profiles:")]
    folder = shop(tmp_path, config=config, proto=PROTO)
    assert steps(folder, "GET", "/v1/orders?pageSize=3") == []
    assert "shape of" not in explained(folder, "GET", "/v1/orders").stdout
