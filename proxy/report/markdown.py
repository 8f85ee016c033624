"""Reports as Markdown, for a merge request or a wiki.

Belongs here: the syntax, and what must be escaped for it. Does not: what is said (`contents`).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.report.cells import Column, Row, Table, Values
from proxy.report.contents import Page, overview_of, page_of

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|~#&])")
_TICKS: Final = re.compile(r"`+")


def as_markdown(reports: Sequence[Values]) -> str:
    """The reports as one document of GitHub's Markdown; an overview first when they are several."""
    return "\n".join(_lines(reports)) + "\n"


def _lines(reports: Sequence[Values]) -> Iterator[str]:
    yield "# Shadow report"
    if not reports:
        yield from ("", "There are no routes with a mirror or a gate.")
    if len(reports) > 1:
        yield from _table(overview_of(reports), level=2)
    for report in reports:
        yield from _page(page_of(report))


def _page(page: Page) -> Iterator[str]:
    yield from ("", f"## {_code(page.route)}: {_prose(page.verdict)}", "")
    yield f"{_code(page.rpc)}: {_prose(page.standing)}"
    if page.because or page.advice:
        yield ""
    yield from (f"- {_prose(because)}" for because in page.because)
    yield from (f"- advice: {_prose(advice)}" for advice in page.advice)
    for table in page.tables:
        yield from _table(table, level=3)


def _table(table: Table, level: int) -> Iterator[str]:
    yield from ("", f"{'#' * level} {table.title}", "")
    if table.note:
        yield from (_prose(table.note), "")
    columns = (*table.columns, Column(table.details)) if table.details else table.columns
    yield _line(column.heading for column in columns)
    yield _line("--:" if column.is_number else "---" for column in columns)
    for row in table.rows:
        yield _line(_cells(table, row))


def _cells(table: Table, row: Row) -> Iterator[str]:
    for column, cell in zip(table.columns, row.cells, strict=True):
        yield _code(cell) if column.is_code else _prose(cell)
    if table.details:
        yield _prose(row.detail)


def _line(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _prose(text: str) -> str:
    r"""Text that means nothing to Markdown.

    >>> print(_prose("forbid type: $.a[*]"))
    forbid type: $.a\[\*\]
    """
    return _SPECIAL.sub(r"\\\1", text)


def _code(text: str) -> str:
    r"""A code span; its fence is longer than any run of backticks in it.

    >>> print(_code("$.a[*]"), _code("a`b|c"))
    `$.a[*]` `` a`b\|c ``
    """
    if not text.strip():
        return ""
    # In a table a bar ends the cell even within code, unless it is escaped.
    escaped = text.replace("|", "\\|")
    longest = max(map(len, _TICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {escaped} {fence}" if longest else f"{fence}{escaped}{fence}"
