"""R7: the name of a gRPC server gets more addresses, and fewer again."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from bench.faults import api
from bench.faults.ground import Backend, Ground, pause
from bench.faults.verdicts import at_most, no_failures, shown
from bench.figures import Figure
from bench.stand.dns import name_server
from bench.stand.ledger import first_after
from bench.stand.processes import free_port
from bench.stand.traffic import US_PER_S, Record

TRANSPORTS: Final = ("grpcio", "h2")
HOSTS: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
FEW: Final = HOSTS[:2]
USED_WITHIN_S: Final = 5.0
NAME: Final = "records.test"


@dataclass(frozen=True, slots=True)
class Steps:
    """When there were four addresses, and when there were two again."""

    more_us: float
    fewer_us: float


def measure(ground: Ground, *, hold_s: float = 6.0) -> Iterator[Figure]:
    """From two servers to four and back, by the name server alone, with each transport."""
    for transport in TRANSPORTS:
        for figure in scale(ground, transport, hold_s):
            yield replace(figure, name=f"{transport}: {figure.name}")


def scale(ground: Ground, transport: str, hold_s: float) -> Iterator[Figure]:
    """One transport."""
    port = free_port()
    backends = [ground.backend(f"at-{host}", grpc=f"{host}:{port}") for host in HOSTS]
    with ExitStack() as stack:
        processes = [stack.enter_context(backend.running()) for backend in backends]
        names = stack.enter_context(name_server(FEW))
        target = f"dns://127.0.0.1:{names.port}/{NAME}:{port}"
        configuration = ground.configuration(
            legacy=backends[0].http,
            grpc={"target": target, "plaintext": True, "transport": transport},
            defaults=api.UNGUARDED,
        )
        service = stack.enter_context(ground.service(configuration))
        rate = ground.rate(service.address, api.MIXED)
        load = stack.enter_context(ground.load(service.address, api.MIXED, rate))
        pause(1.0)
        more_us = pause(0.0)
        names.addresses = HOSTS
        fewer_us = pause(hold_s)
        names.addresses = FEW
        pause(hold_s)
        for process in processes[len(FEW) :]:
            process.stop()
        pause(1.0)
        records = load.finish()
    yield from verdicts(records, backends, Steps(more_us, fewer_us))


def verdicts(
    records: Sequence[Record], backends: Sequence[Backend], steps: Steps
) -> Iterator[Figure]:
    """When who was asked."""
    added = [backend.done() for backend in backends[len(FEW) :]]
    firsts = [first_after(done, steps.more_us) or float("inf") for done in added]
    unused_s = min((steps.fewer_us - steps.more_us) / US_PER_S * 2, 1e3)
    used_s = max(min((first - steps.more_us) / US_PER_S, unused_s) for first in firsts)
    last_us = max((done[-1].at_us for done in added if done), default=0)
    yield shown("requests", len(records))
    yield no_failures("failed requests", records)
    yield at_most("added servers used after, slowest", used_s, USED_WITHIN_S, "s")
    left_s = max(0.0, (last_us - steps.fewer_us) / US_PER_S)
    yield at_most("removed servers left after, slowest", left_s, USED_WITHIN_S, "s")
