"""The table of the reliability bench: a line, its fault, what it must show, what was measured."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from bench.faults.ground import Ground
from bench.figures import Broken, Figure, bound, mark, readable
from bench.stand.traffic import Record, failed, said

SEPARATOR: Final = ": "  # between a line and what it must show, in the name of a figure
RAN: Final = "could be run"


@dataclass(frozen=True, slots=True)
class Line:
    """One fault, and the function that brings it about and measures what it did."""

    name: str
    fault: str
    measure: Callable[[Ground], Iterable[Figure]]


def none(what: str, value: float, unit: str = "") -> Figure:
    """Something that may not happen at all."""
    return Figure(what, value, unit, target=0.0, higher_is_better=False)


def no_failures(what: str, records: Iterable[Record]) -> Figure:
    """That all of these were answered well; what was not is told on standard error."""
    lost = failed(records)
    if lost:
        print(f"{what}: {said(lost)}", file=sys.stderr, flush=True)
    return none(what, len(lost))


def at_most(what: str, value: float, target: float, unit: str = "") -> Figure:
    """Something with an upper bound."""
    return Figure(what, value, unit, target=target, higher_is_better=False)


def at_least(what: str, value: float, target: float, unit: str = "") -> Figure:
    """Something with a lower bound."""
    return Figure(what, value, unit, target=target)


def ratio(now: float, before: float) -> float:
    """How many times as much it is as before. Raises `Broken` when there was nothing before.

    >>> ratio(3.0, 2.0)
    1.5
    """
    if not before:
        raise Broken("there is nothing to compare with: no request was answered before the fault")
    return now / before


def shown(what: str, value: float, unit: str = "") -> Figure:
    """Something that is only told."""
    return Figure(what, value, unit)


def named(line: str, figures: Iterable[Figure]) -> list[Figure]:
    """The figures of a line with its name."""
    return [
        Figure(f"{line}{SEPARATOR}{each.name}", each.value, each.unit, each.target,
               each.higher_is_better)
        for each in figures
    ]  # fmt: skip


def not_run(line: str) -> list[Figure]:
    """A line that could not be run to its end has failed."""
    return named(line, [at_least(RAN, 0.0, 1.0)])


def verdict_table(faults: Mapping[str, str], figures: Sequence[Figure]) -> Table:
    """All lines, one row for each figure."""
    table = Table(title="bench reliability", title_justify="left")
    table.add_column("line")
    table.add_column("fault")
    table.add_column("must show")
    table.add_column("target", justify="right")
    table.add_column("measured", justify="right")
    table.add_column("", justify="center")
    before = ""
    for figure in figures:
        line, _, what = figure.name.partition(SEPARATOR)
        if before not in ("", line):
            table.add_section()
        first = line != before
        measured = f"{readable(figure.value)} {figure.unit}".strip()
        table.add_row(
            line if first else "",
            faults[line] if first else "",
            what,
            bound(figure),
            measured,
            mark(figure),
        )
        before = line
    return table
