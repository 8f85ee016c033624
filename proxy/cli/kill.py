"""`cutover kill`: every route to legacy, now, whatever else is broken.

Belongs here: the two ways to the kill switch: the admin port, and the state directory when that
port is down.
"""

import sys
from pathlib import Path

import click

from proxy.cli.admin_client import (
    Refused,
    Unreachable,
    admin_options,
    client_or_exit,
    whoever,
)
from proxy.cli.moves import tell_move
from proxy.cli.options import EXIT_CANNOT_START, EXIT_PROBLEMS, config_option, config_or_exit
from proxy.cli.state import state_path
from proxy.cutover.moves import Action, Move, MoveRefused
from proxy.state.directory import StateDirectory
from proxy.state.errors import StateError
from proxy.state.moving import carry_out


@click.command()
@click.argument("switch", type=click.Choice(["on", "off"]))
@click.option("--reason", required=True, help="Why; goes into the audit log.")
@click.option("--who", default=whoever, help="Who does it, if not the user of this shell.")
@click.option(
    "--state",
    "directory",
    type=click.Path(path_type=Path),
    help="Write into this state directory, past the admin port.",
)
@config_option
@admin_options
def kill(
    switch: str,
    reason: str,
    who: str,
    directory: Path | None,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> None:
    """Send every route to legacy at once, or end that.

    It counts from the next request on. Asks the admin port. When nobody answers there, writes into the state directory of the
    configuration: all proxies that share it obey at once, and after a restart too. With --state
    neither the admin port nor the configuration is needed.
    """
    on = switch == "on"
    if directory is None:
        client = client_or_exit(url, token_file, folder)
        try:
            body = {"on": on, "reason": reason, "who": who}
            tell_move(client.post("/admin/v1/killswitch", body))
            return
        except Refused as error:
            click.echo(str(error), err=True)
            sys.exit(EXIT_PROBLEMS)
        except Unreachable as error:
            click.echo(str(error), err=True)
            directory = _configured(folder)
    _write(directory, Move(Action.KILL, on=on, reason=reason, who=who))


def _configured(folder: Path) -> Path:
    """The state directory of the configuration; exits with 3 when there is none to write into."""
    path = state_path(config_or_exit(folder).settings, folder)
    if path is None or not path.is_dir():
        click.echo("and there is no state directory to write into", err=True)
        sys.exit(EXIT_CANNOT_START)
    click.echo(f"writing into {path} instead", err=True)
    return path


def _write(directory: Path, move: Move) -> None:
    try:
        if not directory.is_dir():
            raise StateError(f"there is no state directory {directory}")
        committed = carry_out(StateDirectory(directory), move, {}, digest="")
    except (MoveRefused, StateError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_PROBLEMS)
    entry = committed.entry
    click.echo(f"{entry.before} -> {entry.after} (revision {entry.revision}, audit {entry.id})")
