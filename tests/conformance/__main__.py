"""A testee for the official conformance runner: `python -m tests.conformance [INCLUDE [TALLY]]`.

INCLUDE is the runner's include directory; without it the runner is asked. At the end of its input
the testee writes to TALLY how many requests touched JSON.

Binary goes through protobuf itself, JSON through this package's codec on both ways; text format
is skipped. Whatever the fast path reads, the strict path must read alike: a difference is an
error of the testee.
"""

import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from proxy.errors import ProxyError, RequestError
from proxy.transcoding.protojson import Codecs, JsonOptions, MessageCodec
from tests.conformance import check
from tests.conformance.protos import FILES, compiled

PROTOBUF, JSON = 1, 2
IGNORE_UNKNOWN = 3
LENGTH = struct.Struct("<I")


@dataclass
class Testee:
    pool: DescriptorPool
    touched_json: int = 0
    codecs: dict[bool, Codecs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.codecs = {
            ignore: Codecs(self.pool, JsonOptions(unknown_fields="ignore" if ignore else "reject"))
            for ignore in (False, True)
        }

    def answer(self, request: Any) -> dict[str, Any]:
        payload = request.WhichOneof("payload")
        if request.message_type == "conformance.FailureSet":
            return {"protobuf_payload": b""}
        if payload not in {"json_payload", "protobuf_payload"} or (
            request.requested_output_format not in {PROTOBUF, JSON}
        ):
            return {"skipped": "neither JSON nor binary"}
        if payload == "json_payload" or request.requested_output_format == JSON:
            self.touched_json += 1
        codec = self.codecs[request.test_category == IGNORE_UNKNOWN].message(
            self.pool.FindMessageTypeByName(request.message_type)
        )
        try:
            message = parsed(codec, request, payload)
        except (RequestError, DecodeError) as error:
            return {"parse_error": str(error)}
        if request.requested_output_format == PROTOBUF:
            return {"protobuf_payload": message.SerializePartialToString()}
        try:
            return {"json_payload": codec.print(message).decode()}
        except ProxyError as error:
            return {"serialize_error": str(error)}


def parsed(codec: MessageCodec, request: Any, payload: str) -> Message:
    if payload == "json_payload":
        return agreed(codec, request.json_payload.encode())
    return GetMessageClass(codec.descriptor).FromString(request.protobuf_payload)


def agreed(codec: MessageCodec, body: bytes) -> Message:
    message = codec.parse(body)[0]
    strictly = codec.parse_strictly(body)[0]
    fast, strict = (
        each.SerializePartialToString(deterministic=True) for each in (message, strictly)
    )
    if fast != strict:
        raise AssertionError(f"the two paths read {body!r} differently")
    return message


def serve(testee: Testee, source: BinaryIO, sink: BinaryIO) -> None:
    request_class, response_class = (
        GetMessageClass(testee.pool.FindMessageTypeByName(f"conformance.Conformance{name}"))
        for name in ("Request", "Response")
    )
    while length := source.read(LENGTH.size):
        request = request_class.FromString(source.read(*LENGTH.unpack(length)))
        answer = response_class(**testee.answer(request)).SerializeToString()
        sink.write(LENGTH.pack(len(answer)) + answer)
        sink.flush()


def main(include: str | None = None, tally: str | None = None) -> None:
    include = include or check.include_folder(check.runner())
    testee = Testee(compiled(Path(include), *FILES))
    serve(testee, sys.stdin.buffer, sys.stdout.buffer)
    if tally:
        with Path(tally).open("a", encoding="ascii") as file:
            file.write(f"{testee.touched_json}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
