"""The cutover across sections: what the legacy upstream, ramps, groups and the override need."""

import pytest

from tests.config.loading import BOTH, LEAST, load, problems
from tests.config.test_load import table

ENVIRON = {"SECRET": "0123456789abcdef"}
GRPC_ONLY = "version: 1\nupstreams: {dns: {target: a, plaintext: true}}\n"
CANARY = "canary: {percent: 5, sticky: [{client: true}]}"
MIRROR = "mirror: {percent: 10}"


@pytest.mark.parametrize(("key", "expected"), table("cutover_problems.txt"))
def test_problem_with_one_key(key: str, expected: list[str]) -> None:
    assert problems(f"{BOTH}{key}\n", environ=ENVIRON) == expected


@pytest.mark.parametrize("stage", ["legacy", "shadow", "canary"])
def test_every_stage_but_grpc_needs_the_legacy_upstream(stage: str) -> None:
    text = f"{GRPC_ONLY}routes: [{{rpc: a.B.C, stage: {stage}}}]"
    message = f"stage {stage} needs an upstream named legacy"
    assert f"a.yaml:3:30: routes[0].stage: {message}" in problems(text)


@pytest.mark.parametrize("key", ["canary", "fallback", "breaker", "rollback"])
def test_what_is_about_two_sides_needs_the_legacy_upstream(key: str) -> None:
    text = f"{GRPC_ONLY}defaults: {{{key}: {{}}}}\nroutes: [{{rpc: a.B.C, {key}: {{}}}}]"
    found = problems(text)
    assert [problem.split(": ", 1)[1] for problem in found] == [
        f"defaults.{key}: {key} needs an upstream named legacy",
        f"routes[0].{key}: {key} needs an upstream named legacy",
    ]


def test_safeguards_may_be_off_without_a_legacy_upstream_and_are_off_anyway() -> None:
    off = "fallback: off, breaker: off, rollback: off"
    for defaults in (f"defaults: {{{off}}}", ""):
        found = load(GRPC_ONLY + defaults).options_for("a.B.C")
        assert (found.fallback, found.breaker, found.rollback) == (None, None, None)


@pytest.mark.parametrize("stage", ["shadow", "canary", "grpc"])
def test_every_stage_but_legacy_needs_a_grpc_upstream(stage: str) -> None:
    text = f"{LEAST}routes: [{{rpc: a.B.C, stage: {stage}, {CANARY}, {MIRROR}}}]"
    assert problems(text) == [
        "a.yaml:3:16: routes[0].rpc: no gRPC upstream has this service in its services"
    ]


@pytest.mark.parametrize("stage", ["legacy", "shadow", "grpc"])
def test_a_canary_may_be_prepared_or_kept_in_other_stages(stage: str) -> None:
    config = load(
        f"{BOTH}routes: [{{rpc: a.B.C, stage: {stage}, canary: {{percent: 5}}, {MIRROR}}}]"
    )
    assert config.options_for("a.B.C").stage == stage


def test_stage_of_defaults_is_looked_at_with_what_an_entry_adds() -> None:
    text = f"{BOTH}defaults: {{stage: canary, canary: {{sticky: [{{client: true}}]}}}}\n"
    load(f"{text}routes: [{{rpc: a.B.C, canary: {{percent: 5}}}}]")
    assert problems(f"{text}routes: [{{rpc: a.B.C, name: x}}]") == [
        "a.yaml:6:10: routes[0].stage: stage canary needs canary.percent or canary.steps"
    ]


def test_hold_in_defaults_is_of_use_to_an_entry_with_steps() -> None:
    defaults = "defaults: {canary: {hold: 2h}}"
    load(f"{BOTH}{defaults}\nroutes: [{{rpc: a.B.C, canary: {{steps: [1]}}}}]")


def test_percentages_of_a_group_may_differ() -> None:
    sticky = "group: g, sticky: [{header: a}]"
    load(
        f"{BOTH}routes: [{{rpc: a.B.C, canary: {{{sticky}, percent: 5}}}}, "
        f"{{rpc: a.B.D, canary: {{{sticky}, steps: [1]}}}}]"
    )


def test_percentages_may_come_from_the_environment() -> None:
    text = (
        f"{BOTH}routes: [{{rpc: a.B.C, canary: {{steps: ['${{A}}', 5]}}, "
        "fallback: {max_ratio: '${B}'}}]"
    )
    found = load(text, environ={"A": "0.25", "B": "0.5"}).options_for("a.B.C")
    assert found.canary is not None
    assert found.canary.steps == (25, 500)
    assert found.fallback is not None
    assert found.fallback.max_ratio == 0.5
    [problem] = problems(text, environ={"A": "hush", "B": "1"})
    assert problem.endswith("steps[0]: must be a percentage such as 5 or 0.25, not '${A}'")


def test_window_from_the_environment_is_not_shown() -> None:
    text = f"{BOTH}defaults: {{canary: {{steps: [1], windows: ['${{W}}']}}}}"
    [problem] = problems(text, environ={"W": "hush 09:00-10:00 UTC"})
    assert problem == (
        "a.yaml:5:43: defaults.canary.windows[0]: must be a window such as Mon-Thu 09:00-16:00 "
        "Europe/Berlin, not '${W}'"
    )


def test_override_header_may_be_in_no_list_of_headers_that_pass() -> None:
    text = (
        f"{BOTH}override: {{header: X-Side, secret: '${{SECRET}}'}}\n"
        "defaults: {request_headers: [x-side]}\n"
        "routes: [{rpc: a.B.C, request_headers: [a, X-SIDE]}, {rpc: a.B.D}]"
    )
    said = "is the override header of a.yaml:5:20: override.header, which no server may see"
    assert problems(text, environ=ENVIRON) == [
        f"a.yaml:6:30: defaults.request_headers[0]: {said}",
        f"a.yaml:7:44: routes[0].request_headers[1]: {said}",
    ]


class TestRoutesWithoutAnEntry:
    """What only shows when the descriptors say which RPCs there are."""

    def test_half_a_canary_in_defaults_is_told_once(self) -> None:
        config = load(f"{BOTH}defaults: {{stage: canary, canary: {{percent: 5}}}}")
        [problem] = config.check_rpcs(["a.B.C", "a.B.D"])
        assert str(problem) == (
            "a.yaml:5:19: defaults.stage: stage canary needs canary.sticky: where the key of a "
            "request stands, for a.B.C"
        )

    def test_a_whole_one_is_fine(self) -> None:
        config = load(f"{BOTH}defaults: {{stage: canary, {CANARY}}}")
        assert config.check_rpcs(["a.B.C", "a.B.D"]) == ()

    @pytest.mark.parametrize("stage", ["shadow", "canary"])
    def test_stage_needs_an_upstream(self, stage: str) -> None:
        text = f"{LEAST}defaults: {{stage: {stage}, {CANARY}, {MIRROR}}}"
        [problem] = load(text).check_rpcs(["a.B.C"])
        assert problem.message == "no gRPC upstream has the service of a.B.C in its services"

    def test_an_entry_that_differs_from_the_group_of_defaults(self) -> None:
        config = load(
            f"{BOTH}defaults: {{canary: {{group: g, sticky: [{{header: a}}]}}}}\n"
            "routes: [{rpc: a.B.C, canary: {sticky: [{header: b}]}}]"
        )
        assert config.check_rpcs(["a.B.C"]) == ()
        [problem] = config.check_rpcs(["a.B.C", "a.B.D"])
        assert str(problem) == (
            "a.yaml:6:40: routes[0].canary.sticky: differs in group 'g' from "
            "a.yaml:5:39: defaults.canary.sticky"
        )
