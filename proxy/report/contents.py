"""What a report shows, in which order and words: the same for a terminal, a file and a page.

Belongs here: rows of text made of a report's values. Does not: how text looks (`text`, `markdown`,
`html`), what the values are (`gate.report`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from proxy.gate.words import at_most_text, duration_text, number_text, share_text
from proxy.report.cells import Column, Row, Table, Values, visible
from proxy.report.conditions import conditions_of

#: Fields never filled that are shown; the report has more of them.
MAX_UNSEEN: Final = 20
_NO_VERDICT: Final = "no gate"


@dataclass(frozen=True, slots=True)
class Page:
    """All that is shown of one route."""

    route: str
    rpc: str
    verdict: str
    standing: str
    because: tuple[str, ...]
    advice: tuple[str, ...]
    tables: tuple[Table, ...]


def verdict_of(report: Values) -> str:
    """The verdict as a word, or that there is no gate."""
    return report["verdict"] or _NO_VERDICT


def overview_of(reports: Sequence[Values]) -> Table:
    """One row for each route: where it stands, what its gate says and why."""
    columns = (
        Column("route", is_code=True),
        Column("stage"),
        Column("verdict"),
        Column("compared", is_number=True),
        Column("mismatches", is_number=True),
        Column("at most", is_number=True),
        Column("limit", is_number=True),
        Column("why"),
    )
    return Table("Routes", columns, tuple(_overview_row(each) for each in reports))


_MARKS: Final = {"pass": "good", "fail": "bad"}


def _overview_row(report: Values) -> Row:
    bound, counts = report["bound"], report["counts"]
    cells = (
        visible(report["route"]),
        report["stage"],
        verdict_of(report),
        number_text(counts["compared"]),
        number_text(counts["mismatch"]),
        at_most_text(bound["upper"]) if bound else "",
        share_text(bound["limit"]) if bound else "",
        visible(_first_reason(report)),
    )
    return Row(cells, mark=_MARKS.get(verdict_of(report), ""))


def _first_reason(report: Values) -> str:
    """The first reason, and how many there are beside it."""
    reasons = list(_reasons(report))
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}" if reasons else ""


def _reasons(report: Values) -> Iterator[str]:
    """Why nothing is compared comes first; where only requests are, what they say does."""
    uncompared = report["uncompared"]
    if uncompared and not report["counts"]["compared"]:
        yield f"not compared: {uncompared}"
        uncompared = None
    yield from report["because"]
    if uncompared and uncompared not in report["advice"]:
        yield uncompared


def page_of(report: Values) -> Page:
    """What there is to show of one route."""
    return Page(
        visible(report["route"]),
        visible(report["rpc"]),
        verdict_of(report),
        visible(_standing(report)),
        tuple(map(visible, _reasons(report))),
        tuple(map(visible, report["advice"])),
        tuple(table for table in _tables(report) if table.rows),
    )


def _standing(report: Values) -> str:
    """Where the route stands, what is mirrored, and since when: one line."""
    said = [f"stage {report['stage']}"]
    if report["stage"] in ("canary", "grpc"):
        said.append(f"{report['percent']:g} % on gRPC")
    if report["depth"] is not None:
        said.append(f"mirror {report['mirror_percent']:g} % to depth {report['depth']}")
    if report["window"]:
        said.append(f"evidence of {_window_text(report['window'])}")
    if report["server_version"]:
        said.append(f"server {report['server_version']}")
    return ", ".join(said)


def _window_text(window: Values) -> str:
    began, ended = (datetime.fromisoformat(window[end]) for end in ("from", "to"))
    length = duration_text((ended - began).total_seconds())
    return f"{length} from {began:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC"


def _tables(report: Values) -> Iterator[Table]:
    yield _differences(report)
    yield conditions_of(report)
    yield _requests(report["counts"])
    yield _rules(report["rules"])
    yield _unseen(report["coverage"])
    yield from _latency(report["latency"])
    yield _overflow(report["overflow"])


# --- differences


def _differences(report: Values) -> Table:
    columns = (
        Column("path", is_code=True),
        Column("kind", is_code=True),
        Column("count", is_number=True),
        Column("mismatches", is_number=True),
        Column("rate", is_number=True),
        Column("noise"),
        Column("examples", is_code=True),
    )
    note = (
        f"Rate: of all comparisons. Noise: by {number_text(report['controls'])} requests that "
        "legacy was asked twice."
    )
    rows = tuple(map(_difference, report["fields"]))
    return Table("Differences", columns, rows, note, details="what ends it")


def _difference(field: Values) -> Row:
    noise = field["noise"]["finding"]
    mark = "bad" if field["forbidden"] and field["mismatches"] else ""
    cells = (
        visible(field["path"]),
        field["kind"],
        number_text(field["count"]),
        number_text(field["mismatches"]),
        share_text(field["rate"]),
        _noise_text(field["noise"]),
        visible(" ".join(field["examples"])),
    )
    return Row(cells, field["hint"], "weak" if noise == "noise" and not mark else mark)


def _noise_text(noise: Values) -> str:
    """The finding with its counts: gRPC alone, legacy alone, both.

    >>> _noise_text({"b": 12, "c": 0, "both": 0, "p": 0.000244, "finding": "real"})
    'real: 12 gRPC, 0 legacy, p 0.00024'
    """
    if not noise["b"] + noise["c"] + noise["both"]:
        return "not measured"
    both = f", {number_text(noise['both'])} both" if noise["both"] else ""
    p = "" if noise["p"] is None else f", p {noise['p']:.2g}"
    counts = f"{number_text(noise['b'])} gRPC, {number_text(noise['c'])} legacy"
    return f"{noise['finding']}: {counts}{both}{p}"


# --- counts


def _requests(counts: Values) -> Table:
    columns = (Column("requests"), Column("count", is_number=True), Column("reasons"))
    rows = tuple(_request_rows(counts)) if counts["eligible"] or counts["sent"] else ()
    return Table("Requests", columns, rows)


#: Lines of the counts: the key, how it reads, how deep it is below what it is a part of.
_LINES: Final = (
    ("eligible", "eligible", 0),
    ("not_sampled", "not sampled", 1),
    ("skipped", "skipped", 1),
    ("dropped", "dropped", 1),
    ("waiting", "waiting", 1),
    ("sent", "sent", 1),
    ("compared", "compared", 2),
    ("match", "match", 3),
    ("match_with_rules", "match with rules", 3),
    ("noise", "noise", 3),
    ("transient", "transient", 3),
    ("mismatch", "mismatch", 3),
    ("unrecorded", "not recorded", 3),
    ("candidate_error", "no answer", 2),
    ("candidate_timeout", "no answer in time", 2),
    ("not_comparable", "not comparable", 2),
    ("running", "running", 2),
)
#: What is shown only when there is some of it.
_RARE: Final = frozenset({"waiting", "running", "unrecorded"})
#: An indent that neither HTML nor Markdown makes a single space of.
_INDENT: Final = "\N{NO-BREAK SPACE}" * 2


def _request_rows(counts: Values) -> Iterator[Row]:
    for key, words, depth in _LINES:
        value = counts[key]
        by_reason = value if isinstance(value, Mapping) else {}
        total = sum(by_reason.values()) if isinstance(value, Mapping) else value
        if total or key not in _RARE:
            reasons = ", ".join(f"{reason} {number_text(n)}" for reason, n in by_reason.items())
            mark = "bad" if key == "mismatch" and total else "" if total else "weak"
            cells = (_INDENT * depth + words, number_text(total), visible(reasons))
            yield Row(cells, mark=mark)


# --- the rest


def _rules(rules: Sequence[Values]) -> Table:
    columns = (
        Column("path", is_code=True),
        Column("use", is_code=True),
        Column("hits", is_number=True),
        Column("expires"),
        Column("reason"),
    )
    rows = tuple(_rule(rule) for rule in rules)
    unused = sum(not rule["hits"] for rule in rules)
    return Table("Rules", columns, rows, f"{unused} never made a difference." if unused else "")


def _rule(rule: Values) -> Row:
    cells = (
        visible(rule["path"]),
        rule["use"],
        number_text(rule["hits"]),
        rule["expires"] or "",
        visible(rule["reason"]),
    )
    return Row(cells, mark="" if rule["hits"] else "weak")


def _unseen(coverage: Values) -> Table:
    unseen = coverage["unseen"][:MAX_UNSEEN] if coverage["requests"] else ()
    rows = tuple(Row((visible(path),)) for path in unseen)
    missing = coverage["total"] - coverage["seen"] - len(rows)
    more = f"{number_text(missing)} more are not named here." if missing else ""
    return Table("Fields never filled by legacy", (Column("path", is_code=True),), rows, more)


def _latency(latency: Values) -> Iterator[Table]:
    columns = (Column("side"), *(Column(each, is_number=True) for each in _OF_SIDES))
    sides = [side for side in ("legacy", "grpc") if latency[side]["count"]]
    note = "Advice only: the mirror comes second and finds warm caches."
    yield Table("Latency", columns, tuple(_side(side, latency[side]) for side in sides), note)
    yield Table(
        "Answers that take longer than legacy's",
        (Column("than"), Column("legacy", is_number=True), Column("gRPC", is_number=True)),
        tuple(map(_exceedance, latency["exceedance"])),
    )


_OF_SIDES: Final = ("count", "p50", "p95", "p99")


def _side(side: str, durations: Values) -> Row:
    quantiles = (durations[f"{each}_s"] for each in _OF_SIDES[1:])
    texts = ("" if each is None else f"≤ {duration_text(each)}" for each in quantiles)
    return Row(("gRPC" if side == "grpc" else side, number_text(durations["count"]), *texts))


def _exceedance(each: Values) -> Row:
    than = f"p{each['quantile'] * 100:g}, {duration_text(each['threshold_s'])}"
    return Row((than, share_text(each["legacy"]), share_text(each["grpc"])))


def _overflow(overflow: Values) -> Table:
    rows = tuple(Row((visible(what), number_text(count))) for what, count in overflow.items())
    note = "The evidence store keeps a bounded number of each; the counts above are whole."
    columns = (Column("what"), Column("count", is_number=True))
    return Table("Beyond what the evidence store keeps", columns, rows, note)
