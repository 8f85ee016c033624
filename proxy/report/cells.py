"""What the forms of a report are made of: tables of text that is safe to show.

Belongs here: rows, columns, and the text of a cell. Does not: what the cells say (`contents`,
`conditions`), how they look (`text`, `markdown`, `html`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: A report, or a part of it: see `gate.report_schema`.
Values = Mapping[str, Any]

#: Characters of one cell: names of fields come from the wire, and one must not fill the page.
MAX_CELL: Final = 200


@dataclass(frozen=True, slots=True)
class Column:
    """One column; the cells of a *code* column are names and paths, not prose."""

    heading: str
    is_number: bool = False
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells, a *detail* that goes with the first of them, and its *mark*.

    The mark is "good", "bad", "wait" for what is not there yet, "weak" for what matters less, ""
    for all else.
    """

    cells: tuple[str, ...]
    detail: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title; *note* is said of all of them, *details* what their details are."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    details: str = ""


def visible(text: str) -> str:
    r"""The text without what a terminal or a page could take for more than text.

    Control characters, directions of writing and halves of characters are spelled; what is longer
    than a cell is cut.

    >>> print(visible("$.a\x1b[2Jb"))
    $.a\x1b[2Jb
    """
    cut = text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else _spelled(each) for each in cut)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
