"""The report on a route, as plain values: one form for programs, files and pages.

Belongs here: what a report says, in the shape of `gate.report_schema`. Does not: what follows from
the evidence (`gate.judgement`), how a report looks (`report`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from proxy.comparison.kinds import hint
from proxy.gate.coverage import coverage_of
from proxy.gate.evidence import FieldEvidence, RouteEvidence, Verdict
from proxy.gate.judgement import Judgement
from proxy.gate.latency import QUANTILES, Exceedance, compare_latency
from proxy.gate.noise import FieldNoise, field_noise
from proxy.gate.options import GateOptions
from proxy.gate.report_schema import VERSION
from proxy.gate.words import time_text

#: Fields that a report names as never seen; `coverage` counts all of them.
MAX_UNSEEN: Final = 100
_METHOD: Final = "beta-binomial-cs"
#: Digits of rates and shares: more would be noise, and would change with every rounding.
_DIGITS: Final = 12
#: What may become of an eligible request, and of a mirror that was sent.
_LEFT: Final = ("not_sampled", "skipped", "dropped", "sent")
_ENDED: Final = ("compared", "candidate_error", "candidate_timeout", "not_comparable")


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """One compare rule of a route; *text* is `path use`."""

    text: str
    use: str
    reason: str
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What the configuration says of a route, and where it stands.

    *percent* and *mirror_percent* are in percent; *depth* and *mirror_percent* are None without a
    mirror. *fields* are the paths of the fields of its answer. *uncompared* is why no answers are
    compared, None when they are.
    """

    name: str
    rpc: str
    stage: str
    percent: float
    depth: str | None
    mirror_percent: float | None
    config_digest: str
    fields: frozenset[str]
    rules: tuple[RuleFacts, ...] = ()
    gate: GateOptions | None = None
    uncompared: str | None = None


def route_report(
    facts: RouteFacts,
    evidence: RouteEvidence | None,
    judgement: Judgement | None,
    now_s: float,
) -> dict[str, Any]:
    """The report on a route as JSON values; every key is in `REPORT_SCHEMA`.

    *evidence* is None when there is none, *judgement* without a gate; *now_s* is of the Unix clock.
    """
    return {
        "schema": VERSION,
        **_standing(facts),
        "server_version": evidence.epoch.version if evidence else "",
        "generated": time_text(now_s),
        "window": _window(evidence),
        **_verdict(judgement),
        "uncompared": facts.uncompared,
        "gate": _gate(facts.gate),
        "counts": _counts(evidence),
        "bound": _bound(judgement),
        "ceilings": _ceilings(judgement),
        "fields": list(_fields(facts, evidence)),
        "rules": [_rule(rule, evidence) for rule in facts.rules],
        "controls": evidence.controls if evidence else 0,
        "coverage": _coverage(facts, evidence),
        "latency": _latency(evidence),
        "overflow": dict(evidence.overflow) if evidence else {},
    }


def _standing(facts: RouteFacts) -> dict[str, Any]:
    return {
        "route": facts.name,
        "rpc": facts.rpc,
        "stage": str(facts.stage),
        "percent": facts.percent,
        "depth": None if facts.depth is None else str(facts.depth),
        "mirror_percent": facts.mirror_percent,
        "config_digest": facts.config_digest,
    }


def _window(evidence: RouteEvidence | None) -> dict[str, str] | None:
    if evidence is None:
        return None
    return {"from": time_text(evidence.from_s), "to": time_text(evidence.until_s)}


def _verdict(judgement: Judgement | None) -> dict[str, Any]:
    return {
        "verdict": str(judgement.verdict) if judgement else None,
        "because": list(judgement.because) if judgement else [],
        "advice": list(judgement.advice) if judgement else [],
    }


def _gate(options: GateOptions | None) -> dict[str, Any] | None:
    return {**asdict(options), "forbid": sorted(map(str, options.forbid))} if options else None


def _counts(evidence: RouteEvidence | None) -> dict[str, Any]:
    lives = _Lives(evidence)
    verdicts = evidence.verdicts if evidence else {}
    left, ended = map(lives.total, _LEFT), map(lives.total, _ENDED)
    return {
        "eligible": lives.total("eligible"),
        "not_sampled": lives.total("not_sampled"),
        "skipped": lives.by_reason("skipped"),
        "dropped": lives.by_reason("dropped"),
        "waiting": lives.total("eligible") - sum(left),
        "sent": lives.total("sent"),
        "running": lives.total("sent") - sum(ended),
        "compared": lives.total("compared"),
        **{str(verdict): verdicts.get(verdict, 0) for verdict in Verdict},
        "unrecorded": lives.total("compared") - sum(verdicts.values()),
        "candidate_error": lives.by_reason("candidate_error"),
        "candidate_timeout": lives.total("candidate_timeout"),
        "not_comparable": lives.by_reason("not_comparable"),
    }


class _Lives:
    """The ends of the lives of a route's mirrors."""

    def __init__(self, evidence: RouteEvidence | None) -> None:
        self._outcomes = evidence.outcomes if evidence else {}

    def total(self, life: str) -> int:
        return sum(count for (each, _), count in self._outcomes.items() if each == life)

    def by_reason(self, life: str) -> dict[str, int]:
        """The most frequent first."""
        found = {reason: n for (each, reason), n in self._outcomes.items() if each == life and n}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _bound(judgement: Judgement | None) -> dict[str, Any] | None:
    if judgement is None:
        return None
    return {
        "method": _METHOD,
        "confidence": judgement.confidence,
        "compared": judgement.compared,
        "mismatches": judgement.mismatches,
        "lower": round(judgement.lower, _DIGITS),
        "upper": round(judgement.upper, _DIGITS),
        "one_look_upper": round(judgement.one_look_upper, _DIGITS),
        "limit": judgement.limit,
        "needed": judgement.needed,
        "eta": None if judgement.eta_s is None else time_text(judgement.eta_s),
    }


def _ceilings(judgement: Judgement | None) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "part": each.part,
            "whole": each.whole,
            "share": round(each.share, _DIGITS),
            "limit": each.limit,
        }
        for each in (judgement.ceilings if judgement else ())
    ]


def _fields(facts: RouteFacts, evidence: RouteEvidence | None) -> Iterator[dict[str, Any]]:
    if evidence is None:
        return
    noise = field_noise(evidence.differences)
    every = sum(evidence.verdicts.values())
    worst_first = sorted(
        evidence.differences,
        key=lambda each: (-each.mismatches, -each.count, each.path, each.kind),
    )
    for each in worst_first:
        yield {
            **_difference(each),
            "rate": round(min(1.0, each.count / every), _DIGITS) if every else 0.0,
            "forbidden": facts.gate is not None and facts.gate.forbids(each.path, each.kind),
            "noise": _noise(noise[each.path, each.kind]),
        }


def _difference(each: FieldEvidence) -> dict[str, Any]:
    return {
        "path": each.path,
        "kind": str(each.kind),
        "count": each.count,
        "mismatches": each.mismatches,
        "first": time_text(each.first_s),
        "last": time_text(each.last_s),
        "hint": hint(each.path, each.kind),
        "examples": list(each.examples),
    }


def _noise(noise: FieldNoise) -> dict[str, Any]:
    return {
        "b": noise.b,
        "c": noise.c,
        "both": noise.both,
        "p": noise.p,
        "finding": str(noise.finding),
    }


def _rule(rule: RuleFacts, evidence: RouteEvidence | None) -> dict[str, Any]:
    return {
        "path": rule.text.removesuffix(f" {rule.use}"),
        "use": rule.use,
        "reason": rule.reason,
        "expires": rule.expires.isoformat() if rule.expires else None,
        "hits": evidence.rule_hits.get(rule.text, 0) if evidence else 0,
    }


def _coverage(facts: RouteFacts, evidence: RouteEvidence | None) -> dict[str, Any]:
    covered = coverage_of(evidence, facts.fields)
    return {
        "fields": round(covered.fields, _DIGITS),
        "seen": covered.seen,
        "total": covered.total,
        "unseen": list(covered.unseen[:MAX_UNSEEN]),
        "keys": covered.keys,
        "requests": covered.requests,
        "unseen_mass": round(covered.unseen_mass, _DIGITS),
    }


def _latency(evidence: RouteEvidence | None) -> dict[str, Any]:
    durations: Mapping[str, Mapping[int, int]] = evidence.durations if evidence else {}
    latency = compare_latency(durations)
    sides = {
        side: {
            "count": count,
            **{
                f"p{round(quantile * 100)}_s": at_s
                for quantile, at_s in zip(QUANTILES, latency.quantiles[side], strict=True)
            },
        }
        for side, count in latency.counts.items()
    }
    return {**sides, "exceedance": [_exceedance(each) for each in latency.exceedances]}


def _exceedance(each: Exceedance) -> dict[str, float]:
    return {
        "quantile": each.quantile,
        "threshold_s": each.threshold_s,
        "legacy": round(each.legacy, _DIGITS),
        "grpc": round(each.grpc, _DIGITS),
    }
