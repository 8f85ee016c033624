"""Examples: a sample of each kind of difference at each path, and the newest.

Belongs here: which are kept, and their form in the store. Does not: what may be shown of them
(`gate.redaction`); they come as they may be kept.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import orjson

from proxy.comparison.kinds import Kind
from proxy.evidence.batch import Occurrences, Where
from proxy.evidence.limits import EXAMPLE_BYTES, RESERVOIR
from proxy.evidence.session import Row, Session
from proxy.gate.evidence import Example, Finding, Observation, StoredValue

#: Of an example, at most these bytes describe its request; the rest is for what differs.
_ABOUT_BYTES: Final = EXAMPLE_BYTES // 2

_KEEP: Final = (
    "INSERT INTO cutover_example (epoch, path, kind, slot, id, at_s, content)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (epoch, path, kind, slot)"
    " DO UPDATE SET id = excluded.id, at_s = excluded.at_s, content = excluded.content"
)
_TRIM: Final = (
    "DELETE FROM cutover_example WHERE at_s <"
    " (SELECT at_s FROM cutover_example ORDER BY at_s DESC LIMIT 1 OFFSET ?)"
)


class Kept(NamedTuple):
    """One example in its place; the place after the sample is the newest's."""

    epoch: int
    path: str
    kind: str
    slot: int
    id: str
    at_s: float
    content: str


def chosen(
    epoch: int, where: Where, occurrences: Occurrences, before: int, random: Random
) -> list[Kept]:
    """The examples to keep of *occurrences*, when there were so many *before*.

    Each occurrence of the epoch is in the sample with the same probability (Vitter's algorithm R).
    """
    places: dict[int, int] = {}
    for index in range(len(occurrences.seen)):
        number = before + index
        slot = number if number < RESERVOIR else random.randrange(number + 1)
        if slot < RESERVOIR:
            places[slot] = index
    places[RESERVOIR] = len(occurrences.seen) - 1
    identities = {index: f"ex_{random.getrandbits(48):012x}" for index in set(places.values())}
    path, kind = where
    return [
        Kept(
            *(epoch, path, kind.value, slot, identities[index]),
            occurrences.seen[index][0].at_s,
            _content(*occurrences.seen[index]),
        )
        for slot, index in places.items()
    ]


def keep(session: Session, kept: Sequence[Kept], limit: int) -> None:
    """Store *kept* in place of what had their places; of all, the newest *limit* stay."""
    if kept:
        session.run_each(_KEEP, kept)
        session.run(_TRIM, limit - 1)


def decoded(row: Row) -> Example:
    """The example of a row: id, route, time, content."""
    identity, route, at_s, content = row
    document = orjson.loads(content)
    findings = tuple(_finding(each) for each in document["findings"])
    return Example(identity, route, at_s, document["about"], findings)


def _content(observation: Observation, first: Finding) -> str:
    """*observation* as JSON, beginning with the finding *first*; what finds no room is left out."""
    about = _fitting(observation.about)
    room = EXAMPLE_BYTES - len(orjson.dumps({"about": about, "findings": []}))
    findings: list[Any] = []
    for finding in (first, *(each for each in observation.findings if each is not first)):
        encoded = _encoded(finding)
        room -= len(orjson.dumps(encoded)) + 1
        if room < 0:
            break
        findings.append(encoded)
    return orjson.dumps({"about": about, "findings": findings}).decode()


def _fitting(about: Mapping[str, str]) -> dict[str, str]:
    fitting: dict[str, str] = {}
    room = _ABOUT_BYTES
    for name, text in about.items():
        room -= len(orjson.dumps({name: text}))
        if room < 0:
            break
        fitting[name] = text
    return fitting


def _encoded(finding: Finding) -> list[Any]:
    values = (
        [value.type, value.length, value.text, value.hashed]
        for value in (finding.legacy, finding.grpc)
    )
    return [finding.path, finding.kind.value, finding.times, *values]


def _finding(encoded: list[Any]) -> Finding:
    path, kind, times, legacy, grpc = encoded
    return Finding(path, Kind(kind), times, StoredValue(*legacy), StoredValue(*grpc))
