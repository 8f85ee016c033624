"""`./run bench upstream`: what one unary call costs over each of our transports.

Both call the same compiled server from this process, in turns, with the same number of calls
open. The figure is the CPU time of the whole process, grpcio's threads included.
"""

import asyncio
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from bench.figures import Broken, Figure, Unavailable
from bench.stand.backend import Canned, RpcAnswers, running_backend
from bench.stand.processes import Cores
from proxy.upstreams import Call, Upstream
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.options import GrpcOptions

METHOD: Final = "/bench.Zone/Get"
MESSAGE: Final = b"\x0a\x3e" + bytes(62)  # one field of bytes: the backend reads it
ANSWER: Final = bytes(160)
CONCURRENT: Final = 32  # as in the budget that the target comes from
ROUNDS: Final = 7
ROUND_CALLS: Final = 6_000
WARM_UP_CALLS: Final = 2_000
TARGET: Final = 0.5  # what makes a second transport worth its upkeep


def run() -> list[Figure]:
    """Measure both transports against the compiled backend."""
    cores = Cores.here()
    canned = Canned({METHOD: RpcAnswers({0: ANSWER})})
    with TemporaryDirectory() as name, running_backend(canned, cores.load, Path(name)) as backend:
        if not backend.compiled:
            raise Unavailable(f"a Python server would show itself: {backend.description}")
        print(f"CPython {platform.python_version()}, uvloop, grpcio {version('grpcio')}")
        print(f"backend: {backend.description}; {ROUNDS} interleaved rounds, medians")
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores.proxy)
        try:
            return uvloop.run(compare(f"127.0.0.1:{backend.grpc_port}"))
        finally:
            os.sched_setaffinity(0, before)


async def compare(target: str) -> list[Figure]:
    """The figures of both transports and their ratio."""
    options = GrpcOptions(watch_health=False)
    async with GrpcUpstream(target, options) as theirs, H2Upstream(target, options) as ours:
        transports: dict[str, Upstream] = {"grpcio": theirs, "h2": ours}
        for upstream in transports.values():
            await load(upstream, WARM_UP_CALLS)
        cpu_us: dict[str, list[float]] = {name: [] for name in transports}
        for number in range(ROUNDS):
            for name in sorted(transports, reverse=number % 2 == 0):
                cpu_us[name].append(await cpu_per_call_us(transports[name]))
    return figures(cpu_us["grpcio"], cpu_us["h2"])


def figures(grpcio_us: Sequence[float], h2_us: Sequence[float]) -> list[Figure]:
    """The medians, and the median of the ratios within a round.

    >>> [round(figure.value, 3) for figure in figures([100.0, 90.0], [30.0, 36.0])]
    [95.0, 33.0, 0.35]
    """
    ratio = median(ours / theirs for ours, theirs in zip(h2_us, grpcio_us, strict=True))
    return [
        Figure("grpcio, CPU per unary call", median(grpcio_us), "µs", higher_is_better=False),
        Figure("h2, CPU per unary call", median(h2_us), "µs", higher_is_better=False),
        Figure("h2 over grpcio", ratio, "x", target=TARGET, higher_is_better=False),
    ]


async def cpu_per_call_us(upstream: Upstream) -> float:
    """CPU time of this process per call, in one round."""
    before_s = time.process_time()
    await load(upstream, ROUND_CALLS)
    return (time.process_time() - before_s) / ROUND_CALLS * 1e6


async def load(upstream: Upstream, calls: int) -> None:
    """Make calls, so many at a time."""
    await asyncio.gather(*(caller(upstream, calls // CONCURRENT) for _ in range(CONCURRENT)))


async def caller(upstream: Upstream, calls: int) -> None:
    """Make calls one after the other; a wrong answer is no figure."""
    call = Call(METHOD, MESSAGE, (("x-request-id", "0123456789abcdef"),), 15.0)
    for _ in range(calls):
        reply = await upstream.unary(call)
        if reply.message != ANSWER:
            raise Broken("the upstream gave a wrong answer")
