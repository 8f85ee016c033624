from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from proxy.gate.evidence import Verdict
from proxy.gate.options import GateOptions
from proxy.report.cells import MAX_CELL, Row, Table, visible
from proxy.report.contents import Page, overview_of, page_of
from tests.gate.evidence import GOOD, evidence
from tests.report.reports import DIFFERENT, EVIL, FACTS, REPORTS, reported


def table_of(report: dict[str, Any], title: str) -> Table:
    return next(table for table in page_of(report).tables if table.title == title)


def texts_of(page: Page) -> Iterator[str]:
    yield from (page.route, page.rpc, page.verdict, page.standing, *page.because, *page.advice)
    for table in page.tables:
        yield from (table.title, table.note)
        yield from (text for row in table.rows for text in (*row.cells, row.detail))


@pytest.mark.parametrize("text", EVIL)
def test_no_text_acts_on_a_terminal_or_fills_a_page(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert len(shown) <= MAX_CELL * len("\\U000e0001")


def test_what_is_printable_and_short_stays_as_it_is() -> None:
    assert visible("$.größe[*].名前") == "$.größe[*].名前"


def test_nothing_of_an_evil_report_is_shown_unseen() -> None:
    for text in texts_of(page_of(REPORTS["evil"])):
        assert text.replace("\N{NO-BREAK SPACE}", " ").isprintable()


@pytest.mark.parametrize("name", REPORTS)
def test_every_row_has_a_cell_for_every_column(name: str) -> None:
    for table in (*page_of(REPORTS[name]).tables, overview_of([REPORTS[name]])):
        assert table.rows
        assert {len(row.cells) for row in table.rows} == {len(table.columns)}


def test_the_overview_has_where_a_route_stands_and_the_first_reason() -> None:
    rows = [row.cells for row in overview_of([REPORTS["few"], REPORTS["no mirror"]]).rows]
    assert rows == [
        (
            *("get-order", "shadow", "inconclusive", "9,400", "0", "0.261 %", "0.1 %"),
            (
                "max_mismatch 0.1 %, have at most 0.261 % (0 of 1,500, confidence 95 %): "
                "needs about 3,241 more without a mismatch, at this rate by 2026-06-02T04:09:23Z "
                "(and 1 more)"
            ),
        ),
        ("get-order", "shadow", "no gate", "0", "0", "", "", "not compared: no mirror"),
    ]


def test_where_only_requests_are_compared_their_verdict_comes_first() -> None:
    shallow = replace(FACTS, depth="translate", uncompared="depth translate only")
    assert page_of(reported(GOOD, shallow)).because == (
        "max_mismatch 0.1 %, have at most 0.0569 % (0 of 9,380, confidence 95 %)",
        "depth translate only",
    )


def test_a_page_says_where_the_route_stands() -> None:
    assert page_of(REPORTS["different"]).standing == (
        "stage shadow, mirror 10 % to depth rpc, "
        "evidence of 48h from 2026-05-26 20:26 to 2026-05-28 20:26 UTC, server v7"
    )
    assert page_of(REPORTS["no gate"]).standing.startswith("stage canary, 5 % on gRPC, mirror")
    assert page_of(REPORTS["no mirror"]).standing == "stage shadow"


#: The conditions of a gate that are not met, by the report.
UNMET = {
    "good": [],
    "different": ["max_mismatch", "forbid"],
    "few": ["max_mismatch", "min_keys"],
    "no evidence": [
        *("max_mismatch", "min_duration", "min_keys", "min_field_coverage", "max_unseen_mass"),
    ],
}


@pytest.mark.parametrize("name", UNMET)
def test_the_conditions_that_are_not_met_are_those_that_the_judgement_names(name: str) -> None:
    report = REPORTS[name]
    rows = table_of(report, "Gate").rows
    assert [row.cells[0] for row in rows if row.cells[-1] == "no"] == UNMET[name]
    named = [because.split()[0] for because in report["because"]]
    if report["verdict"] == "pass" or report["because"] == ["nothing compared yet"]:
        return
    assert {*named} == {*UNMET[name]}


def test_a_ceiling_that_is_passed_is_a_condition_that_is_not_met() -> None:
    report = reported(evidence(verdicts={Verdict.MATCH: 80, Verdict.NOISE: 20}))
    rows = {row.cells[0]: row for row in table_of(report, "Gate").rows}
    assert rows["max_noise"].cells == ("max_noise", "20 % (20 of 100)", "5 %", "no")


def test_a_gate_that_forbids_no_kind_asks_for_nothing_of_them() -> None:
    lenient = replace(FACTS, gate=GateOptions(forbid=frozenset()))
    row = table_of(reported(DIFFERENT, lenient), "Gate").rows[-1]
    assert row.cells == ("forbid", "none", "nothing", "yes")


def test_how_many_more_are_needed_is_said_only_where_more_would_help() -> None:
    assert "Needs about 3,241 more without a mismatch." in table_of(REPORTS["few"], "Gate").note
    assert "Needs" not in table_of(REPORTS["different"], "Gate").note
    assert "Needs" not in table_of(REPORTS["good"], "Gate").note
    young = reported(evidence(from_s=GOOD.until_s - 3_600))
    assert table_of(young, "Gate").note.endswith("it cannot pass before 2026-05-29T19:26:40Z.")


def test_what_is_missing_waits_and_what_failed_is_bad() -> None:
    marks = {
        name: {row.mark for row in table_of(REPORTS[name], "Gate").rows if row.cells[-1] == "no"}
        for name in ("few", "different")
    }
    assert marks == {"few": {"wait"}, "different": {"bad"}}


def counts_of(report: dict[str, Any]) -> dict[str, int]:
    rows = table_of(report, "Requests").rows
    return {row.cells[0].strip(): int(row.cells[1].replace(",", "")) for row in rows}


def test_the_counts_that_are_shown_add_up_at_each_level() -> None:
    counts = counts_of(REPORTS["different"])
    left = ("not sampled", "skipped", "dropped", "sent")
    ended = ("compared", "no answer", "no answer in time", "not comparable")
    verdicts = ("match", "match with rules", "noise", "transient", "mismatch")
    assert counts["eligible"] == sum(counts[each] for each in left)
    assert counts["sent"] == sum(counts[each] for each in ended)
    shown = sum(counts[each] for each in verdicts) + counts["not recorded"]
    assert counts["compared"] == shown


def test_what_waits_or_was_not_recorded_is_shown_only_when_there_is_some() -> None:
    assert not {"waiting", "running", "not recorded"} & counts_of(REPORTS["good"]).keys()
    found = evidence(outcomes={("eligible", ""): 9, ("sent", ""): 7}, verdicts={})
    assert counts_of(reported(found)).items() >= {("waiting", 2), ("running", 7)}


def test_fields_that_were_never_filled_are_shown_once_there_was_traffic() -> None:
    assert all(table.title[:6] != "Fields" for table in page_of(REPORTS["no evidence"]).tables)
    report = reported(evidence(seen_fields=frozenset({"$.order"})))
    rows: tuple[Row, ...] = table_of(report, "Fields never filled by legacy").rows
    assert [row.cells[0] for row in rows] == ["$.order.id", "$.order.items[*].sku", "$.order.total"]


def test_only_some_of_many_fields_are_named_and_the_others_counted() -> None:
    many = replace(FACTS, fields=frozenset(f"$.f{index:03}" for index in range(500)))
    table = table_of(reported(GOOD, many), "Fields never filled by legacy")
    assert (len(table.rows), table.note) == (20, "480 more are not named here.")


def test_latency_names_both_sides_and_what_they_exceed() -> None:
    rows = table_of(REPORTS["good"], "Latency").rows
    assert rows[0].cells == ("legacy", "9,400", "≤ 1.58ms", "≤ 1.58ms", "≤ 6.67ms")
    assert table_of(REPORTS["good"], "Answers that take longer than legacy's").rows[2].cells == (
        *("p99, 6.67ms", "0 %", "0 %"),
    )
