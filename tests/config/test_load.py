"""Files to a configuration: every kind of problem with its place and text."""

from pathlib import Path

import pytest

from proxy.config import load_config
from proxy.errors import ConfigError
from tests.config.loading import BOTH, LEAST, TODAY, load, problems

RPC = "dns.v1.RecordService.GetRecord"


def test_least_configuration_takes_all_defaults() -> None:
    settings = load(LEAST).settings
    assert (settings.listen.port, settings.admin.port) == (8080, 9901)
    assert settings.upstreams.legacy is not None
    assert settings.upstreams.legacy.url == "http://legacy"
    assert settings.upstreams.grpc == {}


def test_keys_may_be_spread_over_files() -> None:
    config = load("version: 1", "upstreams: {legacy: {url: 'http://a'}}", "", "# nothing")
    assert config.settings.version == 1


@pytest.mark.parametrize("url", ["http://a", "https://a:8443", "http://[::1]:80", "http://1.2.3.4"])
def test_legacy_url(url: str) -> None:
    legacy = load(f"version: 1\nupstreams: {{legacy: {{url: '{url}/'}}}}").settings.upstreams.legacy
    assert legacy is not None
    assert legacy.url == url


def table(name: str) -> list[tuple[str, list[str]]]:
    """The cases of a text file: a line, and indented below it what is expected of it."""
    cases: list[tuple[str, list[str]]] = []
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            cases[-1][1].append(f"a.yaml:{line.strip()}")
        elif line and not line.startswith("#"):
            cases.append((line, []))
    return cases


@pytest.mark.parametrize(("key", "expected"), table("key_problems.txt"))
def test_problem_with_one_key(key: str, expected: list[str]) -> None:
    assert problems(f"{LEAST}{key}\n") == expected


@pytest.mark.parametrize(("value", "expected"), table("upstream_problems.txt"))
def test_problem_with_upstreams(value: str, expected: list[str]) -> None:
    assert problems(f"version: 1\nupstreams: {value}\n") == expected


def test_stage_legacy_needs_the_legacy_upstream() -> None:
    text = "version: 1\nupstreams: {dns: {target: a, plaintext: true}}\ndefaults: {stage: legacy}\n"
    assert problems(text + "routes: [{rpc: a.B.C, stage: legacy}, {rpc: a.B.D, stage: grpc}]") == [
        "a.yaml:3:19: defaults.stage: stage legacy needs an upstream named legacy",
        "a.yaml:4:30: routes[0].stage: stage legacy needs an upstream named legacy",
    ]


def test_known_upstreams_may_be_named_anywhere() -> None:
    sources = "descriptors: [{reflection: dns}, {proto_path: a}]"
    text = f"{BOTH}{sources}\ndefaults: {{upstream: dns}}\n"
    config = load(f"{text}routes: [{{rpc: a.B.C, upstream: dns, stage: legacy}}]")
    assert config.options_for("a.B.C").upstream == "dns"


def test_rpc_with_two_entries_names_both_places() -> None:
    text = f"{BOTH}routes:\n- {{rpc: a.B.C}}\n- {{rpc: a.B.D}}\n- {{rpc: a.B.C, name: other}}\n"
    assert problems(text) == [
        "a.yaml:8:9: routes[2].rpc: a.B.C has a route already at a.yaml:6:9: routes[0].rpc"
    ]


@pytest.mark.parametrize("name", ["b-c", None])
def test_name_of_two_routes_names_both_places(name: str | None) -> None:
    second = f", name: {name}" if name else ""
    text = f"{BOTH}routes:\n- {{rpc: a.B.C}}\n- {{rpc: x.B.C{second}}}\n"
    [problem] = problems(text)
    assert "routes[1].name: 'b-c' is also the name of the route at a.yaml:6:3: routes[0]" in problem


def test_version_is_required() -> None:
    assert problems("upstreams: {legacy: {url: 'http://a'}}") == [
        "a.yaml:1:1: version: version is required"
    ]
    assert problems("version: 2\nupstreams: {legacy: {url: 'http://a'}}") == [
        "a.yaml:1:10: version: must be at most 1, not 2"
    ]


def test_no_file_is_a_problem_and_no_empty_configuration() -> None:
    with pytest.raises(ConfigError, match="there is no file to read"):
        load_config([], {}, TODAY)


def test_key_in_two_files_names_both() -> None:
    assert problems(LEAST + "routes: []", "routes: []") == [
        "b.yaml:1:1: routes: is given twice; first at a.yaml:3:1"
    ]


def test_all_problems_are_found_at_once_in_the_order_of_the_file() -> None:
    text = f"""\
version: 1
listen: {{port: x}}
upstreams:
  legacy: {{url: "http://legacy"}}
  dns: {{target: a}}
descriptors:
- {{reflection: other}}
- 7
- {{reflection: legacy}}
admin: {{port: 70000}}
routes:
- {{rpc: {RPC}, timeout: 15}}
- {{rpc: a.B.C, upstream: other}}
- {{rpc: a.B.C}}
"""
    assert [problem.split(": ")[1] for problem in problems(text)] == [
        "listen.port",
        "upstreams.dns",
        "descriptors[0].reflection",
        "descriptors[1]",
        "descriptors[2].reflection",
        "admin.port",
        "routes[0].timeout",
        "routes[1].upstream",
        "routes[2].rpc",
    ]


def test_file_that_cannot_be_read_hides_no_other_files_problems() -> None:
    found = problems("listen: {port: x}", "oops: [")
    assert [problem.split(": ")[0] for problem in found] == ["a.yaml:1:16", "b.yaml:2:1"]


def test_too_many_values_are_refused() -> None:
    levels = "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert "values once aliases are spelled out" in "\n".join(problems("k0: &k0 [x]\n" + levels))


class TestEnvironment:
    @pytest.mark.parametrize(("value", "directory"), [("", None), ("/var/lib/x", "/var/lib/x")])
    def test_state_directory_may_be_left_to_a_variable(
        self, value: str, directory: str | None
    ) -> None:
        text = LEAST + 'state: {directory: "${STATE_DIR:-}"}'
        assert load(text, environ={"STATE_DIR": value}).settings.state.directory == directory
        assert load(text).settings.state.directory is None

    def test_numbers_and_truth_values_may_come_from_variables(self) -> None:
        text = (
            LEAST + 'listen: {port: "${PORT}", host: "${HOST}"}\ndebug:\n  expose_side: ${SIDE}\n'
        )
        settings = load(text, environ={"PORT": "81", "HOST": "10", "SIDE": "true"}).settings
        assert (settings.listen.port, settings.listen.host) == (81, "10")
        assert settings.debug.expose_side is True

    def test_problem_shows_the_variable_and_not_its_value(self) -> None:
        text = LEAST + 'listen: {port: "${PORT}"}\ndefaults: {names: "${NAMES}"}'
        found = problems(text, environ={"PORT": "hush", "NAMES": "hush"})
        assert found == [
            "a.yaml:3:16: listen.port: must be a whole number, not '${PORT}'",
            "a.yaml:4:19: defaults.names: must be one of json, proto, not '${NAMES}'",
        ]

    def test_missing_variable_is_the_only_problem_of_its_value(self) -> None:
        text = "version: 1\nupstreams: {legacy: {url: '${URL}'}}\nlisten: {port: '${PORT}'}"
        assert problems(text) == [
            "a.yaml:2:27: upstreams.legacy.url: the environment has no variable URL",
            "a.yaml:3:16: listen.port: the environment has no variable PORT",
        ]

    def test_number_in_a_list_entry(self) -> None:
        text = LEAST + "routes: [{rpc: a.B.C, emit_defaults: '${A}'}]"
        assert load(text, environ={"A": "true"}).options_for("a.B.C").emit_defaults is True


class TestServiceConfigFiles:
    SERVICE = "type: google.api.Service\nhttp: {rules: [{selector: a.B.C, get: '/${x}'}]}"

    def test_named_service_config_is_no_configuration(self) -> None:
        load(LEAST + "descriptors: [{service_config: ./b.yaml}]", self.SERVICE)

    def test_service_config_that_nobody_names_is_a_problem(self) -> None:
        assert problems(LEAST, self.SERVICE) == [
            "b.yaml:1:1: is a service config, but no entry of descriptors names it"
        ]

    def test_other_types_are_unknown_keys(self) -> None:
        assert problems(LEAST, "type: other") == ["b.yaml:1:1: type: unknown key"]
        assert problems(LEAST, "type: [other]") == ["b.yaml:1:1: type: unknown key"]

    def test_nothing_is_said_of_it_when_descriptors_are_broken(self) -> None:
        assert len(problems(LEAST + "descriptors: 1", self.SERVICE)) == 1
