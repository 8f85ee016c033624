"""`cutover routes`: what is mapped, where it goes."""

from pathlib import Path
from typing import Final

import click
import orjson

from proxy.admin import describe_routes
from proxy.cli.options import aligned, config_option, snapshot_or_exit

_COLUMNS: Final = ("http_method", "template", "rpc", "upstream", "stage")


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, as the admin port has it.")
def routes(folder: Path, as_json: bool) -> None:
    """List every binding: method, template, RPC, upstream, stage."""
    described = describe_routes(snapshot_or_exit(folder))
    if as_json:
        click.echo(orjson.dumps(described, option=orjson.OPT_INDENT_2))
        return
    rows = [[route[key] or "-" for key in _COLUMNS] for route in described["routes"]]
    head, *lines = aligned([("method", *_COLUMNS[1:]), *rows])
    click.secho(head, bold=True)
    for line in lines:
        click.echo(line)
    for line in described["report"]:
        click.echo(f"note: {line}")
