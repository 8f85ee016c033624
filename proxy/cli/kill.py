"""`cutover kill`: every route to legacy, now, whatever else is broken.

Belongs here: the two ways to the kill switch: the admin port, and the state directory when that
port is down.
"""

import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from proxy.cli.admin_client import Refused, Unreachable, client_or_exit
from proxy.cli.moves import Why, move_options, tell_move, why_of
from proxy.cli.options import EXIT_CANNOT_START, EXIT_PROBLEMS, config_or_exit
from proxy.cli.state import state_path
from proxy.cutover.moves import Action, Move, MoveRefused, check_words
from proxy.cutover.overrides import KillSwitch
from proxy.state.directory import StateDirectory
from proxy.state.errors import RevisionConflict, StateError
from proxy.state.kill_file import KillFile
from proxy.state.moving import carry_out

_OTHER_WAYS: Final = "kill needs no configuration with --admin and --token-file, or with --state"


@click.command()
@click.argument("switch", type=click.Choice(["on", "off"]))
@click.option(
    "--state",
    "directory",
    type=click.Path(path_type=Path),
    help="Write into this state directory, past the admin port.",
)
@move_options
def kill(switch: str, directory: Path | None, **options: Any) -> None:
    """Send every route to legacy at once, or end that.

    It counts from the next request on. Asks the admin port. When nobody answers there, writes
    into the state directory of the configuration: all proxies that share it obey at once, and
    after a restart too. With --state neither the admin port nor the configuration is needed.
    """
    why, on = why_of(options), switch == "on"
    answer = None if directory is not None else _asked(why, options, on=on)
    if answer is None:
        move = Move(Action.KILL, on=on, reason=why.reason, who=why.who, ttl_s=why.ttl_s)
        answer = _written(directory or _configured(options["folder"]), move, why)
    tell_move(answer, as_json=options["as_json"])


def _asked(why: Why, options: dict[str, Any], *, on: bool) -> dict[str, Any] | None:
    """What the admin port answers; None when nobody does. Exits with 1 when it refuses."""
    try:
        client = client_or_exit(options["url"], options["token_file"], options["folder"])
    except SystemExit:
        click.echo(_OTHER_WAYS, err=True)
        raise
    try:
        return client.post("/admin/v1/killswitch", why.with_(on=on))
    except Refused as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_PROBLEMS)
    except Unreachable as error:
        click.echo(str(error), err=True)
        return None


def _configured(folder: Path) -> Path:
    """The state directory of the configuration; exits with 3 when there is none to write into."""
    path = state_path(config_or_exit(folder).settings, folder) if folder.is_dir() else None
    if path is None or not path.is_dir():
        click.echo("and there is no state directory to write into", err=True)
        sys.exit(EXIT_CANNOT_START)
    click.echo(f"writing into {path} instead", err=True)
    return path


def _written(directory: Path, move: Move, why: Why) -> dict[str, Any]:
    """Turn the switch in *directory*; what is told of it. Exits with 1 when that is refused."""
    try:
        check_words(move.reason, move.who)
        if not directory.is_dir():
            raise StateError(f"there is no state directory {directory}")
        return _recorded(directory, move, why)
    except (MoveRefused, RevisionConflict) as error:
        click.echo(str(error), err=True)
    except StateError as error:
        if move.on and directory.is_dir() and why.if_revision is None:
            return _by_file_alone(directory, move, str(error))
        click.echo(str(error), err=True)
    sys.exit(EXIT_PROBLEMS)


def _recorded(directory: Path, move: Move, why: Why) -> dict[str, Any]:
    state = StateDirectory(directory)
    committed = carry_out(state, move, {}, digest="", if_revision=why.if_revision)
    entry = committed.entry
    change = f"{entry.before} -> {entry.after}"
    return _answer(change, committed.revision, entry.id)


def _by_file_alone(directory: Path, move: Move, problem: str) -> dict[str, Any]:
    """Turn the switch on though the rest of the state cannot be read or written."""
    file = KillFile(directory / "kill")
    try:
        if not file.exists:
            end_s = None if move.ttl_s is None else time.time() + move.ttl_s
            file.write(KillSwitch(move.who, move.reason, time.time(), end_s))
    except OSError as error:
        click.echo(f"{problem}; {error}", err=True)
        sys.exit(EXIT_PROBLEMS)
    return _answer("kill switch on", None, None, problem)


def _answer(
    change: str, revision: int | None, audit_id: str | None, warning: str | None = None
) -> dict[str, Any]:
    """As the admin port answers."""
    return {
        "audit_id": audit_id,
        "revision": revision,
        "change": change,
        "durable": True,
        "warning": warning,
    }
