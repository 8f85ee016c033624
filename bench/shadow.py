"""`./run bench shadow [--only healthy,hang]`: what clients notice of mirrors: nothing, it is hoped.

Each line loads two proxies in turn, one that mirrors nothing and one that mirrors everything, at
60 % of the maximum that the first can do, and compares what their clients saw.
"""

from collections.abc import Collection, Sequence
from typing import Final

from rich.table import Table

from bench.faults.verdicts import verdict_table
from bench.figures import Figure
from bench.mirrors.lines import LINES
from bench.reliability import run_line

PARTS: Final = tuple(line.name for line in LINES)


def run(only: Collection[str] = PARTS) -> list[Figure]:
    """All lines, or those of `only`."""
    return [figure for line in LINES if line.name in only for figure in run_line(line)]


def table(figures: Sequence[Figure]) -> Table:
    """One row for each thing that a line must show."""
    shown = verdict_table({line.name: line.fault for line in LINES}, figures)
    shown.title = "bench shadow"
    return shown
