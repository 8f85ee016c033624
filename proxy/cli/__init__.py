"""The command line: the composition root, the only place that builds the object graph."""

import os
from typing import Final

# grpcio reads the variable when it is first imported, and would otherwise write lines of its own
# between the JSON ones of the process log.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import click

from proxy import __version__
from proxy.cli.lazy import LazyGroup

_EPILOG = """\b
Exit codes:
  0  done
  1  the configuration has problems, a check failed, or the running proxy refused
  2  wrong use of the command line
  3  the proxy could not start (an address in use, a part missing), or does not answer

Those that judge (report, gate, and promote where a gate refuses) exit with the verdict: 0 when
it passes, 1 when it fails, 2 while it is inconclusive; whatever else ends report, gate, examples,
suggest-rules, shape suggest, coverage, replay and reset-evidence is 3.
"""

_MOVES: Final = ("stage", "percent", "promote", "pause", "resume", "rollback", "reload")
_OTHERS: Final = (
    *("serve", "check", "plan", "routes", "explain", "demo", "status", "kill"),
    *("report", "gate", "examples", "suggest-rules", "suggest", "coverage", "reset-evidence"),
    *("record", "replay", "audit", "stale"),
)

#: Where each command is. One is imported when it is asked for, since each needs much that the
#: others do not: a process that serves holds no reports and reads no documents of old APIs.
_MODULES: Final = {
    **{name: f"{__name__}.{name.replace('-', '_')}" for name in _OTHERS},
    **dict.fromkeys(_MOVES, f"{__name__}.moves"),
    "shape": f"{__name__}.shape_suggest",
}


@click.group(
    cls=LazyGroup,
    modules=_MODULES,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="cutover")
def main() -> None:
    """Move REST clients to a gRPC backend, one endpoint at a time.

    cutover stands where the old JSON REST host was. What is mapped to an RPC is transcoded to
    gRPC; everything else still goes to the old host.
    """
