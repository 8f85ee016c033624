"""What several commands share: the folder option, and how problems are told.

Belongs here: words on the terminal. Does not: what a command does.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import click

from proxy.cli.composition import load_snapshot, utc_today
from proxy.config.load import load_config
from proxy.config.resolved import Config
from proxy.errors import ConfigError
from proxy.routing.snapshot import Snapshot
from proxy.server.protocol import require_c_parser
from proxy.sources.folder import read_folder

#: Exit codes, as `cutover --help` documents them.
EXIT_PROBLEMS: Final = 1
EXIT_CANNOT_START: Final = 3

config_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "-c",
    "--config",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("mappings"),
    show_default=True,
    help="Folder with the configuration.",
)


def snapshot_or_exit(folder: Path, today: Callable[[], date] = utc_today) -> Snapshot:
    """Load the configuration; print every problem and exit with 1 when there is one."""
    try:
        return asyncio.run(load_snapshot(folder, os.environ, today))
    except ConfigError as error:
        tell_problems(error)
        sys.exit(EXIT_PROBLEMS)


def config_or_exit(folder: Path, today: Callable[[], date] = utc_today) -> Config:
    """Read the configuration without its descriptors; exit as `snapshot_or_exit` does."""
    try:
        return load_config(read_folder(folder), os.environ, today())
    except ConfigError as error:
        tell_problems(error)
        sys.exit(EXIT_PROBLEMS)


def c_parser_or_exit() -> None:
    """Exit with 3 when HTTP would be parsed in Python."""
    try:
        require_c_parser()
    except RuntimeError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CANNOT_START)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with the cells of *rows* in columns, nothing cut and nothing at their ends.

    A terminal folds what is too wide for it; what reads a pipe needs every character.

    >>> list(aligned([["GET", "/v4"], ["DELETE", "/"]]))
    ['GET     /v4', 'DELETE  /']
    """
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def tell_problems(error: ConfigError) -> None:
    """Print each problem on a line of its own, its place first, to stderr."""
    for problem in error.problems:
        click.echo(str(problem), err=True)
    count = len(error.problems)
    click.echo(f"{count} problem{'s' if count > 1 else ''}", err=True)


def run_loop(main: Coroutine[Any, Any, Any]) -> Any:
    """Run *main* on uvloop, which halves the cost of the sockets, or on asyncio without it."""
    try:
        import uvloop
    except ImportError:  # pragma: no cover - it has no build for Windows
        return asyncio.run(main)
    return uvloop.run(main)
