"""Rules proposed for the example's proto, of which the annotations are not looked at.

The old API's document has names, forms and an envelope of its own. What is proposed is held
against the annotations: how many of the rules are right, and how many were found.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions

from proxy.cli.composition import load_snapshot
from proxy.config.documents import read_document
from proxy.config.source import SourceText
from proxy.errors import ConfigError
from proxy.example.files import folder
from proxy.inventory.legacy import LegacyApi
from proxy.inventory.openapi import read_openapi
from proxy.inventory.overlay import as_values, routes_text, rules_text
from proxy.inventory.skeleton import skeleton_of
from proxy.inventory.suggestions import Suggestions, suggest
from proxy.routing.snapshot import Snapshot
from proxy.sources.document import load_document
from tests.inventory.stand import api_of, paths_api

DATA = Path(__file__).parent / "data"
CONFIG = """\
version: 1
descriptors:
- descriptor_set: api.binpb
%s
upstreams:
  legacy: {url: "http://old.test:8081"}
  dns: {target: "dns.test:50051", plaintext: true, services: ["dns.v1.*", "HelloWorldHandler"]}
"""

Rule = tuple[str, tuple[str, ...], str, str, str]


class Example(NamedTuple):
    """The example's own rules, and its descriptors without them."""

    rules: frozenset[Rule]
    descriptors: bytes


@pytest.fixture(scope="module")
def example() -> Example:
    environ = {"LEGACY_URL": "http://127.0.0.1:9", "DNS_TARGET": "127.0.0.1:9"}
    snapshot = asyncio.run(load_snapshot(folder("mappings"), environ))
    found = FileDescriptorSet()
    for file in snapshot.schema.descriptors.files.values():
        proto = found.file.add()
        proto.CopyFrom(file.proto)
        for service in proto.service:
            for method in service.method:
                options = MethodOptions.FromString(method.options.SerializeToString())
                options.ClearExtension(annotations_pb2.http)
                method.options.CopyFrom(options)
    return Example(rules_of(snapshot), found.SerializeToString())


def rules_of(snapshot: Snapshot) -> frozenset[Rule]:
    """Bindings by all that makes them up, but for the names of variables."""
    bindings = (target.binding for target in snapshot.bindings)
    return frozenset(
        (
            binding.http_method,
            binding.template.segments,
            binding.template.verb,
            ",".join(variable.path for variable in binding.variables),
            binding.rpc,
        )
        for binding in bindings
    )


def write(base: Path, example: Example, service_config: str = "", **files: str) -> Path:
    base.mkdir(exist_ok=True)
    (base / "api.binpb").write_bytes(example.descriptors)
    (base / "cutover.yaml").write_text(CONFIG % service_config)
    for name, text in files.items():
        (base / f"{name}.yaml").write_text(text)
    return base


def bare(base: Path, example: Example) -> Snapshot:
    snapshot = asyncio.run(load_snapshot(write(base, example), {}))
    assert snapshot.bindings == (), "nothing of the annotations is left"
    return snapshot


def with_suggestions(base: Path, example: Example, suggestions: Suggestions) -> Snapshot:
    """The snapshot of a folder to which what is proposed was added as it is."""
    written = write(
        base,
        example,
        "- service_config: rules.yaml",
        rules=rules_text(suggestions),
        routes=routes_text(suggestions, skeleton_of(suggestions)),
    )
    return asyncio.run(load_snapshot(written, {}))


def old_api() -> LegacyApi:
    return read_openapi(load_document(DATA / "dns_v4.yaml"))


def documented(rules: frozenset[Rule], api: LegacyApi) -> frozenset[Rule]:
    """Those rules that stand for an operation of the document: more cannot be found."""
    keys = {(each.http_method, str(each.path).count("/")) for each in api.operations}
    return frozenset(
        rule for rule in rules if (rule[0], len(rule[1])) in keys and "hello" not in rule[1]
    )


def test_what_is_proposed_loads_and_how_much_of_it_is_right(tmp_path: Path, example: Example):
    api = old_api()
    suggestions = suggest(bare(tmp_path, example), api)
    proposed = rules_of(with_suggestions(tmp_path, example, suggestions))
    wanted = documented(example.rules, api)
    right = proposed & wanted
    # Precision 15 of 15, recall 15 of 15.
    assert (len(right), len(proposed), len(wanted)) == (15, 15, 15)
    assert [each.key for each in suggestions.unmatched] == [
        "GET /v4/status",
        "GET /v4/zones",
        "POST /v4/zones/{zone}/purge_cache",
    ]
    assert [each.full_name for each in suggestions.left] == ["HelloWorldHandler.SayHello"]


def without_help(text: str) -> dict[str, Any]:
    """The document as somebody less diligent would have written it: without ids and answers."""
    document = yaml.safe_load(text)
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("operationId", None)
                operation["responses"] = {"200": {"description": "ok"}}
    return document


def test_without_ids_and_answers_less_is_found_and_nothing_wrong(tmp_path: Path, example: Example):
    text = json.dumps(without_help((DATA / "dns_v4.yaml").read_text()))
    api = read_openapi(read_document(SourceText("old.json", text)))
    suggestions = suggest(bare(tmp_path, example), api)
    proposed = rules_of(with_suggestions(tmp_path, example, suggestions))
    wanted = documented(example.rules, api)
    figures = (len(proposed & wanted), len(proposed), len(wanted))
    assert figures == (15, 15, 15)


def test_with_other_nouns_less_is_found(tmp_path: Path, example: Example):
    """Domains for zones, entries for records, and no ids: members and parameters have to tell."""
    text = (DATA / "dns_v4.yaml").read_text()
    for old, new in (("/zones", "/domains"), ("{zone}", "{domain}"), ("/records", "/entries")):
        text = text.replace(old, new)
    document = yaml.safe_load(text.replace("zone: {name: zone,", "zone: {name: domain,"))
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("operationId", None)
    api = read_openapi(read_document(SourceText("old.json", json.dumps(document))))
    suggestions = suggest(bare(tmp_path, example), api)
    # No parameter is called as its field is: nothing is sure. Of the guesses all 12 are right.
    assert suggestions.sure == ()
    guesses = {
        _place(match.fit.operation.key, match.fit.method.name) for match in suggestions.unsure
    }
    known = suggest(bare(tmp_path, example), old_api()).sure
    right = {_place(match.fit.operation.key, match.fit.method.name) for match in known}
    assert (len(guesses & right), len(guesses), len(right)) == (12, 12, 15)


def _place(key: str, method: str) -> tuple[str, str]:
    renamed = key.replace("/domains", "/zones").replace("/entries", "/records")
    return renamed.replace("{domain}", "{zone}"), method


def test_bodies_and_answers_are_those_of_the_example(tmp_path: Path, example: Example):
    suggestions = suggest(bare(tmp_path, example), old_api())
    bodies = {match.fit.operation.key: match.fit.body for match in suggestions.sure}
    assert bodies["POST /v4/zones/{zone}/records"] == "record"
    assert bodies["POST /v4/zones/{zone}/file"] == "file"
    assert bodies["POST /v4/zones/{zone}/records/{record_id}:verify"] == "*"
    assert bodies["DELETE /v4/zones/{zone}/records/{record_id}"] == ""


def test_the_shape_is_guessed_from_names_and_examples(tmp_path: Path, example: Example):
    skeleton = skeleton_of(suggest(bare(tmp_path, example), old_api()))
    assert skeleton.names == "snake"
    assert skeleton.forms == {
        "duration": "seconds",
        "int64": "number",
        "timestamp": "%Y-%m-%d %H:%M:%S",
    }
    assert skeleton.fields["Record.create_time"] == {"name": "created_on"}
    assert skeleton.fields["Zone.state"] == {"enum": "lower"}
    assert skeleton.envelope is not None
    assert (skeleton.envelope.payload, skeleton.envelope.others) == ("result", ("result_info",))
    assert skeleton.routes["dns.v1.RecordService.ListRecords"].of == "records"
    assert skeleton.routes["dns.v1.RecordService.CreateRecord"].status == 201


def test_an_api_of_something_else_gets_no_rule(tmp_path: Path, example: Example):
    api = paths_api("""
  /pets: {get: {operationId: listPets}, post: {operationId: createPets}}
  /pets/{petId}: {get: {operationId: showPetById}, delete: {}}
  /store/inventory: {get: {operationId: getInventory}}
  /user/login: {get: {}, post: {}}
""")
    suggestions = suggest(bare(tmp_path, example), api)
    assert suggestions.sure == ()
    with_suggestions(tmp_path, example, suggestions)


def test_what_has_a_binding_is_left_alone_unless_all_is_asked_for(tmp_path: Path, example: Example):
    api = old_api()
    first = suggest(bare(tmp_path, example), api)
    snapshot = with_suggestions(tmp_path, example, first)
    again = suggest(snapshot, api)
    assert (again.sure, len(again.mapped)) == ((), 15)
    assert [each.full_name for each in again.left] == ["HelloWorldHandler.SayHello"]
    anew = suggest(snapshot, api, everything=True)
    assert rules_text(anew) == rules_text(first)


def test_doubts_stand_in_comments_with_their_reason(tmp_path: Path, example: Example):
    api = paths_api("""
  /v4/zones/{zone}/records/{a}/{b}: {get: {operationId: getRecord}}
  /v4/zones/{zone}: {get: {operationId: getZone}, trace: {operationId: getZone}}
  "/v4/domains/{zone}": {get: {operationId: getZone}}
""")
    suggestions = suggest(bare(tmp_path, example), api)
    text = rules_text(suggestions)
    assert [each["selector"] for each in yaml.safe_load(text)["http"]["rules"]] == [
        "dns.v1.RecordService.GetZone"
    ]
    assert "# Not sure, " in text
    values = as_values(suggestions, skeleton_of(suggestions))
    assert values["version"] == 1
    assert {each["operation"] for each in values["unsure"]} >= {"TRACE /v4/zones/{zone}"}
    assert all(each["doubt"] for each in values["unsure"])
    assert json.loads(json.dumps(values)) == values


HOSTILE = r"""
openapi: 3.0.3
info: {title: "x\n\u2028y"}
paths:
  "/v4/zones/{zone}/a b\u001b[2J\nrules: []": {get: {operationId: "get\n  - selector: x"}}
  "/v4/zones/{zone}": {get: {operationId: "getZone\n- evil: 1\u0085- x"}}
  "/v4/'\"#: {}/{zone}": {get: {operationId: exportZone}}
"""


def test_names_of_a_document_cannot_leave_their_comments(tmp_path: Path, example: Example):
    suggestions = suggest(bare(tmp_path, example), api_of(HOSTILE, "old\n- x.yaml"))
    rules, routes = rules_text(suggestions), routes_text(suggestions, skeleton_of(suggestions))
    (only,) = yaml.safe_load(rules)["http"]["rules"]
    assert only == {"selector": "dns.v1.RecordService.GetZone", "get": "/v4/zones/{zone}"}
    assert [each["rpc"] for each in yaml.safe_load(routes)["routes"]] == [only["selector"]]
    with_suggestions(tmp_path, example, suggestions)
    assert "\x1b" not in rules + routes


def test_what_is_proposed_is_no_better_than_what_it_is_held_against(
    tmp_path: Path, example: Example
):
    """The check can fail: a rule for a field that is not there does not load."""
    rules = rules_text(suggest(bare(tmp_path, example), old_api()))
    written = write(
        tmp_path, example, "- service_config: rules.yaml", rules=rules.replace("{zone}", "{gone}")
    )
    with pytest.raises(ConfigError):
        asyncio.run(load_snapshot(written, {}))
