"""Where the two servers of the example do not agree, on purpose: one line for each difference.

Belongs here: the table that reports of mirrors are held against. Does not: the causes, which are
ordinary code of the two servers (`documents`, `messages`), and the judgement (`parity`).

The statistics were rewritten last, and the rewrite is not done: in some places the old host keeps
to no dialect, not even its own, and the mappings do not say so yet; others are mistakes of the new
server, and one is a part of the old API that was forgotten. Everything that has no line here is
equal.
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
        "$.result.queries",
        "int64_string",
        "the old host writes this number as a string, for clients that know doubles alone",
    ),
    SeededDifference(
        "get-statistics",
        "$.result.failures",
        "default_vs_absent",
        "the old host leaves this zero out, the profile writes zeros",
    ),
    SeededDifference(
        "get-statistics",
        "$.result.last_query_on",
        "timestamp_format",
        "the old host writes this time as ISO 8601, and all others in a way of its own",
    ),
    SeededDifference(
        "get-statistics",
        "$.result.peak_per_second",
        "value",
        "the gRPC server cuts what the old host rounds",
    ),
    SeededDifference(
        "list-top-hosts",
        "$.result",
        "list_order",
        "the gRPC server sorts by name, not by share",
    ),
    SeededDifference(
        "send-statistics",
        "request:$.copy_me",
        "missing_field",
        "the old host sends a copy to whoever asks for one; the new request has no such field",
    ),
)
