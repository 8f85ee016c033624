"""Brings up backend, cutover and Envoy, and runs the comparison on them."""

from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from bench.figures import Figure
from bench.stand.backend import Canned, running_backend
from bench.stand.comparison import Peer, compare, stand_description
from bench.stand.cutover import start_cutover
from bench.stand.envoy import Transcoded, envoy_version, start_envoy
from bench.stand.load import Case, generator
from bench.stand.processes import Cores, wait_until_listening


def run_peers(
    canned: Canned,
    cases: Sequence[Case],
    transcoded: Transcoded | None,
    targets: dict[str, float],
    folder: Path,
) -> list[Figure]:
    """Compare cutover with Envoy before one backend; without `transcoded`, as plain proxies."""
    cores = Cores.here()
    envoy = envoy_version()
    load = generator(cores.load, folder)
    with ExitStack() as stack:
        backend = stack.enter_context(running_backend(canned, cores.load, folder))
        port = backend.grpc_port if transcoded else backend.http_port
        peers = []
        for name, start in (("cutover", start_cutover), ("Envoy", start_envoy)):
            process, base_url = start(port, transcoded, cores.proxy, folder)
            stack.enter_context(process)
            wait_until_listening(process, base_url)
            peers.append(Peer(name, process, base_url))
        parts = [f"{name} {version(name)}" for name in ("aiohttp", "grpcio", "uvloop")]
        print(stand_description(load, str(cores), [*parts, envoy]))
        print(f"backend: {backend.description}")
        if not (load.fast and backend.compiled):
            print("A proxy that waits costs more CPU per request: targets are not judged.")
            targets = {}
        ours, other = peers
        return compare(ours, other, cases, load, targets)
