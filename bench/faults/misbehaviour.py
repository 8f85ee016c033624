"""R6: a gRPC server that sends GOAWAY all the time, resets calls, or takes one at a time."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final

from bench.faults import api
from bench.faults.ground import Ground
from bench.faults.verdicts import at_least, at_most, no_failures, none, shown
from bench.figures import Figure
from bench.stand.ledger import Entry, done_twice, read_ledger
from bench.stand.misbehaving import RESET
from bench.stand.processes import Process
from bench.stand.traffic import Record, failed, of_kind

TRANSPORTS: Final = ("grpcio", "h2")
BEHAVIOURS: Final = ("goaway", "reset", "one-stream")
CASES: Final = tuple(product(TRANSPORTS, BEHAVIOURS))
TIMEOUT_S: Final = 3.0
SLACK_S: Final = 0.5  # over the deadline, for the way of the answer
KINDS: Final = (replace(api.READ, weight=2), api.WRITE)


def measure(
    ground: Ground, *, cases: Sequence[tuple[str, str]] = CASES, for_s: float = 5.0
) -> Iterator[Figure]:
    """Each transport before each behaviour. Legacy stands by for what was never sent."""
    for transport, behaviour in cases:
        for figure in misbehave(ground, transport, behaviour, for_s):
            yield replace(figure, name=f"{transport}, {behaviour}: {figure.name}")


def misbehave(ground: Ground, transport: str, behaviour: str, for_s: float) -> Iterator[Figure]:
    """One transport before one behaviour."""
    legacy = ground.backend("legacy")
    ledger = ground.folder / f"{transport}-{behaviour}.ledger"
    with legacy.running(), server(ground, behaviour, ledger) as process:
        grpc = f"127.0.0.1:{process.announcement()['grpc']}"
        configuration = ground.configuration(
            legacy=legacy.http,
            grpc={"target": grpc, "plaintext": True, "transport": transport},
            defaults={
                "timeout": f"{TIMEOUT_S:g}s",
                "breaker": "off",
                "rollback": "off",
                "fallback": {"on": ["not_ready"], "max_ratio": 1},
            },
        )
        with ground.service(configuration) as service:
            rate = ground.rate(service.address, KINDS)
            records = ground.quiet(service.address, KINDS, rate, for_s)
    yield from verdicts(records, read_ledger(ledger), legacy.done())


def server(ground: Ground, behaviour: str, ledger: Path) -> Process:
    """The server, which announces its port."""
    manifest = ground.folder / "misbehaving.json"
    manifest.write_text(api.answers(ground.messages, behaviour).manifest())
    command = [sys.executable, "-m", "bench.stand.misbehaving"]
    command += ["-manifest", str(manifest), "-ledger", str(ledger), "-behaviour", behaviour]
    log = ground.folder / f"{ledger.stem}.log"
    return Process("misbehaving", command, cores=ground.cores.load, log=log, announces=True)


def verdicts(
    records: Sequence[Record], in_grpc: Sequence[Entry], in_legacy: Sequence[Entry]
) -> Iterator[Figure]:
    """What the client saw, and what both ledgers say."""
    done = [entry for entry in [*in_grpc, *in_legacy] if entry.what != RESET]
    # What the server did and then reset may fail: nobody can know that it was done.
    reset = {entry.id for entry in in_grpc if entry.what == RESET}
    lost = [record for record in failed(records) if record.id not in reset]
    writes = {record.id for record in of_kind(records, "write")}
    not_done = {record.id for record in of_kind(lost, "write")} - {entry.id for entry in done}
    yield at_least("requests answered by gRPC", sum(r.side == "grpc" for r in records), 1)
    yield shown("requests", len(records))
    yield no_failures("failed reads, but for those reset", of_kind(lost, "read"))
    # A library that does not tell whether a call went out leaves no choice but to give it up.
    yield shown("failed writes that were not done", len(not_done))
    yield no_failures(
        "failed writes that were done, but for those reset",
        [record for record in of_kind(lost, "write") if record.id not in not_done],
    )
    yield none("writes done twice", len(done_twice(done, writes)))
    slowest_s = max(record.latency_ms for record in records) / 1e3
    yield at_most("slowest answer", slowest_s, TIMEOUT_S + SLACK_S, "s")
