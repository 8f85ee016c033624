"""What a benchmark hands back: figures with units, and the ways to show them.

Nothing in here measures anything.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table


class Unavailable(Exception):
    """A benchmark cannot run on this machine; the text says what is missing."""


class Broken(Exception):
    """What is measured did not do what it has to; the text says what and shows the traces."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    `target` is the bound that `value` has to reach (`higher_is_better`) or may not exceed.

    >>> Figure("JSON to wire, speed-up", 7.5, "x", target=6.0).ok
    True
    >>> Figure("CPU ratio", 2.5, "x", target=2.0, higher_is_better=False).ok
    False
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            # A comparison with NaN is always false and JSON has no word for it.
            raise ValueError(f"the figure {self.name!r} is not a finite number: {self.value}")

    @property
    def ok(self) -> bool:
        """Whether the figure keeps its target; one without a target always does."""
        if self.target is None:
            return True
        if self.higher_is_better:
            return self.value >= self.target
        return self.value <= self.target


def json_line(bench: str, figures: Iterable[Figure]) -> str:
    """The figures of one benchmark as one line of JSON for a program to read.

    >>> json_line("routing", [Figure("match", 1.5, "µs")])
    '{"bench": "routing", "figures": [{"name": "match", "value": 1.5, "unit": "µs", "target": null, "ok": true}]}'
    """  # noqa: E501 - the line is the format
    return json.dumps(
        {
            "bench": bench,
            "figures": [
                {
                    "name": figure.name,
                    "value": figure.value,
                    "unit": figure.unit,
                    "target": figure.target,
                    "ok": figure.ok,
                }
                for figure in figures
            ],
        },
        ensure_ascii=False,
        allow_nan=False,
    )


def figure_table(bench: str, figures: Sequence[Figure]) -> Table:
    """The figures of one benchmark as a table for people."""
    table = Table(title=f"bench {bench}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("target", justify="right")
    table.add_column("", justify="center")
    for figure in figures:
        table.add_row(figure.name, readable(figure.value), figure.unit, bound(figure), mark(figure))
    return table


def bound(figure: Figure) -> str:
    """The target as people read it, or nothing.

    >>> bound(Figure("CPU ratio", 2.5, "x", target=2.0, higher_is_better=False))
    '≤ 2'
    """
    if figure.target is None:
        return ""
    return f"{'≥' if figure.higher_is_better else '≤'} {figure.target:g}"


def mark(figure: Figure) -> str:
    """The verdict on a figure as a word; nothing for one without a target."""
    if figure.target is None:
        return ""
    return "[green]ok[/]" if figure.ok else "[bold red]MISSED[/]"


def readable(value: float) -> str:
    """Three significant digits for small numbers, whole thousands apart for large ones.

    >>> readable(0.012345), readable(12.345), readable(12345.6)
    ('0.0123', '12.3', '12,346')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
