from proxy.gate.coverage import coverage_of
from tests.gate.evidence import FIELDS, GOOD, evidence


def test_the_share_of_fields_counts_only_what_the_answer_has() -> None:
    seen = frozenset({"$.order", "$.order.id", "$.unknown"})
    covered = coverage_of(evidence(seen_fields=seen), FIELDS)
    assert (covered.fields, covered.seen, covered.total) == (0.5, 2, 4)
    assert covered.unseen == ("$.order.items[*].sku", "$.order.total")


def test_an_answer_without_fields_is_covered() -> None:
    assert coverage_of(GOOD, frozenset()).fields == 1.0


def test_without_evidence_all_is_unseen() -> None:
    covered = coverage_of(None, FIELDS)
    assert (covered.fields, covered.unseen_mass, covered.keys, covered.requests) == (0, 1, 0, 0)


def test_without_requests_all_is_unseen() -> None:
    assert coverage_of(evidence(requests=0, shapes_once=0), FIELDS).unseen_mass == 1.0


def test_unseen_mass_is_the_share_of_shapes_seen_once() -> None:
    assert coverage_of(evidence(requests=1_000, shapes_once=30), FIELDS).unseen_mass == 0.03
