"""`cutover examples`: single differences, as far as they may be shown.

Belongs here: the list. Does not: what may be shown (`gate.redaction`).
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from proxy.cli.judging import Evidence, judging_command, tell_json
from proxy.comparison.kinds import Kind


@judging_command("examples")
@click.argument("route", required=False)
@click.option("--path", help="Only differences at this path, as the report names it.")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only of this kind.")
@click.option("--id", "id_", help="The one example with this id.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def examples(
    route: str | None,
    path: str | None,
    kind: str | None,
    id_: str | None,
    limit: int,
    as_json: bool,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> int:
    """Show examples of what differs, of ROUTE or of all routes.

    A value is shown where compare.reveal has its path; else its type, its length and a hash by
    which equal values can be told. Exits with 0, or with 3 when nothing can be shown.
    """
    if id_ is not None and (route, path, kind) != (None, None, None):
        raise click.UsageError("--id names one example: it takes neither ROUTE nor --path, --kind")
    evidence = Evidence(url, token_file, folder)
    if id_ is not None:
        found = [evidence.get(f"examples/{_part(id_)}")]
    else:
        found = _listed(evidence, route, path=path, kind=kind, limit=limit)
    if as_json:
        tell_json({"examples": found})
    else:
        click.echo("\n\n".join("\n".join(_lines(each)) for each in found) or "no examples")
    return 0


def _part(text: str) -> str:
    """An id as one part of a path; what is none is told as such before anybody is asked."""
    if not (text.isascii() and text.replace("_", "").isalnum()):
        raise click.BadParameter("an id is ex_ and hexadecimal digits", param_hint="--id")
    return text


def _listed(evidence: Evidence, route: str | None, **query: object) -> list[dict[str, Any]]:
    asked = evidence.get if route is None else partial(evidence.of_route, route)
    found: list[dict[str, Any]] = asked("examples", **query)["examples"]
    return found


def _lines(example: dict[str, Any]) -> Iterator[str]:
    about = "  ".join(f"{name}={_shown(text)}" for name, text in example["about"].items())
    yield click.style(f"{example['id']}  {example['route']}  {example['at']}", bold=True)
    if about:
        yield f"  {about}"
    for finding in example["findings"]:
        times = f" ({finding['times']} times)" if finding["times"] > 1 else ""
        yield f"  {finding['path']}  {finding['kind']}{times}"
        yield f"    legacy  {_value(finding['legacy'])}"
        yield f"    grpc    {_value(finding['grpc'])}"


def _value(value: dict[str, Any]) -> str:
    """A stored value: its text where that is kept, else what is known of it."""
    if value["text"] is not None:
        return f"{value['type']} {_shown(value['text'])}"
    known = f"{value['type']}, length {value['length']}" if value["length"] else value["type"]
    return f"{known}, hash {value['hashed']}" if value["hashed"] else known


def _shown(text: str) -> str:
    r"""Text from the wire, without what would move a terminal's cursor.

    >>> print(_shown("plain"), _shown("a\x1b[2J"))
    plain "a\u001b[2J"
    """
    return text if text.isprintable() else json.dumps(text)
