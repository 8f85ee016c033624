"""R7: the name of a gRPC server gets more addresses, and fewer again."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from bench.faults import api
from bench.faults.ground import Backend, Ground, pause
from bench.faults.verdicts import at_most, no_failures, none, shown
from bench.figures import Figure
from bench.stand.dns import name_server
from bench.stand.ledger import first_after
from bench.stand.processes import free_port
from bench.stand.traffic import US_PER_S, Record

TRANSPORTS: Final = ("grpcio", "h2")
HOSTS: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
FEW: Final = HOSTS[:2]
USED_WITHIN_S: Final = 5.0
NEVER_US: Final = 2**62
RESOLVE_EVERY_S: Final = 2.0  # the default
NAME: Final = "records.test"


@dataclass(frozen=True, slots=True)
class Steps:
    """When there were four addresses, and when there were two again."""

    more_us: float
    fewer_us: float


def measure(
    ground: Ground,
    *,
    transports: Sequence[str] = TRANSPORTS,
    hold_s: float = 6.0,
    resolve_every_s: float = RESOLVE_EVERY_S,
) -> Iterator[Figure]:
    """From two servers to four and back, by the name server alone, with each transport."""
    for transport in transports:
        for figure in scale(ground, transport, hold_s, resolve_every_s):
            yield replace(figure, name=f"{transport}: {figure.name}")


def scale(
    ground: Ground, transport: str, hold_s: float, resolve_every_s: float
) -> Iterator[Figure]:
    """One transport."""
    port = free_port()
    backends = [ground.backend(f"at-{host}", grpc=f"{host}:{port}") for host in HOSTS]
    with ExitStack() as stack:
        processes = [stack.enter_context(backend.running()) for backend in backends]
        names = stack.enter_context(name_server(FEW))
        target = f"dns://127.0.0.1:{names.port}/{NAME}:{port}"
        configuration = ground.configuration(
            legacy=backends[0].http,
            grpc={
                "target": target,
                "plaintext": True,
                "transport": transport,
                "resolve_every": f"{resolve_every_s:g}s",
            },
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
    firsts = [first_after(done, steps.more_us) or NEVER_US for done in added]
    used_s = max((first - steps.more_us) / US_PER_S for first in firsts)
    last_us = max((done[-1].at_us for done in added if done), default=0)
    yield shown("requests", len(records))
    yield no_failures("failed requests", records)
    yield none("added servers never used", sum(first == NEVER_US for first in firsts))
    yield at_most("added servers used after, slowest", used_s, USED_WITHIN_S, "s")
    left_s = max(0.0, (last_us - steps.fewer_us) / US_PER_S)
    yield at_most("removed servers left after, slowest", left_s, USED_WITHIN_S, "s")
