"""The judgement of reports: each seeded difference is found, and nothing else.

Belongs here: holding reports of mirrors (JSON, schema 1) against what was sent and against the
table. Does not: getting reports, which is for whoever runs the proxy.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from proxy.example.seeded import SEEDED, SeededDifference

Report = Mapping[str, Any]
Found = tuple[str, str, str]

#: What can become of a mirror that was sent; whatever else, it was not.
_ENDS: Final = (
    "match",
    "match_with_rules",
    "transient",
    "noise",
    "mismatch",
    "candidate_error",
    "candidate_timeout",
    "not_comparable",
)
_COMPARED: Final = ("match", "match_with_rules", "mismatch")


def settled(reports: Sequence[Report], sent: Mapping[str, int]) -> bool:
    """Whether reports tell of every request that was *sent*, by route, to its end."""
    return not any(_unsettled(reports, sent))


def faults(
    reports: Sequence[Report],
    sent: Mapping[str, int],
    seeded: tuple[SeededDifference, ...] = SEEDED,
) -> tuple[str, ...]:
    """Everything that is not as it should be; nothing when the reports are right.

    All of the *sent* requests were mirrored and compared, each difference of the table was found at
    its path with its kind, and no other.
    """
    return (
        *_unsettled(reports, sent),
        *_uncompared(reports),
        *_missed(reports, seeded),
        *_unexpected(reports, seeded),
    )


def count_of(seeded: SeededDifference, reports: Sequence[Report]) -> int:
    """How often a seeded difference was found."""
    wanted = seeded.route, seeded.path, seeded.kind
    return sum(times for found, times in _counted(reports) if found == wanted)


def _unsettled(reports: Sequence[Report], sent: Mapping[str, int]) -> Iterator[str]:
    by_route = {report["route"]: report["counts"] for report in reports}
    for route, requests in sent.items():
        counts = by_route.get(route)
        if counts is None:
            yield f"{route}: there is no report"
            continue
        if counts["eligible"] != requests:
            yield f"{route}: {counts['eligible']} of {requests} requests are counted"
        ended = sum(_total(counts.get(end, 0)) for end in _ENDS)
        if counts["sent"] != ended:
            yield f"{route}: {ended} of {counts['sent']} mirrors have ended"


def _uncompared(reports: Sequence[Report]) -> Iterator[str]:
    for report in reports:
        counts = report["counts"]
        compared = sum(counts[end] for end in _COMPARED)
        if compared != counts["eligible"]:
            lost = {key: value for key, value in counts.items() if _total(value)}
            yield f"{report['route']}: not every request was compared: {lost}"


def _missed(reports: Sequence[Report], seeded: tuple[SeededDifference, ...]) -> Iterator[str]:
    for one in seeded:
        if not count_of(one, reports):
            yield f"{one.route}: {one.kind} at {one.path} was not found"


def _unexpected(reports: Sequence[Report], seeded: tuple[SeededDifference, ...]) -> Iterator[str]:
    known = {(one.route, one.path, one.kind) for one in seeded}
    for (route, path, kind), times in _counted(reports):
        if times and (route, path, kind) not in known:
            yield f"{route}: {kind} at {path} is in no table"


def _counted(reports: Sequence[Report]) -> Iterator[tuple[Found, int]]:
    for report in reports:
        for difference in report["fields"]:
            found = report["route"], difference["path"], difference["kind"]
            yield found, difference["count"]


def _total(count: int | Mapping[str, int]) -> int:
    """A count, or the sum of one by reasons.

    >>> _total(3), _total({"head": 1, "loop": 2})
    (3, 3)
    """
    return count if isinstance(count, int) else sum(count.values())
