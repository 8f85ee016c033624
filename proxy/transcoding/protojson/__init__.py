"""The ProtoJSON codec: JSON bytes to protobuf messages and back, generated per message type.

`Codecs` makes a `MessageCodec` per type and a `FieldCodec` per field from a descriptor pool and
`JsonOptions`. Reading goes through generated code over orjson and protobuf's C core, and for
anything unusual through one strict path that owns the rules; both give the same messages.
"""

from proxy.transcoding.protojson.codec import Codecs, FieldCodec, MessageCodec
from proxy.transcoding.protojson.faults import DecodeFailure, UnknownType
from proxy.transcoding.protojson.options import JsonOptions

__all__ = [
    "Codecs",
    "DecodeFailure",
    "FieldCodec",
    "JsonOptions",
    "MessageCodec",
    "UnknownType",
]
