"""`cutover reset-evidence`: forget what was compared on a route, so that its gate begins anew.

Belongs here: the request. Does not: what is forgotten (`evidence`).
"""

from pathlib import Path

import click

from proxy.cli.admin_client import whoever
from proxy.cli.judging import Evidence, judging_command, tell_json
from proxy.cli.moves import tell_move


@judging_command("reset-evidence")
@click.argument("route")
@click.option("--reason", required=True, help="Why; goes into the audit log.")
@click.option("--who", default=whoever, help="Who does it, if not the user of this shell.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def reset_evidence(
    route: str,
    reason: str,
    who: str,
    as_json: bool,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> int:
    """Forget the evidence of a route, so that it begins anew.

    As after a repair that no version tells of. What it was is kept in the audit. Exits with 0, or
    with 3 when it cannot be done.
    """
    told = Evidence(url, token_file, folder).reset(route, reason, who)
    if as_json:
        tell_json(told)
    else:
        tell_move(told, as_json=False)
    return 0
