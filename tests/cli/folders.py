"""Configuration folders for the tests of the commands."""

from pathlib import Path

from proxy.example.files import folder

#: What the example's configuration asks the environment for. Nothing listens there.
ENVIRONMENT = {"LEGACY_URL": "http://127.0.0.1:9", "DNS_TARGET": "127.0.0.1:9"}

EXAMPLE = folder("mappings")

CONFIG = """\
version: 1
descriptors:
- proto_path: proto
upstreams:
  legacy: {url: "http://old.test:8080"}
  shop: {target: "shop.test:50051", plaintext: true}
"""
PROTO = """\
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Orders {
  rpc GetOrder(GetOrderRequest) returns (Order) {
    option (google.api.http) = {get: "/v1/orders/{id}"};
  }
  rpc Upload(stream Order) returns (Order) {
    option (google.api.http) = {post: "/v1/orders:upload" body: "*"};
  }
}
message GetOrderRequest { string id = 1; string note = 2; }
message Order { string id = 1; }
"""


def shop(base: Path, *, config: str = CONFIG, proto: str = PROTO) -> Path:
    """Write a configuration of one service into *base*; gives the folder."""
    mappings = base / "mappings"
    (mappings / "proto").mkdir(parents=True)
    (mappings / "proto" / "orders.proto").write_text(proto)
    (mappings / "cutover.yaml").write_text(config)
    return mappings
