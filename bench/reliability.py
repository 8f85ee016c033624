"""`./run bench reliability [--only R1,R4]`: what the real processes do when things break.

Each line breaks one thing under open-loop load at about 70 % of the maximum that the line has
measured itself. A line that fails fails: nothing is tried again.
"""

import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

from bench.faults.ground import Ground
from bench.faults.lines import LINES
from bench.faults.verdicts import RAN, Line, named, not_run, verdict_table
from bench.figures import Broken, Figure

PARTS: Final = tuple(line.name for line in LINES)


def run(only: Collection[str] = PARTS) -> list[Figure]:
    """All lines, or those of `only`."""
    figures: list[Figure] = []
    for line in LINES:
        if line.name in only:
            figures += run_line(line)
    return figures


def run_line(line: Line, ground: Callable[[Path], Ground] = Ground.full) -> list[Figure]:
    """One line, in a folder of its own; one that breaks off does not keep the others from it."""
    print(f"{line.name}: {line.fault}", file=sys.stderr, flush=True)
    with TemporaryDirectory(prefix=f"cutover-{line.name}-") as folder:
        try:
            return named(line.name, line.measure(ground(Path(folder))))
        except Broken as problem:
            print(f"{line.name}: {RAN}: no: {problem}", file=sys.stderr, flush=True)
            return not_run(line.name)


def table(figures: Sequence[Figure]) -> Table:
    """One row for each thing that a line must show."""
    return verdict_table({line.name: line.fault for line in LINES}, figures)
