"""`cutover gate`: whether the evidence of a route bears its promotion.

Belongs here: the words and the exit code. Does not: the verdict (`gate.judgement`).
"""

from pathlib import Path
from typing import Any, Final

import click

from proxy.cli.judging import EXIT_OF_VERDICTS, Evidence, judging_command, tell_json
from proxy.cli.options import EXIT_CANNOT_START
from proxy.gate.words import at_most_text, number_text, share_text

_STYLES: Final = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


@judging_command("gate")
@click.argument("route")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def gate(route: str, as_json: bool, folder: Path, url: str | None, token_file: Path | None) -> int:
    """Say whether ROUTE may be promoted, and why.

    Exits with 0 when its gate passes, 1 when it fails, 2 while it is too early to say, and 3 when
    nothing can be said: the route has no gate, the proxy does not answer.
    """
    told = Evidence(url, token_file, folder).of_route(route, "gate")
    if as_json:
        tell_json(told)
    if not told["gated"]:
        click.echo(f"{route} has no gate: it is promoted without evidence", err=True)
        return EXIT_CANNOT_START
    if not as_json:
        _tell(told)
    return EXIT_OF_VERDICTS[told["verdict"]]


def _tell(told: dict[str, Any]) -> None:
    verdict, bound = told["verdict"], told["bound"]
    click.secho(f"{told['route']}: {verdict}", fg=_STYLES[verdict], bold=True)
    for reason in told["because"]:
        click.echo(f"  {reason}")
    if bound["compared"] and not any(each.startswith("max_mismatch") for each in told["because"]):
        click.echo(
            f"{number_text(bound['mismatches'])} of {number_text(bound['compared'])} comparisons "
            f"differ: at most {at_most_text(bound['upper'])} do, with a confidence of "
            f"{share_text(bound['confidence'])}; the limit is {share_text(bound['limit'])}"
        )
    if verdict == "inconclusive" and bound["eta"]:
        click.echo(f"at this rate there is enough by {bound['eta']}")
    for advice in told["advice"]:
        click.echo(f"note: {advice}")
