"""Where the two servers of the example do not agree, on purpose: one line for each difference.

Belongs here: the table that reports of mirrors are held against. Does not: the causes, which are
ordinary code of the two servers (`documents`, `messages`), and the judgement (`parity`).

The statistics were rewritten last, and the rewrite is not done: on some of the differences clients
would break, others are mistakes of the new server, and one is a part of the old API that was
forgotten. Everything that has no line here is equal.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SeededDifference:
    """One difference: the *route* with which it shows, its *path* and *kind* in a report."""

    route: str
    path: str
    kind: str
    cause: str


SEEDED: Final = (
    SeededDifference(
        "get-statistics",
        "$.queries",
        "int64_string",
        "the old host writes 64-bit integers as numbers, ProtoJSON as strings",
    ),
    SeededDifference(
        "get-statistics",
        "$.failures",
        "default_vs_absent",
        "the old host writes a zero, ProtoJSON leaves it out",
    ),
    SeededDifference(
        "get-statistics",
        "$.lastQueryTime",
        "timestamp_format",
        "the old host writes UTC as +00:00, ProtoJSON as Z",
    ),
    SeededDifference(
        "get-statistics",
        "$.peakPerSecond",
        "value",
        "the gRPC server cuts what the old host rounds",
    ),
    SeededDifference(
        "list-top-hosts",
        "$.hosts",
        "list_order",
        "the gRPC server sorts by name, not by share",
    ),
    SeededDifference(
        "send-statistics",
        "request:$.copyMe",
        "missing_field",
        "the old host sends a copy to whoever asks for one; the new request has no such field",
    ),
)
