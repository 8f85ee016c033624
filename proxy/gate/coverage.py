"""How much of a route the evidence has seen: fields, kinds of requests, clients.

Belongs here: the shares. Does not: which of them a gate asks for (`gate.judgement`), which fields
an answer has (`comparison`).
"""

from dataclasses import dataclass

from proxy.gate.evidence import RouteEvidence


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a route was seen. Shares are from 0 to 1.

    *fields* is the share of the answer's fields that legacy has filled at least once, *unseen*
    are the paths of the others, in order. *unseen_mass* is the share of future requests whose
    shape (which fields they fill) has not been seen: by Good and Turing about as many as there
    were requests of a shape seen once. *keys* counts clients.
    """

    fields: float
    seen: int
    total: int
    unseen: tuple[str, ...]
    unseen_mass: float
    keys: int
    requests: int


def coverage_of(evidence: RouteEvidence | None, all_fields: frozenset[str]) -> Coverage:
    """What *evidence* has seen of a route whose answer has *all_fields*.

    An answer without fields is covered whole. Without requests all is unseen.
    """
    seen = all_fields & evidence.seen_fields if evidence else frozenset()
    return Coverage(
        fields=len(seen) / len(all_fields) if all_fields else 1.0,
        seen=len(seen),
        total=len(all_fields),
        unseen=tuple(sorted(all_fields - seen)),
        unseen_mass=_unseen_mass(evidence),
        keys=evidence.keys if evidence else 0,
        requests=evidence.requests if evidence else 0,
    )


def _unseen_mass(evidence: RouteEvidence | None) -> float:
    if evidence is None or not evidence.requests:
        return 1.0
    return min(1.0, evidence.shapes_once / evidence.requests)
