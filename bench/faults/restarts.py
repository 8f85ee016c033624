"""R2: rolling restarts, one after the other."""

import signal
from collections.abc import Iterator
from typing import Final

from bench.faults import api
from bench.faults.ground import Ground, pause
from bench.faults.verdicts import at_least, no_failures, shown
from bench.figures import Figure
from bench.stand.service import Service
from bench.stand.traffic import latency_ms

WORKERS: Final = 2
SERVES: Final = "worker serves"
LEFT: Final = "worker left"
BEFORE_S: Final = 0.5  # of load before the first restart, and after the last


def measure(ground: Ground, *, times: int = 20) -> Iterator[Figure]:
    """Replace all workers again and again by SIGUSR2."""
    backend = ground.backend("backend")
    configuration = ground.configuration(
        legacy=backend.http, grpc=backend.grpc, defaults=api.UNGUARDED
    )
    with backend.running(), ground.service(configuration, workers=WORKERS) as service:
        rate = ground.rate(service.address, api.MIXED)
        replaced = 0
        with ground.load(service.address, api.MIXED, rate) as load:
            pause(BEFORE_S)
            for _ in range(times):
                replaced += restart(service)
            pause(BEFORE_S)
            records = load.finish()
    yield at_least("workers replaced", replaced, times * WORKERS)
    yield shown("requests", len(records))
    yield no_failures("failed requests", records)
    yield shown("p99", latency_ms(records, 0.99), "ms")


def restart(service: Service) -> int:
    """Restart once; how many of the workers are others afterwards."""
    before, left = set(service.workers()), service.count(LEFT)
    service.send(signal.SIGUSR2)
    service.wait_for(LEFT, left + WORKERS)
    service.wait_until(lambda: len(service.workers()) == WORKERS, "has not all workers")
    return len(set(service.workers()) - before)
