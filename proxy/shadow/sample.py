"""What is mirrored: a request with the answer that its client got, and what came of the mirror.

Belongs here: the values between the way of a request (`exchange`) and the mirrors. Nothing of them
is made for a request that is not sampled.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from multidict import CIMultiDictProxy

from proxy.comparison.documents import Document
from proxy.cutover.stages import Side
from proxy.gate.evidence import Epoch, Observation
from proxy.routing.table import RouteBinding
from proxy.shape.outcomes.asked import Asked


class Life(StrEnum):
    """What can become of an eligible request, in order; a mirror that is sent ends once more.

    `eligible = not_sampled + skipped + dropped + sent`, and
    `sent = compared + candidate_error + candidate_timeout + not_comparable`.
    """

    # That of enums is a function in Python, and these are counted on the way of requests.
    __hash__ = str.__hash__

    ELIGIBLE = "eligible"
    NOT_SAMPLED = "not_sampled"
    SKIPPED = "skipped"
    DROPPED = "dropped"
    SENT = "sent"
    COMPARED = "compared"
    CANDIDATE_ERROR = "candidate_error"
    CANDIDATE_TIMEOUT = "candidate_timeout"
    NOT_COMPARABLE = "not_comparable"


class Skip(StrEnum):
    """Why a sampled request is not mirrored."""

    # That of enums is a function in Python, and these are counted on the way of requests.
    __hash__ = str.__hash__

    UNSAFE_METHOD = "unsafe_method"
    BODY_TOO_LARGE = "body_too_large"
    RESPONSE_TOO_LARGE = "response_too_large"
    STREAMING = "streaming"
    HEAD = "head"
    PRIMARY_FAILED = "primary_failed"
    CLIENT_GONE = "client_gone"
    LOOP = "loop"
    BODY_UNREAD = "body_unread"  # the primary answered before it had come


class Drop(StrEnum):
    """Why a mirror that could be is not begun."""

    # That of enums is a function in Python, and these are counted on the way of requests.
    __hash__ = str.__hash__

    QUEUE_FULL = "queue_full"
    RATE = "rate"
    BYTES = "bytes"
    CPU = "cpu"
    DRAINING = "draining"
    KILL_SWITCH = "kill_switch"
    INTERNAL = "internal"  # a bug of ours


#: Stands for the answer of a request that has none yet.
NOTHING_YET: Final = Document(0, complete=False)


@dataclass(slots=True)
class Sample:
    """One request to be mirrored. *body* is without content coding, as a side would read it.

    *headers* are the client's, whole. *primary* is who answered, in *primary_s* seconds, with
    *answer*; *at_s* is when, on the Unix clock. *key* is the client's sticky key, or else its
    address; *client* the address by which it is known, *peer* that of the connection. *hold* takes
    room for bytes that are kept until the mirror has ended; it says whether there is some. *asked*
    is what it asks of a shape, once its mirror is begun.
    """

    binding: RouteBinding
    captures: tuple[str, ...]
    http_method: str
    target: str
    query: str
    headers: CIMultiDictProxy[str]
    body: bytes
    peer: str
    client: str
    scheme: str
    key: str
    primary: Side
    primary_s: float
    answer: Document
    at_s: float
    trace_id: str = ""
    asked: Asked | None = None
    hold: Callable[[int], bool] = lambda _: True

    @property
    def size(self) -> int:
        """Bytes that it holds on to."""
        return len(self.body) + len(self.answer.body)


#: Where a mirror that was sent can end.
ENDS: Final = frozenset(
    {Life.COMPARED, Life.CANDIDATE_ERROR, Life.CANDIDATE_TIMEOUT, Life.NOT_COMPARABLE}
)


class Failed(NamedTuple):
    """A mirror that was sent and could not be compared: `candidate_error` and such, with why.

    *reason* is a word from a small table: it is a metric label.
    """

    life: Life
    reason: str


class Examiner(Protocol):
    """Makes the mirrored call of a sample and compares; the pool bounds and cancels it.

    Raises nothing but cancellation for what an upstream does.
    """

    async def examine(self, sample: Sample, epoch: Epoch) -> Observation | Failed:
        """What came of it. *epoch* has the server's version as far as it was known before."""
        ...


@dataclass(slots=True)
class Lives:
    """How often each end of a life came, by its reason; the equations can be asked of it."""

    counts: dict[tuple[Life, str], int] = field(default_factory=dict)

    def add(self, life: Life, reason: str = "", count: int = 1) -> None:
        """Count *count* of them."""
        key = life, reason
        self.counts[key] = self.counts.get(key, 0) + count

    def total(self, *lives: Life) -> int:
        """All that came to one of *lives*, for whatever reason.

        >>> lives = Lives()
        >>> lives.add(Life.SKIPPED, "head")
        >>> lives.total(Life.SKIPPED, Life.DROPPED)
        1
        """
        return sum(count for (life, _), count in self.counts.items() if life in lives)

    def imbalance(self, waiting: int, running: int) -> int:
        """By how much the equations do not hold, with so many mirrors waiting and running: 0."""
        left = self.total(Life.NOT_SAMPLED, Life.SKIPPED, Life.DROPPED, Life.SENT)
        ended = self.total(
            Life.COMPARED, Life.CANDIDATE_ERROR, Life.CANDIDATE_TIMEOUT, Life.NOT_COMPARABLE
        )
        return abs(self.total(Life.ELIGIBLE) - left - waiting) + abs(
            self.total(Life.SENT) - ended - running
        )
