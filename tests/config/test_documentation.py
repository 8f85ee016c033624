"""The documentation of the configuration: its examples are loaded."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from proxy.config import SourceText, load_config
from proxy.config.base import Section
from proxy.config.messages import keys_of, section_of
from proxy.config.schema import Settings
from proxy.config.upstreams import GrpcUpstream, Upstreams
from tests.config.documentation import EXAMPLE, PAGE
from tests.config.loading import TODAY

#: What a section needs before any other key of it can be looked at.
NEEDED: dict[str, dict[str, Any]] = {
    "Settings": {"version": 1},
    "LegacyUpstream": {"url": "https://legacy"},
    "GrpcUpstream": {"target": "a", "plaintext": True},
    "Route": {"rpc": "a.B.C"},
    "ValueList": {"values": ("a",)},
    "HeaderMatch": {"header": "x-a"},
    "Rule": {"path": "$.a", "use": "exact", "reason": "a"},
    "Programs": {"request": "."},
    "AnswerHeader": {"value": "a"},
    "EntityTag": {"value": "{etag}"},
    "FormFile": {"into": "a"},
}
#: Examples that come from the environment, where the schema looks at what they stand for.
VARIABLES: dict[str, Any] = {"${EVIDENCE_URL}": "postgresql://cutover:hush@db/cutover"}
#: Keys that need others beside them, or instead of them.
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("DescriptorSource", "rules"): {"service_config": "a.yaml"},
    ("Tls", "cert"): {"key": "a"},
    ("Tls", "key"): {"cert": "a"},
    ("GrpcUpstream", "tls"): {"plaintext": False},
    ("Admin", "open_reads"): {"token_file": "a"},
    ("HeaderMatch", "header"): {"exact": "a"},
    ("ValueList", "values"): {"header": "x-a"},
    ("Route", "safety_reason"): {"safety": "safe"},
    ("Override", "header"): {"secret_file": "a"},
    ("Evidence", "store"): {"url": "postgres://a/b", "key_file": "a"},
    ("Evidence", "url"): {"store": "postgres", "key_file": "a"},
    ("Rule", "use"): {"abs": 1},
    ("Rule", "abs"): {"use": "number"},
    ("Rule", "rel"): {"use": "number"},
    ("Rule", "tolerance"): {"use": "timestamp"},
    ("Rule", "precision"): {"use": "timestamp"},
    ("Rule", "format"): {"use": "format"},
    ("Rule", "regex"): {"use": "format", "format": "regex"},
    ("Rule", "key"): {"use": "list"},
    ("Rule", "values"): {"use": "one_of"},
    ("LegacyForms", "max_file_bytes"): {"files": {"a": {"into": "a"}}},
}


def all_fields(section: type[Section]) -> Iterator[tuple[type[Section], str, FieldInfo]]:
    for key, info in keys_of(section).items():
        yield section, key, info
        inner = section_of(info.annotation)
        if inner is not None:
            yield from all_fields(inner)
    if section is Upstreams:
        yield from all_fields(GrpcUpstream)


#: A section is reached by several ways: by routes, `defaults` and profiles.
FIELDS = list(
    {(section, key): (section, key, info) for section, key, info in all_fields(Settings)}.values()
)


def tuples(value: object) -> object:
    """Lists as tuples, the form in which the schema takes them."""
    if isinstance(value, dict):
        return {key: tuples(inner) for key, inner in value.items()}
    return tuple(map(tuples, value)) if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("section", "key", "info"), FIELDS, ids=[f"{s.__name__}.{k}" for s, k, _ in FIELDS]
)
def test_every_key_is_explained_with_an_example_that_works(
    section: type[Section], key: str, info: FieldInfo
) -> None:
    assert info.description
    assert info.description.endswith(".")
    if not info.examples:
        assert section is Settings
        return
    name = section.__name__
    needed = NEEDED.get(name, {}) | BESIDE.get((name, key), {})
    example = info.examples[0]
    section.model_validate(tuples({**needed, key: VARIABLES.get(str(example), example)}))


def test_the_page_opens_with_an_example_that_loads() -> None:
    page = PAGE.read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    assert example == EXAMPLE
    files = [
        SourceText("cutover.yaml", example),
        SourceText("rules.yaml", "type: google.api.Service"),
    ]
    config = load_config(files, {"DNS_CA": "/etc/tls/ca.pem"}, TODAY)
    assert config.options_for("dns.v1.RecordService.ExportZone").timeout_s == 120.0
    canary = config.options_for("dns.v1.RecordService.ListRecords").canary
    assert canary is not None
    assert (canary.group, len(canary.sticky), canary.hold_s) == ("records", 2, 86_400.0)


def test_every_key_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    missing = [key for _, key, _ in FIELDS if f"| `{key}` |" not in page and key != "legacy"]
    assert missing == []
