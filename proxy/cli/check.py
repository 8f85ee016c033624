"""`cutover check`: whether the folder is fit to be served."""

from pathlib import Path

import click

from proxy.cli.options import config_option, snapshot_or_exit


@click.command()
@config_option
def check(folder: Path) -> None:
    """Validate a configuration, its descriptors and HTTP rules.

    Prints every problem with its file and line, and what will not be served and why. Exits with
    0 when the folder can be served, else with 1.
    """
    snapshot = snapshot_or_exit(folder)
    for line in snapshot.report:
        click.echo(f"note: {line}")
    click.echo(
        f"{folder}: {len(snapshot.routes)} routes with {len(snapshot.bindings)} bindings, "
        f"digest {snapshot.config.digest[:12]}"
    )
