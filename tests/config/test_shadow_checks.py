"""Mirrors, comparisons, gates and evidence: what is refused, and what is not."""

from datetime import date, timedelta

import pytest

from proxy.config import Config, load_config
from proxy.config.resolved import MethodFacts
from proxy.config.source import SourceText
from proxy.errors import ConfigError
from tests.config.loading import BOTH, LEAST, TODAY, load, problems
from tests.config.test_load import table

ENVIRON = {"SECRET": "0123456789abcdef", "URL": "postgresql://u:hush-hush@db/e"}
GRPC_ONLY = "version: 1\nupstreams: {dns: {target: a, plaintext: true}}\n"
SINK = BOTH.replace("plaintext: true}", "plaintext: true, shadow_sink: true}")
SAFE = MethodFacts("safe", streams_requests=False)
WRITE = MethodFacts("unsafe", streams_requests=False)
IDEMPOTENT = MethodFacts("idempotent", streams_requests=False)
VALIDATING = MethodFacts("unsafe", streams_requests=False, can_validate=True)
UPLOAD = MethodFacts("unsafe", streams_requests=True)


@pytest.mark.parametrize(("key", "expected"), table("shadow_problems.txt"))
def test_problem_with_one_key(key: str, expected: list[str]) -> None:
    assert problems(f"{BOTH}{key}\n".replace("\\n", "\n"), environ=ENVIRON) == expected


@pytest.mark.parametrize("key", ["mirror", "gate"])
def test_what_two_sides_are_compared_for_needs_the_legacy_upstream(key: str) -> None:
    value = "{percent: 1}" if key == "mirror" else "{}"
    text = f"{GRPC_ONLY}defaults: {{{key}: {value}}}\nroutes: [{{rpc: a.B.C, {key}: {value}}}]"
    assert [problem.split(": ", 1)[1] for problem in problems(text)] == [
        f"defaults.{key}: {key} needs an upstream named legacy",
        f"routes[0].{key}: {key} needs an upstream named legacy",
    ]
    found = load(f"{GRPC_ONLY}defaults: {{mirror: off, gate: off}}").options_for("a.B.C")
    assert (found.mirror, found.gate) == (None, None)


class TestExpiry:
    """A rule lives through its last day, in the time zone that is everybody's."""

    TEXT = (
        f"{BOTH}routes: [{{rpc: a.B.C, mirror: {{percent: 1}}, compare: {{rules: "
        "[{path: $.a, use: ignore, reason: r, expires: 2026-07-01}]}}]"
    )

    def at(self, today: date) -> Config:
        return load_config([SourceText("a.yaml", self.TEXT)], {}, today)

    def test_on_its_last_day(self) -> None:
        assert self.at(date(2026, 7, 1)).digest == self.at(date(2020, 1, 1)).digest

    def test_on_the_day_after(self) -> None:
        with pytest.raises(ConfigError, match="was the last day of the rule, 2026-07-01"):
            self.at(date(2026, 7, 2))


class TestDefaults:
    """What holds for every RPC, those without an entry included."""

    def test_a_mirror_without_a_share_is_told_once(self) -> None:
        config = load(f"{BOTH}defaults: {{mirror: {{depth: translate}}}}")
        [problem] = config.check_rpcs(["a.B.C", "a.B.D"])
        assert str(problem) == (
            "a.yaml:5:20: defaults.mirror: mirror needs percent: nothing is mirrored that nobody "
            "asked for, for a.B.C"
        )

    def test_a_share_may_come_from_the_entry(self) -> None:
        text = f"{BOTH}defaults: {{mirror: {{depth: translate}}}}\n"
        config = load(f"{text}routes: [{{rpc: a.B.C, mirror: {{percent: 5}}}}]")
        assert config.check_rpcs(["a.B.C"]) == ()
        [problem] = problems(f"{text}routes: [{{rpc: a.B.C}}]")
        assert problem.startswith("a.yaml:6:10: routes[0].mirror: mirror needs percent")

    def test_stage_shadow_needs_a_mirror(self) -> None:
        [problem] = load(f"{BOTH}defaults: {{stage: shadow}}").check_rpcs(["a.B.C"])
        assert str(problem).startswith("a.yaml:5:19: defaults.stage: stage shadow needs mirror")
        config = load(f"{BOTH}defaults: {{stage: shadow, mirror: {{percent: 1}}}}")
        assert config.check_rpcs(["a.B.C"]) == ()

    def test_sticky_samples_need_a_key(self) -> None:
        mirror = "mirror: {percent: 1, sample_by: sticky}"
        [problem] = load(f"{BOTH}defaults: {{{mirror}}}").check_rpcs(["a.B.C"])
        assert "defaults.mirror.sample_by: sticky needs canary.sticky" in str(problem)
        canary = "canary: {sticky: [{client: true}]}"
        assert load(f"{BOTH}defaults: {{{mirror}, {canary}}}").check_rpcs(["a.B.C"]) == ()

    def test_compare_in_defaults_is_of_use_to_an_entry_with_a_mirror(self) -> None:
        load(
            f"{BOTH}defaults: {{compare: {{status: class}}}}\n"
            "routes: [{rpc: a.B.C, mirror: {percent: 1}}]"
        )

    def test_compare_may_stay_beside_a_mirror_that_is_put_by(self) -> None:
        load(f"{BOTH}routes: [{{rpc: a.B.C, mirror: off, compare: {{status: class}}}}]")

    def test_a_header_that_defaults_compare_may_be_revealed(self) -> None:
        load(
            f"{BOTH}defaults: {{mirror: {{percent: 1}}, compare: {{headers: [ETag]}}}}\n"
            "routes: [{rpc: a.B.C, compare: {reveal: ['header:ETag']}}]"
        )


def method_problems(entry: str, facts: MethodFacts, base: str = BOTH) -> list[str]:
    config = load(f"{base}routes: [{{rpc: a.B.C, {entry}}}]")
    return [str(each).partition("routes[0].")[2] for each in config.check_methods({"a.B.C": facts})]


RPC_DEPTH = "mirror: {percent: 1, depth: rpc}"
ALLOWED = "mirror: {percent: 1, depth: rpc, allow_unsafe: true}"


class TestWrites:
    """No write is done twice unless its route and its upstream both say that it may be."""

    @pytest.mark.parametrize("facts", [WRITE, IDEMPOTENT])
    @pytest.mark.parametrize("base", [BOTH, SINK])
    def test_a_call_of_a_write_is_refused_without_leave(
        self, facts: MethodFacts, base: str
    ) -> None:
        [problem] = method_problems(RPC_DEPTH, facts, base)
        assert problem == (
            f"mirror.depth: rpc on a route whose safety is {facts.safety} would do its writes "
            "twice: needs allow_unsafe beside it, and shadow_sink of its upstream"
        )

    def test_leave_of_the_route_alone_is_not_enough(self) -> None:
        [problem] = method_problems(ALLOWED, WRITE)
        assert problem == (
            "mirror.allow_unsafe: needs shadow_sink: true of a.yaml:4:8: upstreams.dns, whose data "
            "is no sink for mirrors"
        )

    def test_both_together_are(self) -> None:
        assert method_problems(ALLOWED, WRITE, SINK) == []

    def test_leave_that_nothing_needs_is_refused(self) -> None:
        said = "mirror.allow_unsafe: does nothing"
        unsafe = "mirror: {percent: 1, allow_unsafe: true}"
        assert method_problems(ALLOWED, SAFE, SINK) == [f"{said} on a route whose safety is safe"]
        assert method_problems(unsafe, WRITE, SINK) == [f"{said} without depth: rpc"]

    def test_the_entrys_word_on_safety_counts(self) -> None:
        entry = f"safety: safe, safety_reason: a search, {RPC_DEPTH}"
        assert method_problems(entry, WRITE) == []
        [problem] = method_problems(f"safety: unsafe, {RPC_DEPTH}", SAFE)
        assert problem.startswith("mirror.depth: rpc on a route whose safety is unsafe")

    @pytest.mark.parametrize("facts", [SAFE, WRITE])
    def test_to_ask_for_validation_the_message_must_know_it(self, facts: MethodFacts) -> None:
        entry = "mirror: {percent: 1, depth: validate_only}"
        assert method_problems(entry, facts) == [
            "mirror.depth: the request message has no truth value validate_only"
        ]
        assert method_problems(entry, VALIDATING) == []

    @pytest.mark.parametrize("key", ["control_percent: 5", "reverify_after: 1s"])
    def test_legacy_is_asked_again_for_safe_calls_only(self, key: str) -> None:
        entry = f"mirror: {{percent: 1}}, compare: {{noise: {{{key}}}}}"
        name = key.partition(":")[0]
        assert method_problems(entry, WRITE) == [
            f"compare.noise.{name}: needs a route whose safety is safe: legacy is asked again"
        ]
        assert method_problems(entry, SAFE) == []

    def test_coverage_of_answers_that_nobody_compares_is_refused(self) -> None:
        entry = "mirror: {percent: 1}, gate: {min_field_coverage: 50%}"
        [problem] = method_problems(entry, WRITE)
        assert problem.startswith("gate.min_field_coverage: needs a mirror of depth rpc: with")
        assert method_problems(entry, SAFE) == []

    def test_requests_that_stream_are_not_kept(self) -> None:
        message = "cannot be: requests that stream are not kept, so that none can be repeated"
        assert method_problems("mirror: {percent: 1}, stage: shadow", UPLOAD) == [
            f"mirror: {message}",
            f"stage: stage shadow {message}",
        ]

    def test_what_defaults_ask_for_is_no_fault_of_an_entry(self) -> None:
        text = (
            f"{BOTH}defaults: {{{RPC_DEPTH}, compare: {{noise: {{control_percent: 5}}}}, "
            "gate: {min_field_coverage: 50%}}\nroutes: [{rpc: a.B.C, name: c}]"
        )
        for facts in (WRITE, UPLOAD, SAFE):
            assert load(text).check_methods({"a.B.C": facts}) == ()


class TestSecrets:
    """What must not be seen is hidden, and is part of the digest."""

    TEXT = (
        f"{LEAST}shadow: {{mark: {{secret: '${{SECRET}}'}}}}\n"
        "evidence: {store: postgres, url: '${URL}', key_file: a}\n"
        "defaults: {mirror: {percent: 1, headers: {set: {authorization: '${KEY}'}}}}"
    )
    ENVIRON = ENVIRON | {"KEY": "Bearer hush-hush"}

    def test_they_are_not_shown(self) -> None:
        config = load(self.TEXT, environ=self.ENVIRON)
        assert config.mark_secret == ENVIRON["SECRET"]
        shown = f"{config.settings!r} {config.redacted()}"
        assert "hush-hush" not in shown
        assert ENVIRON["SECRET"] not in shown

    def test_the_marks_file_is_read(self) -> None:
        config = load(f"{LEAST}shadow: {{mark: {{secret_file: mark}}}}")
        assert [file.path for file in config.secret_files()] == ["mark"]
        read = config.with_secrets(lambda _: b"fedcba9876543210\n")
        assert read.mark_secret == "fedcba9876543210"
        assert read.digest != config.digest

    def test_without_a_secret_one_is_to_be_made(self) -> None:
        assert load(LEAST).mark_secret is None
        assert load(LEAST).settings.shadow.mark.header == "x-shadow"


def test_the_tests_day_is_not_before_the_examples_of_rules() -> None:
    """Else the page of the configuration would show rules that are refused."""
    assert date(2099, 12, 31) - TODAY > timedelta(days=365)
