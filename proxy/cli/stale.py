"""`cutover stale`: routes whose move has come to a halt.

Belongs here: what counts as stale, and the list. Does not: where the routes stand (`admin.status`).
"""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import orjson

from proxy.cli.admin_client import admin_options, client_or_exit, or_exit
from proxy.cli.options import EXIT_PROBLEMS, aligned, config_option

_COLUMNS: Final = ("route", "owner", "why")
#: How long before its end a rule is told of: time for somebody to look at it.
_SOON: Final = timedelta(days=14)


@click.command()
@click.option("--check", is_flag=True, help="Exit with 1 when a route is stale.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@config_option
@admin_options
def stale(
    check: bool, as_json: bool, folder: Path, url: str | None, token_file: Path | None
) -> None:
    """List routes whose move has come to a halt.

    Those of a running proxy that are past their target date, at 100 % but still a canary that
    keeps the legacy host, rolled back, paused, or on gRPC and still mirrored to the legacy host;
    and those with a rule of comparison that has expired or soon will. An old host that nobody
    switches off costs twice, and rots; a rule that has expired refuses the next reload.
    """
    client = client_or_exit(url, token_file, folder)
    routes = or_exit(lambda: client.get("/admin/v1/status"))["routes"]
    found = list(stale_routes(routes, datetime.now(UTC).date()))
    if as_json:
        click.echo(orjson.dumps({"stale": found}, option=orjson.OPT_INDENT_2))
    elif found:
        head, *lines = aligned([_COLUMNS, *([row[key] for key in _COLUMNS] for row in found)])
        click.secho(head, bold=True)
        for line in lines:
            click.echo(line)
    if check and found:
        sys.exit(EXIT_PROBLEMS)


def stale_routes(routes: list[dict[str, Any]], today: date) -> Iterator[dict[str, str]]:
    """A row for each reason for which a route of the status *routes* is stale on *today*."""
    for route in routes:
        for why in _reasons(route, today):
            yield {"route": route["name"], "owner": route["owner"] or "-", "why": why}


def _reasons(route: dict[str, Any], today: date) -> Iterator[str]:
    target = route["target_date"]
    if target is not None and date.fromisoformat(target) < today and route["stage"] != "grpc":
        yield f"was to be on gRPC by {target}, is in stage {route['stage']}"
    if route["stage"] == "canary" and route["percent"] == 100:
        yield "all clients are on gRPC, and the route still keeps legacy"
    if route["rolled_back"]:
        yield f"rolled back: {route['rolled_back']}"
    if route["paused"]:
        yield "paused"
    if route["stage"] == "grpc" and route["mirror_percent"]:
        yield f"on gRPC, and {route['mirror_percent']:g} % of its requests still go to legacy too"
    yield from _ending_rules(route["rules"], today)


def _ending_rules(rules: Iterable[dict[str, str]], today: date) -> Iterator[str]:
    for rule in rules:
        left = date.fromisoformat(rule["expires"]) - today
        if left < timedelta(0):
            yield f"the rule {rule['text']} expired on {rule['expires']}: reloads are refused"
        elif left <= _SOON:
            yield f"the rule {rule['text']} expires on {rule['expires']}"
