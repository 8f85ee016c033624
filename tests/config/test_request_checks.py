"""Settings about requests that do nothing, and values that they cannot have."""

import pytest

from proxy.config.dialects import DIALECTS
from proxy.config.options import Options
from proxy.config.request_dialect import REQUESTS, RequestDialect
from tests.config.loading import BOTH, load, problems
from tests.config.test_load import table

ALONE = "version: 1\nupstreams: {dns: {target: a, plaintext: true}}\n"


@pytest.mark.parametrize(("lines", "expected"), table("request_problems.txt"))
def test_problem_with_settings(lines: str, expected: list[str]) -> None:
    assert problems(f"{BOTH}{lines}\n") == expected


@pytest.mark.parametrize(
    "text",
    [
        ALONE + "defaults: {method_mismatch: 404, options: mismatch}",
        BOTH + "defaults: {dialect: grpc-gateway}",
    ],
)
def test_a_setting_that_can_matter_is_fine(text: str) -> None:
    rows = load(text).options_for("a.B.C").requests
    assert rows.options == "mismatch"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_route_has_the_rows_of_its_dialect(dialect: str) -> None:
    rows = load(f"{ALONE}defaults: {{dialect: {dialect}}}").options_for("a.B.C").requests
    expected = {name: field.default for name, field in RequestDialect.model_fields.items()}
    given = {key: value for key, value in REQUESTS.get(dialect, {}).items() if key in expected}
    assert rows.model_dump() == expected | given


def test_what_a_route_or_the_defaults_give_goes_before_a_dialect() -> None:
    text = ALONE + "defaults: {bool_texts: go}\nroutes: [{rpc: a.B.C, dialect: envoy, plus: space}]"
    rows = load(text).options_for("a.B.C").requests
    assert (rows.bool_texts, rows.plus, rows.number_texts) == ("go", "space", "c")


@pytest.mark.parametrize("dialect", REQUESTS)
def test_a_dialect_has_values_that_a_configuration_could_give(dialect: str) -> None:
    rows = REQUESTS[dialect]
    assert rows.items() <= Options.model_validate(dict(rows)).model_dump().items()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_dialect_lets_a_form_stand_for_another_method(dialect: str) -> None:
    rows = load(f"{ALONE}defaults: {{dialect: {dialect}}}").options_for("a.B.C").requests
    assert rows.method_override == "off"
