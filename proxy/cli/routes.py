"""`cutover routes`: what is mapped, where it goes."""

from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table

from proxy.admin import describe_routes
from proxy.cli.options import config_option, snapshot_or_exit


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, as the admin port has it.")
def routes(folder: Path, as_json: bool) -> None:
    """List every binding: HTTP method, template, RPC, upstream, stage."""
    described = describe_routes(snapshot_or_exit(folder))
    if as_json:
        click.echo(orjson.dumps(described, option=orjson.OPT_INDENT_2))
        return
    table = Table("method", "template", "rpc", "upstream", "stage", box=None)
    for route in described["routes"]:
        cells = (route[key] for key in ("http_method", "template", "rpc", "upstream", "stage"))
        table.add_row(*(str(cell or "-") for cell in cells))
    console = Console()
    # A pipe has no width of its own; a cut template would be of no use to whoever reads it.
    console.print(table, soft_wrap=not console.is_terminal)
    for line in described["report"]:
        console.print(f"note: {line}", markup=False, highlight=False)
