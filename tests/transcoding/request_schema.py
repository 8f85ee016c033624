"""Message types and bindings for the tests of requests and answers.

Compiles `.proto` text into private pools and resolves rules the short way, without annotations.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import grpc_tools
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_tools import protoc

from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.fields import bind_variable
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.template import parse_template

INCLUDED = Path(grpc_tools.__file__).parent / "_proto"
VECTORS = Path(__file__).parents[1] / "vectors"

LIBRARY = """
syntax = "proto3";
package library.v1;
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

message Author { string name = 1; int32 born = 2; Author mentor = 3; }
enum Cover { COVER_UNSPECIFIED = 0; HARD = 1; }
message Book {
  string name = 1;
  string title = 2;
  int64 pages = 3;
  optional string note = 4;
  Author author = 5;
  repeated string tags = 6;
  map<string, string> labels = 7;
  google.protobuf.Struct extra = 8;
  google.protobuf.Any attached = 9;
  google.protobuf.Timestamp printed = 10;
  google.protobuf.Int32Value rating = 11;
  repeated Author readers = 12;
  oneof place { string shelf = 13; Author lender = 14; int32 box = 15; }
  google.protobuf.Value remark = 16;
  double weight = 17;
  string sort_key = 18 [json_name = "orderBy"];
  Cover cover = 19;
  repeated Cover covers = 20;
}
message BookRequest {
  string name = 1;
  Book book = 2;
  google.protobuf.FieldMask update_mask = 3;
  bool validate_only = 4;
  int64 revision = 5;
  optional int32 limit = 6;
  repeated Author authors = 7;
  repeated string words = 8;
  map<string, int32> counts = 9;
  google.api.HttpBody cover = 10;
  string key = 11;
  google.protobuf.Timestamp since = 12;
  google.protobuf.Struct extra = 13;
  oneof choice { string left = 14; string right = 15; }
  google.protobuf.Value anything = 16;
}
message TwoMasks {
  Book book = 1;
  google.protobuf.FieldMask one = 2;
  google.protobuf.FieldMask two = 3;
}
message ManyMasks { Book book = 1; repeated google.protobuf.FieldMask masks = 2; }
message BookReply {
  Book book = 1;
  repeated Book books = 2;
  map<string, int32> counts = 3;
  int64 total = 4;
  optional string note = 5;
  google.api.HttpBody file = 6;
  google.protobuf.Int32Value rating = 7;
  bool done = 8;
}
service Library {
  rpc Serve(BookRequest) returns (BookReply);
  rpc Upload(google.api.HttpBody) returns (google.api.HttpBody);
  rpc Two(TwoMasks) returns (BookReply);
  rpc Many(ManyMasks) returns (BookReply);
}
"""

STRICT = """
syntax = "proto2";
package strict.v1;
message Inner { required string id = 1; }
message Request {
  required string name = 1;
  optional Inner inner = 2;
  enum Closed { NONE = 0; ONE = 1; }
  optional Closed closed = 3;
  optional group Part = 4 { optional string text = 1; }
}
message Outer { optional Inner inner = 1; }
service Strict { rpc Serve(Request) returns (Request); }
"""


@cache
def pool_of(source: str) -> DescriptorPool:
    """A private pool of the proto *source* and its imports."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "source.proto").write_text(source, encoding="utf-8")
        return _compile(folder, "source.proto")


@cache
def vector_pool(file: str) -> DescriptorPool:
    """A private pool of a `.proto` among the vectors."""
    return _compile(str(VECTORS), file)


def _compile(folder: str, file: str) -> DescriptorPool:
    with tempfile.TemporaryDirectory() as out:
        target = Path(out) / "set.binpb"
        arguments = [f"-I{folder}", f"-I{INCLUDED}", f"-I{_googleapis()}", "--include_imports"]
        assert protoc.main(["protoc", *arguments, f"--descriptor_set_out={target}", file]) == 0
        files = FileDescriptorSet.FromString(target.read_bytes()).file
    pool = DescriptorPool()
    for proto in files:
        pool.AddSerializedFile(proto.SerializeToString())
    return pool


def _googleapis() -> Path:
    from google.api import httpbody_pb2

    return Path(httpbody_pb2.__file__).parents[2]


def codecs_of(pool: DescriptorPool, **options: Any) -> Codecs:
    return Codecs(pool, JsonOptions(**options))


def message_type(pool: DescriptorPool, name: str) -> Descriptor:
    return pool.FindMessageTypeByName(name)


def field_of(message: Descriptor, name: str) -> FieldDescriptor:
    return message.fields_by_name[name]


def make(pool: DescriptorPool, name: str, content: Any = None) -> Message:
    """A message from its ProtoJSON as Python values."""
    message = message_class(message_type(pool, name))()
    return json_format.ParseDict(content or {}, message, descriptor_pool=pool)


def bind(
    pool: DescriptorPool,
    method: str,
    http_method: str,
    template: str,
    *,
    body: str = "",
    response_body: str = "",
) -> Binding:
    """The binding of a rule to the method `package.Service.Method`."""
    rpc = pool.FindMethodByName(method)
    parsed = parse_template(template)
    selectors = {"": Body.NONE, "*": Body.WHOLE}
    return Binding(
        method=rpc,
        http_method=http_method,
        template=parsed,
        variables=tuple(bind_variable(rpc.input_type, one) for one in parsed.variables),
        body=selectors.get(body) or field_of(rpc.input_type, body),
        response_body=field_of(rpc.output_type, response_body) if response_body else None,
        fully_decode_reserved_expansion=False,
        origin="test",
    )
