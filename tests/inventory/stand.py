"""A small shop: its proto, its bindings, and old APIs to hold beside them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.composition import load_snapshot
from proxy.config.documents import read_document
from proxy.config.source import SourceText
from proxy.inventory.coverage import Period, Survey
from proxy.inventory.hits import Hit
from proxy.inventory.legacy import LegacyApi
from proxy.inventory.openapi import read_openapi
from proxy.routing.snapshot import Snapshot
from tests.cli.folders import shop

PROTO = """\
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/api/httpbody.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
service Orders {
  rpc GetOrder(GetOrderRequest) returns (Order) {
    option (google.api.http) = {get: "/v1/orders/{id}"};
  }
  rpc ListOrders(ListOrdersRequest) returns (ListOrdersResponse) {
    option (google.api.http) = {get: "/v1/orders"};
  }
  rpc CreateOrder(CreateOrderRequest) returns (Order) {
    option (google.api.http) = {post: "/v1/orders" body: "order"};
  }
  rpc CancelOrder(CancelOrderRequest) returns (Order) {
    option (google.api.http) = {post: "/v1/orders/{id}:cancel" body: "*"};
  }
  rpc DeleteOrder(GetOrderRequest) returns (Order) {
    option (google.api.http) = {delete: "/v1/orders/{id}"};
  }
  rpc GetShop(GetShopRequest) returns (Shop) {
    option (google.api.http) = {get: "/v1/*/shops/{shop.name}"};
  }
  rpc ListItems(ListOrdersRequest) returns (ListOrdersResponse) {
    option (google.api.http) = {get: "/v1/items" response_body: "orders"};
  }
  rpc ListSpecials(ListOrdersRequest) returns (ListOrdersResponse) {
    option (google.api.http) = {get: "/v1/special/{page_token}"
      additional_bindings {get: "/v1/kinds/red"}};
  }
  rpc Upload(stream Order) returns (Order) {
    option (google.api.http) = {post: "/v1/orders:upload" body: "*"};
  }
  rpc PutPicture(PutPictureRequest) returns (google.api.HttpBody) {
    option (google.api.http) = {put: "/v1/orders/{id}/picture" body: "picture"};
  }
}
message GetOrderRequest { string id = 1; string note = 2; }
message ListOrdersRequest {
  int32 page_size = 1;
  string page_token = 2;
  repeated string states = 3;
  Filter filter = 4;
  map<string, string> tags = 5;
}
message Filter { string owner = 1; google.protobuf.Timestamp since = 2; }
message ListOrdersResponse { repeated Order orders = 1; string next_page_token = 2; }
message CreateOrderRequest { Order order = 1; bool validate_only = 2; }
message CancelOrderRequest { string id = 1; string reason = 2; }
message GetShopRequest { Shop shop = 1; }
message Shop { string name = 1; }
message PutPictureRequest { string id = 1; google.api.HttpBody picture = 2; }
message Order {
  enum State { STATE_UNSPECIFIED = 0; OPEN = 1; CLOSED = 2; }
  string id = 1 [(google.api.field_behavior) = OUTPUT_ONLY];
  int64 total_cents = 2;
  State state = 3;
  google.protobuf.Timestamp create_time = 4 [(google.api.field_behavior) = OUTPUT_ONLY];
  Address ship_to = 5;
  repeated Line lines = 6;
  map<string, Address> places = 7;
  google.protobuf.Struct extra = 8;
  bool paid = 9;
  Order replaces = 10;
}
message Address { string street = 1; string post_code = 2; }
message Line { string article = 1; int32 pieces = 2; }
"""
CONFIG = """\
version: 1
descriptors:
- proto_path: proto
upstreams:
  legacy: {url: "http://old.test:8080"}
  shop: {target: "shop.test:50051", plaintext: true, services: ["shop.v1.*"]}
"""


def shop_snapshot(base: Path, more: str = "", other: tuple[str, str] = ("", "")) -> Snapshot:
    """The shop, with *more* in its configuration, and its proto with *other* text for some."""
    folder = shop(base, config=CONFIG + more, proto=PROTO.replace(*other) if other[0] else PROTO)
    return asyncio.run(load_snapshot(folder, {}))


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return shop_snapshot(tmp_path_factory.mktemp("shop"))


def api_of(text: str, name: str = "old.yaml") -> LegacyApi:
    return read_openapi(read_document(SourceText(name, text)))


def paths_api(paths: str, more: str = "") -> LegacyApi:
    """An API by its paths alone, indented by two."""
    return api_of(f"openapi: 3.0.3\ninfo: {{title: Old}}\n{more}paths:\n{paths}")


def survey(
    snapshot: Snapshot, api: LegacyApi | None, *hits: Hit, days: int | None = None
) -> dict[str, Any]:
    held = Survey(snapshot, api)
    for hit in hits:
        held.add(hit)
    period = None if days is None else Period(days)
    return held.result(period, has_traffic=bool(hits))


def findings(snapshot: Snapshot, paths: str, more: str = "") -> list[tuple[str, str, str]]:
    """Kind, place and path of all that is found about the only operation of *paths*."""
    (endpoint,) = survey(snapshot, paths_api(paths, more))["endpoints"]
    return [(each["kind"], each["where"], each["path"]) for each in endpoint["findings"]]
