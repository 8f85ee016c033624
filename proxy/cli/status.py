"""`cutover status`: the routes of a running proxy, as they stand now.

Belongs here: the table. Does not: what stands in it (`admin.status`).
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from proxy.cli.admin_client import AdminClient, admin_options, client_or_exit, or_exit
from proxy.cli.options import config_option

#: Seconds between two readings.
_REFRESH_S: Final = 1.0
#: Columns for a terminal that has no width: a table folded in a log is hard to read.
_WIDTH_WITHOUT_TERMINAL: Final = 200


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, once.")
@click.option("--once", is_flag=True, help="Show the table once; so it is without a terminal.")
@config_option
@admin_options
def status(
    as_json: bool, once: bool, folder: Path, url: str | None, token_file: Path | None
) -> None:
    """Show where the routes stand, and how they do.

    Stage, percent, requests, errors and latencies of both sides, last move and why. The table
    stays and is renewed every second, until Ctrl-C.
    """
    client = client_or_exit(url, token_file, folder)
    if as_json:
        click.echo(orjson.dumps(_read(client), option=orjson.OPT_INDENT_2))
        return
    if once or not sys.stdout.isatty():
        width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
        Console(width=width).print(rendered(_read(client)))
        return
    _watch(client)


def _read(client: AdminClient) -> dict[str, Any]:
    return or_exit(lambda: client.get("/admin/v1/status"))


def _watch(client: AdminClient) -> None:
    try:
        with Live(rendered(_read(client)), screen=False, auto_refresh=False) as live:
            while True:
                time.sleep(_REFRESH_S)
                live.update(rendered(_read(client)), refresh=True)
    except KeyboardInterrupt:
        return


def rendered(status: dict[str, Any]) -> Group:
    """The headline and the table of *status*, as the admin port gives it."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("route", "stage", "%"):
        table.add_column(heading, justify="right" if heading == "%" else "left", no_wrap=True)
    for side in ("legacy", "grpc"):
        for heading in ("requests", "errors", "p50", "p99"):
            table.add_column(f"{side}\n{heading}", justify="right", no_wrap=True)
    table.add_column("note")
    for route in status["routes"]:
        table.add_row(*_cells(route))
    return Group(_headline(status), table)


def _headline(status: dict[str, Any]) -> Text:
    kill = status["kill_switch"]
    line = Text(f"digest {status['digest'][:12]}, revision {status['revision']}")
    if kill["on"]:
        line.append(f"   KILL SWITCH ON: {kill['reason']} ({kill['who']})", style="bold red")
    if status["state_problem"]:
        line.append(f"   the state cannot be read: {status['state_problem']}", style="bold red")
    reload = status["reload"]
    if reload is not None and reload["result"] == "refused":
        line.append("   the newest configuration was refused", style="bold red")
        for problem in reload["problems"]:
            line.append(f"\n{problem['place']}: {problem['message']}", style="red")
    return line


def _cells(route: dict[str, Any]) -> Iterator[str | Text]:
    yield route["name"]
    yield Text(route["stage"], style="red" if route["rolled_back"] else "")
    yield "" if route["percent"] is None else f"{route['percent']:g}"
    for side in ("legacy", "grpc"):
        arm = route["arms"].get(side)
        yield from ("", "", "", "") if arm is None else _arm_cells(arm)
    yield "; ".join(_notes(route))


def _arm_cells(arm: dict[str, Any]) -> Iterator[str]:
    yield f"{arm['requests']:,}"
    yield f"{arm['error_rate']:.2%}" if arm["requests"] else ""
    for quantile in ("p50_ms", "p99_ms"):
        yield f"{arm[quantile]:.1f} ms" if arm["requests"] else ""


def _notes(route: dict[str, Any]) -> Iterator[str]:
    if route["rolled_back"]:
        yield f"rolled back: {route['rolled_back']}"
    if route["paused"]:
        yield "paused"
    if route["breaker"] not in (None, "closed"):
        yield f"breaker {route['breaker'].replace('_', '-')}"
    if route["ramp"] is not None and route["stage"] == "canary":
        yield f"step {route['ramp']['step']} of {len(route['ramp']['steps'])}"
    if route["drift"]:
        yield f"drift: {route['drift']}"
    move = route["last_move"]
    if move is not None and not route["rolled_back"]:
        yield f"{move['who']}: {move['reason']}"
