"""Whatever the files hold, the result is a configuration or a `ConfigError` with places."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import Config, SourceText, load_config
from proxy.config.messages import keys_of
from proxy.config.options import Route
from proxy.config.schema import DescriptorSource, Settings
from proxy.config.upstreams import GrpcUpstream, LegacyUpstream
from proxy.errors import ConfigError

WORDS = st.sampled_from(
    [
        *(*keys_of(Settings), *keys_of(Route), *keys_of(GrpcUpstream), *keys_of(LegacyUpstream)),
        *(*keys_of(DescriptorSource), "dns", "legacy", "grpc", "off", "15s", "1KiB", "a.B.C"),
        *("${A}", "${B}", "$${", "http://a", "*", "a.*", "", "shadow", "nul\x00l"),
    ]
)
SCALARS = WORDS | st.booleans() | st.integers() | st.floats() | st.none() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
FILES = st.dictionaries(WORDS, VALUES, max_size=6)


def read(*texts: str) -> None:
    files = [SourceText(f"{number}.yaml", text) for number, text in enumerate(texts)]
    try:
        config = load_config(files, {"A": "1"})
    except ConfigError as error:
        problems = error.problems
    else:
        use(config)
        return
    assert problems
    for problem in problems:
        assert problem.message
        assert problem.place.file.endswith(".yaml")


def use(config: Config) -> None:
    config.check_rpcs(["a.B.C"])
    json.dumps(config.redacted())
    assert config.options_for("a.B.C").name


@given(st.text())
def test_any_text(text: str) -> None:
    read(text)


@settings(max_examples=150)
@given(FILES, FILES)
def test_any_values(first: dict[str, object], second: dict[str, object]) -> None:
    read(json.dumps({"version": 1, **first}), json.dumps(second, ensure_ascii=False))


@given(VALUES, st.sampled_from([*keys_of(GrpcUpstream)]))
def test_any_value_of_an_upstream(value: object, key: str) -> None:
    upstream = {"target": "a", "plaintext": True, key: value}
    read(json.dumps({"version": 1, "upstreams": {"dns": upstream}}))


@given(VALUES, st.sampled_from([*keys_of(Route)]))
def test_any_value_of_a_route(value: object, key: str) -> None:
    upstreams = {"legacy": {"url": "http://a"}, "dns": {"target": "a", "plaintext": True}}
    route = {"rpc": "a.B.C", key: value}
    read(json.dumps({"version": 1, "upstreams": upstreams, "routes": [route]}))
