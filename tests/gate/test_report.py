import json
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from proxy.gate.evidence import Verdict
from proxy.gate.report import MAX_UNSEEN
from proxy.gate.report_schema import REPORT_SCHEMA
from tests.gate import schema_file
from tests.gate.evidence import GOOD, evidence
from tests.report.reports import FACTS, REPORTS, reported


def violations(schema: Any, value: Any, at: str = "$") -> Iterator[str]:
    """Where *value* is not as *schema* says: as much of JSON Schema as ours uses."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kind_of(value) not in kinds and not (kind_of(value) == "integer" and "number" in kinds):
        yield f"{at}: {value!r} is no {kinds}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    numbers = (schema.get("minimum", -inf), schema.get("maximum", inf))
    if kind_of(value) in ("integer", "number") and not numbers[0] <= value <= numbers[1]:
        yield f"{at}: {value!r} is out of range"
    for index, each in enumerate(value if isinstance(value, list) else ()):
        yield from violations(schema["items"], each, f"{at}[{index}]")
    if isinstance(value, dict):
        yield from of_object(schema, value, at)


def of_object(schema: Any, value: dict[str, Any], at: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema["additionalProperties"]
    yield from (f"{at}.{key}: missing" for key in schema.get("required", []) if key not in value)
    for key, each in value.items():
        if key not in known and not others:
            yield f"{at}.{key}: not described"
        else:
            yield from violations(known.get(key, others), each, f"{at}.{key}")


def kind_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return "null" if value is None else kinds.get(type(value), "object")


def subschemas(schema: Any) -> Iterator[Any]:
    yield schema
    for each in schema.get("properties", {}).values():
        yield from subschemas(each)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from subschemas(schema[key])


@pytest.mark.parametrize("case", REPORTS)
def test_a_report_has_what_its_schema_describes_and_nothing_else(case: str) -> None:
    assert list(violations(REPORT_SCHEMA, REPORTS[case])) == []
    assert json.loads(json.dumps(REPORTS[case], allow_nan=False)) == REPORTS[case]


def test_the_validator_of_these_tests_finds_what_is_wrong() -> None:
    wrong: dict[str, Any] = {**REPORTS["different"], "more": 1, "verdict": "maybe", "percent": "0"}
    del wrong["stage"]
    wrong["coverage"] = {**wrong["coverage"], "fields": 1.5}
    wrong["because"] = [3]
    assert {found.partition(":")[0] for found in violations(REPORT_SCHEMA, wrong)} == {
        *("$.more", "$.verdict", "$.percent", "$.stage", "$.coverage.fields", "$.because[0]"),
    }


def test_every_key_of_the_schema_is_described() -> None:
    assert all(each["description"].endswith(".") for each in subschemas(REPORT_SCHEMA))


def test_the_published_schema_is_the_one_that_reports_keep() -> None:
    assert schema_file.PATH.read_text(encoding="utf-8") == schema_file.schema_text()


def test_the_counts_add_up_with_what_waits_and_runs() -> None:
    found = evidence(outcomes={**GOOD.outcomes, ("eligible", ""): 100_007, ("sent", ""): 9_503})
    counts = reported(found)["counts"]
    skipped, dropped = (sum(counts[key].values()) for key in ("skipped", "dropped"))
    left = counts["not_sampled"] + skipped + dropped + counts["waiting"] + counts["sent"]
    assert (counts["waiting"], counts["running"]) == (4, 3)
    assert counts["eligible"] == left
    errors = sum(counts["candidate_error"].values()) + sum(counts["not_comparable"].values())
    ended = counts["compared"] + errors + counts["candidate_timeout"]
    assert counts["sent"] == ended + counts["running"]


def test_what_the_store_could_not_take_is_counted() -> None:
    found = evidence(verdicts={Verdict.MATCH: 9_000})
    counts = reported(found)["counts"]
    assert (counts["compared"], counts["unrecorded"]) == (9_400, 400)


def test_differences_come_with_the_most_mismatches_first() -> None:
    fields = REPORTS["different"]["fields"]
    assert [each["path"] for each in fields] == ["$.order.total", "$.order.note", "$.order"]


def test_a_difference_tells_its_rate_its_noise_and_what_ends_it() -> None:
    total = REPORTS["different"]["fields"][0]
    assert total["rate"] == pytest.approx(30 / 9_430)
    assert total["noise"] == {"b": 12, "c": 0, "both": 0, "p": pytest.approx(2**-12)} | {
        "finding": "real"
    }
    assert total["hint"] == "set int64_as_numbers: true, or int64 in the shape"


def test_forbidden_kinds_are_marked_when_there_is_a_gate() -> None:
    marked = {each["path"] for each in REPORTS["different"]["fields"] if each["forbidden"]}
    assert marked == {"$.order"}
    assert not any(each["forbidden"] for each in REPORTS["no gate"]["fields"])


def test_a_rule_that_never_helped_shows_it() -> None:
    rules = {
        rule["path"]: (rule["use"], rule["hits"], rule["expires"])
        for rule in REPORTS["good"]["rules"]
    }
    assert rules == {
        "$.order.updateTime": ("timestamp", 380, "2026-10-01"),
        "$.order.tags": ("set", 0, None),
    }


def test_without_a_gate_there_is_no_verdict_and_no_bound() -> None:
    report = REPORTS["no gate"]
    assert (report["verdict"], report["bound"], report["ceilings"]) == (None, None, [])


def test_hosts_of_unseen_fields_are_named_up_to_a_cap() -> None:
    many = frozenset(f"$.f{index:04}" for index in range(5_000))
    coverage = reported(GOOD, replace(FACTS, fields=many))["coverage"]
    assert (len(coverage["unseen"]), coverage["total"]) == (MAX_UNSEEN, 5_000)
