"""Whatever the files hold, the result is a configuration or a `ConfigError` with places."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import Config, ResolvedRoute, SourceText, load_config, mirror_policy, policy
from proxy.config.canary import Canary, HeaderMatch, ValueList
from proxy.config.compare import Compare, Rule
from proxy.config.gate import Gate
from proxy.config.messages import keys_of
from proxy.config.mirror import Mirror, MirrorHeaders
from proxy.config.options import Route
from proxy.config.override import Override
from proxy.config.resolved import MethodFacts
from proxy.config.safeguards import Breaker, Fallback, Rollback
from proxy.config.schema import DescriptorSource, Settings
from proxy.config.shadow import Evidence, Mark, Shadow
from proxy.config.upstreams import GrpcUpstream, LegacyUpstream
from proxy.cutover.fallback import Safety
from proxy.errors import ConfigError
from tests.config.loading import TODAY

WORDS = st.sampled_from(
    [
        *(*keys_of(Settings), *keys_of(Route), *keys_of(GrpcUpstream), *keys_of(LegacyUpstream)),
        *(*keys_of(DescriptorSource), "dns", "legacy", "grpc", "off", "15s", "1KiB", "a.B.C"),
        *("${A}", "${B}", "$${", "http://a", "*", "a.*", "", "shadow", "nul\x00l"),
    ]
)
SCALARS = WORDS | st.booleans() | st.integers() | st.floats() | st.none() | st.text(max_size=5)
#: Words of the cutover's sections, and values that some of their keys take.
CUTOVER_WORDS = st.sampled_from(
    [
        *(*keys_of(Canary), *keys_of(ValueList), *keys_of(HeaderMatch), *keys_of(Override)),
        *(*keys_of(Fallback), *keys_of(Breaker), *keys_of(Rollback), "canary", "unavailable"),
        *(
            "off",
            "Mon-Fri 09:00-17:00 UTC",
            "Mon 22:00-06:00 Europe",
            "1h",
            "${A}",
            "${B}",
            "(",
            "a",
        ),
    ]
)
NUMBERS = st.sampled_from([0, 0.01, 1, 5, 12.5, 99.99, 100, 1e-9, 1e400, -1, True])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
FILES = st.dictionaries(WORDS, VALUES, max_size=6)


FACTS = (
    MethodFacts("unsafe", streams_requests=True),
    MethodFacts("unsafe", streams_requests=False, can_validate=True),
    MethodFacts("safe", streams_requests=False),
)
#: Words of the sections about mirrors, and values that some of their keys take.
SHADOW_WORDS = st.sampled_from(
    [
        *(*keys_of(Mirror), *keys_of(MirrorHeaders), *keys_of(Compare), *keys_of(Rule)),
        *(*keys_of(Gate), *keys_of(Shadow), *keys_of(Mark), *keys_of(Evidence), "off", "sticky"),
        *(
            "$",
            "$.a[*].b{*}",
            "$.a",
            "request:$.a",
            "header:a",
            "error:$",
            "$[",
            "1s",
            "1d",
            "1KiB",
        ),
        *("0.1%", "100%", "101%", "rpc", "translate", "x-shadow", "a", "A", "${A}", "2099-01-01"),
        *("set", "number", "format", "regex", "ignore", "one_of", "uuid", "(a+)+", "a{2}", "type"),
    ]
)


def read(*texts: str) -> None:
    files = [SourceText(f"{number}.yaml", text) for number, text in enumerate(texts)]
    try:
        config = load_config(files, {"A": "1", "LONG": "0123456789abcdef"}, TODAY)
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
    for facts in FACTS:
        config.check_methods({"a.B.C": facts})
    json.dumps(config.redacted())
    options = config.options_for("a.B.C")
    assert options.name
    # What the schema lets through is what the cutover's own values take.
    policy.canary_value(options.canary, options.name)
    policy.ramp_value(options.canary)
    policy.fallback_on(options.fallback, Safety.UNSAFE)
    policy.guard_options(options.fallback, options.breaker, options.rollback)
    for safety in Safety:
        use_mirror(options, safety)
    if config.settings.override is not None and config.settings.override.secret is not None:
        assert config.override_header


def use_mirror(options: ResolvedRoute, safety: Safety) -> None:
    depth = None
    if options.mirror is not None:
        depth = mirror_policy.depth_of(options.mirror, safety, can_validate=True)
        mirror_policy.mirror_value(options.mirror, options.compare, depth, safety)
    mirror_policy.gate_value(options.gate, depth)
    for rule in options.compare.rules if options.compare else ():
        assert mirror_policy.rule_value(rule).text == rule.text


@settings(deadline=None)
@given(st.text())
def test_any_text(text: str) -> None:
    read(text)


@settings(max_examples=150, deadline=None)
@given(FILES, FILES)
def test_any_values(first: dict[str, object], second: dict[str, object]) -> None:
    read(json.dumps({"version": 1, **first}), json.dumps(second, ensure_ascii=False))


@settings(deadline=None)
@given(VALUES, st.sampled_from([*keys_of(GrpcUpstream)]))
def test_any_value_of_an_upstream(value: object, key: str) -> None:
    upstream = {"target": "a", "plaintext": True, key: value}
    read(json.dumps({"version": 1, "upstreams": {"dns": upstream}}))


@settings(deadline=None)
@given(VALUES, st.sampled_from([*keys_of(Route)]))
def test_any_value_of_a_route(value: object, key: str) -> None:
    upstreams = {"legacy": {"url": "http://a"}, "dns": {"target": "a", "plaintext": True}}
    route = {"rpc": "a.B.C", key: value}
    read(json.dumps({"version": 1, "upstreams": upstreams, "routes": [route]}))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*keys_of(Canary)]),
    st.recursive(
        CUTOVER_WORDS | NUMBERS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(CUTOVER_WORDS, inner, max_size=3)
        ),
        max_leaves=6,
    ),
    st.sampled_from([*keys_of(Canary)]),
    st.lists(NUMBERS | CUTOVER_WORDS, max_size=3),
)
def test_any_value_of_a_canary(key: str, value: object, other: str, items: list[object]) -> None:
    upstreams = {"legacy": {"url": "http://a"}, "dns": {"target": "a", "plaintext": True}}
    route = {"rpc": "a.B.C", "stage": "canary", "canary": {key: value, other: items}}
    defaults = {"canary": {"sticky": [{"client": True}], "steps": [1, 5], "hold": "1m"}}
    document = {"version": 1, "upstreams": upstreams, "routes": [route], "defaults": defaults}
    read(json.dumps(document))


@settings(deadline=None)
@given(
    st.sampled_from(["fallback", "breaker", "rollback"]),
    st.dictionaries(CUTOVER_WORDS, NUMBERS | CUTOVER_WORDS | st.lists(CUTOVER_WORDS, max_size=2)),
)
def test_any_value_of_a_safeguard(key: str, section: dict[str, object]) -> None:
    upstreams = {"legacy": {"url": "http://a"}, "dns": {"target": "a", "plaintext": True}}
    document = {"version": 1, "upstreams": upstreams, "defaults": {key: section}}
    read(json.dumps(document))


@settings(deadline=None)
@given(VALUES | CUTOVER_WORDS, st.sampled_from([*keys_of(Override), "header"]))
def test_any_value_of_an_override(value: object, key: str) -> None:
    document = {"version": 1, "upstreams": {"legacy": {"url": "http://a"}}}
    read(json.dumps({**document, "override": {"secret": "${LONG}", key: value}}))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["mirror", "compare", "gate", "headers", "rules", "noise"]),
    st.dictionaries(
        SHADOW_WORDS,
        st.recursive(
            SHADOW_WORDS | NUMBERS,
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(SHADOW_WORDS, inner, max_size=2)
            ),
            max_leaves=4,
        ),
        max_size=4,
    ),
)
def test_any_value_of_what_is_mirrored(key: str, section: dict[str, object]) -> None:
    upstreams = {"legacy": {"url": "http://a"}, "dns": {"target": "a", "plaintext": True}}
    route: dict[str, object] = {"rpc": "a.B.C", "mirror": {"percent": 5}}
    rule = {"path": "$.a", "use": "set", "reason": "r"}
    sections: dict[str, dict[str, object]] = {
        "mirror": {"mirror": {"percent": 5, **section}},
        "compare": {"compare": section},
        "gate": {"gate": section},
        "headers": {"mirror": {"percent": 5, "headers": section}},
        "rules": {"compare": {"rules": [{**rule, **section}, rule]}},
        "noise": {"compare": {"noise": section}},
    }
    routes = [route | sections[key]]
    read(json.dumps({"version": 1, "upstreams": upstreams, "routes": routes}))


@settings(deadline=None)
@given(
    st.sampled_from(["shadow", "evidence"]),
    st.dictionaries(
        SHADOW_WORDS,
        NUMBERS | SHADOW_WORDS | st.dictionaries(SHADOW_WORDS, SHADOW_WORDS, max_size=2),
        max_size=3,
    ),
)
def test_any_value_of_the_process_of_mirrors(key: str, section: dict[str, object]) -> None:
    document = {"version": 1, "upstreams": {"legacy": {"url": "http://a"}}, key: section}
    read(json.dumps(document))
