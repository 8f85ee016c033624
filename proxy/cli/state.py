"""The state directory from the command line, without a running proxy.

Belongs here: finding, opening and reading it. Does not: what is done with it.
"""

import sys
from pathlib import Path

import click

from proxy.cli.options import EXIT_PROBLEMS
from proxy.config.schema import Settings
from proxy.cutover.overrides import NOTHING_MOVED, Overrides
from proxy.state.directory import StateDirectory
from proxy.state.errors import StateError


def state_path(settings: Settings, folder: Path) -> Path | None:
    """The state directory that *settings* name, relative to *folder*; None when there is none."""
    directory = settings.state.directory
    return folder / directory if directory else None


def overrides_or_exit(settings: Settings, folder: Path) -> Overrides:
    """What operators have moved; nothing when no directory is there. Exits with 1 if it is bad."""
    path = state_path(settings, folder)
    if path is None or not path.is_dir():
        return NOTHING_MOVED
    try:
        return StateDirectory(path).read()
    except StateError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_PROBLEMS)
