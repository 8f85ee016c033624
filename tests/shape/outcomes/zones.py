"""An API of zones and records made for these tests, and the edge over a fake of its server.

Belongs here: the API, and how to ask it. Does not: the edge itself (`tests.live.edge`).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf import json_format

from proxy.cli.composition import load_snapshot
from proxy.example.schema import Schema, compile_folder
from proxy.routing.snapshot import Snapshot
from tests.fakes import Handler, Served
from tests.live.edge import Edge, edge_of

PROTO = """
syntax = "proto3";
package zones.v1;
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/timestamp.proto";

service Records {
  rpc Get(GetRequest) returns (Record) {
    option (google.api.http) = {get: "/v4/zones/{zone}/records/{id}"};
  }
  rpc List(ListRequest) returns (ListReply) {
    option (google.api.http) = {get: "/v4/zones/{zone}/records"};
  }
  rpc Create(CreateRequest) returns (Record) {
    option (google.api.http) = {post: "/v4/zones/{zone}/records" body: "record"};
  }
  rpc Update(UpdateRequest) returns (Record) {
    option (google.api.http) = {put: "/v4/records/{record.id}" body: "record"};
  }
  rpc Delete(DeleteRequest) returns (google.protobuf.Empty) {
    option (google.api.http) = {delete: "/v4/records/{id}"};
  }
  rpc Find(GetRequest) returns (Found) {
    option (google.api.http) = {get: "/v4/zones/{zone}:find"};
  }
  rpc Watch(ListRequest) returns (stream Record) {
    option (google.api.http) = {get: "/v4/zones/{zone}:watch"};
  }
  rpc Sweep(ListRequest) returns (ListReply) {
    option (google.api.http) = {post: "/v4/zones/{zone}:sweep"};
  }
}

enum State { STATE_UNSPECIFIED = 0; ACTIVE = 1; PENDING = 2; }

message Record {
  string id = 1;
  string name = 2;
  string etag = 3;
  State state = 4;
  int32 http_code = 5;
  google.protobuf.Timestamp update_time = 6;
  int64 revision = 7;
  optional string owner = 8;
  bool fresh = 9;
  repeated string labels = 10;
  Record parent = 11;
}
message GetRequest { string zone = 1; string id = 2; }
message ListRequest {
  string zone = 1;
  int32 page_size = 2;
  string page_token = 3;
  int32 skip = 4;
  string filter = 5;
}
message ListReply {
  repeated Record records = 1;
  string next_page_token = 2;
  int32 total_size = 3;
}
message CreateRequest { string zone = 1; Record record = 2; }
message UpdateRequest { Record record = 1; }
message DeleteRequest { string id = 1; string etag = 2; }
message Found { Record record = 1; repeated string hints = 2; repeated string others = 3; }
"""

CONFIG = """
version: 1
descriptors: [{descriptor_set: zones.binpb}]
upstreams: {items: {target: "127.0.0.1:1", plaintext: true, services: ["zones.v1.*"]}}
defaults: {stage: grpc%s}
"""


@cache
def descriptor_set() -> bytes:
    with TemporaryDirectory() as folder:
        Path(folder, "zones.proto").write_text(PROTO)
        return compile_folder(Path(folder))


@cache
def schema() -> Schema:
    return Schema(descriptor_set())


def message(kind: str, /, **fields: Any) -> bytes:
    made = schema().message(f"zones.v1.{kind}")()
    json_format.ParseDict(fields, made, descriptor_pool=schema().pool)
    return bytes(made.SerializeToString())


def read(kind: str, wire: bytes) -> dict[str, Any]:
    made = schema().message(f"zones.v1.{kind}").FromString(wire)
    return json_format.MessageToDict(
        made, preserving_proto_field_name=True, descriptor_pool=schema().pool
    )


def method(name: str) -> str:
    return f"/zones.v1.Records/{name}"


async def load(routes: str, defaults: str = "", more: str = "") -> Snapshot:
    """A snapshot with the shapes of *routes*, a line for each: `Get: {etag: "{etag}"}`."""
    lines = (line.strip().partition(": ") for line in routes.strip().splitlines())
    entries = "".join(f"- {{rpc: zones.v1.Records.{n}, shape: {shape}}}\n" for n, _, shape in lines)
    config = CONFIG % defaults + (f"routes:\n{entries}" if entries else "") + more
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "zones.binpb").write_bytes(descriptor_set())
        (folder / "cutover.yaml").write_text(config)
        return await load_snapshot(folder, {})


@asynccontextmanager
async def zones(
    routes: str, handlers: Mapping[str, Handler], defaults: str = "", more: str = ""
) -> AsyncIterator[Edge]:
    """The edge with *routes*, over *handlers* by the names of their methods."""
    snapshot = await load(routes, defaults, more)
    by_method = {method(name): handler for name, handler in handlers.items()}
    async with edge_of(snapshot, by_method) as edge:
        yield edge


class Listing:
    """A server of *total* records that hands out at most *chunk* of them at a time.

    Its tokens are `t` and an offset; *asked* are the requests that it got.
    """

    def __init__(self, total: int, chunk: int = 1000) -> None:
        self.total = total
        self.chunk = chunk
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, served: Served) -> AsyncIterator[bytes]:
        request = read("ListRequest", served.message)
        self.asked.append(request)
        start = int(request.get("page_token", "t0").removeprefix("t")) + request.get("skip", 0)
        size = min(self.chunk, request.get("page_size", self.chunk))
        records = [{"id": str(i)} for i in range(start, min(start + size, self.total))]
        end = start + len(records)
        more = {"next_page_token": f"t{end}"} if end < self.total else {}
        yield message("ListReply", records=records, total_size=self.total, **more)
