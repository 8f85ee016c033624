"""The same load on two proxies in turn: one that mirrors nothing, one that mirrors everything.

Belongs here: how a pair is run, and what is read of it. Does not: what is behind the mirrors
(`bench.mirrors.lines`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from bench.faults import api
from bench.faults.ground import Ground
from bench.faults.verdicts import at_least, at_most, no_failures, none, shown
from bench.figures import Figure
from bench.stand.service import Service, metrics
from bench.stand.traffic import Kind, Record, latency_ms

#: Of the maximum without mirrors, which each line measures itself.
SHARE: Final = 0.6
ROUNDS: Final = 5
ROUND_S: Final = 4.0
#: What the 99th percentile may grow by: a share of it, and a part for what the clock cannot tell.
ALLOWED: Final = 1.05
ALLOWED_MS: Final = 1.0
SLOW_LOOP: Final = '{le="0.01"}'
EVERY_LIFE: Final = '{le="+Inf"}'
#: What mirrors have to do yet.
BUSY: Final = ("cutover_shadow_inflight", "cutover_shadow_queue_depth")
#: Ends of a mirror's life, of which each request has just one.
ENDS: Final = ("not_sampled", "skipped", "dropped", "sent")


def mirror(percent: int, **options: Any) -> dict[str, Any]:
    """A mirror of so many percent, as the configuration has it."""
    return {"depth": "rpc", "percent": percent, **options}


@dataclass(frozen=True, slots=True)
class Round:
    """One round of load on one proxy: what clients saw, what it cost, how late the loop was."""

    records: Sequence[Record]
    cpu_s: float
    late: float
    lives: dict[str, float]

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the latencies."""
        return latency_ms(self.records, 0.99)

    @property
    def cpu_us(self) -> float:
        """CPU time per request in microseconds, mirrors and their helpers included."""
        return self.cpu_s / len(self.records) * 1e6


class Side:
    """One of the two proxies, and its rounds."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.rounds: list[Round] = []

    def __repr__(self) -> str:
        return f"<Side {self.service.address} rounds={len(self.rounds)}>"

    def round(self, ground: Ground, kinds: Sequence[Kind], rate: float, for_s: float) -> None:
        """Load it once, and wait for the last of its mirrors."""
        cpu_s, lives, late = self.service.process.cpu_s(), self.lives(), self.late()
        records = ground.quiet(self.service.address, kinds, rate, for_s)
        self.service.wait_until(lambda: not any(map(self.service.metric, BUSY)), "mirrors go on")
        self.rounds.append(
            Round(
                records,
                self.service.process.cpu_s() - cpu_s,
                self.late() - late,
                {name: count - lives.get(name, 0.0) for name, count in self.lives().items()},
            )
        )

    def lives(self) -> dict[str, float]:
        """How many mirrors came to each end so far, for whatever reason."""
        counts: dict[str, float] = {}
        found = metrics(self.service.get("/metrics")).get("cutover_shadow_total", Counter())
        for labels, count in found.items():
            outcome = labels.partition('outcome="')[2].partition('"')[0]
            counts[outcome] = counts.get(outcome, 0.0) + count
        return counts

    def equal(self) -> float:
        """How many answers were taken for equal so far."""
        told = metrics(self.service.get("/metrics")).get("cutover_shadow_compared_total", Counter())
        return sum(count for labels, count in told.items() if 'verdict="match' in labels)

    def late(self) -> float:
        """How often the loop ran a timer more than 10 ms late so far."""
        told = metrics(self.service.get("/metrics"))
        buckets = told.get("cutover_loop_lag_seconds_bucket", Counter())
        return buckets.get(EVERY_LIFE, 0.0) - buckets.get(SLOW_LOOP, 0.0)

    def total(self, life: str) -> float:
        """How many mirrors of all rounds came to this end."""
        return sum(each.lives.get(life, 0.0) for each in self.rounds)

    @property
    def cpu_s(self) -> float:
        """CPU time of all rounds, in seconds."""
        return sum(each.cpu_s for each in self.rounds)

    @property
    def p99_ms(self) -> float:
        """The median of the rounds' 99th percentiles."""
        return median(each.p99_ms for each in self.rounds)

    @property
    def cpu_us(self) -> float:
        """The median of the rounds' CPU times per request."""
        return median(each.cpu_us for each in self.rounds)


def run_pair(
    ground: Ground,
    without: Service,
    with_: Service,
    kinds: Sequence[Kind] = (api.READ,),
    *,
    rounds: int = ROUNDS,
    round_s: float = ROUND_S,
    rate: float = 0.0,
) -> tuple[Side, Side]:
    """Load both in turn, at the same rate; which comes first changes from round to round.

    Without a *rate*, in requests per second, it is a share of the maximum of the first.
    """
    rate = rate or ground.rate(without.address, kinds, SHARE)
    pair = Side(without), Side(with_)
    for number in range(rounds):
        for side in pair if number % 2 == 0 else reversed(pair):
            side.round(ground, kinds, rate, round_s)
    return pair


def verdicts(without: Side, with_: Side) -> Iterator[Figure]:
    """That clients noticed nothing of the mirrors, and what became of these."""
    allowed_ms = ALLOWED * without.p99_ms + ALLOWED_MS
    yield shown("p99 without mirrors", without.p99_ms, "ms")
    yield at_most("p99 with mirrors", with_.p99_ms, allowed_ms, "ms")
    sent = [record for side in (without, with_) for each in side.rounds for record in each.records]
    yield no_failures("requests that failed", sent)
    eligible = with_.total("eligible")
    yield at_least("requests that could be mirrored", eligible, 1)
    yield none("of which nobody knows what became", eligible - sum(map(with_.total, ENDS)))
    for life in ("sent", "compared", "candidate_error", "candidate_timeout", "dropped"):
        yield shown(life, with_.total(life))
    yield shown("late by more than 10 ms, without", sum(each.late for each in without.rounds))
    yield shown("late by more than 10 ms, with", sum(each.late for each in with_.rounds))
    yield shown("CPU per request without", without.cpu_us, "µs")
    yield shown("CPU per request with", with_.cpu_us, "µs")
