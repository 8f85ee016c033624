"""Bodies that nobody sends by accident: every one ends in a `RequestError`, quickly."""

import json
from contextlib import suppress
from typing import Any

import pytest

from proxy.errors import RequestError
from proxy.status import Code
from proxy.transcoding.protojson import DecodeFailure, MessageCodec, UnknownType
from proxy.transcoding.protojson.codec import GIVE_UP
from tests.transcoding.protojson.schema import ODD, codecs, odd, old, pool_of, same, shape


def refusal(codec: MessageCodec, body: bytes) -> RequestError:
    """The refusal of a body that the fast path must not read either."""
    with pytest.raises(GIVE_UP):
        codec.parse_fast(body)
    with pytest.raises(RequestError) as caught:
        codec.parse(body)
    assert caught.value.http_status == 400
    assert caught.value.status.code is Code.INVALID_ARGUMENT
    return caught.value


HOSTILE = {
    "nothing": b"",
    "spaces": b"  \n",
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"i32": 1}'.encode("utf-16"),
    "bad utf-8": b'{"str": "\xff"}',
    "truncated utf-8": b'{"str": "\xe4\xb8"}',
    "overlong utf-8": b'{"str": "\xc0\xaf"}',
    "surrogate in utf-8": b'{"str": "\xed\xa0\x80"}',
    "lone surrogate": b'{"str": "\\ud800"}',
    "lone surrogate as a key": b'{"\\ud800": 1}',
    "lone surrogate as an enum name": b'{"tone": "\\ud800"}',
    "lone surrogate as an enum name in a list": b'{"rTone": ["\\ud800"]}',
    "lone surrogate as an enum name in a map": b'{"mTone": {"a": "\\ud800"}}',
    "lone surrogate for a null": b'{"nil": "\\ud800"}',
    "lone surrogate as the type of an Any": b'{"parcel": {"@type": "a/\\ud800"}}',
    "lone surrogate before the type of an Any": (
        b'{"parcel": {"@type": "\\ud800/google.protobuf.Empty"}}'
    ),
    "lone surrogate in a map key": b'{"mStr": {"\\ud800": "a"}}',
    "raw NUL": b'{"str": "\x00"}',
    "NUL between tokens": b'{"i32": 1}\x00',
    "unterminated": b'{"str": "' + b"a" * 100_000,
    "unterminated escape": b'{"str": "\\',
    "NaN": b'{"dbl": NaN}',
    "-Infinity": b'{"dbl": -Infinity}',
    "NaN in a Struct": b'{"bag": {"a": NaN}}',
    "comment": b'{"i32": 1 /* one */}',
    "two values": b"{}{}",
    "5,000 digits": b'{"i64": ' + b"9" * 5000 + b"}",
    "5,000 digits in quotes": b'{"i64": "' + b"9" * 5000 + b'"}',
    "5,000 digits in a double": b'{"dbl": ' + b"9" * 5000 + b"}",
    "a huge exponent": b'{"i64": 1e999999999999999999999}',
    "a huge exponent in quotes": b'{"i32": "1e999999999"}',
    "a tiny exponent": b'{"i32": 1e-999999999}',
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"part":' * 100_000,
    "deep and closed": b'{"row": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep Struct": b'{"bag": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "deep below an unknown field": b'{"nope": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "5,000-digit map key": b'{"mI32": {"' + b"1" * 5000 + b'": "a"}}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("unknown", ["reject", "warn", "ignore"])
def test_a_hostile_body_is_refused(body: bytes, unknown: str) -> None:
    error = refusal(shape(unknown_fields=unknown), body)
    assert len(str(error)) < 200
    assert str(error).isprintable()


def test_a_long_text_is_not_repeated_in_full_and_not_raw() -> None:
    error = refusal(shape(), json.dumps({"i32": "\n\x1b[31m" + "x" * 10_000}).encode())
    assert error.field == "i32"
    assert str(error) == (
        'i32: expected a 32-bit integer, not "\\n\\u001b[31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."'
    )


def test_a_long_key_is_cut_in_the_path() -> None:
    assert refusal(shape(), json.dumps({"k" * 10_000: 1}).encode()).field == "k" * 40 + "..."


# Depth


def nested(levels: int) -> bytes:
    return b'{"next":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


@pytest.mark.parametrize("levels", [1, 99, 100])
def test_a_hundred_levels_are_read(levels: int) -> None:
    codec = odd("Loop")
    assert same(codec.parse(nested(levels))[0]) == same(codec.parse_strictly(nested(levels))[0])


@pytest.mark.parametrize("levels", [101, 500, 900, 5000])
def test_more_levels_are_refused(levels: int) -> None:
    assert "deeper than 100 levels" in str(refusal(odd("Loop"), nested(levels)))


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize(
    "content",
    [
        {"leaf": {"y": []}},
        {"next": {"leaf": {"y": ["a"]}}},
        {"all": [{}]},
        {"all": []},
        {"byName": {"a": {"next": {}}}},
        {"struct": {"a": [{"b": []}]}},
        {"next": {"struct": {"a": {}}}},
    ],
    ids=json.dumps,
)
def test_every_object_and_array_counts_as_a_level(content: Any, limit: int) -> None:
    codec, body = odd("Loop", max_depth=limit), json.dumps(content).encode()
    if depth(content) > limit:
        refusal(codec, body)
    else:
        assert same(codec.parse(body)[0]) == same(codec.parse_strictly(body)[0])


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "content", [{"b": [1]}, {"c": {}}, {"c": {"y": []}}, {"d": [{}]}, {"d": [{"y": ["a"]}]}]
)
def test_types_without_recursion_keep_the_limit_too(content: Any, limit: int) -> None:
    codec, body = odd("Flat", max_depth=limit), json.dumps(content).encode()
    if depth(content) > limit:
        refusal(codec, body)
    else:
        assert codec.parse(body)[0] == codec.parse_strictly(body)[0]


def free_form(kind: str, levels: int) -> bytes:
    """A body with *levels* of JSON: the message, and arrays or objects in free-form fields."""
    opening, closing = (b"[", b"]") if kind == "row" else (b'{"a":', b"}")
    inside = b"" if kind == "row" else b"1"
    inner = opening * (levels - 1) + inside + closing * (levels - 1)
    return b'{"%s": %s}' % (kind.encode(), inner)


@pytest.mark.parametrize(("kind", "deepest"), [("row", 51), ("bag", 34)])
def test_free_form_json_that_no_server_could_parse_is_refused(kind: str, deepest: int) -> None:
    codec = shape()
    for levels in (31, 32, 33, deepest):
        parsed = codec.parse(free_form(kind, levels))[0]
        assert parsed == codec.parse_strictly(free_form(kind, levels))[0]
        assert type(parsed).FromString(parsed.SerializeToString()) == parsed
    for levels in (deepest + 1, 100):
        reason = str(refusal(codec, free_form(kind, levels)))
        assert "messages that are nested deeper than 100 levels" in reason


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


# Keys


def test_a_thousand_keys_are_read_in_maps_and_structs() -> None:
    pairs = {f"k{number}": "v" for number in range(1000)}
    body = json.dumps({"mStr": pairs, "bag": pairs}).encode()
    assert same(shape().parse_fast(body)[0]) == same(shape().parse_strictly(body)[0])


@pytest.mark.parametrize("field", ["mStr", "bag", "anything", "nope", "mPart", "nothing"])
def test_more_keys_are_refused_wherever_they_are(field: str) -> None:
    pairs: dict[str, Any] = {
        f"k{number}": {} if field == "mPart" else "v" for number in range(1001)
    }
    codec = shape(unknown_fields="ignore")
    error = refusal(codec, json.dumps({field: pairs}).encode())
    assert "more than 1000 keys" in str(error)


def test_more_keys_are_refused_at_the_top() -> None:
    body = json.dumps({f"k{number}": 1 for number in range(1001)}).encode()
    assert "more than 1000 keys" in str(refusal(shape(unknown_fields="warn"), body))


def test_a_small_limit_holds_for_known_fields() -> None:
    codec = odd("Flat", max_object_keys=2)
    assert codec.parse(b'{"a": 1, "b": [2]}')[0] == codec.parse_strictly(b'{"a": 1, "b": [2]}')[0]
    refusal(codec, b'{"a": 1, "b": [2], "c": {}}')


# Any


def wrap(codec: MessageCodec, levels: int) -> Any:
    """A message with Any inside Any, as wire bytes; an Any holds a Loop, which holds an Any."""
    message: Any = codec.parse(b"{}")[0]
    for _ in range(levels):
        outer: Any = codec.parse(b"{}")[0]
        outer.any.type_url = "type.googleapis.com/odd.Loop"
        outer.any.value = message.SerializeToString()
        message = outer
    return message.SerializeToString()


def test_any_inside_any_is_written_and_read_within_the_limit() -> None:
    codec = odd("Loop")
    body = codec.wire_to_json(wrap(codec, 40))
    assert same(codec.parse(body)[0]) == wrap(codec, 40)


def test_any_nested_too_deeply_is_not_written() -> None:
    codec = odd("Loop")
    with pytest.raises(DecodeFailure, match="nested too deeply"):
        codec.wire_to_json(wrap(codec, 200))


def test_any_nested_too_deeply_is_not_read() -> None:
    content: Any = {}
    for _ in range(100):
        content = {"any": {"@type": "type.googleapis.com/odd.Loop", **content}}
    assert "deeper than 100 levels" in str(refusal(odd("Loop"), json.dumps(content).encode()))


def test_an_any_of_an_unknown_type_names_it() -> None:
    codec = odd("Loop")
    message: Any = codec.parse(b"{}")[0]
    message.any.type_url = "type.googleapis.com/not.Known"
    with pytest.raises(UnknownType) as caught:
        codec.print(message)
    assert caught.value.type_url == "type.googleapis.com/not.Known"


@pytest.mark.parametrize(
    ("type_url", "value"),
    [("type.googleapis.com/odd.Leaf", b"\xff"), ("", b"\x0a\x00")],
    ids=["bytes that are no such message", "bytes without a type"],
)
def test_an_any_that_is_not_valid_is_not_written(type_url: str, value: bytes) -> None:
    codec = odd("Loop")
    message: Any = codec.parse(b"{}")[0]
    message.any.type_url, message.any.value = type_url, value
    with pytest.raises(DecodeFailure):
        codec.print(message)


def test_messages_too_deep_for_json_are_not_written() -> None:
    codec = odd("Loop")
    message: Any = codec.parse(b"{}")[0]
    inner = message
    for _ in range(300):
        inner = inner.next
        inner.SetInParent()
    with pytest.raises(DecodeFailure):
        codec.print(message)


def test_text_that_is_not_utf_8_is_not_written() -> None:
    with pytest.raises(DecodeFailure):
        old("Thing").wire_to_json(b"\x32\x01\xff")


def test_generated_code_does_not_pile_up() -> None:
    made = codecs(pool_of(ODD))
    codec = made.message(pool_of(ODD).FindMessageTypeByName("odd.Loop"))
    assert made.message(codec.descriptor) is codec


# Every field, every kind of value

ODD_TEXTS = (*("", "a", "\0", "\ud800", "-0", "1e999", "NaN", "a/b", "=", "\u0661"), "9" * 5000)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -0.0, 1.5, 2**70, float(2**70), [], {}, [None], [[]], [{}]),
    *ODD_TEXTS,
    *([text] for text in ODD_TEXTS),
    *({"a": text} for text in ODD_TEXTS),
    *({text: "a"} for text in ODD_TEXTS),
    *({"@type": text} for text in ODD_TEXTS),
    *({"@type": f"a/{text}", "value": text} for text in ODD_TEXTS),
    *({"@type": f"{text}/testvectors.v1.JsonShapes", "tone": text} for text in ODD_TEXTS),
)


@pytest.mark.parametrize("unknown", ["reject", "warn", "ignore"])
@pytest.mark.parametrize("field", [field.json_name for field in shape().descriptor.fields])
def test_no_value_of_a_field_ends_in_anything_but_a_refusal(field: str, unknown: str) -> None:
    codec = shape(unknown_fields=unknown)
    for value in ODD_VALUES:
        with suppress(RequestError):
            codec.json_to_wire(json.dumps({field: value}).encode())
