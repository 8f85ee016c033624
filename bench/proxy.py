"""`./run bench proxy`: our proxy beside Envoy's JSON transcoder and grpc-gateway, in one run.

All stand before the same backend, serve the same API, take the same load, and have the same one
core, each alone in its rounds. Ours takes part twice, once with each transport to the backend.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

from bench.figures import Figure, Unavailable
from bench.stand.comparison import CPU, RATIO_TO, SEPARATOR, Targets, comparison_table
from bench.stand.cutover import start_cutover
from bench.stand.envoy import Transcoded, envoy_version, start_envoy
from bench.stand.gateway import build_gateway, start_gateway
from bench.stand.peers import Starter, run_peers
from bench.stand.zone import SERVICE, zone

OURS: Final = "cutover"
OVER_H2: Final = "h2"  # ours, with the other transport
ENVOY: Final = "Envoy"
JUDGED: Final = "small GET"

# Our CPU per request over a peer's, by case and peer, with either transport.
TARGETS: Final[Targets] = {(JUDGED, ENVOY): 2.0}


def run() -> list[Figure]:
    """Compare all on unary calls of all sizes."""
    with TemporaryDirectory() as name:
        prepared = zone(Path(name))
        proxies = starters(Transcoded(prepared.descriptor_set, [SERVICE]))
        figures = run_peers(
            prepared.canned, attrgetter("grpc_port"), proxies, prepared.cases, TARGETS
        )
        return [*figures, *ratios_over_h2(figures)]


def ratios_over_h2(figures: Sequence[Figure]) -> list[Figure]:
    """Our CPU per request with transport h2 over Envoy's, from the medians of each.

    Judged where the ratio with the default transport is, by the same target.
    """
    known = {figure.name: figure for figure in figures}
    ratios = []
    for name, figure in known.items():
        case, column, metric = name.split(SEPARATOR)
        if column == OVER_H2 and metric == CPU:
            envoy = known[SEPARATOR.join((case, ENVOY, CPU))]
            default = known[SEPARATOR.join((case, RATIO_TO + ENVOY, CPU))]
            ratio = SEPARATOR.join((case, f"{OVER_H2} {RATIO_TO}{ENVOY}", CPU))
            value = figure.value / envoy.value
            ratios.append(Figure(ratio, value, "x", default.target, higher_is_better=False))
    return ratios


def starters(transcoded: Transcoded) -> Mapping[str, Starter]:
    """Our proxy first, then Envoy, then grpc-gateway where it can be built."""
    print(f"peers: {envoy_version()}", end="")
    proxies: dict[str, Starter] = {
        OURS: partial(start_cutover, transcoded),
        OVER_H2: partial(start_cutover, transcoded, transport="h2"),
        ENVOY: partial(start_envoy, transcoded),
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
