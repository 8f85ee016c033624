"""What the commands share that tell of evidence: exit codes, and how they ask.

Belongs here: commands whose exit code is an answer. Does not: what each of them shows.

A pipeline takes 0 for "go on", so nothing else may give it: for these commands wrong use, a proxy
that refuses and one that does not answer are all 3, and never the code of a verdict.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlencode

import click
import orjson

from proxy.cli.admin_client import admin_options, client_or_exit, or_exit
from proxy.cli.options import EXIT_CANNOT_START, config_option
from proxy.gate.judgement import GateVerdict

EXIT_OF_VERDICTS: Final[Mapping[str, int]] = {
    GateVerdict.PASS: 0,
    GateVerdict.FAIL: 1,
    GateVerdict.INCONCLUSIVE: 2,
}
#: The exit code where no gate has said anything: no data is no evidence.
EXIT_NO_VERDICT: Final = EXIT_OF_VERDICTS[GateVerdict.INCONCLUSIVE]
#: From the best to the worst.
_BY_WEIGHT: Final = (GateVerdict.PASS, GateVerdict.INCONCLUSIVE, GateVerdict.FAIL)

_SHADOW: Final = "/admin/v1/shadow"


class JudgingCommand(click.Command):
    """A command whose callback gives the exit code; whatever else ends it ends it with 3."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Read the arguments."""
        try:
            return super().make_context(*args, **more)
        except click.UsageError as error:
            _refuse(error)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the callback, and exit with its code."""
        try:
            code = super().invoke(ctx)
        except click.UsageError as error:
            _refuse(error)
        except (SystemExit, OSError) as error:
            if isinstance(error, OSError):
                click.echo(str(error), err=True)
            sys.exit(EXIT_CANNOT_START)
        sys.exit(code)


class _WrongUse(click.UsageError):
    exit_code = EXIT_CANNOT_START


def _refuse(error: click.UsageError) -> NoReturn:
    raise _WrongUse(error.format_message(), error.ctx) from error


class Evidence:
    """What a running proxy tells of its evidence, by the options that every such command has."""

    def __init__(self, url: str | None, token_file: Path | None, folder: Path) -> None:
        self._client = client_or_exit(url, token_file, folder)

    def __repr__(self) -> str:
        return f"<Evidence of {self._client.url}>"

    def get(self, page: str, **query: object) -> dict[str, Any]:
        """A page below that of mirrors; exits when it cannot be had."""
        given = {name: value for name, value in query.items() if value is not None}
        asked = f"?{urlencode(given)}" if given else ""
        return or_exit(lambda: self._client.get(f"{_SHADOW}/{page}{asked}"))

    def of_route(self, route: str, page: str, **query: object) -> dict[str, Any]:
        """A page about one route."""
        return self.get(f"routes/{quote(route, safe='')}/{page}", **query)

    def reset(self, route: str, reason: str, who: str) -> dict[str, Any]:
        """Have the evidence of a route forgotten."""
        path = f"{_SHADOW}/routes/{quote(route, safe='')}:reset"
        return or_exit(lambda: self._client.post(path, {"reason": reason, "who": who}))


def judging_command(name: str) -> Callable[[Callable[..., int]], click.Command]:
    """A command about evidence, with the options by which it finds the admin port."""

    def made(callback: Callable[..., int]) -> click.Command:
        command = click.command(name, cls=JudgingCommand)
        return command(config_option(admin_options(callback)))

    return made


def worst_exit(verdicts: Iterable[str | None]) -> int:
    """The exit code for routes with these verdicts, None for each that has no gate.

    >>> worst_exit(["pass", None]), worst_exit(["pass", "inconclusive", "fail"]), worst_exit([None])
    (0, 1, 2)
    """
    given = [GateVerdict(each) for each in verdicts if each is not None]
    worst = max(given, key=_BY_WEIGHT.index, default=None)
    return EXIT_NO_VERDICT if worst is None else EXIT_OF_VERDICTS[worst]


def tell_json(value: Mapping[str, Any]) -> None:
    """Print *value* as JSON for people and programs."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))
