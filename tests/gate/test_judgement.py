import pytest

from proxy.comparison.kinds import Kind
from proxy.gate.evidence import RouteEvidence, Verdict
from proxy.gate.judgement import GateVerdict, Judgement, judge
from proxy.gate.options import GateOptions
from tests.gate.evidence import FIELDS, GOOD, HOUR_S, NOW_S, difference, evidence

OPTIONS = GateOptions()


def judged(found: RouteEvidence | None, *expired: str, now_s: float = NOW_S) -> Judgement:
    return judge(found, OPTIONS, FIELDS, now_s, expired)


def test_a_route_that_shows_all_that_is_asked_passes_and_says_by_what() -> None:
    judgement = judged(GOOD)
    assert judgement.verdict is GateVerdict.PASS
    assert judgement.because == (
        "max_mismatch 0.1 %, have at most 0.0569 % (0 of 9,380, confidence 95 %)",
    )
    assert (judgement.needed, judgement.eta_s, judgement.advice) == (0, None, ())


EMPTY = [
    None,
    evidence(compared=0, mismatches=0, verdicts={}),
    evidence(
        compared=0, mismatches=0, verdicts={}, outcomes={}, keys=0, requests=0, seen_fields=set()
    ),
]


@pytest.mark.parametrize("found", EMPTY, ids=["none", "nothing compared", "nothing at all"])
@pytest.mark.parametrize("lenient", [False, True])
def test_nothing_compared_is_never_enough(found: RouteEvidence | None, lenient: bool) -> None:
    options = OPTIONS
    if lenient:
        options = GateOptions(
            max_mismatch=0.999,
            confidence=0.01,
            min_keys=0,
            min_duration_s=0,
            min_field_coverage=0,
            max_unseen_mass=1,
        )
    judgement = judge(found, options, frozenset(), NOW_S)
    assert judgement.verdict is GateVerdict.INCONCLUSIVE
    assert judgement.because == ("nothing compared yet",)
    assert (judgement.upper, judgement.eta_s) == (1.0, None)


#: What is missing, the evidence that lacks it, and the reason.
MISSING = {
    "comparisons": (
        evidence(compared=1_500, from_s=NOW_S - 30 * HOUR_S),
        (
            "max_mismatch 0.1 %, have at most 0.261 % (0 of 1,500, confidence 95 %): "
            "needs about 3,241 more without a mismatch, at this rate by 2026-05-31T13:15:52Z"
        ),
    ),
    "duration": (evidence(from_s=NOW_S - 6 * HOUR_S), "min_duration 24h, have 6h"),
    "keys": (evidence(keys=199), "min_keys 200, have 199"),
    "fields": (
        evidence(seen_fields=frozenset({"$.order", "$.order.id"})),
        "min_field_coverage 90 %, have 50 % (2 of 4)",
    ),
    "shapes": (
        evidence(requests=1_000, shapes_once=11),
        "max_unseen_mass 1 %, have 1.1 % of 1,000 requests",
    ),
    "noise": (
        evidence(verdicts={Verdict.MATCH: 94, Verdict.NOISE: 6}),
        "max_noise 5 %, have 6 % (6 of 100)",
    ),
    "transient": (
        evidence(verdicts={Verdict.MATCH: 94, Verdict.TRANSIENT: 6}),
        "max_transient 5 %, have 6 % (6 of 100)",
    ),
    "answers": (
        evidence(outcomes={("compared", ""): 94, ("candidate_timeout", ""): 6}),
        "max_uncompared 5 %, have 6 % (6 of 100)",
    ),
}


def test_many_forbidden_differences_are_counted_and_the_worst_named() -> None:
    many = [difference(f"$.f{index}", Kind.TYPE, mismatches=index) for index in range(1, 41)]
    because = judged(evidence(differences=tuple(many))).because
    assert because[0] == "forbid type: $.f40 (40 mismatches)"
    assert because[-1] == "forbid: 30 more differences of such kinds"
    assert len(because) == 11


def test_names_that_one_client_makes_up_do_not_hold_up_a_route() -> None:
    made_up = difference("request:?utm_source", Kind.MISSING_FIELD, mismatches=1)
    assert judged(evidence(differences=(made_up,))).verdict is GateVerdict.PASS
    many = evidence(compared=1_000, mismatches=40, differences=(made_up,))
    assert judged(many).verdict is GateVerdict.FAIL


def test_differences_that_the_store_could_not_keep_might_be_forbidden() -> None:
    lost = evidence(overflow={"differences": 7, "clients": 3})
    judgement = judged(lost)
    assert judgement.verdict is GateVerdict.INCONCLUSIVE
    assert judgement.because == ("forbid: 7 differences were beyond what the store keeps",)
    nothing = GateOptions(forbid=frozenset())
    assert judge(lost, nothing, FIELDS, NOW_S).verdict is GateVerdict.PASS


@pytest.mark.parametrize("missing", MISSING)
def test_one_thing_missing_is_inconclusive_and_named(missing: str) -> None:
    found, because = MISSING[missing]
    judgement = judged(found)
    assert judgement.verdict is GateVerdict.INCONCLUSIVE
    assert judgement.because == (because,)


def test_all_that_is_missing_is_named_together() -> None:
    judgement = judged(evidence(compared=10, keys=2, from_s=NOW_S - HOUR_S))
    assert [line.split()[0] for line in judgement.because] == [
        "max_mismatch",
        "min_duration",
        "min_keys",
    ]


#: What is wrong, the evidence that has it, and the reason.
WRONG = {
    "forbidden kind": (
        evidence(differences=(difference("$.order", Kind.TYPE, mismatches=1),)),
        "forbid type: $.order (1 mismatch)",
    ),
    "rate": (
        evidence(compared=1_000, mismatches=12),
        "max_mismatch 0.1 %, have at least 0.237 % (12 of 1,000, confidence 95 %)",
    ),
    "noise": (
        evidence(verdicts={Verdict.MATCH: 800, Verdict.NOISE: 200}),
        "max_noise 5 %, have 20 % (200 of 1,000)",
    ),
    "transient": (
        evidence(verdicts={Verdict.MATCH: 800, Verdict.TRANSIENT: 200}),
        "max_transient 5 %, have 20 % (200 of 1,000)",
    ),
    "answers": (
        evidence(
            outcomes={
                ("compared", ""): 800,
                ("candidate_error", "unavailable"): 100,
                ("not_comparable", "truncated"): 100,
            }
        ),
        "max_uncompared 5 %, have 20 % (200 of 1,000)",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_more_of_the_same_would_not_mend_fails(wrong: str) -> None:
    found, because = WRONG[wrong]
    judgement = judged(found)
    assert (judgement.verdict, judgement.because) == (GateVerdict.FAIL, (because,))


def test_a_rule_past_its_day_fails_even_without_evidence() -> None:
    because = ("rule $.total ignore: expired",)
    for found in (None, GOOD):
        judgement = judged(found, "$.total ignore")
        assert (judgement.verdict, judgement.because) == (GateVerdict.FAIL, because)


def test_a_failure_is_told_before_what_is_missing() -> None:
    found = evidence(keys=1, differences=(difference(kind=Kind.MISSING_FIELD),))
    judgement = judged(found)
    assert judgement.verdict is GateVerdict.FAIL
    assert judgement.because == ("forbid missing_field: $.order.total (10 mismatches)",)


def test_a_forbidden_kind_that_was_only_noise_or_transient_does_not_block() -> None:
    found = evidence(differences=(difference(kind=Kind.MISSING_FIELD, count=9, mismatches=0),))
    assert judged(found).verdict is GateVerdict.PASS


def test_a_kind_that_is_not_forbidden_blocks_by_its_rate_alone() -> None:
    found = evidence(differences=(difference(kind=Kind.VALUE, mismatches=1),))
    assert judged(found).verdict is GateVerdict.PASS


def test_a_ceiling_of_nothing_is_passed_by_a_single_one() -> None:
    options = GateOptions(max_noise=0.0)
    assert judge(GOOD, options, FIELDS, NOW_S).verdict is GateVerdict.FAIL
    quiet = evidence(verdicts={Verdict.MATCH: 9_380})
    assert judge(quiet, options, FIELDS, NOW_S).verdict is GateVerdict.PASS


def test_a_ceiling_of_everything_stops_nothing() -> None:
    noisy = evidence(verdicts={Verdict.NOISE: 500})
    assert judge(noisy, GateOptions(max_noise=1.0), FIELDS, NOW_S).verdict is GateVerdict.PASS


def test_the_time_that_a_gate_takes_is_that_of_the_slowest_condition() -> None:
    began_s = NOW_S - 2 * HOUR_S
    few = judged(evidence(from_s=began_s, compared=100))
    assert few.eta_s == pytest.approx(NOW_S + few.needed * 2 * HOUR_S / 100)
    many = judged(evidence(from_s=began_s, compared=9_000))
    assert many.eta_s == began_s + 24 * HOUR_S


def test_traffic_that_has_ended_makes_the_time_longer_not_shorter() -> None:
    found = evidence(compared=1_000)
    soon, late = judged(found).eta_s, judged(found, now_s=NOW_S + 48 * HOUR_S).eta_s
    assert soon is not None
    assert late is not None
    assert late - NOW_S > 2 * (soon - NOW_S)


@pytest.mark.parametrize(
    ("compared", "now_s"), [(1, NOW_S), (500, GOOD.from_s), (500, GOOD.from_s - 5)]
)
def test_no_time_is_promised_that_cannot_be_said(compared: int, now_s: float) -> None:
    found = evidence(compared=compared)
    judgement = judged(found, now_s=now_s)
    assert judgement.eta_s is None
    assert "at this rate" not in judgement.because[0]


def test_the_longest_evidence_counts_to_its_last_comparison_not_to_now() -> None:
    found = evidence(from_s=NOW_S - 48 * HOUR_S, until_s=NOW_S - 47 * HOUR_S)
    assert judged(found).because == ("min_duration 24h, have 60m",)


def test_a_slower_side_is_advice_and_no_verdict() -> None:
    found = evidence(durations={"legacy": {4: 99, 20: 1}, "grpc": {4: 80, 12: 20}})
    judgement = judged(found)
    assert judgement.verdict is GateVerdict.PASS
    assert judgement.advice == (
        "gRPC is slower: 20 % of its answers take more than 1.58ms, as 1 % of legacy's do",
    )


def test_what_the_bound_says_is_shown_beside_that_of_one_look() -> None:
    judgement = judged(evidence(compared=9_000, mismatches=3))
    assert judgement.lower < 3 / 9_000 < judgement.one_look_upper < judgement.upper
    assert judgement.needed == 11_210 - 9_000


# --- what comparisons do not look at


def test_rules_that_ignore_everything_pass_nothing() -> None:
    judgement = judge(GOOD, GateOptions(min_field_coverage=0), frozenset(), NOW_S,
                      ignored_fields=FIELDS)  # fmt: skip
    assert judgement.verdict is GateVerdict.INCONCLUSIVE
    assert judgement.because == (
        "rules ignore all fields of the answer: nothing is left to compare",
    )


def test_an_answer_without_fields_has_none_to_be_ignored() -> None:
    assert judge(GOOD, OPTIONS, frozenset(), NOW_S).verdict is GateVerdict.PASS


def test_a_pass_says_what_rules_ignore() -> None:
    ignored = frozenset({"$.order.id"})
    judgement = judge(GOOD, OPTIONS, FIELDS - ignored, NOW_S, ignored_fields=ignored)
    assert judgement.verdict is GateVerdict.PASS
    assert judgement.because[1:] == ("rules ignore 1 of 4 fields of the answer",)
    assert judgement.advice == ()
    assert judgement.coverage.total == 3


def test_a_pass_says_that_no_answers_were_looked_at() -> None:
    caveat = "depth translate only: no answers are compared"
    judgement = judge(GOOD, OPTIONS, frozenset(), NOW_S, caveat=caveat)
    assert judgement.verdict is GateVerdict.PASS
    assert judgement.because[1:] == (caveat,)
    early = judge(None, OPTIONS, frozenset(), NOW_S, caveat=caveat)
    assert (early.because, early.advice) == (("nothing compared yet",), ())


def test_it_is_told_that_most_requests_were_not_looked_at() -> None:
    outcomes = {**GOOD.outcomes, ("skipped", "response_too_large"): 4_000}
    judgement = judged(evidence(outcomes=outcomes))
    assert judgement.verdict is GateVerdict.PASS
    [advice] = judgement.advice
    not_mirrored, most = advice.split(", most of them ")
    assert not_mirrored == "4,500 of 10,000 sampled requests were not mirrored"
    assert most == "skipped: response_too_large"
