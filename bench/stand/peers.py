"""Brings up the backend and the proxies before it, and runs the comparison on them."""

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from os import cpu_count, getloadavg
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.figures import Figure
from bench.stand.backend import Backend, Canned, running_backend
from bench.stand.comparison import ROUND_S, ROUNDS, Peer, Targets, compare
from bench.stand.load import Case, Generator, generator
from bench.stand.processes import Cores, Process, wait_until_listening

# Starts a proxy: port of the upstream, cores, folder for its files; gives process and base URL.
Starter = Callable[[int, Sequence[int], Path], tuple[Process, str]]

QUIET_LOAD_PER_CORE: Final = 0.25
LIBRARIES: Final = ("aiohttp", "grpcio", "protobuf", "uvloop")


def run_peers(
    canned: Canned,
    port_of: Callable[[Backend], int],
    starters: Mapping[str, Starter],
    cases: Sequence[Case],
    targets: Targets,
) -> list[Figure]:
    """Compare the first proxy with the others, all before one backend."""
    cores = Cores.here()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        load = generator(cores.load, folder)
        backend = stack.enter_context(running_backend(canned, cores.load, folder))
        peers = []
        for name, start in starters.items():
            process, base_url = start(port_of(backend), cores.proxy, folder)
            stack.enter_context(process)
            wait_until_listening(process, base_url)
            peers.append(Peer(name, process, base_url))
        print(stand_description(load, backend, cores))
        judged = targets if load.fast and backend.compiled else {}
        return compare(peers, cases, load, judged)


def stand_description(load: Generator, backend: Backend, cores: Cores) -> str:
    """What ran where: the lines that make figures comparable."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    shared = f"load and backend on {listed(cores.load)}"
    lines = [
        f"{python}, {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}",
        f"load: {load.description}; {ROUNDS} interleaved rounds of {ROUND_S:g} s, medians",
        f"backend: {backend.description}",
        f"of {cpu_count()} cores: each proxy alone on {listed(cores.proxy)}, {shared}",
        quietness(getloadavg()[0], cpu_count() or 1),
    ]
    if not (load.fast and backend.compiled):
        lines.append("a proxy that waits costs more CPU per request: targets are not judged")
    return "\n".join(lines)


def quietness(load_average: float, core_count: int) -> str:
    """How busy the machine was before, and what that means.

    >>> quietness(0.2, 2)
    'load average before: 0.2'
    >>> quietness(1.7, 2)
    'load average before: 1.7: the machine is not quiet, the figures are rough'
    """
    busy = load_average > QUIET_LOAD_PER_CORE * core_count
    rough = ": the machine is not quiet, the figures are rough" if busy else ""
    return f"load average before: {load_average:.1f}{rough}"


def listed(cores: Sequence[int]) -> str:
    """Core numbers as people read them."""
    return ", ".join(map(str, cores))
