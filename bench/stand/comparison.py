"""Two proxies under the same load in turns, and the figures that come out.

Rounds are interleaved (A B B A …) so that a change in the machine's mood meets both; each figure
is the median over the rounds, and a ratio the median of the ratios of neighbouring rounds.

The figure to trust is CPU per request. It falls as a proxy gets busier, because one wake-up then
serves more events, so compare it only where both use about the same share of their core, which
stands beside it. Latencies are those of a closed loop: with many connections they show the
queue, with one they show the way through.
"""

import http.client
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from rich.table import Table

from bench.figures import Figure, mark, readable
from bench.stand.load import Case, Generator
from bench.stand.processes import Process

ROUNDS: Final = 5
ROUND_S: Final = 2.0
WARM_UP_S: Final = 1.0
ANSWER_WITHIN_S: Final = 30.0  # generous: only a hang is meant
SEPARATOR: Final = " / "  # between case, column and metric in the name of a figure
CPU: Final = "CPU per request"
REQUESTS: Final = "requests"
RATIO: Final = "ratio"


@dataclass(frozen=True, slots=True)
class Peer:
    """A proxy that takes part."""

    name: str
    process: Process
    base_url: str


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed; `busy` is the share of one core that the proxy used."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    busy: float


METRICS: Final[dict[str, tuple[str, Callable[[Round], float]]]] = {
    REQUESTS: ("1/s", lambda seen: seen.requests_per_s),
    "p50": ("ms", lambda seen: seen.p50_ms),
    "p99": ("ms", lambda seen: seen.p99_ms),
    CPU: ("µs", lambda seen: seen.cpu_us),
    "core used": ("%", lambda seen: 100 * seen.busy),
}


def compare(
    ours: Peer,
    other: Peer,
    cases: Sequence[Case],
    load: Generator,
    targets: dict[str, float],
) -> list[Figure]:
    """Measure every case on both; `targets` bounds the CPU ratio ours / other per case name."""
    peers = (ours, other)
    for case in cases:
        for peer in peers:
            check_answer(peer, case)
    figures: list[Figure] = []
    for case in cases:
        rounds = measure_case(peers, case, load)
        for peer in peers:
            figures += peer_figures(case, peer, rounds[peer.name])
        figures.append(
            ratio_figure(case, rounds[ours.name], rounds[other.name], targets.get(case.name))
        )
    return figures + [memory_figure(peer) for peer in peers]


def check_answer(peer: Peer, case: Case) -> None:
    """Raise unless the proxy gives the case's answer: a fast wrong answer is no figure."""
    peer.process.check_running()
    address = urlsplit(peer.base_url).netloc
    connection = http.client.HTTPConnection(address, timeout=ANSWER_WITHIN_S)
    try:
        connection.request(case.http_method, case.target, case.body or None, case.headers)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise peer.process.failure(f"answered {case.name} with {answer.status}: {body[:500]!r}")
    if json.loads(body) != case.expected:
        raise peer.process.failure(f"gave a wrong answer to {case.name}: {body[:500]!r}")


def measure_case(peers: Sequence[Peer], case: Case, load: Generator) -> dict[str, list[Round]]:
    """Warm both up, then take turns."""
    for peer in peers:
        load.run(case, peer.base_url, WARM_UP_S)
    rounds: dict[str, list[Round]] = {peer.name: [] for peer in peers}
    for number in range(ROUNDS):
        for peer in peers if number % 2 == 0 else reversed(peers):
            rounds[peer.name].append(measure_round(peer, case, load))
    return rounds


def measure_round(peer: Peer, case: Case, load: Generator) -> Round:
    """One round of load on one proxy; any failed request is an error."""
    before_s = peer.process.cpu_s()
    seen = load.run(case, peer.base_url, ROUND_S)
    cpu_us = (peer.process.cpu_s() - before_s) * 1e6
    if seen.errors or not seen.requests:
        raise peer.process.failure(
            f"failed {seen.errors} of {seen.requests} requests of {case.name}"
        )
    if not cpu_us:
        raise peer.process.failure(f"used no CPU time for {case.name}: it is not what is loaded")
    return Round(
        seen.requests / seen.duration_us * 1e6,
        seen.p50_us / 1e3,
        seen.p99_us / 1e3,
        cpu_us / seen.requests,
        cpu_us / seen.duration_us,
    )


def peer_figures(case: Case, peer: Peer, rounds: Sequence[Round]) -> list[Figure]:
    """The medians of one proxy."""
    return [
        Figure(
            SEPARATOR.join((case.name, peer.name, metric)),
            median(map(read, rounds)),
            unit,
            higher_is_better=metric == REQUESTS,
        )
        for metric, (unit, read) in METRICS.items()
    ]


def ratio_figure(
    case: Case, ours: Sequence[Round], other: Sequence[Round], target: float | None
) -> Figure:
    """Our CPU per request over the other's in the round beside it."""
    value = median(a.cpu_us / b.cpu_us for a, b in zip(ours, other, strict=True))
    name = SEPARATOR.join((case.name, RATIO, CPU))
    return Figure(name, value, "x", target, higher_is_better=False)


def memory_figure(peer: Peer) -> Figure:
    """Resident memory after all rounds."""
    value = peer.process.resident_bytes() / 2**20
    name = SEPARATOR.join(("after all rounds", peer.name, "resident memory"))
    return Figure(name, value, "MiB", higher_is_better=False)


def comparison_table(title: str, figures: Sequence[Figure]) -> Table:
    """The figures with the proxies side by side and a line for every case and metric."""
    cells = {tuple(figure.name.split(SEPARATOR)): figure for figure in figures}
    columns = list(dict.fromkeys(column for _, column, _ in cells if column != RATIO))
    table = Table(title=title, title_justify="left")
    for heading in ("case", "figure", *columns, RATIO, "target", ""):
        table.add_column(heading, justify="left" if heading in {"case", "figure"} else "right")
    shown = ""
    for case, metric in dict.fromkeys((case, metric) for case, _, metric in cells):
        row = [cells[case, column, metric] for column in columns]
        ratio = cells.get((case, RATIO, metric))
        table.add_row(
            case if case != shown else "",
            f"{metric}, {row[0].unit}",
            *(readable(figure.value) for figure in row),
            *((readable(ratio.value), ratio.bound, mark(ratio)) if ratio else ("", "", "")),
        )
        shown = case
    return table


def stand_description(load: Generator, cores: str, parts: Sequence[str]) -> str:
    """What ran where: the lines that make figures comparable."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    lines = [
        f"{python}, {', '.join(parts)}",
        f"load: {load.description}; {ROUNDS} interleaved rounds of {ROUND_S:g} s, medians",
        f"{os.cpu_count()} cores: {cores}; load average before: {os.getloadavg()[0]:.1f}",
    ]
    return "\n".join(lines)
