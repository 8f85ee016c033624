"""What `coverage` and `suggest` share: the old API's document and its traffic, from files.

Belongs here: options, reading, and how a survey is written. Does not: what a survey finds
(`inventory.coverage`).
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console

from proxy.cli.options import EXIT_CANNOT_START, EXIT_PROBLEMS, snapshot_or_exit, tell_problems
from proxy.config.units import parse_duration
from proxy.errors import ConfigError
from proxy.gate.words import share_text
from proxy.inventory.coverage import Period, Survey
from proxy.inventory.hits import parse_time
from proxy.inventory.legacy import LegacyApi
from proxy.inventory.openapi import read_openapi
from proxy.report.inventory import inventory_as_html, inventory_as_text
from proxy.sources.document import load_document
from proxy.sources.traffic import TrafficFile

#: Columns for a terminal that has no width, and for a file.
_WIDTH: Final = 160

document_option: Callable[..., Any] = click.option(
    "--openapi",
    "document",
    type=click.Path(path_type=Path),
    help="OpenAPI 3.0 or 3.1 or Swagger 2.0 document of the old API, in YAML or JSON.",
)
base_path_option: Callable[..., Any] = click.option(
    "--base-path",
    metavar="PATH",
    help="What stands before the document's paths, in place of what it says of its servers.",
)


def read_since(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> float | None:
    """Seconds since the epoch of a time, or of how long ago."""
    at_s = None if value is None else parse_time(value)
    if value is None or at_s is not None:
        return at_s
    try:
        return datetime.now(UTC).timestamp() - parse_duration(value)
    except ValueError:
        message = f"{value!r} is neither a time (2026-01-31) nor a duration (30d)"
        raise click.BadParameter(message, param=parameter) from None


def read_share(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> float | None:
    """A share from 0 to 1 of a text in percent."""
    if value is None:
        return None
    try:
        share = float(value.removesuffix("%").strip()) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise click.BadParameter(f"{value!r} is no share from 0% to 100%", param=parameter)
    return share


@dataclass(frozen=True, slots=True)
class SurveyRequest:
    """What is asked of a survey, as the options say it."""

    document: Path | None
    logs: Sequence[Path]
    base_path: str | None
    since_s: float | None
    unused_days: int | None
    min_mapped: float | None

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to hold against the bindings."""
        return self.document is not None or bool(self.logs)

    def check(self) -> None:
        """Raises `click.UsageError` for options that would do nothing."""
        given = {
            "--base-path": (self.base_path, self.document, "--openapi"),
            "--since": (self.since_s, self.logs, "--log"),
            "--unused-days": (self.unused_days, self.logs and self.document, "--openapi and --log"),
            "--min-mapped": (self.min_mapped, self.is_asked, "--openapi or --log"),
        }
        for option, (value, needed, names) in given.items():
            if value is not None and not needed:
                raise click.UsageError(f"{option} does nothing without {names}")


def read_api_or_exit(path: Path, base_path: str | None) -> LegacyApi:
    """The old API by its document; prints every problem and exits with 1 when there is one."""
    try:
        return read_openapi(load_document(path), base_path)
    except ConfigError as error:
        tell_problems(error)
        sys.exit(EXIT_PROBLEMS)


def survey_or_exit(folder: Path, asked: SurveyRequest) -> dict[str, Any]:
    """Hold what was asked for against the bindings of *folder*."""
    snapshot = snapshot_or_exit(folder)
    api = None if asked.document is None else read_api_or_exit(asked.document, asked.base_path)
    survey = Survey(snapshot, api, asked.since_s)
    files = [TrafficFile(path) for path in asked.logs]
    for file in files:
        _feed(survey, file)
    period = None if asked.unused_days is None else Period(asked.unused_days)
    result = survey.result(period, has_traffic=bool(files))
    result["logs"] = [
        {"file": str(file.path), "requests": file.hits, "bad": file.bad, "named": file.named}
        for file in files
    ]
    return result


def _feed(survey: Survey, file: TrafficFile) -> None:
    """Count a file's requests, and say on stderr what of it could not be read."""
    try:
        for hit in file.read():
            survey.add(hit)
    except OSError as error:
        click.echo(f"{file.path}: cannot be read: {error.strerror or error}", err=True)
        sys.exit(EXIT_PROBLEMS)
    for line in file.named:
        click.echo(line, err=True)
    if file.bad > len(file.named):
        click.echo(f"{file.path}: {file.bad} bad lines in all", err=True)


# --- telling


def _as_json(result: dict[str, Any]) -> str:
    return orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() + "\n"


def _as_text(result: dict[str, Any]) -> str:
    file = StringIO()
    Console(file=file, width=_WIDTH).print(inventory_as_text(result))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


FORMS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "text": _as_text,
    "json": _as_json,
    "html": inventory_as_html,
}


def tell_survey(result: dict[str, Any], form: str, output: Path | None) -> None:
    """Write a survey in one of `FORMS`."""
    if form == "text" and output is None and sys.stdout.isatty():
        Console().print(inventory_as_text(result))
    elif output is None:
        click.echo(FORMS[form](result), nl=False)
    else:
        output.write_text(FORMS[form](result), encoding="utf-8")


def exit_of_survey(result: dict[str, Any], min_mapped: float | None) -> int:
    """0, or 1 when less is mapped than there must be, or 3 when there is nothing to count."""
    if min_mapped is None:
        return 0
    share = result["mapped"]["share"]
    if share is None:
        click.echo(f"nothing to hold against {share_text(min_mapped)}", err=True)
        return EXIT_CANNOT_START
    if share >= min_mapped:
        return 0
    click.echo(f"{share_text(share)} mapped, {share_text(min_mapped)} wanted", err=True)
    return EXIT_PROBLEMS
