"""The evidence of a route as values: what is written of one comparison, and what is read of all.

Belongs here: the words that the stores, the gate and the reports share. Does not: how they are
kept (`evidence`), what follows from them (`gate.judgement`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proxy.comparison.kinds import Kind


class Verdict(StrEnum):
    """What one comparison came to."""

    MATCH = "match"
    MATCH_WITH_RULES = "match_with_rules"
    TRANSIENT = "transient"  # both sides agreed when they were asked again
    NOISE = "noise"  # legacy disagrees with itself, at the same paths
    MISMATCH = "mismatch"


#: Verdicts that the bound on the mismatch rate counts.
COUNTED = frozenset({Verdict.MATCH, Verdict.MATCH_WITH_RULES, Verdict.MISMATCH})


@dataclass(frozen=True, slots=True)
class Epoch:
    """What evidence is about: another configuration, descriptor or server begins anew.

    *digest* is of all that the route's comparisons follow from; *version* is what the gRPC server
    said of itself, "" when it is not asked.
    """

    route: str
    digest: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """What is kept of one side's value: its text only where that is allowed.

    *hashed* is a keyed hash of the text, so that equal values can be told; both are "" for what
    has no text.
    """

    type: str
    length: int
    text: str | None
    hashed: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference as it is kept."""

    path: str
    kind: Kind
    times: int
    legacy: StoredValue
    grpc: StoredValue


@dataclass(frozen=True, slots=True)
class Control:
    """What legacy showed against itself: the paths at which only gRPC, or only it, differed."""

    only_grpc: frozenset[str]
    only_control: frozenset[str]


@dataclass(frozen=True, slots=True)
class Observation:
    """One compared pair. Nothing in it tells who asked, or for what.

    *key* and *shape* are keyed hashes of 8 bytes: of the client's sticky key, and of which fields
    its request filled. *fields* are paths that legacy filled; *rule_hits* is by the text of a
    rule (`path use`). Durations are in seconds, None for a side that was not called; *about* is
    what an example shows of the request, redacted.
    """

    epoch: Epoch
    at_s: float
    key: bytes
    shape: bytes
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    fields: frozenset[str] = frozenset()
    rule_hits: Mapping[str, int] = field(default_factory=dict)
    control: Control | None = None
    legacy_s: float | None = None
    grpc_s: float | None = None
    about: Mapping[str, str] = field(default_factory=dict)


#: Where a mirror's life ended, with the reason: ("skipped", "streaming"), ("sent", ""), …
Outcome = tuple[str, str]


#: What paths of differences in requests begin with. Their names may be any that a client makes up.
OF_REQUESTS = "request:"


@dataclass(frozen=True, slots=True)
class FieldEvidence:
    """What is known of one kind of difference at one path.

    *count* is of comparisons that have it, *mismatches* of those among them whose verdict is a
    mismatch: what legacy shows against itself, or what was gone when both were asked again, is in
    the first only. Of the comparisons with a control, *b* are those in which only gRPC differs at
    the path, *c* only the control (see `Control`), *both* those in which both do.
    """

    path: str
    kind: Kind
    count: int
    first_s: float
    last_s: float
    b: int = 0
    c: int = 0
    examples: tuple[str, ...] = ()
    mismatches: int = 0
    both: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """One difference in full, as far as may be shown. *id* is stable: `ex_` and hex digits."""

    id: str
    route: str
    at_s: float
    about: Mapping[str, str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RouteEvidence:
    """All that is known of a route in one epoch.

    *outcomes* counts lives of mirrors, *verdicts* comparisons. *compared* and *mismatches* are
    those that the bound counts: at most 20 per client and hour. *shapes_once* is the number of
    request shapes seen once among *requests*. *durations* has counts per side by the index of
    `gate.latency.BOUNDS_S`. *rule_hits* is by a rule's text. *overflow* counts what came beyond
    the caps of the store, by what it is. Times are of the Unix clock.
    """

    epoch: Epoch
    from_s: float
    until_s: float
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    compared: int = 0
    mismatches: int = 0
    keys: int = 0
    requests: int = 0
    shapes_once: int = 0
    seen_fields: frozenset[str] = frozenset()
    differences: tuple[FieldEvidence, ...] = ()
    controls: int = 0
    rule_hits: Mapping[str, int] = field(default_factory=dict)
    durations: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    overflow: Mapping[str, int] = field(default_factory=dict)
