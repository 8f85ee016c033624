"""`cutover status`: the routes of a running proxy, as they stand now.

Belongs here: the table. Does not: what stands in it (`admin.status`).
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from proxy.cli.admin_client import (
    AdminClient,
    Refused,
    Unreachable,
    admin_options,
    client_or_exit,
    or_exit,
)
from proxy.cli.options import config_option

_PATH: Final = "/admin/v1/status"
#: Seconds between two readings.
_REFRESH_S: Final = 1.0
#: Columns for a terminal that has no width: a table folded in a log is hard to read.
_WIDTH_WITHOUT_TERMINAL: Final = 200
#: Columns by which a table is measured.
_WIDTH_WITHOUT_LIMIT: Final = 10_000
#: Columns that the notes get at least.
_NOTE_WIDTH: Final = 24
_SIDES: Final = ("legacy", "grpc")
#: What of both sides is shown, by how much room there is.
_DETAILS: Final = (
    ("requests", "errors", "p50", "p99"),
    ("requests", "errors", "p99"),
    ("requests", "errors"),
    ("errors",),
    (),
)


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
        Console(width=width).print(StatusTable(_read(client)))
        return
    watch(lambda: client.get(_PATH), time.sleep)


def _read(client: AdminClient) -> dict[str, Any]:
    return or_exit(lambda: client.get(_PATH))


def watch(read: Callable[[], dict[str, Any]], wait: Callable[[float], object]) -> None:
    """Renew the table of what *read* gives until Ctrl-C.

    Exits as `or_exit` does when there is nothing to show at first; later a proxy that does not
    answer, as one that is started anew, is waited for.
    """
    shown = StatusTable(or_exit(read))
    try:
        with Live(shown, screen=False, auto_refresh=False) as live:
            while True:
                wait(_REFRESH_S)
                try:
                    shown = StatusTable(read())
                    live.update(shown, refresh=True)
                except (Refused, Unreachable) as error:
                    live.update(Group(Text(str(error), style="bold red"), shown), refresh=True)
    except KeyboardInterrupt:
        return


class StatusTable:
    """The headline and the table of *status*, as the admin port gives it, at the width there is.

    A terminal that is too narrow for all of it gets fewer columns, not pieces of each.
    """

    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status
        self._has_gates = any(route.get("gate") for route in status["routes"])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For rich: the lines at the width of *options*."""
        yield _headline(self._status)
        width = options.max_width - _NOTE_WIDTH
        anything = options.update(max_width=_WIDTH_WITHOUT_LIMIT)
        for details in _DETAILS:
            needed = console.measure(self._table(details, notes=False), options=anything).maximum
            if needed <= width or not details:
                yield self._table(details)
                return

    def _table(self, details: tuple[str, ...], *, notes: bool = True) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("route", "stage", "%"):
            table.add_column(heading, justify="right" if heading == "%" else "left", no_wrap=True)
        for side in _SIDES:
            for heading in details:
                table.add_column(f"{side}\n{heading}", justify="right", no_wrap=True)
        if self._has_gates:
            table.add_column("gate", no_wrap=True)
        if notes:
            table.add_column("note")
        for route in self._status["routes"]:
            gate = [_gate(route.get("gate"))] if self._has_gates else []
            cells = [*_cells(route, details), *gate, "; ".join(_notes(route))]
            table.add_row(*(cells if notes else cells[:-1]))
        return table


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


def _cells(route: dict[str, Any], details: tuple[str, ...]) -> Iterator[str | Text]:
    yield route["name"]
    yield Text(route["stage"], style="red" if route["rolled_back"] else "")
    yield "" if route["percent"] is None else f"{route['percent']:g}"
    for side in _SIDES:
        arm = route["arms"].get(side)
        yield from ("" if arm is None else _OF_ARMS[each](arm) for each in details)


def _gate(gate: dict[str, Any] | None) -> Text:
    """The verdict, and how many of the comparisons were mismatches."""
    if gate is None:
        return Text()
    counts = f" {gate['mismatches']:,}/{gate['compared']:,}" if gate["compared"] else ""
    return Text(f"{gate['verdict']}{counts}", style=_OF_VERDICTS[gate["verdict"]])


def _share(arm: dict[str, Any]) -> str:
    return f"{arm['error_rate']:.2%}" if arm["requests"] else ""


def _quantile(arm: dict[str, Any], name: str) -> str:
    return f"{arm[name]:.1f} ms" if arm["requests"] else ""


#: How a gate's verdict looks.
_OF_VERDICTS: Final = {"pass": "green", "fail": "red", "inconclusive": ""}
#: What is told of a side of a route.
_OF_ARMS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "requests": lambda arm: f"{arm['requests']:,}",
    "errors": _share,
    "p50": lambda arm: _quantile(arm, "p50_ms"),
    "p99": lambda arm: _quantile(arm, "p99_ms"),
}


def _notes(route: dict[str, Any]) -> Iterator[str]:
    if route["rolled_back"]:
        yield f"rolled back: {route['rolled_back']}"
    if route["paused"]:
        yield "paused"
    if route["breaker"] not in (None, "closed"):
        yield f"breaker {route['breaker'].replace('_', '-')}"
    if route["ramp"] is not None and route["stage"] == "canary":
        yield from _ramp_notes(route["ramp"], route.get("gate"))
    if route["drift"]:
        yield f"drift: {route['drift']}"
    move = route["last_move"]
    if move is not None and not route["rolled_back"]:
        yield f"{move['who']}: {move['reason']}"


def _ramp_notes(ramp: dict[str, Any], gate: dict[str, Any] | None) -> Iterator[str]:
    steps = len(ramp["steps"])
    yield f"step {ramp['step']} of {steps}"
    if gate is not None and gate["verdict"] != "pass" and ramp["step"] < steps:
        yield f"held by its gate: {gate['because'][0]}"
