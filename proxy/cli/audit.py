"""`cutover audit`: who moved what, when and why."""

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click
import orjson

from proxy.cli.admin_client import admin_options, client_or_exit, or_exit
from proxy.cli.options import aligned, config_option

_COLUMNS: Final = ("time", "who", "route", "from", "to", "why", "id")
#: What a reload is from and to; so much of it as other commands show.
_DIGEST: Final = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@click.command()
@click.option("--route", help="Only the moves of this route.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@config_option
@admin_options
def audit(
    route: str | None,
    limit: int,
    as_json: bool,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> None:
    """Show the newest moves of a running proxy, the latest last."""
    client = client_or_exit(url, token_file, folder)
    query = urlencode({"limit": limit} | ({"route": route} if route else {}))
    newest = or_exit(lambda: client.get(f"/admin/v1/audit?{query}"))["entries"]
    entries = newest[::-1]
    if as_json:
        for entry in entries:
            click.echo(orjson.dumps(entry))
        return
    head, *lines = aligned([_COLUMNS, *(_cells(entry) for entry in entries)])
    click.secho(head, bold=True)
    for line in lines:
        click.echo(line)


def _cells(entry: dict[str, Any]) -> list[str]:
    said = f" (gate: {entry['gate']})" if entry.get("gate") else ""
    shown = entry | {"why": f"{entry['why']}{said}"}
    return [_DIGEST.sub(r"\1", str(shown[column])) or "-" for column in _COLUMNS]
