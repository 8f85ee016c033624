"""`./run bench proxy`: Envoy with its JSON transcoder beside our proxy, in one run.

Both stand before the same backend with the same descriptor set, take the same load, and have
one core each to themselves.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

from bench.figures import Figure
from bench.stand.comparison import comparison_table
from bench.stand.envoy import Transcoded
from bench.stand.peers import run_peers
from bench.stand.zone import SERVICE, zone

# CPU per request of ours over Envoy's, by case.
TARGETS: Final = {"small GET": 2.0}


def run() -> list[Figure]:
    """Compare both on unary calls of all sizes."""
    with TemporaryDirectory() as name:
        prepared = zone(Path(name))
        transcoded = Transcoded(prepared.descriptor_set, [SERVICE])
        return run_peers(prepared.canned, prepared.cases, transcoded, TARGETS, Path(name))


def table(figures: Sequence[Figure]) -> Table:
    """Both side by side."""
    return comparison_table("bench proxy: REST to gRPC, ratio = cutover / Envoy", figures)
