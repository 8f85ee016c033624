"""The commands that move routes of a running proxy: `stage`, `percent`, `promote` and the others.

Belongs here: words to requests to the admin port. Does not: what a move means (`cutover.moves`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
import orjson

from proxy.cli.admin_client import admin_options, client_or_exit, or_exit, whoever
from proxy.cli.options import config_option
from proxy.config.units import parse_duration
from proxy.cutover.stages import Stage


@dataclass(frozen=True, slots=True)
class Why:
    """What every move carries beside itself, as the admin port takes it."""

    reason: str
    who: str
    ttl_s: float | None
    if_revision: int | None

    def with_(self, **facts: object) -> dict[str, object]:
        """The body of a request: these facts and *facts*, without what is not given."""
        given = {
            "reason": self.reason,
            "who": self.who,
            "ttl_s": self.ttl_s,
            "if_revision": self.if_revision,
            **facts,
        }
        return {name: value for name, value in given.items() if value is not None}


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds of a text such as 90s, 30m or 1.5h."""
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError:
            self.fail("must be a number with its unit, such as 90s, 30m or 2h", param, ctx)


_WHY_OPTIONS: Final = (
    click.option("--reason", required=True, help="Why; goes into the audit log."),
    click.option("--who", default=whoever, help="Who moves it, if not the user of this shell."),
    click.option(
        "--ttl",
        "ttl_s",
        type=_Duration(),
        help="For how long, e.g. 2h; then as it was before.",
    ),
    click.option(
        "--if-revision", type=int, help="Refuse if somebody else has moved anything since."
    ),
    click.option("--json", "as_json", is_flag=True, help="One JSON object."),
)


def move_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every move: why, who, how long, since which revision, how told; the port's."""
    for option in reversed(_WHY_OPTIONS):
        command = option(command)
    return config_option(admin_options(command))


@click.command("stage")
@click.argument("route")
@click.argument("stage", type=click.Choice([stage.value for stage in Stage]))
@move_options
def stage_command(route: str, stage: str, **options: Any) -> None:
    """Put a route into a stage, at once."""
    _move(route, "stage", options, stage=stage)


@click.command("percent")
@click.argument("route")
@click.argument("percent", type=float)
@move_options
def percent_command(route: str, percent: float, **options: Any) -> None:
    """Send PERCENT of a route's clients to gRPC. Steps are of 0.01."""
    _move(route, "percent", options, percent=percent)


def _plain(action: str, text: str) -> click.Command:
    """A command for a move that needs nothing but its route."""

    @click.command(action, help=text)
    @click.argument("route")
    @move_options
    def command(route: str, **options: Any) -> None:
        _move(route, action, options)

    return command


@click.command("promote")
@click.argument("route")
@click.option(
    "--force", is_flag=True, help="Though its gate does not pass; the audit keeps what it said."
)
@move_options
def promote(route: str, force: bool, **options: Any) -> None:
    """Take a route one step further, if its gate passes.

    Past max_auto_percent too. A gate refuses with its reasons: exit code 1 when it fails, 2 while
    it is too early to say.
    """
    _move(route, "promote", options, **({"force": True} if force else {}))


pause: Final = _plain("pause", "Stop a route's ramp where it is.")
resume: Final = _plain("resume", "Let a paused or rolled back route go on. A ramp begins anew.")
rollback: Final = _plain("rollback", "Take a route back to legacy, until it is moved again.")


def _move(route: str, action: str, options: dict[str, Any], **facts: object) -> None:
    client = client_or_exit(options["url"], options["token_file"], options["folder"])
    body = why_of(options).with_(**facts)
    path = f"/admin/v1/routes/{quote(route, safe='')}:{action}"
    tell_move(or_exit(lambda: client.post(path, body)), as_json=options["as_json"])


def why_of(options: dict[str, Any]) -> Why:
    """What the options of a move say, but for the move itself."""
    return Why(options["reason"], options["who"], options["ttl_s"], options["if_revision"])


def tell_move(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print what a move has done, and what it will not do."""
    if as_json:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
        return
    kept = f"revision {answer['revision']}, audit {answer['audit_id']}"
    click.echo(f"{answer['change']} ({kept if answer['audit_id'] else 'not in the audit log'})")
    if answer["warning"]:
        click.echo(f"note: {answer['warning']}", err=True)
    if not answer["durable"]:
        click.echo("note: no state.directory is configured; a restart forgets this", err=True)


@click.command("reload")
@click.option("--reason", default="", help="Why; needed with --force.")
@click.option("--who", default=whoever, help="Who reloads, if not the user of this shell.")
@click.option("--force", is_flag=True, help="Even if clients of a live route would lose something.")
@config_option
@admin_options
def reload_command(
    reason: str,
    who: str,
    force: bool,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> None:
    """Read the configuration folder again, now."""
    client = client_or_exit(url, token_file, folder)
    body = {"reason": reason, "who": who, "force": force}
    answer = or_exit(lambda: client.post("/-/reload", body))
    click.echo(f"digest {answer['digest'][:12]}: {answer['result']}")
    for loss in answer["losses"]:
        click.echo(f"clients lose: {loss}")
