"""`python -m bench [NAME...] [--only PARTS] [--json]`: runs benchmarks, shows and judges figures.

Exit codes: 0 every target was kept, 1 a target was missed or a benchmark could not run or broke,
2 wrong arguments.
"""

import argparse
import asyncio
import importlib
import inspect
import pkgutil
import signal
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from rich.console import Console

from bench.figures import Broken, Figure, Unavailable, figure_table, json_line

HARNESS: Final = frozenset({"__main__", "figures"})
TERMINATED: Final = 128 + signal.SIGTERM
WIDTH_WITHOUT_TERMINAL: Final = 180  # columns; in a log, a wrapped table is hard to read


def benchmark_names(folders: Sequence[str]) -> list[str]:
    """The names of all benchmarks in the package folders, in alphabetical order."""
    found = pkgutil.iter_modules(folders)
    return sorted(module.name for module in found if not module.ispkg if module.name not in HARNESS)


def main(arguments: Sequence[str], package: str = "bench") -> int:
    """Run what `arguments` name from the benchmarks in `package`; returns the exit code."""
    known = benchmark_names(list(importlib.import_module(package).__path__))
    parser = argument_parser(known)
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"unknown benchmark {', '.join(unknown)} (known: {', '.join(known)})")
    names = options.names or known
    only = [part for part in options.only.split(",") if part]
    if only:
        check_parts(parser, package, names, only)
    kept = [run_one(package, name, only, as_json=options.json) for name in names]
    return 0 if all(kept) else 1


def check_parts(
    parser: argparse.ArgumentParser, package: str, names: Sequence[str], only: Sequence[str]
) -> None:
    """Exit with 2 unless each of the benchmarks has each of the parts."""
    for name in names:
        parts = getattr(importlib.import_module(f"{package}.{name}"), "PARTS", ())
        unknown = [part for part in only if part not in parts]
        if unknown:
            known = ", ".join(parts) or "none"
            parser.error(f"{name} has no part {', '.join(unknown)} (it has {known})")


def argument_parser(known: Sequence[str]) -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description=f"Runs the benchmarks named, or all: {', '.join(known)}.",
        epilog="Exit codes: 0 all targets kept, 1 a target missed or not run, 2 wrong arguments.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--only", default="", metavar="PARTS", help="of a benchmark with parts: these, as in R1,R4"
    )
    parser.add_argument(
        "--json", action="store_true", help="end each benchmark with one line of JSON"
    )
    return parser


def run_one(package: str, name: str, only: Sequence[str], *, as_json: bool) -> bool:
    """Run one benchmark and show it; whether it ran and kept every target."""
    module = importlib.import_module(f"{package}.{name}")
    try:
        figures = measure(module, only)
    except Unavailable as problem:
        print(f"bench {name}: not run: {problem}", file=sys.stderr)
        return False
    except Broken as problem:
        print(f"bench {name}: broken: {problem}", file=sys.stderr)
        return False
    show(name, module, figures)
    if as_json:
        print(json_line(name, figures), flush=True)
    return all(figure.ok for figure in figures)


def measure(module: ModuleType, only: Sequence[str]) -> list[Figure]:
    """The figures of a benchmark module, whether its `run` is plain or a coroutine.

    A module with `PARTS` can run some of them.
    """
    result = module.run(only) if only else module.run()
    figures: list[Figure] = asyncio.run(result) if inspect.iscoroutine(result) else result
    return figures


def show(name: str, module: ModuleType, figures: list[Figure]) -> None:
    """Print the benchmark's own table when it has one, else the plain one."""
    own_table = getattr(module, "table", None)
    console = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)
    console.print(own_table(figures) if own_table else figure_table(name, figures))


def end_on_terminate() -> None:
    """Let SIGTERM end the run as Ctrl-C does: with the processes that it has started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))


if __name__ == "__main__":
    end_on_terminate()
    sys.exit(main(sys.argv[1:]))
