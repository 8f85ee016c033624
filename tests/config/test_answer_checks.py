"""Settings about answers: what is refused since it does nothing, and what each dialect has."""

import pytest

from proxy.config.answer_dialect import ANSWERS, AnswerDialect
from proxy.config.dialects import DIALECTS
from proxy.config.options import Options
from tests.config.loading import BOTH, load, problems
from tests.config.test_load import table

LISTING = "routes: [{rpc: a.B.C, forward_headers: list}]"
LINES = "routes: [{rpc: a.B.C, stream_format: ndjson}]"


@pytest.mark.parametrize(("lines", "expected"), table("answer_problems.txt"))
def test_problem_with_settings(lines: str, expected: list[str]) -> None:
    assert problems(f"{BOTH}{lines}\n".replace("\\n", "\n")) == expected


@pytest.mark.parametrize(
    "lines",
    [
        # Words that say what is so anyway.
        "defaults: {stream_choice: fixed, stream_envelope: none, stream_content_type: own}",
        "defaults: {http_body: raw}",
        # A list beside what passes more than it.
        "defaults: {forward_headers: grpc-gateway, request_headers: [x-tenant]}",
        "defaults: {dialect: grpc-gateway, response_metadata: [x-cost]}",
        # Some route has use for what `defaults` says.
        "defaults: {forward_headers: all, request_headers: [x-a]}\n" + LISTING,
        "defaults: {http_body: by_alt}\nroutes: [{rpc: a.B.C, system_parameters: honour}]",
        "defaults: {stream_choice: fixed, stream_envelope: result}\n" + LINES,
        "defaults: {stream_content_type: json}",
    ],
)
def test_settings_that_do_something_for_somebody_are_taken(lines: str) -> None:
    load(f"{BOTH}{lines}\n")


def test_dialects_set_options_that_there_are_to_values_that_they_can_have() -> None:
    for settings in ANSWERS.values():
        assert settings.keys() <= Options.model_fields.keys()
        Options.model_validate(dict(settings))


def test_what_a_dialect_sets_differs_from_what_is_built_in() -> None:
    for dialect, settings in ANSWERS.items():
        for key, value in settings.items():
            assert value != Options.model_fields[key].default, f"{dialect}: {key}"


def test_no_row_has_the_same_value_in_every_dialect() -> None:
    for key in AnswerDialect.__annotations__:
        assert any(key in settings for settings in DIALECTS.values()), key


def test_a_key_counts_before_what_the_dialect_sets() -> None:
    config = load(
        f"{BOTH}defaults: {{dialect: grpc-gateway, stream_envelope: none}}\n"
        "routes: [{rpc: a.B.C, emit_defaults: false}, {rpc: a.B.D, dialect: spec}]"
    )
    first, second = config.options_for("a.B.C"), config.options_for("a.B.D")
    assert (first.emit_defaults, first.stream_format, first.answers.stream_envelope) == (
        *(False, "ndjson", "none"),
    )
    assert (second.emit_defaults, second.stream_format) == (False, "array")
