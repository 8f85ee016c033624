"""Message types for the tests of the codec, and hypothesis strategies over them.

Proto text is compiled into private pools; nothing is registered in protobuf's default pool.
"""

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from hypothesis import strategies as st

from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import Codecs, FieldCodec, JsonOptions, MessageCodec
from proxy.transcoding.protojson.kinds import (
    Kind,
    field_kind,
    is_map,
    map_entry,
    message_kind,
)
from proxy.transcoding.protojson.moments import FIRST_S, LAST_S, LONGEST_S
from proxy.transcoding.protojson.scalars import INTEGERS
from tests.conformance import check
from tests.conformance.protos import FILES, compiled

VECTORS = Path(__file__).parents[2] / "vectors"
SHAPES = "testvectors.v1.JsonShapes"

OLD = """
syntax = "proto2";
package old;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";

enum Closed { NONE = 0; ONE = 1; UNO = 1; TWO = 2; option allow_alias = true; }

message Thing {
  optional int32 number = 1 [default = 7];
  optional Closed closed = 2;
  repeated Closed many = 3;
  optional group Box = 4 { optional string label = 1; }
  map<string, Closed> by_name = 5;
  optional string text = 6;
  optional google.protobuf.Any any = 7;
  optional google.protobuf.Value value = 8;
  optional double ratio = 9;
  optional google.protobuf.Duration span = 10;
  optional google.protobuf.Int64Value wrapped = 11;
  extensions 100 to 200;
}
message Strict { required int32 must = 1; optional Strict inner = 2; }
extend Thing { optional int32 extra = 100; repeated Thing things = 101; }
message Other { extend Thing { optional string inside = 102; } extensions 5 to 10; }
extend Other { optional int32 elsewhere = 5; }

message Set { option message_set_wire_format = true; extensions 4 to max; }
message Item { extend Set { optional Item item = 1000; } optional string name = 1; }
"""

ODD = """
syntax = "proto3";
package odd;
import "google/protobuf/struct.proto";
import "google/protobuf/any.proto";

message Keywords { string from = 1; int32 class = 2; repeated string import = 3;
  optional bool lambda = 4; map<string, int32> global = 5; Keywords def = 6;
  oneof yield { int32 is = 7; int32 not = 8; int32 or = 9; } }
message Swapped {
  string first = 1 [json_name = "second"]; string second = 2 [json_name = "third"];
}
message Nothing {}
message Flat { int32 a = 1; repeated int32 b = 2; Leaf c = 3; repeated Leaf d = 4; }
message Leaf { string x = 1; repeated string y = 2; }
message Loop { Loop next = 1; repeated Loop all = 2; map<string, Loop> by_name = 3; Leaf leaf = 4;
  google.protobuf.Struct struct = 5; google.protobuf.Any any = 6; int32 number = 7; }
message Pair { oneof pick { string left = 1; string right = 2; } }
"""


@cache
def pool_of(text: str) -> DescriptorPool:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test.proto").write_text(text, encoding="utf-8")
        return compiled(Path(folder), "test.proto")


@cache
def shapes() -> DescriptorPool:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(VECTORS / "protojson_shapes.proto", folder)
        return compiled(Path(folder), "protojson_shapes.proto")


@cache
def conformance() -> DescriptorPool:
    """The messages of the conformance suite; skips the test where its protos cannot be had."""
    try:
        return compiled(Path(check.include_folder(check.runner())), *FILES)
    except check.NotHere as reason:
        pytest.skip(f"the conformance protos are not here: {reason}")


@cache
def codecs(pool: DescriptorPool, options: JsonOptions = JsonOptions()) -> Codecs:  # noqa: B008
    return Codecs(pool, options)


def codec(pool: DescriptorPool, name: str, **options: Any) -> MessageCodec:
    return codecs(pool, JsonOptions(**options)).message(pool.FindMessageTypeByName(name))


def field_codec(pool: DescriptorPool, name: str, field: str, **options: Any) -> FieldCodec:
    descriptor = pool.FindMessageTypeByName(name)
    return codecs(pool, JsonOptions(**options)).field(descriptor.fields_by_name[field])


def old(name: str, **options: Any) -> MessageCodec:
    return codec(pool_of(OLD), f"old.{name}", **options)


def odd(name: str, **options: Any) -> MessageCodec:
    return codec(pool_of(ODD), f"odd.{name}", **options)


def shape(**options: Any) -> MessageCodec:
    return codec(shapes(), SHAPES, **options)


def same(message: Message) -> bytes:
    """What two messages have in common exactly when they are equal; NaN is equal to itself."""
    return message.SerializePartialToString(deterministic=True)


# Random messages

# Smaller floats are in a test of their own: protobuf writes those with needless digits.
FLOATS = st.floats(width=32, allow_subnormal=False) | st.sampled_from(
    [0.0, -0.0, 0.1, 1.5, 3.4028234663852886e38]
)
DOUBLES = st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 1e308, 0.1, 123456789.0])
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


def integers(kind: Kind) -> st.SearchStrategy[int]:
    _, low, high = INTEGERS[kind]
    return st.integers(low, high) | st.sampled_from([0, 1, low, high])


SCALARS = {
    **{kind: integers(kind) for kind in INTEGERS},
    Kind.FLOAT: FLOATS,
    Kind.DOUBLE: DOUBLES,
    Kind.BOOL: st.booleans(),
    Kind.STRING: TEXT,
    Kind.BYTES: st.binary(max_size=8),
    Kind.NULL: st.just(0),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field_kind(field) is not Kind.ENUM:
        return SCALARS[field_kind(field)]
    enum = field.enum_type
    assert enum is not None
    numbers = st.sampled_from([value.number for value in enum.values])
    return numbers if enum.is_closed else numbers | st.integers(-(2**31), 2**31 - 1)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 2) -> Any:
    """Random messages of a type, special types included; at most *depth* levels below it."""
    message = message_class(descriptor)()
    special = SPECIAL_MESSAGES.get(message_kind(descriptor))
    if special is not None:
        special(draw, message, depth)
        return message
    for field in (
        draw(st.lists(st.sampled_from(list(descriptor.fields)), max_size=6))
        if (descriptor.fields)
        else ()
    ):
        fill(draw, message, field, depth)
    return message


def fill(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    value = getattr(message, field.name)
    if is_map(field):
        fill_map(draw, value, field, depth)
    elif field.message_type is None and field.is_repeated:
        value.extend(draw(st.lists(scalar(field), max_size=3)))
    elif field.message_type is None:
        setattr(message, field.name, draw(scalar(field)))
    elif depth and field.is_repeated:
        value.extend(draw(st.lists(messages(field.message_type, depth - 1), max_size=2)))
    elif depth:
        value.SetInParent()
        value.CopyFrom(draw(messages(field.message_type, depth - 1)))


def fill_map(draw: st.DrawFn, items: Any, field: FieldDescriptor, depth: int) -> None:
    key, value = map_entry(field)
    for name in draw(st.lists(scalar(key), max_size=2)):
        if value.message_type is None:
            items[name] = draw(scalar(value))
        elif depth:
            items[name].CopyFrom(draw(messages(value.message_type, depth - 1)))


def fill_timestamp(draw: st.DrawFn, message: Any, _depth: int) -> None:
    message.seconds = draw(st.integers(FIRST_S, LAST_S) | st.sampled_from([0, FIRST_S, LAST_S]))
    message.nanos = draw(st.integers(0, 999_999_999) | st.sampled_from([0, 500_000_000, 1000]))


def fill_duration(draw: st.DrawFn, message: Any, _depth: int) -> None:
    sign = draw(st.sampled_from([1, -1]))
    message.seconds = sign * draw(st.integers(0, LONGEST_S))
    message.nanos = sign * draw(st.integers(0, 999_999_999) | st.sampled_from([0, 1000]))


def fill_mask(draw: st.DrawFn, message: Any, _depth: int) -> None:
    paths = st.from_regex(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?", fullmatch=True)
    message.paths.extend(draw(st.lists(paths, max_size=3)))


def fill_struct(draw: st.DrawFn, message: Any, _depth: int) -> None:
    message.update(draw(st.dictionaries(TEXT, JSON, max_size=3)))


def fill_list(draw: st.DrawFn, message: Any, _depth: int) -> None:
    message.extend(draw(st.lists(JSON, max_size=3)))


def fill_value(draw: st.DrawFn, message: Any, depth: int) -> None:
    kind = draw(st.sampled_from(["null", "number", "string", "struct", "list"]))
    if kind == "null":
        message.null_value = 0
    elif kind == "number":
        message.number_value = draw(st.floats(allow_nan=False, allow_infinity=False))
    elif kind == "string":
        message.string_value = draw(TEXT)
    elif kind == "struct":
        message.struct_value.SetInParent()
        fill_struct(draw, message.struct_value, depth)
    else:
        message.list_value.SetInParent()
        fill_list(draw, message.list_value, depth)


def fill_any(draw: st.DrawFn, message: Any, depth: int) -> None:
    pool = message.DESCRIPTOR.file.pool
    names = ["google.protobuf.Duration", "google.protobuf.Struct", "google.protobuf.Int64Value"]
    descriptor = pool.FindMessageTypeByName(draw(st.sampled_from(names)))
    inner = draw(messages(descriptor, max(depth - 1, 0)))
    message.type_url = f"type.googleapis.com/{descriptor.full_name}"
    message.value = inner.SerializeToString(deterministic=True)


SPECIAL_MESSAGES: dict[Kind, Callable[[st.DrawFn, Any, int], None]] = {
    Kind.TIMESTAMP: fill_timestamp,
    Kind.DURATION: fill_duration,
    Kind.FIELD_MASK: fill_mask,
    Kind.STRUCT: fill_struct,
    Kind.LIST_VALUE: fill_list,
    Kind.VALUE: fill_value,
    Kind.ANY: fill_any,
}
