"""Answers of shaped routes: each difference that a person would name, at its legacy path."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison, Document
from proxy.comparison.legacy_plans import Written
from proxy.transcoding.response import JSON_CONTENT
from tests.comparison.corpus_cases import rule
from tests.comparison.messages import found
from tests.shape.corpus_pairs import served

FOLDER = Path(__file__).parent / "shaped"
SIMILAR = {"missing_field": "extra_field", "extra_field": "missing_field"}


@dataclass(frozen=True)
class Case:
    """One pair of legacy JSON under a shape; *fields* are those that legacy has filled."""

    id: str
    comparator: Comparator
    legacy: Document
    grpc: Document
    expect: list[tuple[str, str, int]]
    hits: dict[int, int]
    fields: frozenset[str] | None


def cases() -> list[Case]:
    return [
        case(f"{path.stem}: {entry.pop('name')}", entry)
        for path in sorted(FOLDER.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def case(name: str, entry: dict[str, Any]) -> Case:
    filled = entry.get("fields")
    return Case(
        name,
        comparator(entry),
        document(entry["legacy"]),
        document(entry["grpc"]),
        sorted((path, kind, times) for path, kind, times in entry["expect"]),
        entry.get("hits", {}),
        None if filled is None else frozenset(filled),
    )


def comparator(entry: dict[str, Any]) -> Comparator:
    settings = {"rpc": f"shop.v1.Shop.{entry.get('rpc', 'GetOrder')}", "shape": entry["shape"]}
    target = served(json.dumps(settings), "{}")
    codecs, binding = target.codecs, target.binding.binding
    written = Written(codecs.options, codecs.shape, entry.get("by_program", False))
    rules = tuple(rule(each) for each in entry.get("rules", ()))
    options = CompareOptions(rules=rules, written=written)
    return Comparator.compile(binding.method.output_type, binding.response_body, options)


def document(entry: Any) -> Document:
    given = entry if set(entry) == {"status", "body"} else {"status": 200, "body": entry}
    headers = (("content-type", JSON_CONTENT),)
    return Document(given["status"], headers, json.dumps(given["body"]).encode())


CASES = cases()
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def test_no_case_is_there_twice() -> None:
    assert len(CASES) >= 30
    assert max(Counter(case.id for case in CASES).values()) == 1


@every_case
def test_what_a_person_would_name_is_found_and_nothing_else(case: Case) -> None:
    comparison = case.comparator.compare(case.legacy, case.grpc)
    assert found(comparison) == case.expect
    assert comparison.rule_hits == case.hits
    if case.fields is not None:
        assert comparison.fields == case.fields


@every_case
def test_exchanging_the_sides_mirrors_what_is_found(case: Case) -> None:
    comparison = case.comparator.compare(case.grpc, case.legacy)
    mirrored = [(path, SIMILAR.get(kind, kind), times) for path, kind, times in case.expect]
    assert found(comparison) == sorted(mirrored)


@every_case
def test_an_answer_equals_itself_and_fills_what_can_be_filled(case: Case) -> None:
    for document in (case.legacy, case.grpc):
        comparison = case.comparator.compare(document, document)
        assert comparison == Comparison(fields=comparison.fields)
        assert comparison.fields <= case.comparator.fields
