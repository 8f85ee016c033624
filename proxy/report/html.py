"""Reports as one page of HTML: a file that needs nothing else, and runs nothing.

Belongs here: markup, style and drawings. Does not: what is said (`contents`). Whatever a report has
goes through `escape`; and the page forbids itself all scripts and resources, should that ever fail.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from proxy.gate.words import at_least_text, at_most_text, number_text, share_text
from proxy.report.cells import Values, visible
from proxy.report.contents import Page, overview_of, page_of
from proxy.report.markup import POLICY, cell, code, table_head, table_row
from proxy.report.style import STYLE

#: Width of a drawing, in its own units.
_WIDTH: Final = 1000.0
#: How far beyond the limit, and beyond the least that the rate may be, the drawing of it goes.
_LIMITS: Final = 4.0
_LEASTS: Final = 2.0
_VERDICTS: Final = ("match", "match_with_rules", "noise", "transient", "mismatch")


def as_html(reports: Sequence[Values]) -> str:
    """The reports as one HTML document; an overview first when they are several."""
    return "\n".join(_document(reports)) + "\n"


def _document(reports: Sequence[Values]) -> Iterator[str]:
    names = ", ".join(visible(report["route"]) for report in reports[:3])
    title = f"Shadow report: {names}" if len(reports) <= 3 else "Shadow report"
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
    yield f"<header><h1>Shadow report</h1>{_generated(reports)}</header>"
    if not reports:
        yield "<p>There are no routes with a mirror or a gate.</p>"
    if len(reports) > 1:
        yield from _overview(reports)
    for number, report in enumerate(reports):
        yield from _route(number, report)
    yield "</main></body></html>"


def _generated(reports: Sequence[Values]) -> str:
    latest = max((report["generated"] for report in reports), default="")
    return f"<p class=faint>{escape(latest)}</p>" if latest else ""


def _overview(reports: Sequence[Values]) -> Iterator[str]:
    """The table of all routes; each name leads to its own part of the page."""
    table = overview_of(reports)
    yield "<section class=overview>"
    yield from table_head(table)
    for number, row in enumerate(table.rows):
        link = f'<a href="#route-{number}">{code(row.cells[0])}</a>'
        stage, verdict, *others = row.cells[1:]
        cells = [f"<td>{link}", f"<td>{escape(stage)}", f"<td>{_badge(verdict)}"]
        texts = zip(table.columns[3:], others, strict=True)
        yield f"<tr>{''.join([*cells, *(cell(column, text) for column, text in texts)])}</tr>"
    yield "</tbody></table></div></section>"


def _route(number: int, report: Values) -> Iterator[str]:
    page = page_of(report)
    yield f'<article id="route-{number}">'
    yield f"<h2>{escape(page.route)} {_badge(page.verdict)}</h2>"
    yield f"<p class=faint>{code(page.rpc)}<br>{escape(page.standing)}</p>"
    yield from _reasons(page)
    yield from _verdicts(report["counts"])
    for table in page.tables:
        yield "<section>"
        yield from table_head(table, _bound(report) if table.title == "Gate" else "")
        yield from (table_row(table, row) for row in table.rows)
        yield "</tbody></table></div></section>"
    yield "</article>"


def _reasons(page: Page) -> Iterator[str]:
    lines = [f"<li>{escape(because)}" for because in page.because]
    lines += [f"<li class=faint>{escape(advice)}" for advice in page.advice]
    if lines:
        yield f"<ul>{''.join(lines)}</ul>"


def _badge(verdict: str) -> str:
    return f'<span class="badge {escape(verdict.replace(" ", "-"))}">{escape(verdict)}</span>'


# --- drawings


def _verdicts(counts: Values) -> Iterator[str]:
    """What the comparisons came to, as one bar; in words beside it, for who sees no colours."""
    total = sum(counts[verdict] for verdict in _VERDICTS)
    if not total:
        return
    words, bars, at = [], [], 0.0
    for verdict in (each for each in _VERDICTS if counts[each]):
        width = counts[verdict] / total * _WIDTH
        bars.append(_rectangle(verdict, at, width, 0, 16))
        share = share_text(counts[verdict] / total)
        words.append(
            f"<span><i class={verdict}></i>{verdict.replace('_', ' ')} "
            f"{number_text(counts[verdict])} ({share})</span>"
        )
        at += width
    yield f"<figure>{_drawing(16, bars)}<figcaption>{' '.join(words)}</figcaption></figure>"


def _bound(report: Values) -> str:
    """The interval in which the rate of mismatches is, against the limit."""
    bound = report["bound"]
    if not bound["compared"]:
        return ""
    end = min(max(_LIMITS * bound["limit"], _LEASTS * bound["lower"]), 1.0)
    scale = _WIDTH / end
    low, high, limit = (min(bound[key] * scale, _WIDTH) for key in ("lower", "upper", "limit"))
    seen = min(bound["mismatches"] / bound["compared"] * scale, _WIDTH)
    marks = [
        _rectangle("scale", 0, _WIDTH, 9, 2),
        _rectangle(_place(bound), low, max(high - low, 2), 5, 10),
        _rectangle("seen", max(seen - 1.5, 0), 3, 2, 16),
        _rectangle("limit", limit - 1.5, 3, 0, 20),
    ]
    words = (
        f"Rate of mismatches: {at_least_text(bound['lower'])} to {at_most_text(bound['upper'])} "
        f"(the bar), limit {share_text(bound['limit'])} (the long mark); the scale ends at "
        f"{share_text(end)}."
    )
    return f"<figure>{_drawing(20, marks)}<figcaption>{escape(words)}</figcaption></figure>"


def _place(bound: Values) -> str:
    """Where the interval is: within the limit, beyond it, or on both sides."""
    if bound["upper"] <= bound["limit"]:
        return "within"
    return "beyond" if bound["lower"] >= bound["limit"] else "open"


def _drawing(height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {height}" preserveAspectRatio="none" height="{height}" '
        f'aria-hidden="true">{"".join(parts)}</svg>'
    )


def _rectangle(kind: str, at: float, width: float, top: int, height: int) -> str:
    return (
        f'<rect class="{kind}" x="{at:.2f}" y="{top}" width="{width:.2f}" height="{height}"></rect>'
    )
