"""`cutover report`: what the mirrors of a running proxy have found.

Belongs here: which routes, in which form, where to. Does not: what a report says (`gate.report`),
how it looks (`report`).
"""

import sys
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console

from proxy.cli.judging import Evidence, judging_command, worst_exit
from proxy.report.html import as_html
from proxy.report.markdown import as_markdown
from proxy.report.text import reports_as_text

#: Columns for a terminal that has no width, and for a file.
_WIDTH_WITHOUT_TERMINAL: Final = 160

Reports = Sequence[dict[str, Any]]


def _as_json(reports: Reports) -> str:
    return orjson.dumps({"reports": reports}, option=orjson.OPT_INDENT_2).decode() + "\n"


#: All forms but text, which depends on where it is shown.
_FORMS: Final[dict[str, Callable[[Reports], str]]] = {
    "json": _as_json,
    "markdown": as_markdown,
    "html": as_html,
}


@judging_command("report")
@click.argument("routes", metavar="[ROUTE]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", *_FORMS]),
    default="text",
    show_default=True,
    help="How it is written; html is one file that needs no other.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File instead of stdout.",
)
def report(
    routes: tuple[str, ...],
    form: str,
    output: Path | None,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> int:
    """Report what mirrors have found, on all routes or some.

    On the ROUTEs, else on all that have a mirror or a gate. Exits with the worst verdict of their
    gates: 0 pass, 1 fail, 2 inconclusive, which is also the code when none of them has a gate. 3 is
    for wrong use and a proxy that does not answer.
    """
    evidence = Evidence(url, token_file, folder)
    reports = (
        [evidence.of_route(route, "report") for route in routes]
        if routes
        else evidence.get("report")["reports"]
    )
    _write(reports, form, output)
    return worst_exit(each["verdict"] for each in reports)


def _write(reports: Reports, form: str, output: Path | None) -> None:
    if form == "text" and output is None:
        _print(reports, Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL))
        return
    text = _as_text(reports) if form == "text" else _FORMS[form](reports)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _as_text(reports: Reports) -> str:
    file = StringIO()
    _print(reports, Console(file=file, width=_WIDTH_WITHOUT_TERMINAL))
    return file.getvalue()


def _print(reports: Reports, console: Console) -> None:
    if not reports:
        console.print("no route has a mirror or a gate")
    else:
        console.print(reports_as_text(reports))
