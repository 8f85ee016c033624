"""What is compared, and what comes of it: values, free of how they were got.

Belongs here: the two answers, one difference, the result of one comparison. Does not: how they are
compared (`comparator`), what is kept of them (`gate.evidence`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from proxy.comparison.kinds import Kind


@dataclass(frozen=True, slots=True)
class Document:
    """One side's answer as a client gets it, without content coding.

    *headers* are in order, names as they came. *complete* is False when the body broke off or was
    cut at a cap: it is no document then, and nothing is compared but the status.
    """

    http_status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    complete: bool = True


class Excerpt(NamedTuple):
    """What one side has at a place: enough to show it, or to hide it.

    *type* is string, number, bool, null, object, array, bytes (no JSON) or absent; *length* counts
    characters, members or elements; *text* is a scalar's whole JSON text, "" for all else.
    """

    type: str
    length: int
    text: str


ABSENT = Excerpt("absent", 0, "")


class Difference(NamedTuple):
    """All differences of one kind at one path in one pair of answers.

    *path* begins with `$` for the answer's body, `status`, `header:NAME` for a header in lower
    case, `request:$` for the request's body and `request:?NAME` for a query parameter. Elements of
    lists are `[*]`, values of maps `{*}`. *times* says how often; the excerpts are of the first.
    """

    path: str
    kind: Kind
    times: int
    legacy: Excerpt
    grpc: Excerpt


class Obstacle(StrEnum):
    """Why two answers cannot be compared."""

    BUDGET = "budget"  # more nodes, or deeper, than a comparison may take
    TRUNCATED = "truncated"  # a body broke off or was cut
    NO_JSON = "no_json"  # neither side is JSON, and the bytes are not equal either
    CODING = "coding"  # a content coding that is not known
    HELPER = "helper"  # the process that compares large bodies is gone or too slow


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of one comparison.

    *differences* has at most 64, one per path and kind; *truncated* says that there were more.
    *rule_hits* counts by the index of a rule how often it made two unequal values equal;
    *fields* are the paths of response fields that legacy has filled. With an *obstacle* nothing
    else counts.
    """

    differences: tuple[Difference, ...] = ()
    truncated: bool = False
    rule_hits: Mapping[int, int] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    obstacle: Obstacle | None = None
