"""Properties of shapes: one that says nothing changes nothing, and what is written reads back."""

from typing import Any

import orjson
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.shape.codecs import ShapedCodecs, codecs_of
from proxy.shape.forms_times import EPOCH_NS
from proxy.shape.layout import Layouts
from proxy.shape.losses import losses
from proxy.shape.options import (
    EnumTable,
    FieldShape,
    Forms,
    Group,
    ShapeOptions,
    Substitute,
)
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import Codecs, DecodeFailure, JsonOptions, MessageCodec
from proxy.transcoding.protojson.moments import FIRST_S, LAST_S, SECOND_NS
from tests.shape.shop import descriptors, message_type
from tests.transcoding.protojson.schema import (
    ODD,
    OLD,
    SHAPES,
    conformance,
    messages,
    pool_of,
    same,
    shapes,
)

PROPERTY = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
OPTIONS = {
    "as built in": JsonOptions(),
    "all that can be written otherwise": JsonOptions(
        names="proto",
        emit_defaults=True,
        emit_unset=True,
        enums_as_numbers=True,
        int64_as_numbers=True,
    ),
}
TYPES = (
    SHAPES,
    *("old.Thing", "old.Strict", "old.Set"),
    *("odd.Keywords", "odd.Swapped", "odd.Flat", "odd.Pair"),
    "protobuf_test_messages.proto2.TestAllTypesProto2",
    "protobuf_test_messages.proto3.TestAllTypesProto3",
    "protobuf_test_messages.editions.TestAllTypesEdition2023",
)


def pool_for(name: str) -> DescriptorPool:
    if name == SHAPES:
        return shapes()
    package = name.partition(".")[0]
    texts = {"old": OLD, "odd": ODD}
    return pool_of(texts[package]) if package in texts else conformance()


def make(name: str) -> Any:
    return message_class(message_type(name))()


def printed(codec: MessageCodec, message: Message) -> bytes | None:
    """The JSON of a message, None when it has none."""
    try:
        return codec.print(message)
    except DecodeFailure:
        return None


@pytest.mark.parametrize("options", OPTIONS.values(), ids=[o.replace(" ", "-") for o in OPTIONS])
@pytest.mark.parametrize("name", TYPES)
def test_a_shape_that_says_nothing_is_protojson_exactly(name: str, options: JsonOptions) -> None:
    pool = pool_for(name)
    descriptor = pool.FindMessageTypeByName(name)
    plain = Codecs(pool, options).message(descriptor)
    shaped = ShapedCodecs(pool, options, ShapeOptions()).message(descriptor)

    @PROPERTY
    @given(messages(descriptor))
    def check(message: Any) -> None:
        body, other = printed(plain, message), printed(shaped, message)
        if body is None or other is None:
            assert body is other
        elif options == JsonOptions():
            assert other == body
            assert same(shaped.parse(body)[0]) == same(plain.parse(body)[0])
        else:
            # Where defaults are written, large messages have their keys in another order.
            assert orjson.loads(other) == orjson.loads(body)

    check()


def test_without_a_shape_there_are_the_plain_codecs() -> None:
    assert type(codecs_of(descriptors().pool, JsonOptions(), None)) is Codecs


#: Null is a value of these, so that it cannot say that they are not set.
VALUE = FieldShape("Kinds.value", forms=Forms(unset="omit"))
LOSSLESS = {
    "names": ShapeOptions(
        names="kebab",
        fields=(
            FieldShape("Order.id", name="Order ID", also=("order-id",)),
            FieldShape("Kinds.struct", name="Any value"),
        ),
    ),
    "numbers": ShapeOptions(
        names="snake",
        forms=Forms(int64="number", int32="text", floating="text", boolean="number", binary="hex"),
    ),
    "texts": ShapeOptions(
        names="pascal",
        forms=Forms(boolean=("yes", None), binary="base64url_unpadded", enum="kebab"),
    ),
    "enums": ShapeOptions(
        forms=Forms(enum="lower", enum_prefix="strip"),
        enums=(EnumTable("OrderState", (("ORDER_STATE_NEW", "open"),)),),
    ),
    "epochs": ShapeOptions(forms=Forms(timestamp="epoch_ns", duration="seconds")),
    "patterns": ShapeOptions(
        forms=Forms(timestamp="%-d.%-m.%Y %T.%9f %:z", duration="iso8601"),
    ),
    "milliseconds": ShapeOptions(forms=Forms(timestamp="rfc3339_ns", duration="milliseconds")),
    "nulls": ShapeOptions(forms=Forms(unset="null", zero="null"), fields=(VALUE,)),
    "zeros": ShapeOptions(
        forms=Forms(zero="write", empty_list="null", empty_map="omit", int64="number"),
    ),
    "substitutes": ShapeOptions(
        fields=(
            FieldShape("Order.voucher", forms=Forms(unset=Substitute(0))),
            FieldShape("Order.create_time", forms=Forms(unset=Substitute(False))),
            FieldShape("Kinds.optional_int64", forms=Forms(unset=Substitute(""))),
        )
    ),
    "lists": ShapeOptions(
        forms=Forms(enum="lower"),
        fields=(
            FieldShape("Kinds.int64_list", forms=Forms(separator=",")),
            FieldShape("Kinds.state_list", forms=Forms(separator="|")),
            FieldShape("Kinds.bool_list", forms=Forms(separator=" ")),
            FieldShape("Kinds.double_list", forms=Forms(separator=";")),
        ),
    ),
    "groups": ShapeOptions(
        names="snake",
        groups=(
            Group("Order", "meta", ("create_time", "update_time", "revision")),
            Group("Order", "pay", ("invoice", "card", "transfer", "paid")),
            Group("Kinds", "wrapped", ("wrapped_int64", "wrapped_bool", "int64_list")),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["Order", "Kinds", "ListOrdersResponse"])
@pytest.mark.parametrize("name", LOSSLESS)
def test_what_a_shape_writes_reads_back(name: str, kind: str) -> None:
    codec = ShapedCodecs(descriptors().pool, JsonOptions(), LOSSLESS[name]).message(
        message_type(kind)
    )

    @PROPERTY
    @given(messages(message_type(kind)))
    def check(message: Any) -> None:
        body = printed(codec, message)
        # There are several NaN, and only one that can be written.
        if body is not None and b"NaN" not in body:
            assert same(codec.parse(body)[0]) == same(message)

    check()


@pytest.mark.parametrize("style", EPOCH_NS)
@pytest.mark.parametrize("seconds", [FIRST_S, -1, 0, 9_223_372_036, 9_223_372_037, LAST_S])
def test_every_time_has_a_number(style: Any, seconds: int) -> None:
    """Those of nanoseconds leave 64 bits in 2262, and the first of all times stands for none."""
    codec = ShapedCodecs(
        descriptors().pool, JsonOptions(), ShapeOptions(forms=Forms(timestamp=style))
    ).message(message_type("Order"))
    message = make("Order")
    message.create_time.seconds = seconds
    body = codec.print(message)
    assert b'"createTime":%d' % (seconds * SECOND_NS // EPOCH_NS[style]) in body
    assert same(codec.parse(body)[0]) == same(message)


@pytest.mark.parametrize("style", EPOCH_NS)
@pytest.mark.parametrize(
    ("seconds", "nanos"), [(FIRST_S - 1, 0), (LAST_S + 1, 0), (0, -1), (0, SECOND_NS)]
)
def test_what_is_no_time_has_no_number(style: Any, seconds: int, nanos: int) -> None:
    codec = ShapedCodecs(
        descriptors().pool, JsonOptions(), ShapeOptions(forms=Forms(timestamp=style))
    ).message(message_type("Order"))
    message = make("Order")
    message.create_time.seconds, message.create_time.nanos = seconds, nanos
    with pytest.raises(DecodeFailure, match="out of range"):
        codec.print(message)


@pytest.mark.parametrize("name", LOSSLESS)
def test_shapes_that_read_back_are_told_to_lose_nothing(name: str) -> None:
    layouts = Layouts(LOSSLESS[name])
    for kind in ("Order", "Kinds", "Line", "Transfer", "Address"):
        for _, member in layouts.of(message_type(kind)).leaves():
            assert [*losses(member, member.steps[-1])] == []


@PROPERTY
@given(messages(message_type("Order")), st.sampled_from(sorted(LOSSLESS)))
def test_paths_of_what_is_written_lead_back(message: Any, name: str) -> None:
    layouts, order = Layouts(LOSSLESS[name]), message_type("Order")
    for field, _ in message.ListFields():
        legacy = layouts.path(order, field.name)
        assert legacy is not None
        assert layouts.proto_path(order, legacy) == field.name
