"""What clients would lose: found where they have it, and only what they have."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from proxy.cli.composition import load_snapshot
from proxy.example.schema import compile_folder
from proxy.routing.compatibility import find_losses
from proxy.routing.losses import Loss
from proxy.routing.snapshot import Snapshot

HEAD = """
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
"""
API = """
service Shop {
  rpc Get(GetRequest) returns (Order) {
    option (google.api.http) = {get: "/v1/orders/{id}"};
  }
  rpc Put(PutRequest) returns (Order) {
    option (google.api.http) = {put: "/v1/orders/{order.id}" body: "order"};
  }
  rpc Find(Order) returns (Orders) {
    option (google.api.http) = {post: "/v1/orders:find" body: "*" response_body: "orders"};
  }
  rpc File(GetRequest) returns (google.api.HttpBody) {
    option (google.api.http) = {get: "/v1/files/{id}"};
  }
}
enum State { NEW = 0; SENT = 1; GONE = 2; }
message Order {
  string id = 1;
  int32 units = 2;
  State state = 3;
  repeated Line order_lines = 4;
  map<string, State> states = 5;
  google.protobuf.Timestamp made = 6;
  google.protobuf.StringValue note = 7;
  Order parent = 8;
}
message Line { string article = 1; int64 price = 2; }
message Orders { repeated Order orders = 1; }
message GetRequest { string id = 1; int32 page_size = 2; State state = 3; Line like = 4; }
message PutRequest { Order order = 1; bool dry_run = 2; }
"""
CONFIG = """
version: 1
descriptors: [{descriptor_set: shop.binpb}]
upstreams: {shop: {target: "127.0.0.1:1", plaintext: true}}
"""


@cache
def compiled(text: str) -> bytes:
    with TemporaryDirectory() as folder:
        Path(folder, "shop.proto").write_text(text)
        return compile_folder(Path(folder))


async def snapshot_of(api: str = API, more: str = "", head: str = HEAD) -> Snapshot:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shop.binpb").write_bytes(compiled(head + api))
        (folder / "cutover.yaml").write_text(CONFIG + more)
        return await load_snapshot(folder, {})


async def losses(change: dict[str, str], **options: Any) -> list[str]:
    """What is lost when texts of the API are replaced: route, part, path and message."""
    api = API
    for text, replacement in change.items():
        assert text in api, text
        api = api.replace(text, replacement)
    found = find_losses(await snapshot_of(), await snapshot_of(api, **options))
    return [f"{loss.route.removeprefix('shop-')}: {loss.what}" for loss in found]


async def test_nothing_is_lost_when_nothing_changes():
    snapshot = await snapshot_of()
    assert find_losses(snapshot, snapshot) == ()


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        # Bindings.
        (
            {'{get: "/v1/files/{id}"}': '{get: "/v1/documents/{id}"}'},
            ["file: is gone"],
        ),
        (
            {"rpc File(": "rpc Document("},
            ["file: leads to shop.v1.Shop.Document now, by GET /v1/files/{id}"],
        ),
        ({"rpc Get(GetRequest) returns (Order)": "rpc Get(GetRequest) returns (stream Order)"},
         ["get: was unary-unary, is unary-stream"]),
        ({'put: "/v1/orders/{order.id}"': 'patch: "/v1/orders/{order.id}"'}, ["put: is gone"]),
        # Fields of answers.
        (
            {"int64 price = 2;": ""},
            [
                "get: request field like.price is gone",
                "get: answer field orderLines.price is gone",
                "put: request field orderLines.price is gone",
                "put: answer field orderLines.price is gone",
                "find: request field orderLines.price is gone",
                "find: answer field orderLines.price is gone",
                "file: request field like.price is gone",
            ],
        ),
        (
            {"repeated Order orders = 1;": "Order orders = 1;"},
            ["find: answer was list of object, is object"],
        ),
        ({"(google.api.HttpBody)": "(Order)"}, ["file: answer was raw content, is object"]),
        ({' response_body: "orders"': ""}, ["find: answer was list of object, is object"]),
        # Requests.
        (
            {"int32 page_size = 2;": "int32 size = 2;"},
            [
                "get: request field pageSize is called size now",
                "file: request field pageSize is called size now",
            ],
        ),
        (
            {"int32 page_size = 2;": 'int32 size = 2 [json_name = "pageSize"];'},
            [
                "get: request field pageSize cannot be called page_size any more",
                "file: request field pageSize cannot be called page_size any more",
            ],
        ),
        (
            {"GetRequest { string id = 1;": "GetRequest { int64 id = 1;"},
            [
                "get: request field id was string, is int64",
                "file: request field id was string, is int64",
            ],
        ),
        (
            {"/v1/files/{id}": "/v1/files/{page_size}"},
            [
                "file: request field id was filled by the path, which fills page_size now",
                "file: request field id was string, is int32",
            ],
        ),
        (
            {'body: "order"': 'body: "*"'},
            [
                *(
                    f"put: request field {name} is gone"
                    for name in (
                        "units",
                        "state",
                        "orderLines",
                        "states",
                        "made",
                        "note",
                        "parent",
                    )
                ),
                "put: request is read from the body alone now, not from the query",
            ],
        ),
        ({' body: "order"': ""}, ["put: request may have no body any more"]),
        (
            {'{get: "/v1/orders/{id}"}': '{get: "/v1/orders/{id}" body: "like"}'},
            ["get: request field like is read from the body now, not from the query"],
        ),
    ],
)  # fmt: skip
async def test_a_loss_is_told_with_its_place(change: dict[str, str], lost: list[str]):
    assert await losses(change) == lost


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("int32 units = 2;", "int64 units = 2;", "units was int32, is int64"),
        ("int32 units = 2;", "repeated int32 units = 2;", "units was int32, is list of int32"),
        ("int32 units = 2;", 'int32 units = 2 [json_name = "n"];', "units is called n now"),
        ("map<string, State> states", "map<string, string> states",
         "states was map of string to enum, is map of string to string"),
        ("google.protobuf.Timestamp made", "string made", "made was timestamp, is string"),
        ("StringValue note", "BytesValue note", "note was string, is bytes"),
        ("Order parent = 8;", "Line parent = 8;", "parent.id is called article now"),
        ("GONE = 2;", "LOST = 2;", "state has LOST now where it had GONE"),
        ("GONE = 2;", "", "states has no value GONE any more"),
    ],
)  # fmt: skip
async def test_what_an_answer_held_is_missed(old: str, new: str, words: str):
    assert f"get: answer field {words}" in await losses({old: new})


async def test_values_that_a_request_may_hold_are_missed():
    found = await losses({"GONE = 2;": "LOST = 2;"})
    assert "get: request field state does not take the value GONE any more" in found
    assert "find: request field states does not take the value GONE any more" in found


@pytest.mark.parametrize(
    "change",
    [
        {"{id}": "{id=*}"},
        {'get: "/v1/files/{id}"': 'get: "/v1/files/{id=**}"'},
        {"string id = 1;\n  int32 units = 2;": "string id = 11;\n  sint32 units = 12;"},
        {"google.protobuf.StringValue note": "optional string note"},
        {"GONE = 2;": "GONE = 2; LOST = 3;"},
        {"bool dry_run = 2;": "bool dry_run = 2; string more = 3;"},
        {"message Line {": "message Row {", "Line ": "Row "},
    ],
    ids=lambda change: next(iter(change.values())),
)
async def test_what_a_client_cannot_see_is_no_loss(change: dict[str, str]):
    assert await losses(change) == []


async def test_options_that_change_the_json_are_told_once():
    more = "defaults: {names: proto, enums_as_numbers: true, int64_as_numbers: true}\n"
    found = await losses({}, more=more)
    assert [line for line in found if line.startswith("get:")] == [
        "get: answer has other JSON: names was json, is proto",
        "get: answer has other JSON: enums_as_numbers was false, is true",
        "get: answer has other JSON: int64_as_numbers was false, is true",
    ]


async def test_names_and_numbers_are_compared_as_the_route_shows_them():
    more = "defaults: {names: proto, enums_as_numbers: true, emit_defaults: true}\n"
    api = API.replace("order_lines", "lines").replace("GONE = 2", "LOST = 2")
    found = find_losses(await snapshot_of(more=more), await snapshot_of(api, more))
    answers = [loss.what for loss in found if loss.part == "answer" and "get" in loss.route]
    assert answers == ["answer field order_lines is called lines now"]
    plain = more.replace("emit_defaults: true", "emit_defaults: false")
    found = find_losses(await snapshot_of(more=more), await snapshot_of(more=plain))
    assert "emit_defaults was true, is false" in str(found[0])


async def test_a_required_field_is_a_loss_where_it_is_new():
    proto2 = 'syntax = "proto2";\npackage old.v1;\nimport "google/api/annotations.proto";\n'
    api = """
service Old {
  rpc Do(Job) returns (Job) { option (google.api.http) = {post: "/do" body: "*"}; }
}
message Job { required string name = 1; optional Part part = 2; }
message Part { optional string name = 1; %s }
"""
    (loss,) = find_losses(
        await snapshot_of(api % "", head=proto2),
        await snapshot_of(api % "required int32 size = 2;", head=proto2),
    )
    assert (loss.part, loss.path, loss.message) == ("request", "part.size", "is required now")


async def test_types_that_hold_themselves_come_to_an_end_whatever_was_captured():
    """A captured field is skipped where it is captured, not wherever its type comes up."""
    found = await losses({"Order {\n  string id = 1;": "Order {\n  int32 id = 1;"})
    assert "put: request field parent.id was string, is int32" in found
    assert "put: answer field id was string, is int32" in found


def test_a_loss_says_where_it_is():
    loss = Loss("get", "p.S.Get", "GET /a", "p.proto:1", "answer", "", "was object, is int32")
    assert str(loss) == "get: GET /a: answer was object, is int32"
