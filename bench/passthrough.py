"""`./run bench passthrough`: our legacy side beside Envoy as a plain reverse proxy.

The same requests as in `proxy`, answered by a JSON host: what a request costs that has not
moved yet.
"""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter

from rich.table import Table

from bench.figures import Figure
from bench.stand.comparison import comparison_table
from bench.stand.cutover import start_cutover
from bench.stand.envoy import envoy_version, start_envoy
from bench.stand.peers import Starter, run_peers
from bench.stand.zone import legacy


def run() -> list[Figure]:
    """Compare both on requests that pass through."""
    print(f"peers: {envoy_version()}")
    canned, cases = legacy()
    starters: dict[str, Starter] = {
        "cutover": partial(start_cutover, None),
        "Envoy": partial(start_envoy, None),
    }
    return run_peers(canned, attrgetter("http_port"), starters, cases, {})


def table(figures: Sequence[Figure]) -> Table:
    """Both side by side."""
    return comparison_table("bench passthrough: REST to REST", figures)
