"""R5: a gRPC server stops in its tracks, its connections open, and says nothing any more."""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.faults import api
from bench.faults.ground import Ground, pause
from bench.faults.verdicts import at_least, at_most, no_failures, none, ratio, shown
from bench.figures import Figure
from bench.stand.traffic import Record, between, latency_ms, most_at_once, of_kind

TIMEOUT_S: Final = 2.0  # of the frozen server's route
#: Over the deadline, for the way of the answer; nobody is to wait much longer than was said.
SLACK_S: Final = 0.5
MAX_INFLIGHT: Final = 64
ALLOWED_P99: Final = 1.5  # times that of the same requests before
QUIET_S: Final = 5.0
HEALTHY: Final = ("read", "other")
KINDS: Final = (api.READ, replace(api.OTHER, weight=2), replace(api.WRITE, weight=2))
GATEWAY_TIMEOUT: Final = 504
REFUSED: Final = 503


@dataclass(frozen=True, slots=True)
class Freeze:
    """From when to when it stood still, in microseconds since the epoch, and the calls' timeout."""

    from_us: float
    until_us: float
    timeout_s: float


def measure(
    ground: Ground,
    *,
    for_s: float = 30.0,
    quiet_s: float = QUIET_S,
    timeout_s: float = TIMEOUT_S,
) -> Iterator[Figure]:
    """Freeze the server of one route; another server's route and legacy serve on.

    Nothing turns to legacy: what a client of the frozen server sees is to be seen.
    """
    frozen, healthy = ground.backend("frozen"), ground.backend("healthy")
    configuration = ground.configuration(
        legacy=healthy.http,
        grpc=healthy.grpc,
        defaults=api.UNGUARDED,
        routes=[{"rpc": api.CREATE, "upstream": "frozen", "timeout": f"{timeout_s:g}s"}],
    )
    configuration["upstreams"]["frozen"] = {
        "target": frozen.grpc,
        "plaintext": True,
        "services": ["frozen.v1.*"],  # the route names it; nothing else is to find it
        "max_inflight": MAX_INFLIGHT,
    }
    with (
        healthy.running(),
        frozen.running() as process,
        ground.service(configuration) as service,
    ):
        rate = ground.rate(service.address, KINDS)
        with ground.load(service.address, KINDS, rate) as load:
            pause(quiet_s)
            from_us = pause(0)
            process.child.send_signal(signal.SIGSTOP)
            until_us = pause(for_s)
            process.child.send_signal(signal.SIGCONT)
            pause(quiet_s)
            records = load.finish()
    yield from verdicts(records, Freeze(from_us, until_us, timeout_s))


def verdicts(records: Sequence[Record], freeze: Freeze) -> Iterator[Figure]:
    """What the clients of both saw of it."""
    others = of_kind(records, *HEALTHY)
    before = between(others, 0, freeze.from_us)
    during = between(others, freeze.from_us, freeze.until_us)
    # The last ones that were due could be answered when it went on.
    stuck = between(
        of_kind(records, "write"),
        freeze.from_us,
        freeze.until_us - (freeze.timeout_s + SLACK_S) * 1e6,
    )
    ended = [record for record in stuck if record.status == GATEWAY_TIMEOUT]
    yield shown("requests of other routes", len(during))
    yield no_failures("failed requests of other routes", during)
    yield at_most(
        "p99 of other routes, times that before",
        ratio(latency_ms(during, 0.99), latency_ms(before, 0.99)),
        ALLOWED_P99,
        "x",
    )
    yield at_least("requests of the frozen server that ended in 504", len(ended), 1)
    yield shown("refused with 503", sum(record.status == REFUSED for record in stuck))
    yield none("that ended otherwise", sum(r.status not in (GATEWAY_TIMEOUT, REFUSED)
                                           for r in stuck))  # fmt: skip
    slowest_s = max((record.latency_ms for record in stuck), default=0.0) / 1e3
    yield at_most("slowest end", slowest_s, freeze.timeout_s + SLACK_S, "s")
    yield at_most("on their way to it at once", most_at_once(ended), MAX_INFLIGHT)
    after = between(of_kind(records, "write"), freeze.until_us + 1e6, float("inf"))
    yield no_failures("failed a second after it went on", after)
