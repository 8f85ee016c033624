"""R3: workers are killed, and take nothing with them but what they had on their connections."""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Final

from bench.faults import api
from bench.faults.ground import Ground, pause
from bench.faults.verdicts import at_least, at_most, no_failures, shown
from bench.figures import Figure
from bench.stand.service import Service
from bench.stand.traffic import Record, failed

WORKERS: Final = 2
SERVES: Final = "worker serves"
DIED: Final = "worker died"
DELAY_MS: Final = 10.0  # of the backend, so that a killed worker has requests on their way
PAUSE_S: Final = 0.5
REPLACED_WITHIN_S: Final = 1.0
#: Microseconds in which a client may still write on a connection whose end it has not read.
NOTICED_WITHIN_US: Final = 10_000


@dataclass(frozen=True, slots=True)
class Death:
    """One worker's end: when, the clients' ports of its connections, how long it was missing."""

    stopped_us: float
    at_us: float
    ports: frozenset[int]
    replaced_s: float


def measure(ground: Ground, *, times: int = 20) -> Iterator[Figure]:
    """Kill a worker, in turn the older and the younger one, and wait for the next."""
    backend = ground.backend("backend", delay_ms=DELAY_MS)
    configuration = ground.configuration(
        legacy=backend.http, grpc=backend.grpc, defaults=api.UNGUARDED
    )
    with backend.running(), ground.service(configuration, workers=WORKERS) as service:
        rate = ground.rate(service.address, api.MIXED)
        with ground.load(service.address, api.MIXED, rate) as load:
            deaths = []
            for number in range(times):
                pause(PAUSE_S)
                deaths.append(kill(service, sorted(service.workers())[number % WORKERS]))
            pause(PAUSE_S)
            records = load.finish()
        died = service.count(DIED)
    yield from verdicts(records, deaths, died, times)


def kill(service: Service, pid: int) -> Death:
    """Stop a worker, look at its connections, kill it, and wait for its successor."""
    serving = service.count(SERVES)
    port = int(service.address.rpartition(":")[2])
    stopped_us = time() * 1e6
    os.kill(pid, signal.SIGSTOP)  # from here on it can neither take nor answer anything
    ports = client_ports(pid, port)
    os.kill(pid, signal.SIGKILL)
    service.wait_until(lambda: not holds_files(pid), "did not end its worker")
    dead_s = time()
    service.wait_for(SERVES, serving + 1)
    return Death(stopped_us, dead_s * 1e6, ports, time() - dead_s)


def holds_files(pid: int) -> bool:
    """Whether a process still has its files open, and its connections with them."""
    try:
        return bool(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a Path would do no more
    except OSError:
        return False


def client_ports(pid: int, server_port: int) -> frozenset[int]:
    """The clients' ports of the connections that a process has accepted on a port.

    A forked process has none of its siblings' connections; `/proc` tells whose each is.
    """
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(str(entry.readlink()))
        except OSError:
            continue
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(fields[index].rpartition(":")[2], 16) for index in (1, 2))
        if local == server_port and remote and f"socket:[{fields[9]}]" in sockets:
            found.add(remote)
    return frozenset(found)


def verdicts(
    records: Sequence[Record], deaths: Sequence[Death], died: int, times: int
) -> Iterator[Figure]:
    """What they took with them."""
    lost = failed(records)
    on_their_way = {each.id for death in deaths for each in held_by(death, records)}
    yield at_least("workers killed and replaced", died, times)
    yield shown("requests", len(records))
    yield shown("requests on their way in a killed worker", len(on_their_way))
    yield shown("requests lost with it", sum(record.id in on_their_way for record in lost))
    yield no_failures(
        "failed but not on their way in a killed worker",
        [record for record in lost if record.id not in on_their_way],
    )
    yield at_most(
        "replaced after, slowest", max(each.replaced_s for each in deaths), REPLACED_WITHIN_S, "s"
    )


def held_by(death: Death, records: Iterable[Record]) -> Iterator[Record]:
    """The requests that were on a worker's connections, unanswered, when it ended."""
    until_us = death.at_us + NOTICED_WITHIN_US
    for each in records:
        was_on_its_way = each.sent_us <= until_us and each.done_us >= death.stopped_us
        if each.port in death.ports and was_on_its_way:
            yield each
