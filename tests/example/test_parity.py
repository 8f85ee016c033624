"""Reports are held against the table: what is missed, what is too much, what was not counted."""

from typing import Any

import pytest

from proxy.example.parity import faults, settled
from proxy.example.seeded import SEEDED, SeededDifference

READ = SeededDifference("read", "$.a", "value", "it is wrong")
SENT = {"read": 4}


def report(**changes: Any) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "eligible": 4,
        "not_sampled": 0,
        "skipped": {},
        "dropped": {},
        "sent": 4,
        "match": 1,
        "match_with_rules": 1,
        "noise": 0,
        "transient": 0,
        "mismatch": 2,
        "candidate_error": {},
        "candidate_timeout": 0,
        "not_comparable": {},
    }
    fields = changes.pop("fields", [{"path": "$.a", "kind": "value", "count": 2}])
    return {"route": "read", "counts": counts | changes, "fields": fields}


def test_a_report_that_finds_the_seeded_difference_alone_is_right() -> None:
    assert faults([report()], SENT, (READ,)) == ()


@pytest.mark.parametrize("route", sorted({one.route for one in SEEDED}))
def test_no_reports_are_not_right(route: str) -> None:
    told = faults([], {route: 1})
    assert f"{route}: there is no report" in told
    assert len(told) == 1 + len(SEEDED)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [{"path": "$.a", "kind": "value", "count": 0}],
        [{"path": "$.a", "kind": "type", "count": 2}],
        [{"path": "$.b", "kind": "value", "count": 2}],
    ],
)
def test_a_difference_that_is_not_found_is_told(fields: list[Any]) -> None:
    told = faults([report(fields=fields)], SENT, (READ,))
    assert "read: value at $.a was not found" in told


def test_a_difference_of_another_route_does_not_count() -> None:
    other = report() | {"route": "other"}
    told = faults([other, report(fields=[])], SENT | {"other": 4}, (READ,))
    assert told == ("read: value at $.a was not found", "other: value at $.a is in no table")


def test_a_difference_beside_the_table_is_told() -> None:
    more = [
        {"path": "$.a", "kind": "value", "count": 2},
        {"path": "$.a", "kind": "type", "count": 1},
    ]
    assert faults([report(fields=more)], SENT, (READ,)) == ("read: type at $.a is in no table",)


@pytest.mark.parametrize(
    ("counts", "fault"),
    [
        ({"eligible": 3, "sent": 3, "match": 0}, "3 of 4 requests are counted"),
        ({"match": 0}, "3 of 4 mirrors have ended"),
        (
            {"match": 0, "candidate_error": {"unavailable": 1}},
            "'candidate_error': {'unavailable': 1}",
        ),
        ({"match": 0, "transient": 1}, "'transient': 1"),
        ({"match": 0, "sent": 3, "dropped": {"queue_full": 1}}, "'dropped': {'queue_full': 1}"),
    ],
)
def test_a_request_that_was_not_compared_is_told(counts: dict[str, Any], fault: str) -> None:
    (told,) = {one for one in faults([report(**counts)], SENT, (READ,)) if fault in one}
    assert told.startswith("read: ")


def test_reports_are_settled_when_every_mirror_has_ended() -> None:
    assert settled([report()], SENT)
    assert settled([report(match=0, candidate_timeout=1)], SENT)
    assert not settled([report(match=0)], SENT)
    assert not settled([report()], {"read": 5})
    assert not settled([], SENT)
