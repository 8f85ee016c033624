"""What holds for errors of every form: nothing leaks, nothing fails, headers are right."""

import json
from typing import Any, Final, get_args

import pytest
from google.protobuf import any_pb2, timestamp_pb2
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.rpc import error_details_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import StatusError, UpstreamError
from proxy.shape.errors.options import ErrorFormat, ErrorOptions, ErrorTemplate, Table
from proxy.shape.errors.readable import ErrorContext
from proxy.shape.errors.renderer import MAX_MESSAGE_BYTES, ErrorRenderer
from proxy.shape.errors.template import OF_BODIES
from proxy.shape.holes import Document, Text
from proxy.status import Code, Detail, Status
from proxy.transcoding.errorbody import HIDDEN_MESSAGES, UNREACHABLE, bad_request, error_json
from tests.shape.errors.told import CONTEXT, PREFIX, UNMAPPED, info, packed, rendered, told

STEADY: Final = settings(derandomize=True, deadline=None)
ALL_HOLES: Final = {name: f"{{{name}}} <{{{name}}}>" for name in sorted(OF_BODIES)}
TEMPLATE: Final = ErrorTemplate(
    Document.parse({**ALL_HOLES, "plain": [f"{{{name}}}" for name in sorted(OF_BODIES)]}),
    violation=Document.parse({"f": "{field}", "d": "{description}", "i": "{metadata.x}"}),
    error=Document.parse(["{field}", "{description}", "{message}"]),
)
MESSAGES: Final = Table(http=((400, Text.parse("{message} {metadata.x} {path}")),))


def everything(*, reveal: bool = False, **more: Any) -> list[ErrorOptions]:
    """Options of every format and of a template with every hole."""
    forms = [
        ErrorOptions(each, headers=True, reveal_upstream=reveal, **more)
        for each in get_args(ErrorFormat)
    ]
    return [*forms, ErrorOptions(template=TEMPLATE, headers=True, reveal_upstream=reveal, **more)]


def all_of(error: StatusError, asked: ErrorOptions, *, enveloped: bool = False) -> str:
    """All that a client can read of an error in a form, late forms included."""
    renderer = ErrorRenderer(asked, Default(), enveloped=enveloped)
    answer = renderer.render(error, CONTEXT)
    head = json.dumps([answer.headers, answer.content_type])
    return f"{head} {answer.body.decode()} {renderer.late(error, CONTEXT).decode()}"


def id_of(asked: ErrorOptions) -> str:
    return asked.format if asked.template is None else "template"


@pytest.mark.parametrize("asked", everything(), ids=id_of)
@pytest.mark.parametrize("code", [Code.UNKNOWN, Code.INTERNAL])
@pytest.mark.parametrize("enveloped", [True, False])
def test_texts_of_unknown_and_internal_never_leak(
    asked: ErrorOptions, code: Code, enveloped: bool
) -> None:
    debug = packed(error_details_pb2.DebugInfo(detail="m4rk", stack_entries=["m4rk"]))
    inner = any_pb2.Any(type_url=debug.type_url, value=debug.value)
    error = told(code, "m4rk in SELECT", debug, packed(inner))
    seen = all_of(error, asked, enveloped=enveloped)
    assert "m4rk" not in seen
    assert HIDDEN_MESSAGES[code] in seen


@pytest.mark.parametrize("asked", everything(reveal=True), ids=id_of)
def test_they_are_told_where_that_is_allowed_and_debugging_never_is(asked: ErrorOptions) -> None:
    debug = packed(error_details_pb2.DebugInfo(detail="m4rk"))
    seen = all_of(told(Code.INTERNAL, "a reason", debug), asked)
    assert "a reason" in seen
    assert "m4rk" not in seen


@pytest.mark.parametrize("asked", everything(), ids=id_of)
def test_where_an_upstream_is_never_leaks(asked: ErrorOptions) -> None:
    error = told(Code.UNAVAILABLE, "ipv4:10.1.2.3 m4rk", info("m4rk"), sent=False)
    seen = all_of(error, asked)
    assert "m4rk" not in seen
    assert UNREACHABLE in seen or UNREACHABLE.replace(",", "%2C") in seen


HOSTILE: Final = [
    Detail("", b"x"),
    Detail("\udcff/x", b"\xff"),
    Detail(PREFIX + "google.rpc.ErrorInfo", b"\xff"),
    Detail(PREFIX + "google.rpc.ErrorInfo", b"\x0a\x01\xff"),
    Detail(PREFIX + "google.rpc.BadRequest", b"\x0a\x7f"),
    Detail(PREFIX + "google.rpc.BadRequest", b"\xff" * 100_000),
    Detail(PREFIX + "no.such.Type", b"\x00" * 1_000_000),
    packed(timestamp_pb2.Timestamp(seconds=253402300800)),
    bad_request([("a[0].b" * 1000, "x" * 1000)] * 100),
    bad_request([("", "")]),
]


@pytest.mark.parametrize("asked", everything(messages=MESSAGES), ids=id_of)
@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_no_detail_makes_it_fail_or_hides_the_error(asked: ErrorOptions, place: int) -> None:
    error = told(Code.FAILED_PRECONDITION, "kept", HOSTILE[place], info("AFTER", x="1"))
    answer = rendered(error, asked, lambda path: path)
    assert answer.http_status == 400
    assert b"kept" in answer.body
    if asked.format in ("status", "aip-193", "rfc9457") or asked.template is not None:
        assert b"AFTER" in answer.body


def test_a_detail_nested_too_deep_does_not_make_it_fail() -> None:
    detail = packed(error_details_pb2.RequestInfo(request_id="7"))
    for _ in range(2000):
        detail = packed(any_pb2.Any(type_url=detail.type_url, value=detail.value))
    for asked in everything():
        assert b"kept" in rendered(told(Code.ABORTED, "kept", detail), asked).body


@STEADY
@given(
    st.sampled_from(list(Code)),
    st.text(st.characters()),
    st.lists(
        st.builds(
            Detail,
            st.sampled_from([PREFIX + f"google.rpc.{n}" for n in ("ErrorInfo", "BadRequest")])
            | st.text(st.characters(), max_size=8),
            st.binary(max_size=12),
        ),
        max_size=3,
    ),
    st.sampled_from(everything(messages=MESSAGES)),
    st.text(st.characters(), max_size=20),
)
def test_nothing_that_anybody_sends_makes_it_fail(
    code: Code, message: str, details: list[Detail], asked: ErrorOptions, sent: str
) -> None:
    renderer = ErrorRenderer(asked, DescriptorPool(), lambda path: path)
    error = UpstreamError(Status(code, message, tuple(details)))
    answer = renderer.render(error, ErrorContext(sent, sent, sent))
    for _, value in answer.headers:
        assert value.isascii()
        assert value.isprintable()
    if answer.content_type.endswith("json"):
        json.loads(answer.body)
    json.loads(renderer.late(error))


def test_the_default_form_is_byte_for_byte_what_a_status_is() -> None:
    for error in (told(Code.NOT_FOUND, "no", info()), UNMAPPED, told(Code.INTERNAL, "m4rk")):
        for reveal in (True, False):
            answer = rendered(error, ErrorOptions(reveal_upstream=reveal))
            assert answer.body == error_json(error, Default(), reveal_upstream=reveal)
            # A table that has nothing to say changes nothing.
            table = Table(names=(("DATA_LOSS", 599),))
            again = rendered(error, ErrorOptions(statuses=table, reveal_upstream=reveal))
            assert again == answer


def test_the_status_of_grpc_is_a_header_where_it_is_asked_for() -> None:
    asked = ErrorOptions("envoy", headers=True)
    answer = rendered(told(Code.NOT_FOUND, "no zone “x” at 100%\r\n"), asked)
    assert answer.headers[1:] == (
        ("grpc-status", "5"),
        ("grpc-message", "no zone %E2%80%9Cx%E2%80%9D at 100%25%0D%0A"),
    )
    assert rendered(told(Code.NOT_FOUND, ""), asked).headers[1:] == (("grpc-status", "5"),)


def test_a_message_in_a_header_is_cut_between_characters() -> None:
    answer = rendered(told(Code.NOT_FOUND, "“" * 5000), ErrorOptions(headers=True))
    message = dict(answer.headers)["grpc-message"]
    assert len(message) <= MAX_MESSAGE_BYTES
    assert message.count("%") % 3 == 0
    assert len(answer.body) > 5000


@pytest.mark.parametrize(
    ("asked", "wants"),
    [
        (ErrorOptions(), False),
        (ErrorOptions("aip-193"), False),
        (ErrorOptions("rfc9457"), True),
        (ErrorOptions(template=TEMPLATE), True),
        (ErrorOptions(messages=MESSAGES), True),
    ],
)
def test_only_those_who_show_the_request_are_told_of_it(asked: ErrorOptions, wants: bool) -> None:
    assert ErrorRenderer(asked, Default()).wants_context is wants


@pytest.mark.parametrize("asked", everything(), ids=id_of)
def test_what_a_request_holds_need_not_be_text(asked: ErrorOptions) -> None:
    odd = ErrorContext("/v1/\udcff\udc80", "\ud800", "\udcff")
    for error in (UNMAPPED, told(Code.NOT_FOUND, "\udcff", Detail("\udcff", b""))):
        assert rendered(error, asked, context=odd).http_status == 404
    if asked.template is not None or asked.format == "rfc9457":
        assert b"/v1/??" in rendered(UNMAPPED, asked, context=odd).body


def test_nothing_of_debugging_is_left_among_the_details() -> None:
    debug = packed(error_details_pb2.DebugInfo(detail="m4rk"))
    template = ErrorTemplate(Document.parse("{details}"))
    error = told(Code.NOT_FOUND, "no", debug)
    assert rendered(error, ErrorOptions(template=template)).body == b"[]"
    assert b"details" not in rendered(error, ErrorOptions("aip-193")).body
