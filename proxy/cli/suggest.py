"""`cutover suggest`: HTTP rules, routes and a shape for a proto that has none, from an old API.

Belongs here: the options, and where the files go. Does not: what is proposed (`inventory`).
"""

import sys
from pathlib import Path
from typing import Final

import click
import orjson

from proxy.cli.inventory import base_path_option, read_api_or_exit
from proxy.cli.options import EXIT_PROBLEMS, config_option, snapshot_or_exit
from proxy.inventory.overlay import as_values, routes_text, rules_text
from proxy.inventory.skeleton import skeleton_of
from proxy.inventory.suggestions import suggest

#: The files that are written.
RULES_FILE: Final = "suggested_rules.yaml"
ROUTES_FILE: Final = "suggested_routes.yaml"


@click.command("suggest")
@config_option
@click.option(
    "--openapi",
    "document",
    required=True,
    type=click.Path(path_type=Path),
    help="OpenAPI 3.0 or 3.1 or Swagger 2.0 document of the old API, in YAML or JSON.",
)
@base_path_option
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Propose rules also for operations and methods that have a binding.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder for {RULES_FILE} and {ROUTES_FILE}; no file is replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with all reasons.")
def suggest_command(
    folder: Path,
    document: Path,
    base_path: str | None,
    everything: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Propose HTTP rules, routes and a shape from an old API.

    For operations that no binding takes and methods that have none. What is not sure stands in
    comments. The proto stays as it is: the rules are a service config, which an entry of
    `descriptors` names.
    """
    if as_json and output is not None:
        raise click.UsageError("--json contradicts --output")
    snapshot = snapshot_or_exit(folder)
    suggestions = suggest(snapshot, read_api_or_exit(document, base_path), everything=everything)
    skeleton = skeleton_of(suggestions)
    if as_json:
        values = as_values(suggestions, skeleton)
        click.echo(orjson.dumps(values, option=orjson.OPT_INDENT_2))
        return
    texts = {
        RULES_FILE: rules_text(suggestions),
        ROUTES_FILE: routes_text(suggestions, skeleton),
    }
    if output is None:
        click.echo("---\n".join(f"# {name}\n{text}" for name, text in texts.items()), nl=False)
        return
    _write(output, texts)
    click.echo(
        f"{len(suggestions.sure)} sure, {len(suggestions.unsure)} not sure, "
        f"{len(suggestions.unmatched)} without a method; {len(suggestions.mapped)} mapped already"
    )


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write new files; exits with 1 rather than replace one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
            click.echo(str(folder / name))
    except OSError as error:
        click.echo(f"{error.filename}: cannot be written: {error.strerror}", err=True)
        sys.exit(EXIT_PROBLEMS)
