"""Proxies under the same load in turns, and the figures that come out.

Rounds are interleaved (A B C, C B A, …) so that a change in the machine's mood meets all. Each
figure is the median over the rounds, and a ratio the median of the ratios within a turn.

The figure to trust is CPU per request. It falls as a proxy gets busier, because one wake-up then
serves more events, so compare it only where all use about the same share of their core, which
stands beside it. Latencies are those of a closed loop: with many connections they show the
queue, with one they show the way through.
"""

import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from rich.table import Table

from bench.figures import Figure, bound, mark, readable
from bench.stand.load import Case, Generator
from bench.stand.processes import Process

ROUNDS: Final = 5
ROUND_S: Final = 2.0
WARM_UP_S: Final = 1.0
ANSWER_WITHIN_S: Final = 30.0  # generous: only a hang is meant
SEPARATOR: Final = " / "  # between case, column and metric in the name of a figure
CPU: Final = "CPU per request"
REQUESTS: Final = "requests"
RATIO_TO: Final = "ratio to "

# Bounds on our CPU per request over that of a peer: (case, peer) -> ratio.
Targets = Mapping[tuple[str, str], float]


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
    peers: Sequence[Peer], cases: Sequence[Case], load: Generator, targets: Targets
) -> list[Figure]:
    """Measure every case on all; the ratios are those of the first over each of the others."""
    for case in cases:
        for peer in peers:
            check_answer(peer, case)
    figures: list[Figure] = []
    for case in cases:
        rounds = measure_case(peers, case, load)
        for peer in peers:
            figures += peer_figures(case, peer, rounds[peer.name])
        ours, *others = peers
        figures += [
            ratio_figure(case.name, other.name, rounds[ours.name], rounds[other.name], targets)
            for other in others
        ]
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
    case: str, name: str, ours: Sequence[Round], other: Sequence[Round], targets: Targets
) -> Figure:
    """Our CPU per request over the other's in the same turn."""
    value = median(a.cpu_us / b.cpu_us for a, b in zip(ours, other, strict=True))
    return Figure(
        SEPARATOR.join((case, RATIO_TO + name, CPU)),
        value,
        "x",
        targets.get((case, name)),
        higher_is_better=False,
    )


def memory_figure(peer: Peer) -> Figure:
    """Resident memory after all rounds."""
    value = peer.process.resident_bytes() / 2**20
    name = SEPARATOR.join(("after all rounds", peer.name, "resident memory"))
    return Figure(name, value, "MiB", higher_is_better=False)


def comparison_table(title: str, figures: Sequence[Figure]) -> Table:
    """The figures with the proxies side by side and a line for every case and metric.

    A column such as `÷ Envoy` has what the first proxy needs over what that one needs.
    """
    cells = {tuple(figure.name.split(SEPARATOR)): figure for figure in figures}
    columns = list(dict.fromkeys(column for _, column, _ in cells))
    columns.sort(key=lambda column: column.startswith(RATIO_TO))  # stable: proxies, then ratios
    table = Table(title=title, title_justify="left")
    for heading in ("case", "figure", *columns, "target", ""):
        words = heading in {"case", "figure"}
        short = heading.replace(RATIO_TO, "÷ ")
        table.add_column(short, justify="left" if words else "right", no_wrap=words)
    shown = ""
    for case, metric in dict.fromkeys((case, metric) for case, _, metric in cells):
        row = [cells.get((case, column, metric)) for column in columns]
        table.add_row("" if case == shown else case, *row_texts(metric, row))
        shown = case
    return table


def row_texts(metric: str, row: Sequence[Figure | None]) -> list[str]:
    """The texts of one line: metric and unit, the values, the target and its verdict."""
    unit = next(figure.unit for figure in row if figure)
    values = [readable(figure.value) if figure else "" for figure in row]
    judged = [figure for figure in row if figure and figure.target is not None]
    bounds, marks = (" ".join(map(show, judged)) for show in (bound, mark))
    return [f"{metric}, {unit}", *values, bounds, marks]
