"""`cutover suggest-rules`: rules that the noise of a route speaks for, to be accepted by a person.

Belongs here: the text to copy. Does not: what is suggested (`gate.suggestions`).
"""

from pathlib import Path

import click

from proxy.cli.judging import Evidence, judging_command, tell_json


@judging_command("suggest-rules")
@click.argument("route")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def suggest_rules(
    route: str, as_json: bool, folder: Path, url: str | None, token_file: Path | None
) -> int:
    """Propose compare rules for what legacy itself varies.

    For the fields of ROUTE in which legacy differs from itself. Nothing is applied: each needs a
    reason, and is refused without. Exits with 0, or with 3 when nothing can be said.
    """
    told = Evidence(url, token_file, folder).of_route(route, "suggestions")
    if as_json:
        tell_json(told)
        return 0
    if not told["suggestions"]:
        click.echo("# nothing to suggest: legacy was not seen to differ from itself often enough")
        return 0
    click.echo("compare:\n  rules:")
    for each in told["suggestions"]:
        guess = "; a guess, since the values are not stored" if each["is_guess"] else ""
        click.echo(f"  # {', '.join(each['kinds'])}: {each['because']}{guess}")
        click.echo(f"  {each['yaml']}")
    return 0
