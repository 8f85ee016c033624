"""Errors by a template of a route's own: holes, lists, tables, and the names of fields."""

import json
from typing import Any, Final

import pytest

from proxy.errors import StatusError
from proxy.shape.errors.options import ErrorOptions, ErrorTemplate, Table
from proxy.shape.errors.template import OF_BODIES, is_value
from proxy.shape.holes import Document, Text
from proxy.status import Code
from tests.shape.errors.told import (
    BAD_FIELD,
    CONTEXT,
    MISMATCH,
    TOO_LARGE,
    UNMAPPED,
    body_of,
    info,
    late_of,
    rendered,
    told,
    violated,
)

EXISTS: Final = told(Code.ALREADY_EXISTS, "it is there", info(name="www"))
MISSING: Final = told(Code.NOT_FOUND, "no zone")


def options(body: Any, **more: Any) -> ErrorOptions:
    parts = {key: Document.parse(more.pop(key)) for key in ("violation", "error") if key in more}
    content_type = more.pop("content_type", "application/json")
    template = ErrorTemplate(Document.parse(body), content_type, **parts)
    return ErrorOptions(template=template, **more)


def test_an_old_host_that_tells_of_one_fault_is_given_the_first() -> None:
    template = options(
        {"error": {"field": "{field}", "text": "{description}", "all": "{errors}"}},
        error="{field}",
        messages=Table(names=(("INVALID_ARGUMENT", Text.parse("look at {field}")),)),
    )
    one = {"field": "a.b", "text": "a.b is wrong", "all": ["a.b", "c"]}
    assert body_of(violated("a.b", "c"), template) == {"error": one}
    whole = {"field": None, "text": "no zone", "all": [None]}
    assert body_of(MISSING, template) == {"error": whole}
    text = options("{message}: {description}", messages=template.messages)
    assert body_of(violated("a.b"), text) == "look at a.b: a.b is wrong"


@pytest.mark.parametrize(
    ("hole", "value"),
    [
        ("code", 6),
        ("name", "ALREADY_EXISTS"),
        ("message", "it is there"),
        ("http_status", 409),
        ("title", "Conflict"),
        ("reason", "RECORD_EXISTS"),
        ("domain", "dns.test"),
        ("metadata", {"name": "www"}),
        ("metadata.name", "www"),
        ("metadata.other", None),
        ("trace_id", CONTEXT.trace_id),
        ("request_id", "r-1"),
        ("path", "/v1/zones/7"),
        ("legacy_code", None),
        ("violations", []),
    ],
)
def test_a_hole_is_filled_with_its_value(hole: str, value: Any) -> None:
    template = options({"a": f"{{{hole}}}", "b": f"<{{{hole}}}>"})
    body = body_of(EXISTS, template, context=CONTEXT)
    assert body["a"] == value
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    assert body["b"].replace(" ", "") == f"<{text}>".replace(" ", "")


@pytest.mark.parametrize("hole", sorted(OF_BODIES))
def test_every_hole_has_a_value_for_an_error_that_says_nothing(hole: str) -> None:
    body = body_of(told(Code.ABORTED, ""), options({"a": f"{{{hole}}}"}, error={"m": "{message}"}))
    assert body["a"] in (10, "ABORTED", "", 409, "Conflict", None, [], {}, [{"m": ""}])


def test_only_known_names_are_values() -> None:
    assert is_value("field")
    assert not is_value("metadata.")
    assert not is_value("errors")


def test_details_are_printed_as_in_a_status() -> None:
    (detail,) = body_of(EXISTS, options({"all": "{details}"}))["all"]
    assert detail["reason"] == "RECORD_EXISTS"


def test_violations_are_listed_by_field_and_description() -> None:
    assert body_of(violated("a.b", "c"), options({"list": "{violations}"}))["list"] == [
        {"field": "a.b", "description": "a.b is wrong"},
        {"field": "c", "description": "c is wrong"},
    ]


def test_each_violation_is_what_its_template_says() -> None:
    template = options(["{violations}"], violation="{field}: {description} ({name})")
    assert body_of(violated("a"), template) == [["a: a is wrong (INVALID_ARGUMENT)"]]


def test_the_field_of_a_refusal_of_the_proxy_is_a_violation_too() -> None:
    assert body_of(BAD_FIELD, options("{violations}")) == [
        {"field": "record.ttl", "description": "must be positive"}
    ]


def test_there_is_one_error_for_each_violation_or_one_for_the_whole() -> None:
    template = options(
        {"success": False, "errors": "{errors}", "result": None},
        error={"message": "{description}", "field": "{field}"},
    )
    assert body_of(violated("a", "b"), template)["errors"] == [
        {"message": "a is wrong", "field": "a"},
        {"message": "b is wrong", "field": "b"},
    ]
    assert body_of(MISSING, template) == {
        "success": False,
        "errors": [{"message": "no zone", "field": None}],
        "result": None,
    }


def test_fields_have_the_names_that_clients_know() -> None:
    names = {"record.ttl": "ttl_seconds"}
    legacy = options({"v": "{violations}", "d": "{details}"})
    for error in (BAD_FIELD, violated("record.ttl")):
        body = body_of(error, legacy, lambda path: names.get(path, path))
        assert body["v"][0]["field"] == "ttl_seconds"
        assert body["d"][0]["fieldViolations"][0]["field"] == "ttl_seconds"


def test_named_forms_have_the_names_that_clients_know_as_well() -> None:
    body = body_of(BAD_FIELD, ErrorOptions(), str.upper)
    assert body["details"][0]["fieldViolations"][0]["field"] == "RECORD.TTL"


def test_the_last_frame_of_a_stream_is_the_whole_body() -> None:
    assert late_of(MISSING, options({"oops": "{message}"})) == {"oops": "no zone"}


def test_the_content_type_is_the_one_of_the_template() -> None:
    template = options({"m": "{message}"}, content_type="text/json; charset=utf-8")
    assert rendered(MISSING, template).content_type == "text/json; charset=utf-8"


CODES: Final[Table[int | str]] = Table(
    reasons=(("RECORD_EXISTS", 81057),),
    http=((413, "E413"), (404, 4040)),
    names=(("NOT_FOUND", 1001), ("UNAVAILABLE", 1503), ("RESOURCE_EXHAUSTED", 1429)),
    default=1000,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EXISTS, 81057),
        (told(Code.ALREADY_EXISTS, "", info("ELSE")), 1000),
        (told(Code.RESOURCE_EXHAUSTED), 1429),
        (told(Code.UNAVAILABLE), 1503),
        (told(Code.UNAVAILABLE, http_status=502), 1000),
        (TOO_LARGE, "E413"),
        (UNMAPPED, 4040),
        (MISSING, 4040),
        (BAD_FIELD, 1000),
    ],
)
def test_an_old_code_comes_from_the_reason_then_the_status_then_the_name(
    error: StatusError, code: int | str
) -> None:
    assert body_of(error, options({"c": "{legacy_code}"}, codes=CODES)) == {"c": code}


def test_names_do_not_count_for_what_the_proxy_says_of_paths_and_sizes() -> None:
    names: Table[int | str] = Table(names=(("NOT_FOUND", 1), ("UNIMPLEMENTED", 2)))
    given = options({"c": "{legacy_code}"}, codes=names)
    assert body_of(MISSING, given) == {"c": 1}
    assert body_of(UNMAPPED, given) == {"c": None}
    assert body_of(MISMATCH, given) == {"c": None}


def test_statuses_come_from_tables_in_any_form() -> None:
    table = Table(
        reasons=(("RECORD_EXISTS", 400),), http=((405, 404),), names=(("NOT_FOUND", 410),)
    )
    given = ErrorOptions("aip-193", statuses=table)
    assert [rendered(e, given).http_status for e in (EXISTS, MISMATCH, MISSING, UNMAPPED)] == [
        *(400, 404, 410, 404)
    ]
    assert body_of(MISSING, given)["error"]["code"] == 410


def test_a_status_of_the_shape_goes_before_that_of_the_dialect() -> None:
    given = ErrorOptions(by_code=(("ABORTED", 412), ("NOT_FOUND", 410)))
    assert rendered(told(Code.ABORTED), given).http_status == 412
    table = Table(names=(("ABORTED", 409),))
    both = ErrorOptions(by_code=given.by_code, statuses=table)
    assert rendered(told(Code.ABORTED), both).http_status == 409
    assert rendered(MISSING, both).http_status == 410


def test_a_message_of_a_table_has_holes_of_its_own() -> None:
    table = Table(
        reasons=(("RECORD_EXISTS", Text.parse("{metadata.name} exists ({message})")),),
        names=(("NOT_FOUND", Text.parse("gone")),),
    )
    given = options({"m": "{message}", "e": "{errors}"}, messages=table, error="{description}")
    assert body_of(EXISTS, given) == {
        "m": "www exists (it is there)",
        "e": ["www exists (it is there)"],
    }
    assert body_of(MISSING, ErrorOptions(messages=table))["message"] == "gone"
