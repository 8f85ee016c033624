"""The ProtoJSON vectors, over both paths."""

from typing import Any

import orjson
import pytest
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import DecodeFailure, MessageCodec
from proxy.transcoding.protojson.codec import GIVE_UP
from tests.transcoding.protojson.schema import codec, same, shapes
from tests.vector_tables import Case, select

OPTIONS: dict[str, dict[str, Any]] = {
    "ignore_unknown_fields": {"unknown_fields": "ignore"},
    "always_print_fields_with_no_presence": {"emit_defaults": True},
    "preserving_proto_field_name": {"names": "proto"},
    "use_integers_for_enums": {"enums_as_numbers": True},
}
CASES = select("protojson", accepted={name: [True] for name in OPTIONS})
READ = CASES.where(lambda case: case["direction"] == "json_to_message")
WRITTEN = CASES.where(lambda case: case["direction"] == "message_to_json")


def codec_of(case: Case) -> MessageCodec:
    options = {name: value for each in case.options for name, value in OPTIONS[each].items()}
    return codec(shapes(), case["message"], **options)


def meant(codec: MessageCodec, expect: dict[str, Any]) -> list[bytes | None]:
    """What the case allows: messages, and None for a refusal."""
    return [
        None if "error" in one else same(message_class(codec.descriptor).FromString(wire(one)))
        for one in expect.get("one_of", [expect])
    ]


def wire(expect: dict[str, Any]) -> bytes:
    return bytes.fromhex(expect["wire"])


def read(path: str, codec: MessageCodec, body: bytes) -> bytes | None:
    try:
        message: Message = (codec.parse if path == "parse" else codec.parse_strictly)(body)[0]
    except RequestError:
        return None
    return same(message)


@pytest.mark.parametrize("path", ["parse", "strict"])
@READ.parametrize
def test_json_is_read(case: Case, path: str) -> None:
    codec = codec_of(case)
    body = case["json"].encode("utf-8", "surrogatepass")
    assert read(path, codec, body) in meant(codec, case["expect"])


@READ.parametrize
def test_the_fast_path_reads_as_the_strict_path_or_not_at_all(case: Case) -> None:
    codec = codec_of(case)
    body = case["json"].encode("utf-8", "surrogatepass")
    try:
        fast = codec.parse_fast(body)[0]
    except GIVE_UP:
        return
    assert same(fast) == read("strict", codec, body)


def test_the_fast_path_reads_what_well_behaved_clients_send() -> None:
    plain = [
        {"i32": 1, "i64": "-2", "u32": 3, "u64": "4", "flt": 1.5, "dbl": -2, "yes": True},
        {"str": "a", "raw": "AQI=", "tone": "HIGH", "part": {"label": "b", "inner": {}}},
        {"rI32": [1], "rI64": ["2"], "rStr": ["a"], "rTone": ["LOW"], "rPart": [{"count": 1}]},
        {"mStr": {"a": "b"}, "mI32": {"-1": "x"}, "mYes": {"true": "y"}, "mPart": {"k": {}}},
        {"pickStr": "", "wI64": "5", "wStr": "s", "rWI64": ["6"], "nothing": {}, "str": None},
        {"at": "2024-02-29T12:00:00Z", "span": "60s", "mask": "a.b,c", "rAt": []},
        {"bag": {"a": [1, None, {"b": True}]}, "anything": None, "row": ["x"], "pickNull": None},
        {"snake_case_name": "a", "trailing_digit_1": "b", "customName": "c"},
        {"at": "1970-01-01T00:00:00.123456789Z", "str": 'quoted "text" and \\'},
    ]
    codec = codec_of(CASES.cases[0])
    for content in plain:
        body = orjson.dumps(content)
        assert same(codec.parse_fast(body)[0]) == same(codec.parse_strictly(body)[0])


@WRITTEN.parametrize
def test_a_message_is_written(case: Case) -> None:
    codec = codec_of(case)
    expect = case["expect"]
    if "error" in expect:
        with pytest.raises(DecodeFailure):
            codec.wire_to_json(bytes.fromhex(case["wire"]))
    else:
        assert orjson.loads(codec.wire_to_json(bytes.fromhex(case["wire"]))) == expect["json"]
