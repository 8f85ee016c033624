"""The messages that the tests of comparisons use: a shop that has a field of every kind."""

from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison, Document
from proxy.comparison.rules import Rule
from proxy.transcoding.descriptors import Descriptors, merge_files
from tests.sources.compiled import compile_files

SHOP = """
syntax = "proto3";
package shop.v1;
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; COLOR_DARK_BLUE = 2; }

message Money { string currency = 1; int64 units = 2; int32 nanos = 3; }

message Item {
  string sku = 1;
  int32 quantity = 2;
  Money price = 3;
  repeated string tags = 4;
  Color color = 5;
}

message Customer {
  string id = 1;
  string display_name = 2;
  google.protobuf.StringValue nick_name = 3;
  optional bool active = 4;
  repeated string emails = 5;
  Money limit = 6;
}

message Part { string id = 1; string name = 2; repeated Part parts = 3; Part spare = 4; }

message Order {
  string id = 1;
  int64 number = 2;
  uint64 total_cents = 3;
  int32 count = 4;
  double weight = 5;
  float ratio = 6;
  bool paid = 7;
  bytes signature = 8;
  Color color = 9;
  google.protobuf.Timestamp create_time = 10;
  google.protobuf.Timestamp update_time = 11;
  google.protobuf.Duration delivery = 12;
  google.protobuf.FieldMask shown = 13;
  google.protobuf.Struct extra = 14;
  google.protobuf.Value note = 15;
  google.protobuf.ListValue history = 16;
  google.protobuf.Any detail = 17;
  google.protobuf.Int64Value limit = 18;
  Customer customer = 19;
  repeated Item items = 20;
  repeated Part parts = 21;
  map<string, string> labels = 22;
  map<string, Item> gifts = 23;
  repeated int64 codes = 24;
  repeated Color colors = 25;
  repeated google.protobuf.Timestamp visits = 26;
  optional string comment = 27;
  oneof payment { string card = 28; string iban = 29; int32 voucher = 30; }
  google.protobuf.Empty nothing = 31;
  repeated Customer watchers = 32;
  uint32 seats = 33;
}

message Names { string first = 1; string first_name = 2; string FirstName = 3; }
message Box { google.protobuf.Any content = 1; google.protobuf.Struct any = 2; }
message Boxes { repeated Box boxes = 1; }
message Download { google.api.HttpBody file = 1; repeated google.api.HttpBody files = 2; }
"""


@cache
def shop() -> Descriptors:
    return merge_files(compile_files({"shop.proto": SHOP}))


def message(name: str = "Order") -> Descriptor:
    full_name = name if "." in name else f"shop.v1.{name}"
    return shop().pool.FindMessageTypeByName(full_name)


def field(name: str, of: str = "Order") -> FieldDescriptor:
    return message(of).fields_by_name[name]


def comparator(
    *rules: Rule, of: str = "Order", of_field: str = "", streams: bool = False, **options: object
) -> Comparator:
    chosen = CompareOptions(rules=rules, **options)  # type: ignore[arg-type]
    return Comparator.compile(
        message(of), field(of_field, of) if of_field else None, chosen, streams=streams
    )


def answer(
    body: bytes | str, status: int = 200, content_type: str = "application/json"
) -> Document:
    raw = body.encode() if isinstance(body, str) else body
    return Document(status, (("Content-Type", content_type),), raw)


def found(comparison: Comparison) -> list[tuple[str, str, int]]:
    """What was found, as the corpus writes it."""
    assert comparison.obstacle is None
    return sorted((each.path, str(each.kind), each.times) for each in comparison.differences)


def compared(
    legacy: bytes | str, grpc: bytes | str, *rules: Rule, **options: object
) -> list[tuple[str, str, int]]:
    return found(comparator(*rules, **options).compare(answer(legacy), answer(grpc)))  # type: ignore[arg-type]
