"""Reports for a terminal.

Belongs here: colours and columns. Does not: what is said (`contents`).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from proxy.report.cells import Row, Table, Values
from proxy.report.contents import overview_of, page_of, verdict_of

_OF_VERDICTS: Final = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}
_OF_MARKS: Final = {"good": "green", "bad": "red", "wait": "yellow", "weak": "dim"}


def as_text(report: Values) -> RenderableType:
    """One route for rich: the verdict and its reasons first, then the tables behind them."""
    page = page_of(report)
    head = Text.assemble((page.route, "bold"), "  ", (page.verdict, _style(report)))
    reasons = [Text(f"  {because}") for because in page.because]
    advice = [Text(f"  {advice}", style="dim") for advice in page.advice]
    standing = Text(f"{page.rpc}: {page.standing}", style="dim")
    tables = (table_as_text(table) for table in page.tables)
    return Group(
        head, standing, *reasons, *advice, *(Padding(each, (1, 0, 0, 0)) for each in tables)
    )


def reports_as_text(reports: Sequence[Values]) -> RenderableType:
    """Several routes: an overview, then each of them; a single one without the overview."""
    if not reports:
        return Text("no routes with a mirror or a gate")
    pages = [Padding(as_text(report), (1, 0, 0, 0)) for report in reports]
    return Group(overview_as_text(reports), *pages) if len(pages) > 1 else as_text(reports[0])


def overview_as_text(reports: Sequence[Values]) -> RenderableType:
    """One line for each route."""
    return table_as_text(overview_of(reports))


def _style(report: Values) -> str:
    return _OF_VERDICTS.get(verdict_of(report), "bold")


def table_as_text(table: Table) -> RenderableType:
    """One table for rich, its title and note above it."""
    made = RichTable(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in table.columns:
        heading = Text(column.heading)
        if column.is_number:
            made.add_column(heading, justify="right", no_wrap=True)
        else:
            made.add_column(heading, overflow="fold")
    for row in table.rows:
        made.add_row(*_cells(row))
    title = Text(table.title, style="bold underline")
    note = [Text(table.note, style="dim")] if table.note else []
    return Group(title, *note, made)


def _cells(row: Row) -> Iterator[RenderableType]:
    """Always `Text`: a plain string would be read for markup, and paths come from the wire."""
    style = _OF_MARKS.get(row.mark, "")
    first, *others = (Text(cell, style=style) for cell in row.cells)
    yield _with_detail(first, row.detail) if row.detail else first
    yield from others


def _with_detail(cell: Text, detail: str) -> RenderableType:
    return Group(cell, Padding(Text(detail, style="dim"), (0, 0, 0, 2)))
