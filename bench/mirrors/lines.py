"""The lines of the shadow bench: what stands behind the mirrors, and what it must not do.

Belongs here: what is healthy or broken, and for how long. Does not: how a pair is measured
(`bench.mirrors.pairs`).
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Final

from bench.faults import api
from bench.faults.ground import Ground
from bench.faults.misbehaviour import server
from bench.faults.verdicts import Line, at_least, at_most, no_failures, none, shown
from bench.figures import Figure
from bench.mirrors.pairs import ROUND_S, ROUNDS, SHARE, Side, mirror, run_pair, verdicts
from bench.stand.service import Service
from bench.stand.traffic import Kind
from bench.stand.zone import RECORDS_PATH, legacy, zone

#: Lists of 1,000 records, some 400 KB of JSON, and few: it is about each of them.
LARGE: Final = (Kind("large", "GET", f"{RECORDS_PATH}?page_size=1000"),)
LARGE_RATE: Final = 5.0
LARGE_ROUNDS: Final = 3
#: What mirrors may take by default, and what that may be missed by: it is known afterwards only.
MAX_CPU: Final = 0.2
CPU_SLACK: Final = 1.25
#: Small, so that the hung mirrors of a bench come to their end within it.
HANG_TIMEOUT: Final = "500ms"
HUNG: Final = 100_000
HUNG_STEPS: Final = 5
#: What the memory of a process that is loaded again and again wanders by.
FLAT: Final = 1.1
MAX_ROUNDS_OF_HANGS: Final = 60


@contextmanager
def proxies(
    ground: Ground, legacy: str, grpc: str, *percents: int, **options: Any
) -> Iterator[list[Service]]:
    """A proxy for each of *percents*, before the same two hosts."""
    services = []
    for percent in percents:
        defaults: Mapping[str, Any] = {
            **api.UNGUARDED,
            "stage": "shadow",
            "mirror": mirror(percent, **options),
        }
        configuration = ground.configuration(legacy=legacy, grpc=grpc, defaults=defaults)
        # Writes are compared without a call, which their upstream need not take.
        writes = {"rpc": api.CREATE, "mirror": {"depth": "translate"}}
        configuration["routes"] = [*configuration.get("routes", ()), writes]
        services.append(ground.service(configuration))
    with ExitStack() as stack:
        yield [stack.enter_context(service) for service in services]


def healthy(ground: Ground, *, rounds: int = ROUNDS, round_s: float = ROUND_S) -> Iterator[Figure]:
    """A mirror that answers as legacy does: every answer is compared."""
    backend = ground.backend("backend")
    with (
        backend.running(),
        proxies(ground, backend.http, backend.grpc, 0, 100) as both,
    ):
        pair = run_pair(ground, *both, rounds=rounds, round_s=round_s)
        equal = pair[1].equal()
    without, with_ = pair
    yield from verdicts(*pair)
    yield at_least("answers compared", with_.total("compared"), 1)
    yield none("of which not taken for equal", with_.total("compared") - equal)
    extra_s = with_.cpu_s - without.cpu_s
    per_compared_us = extra_s / max(with_.total("compared"), 1.0) * 1e6
    yield shown("CPU per mirrored and compared request", per_compared_us, "µs")
    share = extra_s / (rounds * round_s)
    yield at_most("CPU of mirrors", share * 100, MAX_CPU * CPU_SLACK * 100, "% of a core")


def large(
    ground: Ground, *, rounds: int = LARGE_ROUNDS, round_s: float = ROUND_S
) -> Iterator[Figure]:
    """Answers as large as a mirror may have: comparing them must not hold up the loop."""
    of_legacy, _ = legacy()
    canned = replace(zone(ground.folder).canned, http=of_legacy.http)
    backend = ground.backend("backend", canned=canned)
    caps = {"max_response_bytes": "2MiB"}
    with (
        backend.running(),
        proxies(ground, backend.http, backend.grpc, 0, 100, **caps) as (without, with_),
    ):
        pair = run_pair(
            ground, without, with_, LARGE, rounds=rounds, round_s=round_s, rate=LARGE_RATE
        )
        equal = pair[1].equal()
    yield from verdicts(*pair)
    yield at_least("answers compared", pair[1].total("compared"), 1)
    yield none("of which not taken for equal", pair[1].total("compared") - equal)
    late = [sum(each.late for each in side.rounds) for side in pair]
    yield at_most("stalls of 10 ms, beyond those without", late[1] - late[0], 0.0, "stalls")


def broken(
    ground: Ground, behaviour: str, *, rounds: int = ROUNDS, round_s: float = ROUND_S
) -> Iterator[Figure]:
    """A mirror that goes wrong with every call: nobody notices but who reads the report."""
    host = ground.backend("legacy")
    ledger = ground.folder / f"{behaviour}.ledger"
    with host.running(), server(ground, behaviour, ledger) as process:
        grpc = f"127.0.0.1:{process.announcement()['grpc']}"
        options = {"timeout": HANG_TIMEOUT}
        with proxies(ground, host.http, grpc, 0, 100, **options) as (without, with_):
            pair = run_pair(ground, without, with_, rounds=rounds, round_s=round_s)
            equal = pair[1].equal()
    yield from verdicts(*pair)
    yield at_least("mirrors sent", pair[1].total("sent"), 1)
    yield none("answers taken for equal", equal)


def memory(
    ground: Ground, *, hung: int = HUNG, steps: int = HUNG_STEPS, round_s: float = ROUND_S
) -> Iterator[Figure]:
    """Mirrors that hang, very many of them: memory after each part of them."""
    host = ground.backend("legacy")
    ledger = ground.folder / "hang.ledger"
    with host.running(), server(ground, "hang", ledger) as process:
        grpc = f"127.0.0.1:{process.announcement()['grpc']}"
        # Each hangs for as short as it may and as many do as can: it is their number that counts.
        options = {"timeout": "20ms", "max_concurrency": 64, "max_pending": 1024}
        with proxies(ground, host.http, grpc, 100, **options) as (service,):
            side, sizes = Side(service), []
            rate = ground.rate(service.address, (api.READ,), SHARE)
            for step in range(1, steps + 1):
                for _ in range(MAX_ROUNDS_OF_HANGS):
                    side.round(ground, (api.READ,), rate, round_s)
                    if side.total("candidate_timeout") >= step * hung / steps:
                        break
                sizes.append(service.process.resident_bytes())
                print(f"resident after {step}/{steps}: {sizes[-1] >> 20} MiB", file=sys.stderr)
    records = [record for each in side.rounds for record in each.records]
    yield no_failures("requests that failed", records)
    yield at_least("mirrors that hung", side.total("candidate_timeout"), hung)
    yield shown("memory after the first part", sizes[0] / 2**20, "MiB")
    yield shown("memory after the last", sizes[-1] / 2**20, "MiB")
    yield at_most(
        "memory after the last, times that after the first", sizes[-1] / sizes[0], FLAT, "x"
    )
    growths = [after - before for before, after in pairwise(sizes)]
    yield shown("growth in the last part", growths[-1] / 2**20 if growths else 0.0, "MiB")


LINES: Final = (
    Line("healthy", "a mirror that answers", healthy),
    Line("large", "answers of 400 KB", large),
    Line("hang", "a mirror that never answers", partial(broken, behaviour="hang")),
    Line("reset", "a mirror that resets every call", partial(broken, behaviour="break")),
    Line("flood", "a mirror that answers 100 MB", partial(broken, behaviour="flood")),
    Line("memory", f"{HUNG:,} hung mirrors", memory),
)
