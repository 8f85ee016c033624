"""Properties: both paths read alike, what is written reads back, and protobuf's codec agrees."""

import json
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from proxy.errors import RequestError
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import MessageCodec
from proxy.transcoding.protojson.codec import GIVE_UP, MINUS_ZERO, structural_quotes
from proxy.transcoding.protojson.moments import TIMESTAMP, timestamp
from proxy.transcoding.protojson.reader import JsonObject, JsonValue, Number, read
from tests.transcoding.protojson.schema import (
    OLD,
    SHAPES,
    codec,
    conformance,
    messages,
    pool_of,
    same,
    shape,
    shapes,
)

PROPERTY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

CONFORMANCE = [
    "protobuf_test_messages.proto2.TestAllTypesProto2",
    "protobuf_test_messages.proto3.TestAllTypesProto3",
    "protobuf_test_messages.editions.TestAllTypesEdition2023",
]


def pool_for(name: str) -> DescriptorPool:
    if name == SHAPES:
        return shapes()
    return pool_of(OLD) if name.startswith("old.") else conformance()


Read = tuple[bytes, tuple[str, ...]]


def fast_or_nothing(codec: MessageCodec, body: bytes) -> Read | None:
    try:
        message, unknown = codec.parse_fast(body)
    except GIVE_UP:
        return None
    return same(message), unknown


def strict_or_nothing(codec: MessageCodec, body: bytes) -> Read | None:
    try:
        message, unknown = codec.parse_strictly(body)
    except RequestError:
        return None
    return same(message), unknown


@pytest.mark.parametrize("name", [SHAPES, "old.Thing", *CONFORMANCE])
@PROPERTY
@given(data=st.data())
def test_what_is_written_reads_back_over_both_paths(name: str, data: st.DataObject) -> None:
    codec_ = codec(pool_for(name), name)
    message = data.draw(messages(codec_.descriptor))
    body = codec_.print(message)
    assert strict_or_nothing(codec_, body) == (same(message), ())
    assert same(codec_.parse(body)[0]) == same(message)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"names": "proto"},
        {"emit_defaults": True},
        {"enums_as_numbers": True},
        {"names": "proto", "emit_defaults": True, "enums_as_numbers": True},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
@pytest.mark.parametrize("name", [SHAPES, "old.Thing", *CONFORMANCE])
@settings(PROPERTY, max_examples=25)
@given(data=st.data())
def test_messages_are_written_as_protobuf_itself_writes_them(
    name: str, options: dict[str, Any], data: st.DataObject
) -> None:
    codec_ = codec(pool_for(name), name, **options)
    message = data.draw(messages(codec_.descriptor))
    theirs = json_format.MessageToDict(
        message,
        preserving_proto_field_name="names" in options,
        always_print_fields_with_no_presence="emit_defaults" in options,
        use_integers_for_enums="enums_as_numbers" in options,
        descriptor_pool=pool_for(name),
    )
    assert without_null_numbers(orjson.loads(codec_.print(message))) == without_null_numbers(theirs)


def without_null_numbers(value: Any) -> Any:
    """Protobuf writes NullValue as 0 when enums are numbers; we write the null that it means."""
    if isinstance(value, dict):
        return {
            key: None
            if key in {"pickNull", "pick_null", "nil"} | NULL_FIELDS
            else without_null_numbers(member)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [without_null_numbers(item) for item in value]
    return value


NULL_FIELDS = {"optionalNullValue", "optional_null_value", "oneofNullValue", "oneof_null_value"}


# Mutations

ODD_VALUES = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 1.5, 2**31, 2**63, 2**64, 1e10, -0.0, "", "0", "1", "-1"),
        *("01", "1.0", "1e2", "NaN", "Infinity", "true", "HIGH", "NOPE", "AQI", "-_8=", "a,b"),
        *("1s", "1.5s", "2021-01-01T00:00:00Z", "2021-01-01T00:00:00.5+01:00"),
        *([], {}, [None], [1, "x"], {"a": None}),
    ]
)
RAW_VALUES = st.sampled_from(
    [
        *("-0", "-0.0", "-0e1", "1.0", "1e2", "1E400", "9223372036854775808", "1e-400", "NaN"),
        *("18446744073709551616", "01", "+1", '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"'),
        '"a\\"b\\\\"',
    ]
)


@st.composite
def mutated(draw: st.DrawFn, codec: MessageCodec) -> bytes:
    """The JSON of a random message with something changed, often for the worse."""
    content = orjson.loads(codec.print(draw(messages(codec.descriptor))))
    holders = list(containers(content))
    for _ in range(draw(st.integers(0, 3))):
        mutate(draw, draw(st.sampled_from(holders)), codec)
    text = json.dumps(content, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()):
        text = replaced(draw, text)
    return text.encode("utf-8", "surrogatepass")


def containers(value: Any) -> Any:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from containers(inner)


def mutate(draw: st.DrawFn, holder: Any, codec: MessageCodec) -> None:
    value = draw(ODD_VALUES)
    if isinstance(holder, list):
        holder.insert(draw(st.integers(0, len(holder))), value)
        return
    names = [field.name for field in codec.descriptor.fields]
    names += [field.json_name for field in codec.descriptor.fields]
    keys = st.sampled_from([*holder, *names, "nope", "@type", "value", ""])
    holder[draw(keys)] = value


def replaced(draw: st.DrawFn, text: str) -> str:
    """The text with one token written otherwise, or with a pair given a second time."""
    start = draw(st.integers(0, len(text)))
    comma = text.find(", ", start)
    colon = text.find(": ", start)
    if colon < 0:
        return text
    if draw(st.booleans()):
        return f"{text[: colon + 2]}{draw(RAW_VALUES)}{text[comma:] if comma > colon else '}'}"
    key = text.rfind('"', 0, text.rfind('"', 0, colon))
    return f"{text[:key]}{text[key:colon]}: {draw(RAW_VALUES)}, {text[key:]}"


@pytest.mark.parametrize("name", [SHAPES, "old.Thing", *CONFORMANCE])
@pytest.mark.parametrize("unknown", ["reject", "warn", "ignore"])
@settings(PROPERTY, max_examples=100)
@given(data=st.data())
def test_the_fast_path_never_reads_what_the_strict_path_does_not(
    name: str, unknown: str, data: st.DataObject
) -> None:
    codec_ = codec(pool_for(name), name, unknown_fields=unknown)
    body = data.draw(mutated(codec_))
    fast = fast_or_nothing(codec_, body)
    if fast is not None:
        assert fast == strict_or_nothing(codec_, body)


@PROPERTY
@given(data=st.data())
def test_what_the_strict_path_reads_protobuf_reads_alike(data: st.DataObject) -> None:
    codec_ = shape()
    body = data.draw(mutated(codec_))
    ours = strict_or_nothing(codec_, body)
    # Of a zero with a minus, protobuf's codec keeps the sign only when there is a fraction.
    if ours is not None and not MINUS_ZERO(body):
        theirs = message_class(codec_.descriptor)()
        json_format.Parse(body, theirs, descriptor_pool=shapes())
        assert (same(theirs), ()) == ours


# Duplicate keys


@PROPERTY
@given(data=st.data())
def test_a_key_given_twice_is_seen_wherever_it_is(data: st.DataObject) -> None:
    codec_ = shape()
    body = codec_.print(data.draw(messages(codec_.descriptor)))
    pairs = [(place, key) for place, key in keys_of(body.decode())]
    if not pairs:
        return
    place, key = data.draw(st.sampled_from(pairs))
    twice = body.decode()[:place] + f"{key}:null," + body.decode()[place:]
    assert strict_or_nothing(codec_, twice.encode()) is None
    assert fast_or_nothing(codec_, twice.encode()) is None


def keys_of(text: str) -> list[tuple[int, str]]:
    """Every key of compact JSON with its place."""
    found, start, inside, place = [], 0, False, 0
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text[place] == '"':
            inside = not inside
            if inside:
                start = place
            elif text[place + 1 : place + 2] == ":":
                found.append((start, text[start : place + 1]))
        place += 1
    return found


@PROPERTY
@given(
    st.recursive(
        st.text() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    ),
    st.booleans(),
)
def test_structural_quotes_are_two_to_a_string(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert structural_quotes(body) == 2 * strings(read_lax(body))


def read_lax(body: bytes) -> JsonValue:
    return read(body, 100)


def strings(value: JsonValue) -> int:
    if isinstance(value, JsonObject):
        return sum(1 + strings(member) for _, member in value.pairs)
    if isinstance(value, list):
        return sum(map(strings, value))
    return int(isinstance(value, str) and not isinstance(value, Number))


# Timestamps


@PROPERTY
@seed(0)
@given(
    st.from_regex(r"[0-9T:+.Z-]{0,30}", fullmatch=True)
    | st.from_regex(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[.,]?[0-9+-]{0,10}Z?", fullmatch=True)
)
def test_only_rfc_3339_is_a_timestamp(text: str) -> None:
    try:
        timestamp(text)
    except ValueError:
        return
    assert TIMESTAMP(text)
