"""Load from a process of its own, requests each with an id and a record.

Belongs here: starting and ending a generator, reading what it wrote. Does not: how it sends
(`bench/generator` in Go, `bench.stand.python_generator`), what the figures mean.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from bench.stand.golang import go_program
from bench.stand.processes import ROOT, Process
from bench.stand.traffic import (
    Drip,
    DripKind,
    DripPlan,
    Kind,
    LoadPlan,
    Record,
    read_lines,
)

SOURCE: Final = ROOT / "bench" / "generator"
BINARY: Final = ROOT / "bench" / ".build" / "generator"


class Load:
    """A generator at work. `finish` ends it, and waits for the answers to what it has sent."""

    def __init__(self, process: Process, records: Path) -> None:
        self._process = process
        self._path = records
        #: When it began to send, in microseconds since the epoch.
        self.begun_us: int = process.announcement()["begun_us"]

    def __repr__(self) -> str:
        return f"<Load {self._process!r}>"

    def finish(self) -> list[Record]:
        """End it; what became of each request, in the order of the answers."""
        self._end()
        return read_lines(self._path, Record.parse)

    def finish_drip(self) -> list[Drip]:
        """End it; what became of each slow connection."""
        self._end()
        return read_lines(self._path, Drip.parse)

    def wait(self) -> list[Record]:
        """Wait until it has done what it was to do."""
        self._process.announcement()
        return read_lines(self._path, Record.parse)

    def wait_drip(self) -> list[Drip]:
        """Wait until all slow connections have ended."""
        self._process.announcement()
        return read_lines(self._path, Drip.parse)

    def _end(self) -> None:
        assert self._process.child.stdin is not None
        self._process.child.stdin.close()
        self._process.announcement()


@dataclass(frozen=True)
class Generator:
    """Starts loads on `cores`, with the files of each in `folder`."""

    command: tuple[str, ...]
    cores: Sequence[int]
    folder: Path
    numbers: Iterator[int]

    @contextmanager
    def load(
        self, address: str, kinds: Sequence[Kind], *, rate: float = 0.0, **options: Any
    ) -> Iterator[Load]:
        """Send `kinds` to `address` until the end of the context, at the latest."""
        name = f"r{next(self.numbers)}"
        records = self.folder / f"{name}.csv"
        plan = LoadPlan(address, name, str(records), kinds, rate, **options)
        with self._started("load", name, plan.as_json()) as process:
            yield Load(process, records)

    @contextmanager
    def drip(
        self,
        address: str,
        kinds: Sequence[DripKind],
        *,
        every_s: float,
        max_s: float,
        open_per_s: float,
    ) -> Iterator[Load]:
        """Open slow connections to `address`, until the end of the context at the latest."""
        name = f"d{next(self.numbers)}"
        records = self.folder / f"{name}.csv"
        plan = DripPlan(address, str(records), kinds, every_s, max_s, open_per_s)
        with self._started("drip", name, plan.as_json()) as process:
            yield Load(process, records)

    def _started(self, task: str, name: str, plan: dict[str, Any]) -> Process:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(plan))
        log = self.folder / f"{name}.log"
        command = [*self.command, task, str(path)]
        return Process("generator", command, cores=self.cores, log=log, announces=True)


def go_generator(cores: Sequence[int], folder: Path) -> Generator:
    """The generator in Go. Raises `Unavailable` where it cannot be built."""
    go_program(SOURCE, BINARY)
    return Generator((str(BINARY),), cores, folder, count(1))


def python_generator(cores: Sequence[int], folder: Path) -> Generator:
    """The same in Python: enough for a few hundred requests per second."""
    command = (sys.executable, "-m", "bench.stand.python_generator")
    return Generator(command, cores, folder, count(1))
