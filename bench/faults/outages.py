"""R4: the gRPC server dies and comes back, again and again, while legacy stands by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import time
from typing import Final

from bench.faults import api
from bench.faults.ground import Backend, Ground, pause
from bench.faults.verdicts import at_least, at_most, no_failures, none, shown
from bench.figures import Figure
from bench.stand.ledger import Entry, done_twice, first_after
from bench.stand.processes import Process
from bench.stand.traffic import US_PER_S, Record, failed, of_kind

DOWN_S: Final = 1.0
UP_S: Final = 1.5
NEVER_S: Final = 1e6
RECOVERED_WITHIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Setting:
    """The two sides of a run."""

    grpc: Backend
    legacy: Backend


def measure(
    ground: Ground, *, times: int = 10, down_s: float = DOWN_S, up_s: float = UP_S
) -> Iterator[Figure]:
    """Kill the gRPC server, start it again, and look into both ledgers.

    The rollback is off: it would end the exercise at the first outage.
    """
    setting = Setting(ground.backend("grpc"), ground.backend("legacy"))
    configuration = ground.configuration(
        legacy=setting.legacy.http,
        grpc=setting.grpc.grpc,
        defaults={"rollback": "off"},
        routes=[
            {"rpc": api.GET, "fallback": {"on": ["not_ready", "unavailable"]}},
            {"rpc": api.CREATE, "fallback": {"on": ["not_ready"]}},
        ],
    )
    with setting.legacy.running(), ground.service(configuration) as service:
        process = setting.grpc.start()
        try:
            rate = ground.rate(service.address, api.MIXED)
            came_back = []
            with ground.load(service.address, api.MIXED, rate) as load:
                for _ in range(times):
                    pause(up_s)
                    process = outage(setting.grpc, process, down_s)
                    came_back.append(time() * US_PER_S)
                pause(up_s)
                records = load.finish()
        finally:
            process.stop()
    yield from verdicts(setting, records, came_back)


def outage(backend: Backend, process: Process, down_s: float) -> Process:
    """End the server as a crash does; the one that takes its place a while later."""
    process.kill()
    process.stop()
    pause(down_s)
    return backend.start()


def verdicts(
    setting: Setting, records: Sequence[Record], came_back: Sequence[float]
) -> Iterator[Figure]:
    """What clients and servers saw of it."""
    reads, writes = of_kind(records, *api.READS), of_kind(records, "write")
    in_grpc, in_legacy = setting.grpc.done(), setting.legacy.done()
    done = [*in_grpc, *in_legacy]
    good_writes = {record.id for record in writes if record.ok}
    yield shown("reads", len(reads))
    yield no_failures("failed reads", reads)
    yield at_least("reads answered by legacy", sum(r.side == "legacy" for r in reads), 1)
    yield shown("writes", len(writes))
    yield shown("failed writes", len(failed(writes)))
    yield none("writes done twice", len(done_twice(done, {record.id for record in writes})))
    yield none("writes answered but not done", len(good_writes - {entry.id for entry in done}))
    yield at_most(
        "gRPC again after, slowest",
        max(recovery_s(in_grpc, since_us) for since_us in came_back),
        RECOVERED_WITHIN_S,
        "s",
    )


def recovery_s(in_grpc: Sequence[Entry], since_us: float) -> float:
    """From when the server listened to its first call; `NEVER_S` when there was none."""
    first_us = first_after(in_grpc, since_us)
    return NEVER_S if first_us is None else (first_us - since_us) / US_PER_S
