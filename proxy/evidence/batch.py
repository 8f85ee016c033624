"""Observations on their way into a store, and what they come to, by epoch.

Belongs here: adding up before anything is written. Does not: what is in the store already
(`ledger`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.comparison.kinds import Kind
from proxy.gate.evidence import COUNTED, Epoch, Finding, Observation, Outcome, Verdict
from proxy.gate.latency import bin_of

#: An hour of the Unix clock has this many seconds.
HOUR_S: Final = 3600


class Topic(StrEnum):
    """What a count is of; each has names of its own, and some have details."""

    OUTCOME = "outcome"  # a life, its reason
    VERDICT = "verdict"
    FIELD = "field"  # a path that legacy filled, ever: it is not counted how often
    RULE = "rule"  # a rule's text
    DURATION = "duration"  # a side, an index of `gate.latency.BOUNDS_S`
    ONLY_CONTROL = "only_control"  # a path
    OVERFLOW = "overflow"  # what there is too much of


#: A topic, a name and a detail, "" for none.
Item = tuple[Topic, str, str]
#: Where a difference is, and of what kind.
Where = tuple[str, Kind]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written in one go.

    *outcomes* are counted at *at_s*, on the Unix clock. With a *writer*, a batch that has its
    *sequence*, or an earlier one, is known to be written already and not counted twice: a
    connection can break between a commit and its answer.
    """

    observations: tuple[Observation, ...] = ()
    outcomes: Mapping[tuple[Epoch, Outcome], int] = field(default_factory=dict)
    at_s: float = 0.0
    writer: str = ""
    sequence: int = 0

    def __repr__(self) -> str:
        return f"<Batch observations={len(self.observations)} outcomes={len(self.outcomes)}>"


@dataclass(slots=True)
class Occurrences:
    """One kind of difference at one path in a batch, oldest first."""

    seen: list[tuple[Observation, Finding]] = field(default_factory=list)
    mismatches: int = 0
    b: int = 0
    both: int = 0

    def add(self, observation: Observation, finding: Finding) -> None:
        """Count one pair that has it."""
        self.seen.append((observation, finding))
        self.mismatches += observation.verdict is Verdict.MISMATCH
        if observation.control is not None:
            only_grpc = finding.path in observation.control.only_grpc
            self.b += only_grpc
            self.both += not only_grpc


@dataclass(slots=True)
class Delta:
    """What a batch adds to one epoch.

    *clients* has, for each, the hours of its comparisons and whether they mismatched; *fields* are
    paths that legacy filled, whether or not they are known.
    """

    at_s: float
    from_s: float | None = None
    until_s: float | None = None
    requests: int = 0
    controls: int = 0
    items: Counter[Item] = field(default_factory=Counter)
    fields: set[str] = field(default_factory=set)
    clients: dict[bytes, list[tuple[int, bool]]] = field(default_factory=dict)
    shapes: Counter[bytes] = field(default_factory=Counter)
    differences: dict[Where, Occurrences] = field(default_factory=dict)

    def add(self, observation: Observation) -> None:
        """Count one compared pair."""
        at_s = observation.at_s
        self.from_s = at_s if self.from_s is None else min(self.from_s, at_s)
        self.until_s = at_s if self.until_s is None else max(self.until_s, at_s)
        self.requests += 1
        self.shapes[observation.shape] += 1
        self.items[Topic.VERDICT, observation.verdict.value, ""] += 1
        self.fields |= observation.fields
        for rule, hits in observation.rule_hits.items():
            self.items[Topic.RULE, rule, ""] += hits
        self._add_client(observation)
        self._add_durations(observation)
        self._add_differences(observation)

    def _add_client(self, observation: Observation) -> None:
        if observation.verdict in COUNTED:
            times = self.clients.setdefault(observation.key, [])
            mismatched = observation.verdict is Verdict.MISMATCH
            times.append((int(observation.at_s // HOUR_S), mismatched))

    def _add_durations(self, observation: Observation) -> None:
        for side, seconds in (("legacy", observation.legacy_s), ("grpc", observation.grpc_s)):
            if seconds is not None:
                self.items[Topic.DURATION, side, str(bin_of(seconds))] += 1

    def _add_differences(self, observation: Observation) -> None:
        # Paths that were cut may have become equal: a pair has each kind at each path once.
        findings = {(each.path, each.kind): each for each in observation.findings}
        for where, finding in findings.items():
            self.differences.setdefault(where, Occurrences()).add(observation, finding)
        if observation.control is not None:
            self.controls += 1
            paths = observation.control.only_control
            self.items.update((Topic.ONLY_CONTROL, path, "") for path in paths)


def added_up(batch: Batch) -> dict[Epoch, Delta]:
    """What *batch* adds to each epoch."""
    deltas: dict[Epoch, Delta] = {}
    for observation in batch.observations:
        epoch = observation.epoch
        if epoch not in deltas:
            deltas[epoch] = Delta(observation.at_s)
        deltas[epoch].add(observation)
    for (epoch, (life, reason)), count in batch.outcomes.items():
        delta = deltas.setdefault(epoch, Delta(batch.at_s))
        delta.items[Topic.OUTCOME, life, reason] += count
    return deltas
