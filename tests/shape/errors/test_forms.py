"""The forms of errors that are known by name: what each of them writes."""

from typing import Any, get_args

import orjson
import pytest

from proxy.errors import StatusError
from proxy.shape.errors.forms import FORMS, LATE_FORMS
from proxy.shape.errors.options import ErrorFormat, ErrorOptions
from proxy.status import Code
from tests.shape.errors.told import (
    BAD_FIELD,
    CONTEXT,
    MISMATCH,
    PREFIX,
    TOO_LARGE,
    UNMAPPED,
    body_of,
    info,
    late_of,
    rendered,
    told,
)

FORMATS = get_args(ErrorFormat)
INFO = {
    "@type": f"{PREFIX}google.rpc.ErrorInfo",
    "reason": "RECORD_EXISTS",
    "domain": "dns.test",
    "metadata": {"zone": "x"},
}
EXISTS = told(Code.ALREADY_EXISTS, "it is there", info(zone="x"))
MISSING = told(Code.NOT_FOUND, "no zone")


def test_every_format_has_both_forms() -> None:
    assert set(FORMS) == set(LATE_FORMS) == set(FORMATS)


@pytest.mark.parametrize(
    ("form", "error", "body"),
    [
        ("status", EXISTS, {"code": 6, "message": "it is there", "details": [INFO]}),
        ("status", MISSING, {"code": 5, "message": "no zone", "details": []}),
        (
            "aip-193",
            EXISTS,
            {
                "error": {
                    "code": 409,
                    "message": "it is there",
                    "status": "ALREADY_EXISTS",
                    "details": [INFO],
                }
            },
        ),
        (
            "aip-193",
            MISSING,
            {"error": {"code": 404, "message": "no zone", "status": "NOT_FOUND"}},
        ),
        ("grpc-gateway", MISSING, {"code": 5, "message": "no zone", "details": []}),
        ("grpc-gateway", UNMAPPED, {"code": 5, "message": "Not Found", "details": []}),
        ("grpc-gateway", MISMATCH, {"code": 12, "message": "Method Not Allowed", "details": []}),
        ("grpc-gateway-v1", MISSING, {"error": "no zone", "code": 5, "message": "no zone"}),
        (
            "grpc-gateway-v1",
            EXISTS,
            {"error": "it is there", "code": 6, "message": "it is there", "details": [INFO]},
        ),
        ("esp", MISSING, {"code": 404, "message": "no zone"}),
        ("esp", MISMATCH, {"code": 405, "message": MISMATCH.status.message}),
        ("envoy", MISSING, {"code": 5, "message": "no zone"}),
        ("envoy", told(Code.NOT_FOUND, ""), {"code": 5}),
    ],
)
def test_a_format_writes_what_its_implementation_does(
    form: ErrorFormat, error: StatusError, body: Any
) -> None:
    given = rendered(error, ErrorOptions(form))
    assert (given.content_type, given.http_status) == ("application/json", error.http_status)
    assert body_of(error, ErrorOptions(form)) == body


def test_keys_stand_in_the_order_of_the_implementation() -> None:
    assert rendered(MISSING, ErrorOptions("grpc-gateway-v1")).body == (
        b'{"error":"no zone","code":5,"message":"no zone"}'
    )
    assert rendered(MISSING, ErrorOptions("aip-193")).body == (
        b'{"error":{"code":404,"message":"no zone","status":"NOT_FOUND"}}'
    )


def test_a_problem_document_has_all_that_is_known() -> None:
    error = told(Code.ALREADY_EXISTS, "it is there", info(zone="x"))
    given = rendered(error, ErrorOptions("rfc9457"), context=CONTEXT)
    assert given.content_type == "application/problem+json"
    assert body_of(error, ErrorOptions("rfc9457"), context=CONTEXT) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "it is there",
        "instance": "/v1/zones/7",
        "code": "ALREADY_EXISTS",
        "reason": "RECORD_EXISTS",
        "domain": "dns.test",
        "metadata": {"zone": "x"},
        "trace_id": CONTEXT.trace_id,
        "request_id": "r-1",
    }


def test_a_problem_document_leaves_out_what_is_not_known() -> None:
    assert body_of(BAD_FIELD, ErrorOptions("rfc9457")) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "must be positive",
        "code": "INVALID_ARGUMENT",
        "violations": [{"field": "record.ttl", "description": "must be positive"}],
    }


@pytest.mark.parametrize("error", [UNMAPPED, MISMATCH, BAD_FIELD, TOO_LARGE])
def test_envoy_tells_in_plain_text_what_reaches_no_server(error: StatusError) -> None:
    given = rendered(error, ErrorOptions("envoy"))
    assert (given.content_type, given.body) == ("text/plain", error.status.message.encode())


@pytest.mark.parametrize(("error", "line"), [(UNMAPPED, b"Not Found\n"), (MISMATCH, b"Method Not")])
def test_the_old_gateway_tells_in_a_line_of_text_what_it_does_not_map(
    error: StatusError, line: bytes
) -> None:
    given = rendered(error, ErrorOptions("grpc-gateway-v1"))
    assert given.content_type == "text/plain; charset=utf-8"
    assert ("x-content-type-options", "nosniff") in given.headers
    assert given.body.startswith(line)


@pytest.mark.parametrize(
    ("form", "late"),
    [
        ("status", {"code": 5, "message": "no zone", "details": []}),
        ("aip-193", {"code": 404, "message": "no zone", "status": "NOT_FOUND"}),
        ("grpc-gateway", {"code": 5, "message": "no zone", "details": []}),
        (
            "grpc-gateway-v1",
            {"grpc_code": 5, "http_code": 404, "message": "no zone", "http_status": "Not Found"},
        ),
        ("esp", {"code": 404, "message": "no zone"}),
        ("envoy", {"code": 5, "message": "no zone"}),
    ],
)
def test_the_last_frame_of_a_stream_has_what_goes_under_its_key(
    form: ErrorFormat, late: Any
) -> None:
    assert late_of(MISSING, ErrorOptions(form)) == late


@pytest.mark.parametrize("form", FORMATS)
def test_an_enveloped_stream_that_fails_at_once_fails_in_its_envelope(form: ErrorFormat) -> None:
    given = rendered(MISSING, ErrorOptions(form), enveloped=True)
    assert given.http_status == 404
    inner = ErrorOptions(form)
    assert given.body == b'{"error":' + orjson.dumps(late_of(MISSING, inner)) + b"}"
    # What is refused before the call is an error like any other.
    assert rendered(BAD_FIELD, inner, enveloped=True) == rendered(BAD_FIELD, inner)


@pytest.mark.parametrize("form", FORMATS)
def test_headers_of_an_error_stay_whatever_its_form(form: ErrorFormat) -> None:
    assert ("allow", "GET") in rendered(MISMATCH, ErrorOptions(form)).headers
