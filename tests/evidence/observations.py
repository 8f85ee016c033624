"""Observations in few words."""

from collections.abc import Iterable
from hashlib import blake2b

from proxy.comparison.kinds import Kind
from proxy.evidence import Batch, EvidenceStore
from proxy.gate.evidence import Control, Epoch, Finding, Observation, StoredValue, Verdict

#: 2026-11-23 12:00:00 UTC: the beginning of an hour.
NOON_S = 1_795_435_200.0
EPOCH = Epoch("get-zone", "digest", "v1")
HIDDEN = StoredValue("string", 5, None, "00112233445566aa")


def eight(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def found(path: str = "$.a", kind: Kind = Kind.VALUE, value: StoredValue = HIDDEN) -> Finding:
    return Finding(path, kind, 1, value, value)


def seen(
    verdict: Verdict = Verdict.MATCH,
    *findings: Finding,
    at_s: float = NOON_S,
    epoch: Epoch = EPOCH,
    client: str = "kim",
    shape: str = "name",
    fields: Iterable[str] = (),
    rules: Iterable[str] = (),
    control: Control | None = None,
    legacy_s: float | None = None,
    grpc_s: float | None = None,
    **about: str,
) -> Observation:
    return Observation(
        epoch=epoch,
        at_s=at_s,
        key=eight(client),
        shape=eight(shape),
        verdict=verdict,
        findings=findings,
        fields=frozenset(fields),
        rule_hits=dict.fromkeys(rules, 1),
        control=control,
        legacy_s=legacy_s,
        grpc_s=grpc_s,
        about=about,
    )


def write(store: EvidenceStore, *observations: Observation) -> None:
    store.write(Batch(observations, at_s=NOON_S))


def count(
    store: EvidenceStore, life: str, *, epoch: Epoch = EPOCH, times: int = 1, at_s: float = NOON_S
) -> None:
    store.write(Batch((), {(epoch, (life, "")): times}, at_s))
