"""R8: three times as many requests as can be served."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench.faults import api
from bench.faults.ground import SHARE, Ground
from bench.faults.verdicts import at_least, at_most, none, shown
from bench.figures import Figure
from bench.stand.processes import Process
from bench.stand.traffic import US_PER_S, Record, between, failed, latency_ms

TIMES: Final = 3.0
#: Fewer than these times the maximum are no overload of the kind that is asked for.
OFFERED_AT_LEAST: Final = 2.7
KINDS: Final = (api.READ,)
UNAVAILABLE: Final = 503
KEPT: Final = 0.9  # of the maximum
BOUND: Final = 512  # requests in flight
REFUSED_WITHIN_MS: Final = 1_000.0  # "at once", in the 99th percentile
RECOVERED_WITHIN_S: Final = 5.0
MEMORY: Final = 2.0  # times that before
SAMPLE_EVERY_S: Final = 0.25
WINDOW_S: Final = 0.5


@dataclass
class Memory:
    """Resident memory of a process, looked at now and then by a thread."""

    process: Process
    samples: list[int] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __repr__(self) -> str:
        return f"<Memory samples={len(self.samples)}>"

    def watch(self) -> None:
        """Sample until it is over."""
        while not self._over.wait(SAMPLE_EVERY_S):
            self.samples.append(self.process.resident_bytes())

    def stop(self) -> None:
        """Let the thread end."""
        self._over.set()


@contextmanager
def watched(process: Process) -> Iterator[Memory]:
    """Watch the memory of a process until the end of the context."""
    memory = Memory(process)
    thread = threading.Thread(target=memory.watch)
    thread.start()
    try:
        yield memory
    finally:
        memory.stop()
        thread.join()


def measure(
    ground: Ground,
    *,
    for_s: float = 15.0,
    after_s: float = 10.0,
    delay_ms: float = 0.0,
    **limits: int,
) -> Iterator[Figure]:
    """Measure the maximum, offer three times as much, and then the usual share of it again.

    Without a `delay_ms` of the backend it is the CPU that limits. `limits` are of the
    configuration, by default a bound of half the connections that the load may have.
    """
    limits = limits or {"max_inflight": BOUND}
    backend = ground.backend("backend", delay_ms=delay_ms)
    configuration = ground.configuration(
        legacy=backend.http, grpc=backend.grpc, defaults=api.UNGUARDED, limits=limits
    )
    with backend.running(), ground.service(configuration) as service:
        maximum = ground.rate(service.address, KINDS, share=1.0)
        memory_before = service.process.resident_bytes()
        with watched(service.process) as memory:
            flood = ground.quiet(service.address, KINDS, TIMES * maximum, for_s)
        after = ground.quiet(service.address, KINDS, SHARE * maximum, after_s)
    growth = max(memory.samples) / memory_before
    yield from verdicts(flood, maximum, for_s)
    yield at_most("memory at most, times that before", growth, MEMORY, "x")
    yield at_most("all answered well again after", recovered_s(after), RECOVERED_WITHIN_S, "s")


def verdicts(flood: Sequence[Record], maximum: float, for_s: float) -> Iterator[Figure]:
    """What the clients of the flood saw."""
    served = [record for record in flood if record.ok]
    refused = [record for record in flood if record.status == UNAVAILABLE]
    others = [record for record in failed(flood) if record.status != UNAVAILABLE]
    took_s = (max(record.done_us for record in flood) - flood_start_us(flood)) / US_PER_S
    yield shown("maximum", maximum, "1/s")
    yield at_least(
        "offered, times the maximum", len(flood) / for_s / maximum, OFFERED_AT_LEAST, "x"
    )
    yield at_least("served, of the maximum", len(served) / took_s / maximum, KEPT, "x")
    yield at_least("refused with 503", len(refused), 1)
    yield none("failed otherwise", len(others))
    yield none("refused without Retry-After", sum(not record.retry_after for record in refused))
    yield at_most("p99 of the refusals", latency_ms(refused, 0.99), REFUSED_WITHIN_MS, "ms")
    yield shown("p99 of the served", latency_ms(served, 0.99), "ms")


def flood_start_us(flood: Sequence[Record]) -> int:
    """When the first one was due."""
    return min(record.due_us for record in flood)


def recovered_s(records: Sequence[Record]) -> float:
    """From the end of the flood until a window in which, as in all after it, nothing failed."""
    began_us = flood_start_us(records)
    worst_s = 0.0
    windows = int((max(r.due_us for r in records) - began_us) / US_PER_S / WINDOW_S) + 1
    for number in range(windows):
        from_us = began_us + number * WINDOW_S * US_PER_S
        if failed(between(records, from_us, from_us + WINDOW_S * US_PER_S)):
            worst_s = (number + 1) * WINDOW_S
    return worst_s
