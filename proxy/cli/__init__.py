"""The command line: the composition root, the only place that builds the object graph."""

import os

# grpcio reads the variable when it is first imported, and would otherwise write lines of its own
# between the JSON ones of the process log.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import click

from proxy import __version__
from proxy.cli.audit import audit
from proxy.cli.check import check
from proxy.cli.coverage import coverage
from proxy.cli.demo import demo
from proxy.cli.examples import examples
from proxy.cli.explain import explain_command
from proxy.cli.gate import gate
from proxy.cli.kill import kill
from proxy.cli.moves import (
    PLAIN_MOVES,
    percent_command,
    promote,
    reload_command,
    stage_command,
)
from proxy.cli.plan import plan
from proxy.cli.record import record
from proxy.cli.replay import replay
from proxy.cli.report import report
from proxy.cli.reset_evidence import reset_evidence
from proxy.cli.routes import routes
from proxy.cli.serve import serve
from proxy.cli.stale import stale
from proxy.cli.status import status
from proxy.cli.suggest import suggest_command
from proxy.cli.suggest_rules import suggest_rules

_EPILOG = """\b
Exit codes:
  0  done
  1  the configuration has problems, a check failed, or the running proxy refused
  2  wrong use of the command line
  3  the proxy could not start (an address in use, a part missing), or does not answer

Those that judge (report, gate, and promote where a gate refuses) exit with the verdict: 0 when
it passes, 1 when it fails, 2 while it is inconclusive; whatever else ends report, gate, examples,
suggest-rules, coverage, replay and reset-evidence is 3.
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.version_option(__version__, prog_name="cutover")
def main() -> None:
    """Move REST clients to a gRPC backend, one endpoint at a time.

    cutover stands where the old JSON REST host was. What is mapped to an RPC is transcoded to
    gRPC; everything else still goes to the old host.
    """


_COMMANDS = (
    *(serve, check, plan, routes, explain_command, demo),
    *(status, stage_command, percent_command, promote, *PLAIN_MOVES, kill, reload_command),
    *(report, gate, examples, suggest_rules, suggest_command, coverage, reset_evidence),
    *(record, replay, audit, stale),
)
for command in _COMMANDS:
    main.add_command(command)
