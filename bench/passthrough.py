"""`./run bench passthrough`: Envoy as a plain reverse proxy beside our legacy side.

The same requests as in `proxy`, answered by a JSON host: what a request costs that has not
moved yet.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from bench.figures import Figure
from bench.stand.comparison import comparison_table
from bench.stand.peers import run_peers
from bench.stand.zone import legacy


def run() -> list[Figure]:
    """Compare both on requests that pass through."""
    canned, cases = legacy()
    with TemporaryDirectory() as name:
        return run_peers(canned, cases, None, {}, Path(name))


def table(figures: Sequence[Figure]) -> Table:
    """Both side by side."""
    return comparison_table("bench passthrough: REST to REST, ratio = cutover / Envoy", figures)
