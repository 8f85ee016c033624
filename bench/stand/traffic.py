"""What a generator is to send, and what it wrote down of each request.

Belongs here: the plan's and the records' forms, and counting. Does not: sending
(`bench/generator` in Go, `bench.stand.python_generator`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar

T = TypeVar("T")

US_PER_S: Final = 1_000_000
#: Seconds after which a connection that is not used is closed. To send on one that the server is
#: closing loses the request, which every client has to expect (RFC 9112 §9.3.1); careful ones wait
#: for less than servers do, and a worker that retires waits for 1.5 s.
IDLE_S: Final = 1.0
#: Seconds that a request may take before it counts as one without an answer: longer than every
#: deadline of the proxy in a benchmark.
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request: `{id}` in target and body becomes the request's id.

    With `close` each goes over a connection of its own. Kinds come as often as their weights say.
    """

    name: str
    method: str
    target: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1
    close: bool = False


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to send, where, and how fast.

    With a `rate` in requests per second the loop is open, on up to `connections`; without, each
    connection sends when its last answer has come. Without a `duration_s` it goes on until it is
    told to stop.
    """

    address: str
    run: str
    records: str
    kinds: Sequence[Kind]
    rate: float = 0.0
    connections: int = 64
    duration_s: float = 0.0
    timeout_s: float = TIMEOUT_S
    idle_s: float = IDLE_S

    def as_json(self) -> dict[str, Any]:
        """The file that a generator reads."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DripKind:
    """Connections that send `opening` whole and then `byte` now and then."""

    name: str
    opening: str
    byte: str
    connections: int


@dataclass(frozen=True, slots=True)
class DripPlan:
    """Slow connections: a byte each `every_s`, until they are cut, for `max_s` at most."""

    address: str
    records: str
    kinds: Sequence[DripKind]
    every_s: float
    max_s: float
    open_per_s: float

    def as_json(self) -> dict[str, Any]:
        """The file that a generator reads."""
        return asdict(self)


class Record(NamedTuple):
    """What became of one request; times in microseconds since the epoch, 0 for never sent.

    `port` is the client's, `digest` a CRC-32 of the body, `problem` why no whole answer came.
    """

    id: str
    kind: str
    due_us: int
    sent_us: int
    done_us: int
    status: int
    side: str
    port: int
    digest: int
    retry_after: bool
    problem: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """A record from its line.

        >>> Record.parse("r-1,get,10,20,30,200,grpc,4000,77,false,").latency_ms
        0.02
        """
        identity, kind, due, sent, done, status, side, port, digest, after, problem = line.split(
            ",", 10
        )
        return cls(
            identity, kind, int(due), int(sent), int(done), int(status), side, int(port),
            int(digest), after == "true", problem,
        )  # fmt: skip

    def as_line(self) -> str:
        """The record as generators write it."""
        return ",".join(map(str, self[:9])) + f",{str(self.retry_after).lower()},{self.problem}"

    @property
    def ok(self) -> bool:
        """Whether a good answer came, whole."""
        return not self.problem and 200 <= self.status < 400

    @property
    def latency_ms(self) -> float:
        """From when it was due: a server that stalls makes those wait that come after."""
        return (self.done_us - self.due_us) / 1e3


class Drip(NamedTuple):
    """What became of one slow connection; `how` is cut, kept, stopped or refused."""

    kind: str
    opened_us: int
    ended_us: int
    status: int
    how: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """A slow connection from its line."""
        kind, opened, ended, status, how = line.split(",")
        return cls(kind, int(opened), int(ended), int(status), how)

    @property
    def lasted_s(self) -> float:
        """How long it was open."""
        return (self.ended_us - self.opened_us) / US_PER_S


def read_lines(path: Path, parse: Callable[[str], T]) -> list[T]:
    """All lines of a file of records."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return [parse(line.rstrip("\n")) for line in lines]


def failed(records: Iterable[Record]) -> list[Record]:
    """Those without a good answer."""
    return [record for record in records if not record.ok]


def of_kind(records: Iterable[Record], *names: str) -> list[Record]:
    """Those of the kinds named."""
    return [record for record in records if record.kind in names]


def between(records: Iterable[Record], from_us: float, until_us: float) -> list[Record]:
    """Those that were due in a span of time."""
    return [record for record in records if from_us <= record.due_us < until_us]


def latency_ms(records: Sequence[Record], share: float) -> float:
    """A quantile of the latencies, of all answers, good or not; 0 for none.

    >>> latency_ms([], 0.99)
    0.0
    """
    return quantile([record.latency_ms for record in records], share)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed; 0 for none.

    >>> quantile([4.0, 1.0, 3.0, 2.0], 0.5), quantile([1.0, 2.0], 0.99), quantile([], 0.5)
    (2.0, 2.0, 0.0)
    """
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def most_at_once(records: Iterable[Record]) -> int:
    """How many were on their way at one time, at the most.

    >>> line = "r-{0},get,0,{0},{1},200,grpc,1,0,false,"
    >>> most_at_once(Record.parse(line.format(*span)) for span in [(1, 5), (2, 3), (5, 9)])
    2
    """
    steps = [(when, step) for each in records for when, step in
             ((each.sent_us, 1), (each.done_us, -1)) if each.sent_us]  # fmt: skip
    most = now = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def said(records: Iterable[Record], limit: int = 4) -> str:
    """The commonest problems in words, for people who look into a failure."""
    counts: dict[str, int] = {}
    for record in records:
        text = record.problem or f"status {record.status}"
        counts[f"{record.kind}: {text}"] = counts.get(f"{record.kind}: {text}", 0) + 1
    common = sorted(counts.items(), key=lambda item: -item[1])[:limit]
    return "; ".join(f"{count} x {text}" for text, count in common)
