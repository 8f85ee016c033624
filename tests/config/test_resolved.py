"""What a valid configuration says about an RPC."""

import dataclasses

import pytest

from proxy.config import ResolvedRoute
from proxy.config.answer_dialect import AnswerDialect
from proxy.config.options import Options
from proxy.config.request_dialect import RequestDialect
from proxy.config.schema import Settings
from tests.config.loading import BOTH, LEAST, load

RPC = "dns.v1.RecordService.GetRecord"


def test_entry_goes_before_defaults_and_defaults_before_what_is_built_in() -> None:
    text = f"""{BOTH}
defaults: {{timeout: 30s, names: proto, compress_min_bytes: off}}
routes:
- {{rpc: {RPC}, names: json, timeout: 15s, stage: grpc}}
- {{rpc: a.B.C, compress_min_bytes: 2KiB}}
"""
    config = load(text)
    first, second, other = (config.options_for(rpc) for rpc in (RPC, "a.B.C", "a.B.D"))
    # The entry spells out the built-in default, and that counts as set.
    assert (first.timeout_s, first.names, first.compress_min_bytes) == (15.0, "json", None)
    assert (second.timeout_s, second.names, second.compress_min_bytes) == (30.0, "proto", 2048)
    assert (other.timeout_s, other.names, other.stage) == (30.0, "proto", "legacy")
    assert [route.listed for route in (first, second, other)] == [True, True, False]
    assert first.stage == "grpc"


def test_every_option_is_resolved() -> None:
    rows = {*RequestDialect.model_fields, *AnswerDialect.model_fields}
    options = set(Options.model_fields) - rows
    assert {field.name for field in dataclasses.fields(ResolvedRoute)} - options == {
        "rpc",
        "name",
        "listed",
        "has_legacy",
        "safety",
        "safety_reason",
        # All rows of the dialects.
        "requests",
        "answers",
    }
    assert options <= {field.name for field in dataclasses.fields(ResolvedRoute)}


@pytest.mark.parametrize(
    ("limits", "defaults", "expected"),
    [
        ("", "", (7, 4096)),
        ("limits: {max_inflight: 9}", "", (7, 9)),
        ("", "max_inflight: 3", (7, 3)),
    ],
)
def test_a_route_gets_all_of_what_the_process_has_unless_it_is_told(
    limits: str, defaults: str, expected: tuple[int, int]
) -> None:
    entries = f"defaults: {{{defaults}}}\nroutes: [{{rpc: a.B.C, max_inflight: 7}}]\n{limits}\n"
    config = load(LEAST + entries)
    assert tuple(config.options_for(rpc).max_inflight for rpc in ("a.B.C", "a.B.D")) == expected


def test_names() -> None:
    config = load(f"{LEAST}routes: [{{rpc: a.B.C, name: own}}, {{rpc: a.B.D}}]")
    names = [config.options_for(rpc).name for rpc in ("a.B.C", "a.B.D", "a.B.E")]
    assert names == ["own", "b-d", "b-e"]


@pytest.mark.parametrize(
    ("upstreams", "stage"),
    [
        ("{legacy: {url: 'http://a'}, dns: {target: a, plaintext: true}}", "legacy"),
        ("{dns: {target: a, plaintext: true}}", "grpc"),
    ],
)
def test_stage_without_any_setting_depends_on_the_legacy_upstream(
    upstreams: str, stage: str
) -> None:
    config = load(f"version: 1\nupstreams: {upstreams}")
    assert config.default_stage == stage
    assert config.options_for(RPC).stage == stage


def test_upstream_by_route_then_services_then_defaults() -> None:
    config = load(f"""
version: 1
upstreams:
  legacy: {{url: 'http://a'}}
  dns: {{target: a, plaintext: true, services: ["dns.v1.*"]}}
  other: {{target: a, plaintext: true, services: [a.B]}}
defaults: {{upstream: other}}
routes:
- {{rpc: {RPC}, upstream: other}}
""")
    assert config.options_for(RPC).upstream == "other"
    assert config.options_for("dns.v1.RecordService.GetZone").upstream == "dns"
    assert config.upstream_for("dns.v1.Other") == "dns"
    assert config.upstream_for("x.Y") == "other"


def test_no_upstream_is_none() -> None:
    assert load(LEAST).options_for(RPC).upstream is None


def test_header_names_are_lower_case() -> None:
    config = load(f"{LEAST}defaults: {{request_headers: [X-Tenant], response_metadata: [ETag]}}")
    route = config.options_for(RPC)
    assert (route.request_headers, route.response_metadata) == (("x-tenant",), ("etag",))


class TestCheckRpcs:
    def test_nothing_to_say(self) -> None:
        assert load(f"{BOTH}routes: [{{rpc: {RPC}}}]").check_rpcs([RPC, "a.B.C"]) == ()

    def test_entry_for_an_unknown_rpc(self) -> None:
        config = load(f"{LEAST}routes: [{{rpc: {RPC}s}}]")
        assert [str(problem) for problem in config.check_rpcs([RPC])] == [
            f"a.yaml:3:16: routes[0].rpc: no method {RPC}s has an HTTP rule; did you mean {RPC}?"
        ]

    def test_rpc_in_stage_grpc_without_an_upstream(self) -> None:
        text = "version: 1\nupstreams: {dns: {target: a, plaintext: true, services: [x.Y]}}"
        assert [str(problem) for problem in load(text).check_rpcs(["a.B.C"])] == [
            "a.yaml:2:12: upstreams: no gRPC upstream has the service of a.B.C in its services"
        ]

    def test_name_of_two_rpcs(self) -> None:
        config = load(f"{LEAST}routes: [{{rpc: a.Other.C, name: b-c}}]")
        found = config.check_rpcs(["a.B.C", "x.B.C", "a.Other.C"])
        sharing = "a.B.C and x.B.C and a.Other.C"
        assert [str(problem) for problem in found] == [
            f"a.yaml:3:9: routes: 'b-c' would name {sharing}; give one of them a name"
        ]


class TestPlace:
    def test_of_what_is_written(self) -> None:
        config = load(f"{LEAST}routes:\n- rpc: {RPC}")
        assert str(config.place("routes[0].rpc")) == "a.yaml:4:8: routes[0].rpc"

    def test_of_a_default_is_that_of_what_is_around_it(self) -> None:
        config = load(f"{LEAST}routes:\n- rpc: {RPC}")
        assert str(config.place("routes[0].timeout")) == "a.yaml:4:3: routes[0].timeout"
        assert str(config.place("limits.max_headers")) == "a.yaml:1:1: limits.max_headers"


class TestDigest:
    def test_spelling_does_not_matter(self) -> None:
        one = load(LEAST + "drain: {timeout: 1m, wait: 0s}\nlisten: {port: 1}")
        two = load("# other\nlisten: {'port': 1}\ndrain: {wait: 0ms, timeout: 60s}", LEAST)
        assert one.digest == two.digest
        assert len(one.digest) == 64

    @pytest.mark.parametrize(
        "text", ["listen: {port: 2}", "routes: [{rpc: a.B.C}]", "upstreams: {}", ""]
    )
    def test_content_does(self, text: str) -> None:
        base = load(LEAST + "listen: {port: 1}")
        if text == "upstreams: {}":
            text = "debug: {}"
        assert load(LEAST + text).digest != base.digest

    @pytest.mark.parametrize(
        "text",
        [
            "state: {directory: a}",
            "reload: {poll: off}",
            "override: {secret_file: a}",
            "admin: {token_file: a}",
            "limits: {max_inflight: 7}",
            "connections: {header_timeout: 5s}",
            *(f"defaults: {{{key}}}" for key in ("owner: a", "target_date: 2026-12-01")),
            *(f"defaults: {{{key}: off}}" for key in ("fallback", "breaker", "rollback")),
            "defaults: {canary: {percent: 5}}",
            "defaults: {canary: {percent: 5.01}}",
            "defaults: {canary: {steps: [5]}}",
            "defaults: {canary: {steps: [5], hold: 2h}}",
        ],
    )
    def test_every_key_of_the_cutover_does(self, text: str) -> None:
        digests = {
            load(LEAST + more).digest for more in ("", text, "defaults: {canary: {pin: 5s}}")
        }
        assert len(digests) == 3

    def test_value_from_the_environment_does(self) -> None:
        text = LEAST + "listen: {port: '${PORT}'}"
        digests = {load(text, environ={"PORT": port}).digest for port in ("1", "2")}
        assert len(digests) == 2

    def test_setting_a_default_is_a_change_since_defaults_may_lie_between(self) -> None:
        explicit = load(f"{LEAST}defaults: {{timeout: 1s}}\nroutes: [{{rpc: a.B.C, timeout: 15s}}]")
        inherited = load(f"{LEAST}defaults: {{timeout: 1s}}\nroutes: [{{rpc: a.B.C}}]")
        assert explicit.digest != inherited.digest


class TestRedacted:
    def test_shows_variables_and_not_what_they_stood_for(self) -> None:
        text = f"{LEAST}listen: {{host: '${{HOST}}', port: 1}}\nroutes: [{{rpc: 'a.${{S}}.C'}}]"
        config = load(text, environ={"HOST": "secret", "S": "B"})
        assert config.redacted() == {
            "version": 1,
            "upstreams": {"legacy": {"url": "http://legacy"}},
            "listen": {"host": "${HOST}", "port": 1},
            "routes": [{"rpc": "a.${S}.C"}],
        }

    def test_repr_has_no_values(self) -> None:
        text = f"{LEAST}listen: {{host: '${{HOST}}'}}"
        assert "secret" not in repr(load(text, environ={"HOST": "secret"}))


def test_settings_export_a_json_schema_for_editors() -> None:
    schema = Settings.model_json_schema()
    assert "upstreams" in schema["properties"]
    timeout = schema["$defs"]["Drain"]["properties"]["timeout"]
    assert timeout["pattern"].startswith("^(?:")
