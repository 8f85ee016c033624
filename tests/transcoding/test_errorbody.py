"""Error bodies: what clients read, what is kept from them, and that nothing makes them fail."""

import base64
import json
from typing import Any, Final

import pytest
from google.protobuf import any_pb2, duration_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.status import Code, Detail, Status
from proxy.transcoding.errorbody import (
    HIDDEN_MESSAGES,
    parse_details,
    render_status,
    with_field_violation,
)

PREFIX: Final = "type.googleapis.com/"
EMPTY_POOL: Final = DescriptorPool()
STEADY: Final = settings(derandomize=True, deadline=None)


def rendered(status: Status, pool: DescriptorPool = EMPTY_POOL, *, reveal: bool = False) -> Any:
    return json.loads(render_status(status, pool, reveal_internal=reveal))


def packed(message: Any) -> Detail:
    return Detail(PREFIX + message.DESCRIPTOR.full_name, message.SerializeToString())


def pool_with_quota() -> DescriptorPool:
    """A pool of its own: `shop.Quota {int64 left = 1; google.protobuf.Any more = 2}`, and Any."""
    file = FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
    file.dependency.append("google/protobuf/any.proto")
    message = file.message_type.add(name="Quota")
    optional = FieldDescriptorProto.LABEL_OPTIONAL
    message.field.add(name="left", number=1, type=FieldDescriptorProto.TYPE_INT64, label=optional)
    message.field.add(
        name="more",
        number=2,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".google.protobuf.Any",
        label=optional,
    )
    pool = DescriptorPool()
    for standard in (any_pb2, timestamp_pb2, duration_pb2):
        copy = FileDescriptorProto()
        standard.DESCRIPTOR.CopyToProto(copy)
        pool.Add(copy)
    pool.Add(file)
    return pool


QUOTA: Final = PREFIX + "shop.Quota"
QUOTA_7: Final = b"\x08\x07"


def test_body_always_has_code_message_and_details() -> None:
    assert rendered(Status(Code.NOT_FOUND, "no zone “x”")) == {
        "code": 5,
        "message": "no zone “x”",
        "details": [],
    }
    assert rendered(Status(Code.CANCELLED)) == {"code": 1, "message": "", "details": []}


def test_standard_details_are_decoded_whatever_the_pool() -> None:
    info = error_details_pb2.ErrorInfo(reason="GONE", domain="dns", metadata={"zone": "x"})
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=3))
    for pool in (EMPTY_POOL, pool_with_quota()):
        status = Status(Code.UNAVAILABLE, "later", (packed(info), packed(retry)))
        assert rendered(status, pool)["details"] == [
            {
                "@type": PREFIX + "google.rpc.ErrorInfo",
                "reason": "GONE",
                "domain": "dns",
                "metadata": {"zone": "x"},
            },
            {"@type": PREFIX + "google.rpc.RetryInfo", "retryDelay": "3s"},
        ]


def test_details_of_the_pool_are_decoded_and_others_stay_opaque() -> None:
    status = Status(Code.ABORTED, "no", (Detail(QUOTA, QUOTA_7),))
    assert rendered(status, pool_with_quota())["details"] == [{"@type": QUOTA, "left": "7"}]
    assert rendered(status)["details"] == [{"@type": QUOTA, "value": "CAc="}]


def test_type_with_json_of_its_own_stands_under_value() -> None:
    moment = packed(timestamp_pb2.Timestamp(seconds=1))
    assert rendered(Status(Code.ABORTED, "", (moment,)), pool_with_quota())["details"] == [
        {"@type": moment.type_url, "value": "1970-01-01T00:00:01Z"}
    ]


def test_any_inside_a_detail_is_decoded_or_makes_the_whole_detail_opaque() -> None:
    def quota(inner: Detail) -> Detail:
        more = any_pb2.Any(type_url=inner.type_url, value=inner.value).SerializeToString()
        return Detail(QUOTA, b"\x12" + bytes([len(more)]) + more)

    known, unknown = quota(Detail(QUOTA, QUOTA_7)), quota(Detail("x/y.Z", b""))
    status = Status(Code.ABORTED, "", (known, unknown))
    assert rendered(status, pool_with_quota())["details"] == [
        {"@type": QUOTA, "more": {"@type": QUOTA, "left": "7"}},
        {"@type": QUOTA, "value": base64.b64encode(unknown.value).decode()},
    ]


@pytest.mark.parametrize("prefix", [PREFIX, "", "other.example/a/"])
@pytest.mark.parametrize("reveal", [True, False])
def test_debug_info_never_leaves(prefix: str, reveal: bool) -> None:
    debug = error_details_pb2.DebugInfo(detail="secret").SerializeToString()
    status = Status(Code.NOT_FOUND, "no", (Detail(prefix + "google.rpc.DebugInfo", debug),))
    assert rendered(status, reveal=reveal)["details"] == []


def nested(message: Message, levels: int) -> Detail:
    """*message* in an `Any` in an `Any` and so on, *levels* times."""
    detail = packed(message)
    for _ in range(levels):
        detail = packed(any_pb2.Any(type_url=detail.type_url, value=detail.value))
    return detail


def test_debug_info_does_not_leave_inside_another_detail() -> None:
    status = status_pb2.Status(code=13, message="inner")
    for message in (error_details_pb2.DebugInfo(detail="secret"), status):
        status.details.add().Pack(message)
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id="7"))
    for detail in (nested(status, 0), nested(status, 2)):
        (found,) = rendered(Status(Code.NOT_FOUND, "no", (detail,)), Default())["details"]
        assert "secret" not in json.dumps(found)
        assert '"requestId": "7"' in json.dumps(found)


@pytest.mark.parametrize("pool", [Default(), EMPTY_POOL], ids=["known", "unknown"])
@pytest.mark.parametrize("levels", [1, 2, 400])
def test_debug_info_does_not_leave_inside_what_cannot_be_read(
    pool: DescriptorPool, levels: int
) -> None:
    detail = nested(error_details_pb2.DebugInfo(detail="secret"), levels)
    (found,) = rendered(Status(Code.NOT_FOUND, "no", (detail,)), pool)["details"]
    assert "secret" not in json.dumps(found)
    opaque = found.get("value")
    assert not isinstance(opaque, str) or b"secret" not in base64.b64decode(opaque)


def test_a_detail_nested_however_deep_does_not_break_the_answer() -> None:
    """Beyond some level there is no JSON to be had, and the detail stays opaque."""
    for levels in (*range(100, 400), 2000):
        detail = nested(error_details_pb2.RequestInfo(request_id="7"), levels)
        (found,) = rendered(Status(Code.NOT_FOUND, "no", (detail,)), Default())["details"]
        assert found["@type"] == detail.type_url


@pytest.mark.parametrize("code", [Code.UNKNOWN, Code.INTERNAL])
def test_details_of_unknown_and_internal_are_reasons_alone_unless_allowed(code: Code) -> None:
    info = error_details_pb2.ErrorInfo(
        reason="DISK_FULL", domain="dns.example", metadata={"query": "SELECT 1"}
    )
    texts = (
        packed(info),
        packed(error_details_pb2.ErrorInfo(reason="select * from zones", domain="x")),
        packed(error_details_pb2.LocalizedMessage(locale="en", message="SELECT 1")),
        Detail(f"{PREFIX}google.rpc.ErrorInfo", b"\xff"),
    )
    status = Status(code, "SELECT 1", texts)
    [only] = rendered(status)["details"]
    assert only == {
        "@type": f"{PREFIX}google.rpc.ErrorInfo",
        "reason": "DISK_FULL",
        "domain": "dns.example",
    }
    assert len(rendered(status, reveal=True)["details"]) == len(texts)


@pytest.mark.parametrize("code", list(Code))
def test_message_of_unknown_and_internal_is_hidden_unless_allowed(code: Code) -> None:
    status = Status(code, "SELECT * FROM zones failed")
    hidden = code in (Code.UNKNOWN, Code.INTERNAL)
    assert rendered(status)["message"] == (HIDDEN_MESSAGES[code] if hidden else status.message)
    assert rendered(status, reveal=True)["message"] == status.message


@pytest.mark.parametrize(
    "detail",
    [
        Detail(PREFIX + "google.rpc.ErrorInfo", b"\xff"),
        Detail(PREFIX + "google.rpc.ErrorInfo", b"\x0a\x01\xff"),  # a string that is no UTF-8
        Detail(PREFIX + "google.rpc.ErrorInfo", b"\x0a\x7f"),
        Detail(PREFIX + "google.rpc.NoSuchInfo", b""),
        Detail("", b"x"),
        Detail("\udcff/x", b""),
        # One second after what Timestamp may say.
        Detail(
            PREFIX + "google.protobuf.Timestamp",
            timestamp_pb2.Timestamp(seconds=253402300800).SerializeToString(),
        ),
    ],
)
def test_detail_that_cannot_be_decoded_stays_opaque(detail: Detail) -> None:
    body = rendered(Status(Code.ABORTED, "kept", (detail,)), pool_with_quota())
    assert (body["code"], body["message"]) == (10, "kept")
    url = detail.type_url.replace("\udcff", "?")
    assert body["details"] == [{"@type": url, "value": base64.b64encode(detail.value).decode()}]


def test_detail_nested_deeper_than_anyone_reads_stays_opaque() -> None:
    inner = any_pb2.Any(type_url=QUOTA, value=QUOTA_7)
    pool = pool_with_quota()
    for _ in range(300):
        value = b"\x12" + _varint(inner.ByteSize()) + inner.SerializeToString()
        inner = any_pb2.Any(type_url=QUOTA, value=value)
    body = rendered(Status(Code.ABORTED, "", (Detail(QUOTA, inner.value),)), pool)
    assert body["details"] == [{"@type": QUOTA, "value": base64.b64encode(inner.value).decode()}]


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


def test_text_that_no_json_can_hold_is_replaced() -> None:
    assert rendered(Status(Code.NOT_FOUND, "a\udcffb\0c"))["message"] == "a?b\0c"


@STEADY
@given(
    st.sampled_from(list(Code)),
    st.text(st.characters()),
    st.lists(
        st.builds(
            Detail,
            st.sampled_from(
                [QUOTA, PREFIX + "google.rpc.ErrorInfo", PREFIX + "google.protobuf.Any"]
            )
            | st.text(st.characters(), max_size=8),
            st.binary(max_size=12),
        ),
        max_size=3,
    ),
)
def test_nothing_that_an_upstream_sends_makes_it_fail(
    code: Code, message: str, details: list[Detail]
) -> None:
    body = rendered(Status(code, message, tuple(details)), pool_with_quota())
    assert body["code"] == code
    assert len(body["details"]) == (0 if code in HIDDEN_MESSAGES else len(details))
    assert all("@type" in detail or not detail for detail in body["details"])


def test_details_come_out_of_the_trailer() -> None:
    status = status_pb2.Status(code=5, message="no")
    status.details.add(type_url=QUOTA, value=QUOTA_7)
    data = status.SerializeToString()
    assert parse_details(data, Code.NOT_FOUND) == (Detail(QUOTA, QUOTA_7),)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\x08\x05\x1a\x05\x0a\x01x",  # the detail is cut off
        b"\x08\x06\x1a\x03\x0a\x01x",  # the details of another code
        b"\x08\x05\x12\x01\xff\x1a\x03\x0a\x01x",  # a message that is no UTF-8
    ],
)
def test_trailer_that_cannot_be_trusted_gives_no_details_at_all(data: bytes) -> None:
    assert parse_details(data, Code.NOT_FOUND) == ()


def test_field_violation_is_added_to_the_details_there_are() -> None:
    status = Status(Code.INVALID_ARGUMENT, "bad ttl", (Detail(QUOTA, QUOTA_7),))
    body = rendered(with_field_violation(status, "record.ttl", "must be positive"))
    assert body["message"] == "bad ttl"
    assert body["details"] == [
        {"@type": QUOTA, "value": "CAc="},
        {
            "@type": PREFIX + "google.rpc.BadRequest",
            "fieldViolations": [{"field": "record.ttl", "description": "must be positive"}],
        },
    ]


def test_field_violation_quotes_bytes_that_are_no_text() -> None:
    status = with_field_violation(Status(Code.INVALID_ARGUMENT), "a\udcff", "no \ud800")
    assert rendered(status)["details"][0]["fieldViolations"] == [
        {"field": "a?", "description": "no ?"}
    ]
