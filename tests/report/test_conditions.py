"""The table of a gate against its verdict: two ways to one answer."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.comparison.kinds import Kind
from proxy.gate.evidence import RouteEvidence, Verdict
from proxy.report.conditions import conditions_of
from tests.gate.evidence import FIELDS, NOW_S, difference, evidence
from tests.report.reports import reported


@st.composite
def some_evidence(draw: st.DrawFn) -> RouteEvidence:
    """Evidence about the limits of every condition, met more often than not."""
    compared = draw(st.sampled_from([0, 1, 1_000, 4_740, 4_741, 9_000, 40_000]))
    good, few, many = 1_000, st.integers(0, 60), st.sampled_from([0, 0, 0, 3, 60])
    return evidence(
        compared=compared,
        mismatches=min(compared, draw(st.sampled_from([0, 0, 1, 3, 40]))),
        from_s=NOW_S - draw(st.sampled_from([86_399.0, 86_400.0, 172_800.0])),
        keys=draw(st.sampled_from([199, 200, 500])),
        requests=good,
        shapes_once=draw(st.sampled_from([0, 10, 11])),
        seen_fields=frozenset(draw(st.sampled_from([FIELDS, FIELDS, [*FIELDS][:2]]))),
        verdicts={
            Verdict.MATCH: good,
            Verdict.NOISE: draw(few | many),
            Verdict.TRANSIENT: draw(few),
        },
        outcomes={("compared", ""): good, ("candidate_timeout", ""): draw(few)},
        differences=(difference(kind=Kind.TYPE, mismatches=draw(st.sampled_from([0, 0, 1]))),),
        overflow={"differences": draw(st.sampled_from([0, 0, 1]))},
    )


@given(some_evidence())
def test_a_gate_passes_exactly_when_all_its_conditions_are_met(found: RouteEvidence) -> None:
    report: dict[str, Any] = reported(found)
    met = {row.cells[0]: row.cells[-1] for row in conditions_of(report).rows}
    assert (report["verdict"] == "pass") == ({*met.values()} == {"yes"})


@given(some_evidence())
def test_a_gate_that_fails_names_a_condition_that_is_not_met(found: RouteEvidence) -> None:
    report: dict[str, Any] = reported(found)
    if report["verdict"] == "fail":
        met = {row.cells[0]: row.cells[-1] for row in conditions_of(report).rows}
        assert {met[because.split()[0].rstrip(":")] for because in report["because"]} == {"no"}
