"""Service configs: what is read from them, and what is refused with its position."""

import pytest

from proxy.config.service_config import parse_service_config
from proxy.config.source import SourceText
from proxy.errors import ConfigError
from proxy.transcoding.httprule import Pattern, RuleMode


def parse(text: str, mode: RuleMode = RuleMode.OVERRIDE):
    return parse_service_config(SourceText("api.yaml", text), mode)


def refusals(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(text)
    return [str(problem) for problem in error.value.problems]


FULL = """
type: google.api.Service
config_version: 3
name: dns.example.com
apis: [{name: dns.v1.Zones}]
http:
  fully_decode_reserved_expansion: true
  rules:
  - selector: dns.v1.Zones.Get
    get: /v1/{name}
    response_body: zone
    additional_bindings:
    - put: /v1/put
      body: "*"
    - custom: {kind: HEAD, path: /v1/head}
  - {selector: dns.v1.Zones.Delete, delete: "/v1/{name}"}
authentication: {rules: [{anything: at all}]}
"""


def test_every_part_of_the_http_section_is_read():
    config = parse(FULL, RuleMode.ADD)
    assert (config.name, config.mode) == ("api.yaml", RuleMode.ADD)
    assert config.fully_decode_reserved_expansion
    get, delete = config.rules
    assert (get.selector, get.pattern) == ("dns.v1.Zones.Get", Pattern("GET", "/v1/{name}"))
    assert (get.body, get.response_body) == ("", "zone")
    put, head = get.additional
    assert (put.pattern, put.body, put.selector) == (Pattern("PUT", "/v1/put"), "*", get.selector)
    assert head.pattern == Pattern("HEAD", "/v1/head")
    assert delete.pattern == Pattern("DELETE", "/v1/{name}")


def test_rules_know_their_lines():
    get, delete = parse(FULL).rules
    assert str(get.place) == "api.yaml:9:5: dns.v1.Zones.Get"
    assert str(get.additional[1].place) == "api.yaml:15:7: dns.v1.Zones.Get"
    assert str(delete.place) == "api.yaml:16:5: dns.v1.Zones.Delete"


@pytest.mark.parametrize("method", ["get", "put", "post", "delete", "patch"])
def test_every_method_key_is_its_upper_case_http_method(method: str):
    [rule] = parse(f"http: {{rules: [{{selector: a.B.C, {method}: /x}}]}}").rules
    assert rule.pattern == Pattern(method.upper(), "/x")


def test_json_spellings_are_taken():
    config = parse(
        "http: {fullyDecodeReservedExpansion: true, rules: [{selector: a.B.C, get: /x,"
        " responseBody: r, additionalBindings: [{get: /y}]}]}"
    )
    [rule] = config.rules
    assert config.fully_decode_reserved_expansion
    assert rule.response_body == "r"
    assert len(rule.additional) == 1


def test_defaults_are_those_of_the_message():
    config = parse("http: {rules: []}")
    assert config.rules == ()
    assert not config.fully_decode_reserved_expansion
    assert config.mode is RuleMode.OVERRIDE


def test_an_additional_binding_may_repeat_its_selector():
    text = "http: {rules: [{selector: a.B.C, get: /x, additional_bindings: [{%s}]}]}"
    assert parse(text % "selector: a.B.C, get: /y").rules[0].additional


def test_yaml_words_in_a_text_stay_text():
    [rule] = parse('http: {rules: [{selector: a.B.C, post: /x, body: "null"}]}').rules
    assert rule.body == "null"


RULE = "http: {rules: [{selector: a.B.C, get: /x, %s}]}"
NO_PATTERN = "http.rules[0]: needs one of get, put, post, delete, patch, custom; has none"
BAD = [
    ("", ["api.yaml:1:1: has no http section, and nothing else is read from it"]),
    ("htpp: {rules: []}", ["api.yaml:1:1: has no http section, and nothing else is read from it"]),
    ("- a\n- b", ["api.yaml:1:1: a file must hold a mapping of keys"]),
    ("http: [", None),
    ("http: {rules: [}", None),
    ("http: !!python/object:os.system {}", None),
    ("http: 3", ["api.yaml:1:7: http: must be a mapping"]),
    ("http: {}", ["api.yaml:1:7: http: has no rules"]),
    (
        "http: {rules: []}\nhttp: {rules: []}",
        ["api.yaml:2:1: http is given twice"],
    ),
    ("http: {rules: 3}", ["api.yaml:1:15: http.rules: must be a list"]),
    ("http: {rules: [3]}", ["api.yaml:1:16: http.rules[0]: must be a mapping"]),
    (
        "http: {rules: [], rule: []}",
        ["api.yaml:1:19: http: unknown key 'rule'; did you mean 'rules'?"],
    ),
    (
        "http: {rules: [{get: /x}]}",
        ["api.yaml:1:16: http.rules[0]: has no selector"],
    ),
    (
        "http: {rules: [{selector: '', get: /x}]}",
        [
            (
                "api.yaml:1:27: http.rules[0].selector:"
                " has no value; leave the key out when there is none"
            )
        ],
    ),
    ("http: {rules: [{selector: a.B.C}]}", [f"api.yaml:1:16: {NO_PATTERN}"]),
    (
        RULE % "post: /y",
        [
            (
                "api.yaml:1:16: http.rules[0]:"
                " needs one of get, put, post, delete, patch, custom; has get and post"
            )
        ],
    ),
    (RULE % "get: /y", ["api.yaml:1:43: http.rules[0]: get is given twice"]),
    (
        RULE % "response_body: a, responseBody: b",
        ["api.yaml:1:61: http.rules[0]: response_body is given twice"],
    ),
    (
        RULE % "bdy: x",
        ["api.yaml:1:43: http.rules[0]: unknown key 'bdy'; did you mean 'body'?"],
    ),
    (RULE % "zzzzzz: x", ["api.yaml:1:43: http.rules[0]: unknown key 'zzzzzz'"]),
    (
        RULE % "body: ",
        ["api.yaml:1:49: http.rules[0].body: has no value; leave the key out when there is none"],
    ),
    (RULE % "body: [a]", ["api.yaml:1:49: http.rules[0].body: must be text"]),
    (
        RULE % "additional_bindings: {get: /y}",
        ["api.yaml:1:64: http.rules[0].additional_bindings: must be a list"],
    ),
    (
        RULE % "additional_bindings: [{selector: a.B.D, get: /y}]",
        [
            (
                "api.yaml:1:76: http.rules[0].additional_bindings[0].selector:"
                " an additional binding has its rule's selector"
            )
        ],
    ),
    (
        RULE % "additional_bindings: [{body: x}]",
        [
            (
                "api.yaml:1:65: http.rules[0].additional_bindings[0]:"
                " needs one of get, put, post, delete, patch, custom; has none"
            )
        ],
    ),
    (
        "http: {rules: [{selector: a.B.C, custom: {kind: HEAD}}]}",
        ["api.yaml:1:42: http.rules[0].custom: has no path"],
    ),
    (
        "http: {rules: [{selector: a.B.C, custom: HEAD}]}",
        ["api.yaml:1:42: http.rules[0].custom: must be a mapping"],
    ),
    (
        "http: {fully_decode_reserved_expansion: yes, rules: []}",
        ["api.yaml:1:41: http.fully_decode_reserved_expansion: must be true or false"],
    ),
    (
        "type: google.api.Servise\nhttp: {rules: [3, {get: /x}]}",
        [
            "api.yaml:1:7: type: must be google.api.Service, not 'google.api.Servise'",
            "api.yaml:2:16: http.rules[0]: must be a mapping",
            "api.yaml:2:19: http.rules[1]: has no selector",
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text for text, _ in BAD])
def test_what_is_no_service_config_is_refused_with_its_position(text, expected):
    found = refusals(text)
    if expected is None:  # the text is YAML's to word
        assert len(found) == 1
        assert found[0].startswith(("api.yaml:1:", "api.yaml:2:1: "))
    else:
        assert found == expected
