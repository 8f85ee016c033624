"""What follows from the evidence of a route: it may be promoted, it may not, or it is too early.

Belongs here: the verdict of the gate and its reasons in words and numbers. Does not: the single
measures (`gate.bound`, `gate.coverage`), what is shown (`gate.report`), the move (`cutover`).

A route *fails* on what more of the same traffic would not mend: a mismatch of a forbidden kind, a
rate that is surely above the limit, a rule past its day, a share that is surely above its ceiling.
"Surely" is the lower end of the same confidence sequence whose upper end lets a route pass: both
ends together are wrong with a probability of at most alpha. It is *inconclusive* while anything
asked for is not there yet, and without a single comparison always. Evidence counts as it stands
now: after a repair without a new version of the server, begin it anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from proxy.gate.bound import ConfidenceSequence, one_look_upper
from proxy.gate.coverage import Coverage, coverage_of
from proxy.gate.evidence import RouteEvidence, Verdict
from proxy.gate.latency import compare_latency
from proxy.gate.options import GateOptions
from proxy.gate.words import (
    at_least_text,
    at_most_text,
    duration_text,
    number_text,
    share_text,
    time_text,
)

#: Ends of a mirror's life after it was sent that leave nothing to compare.
UNCOMPARED: Final = ("candidate_error", "candidate_timeout", "not_comparable")
#: Beyond this an extrapolation says nothing: the traffic will not come at this rate.
_IN_SIGHT_S: Final = 366 * 86_400.0
#: Differences of forbidden kinds that are named, those with most mismatches first.
_NAMED: Final = 10
#: From which share of the sampled requests that were not mirrored the report speaks of it.
_UNLOOKED: Final = 0.1
#: From how much more often gRPC exceeds a bound of legacy's the report speaks of it.
_SLOWER: Final = 1.2


class GateVerdict(StrEnum):
    """Whether a route may be promoted."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A share that may not be large: what it is of, how large it is, and what is allowed."""

    name: str
    part: int
    whole: int
    limit: float

    @property
    def share(self) -> float:
        """From 0 to 1; 0 of nothing."""
        return self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a route with all that it follows from. Rates and shares are from 0 to 1.

    *because* are the reasons: of a failure what failed, else what is not there yet, or what the
    route passed by. *upper* and *lower* are the ends of the confidence sequence on the rate of
    mismatches. *needed* is how many more
    comparisons without a mismatch bring *upper* to the limit; *eta_s* is when, on the Unix clock,
    these and the minimum duration are there if traffic goes on as it has: None when they are, and
    when that is not in sight. *advice* decides nothing.
    """

    verdict: GateVerdict
    because: tuple[str, ...]
    limit: float
    confidence: float
    compared: int
    mismatches: int
    lower: float
    upper: float
    needed: int
    eta_s: float | None
    coverage: Coverage
    ceilings: tuple[Ceiling, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def one_look_upper(self) -> float:
        """The bound of Clopper and Pearson, right for who looks once.

        It is made when it is asked for: it takes ten times as long as all of a judgement.
        """
        return one_look_upper(self.mismatches, self.compared, 1 - self.confidence)


def judge(
    evidence: RouteEvidence | None,
    options: GateOptions,
    all_fields: frozenset[str],
    now_s: float,
    expired_rules: Sequence[str] = (),
    *,
    ignored_fields: frozenset[str] = frozenset(),
    caveat: str = "",
) -> Judgement:
    """Judge a route by its *evidence*, None when there is none.

    *all_fields* are the paths of the fields of the answer that are compared, *ignored_fields* of
    those that rules leave out. *expired_rules* are the texts of compare rules that are past their
    day, *now_s* is the time of the Unix clock. *caveat* is what the mirrors of the route do not
    look at, "" for nothing: a pass says so.
    """
    scope = _Scope(all_fields, ignored_fields, caveat)
    return _Judge(evidence, options, scope, now_s, tuple(expired_rules)).judgement()


class _Scope(NamedTuple):
    """What the comparisons of a route look at; see `judge`."""

    fields: frozenset[str]
    ignored: frozenset[str]
    caveat: str

    def caveats(self) -> Iterator[str]:
        """What a pass does not cover."""
        if self.caveat:
            yield self.caveat
        yield from self.left_out()

    def left_out(self) -> Iterator[str]:
        """What of the answers is not compared."""
        if self.ignored:
            every = number_text(len(self.fields | self.ignored))
            yield f"rules ignore {number_text(len(self.ignored))} of {every} fields of the answer"


class _Judge:
    """One judgement in the making."""

    def __init__(
        self,
        evidence: RouteEvidence | None,
        options: GateOptions,
        scope: _Scope,
        now_s: float,
        expired_rules: tuple[str, ...],
    ) -> None:
        self._evidence = evidence
        self._scope = scope
        self._options = options
        self._now_s = now_s
        self._expired = expired_rules
        self._sequence = ConfidenceSequence(options.max_mismatch, 1 - options.confidence)
        self._counts = (evidence.mismatches, evidence.compared) if evidence else (0, 0)
        self._coverage = coverage_of(evidence, scope.fields)
        self._ceilings = tuple(_ceilings(evidence, options)) if evidence else ()

    def judgement(self) -> Judgement:
        failures = tuple(self._failures())
        missing = tuple(self._missing())
        if failures:
            verdict, because = GateVerdict.FAIL, failures
        elif missing:
            verdict, because = GateVerdict.INCONCLUSIVE, missing
        else:
            verdict, because = GateVerdict.PASS, (self._bound_text(), *self._scope.caveats())
        return self._with(verdict, because)

    def _advice(self) -> Iterator[str]:
        """What decides nothing; a reason is not said twice."""
        if self._evidence is not None:
            yield from _slower(self._evidence)
            yield from _unlooked(self._evidence)
        yield from self._scope.left_out()

    def _with(self, verdict: GateVerdict, because: tuple[str, ...]) -> Judgement:
        mismatches, compared = self._counts
        return Judgement(
            verdict,
            because,
            limit=self._options.max_mismatch,
            confidence=self._options.confidence,
            compared=compared,
            mismatches=mismatches,
            lower=self._sequence.lower(*self._counts),
            upper=self._sequence.upper(*self._counts),
            needed=self._needed(),
            eta_s=self._eta_s(),
            coverage=self._coverage,
            ceilings=self._ceilings,
            advice=tuple(each for each in dict.fromkeys(self._advice()) if each not in because),
        )

    def _failures(self) -> Iterator[str]:
        yield from (f"rule {rule}: expired" for rule in self._expired)
        if self._evidence is None:
            return
        yield from _forbidden(self._evidence, self._options)
        if self._sequence.is_above(*self._counts):
            yield self._above_text()
        for ceiling in self._ceilings:
            if self._is_surely_above(ceiling):
                yield _ceiling_text(ceiling)

    def _missing(self) -> Iterator[str]:
        if self._evidence is None or not self._evidence.compared:
            yield "nothing compared yet"
            return
        if self._scope.ignored and not self._scope.fields:
            yield "rules ignore all fields of the answer: nothing is left to compare"
        if not self._sequence.is_below(*self._counts):
            yield self._bound_text() + self._needed_text()
        yield from self._too_little()
        yield from (_ceiling_text(each) for each in self._ceilings if each.share > each.limit)
        yield from _unkept(self._evidence, self._options)

    def _too_little(self) -> Iterator[str]:
        options, covered = self._options, self._coverage
        if self._duration_s() < options.min_duration_s:
            has = duration_text(self._duration_s())
            yield f"min_duration {duration_text(options.min_duration_s)}, have {has}"
        if covered.keys < options.min_keys:
            yield f"min_keys {number_text(options.min_keys)}, have {number_text(covered.keys)}"
        if covered.fields < options.min_field_coverage:
            asked, has = share_text(options.min_field_coverage), at_least_text(covered.fields)
            yield f"min_field_coverage {asked}, have {has} ({covered.seen} of {covered.total})"
        if covered.unseen_mass > options.max_unseen_mass:
            asked, has = share_text(options.max_unseen_mass), at_most_text(covered.unseen_mass)
            yield f"max_unseen_mass {asked}, have {has} of {number_text(covered.requests)} requests"

    def _is_surely_above(self, ceiling: Ceiling) -> bool:
        if not 0 < ceiling.limit < 1:
            return ceiling.share > ceiling.limit
        sequence = ConfidenceSequence(ceiling.limit, self._sequence.alpha)
        return sequence.is_above(ceiling.part, ceiling.whole)

    def _duration_s(self) -> float:
        return self._evidence.until_s - self._evidence.from_s if self._evidence else 0.0

    def _bound_text(self) -> str:
        upper = at_most_text(self._sequence.upper(*self._counts))
        limit = share_text(self._sequence.limit)
        return f"max_mismatch {limit}, have at most {upper} ({self._counted()})"

    def _above_text(self) -> str:
        lower = at_least_text(self._sequence.lower(*self._counts))
        limit = share_text(self._sequence.limit)
        return f"max_mismatch {limit}, have at least {lower} ({self._counted()})"

    def _counted(self) -> str:
        mismatches, compared = map(number_text, self._counts)
        return f"{mismatches} of {compared}, confidence {share_text(self._options.confidence)}"

    def _needed_text(self) -> str:
        at_s = self._there_s()
        by = f", at this rate by {time_text(at_s)}" if at_s is not None else ""
        return f": needs about {number_text(self._needed())} more without a mismatch{by}"

    def _needed(self) -> int:
        mismatches, compared = self._counts
        return max(0, self._sequence.needed(mismatches) - compared)

    def _there_s(self) -> float | None:
        """When the comparisons are there that are needed; None when that is not in sight."""
        evidence = self._evidence
        if evidence is None or not evidence.compared or self._now_s <= evidence.from_s:
            return None
        # Up to now, not to the last comparison: traffic that has ended brings nothing more.
        each_s = (self._now_s - evidence.from_s) / evidence.compared
        wait_s = self._needed() * each_s
        return self._now_s + wait_s if wait_s <= _IN_SIGHT_S else None

    def _eta_s(self) -> float | None:
        there_s = self._there_s()
        if there_s is None or self._evidence is None:
            return None
        old_enough_s = self._evidence.from_s + self._options.min_duration_s
        eta_s = max(there_s, old_enough_s)
        return eta_s if eta_s > self._now_s else None


def _forbidden(evidence: RouteEvidence, options: GateOptions) -> Iterator[str]:
    found = [each for each in evidence.differences if options.forbids(each.path, each.kind)]
    blocking = sorted(
        (each for each in found if each.mismatches), key=lambda each: -each.mismatches
    )
    for each in blocking[:_NAMED]:
        times = "1 mismatch" if each.mismatches == 1 else f"{each.mismatches:,} mismatches"
        yield f"forbid {each.kind}: {each.path} ({times})"
    if len(blocking) > _NAMED:
        yield f"forbid: {number_text(len(blocking) - _NAMED)} more differences of such kinds"


def _unkept(evidence: RouteEvidence, options: GateOptions) -> Iterator[str]:
    """That nobody can say of all differences that they are of no forbidden kind."""
    unkept = evidence.overflow.get("differences", 0)
    if unkept and options.forbid:
        yield f"forbid: {number_text(unkept)} differences were beyond what the store keeps"


def _ceilings(evidence: RouteEvidence, options: GateOptions) -> Iterator[Ceiling]:
    verdicts, every = evidence.verdicts, sum(evidence.verdicts.values())
    noise, transient = verdicts.get(Verdict.NOISE, 0), verdicts.get(Verdict.TRANSIENT, 0)
    yield Ceiling("max_noise", noise, every, options.max_noise)
    yield Ceiling("max_transient", transient, every, options.max_transient)
    ends = evidence.outcomes.items()
    nothing = sum(count for (life, _), count in ends if life in UNCOMPARED)
    compared = sum(count for (life, _), count in ends if life == "compared")
    # Of those that have ended: what is still under way has failed nothing.
    yield Ceiling("max_uncompared", nothing, nothing + compared, options.max_uncompared)


def _ceiling_text(ceiling: Ceiling) -> str:
    counted = f"{number_text(ceiling.part)} of {number_text(ceiling.whole)}"
    has = at_most_text(ceiling.share)
    return f"{ceiling.name} {share_text(ceiling.limit)}, have {has} ({counted})"


def _unlooked(evidence: RouteEvidence) -> Iterator[str]:
    """That much of what was to be mirrored was not: the rest may not be like it."""
    ends = evidence.outcomes
    lost = {end: count for end, count in ends.items() if end[0] in ("skipped", "dropped")}
    asked = ends.get(("eligible", ""), 0) - ends.get(("not_sampled", ""), 0)
    unlooked = sum(lost.values())
    if asked > 0 and unlooked > asked * _UNLOOKED:
        life, reason = max(lost, key=lambda end: (lost[end], end))
        of_them = f"{number_text(unlooked)} of {number_text(asked)}"
        yield f"{of_them} sampled requests were not mirrored, most of them {life}: {reason}"


def _slower(evidence: RouteEvidence) -> Iterator[str]:
    for each in compare_latency(evidence.durations).exceedances:
        if each.grpc > each.legacy * _SLOWER and each.grpc > 1 - each.quantile:
            yield (
                f"gRPC is slower: {share_text(each.grpc)} of its answers take more than "
                f"{duration_text(each.threshold_s)}, as {share_text(each.legacy)} of legacy's do"
            )
