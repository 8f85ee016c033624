"""`cutover coverage`: what of the old API is mapped, or what the evidence has seen of answers.

Belongs here: the options, and the table of evidence. Does not: the shares (`gate.coverage`), the
reasons (`shadow.uncompared`), surveys of an old API (`cli.inventory`).
"""

from pathlib import Path
from typing import Any, Final

import click

from proxy.cli.inventory import (
    FORMS,
    SurveyRequest,
    base_path_option,
    document_option,
    exit_of_survey,
    read_share,
    read_since,
    survey_or_exit,
    tell_survey,
)
from proxy.cli.judging import Evidence, judging_command, tell_json
from proxy.cli.options import aligned
from proxy.gate.words import share_text

#: Fields that are named per route; `--json` has all.
_MOST_NAMED: Final = 5


@judging_command("coverage")
@document_option
@click.option(
    "--log",
    "logs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Access log (ours, Common, Combined) or HAR, also with gzip. May be given again.",
)
@base_path_option
@click.option("--since", callback=read_since, help="Leave out requests before: 2026-01-31, or 30d.")
@click.option(
    "--unused-days",
    type=click.IntRange(min=1),
    help="Mark operations without a request in the last days of the log.",
)
@click.option(
    "--min-mapped", callback=read_share, help="Exit with 1 when less is mapped, such as 95%."
)
@click.option("--format", "form", type=click.Choice([*FORMS]), help="How a survey is written.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File for a survey."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with all fields.")
def coverage(
    document: Path | None,
    logs: tuple[Path, ...],
    base_path: str | None,
    since: float | None,
    unused_days: int | None,
    min_mapped: float | None,
    form: str | None,
    output: Path | None,
    as_json: bool,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> int:
    """Show what is mapped, or what was never compared.

    With --openapi or --log: which operations and requests of an old API lead to a binding, and
    what they have that no field takes. Exits with 1 when less than --min-mapped is mapped, of the
    requests with --log, else of the operations. Without: which fields and routes a running proxy
    never compared, and why. Whatever else happens ends with 3.
    """
    asked = SurveyRequest(document, logs, base_path, since, unused_days, min_mapped)
    asked.check()
    if not asked.is_asked:
        if form is not None or output is not None:
            raise click.UsageError("--format and --output do nothing without --openapi or --log")
        return _tell_evidence(Evidence(url, token_file, folder).get("coverage"), as_json)
    if url is not None or token_file is not None:
        raise click.UsageError("--admin and --token-file do nothing with --openapi or --log")
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json contradicts --format {form}")
    result = survey_or_exit(folder, asked)
    tell_survey(result, "json" if as_json else form or "text", output)
    return exit_of_survey(result, min_mapped)


def _tell_evidence(told: dict[str, Any], as_json: bool) -> int:
    if as_json:
        tell_json(told)
        return 0
    _tell_seen(told)
    if told["never"]:
        click.secho("\nnever compared", bold=True)
        rows = [(row["route"], row["rpc"], row["why"]) for row in told["never"]]
        for line in aligned(rows):
            click.echo(line)
    return 0


def _tell_seen(told: dict[str, Any]) -> None:
    fields = told["fields"]
    if not told["routes"]:
        click.echo("no answers were compared yet")
        return
    head, *lines = aligned([("route", "seen", "of", "share", "never seen"), *_rows(told)])
    click.secho(head, bold=True)
    for line in lines:
        click.echo(line)
    click.echo(f"{fields['seen']} of {fields['total']} fields, {share_text(fields['share'])}")


def _rows(told: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            row["route"],
            str(row["seen"]),
            str(row["total"]),
            share_text(row["share"]),
            _named(row["unseen"]),
        )
        for row in told["routes"]
    ]


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(paths[:_MOST_NAMED]) + more
