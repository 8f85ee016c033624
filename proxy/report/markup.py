"""What all pages are made of: tables as markup, and what a page forbids itself.

Belongs here: the markup of cells, each of which goes through `escape`. Does not: what is said
(`contents`, `inventory`), how it looks (`style`).
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from proxy.report.cells import Column, Row, Table

#: No scripts and no resources, should something ever get past `escape`.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def table_head(table: Table, drawing: str = "") -> Iterator[str]:
    """A table up to its first row: title, note, *drawing*, headings."""
    yield f"<h3>{escape(table.title)}</h3>"
    if table.note:
        yield f"<p class=faint>{escape(table.note)}</p>"
    yield drawing
    headings = "".join(
        f"<th{_number_class(column)} scope=col>{escape(column.heading)}" for column in table.columns
    )
    yield f"<div class=wide><table><thead><tr>{headings}</tr></thead><tbody>"


def table_row(table: Table, row: Row) -> str:
    """One row, with its mark and its detail."""
    cells = [cell(column, text) for column, text in zip(table.columns, row.cells, strict=True)]
    if row.detail:
        cells[0] += f"<span class=detail>{escape(row.detail)}</span>"
    mark = f' class="{row.mark}"' if row.mark else ""
    return f"<tr{mark}>{''.join(cells)}</tr>"


def whole_table(table: Table) -> Iterator[str]:
    """A table with all its rows."""
    yield "<section>"
    yield from table_head(table)
    yield from (table_row(table, row) for row in table.rows)
    yield "</tbody></table></div></section>"


def cell(column: Column, text: str) -> str:
    """One cell; the next tag ends it."""
    return f"<td{_number_class(column)}>{code(text) if column.is_code else escape(text)}"


def _number_class(column: Column) -> str:
    return " class=number" if column.is_number else ""


def code(text: str) -> str:
    """A name or a path; nothing for none."""
    return f"<code>{escape(text)}</code>" if text else ""
