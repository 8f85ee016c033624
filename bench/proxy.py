"""`./run bench proxy`: our proxy beside Envoy's JSON transcoder and grpc-gateway, in one run.

All stand before the same backend, serve the same API, take the same load, and have the same one
core, each alone in its rounds.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

from bench.figures import Figure, Unavailable
from bench.stand.comparison import Targets, comparison_table
from bench.stand.cutover import start_cutover
from bench.stand.envoy import Transcoded, envoy_version, start_envoy
from bench.stand.gateway import build_gateway, start_gateway
from bench.stand.peers import Starter, run_peers
from bench.stand.zone import SERVICE, zone

# Our CPU per request over a peer's, by case and peer.
TARGETS: Final[Targets] = {("small GET", "Envoy"): 2.0}


def run() -> list[Figure]:
    """Compare all on unary calls of all sizes."""
    with TemporaryDirectory() as name:
        prepared = zone(Path(name))
        proxies = starters(Transcoded(prepared.descriptor_set, [SERVICE]))
        return run_peers(prepared.canned, attrgetter("grpc_port"), proxies, prepared.cases, TARGETS)


def starters(transcoded: Transcoded) -> Mapping[str, Starter]:
    """Our proxy first, then Envoy, then grpc-gateway where it can be built."""
    print(f"peers: {envoy_version()}", end="")
    proxies: dict[str, Starter] = {
        "cutover": partial(start_cutover, transcoded),
        "Envoy": partial(start_envoy, transcoded),
    }
    try:
        print(f", {build_gateway()}")
        proxies["grpc-gateway"] = start_gateway
    except Unavailable as problem:
        print(f"; grpc-gateway left out: {problem}")
    return proxies


def table(figures: Sequence[Figure]) -> Table:
    """All side by side."""
    return comparison_table("bench proxy: REST to gRPC", figures)
