"""The conditions of a gate, each with what there is, what is asked, and whether that is met.

Belongs here: the table, and the words about the bound. Does not: the verdict, which is the report's
own (`gate.judgement`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from proxy.gate.words import at_least_text, at_most_text, duration_text, number_text, share_text
from proxy.report.cells import Column, Row, Table, Values


def conditions_of(report: Values) -> Table:
    """What the gate asks for and what there is; without a gate a table without rows."""
    columns = (Column("condition", is_code=True), Column("have"), Column("asked"), Column("met"))
    bound = report["bound"]
    if report["gate"] is None or bound is None:
        return Table("Gate", columns, ())
    waits = report["verdict"] == "inconclusive"
    note = _bound_note(bound) + (_needed_note(bound) if waits else "")
    rows = tuple(_condition_rows(report))
    return Table("Gate", columns, tuple(map(_waiting, rows)) if waits else rows, note)


def _waiting(row: Row) -> Row:
    """The row of a gate that has not failed: what is not met is not there yet."""
    return replace(row, mark="wait") if row.mark == "bad" else row


def _needed_note(bound: Values) -> str:
    eta = f" At this rate it cannot pass before {bound['eta']}." if bound["eta"] else ""
    if not bound["needed"]:
        return eta
    return f" Needs about {number_text(bound['needed'])} more without a mismatch.{eta}"


def _bound_note(bound: Values) -> str:
    if not bound["compared"]:
        return "Nothing is known of the rate of mismatches."
    return (
        f"The rate of mismatches is from {at_least_text(bound['lower'])} to "
        f"{at_most_text(bound['upper'])}, whenever one looks (confidence "
        f"{share_text(bound['confidence'])}); who looks once may say at most "
        f"{at_most_text(bound['one_look_upper'])}."
    )


def _condition_rows(report: Values) -> Iterator[Row]:
    gate, bound, coverage = report["gate"], report["bound"], report["coverage"]
    counted = f"{number_text(bound['mismatches'])} of {number_text(bound['compared'])}"
    yield _condition(
        "max_mismatch",
        f"at most {at_most_text(bound['upper'])} ({counted})",
        share_text(gate["max_mismatch"]),
        met=bound["compared"] > 0 and bound["upper"] <= gate["max_mismatch"],
    )
    window_s = _window_s(report["window"])
    yield _condition(
        "min_duration",
        duration_text(window_s),
        duration_text(gate["min_duration_s"]),
        met=window_s >= gate["min_duration_s"],
    )
    yield _condition(
        "min_keys",
        number_text(coverage["keys"]),
        number_text(gate["min_keys"]),
        met=coverage["keys"] >= gate["min_keys"],
    )
    yield from _coverage_conditions(gate, coverage)
    yield from map(_ceiling, report["ceilings"])
    yield _forbidden(gate, report["fields"], report["overflow"].get("differences", 0))


def _coverage_conditions(gate: Values, coverage: Values) -> Iterator[Row]:
    yield _condition(
        "min_field_coverage",
        f"{at_least_text(coverage['fields'])} ({coverage['seen']} of {coverage['total']})",
        share_text(gate["min_field_coverage"]),
        met=coverage["fields"] >= gate["min_field_coverage"],
    )
    yield _condition(
        "max_unseen_mass",
        f"{at_most_text(coverage['unseen_mass'])} of {number_text(coverage['requests'])} requests",
        share_text(gate["max_unseen_mass"]),
        met=coverage["unseen_mass"] <= gate["max_unseen_mass"],
    )


def _ceiling(ceiling: Values) -> Row:
    counted = f"{number_text(ceiling['part'])} of {number_text(ceiling['whole'])}"
    has = f"{at_most_text(ceiling['share'])} ({counted})"
    met = ceiling["share"] <= ceiling["limit"]
    return _condition(ceiling["name"], has, share_text(ceiling["limit"]), met=met)


def _forbidden(gate: Values, fields: Sequence[Values], unkept: int) -> Row:
    """Of what the store could not keep nobody can say that it is of no such kind."""
    found = {each["kind"] for each in fields if each["forbidden"] and each["mismatches"]}
    has = ", ".join(sorted(found)) or ("unknown" if unkept else "none")
    if not gate["forbid"]:
        return _condition("forbid", has, "nothing", met=True)
    return _condition("forbid", has, f"none of {', '.join(gate['forbid'])}", met=has == "none")


def _condition(name: str, has: str, asked: str, *, met: bool) -> Row:
    return Row((name, has, asked, "yes" if met else "no"), mark="good" if met else "bad")


def _window_s(window: Values | None) -> float:
    if window is None:
        return 0.0
    began, ended = (datetime.fromisoformat(window[end]) for end in ("from", "to"))
    return (ended - began).total_seconds()
