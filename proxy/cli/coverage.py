"""`cutover coverage`: what the evidence has seen of all answers, and what it never will.

Belongs here: the table. Does not: the shares (`gate.coverage`), the reasons (`shadow.uncompared`).
"""

from pathlib import Path
from typing import Any, Final

import click

from proxy.cli.judging import Evidence, judging_command, tell_json
from proxy.cli.options import aligned
from proxy.gate.words import share_text

#: Fields that are named per route; `--json` has all.
_MOST_NAMED: Final = 5


@judging_command("coverage")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with all fields.")
def coverage(as_json: bool, folder: Path, url: str | None, token_file: Path | None) -> int:
    """Show which fields and routes were never compared, and why.

    Of the fields of answers it shows which legacy has filled at least once. Exits with 0, or with 3
    when nothing can be said.
    """
    told = Evidence(url, token_file, folder).get("coverage")
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
