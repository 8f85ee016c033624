"""R9: thousands of connections that send a byte now and then, and hold what they can."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.faults import api
from bench.faults.ground import Ground
from bench.faults.verdicts import at_least, at_most, no_failures, none, ratio, shown
from bench.figures import Figure
from bench.stand.traffic import Drip, DripKind, Record, latency_ms

EVERY_S: Final = 1.0  # between two bytes of a connection
ALLOWED_P99: Final = 2.0  # times that without slow connections
HEADER_TIMEOUT_S: Final = 10.0
BODY_GRACE_S: Final = 20.0  # of a body that makes no speed: server/pace.py
SLACK_S: Final = 2.0  # a sweep comes now and then, and 5,000 ends take their time
KEPT_S: Final = 15.0  # after its deadline, until a connection counts as never cut
QUIET_S: Final = 8.0
SHARE: Final = 0.7
REQUEST_TIMEOUT: Final = 408


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When slow connections are to be cut."""

    header_s: float = HEADER_TIMEOUT_S
    body_s: float = BODY_GRACE_S


def measure(
    ground: Ground,
    *,
    connections: int = 5_000,
    header_timeout_s: float = HEADER_TIMEOUT_S,
    bodies: bool = True,
    quiet_s: float = QUIET_S,
) -> Iterator[Figure]:
    """Half of them drip a header, half a body, while others are served. Or headers alone."""
    backend = ground.backend("backend")
    configuration = ground.configuration(
        legacy=backend.http,
        grpc=backend.grpc,
        defaults=api.UNGUARDED,
        connections={"header_timeout": f"{header_timeout_s:g}s"},
    )
    deadlines = Deadlines(header_s=header_timeout_s)
    longest_s = max(deadlines.header_s, deadlines.body_s) + KEPT_S
    with backend.running(), ground.service(configuration) as service:
        rate = ground.rate(service.address, api.MIXED, SHARE)
        before = ground.quiet(service.address, api.MIXED, rate, quiet_s)
        slow = ground.generator.drip(
            service.address,
            drips(connections, bodies=bodies),
            every_s=EVERY_S,
            max_s=longest_s,
            open_per_s=max(connections / 4, 100.0),
        )
        with ground.load(service.address, api.MIXED, rate) as load, slow as attack:
            seen = attack.wait_drip()
            records = load.finish()
        left = service.metric("cutover_connections")
    yield from verdicts(before, records, seen, deadlines, connections)
    yield shown("connections open afterwards", left)


def drips(connections: int, *, bodies: bool) -> list[DripKind]:
    """Headers that never end and bodies that never do."""
    header = f"GET {api.READ.target.replace('{id}', 'slow')} HTTP/1.1\r\nHost: slow\r\nX-Slow: a"
    body = (
        f"POST {api.WRITE.target.replace('{id}', 'slow')} HTTP/1.1\r\nHost: slow\r\n"
        'Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"host": "'
    )
    if not bodies:
        return [DripKind("header", header, "a", connections)]
    half = connections // 2
    return [DripKind("header", header, "a", half), DripKind("body", body, "a", half)]


def verdicts(
    before: Sequence[Record],
    records: Sequence[Record],
    seen: Sequence[Drip],
    deadlines: Deadlines,
    connections: int,
) -> Iterator[Figure]:
    """What became of the slow ones, and what the others felt."""
    cut = [drip for drip in seen if drip.how == "cut"]
    yield at_least("slow connections", len(seen), connections)
    yield none("not cut", len(seen) - len(cut))
    for kind, deadline_s in (("header", deadlines.header_s), ("body", deadlines.body_s)):
        ends = [drip for drip in cut if drip.kind == kind]
        slowest_s = max((drip.lasted_s for drip in ends), default=0.0)
        yield at_most(f"cut in its {kind}, slowest", slowest_s, deadline_s + SLACK_S, "s")
        told = sum(drip.status == REQUEST_TIMEOUT for drip in ends)
        yield shown(f"cut in its {kind} with 408", told)
    yield shown("requests of others", len(records))
    yield no_failures("failed requests of others", records)
    quiet_ms, ms = latency_ms(before, 0.99), latency_ms(records, 0.99)
    yield shown("p99 of others without slow connections", quiet_ms, "ms")
    yield at_most("p99 of others, times that without", ratio(ms, quiet_ms), ALLOWED_P99, "x")
