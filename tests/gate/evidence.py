"""Evidence for tests: a route that may be promoted, and what is changed of it."""

from dataclasses import replace
from typing import Any

from proxy.comparison.kinds import Kind
from proxy.gate.evidence import Epoch, FieldEvidence, RouteEvidence, Verdict

HOUR_S = 3600.0
#: Some time in 2026, on the Unix clock.
NOW_S = 1_780_000_000.0
FIELDS = frozenset({"$.order", "$.order.id", "$.order.total", "$.order.items[*].sku"})

GOOD = RouteEvidence(
    epoch=Epoch("get-order", "d1", "v7"),
    from_s=NOW_S - 48 * HOUR_S,
    until_s=NOW_S,
    outcomes={
        ("eligible", ""): 100_000,
        ("not_sampled", ""): 90_000,
        ("skipped", "streaming"): 200,
        ("dropped", "rate"): 300,
        ("sent", ""): 9_500,
        ("compared", ""): 9_400,
        ("candidate_timeout", ""): 60,
        ("candidate_error", "unavailable"): 40,
    },
    verdicts={
        Verdict.MATCH: 9_000,
        Verdict.MATCH_WITH_RULES: 380,
        Verdict.NOISE: 12,
        Verdict.TRANSIENT: 8,
    },
    compared=9_380,
    mismatches=0,
    keys=900,
    requests=9_400,
    shapes_once=3,
    seen_fields=FIELDS,
    controls=400,
    rule_hits={"$.order.updateTime timestamp": 380},
    durations={"legacy": {4: 9_000, 9: 400}, "grpc": {2: 9_000, 7: 400}},
)


def evidence(**changes: Any) -> RouteEvidence:
    """`GOOD` with *changes*."""
    return replace(GOOD, **changes)


def difference(path: str = "$.order.total", kind: Kind = Kind.VALUE, **changes: Any) -> Any:
    """One kind of difference at one path, seen ten times in as many mismatches."""
    base = FieldEvidence(path, kind, 10, NOW_S - HOUR_S, NOW_S, mismatches=10)
    return replace(base, **changes)
