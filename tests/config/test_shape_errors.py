"""The keys about errors: what they make, and what is wrong with them by themselves and together."""

from pathlib import Path
from typing import Any, get_args

import pytest

from proxy.config.dialects import DIALECTS
from proxy.config.error_dialect import ERRORS, CodeName
from proxy.config.error_values import error_options
from proxy.shape.errors.options import ErrorOptions, ErrorTemplate, Table
from proxy.shape.holes import Document, Text
from proxy.status import Code
from tests.config.loading import BOTH, LEAST, load, problems

PROBLEMS = Path(__file__).with_name("shape_error_problems.txt")
FIRST = LEAST.count("\n") + 1


def cases() -> list[Any]:
    """Each text of the file with the problems below it."""
    found: list[tuple[list[str], list[str]]] = []
    for line in PROBLEMS.read_text().splitlines():
        if line.startswith("    "):
            found[-1][1].append(line.strip())
        elif line and not line.startswith("#"):
            if not found or found[-1][1]:
                found.append(([], []))
            found[-1][0].append(line)
    return [pytest.param("\n".join(text), told, id=text[0][:60]) for text, told in found]


@pytest.mark.parametrize(("text", "told"), cases())
def test_a_problem_is_told_where_it_is_written(text: str, told: list[str]) -> None:
    assert problems(LEAST + text + "\n") == [f"a.yaml:{each}" for each in told]


def test_the_names_of_codes_are_those_of_the_code_table() -> None:
    assert set(get_args(CodeName)) == {code.name for code in Code} - {"OK"}


def test_dialects_have_the_forms_of_errors_of_what_they_copy() -> None:
    assert {name: rows["error_format"] for name, rows in ERRORS.items()} == {
        "google": "aip-193",
        "grpc-gateway": "grpc-gateway",
        "grpc-gateway-v1": "grpc-gateway-v1",
        "envoy": "envoy",
    }
    assert all(DIALECTS[name].items() >= rows.items() for name, rows in ERRORS.items())


def asked(text: str, rpc: str = "a.B.C") -> ErrorOptions:
    options = load(BOTH + text).options_for(rpc)
    keys = None if options.shape is None else options.shape.errors
    return error_options(options.answers, keys, reveal_upstream=options.reveal_internal_errors)


def test_without_a_word_errors_are_as_they_are_built_in() -> None:
    assert asked("") == ErrorOptions()


def test_a_dialect_sets_what_a_route_does_not() -> None:
    text = "defaults: {dialect: grpc-gateway-v1}\n"
    by_code = (("FAILED_PRECONDITION", 412),)
    assert asked(text) == ErrorOptions("grpc-gateway-v1", by_code=by_code)
    more = "routes: [{rpc: a.B.C, error_format: esp, error_status: {ABORTED: 412}}]\n"
    assert asked(text + more) == ErrorOptions("esp", by_code=(("ABORTED", 412),))


PROFILE = """
profiles:
  old:
    errors:
      body: {success: false, errors: "{errors}", result: null}
      error: {code: "{legacy_code}", message: "{description}"}
      content_type: text/json
      codes: {reasons: {EXISTS: 81057}, http: {413: E413}, names: {NOT_FOUND: 1001}, default: 1000}
      status: {names: {NOT_FOUND: 410}, http: {405: 404}}
      messages: {reasons: {EXISTS: "{metadata.name} is there"}}
"""


def test_a_profile_becomes_a_template_and_tables() -> None:
    given = asked(PROFILE + "defaults: {shape: {profile: old}, reveal_internal_errors: true}\n")
    body = {"success": False, "errors": "{errors}", "result": None}
    error = {"code": "{legacy_code}", "message": "{description}"}
    assert given == ErrorOptions(
        template=ErrorTemplate(Document.parse(body), "text/json", error=Document.parse(error)),
        statuses=Table(http=((405, 404),), names=(("NOT_FOUND", 410),)),
        codes=Table((("EXISTS", 81057),), ((413, "E413"),), (("NOT_FOUND", 1001),), 1000),
        messages=Table(reasons=(("EXISTS", Text.parse("{metadata.name} is there")),)),
        reveal_upstream=True,
    )
    hash(given)


def test_a_route_replaces_a_document_whole_and_tables_by_their_keys() -> None:
    route = """
defaults: {shape: {profile: old}}
routes:
- rpc: a.B.C
  shape: {errors: {body: {oops: "{errors}"}, codes: {names: {ABORTED: 7}}}}
"""
    given = asked(PROFILE + route)
    assert given.template is not None
    assert given.template.body == Document.parse({"oops": "{errors}"})
    assert given.codes.names == (("ABORTED", 7), ("NOT_FOUND", 1001))
    assert given.codes.default == 1000
    assert given.statuses == Table(http=((405, 404),), names=(("NOT_FOUND", 410),))


def test_requests_that_no_route_maps_have_the_errors_of_defaults() -> None:
    text = "defaults: {error_format: rfc9457, reveal_internal_errors: true}\n"
    assert load(BOTH + text).unmapped_errors == ErrorOptions("rfc9457")
    shaped = load(BOTH + PROFILE + "defaults: {shape: {profile: old}}\n").unmapped_errors
    assert shaped.template is not None


def test_documents_count_in_the_digest_of_a_configuration() -> None:
    one, other = (f'defaults: {{shape: {{errors: {{body: "{{{n}}}"}}}}}}' for n in ("code", "name"))
    assert load(BOTH + one).digest != load(BOTH + other).digest


def test_a_format_of_defaults_is_for_routes_without_a_shape() -> None:
    text = PROFILE + "defaults: {shape: {profile: old}, error_format: esp}\n"
    assert len(problems(BOTH + text)) == 1
    off = 'routes: [{rpc: a.B.C, shape: "off"}]\n'
    assert asked(text + off) == ErrorOptions("esp")
