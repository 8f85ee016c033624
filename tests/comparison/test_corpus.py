"""The corpus is found: each difference that a person would name, and nothing else."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from proxy.comparison.documents import Document
from proxy.comparison.kinds import Kind
from tests.comparison.corpus_cases import Case, cases
from tests.comparison.messages import found

CASES = cases()

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)

#: A kind as it is when the sides are exchanged.
MIRRORED = {"missing_field": "extra_field", "extra_field": "missing_field"}


def test_the_corpus_is_large_and_has_every_kind() -> None:
    assert len(CASES) >= 90
    kinds = {kind for case in CASES for _, kind, _ in case.expect}
    assert kinds == {str(kind) for kind in Kind}
    assert max(Counter(case.id for case in CASES).values()) == 1


@every_case
def test_what_a_person_would_name_is_found_and_nothing_else(case: Case) -> None:
    comparison = case.comparator.compare(case.legacy, case.grpc)
    assert found(comparison) == case.expect
    assert comparison.rule_hits == case.hits
    assert not comparison.truncated


@every_case
def test_exchanging_the_sides_mirrors_what_is_found(case: Case) -> None:
    comparison = case.comparator.compare(case.grpc, case.legacy)
    mirrored = [(path, MIRRORED.get(kind, kind), times) for path, kind, times in case.expect]
    assert found(comparison) == sorted(mirrored)
    assert comparison.rule_hits == case.hits


@every_case
def test_an_answer_equals_itself(case: Case) -> None:
    for document in (case.legacy, case.grpc):
        comparison = case.comparator.compare(document, document)
        assert found(comparison) == []
        assert comparison.rule_hits == {}


@every_case
def test_the_order_of_keys_changes_nothing(case: Case) -> None:
    turned = case.comparator.compare(backwards(case.legacy), backwards(case.grpc))
    assert turned == case.comparator.compare(case.legacy, case.grpc)


@every_case
def test_fields_of_legacy_are_fields_of_the_answer(case: Case) -> None:
    fields = case.comparator.compare(case.legacy, case.grpc).fields
    assert fields <= case.comparator.fields


def backwards(document: Document) -> Document:
    """The same JSON with all keys of all objects the other way round."""
    try:
        text = document.body.decode()
        value = json.loads(text, object_pairs_hook=Pairs, parse_float=Digits, parse_int=Digits)
        return replace(document, body=written(value).encode())
    except ValueError:
        return document


class Pairs(list[tuple[str, Any]]):
    """An object with all keys that were given."""

    __slots__ = ()


class Digits(str):
    """A number as it was written."""

    __slots__ = ()


def written(value: Any) -> str:
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, Pairs):
        # One key's values stay in their order, which decides what the object means.
        ordered = sorted(value, key=lambda pair: pair[0], reverse=True)
        return (
            "{"
            + ", ".join(
                f"{json.dumps(key, ensure_ascii=False)}: {written(item)}" for key, item in ordered
            )
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
