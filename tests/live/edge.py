"""The whole edge over fakes: a front end on loopback, an exchange, a fake gRPC upstream.

Belongs here: an API made for tests, and the proxy put together in memory. Does not: the raw
sockets (`tests.live.wire`), the example's servers (`tests.live.example`).
"""

import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from google.protobuf import json_format
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cli.composition import load_snapshot
from proxy.errors import LimitExceeded
from proxy.example.schema import Schema, compile_folder
from proxy.exchange.control import Control
from proxy.exchange.exchange import Exchange
from proxy.exchange.messages import Answer, Headers, Outcome, Request, StreamAnswer
from proxy.exchange.mirroring import Mirroring
from proxy.exchange.observer import Observer
from proxy.exchange.passthrough import Passthrough
from proxy.exchange.steering import Steering
from proxy.programs.pool import ProgramPool
from proxy.programs.steps import ProgramSteps
from proxy.routing.snapshot import Snapshot
from proxy.server.frontend import Frontend
from proxy.server.protocol import ConnectionLimits, HeaderLimits
from proxy.server.reading import ReadLimits
from proxy.server.serving import Serving
from proxy.state.directory import StateDirectory
from proxy.status import Code
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.metrics import Metrics
from proxy.upstreams.rest import RestOptions, RestUpstream
from tests.fakes import Abort, FakeUpstream, Handler, Served
from tests.live.control import control_of

PROTO = """
syntax = "proto3";
package edge.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";

service Items {
  rpc Get(GetRequest) returns (Item) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {
      get: "/v1/items/{id}"
      additional_bindings {get: "/v1/{id=shelves/*/items/**}"}
    };
  }
  rpc List(GetRequest) returns (ItemList) {
    option (google.api.http) = {get: "/v1/items" response_body: "items"};
  }
  rpc Create(CreateRequest) returns (Item) {
    option (google.api.http) = {post: "/v1/items" body: "item"};
  }
  rpc Update(UpdateRequest) returns (Item) {
    option (google.api.http) = {patch: "/v1/items/{item.id}" body: "item"};
  }
  rpc Delete(GetRequest) returns (google.protobuf.Empty) {
    option (google.api.http) = {delete: "/v1/items/{id}"};
  }
  rpc Check(Item) returns (Item) {
    option (google.api.http) = {post: "/v1/items/{id}:check" body: "*"};
  }
  rpc Purge(GetRequest) returns (Item) {
    option (google.api.http) = {custom {kind: "PURGE" path: "/v1/items/{id}"}};
  }
  rpc Watch(GetRequest) returns (stream Item) {
    option (google.api.http) = {get: "/v1/items/{id}:watch"};
  }
  rpc File(GetRequest) returns (google.api.HttpBody) {
    option (google.api.http) = {get: "/v1/files/{id}"};
  }
  rpc Files(GetRequest) returns (stream google.api.HttpBody) {
    option (google.api.http) = {get: "/v1/files/{id}:all"};
  }
  rpc Upload(stream Item) returns (Item) {
    option (google.api.http) = {post: "/v1/upload" body: "*"};
  }
  rpc Chat(stream Item) returns (stream Item) {
    option (google.api.http) = {post: "/v1/chat" body: "*"};
  }
  rpc Old(GetRequest) returns (Item) {
    option (google.api.http) = {get: "/v1/old/{id}"};
  }
}

enum Kind { KIND_UNSPECIFIED = 0; BOX = 1; BAG = 2; }

message Item {
  string id = 1;
  int32 small = 2;
  int64 big = 3;
  uint32 count = 4;
  bool open = 5;
  double ratio = 6;
  bytes blob = 7;
  Kind kind = 8;
  repeated string labels = 9;
  map<string, string> tags = 10;
  oneof place { string shelf = 11; int32 room = 12; }
  google.protobuf.Timestamp made = 13;
  google.protobuf.Struct extra = 14;
  Item inner = 15;
  repeated Item parts = 16;
}

message GetRequest {
  string id = 1;
  int32 page_size = 2;
  Kind kind = 3;
  repeated string labels = 4;
  Item like = 5;
  map<string, string> tags = 6;
}
message ItemList { repeated Item items = 1; }
message CreateRequest { Item item = 1; string item_id = 2; }
message UpdateRequest { Item item = 1; google.protobuf.FieldMask update_mask = 2; }
"""

CONFIG = """
version: 1
descriptors: [{descriptor_set: edge.binpb}]
upstreams: {items: {target: "127.0.0.1:1", plaintext: true, services: ["edge.v1.*"]}%s}
defaults: {stage: grpc, response_metadata: [x-cost, sign-bin], max_request_bytes: 8KiB}
routes:
- {rpc: edge.v1.Items.Get, name: get-item}
%s
"""

LEGACY = ', legacy: {url: "http://127.0.0.1:1"}'
OLD = "- {rpc: edge.v1.Items.Old, name: old-item, stage: legacy}"


@cache
def descriptor_set() -> bytes:
    with TemporaryDirectory() as folder:
        Path(folder, "edge.proto").write_text(PROTO)
        return compile_folder(Path(folder))


@cache
def schema() -> Schema:
    return Schema(descriptor_set())


def item(**fields: Any) -> bytes:
    """An `edge.v1.Item` on the wire, from its ProtoJSON."""
    return message("Item", **fields)


def message(kind: str, /, **fields: Any) -> bytes:
    made = schema().message(f"edge.v1.{kind}")()
    json_format.ParseDict(fields, made, descriptor_pool=schema().pool)
    return bytes(made.SerializeToString())


def read(kind: str, wire: bytes) -> dict[str, Any]:
    """The ProtoJSON of a message that reached the upstream."""
    made = schema().message(f"edge.v1.{kind}").FromString(wire)
    return json_format.MessageToDict(made, descriptor_pool=schema().pool)


def method(name: str) -> str:
    return f"/edge.v1.Items/{name}"


async def load(
    *,
    legacy: bool = True,
    more: str = "",
    defaults: str = "",
    environ: Mapping[str, str] | None = None,
) -> Snapshot:
    """The API's snapshot. *more* are further lines, *defaults* keys of the configuration."""
    config = CONFIG % ((LEGACY, OLD) if legacy else ("", ""))
    if defaults:
        config = config.replace("defaults: {", f"defaults: {{{defaults}, ")
    with TemporaryDirectory() as name:
        folder = _folder_of(name, config + more)
        return await load_snapshot(folder, environ or {})


def _folder_of(name: str, config: str) -> Path:
    folder = Path(name)
    (folder / "edge.binpb").write_bytes(descriptor_set())
    (folder / "cutover.yaml").write_text(config)
    return folder


def answers(*messages: bytes, initial: Any = (), trailers: Any = ()) -> Handler:
    """A handler that sends *messages*."""

    async def handle(served: Served) -> AsyncIterator[bytes]:
        served.initial, served.trailers = initial, trailers
        for one in messages:
            yield one

    return handle


def fails(code: Code, text: str = "", *messages: bytes, **more: Any) -> Handler:
    """A handler that sends *messages* and ends the call with an error."""

    async def handle(served: Served) -> AsyncIterator[bytes]:
        for one in messages:
            yield one
        raise Abort(code, text, **more)

    return handle


#: What every method of the API answers unless a test says otherwise.
HANDLERS: Mapping[str, Handler] = {
    method(name): answers(b"")
    for name in ("Get", "List", "Create", "Update", "Delete", "Check", "Purge", "Watch", "File")
}


class FakeBody:
    """A request body in memory; passes as the front end's."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length: int | None = len(data)
        self.received = 0
        self.is_awaited = False

    async def read(self, limit: int) -> bytes:
        if len(self._data) > limit:
            raise LimitExceeded(f"the body is larger than {limit} bytes", http_status=413)
        self.received = len(self._data)
        return self._data

    async def gather(self) -> None:
        return

    def arrived(self) -> bytes | None:
        self.received = len(self._data)
        return self._data

    async def chunks(self) -> AsyncIterator[bytes]:
        self.received = len(self._data)
        yield self._data


@dataclass(frozen=True)
class Given:
    """An answer of the exchange, read to its end, with what was noted of it."""

    status: int
    headers: Headers
    body: bytes
    outcome: Outcome

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def __getitem__(self, name: str) -> str:
        return self.all(name)[0]

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Edge:
    """The edge in memory, and what it told its operators."""

    snapshot: Snapshot
    upstream: FakeUpstream
    exchange: Exchange
    observer: Observer
    metrics: Metrics
    access_log: AccessLog
    logged: list[bytes]
    frontend: Frontend
    control: Control
    url: str = ""
    interims: list[tuple[int, str, Headers]] = field(default_factory=list)

    def lines(self) -> list[dict[str, Any]]:
        """The access log so far."""
        self.access_log.flush()
        return [orjson.loads(line) for line in b"".join(self.logged).splitlines()]

    def shown_metrics(self) -> str:
        return self.metrics.render()[1].decode()

    def request(
        self, http_method: str, target: str, headers: Mapping[str, str] | Headers, body: bytes
    ) -> Request:
        path, _, query = target.partition("?")
        pairs = CIMultiDict({"Host": "api.test"})
        pairs.extend(headers)
        return Request(
            http_method,
            target,
            path,
            query,
            CIMultiDictProxy(pairs),
            FakeBody(body),
            "192.0.2.1",
            "http",
            lambda *interim: self.interims.append(interim),
        )

    async def begin(
        self,
        http_method: str,
        target: str,
        headers: Mapping[str, str] | Headers = (),
        body: bytes = b"",
    ) -> tuple[Answer | StreamAnswer, Outcome]:
        """The exchange's answer, its stream not read yet."""
        outcome = Outcome()
        request = self.request(http_method, target, headers, body)
        return await self.exchange.answer(request, outcome), outcome

    async def ask(
        self,
        http_method: str,
        target: str,
        headers: Mapping[str, str] | Headers = (),
        body: bytes = b"",
    ) -> Given:
        answer, outcome = await self.begin(http_method, target, headers, body)
        if isinstance(answer, Answer):
            return Given(answer.http_status, answer.headers, answer.body, outcome)
        try:
            whole = b"".join([chunk async for chunk in answer.chunks])
        finally:
            await answer.close()
        return Given(answer.http_status, answer.headers, whole, outcome)


@asynccontextmanager
async def edge_of(
    snapshot: Snapshot,
    handlers: Mapping[str, Handler] = HANDLERS,
    *,
    legacy_url: str = "",
    legacy_options: RestOptions | None = None,
    legacy_timeout_s: float = 30.0,
    trusted_hops: int = 0,
    connection_limits: ConnectionLimits | None = None,
    read_limits: ReadLimits | None = None,
    keep_alive_s: float = 15.0,
    exchange: Any = None,
    upstream: Any = None,
    state: StateDirectory | None = None,
    make_mirroring: Callable[[Steering, Metrics], Mirroring] | None = None,
) -> AsyncIterator[Edge]:
    """The edge, listening on loopback. Without *legacy_url* there is no legacy side.

    *exchange* and *upstream* stand in for those over *handlers*, *state* for a temporary directory.
    Nothing is mirrored without *make_mirroring*.
    """
    upstream = upstream or FakeUpstream(handlers)
    metrics, logged, stack = Metrics(), list[bytes](), ExitStack()
    control = stack.enter_context(control_of(snapshot, metrics=metrics, state=state))
    steering = Steering(snapshot, control, time.monotonic)
    legacy = RestUpstream(legacy_url, legacy_options) if legacy_url else None
    clock = time.monotonic
    mirroring = make_mirroring and make_mirroring(steering, metrics)
    passthrough = legacy and Passthrough(
        legacy,
        trusted_hops=trusted_hops,
        timeout_s=legacy_timeout_s,
        mark=mirroring and mirroring.mark,
        clock=clock,
    )
    programs = ProgramPool()
    exchange = exchange or Exchange(
        snapshot,
        {"items": upstream},
        passthrough,
        steering,
        clock=clock,
        random_bytes=lambda n: b"\7" * n,
        keep_alive_s=keep_alive_s,
        mark=mirroring and mirroring.mark,
        mirroring=mirroring,
        programs=ProgramSteps(programs),
    )
    access_log = AccessLog(logged.append, clock=time.time, call_later=lambda *_: _NoTimer())
    observer = Observer(snapshot, metrics, access_log, steering, clock, mirroring)
    limits = snapshot.config.settings.limits
    serving = Serving(
        exchange,
        observer,
        HeaderLimits(limits.max_url_bytes, limits.max_header_field_bytes, limits.max_headers),
        read_limits or ReadLimits(limits.max_header_bytes),
        connection_limits or ConnectionLimits(),
    )
    made = Frontend(serving, clock=clock, wall_clock=time.time)
    listening = socket.create_server(("127.0.0.1", 0))
    url = "http://127.0.0.1:{1}".format(*listening.getsockname())
    await made.start(listening)
    try:
        yield Edge(
            *(snapshot, upstream, exchange, observer, metrics, access_log, logged, made, control),
            url,
        )
    finally:
        await made.drain(1.0)
        await programs.close()
        await upstream.close()
        if legacy is not None:
            await legacy.close()
        await control.settle()
        stack.close()


class _NoTimer:
    """The tests flush the access log themselves."""

    def cancel(self) -> None:
        return
