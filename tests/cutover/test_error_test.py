"""The sequential error test: its e-value exactly, and how soon it sees a failing gRPC side."""

import random
from fractions import Fraction
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.error_test import (
    EVENTS,
    RENEW_AFTER_S,
    ErrorTest,
    ErrorTestOptions,
    Evidence,
    Share,
)

RATIOS = (Fraction(3, 2), 2, 4, 8, 16, 64)

#: Requests as (on gRPC, failed).
requests = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)


def exact_e_value(
    moves: list[tuple[int, list[tuple[bool, bool]]]], allowed: Fraction = Fraction(1)
) -> Fraction:
    """The e-value in fractions, straight from the text of the module."""
    kept, errors = Fraction(1, 10), 0
    bets = [Fraction(9, 10) / 6] * 6
    for basis_points, stream in moves:
        configured = Fraction(basis_points, 10_000)
        prior = min(Fraction(80), max(Fraction(20), 320 * configured))
        grpc = legacy = 0
        if errors:
            bets = [bet + kept / 4 / 6 for bet in bets]
            kept -= kept / 4
        for on_grpc, failed in stream:
            if failed:
                stake = min(kept, Fraction(1, 5000))
                kept, errors = kept - stake, errors + 1
                share = (prior * configured + grpc) / (prior + grpc + legacy)
                share = allowed * share / (1 - share + allowed * share)
                for index, ratio in enumerate(RATIOS):
                    q = ratio * share / (1 - share + ratio * share)
                    bets[index] += stake / 6
                    bets[index] *= q / share if on_grpc else (1 - q) / (1 - share)
            grpc, legacy = grpc + on_grpc, legacy + (not on_grpc)
    return kept + sum(bets)


def feed(test: ErrorTest, stream: list[tuple[bool, bool]]) -> Evidence | None:
    for on_grpc, failed in stream:
        if failed:
            evidence = test.failed(on_grpc, 0.0)
            if evidence is not None:
                return evidence
        else:
            test.answered(on_grpc)
    return None


@given(
    st.lists(st.tuples(st.sampled_from([1, 100, 500, 2500, 5000, 9999]), requests), min_size=1),
    st.sampled_from([Fraction(1), Fraction(3, 2), Fraction(7)]),
)
def test_the_e_value_is_exact(moves, allowed):
    options = ErrorTestOptions(max_e_value=1e300, allowed_ratio=float(allowed))
    test = ErrorTest(options, moves[0][0])
    feed(test, moves[0][1])
    for basis_points, stream in moves[1:]:
        test.moved(basis_points)
        feed(test, stream)
    assert test.e_value == pytest.approx(float(exact_e_value(moves, allowed)), rel=1e-9)


@given(st.sampled_from([1, 500, 2500, 5000, 9999]), requests)
def test_each_event_is_a_fair_bet(basis_points, stream):
    def after(on_grpc: bool) -> ErrorTest:
        test = ErrorTest(ErrorTestOptions(max_e_value=1e300), basis_points)
        feed(test, stream)
        test.failed(on_grpc, 0.0)
        return test

    before = ErrorTest(ErrorTestOptions(max_e_value=1e300), basis_points)
    feed(before, stream)
    on_grpc, on_legacy = after(True), after(False)
    share = on_grpc.evidence.share
    expected = share * on_grpc.e_value + (1 - share) * on_legacy.e_value
    assert expected == pytest.approx(before.e_value, rel=1e-9)


@pytest.mark.parametrize("percent", range(5, 26))
@pytest.mark.parametrize("earlier", [0, 40, 400])
def test_it_ends_within_five_failures_that_are_all_on_grpc(percent, earlier):
    test = ErrorTest(ErrorTestOptions(), percent * 100)
    for number in range(earlier):
        test.answered(number * percent % 100 < percent)
    failures, number, evidence = 0, 0, None
    while evidence is None:
        on_grpc = number * percent % 100 < percent
        number += 1
        failures += on_grpc
        evidence = test.failed(on_grpc=True, now_s=0.0) if on_grpc else test.answered(False)
    assert failures <= 5
    assert (evidence.errors, evidence.grpc_errors) == (failures, failures)
    assert evidence.e_value >= 100


@pytest.mark.parametrize("percent", [5, 10, 15, 20, 25])
def test_five_failures_suffice_for_nearly_every_order_of_requests(percent):
    """The share is a guess: at 25 % bad luck takes it for 30 % in the rarest of cases."""
    chance, within = random.Random(percent), 0
    runs = 300
    for _ in range(runs):
        test, failures = ErrorTest(ErrorTestOptions(), percent * 100), 0
        for _ in range(chance.choice([0, 20, 100, 300])):
            test.answered(chance.random() < percent / 100)
        ended = False
        while not ended:
            if chance.random() < percent / 100:
                failures += 1
                ended = test.failed(True, 0.0) is not None
            else:
                test.answered(False)
        assert failures <= 6
        within += failures <= 5
    assert within >= 0.99 * runs


@pytest.mark.parametrize("percent", [0.1, 1, 5, 25])
def test_one_client_alone_never_brings_a_route_back(percent):
    test = ErrorTest(ErrorTestOptions(), round(percent * 100))
    for number in range(5000):
        assert test.failed(True, 0.0, bucket=7) is None
        if number % 2:
            test.answered(True)
    assert test.evidence.grpc_errors == 1


def test_a_client_counts_as_often_as_there_are_clients_with_failures():
    test = ErrorTest(ErrorTestOptions(max_e_value=1e300), 2500)
    counted = []
    for bucket in [1, 1, 2, 2, 2, 1, 1, 3, 3, 3, 3, 1, 1, 2]:
        before = test.evidence.grpc_errors
        test.failed(True, 0.0, bucket)
        counted.append(test.evidence.grpc_errors - before)
    assert counted == [1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1]


def test_a_failure_that_does_not_count_is_a_request_all_the_same():
    counted, capped = (ErrorTest(ErrorTestOptions(max_e_value=1e300), 2500) for _ in range(2))
    for number in range(50):
        counted.failed(True, 0.0, number)
        capped.failed(True, 0.0, 7)
    for test in (counted, capped):
        test.failed(False, 0.0)
    assert capped.evidence.share == counted.evidence.share
    assert capped.e_value < counted.e_value


def test_where_all_clients_on_grpc_share_a_bucket_every_failure_counts():
    test, failures = ErrorTest(ErrorTestOptions(), 1), 1
    while test.failed(True, 0.0, bucket=0) is None:
        failures += 1
    assert failures <= 5


def test_clients_are_told_apart_anew_when_the_test_begins_anew():
    test = ErrorTest(ErrorTestOptions(max_e_value=1e300), 2500)
    for _ in range(2):
        test.failed(True, 0.0, 7)
    test.failed(True, RENEW_AFTER_S, 7)
    assert test.evidence.grpc_errors == 1


@pytest.mark.parametrize("percent", range(5, 26))
@pytest.mark.parametrize("clients", [3, 4, 100])
def test_a_few_clients_suffice_to_end_it_within_five_failures(percent, clients):
    test, failures = ErrorTest(ErrorTestOptions(), percent * 100), 1
    while test.failed(True, 0.0, failures % clients) is None:
        failures += 1
    assert failures <= 5


@pytest.mark.parametrize(
    ("percent", "ratio", "at_most"),
    [(5, 5, 60), (5, 20, 12), (25, 5, 30), (25, 20, 11), (50, 5, 30)],
)
def test_a_raised_error_rate_is_seen_soon(percent, ratio, at_most):
    chance, share = random.Random(3), percent / 100
    on_grpc_share = ratio * share / (1 - share + ratio * share)
    events = []
    for _ in range(100):
        test, count = ErrorTest(ErrorTestOptions(), percent * 100), 1
        for _ in range(300):
            test.answered(chance.random() < share)
        while test.failed(chance.random() < on_grpc_share, 0.0) is None:
            count += 1
        events.append(count)
    assert median(events) <= at_most


@pytest.mark.parametrize(("percent", "at_most"), [(5, 8), (25, 15)])
@pytest.mark.parametrize("history", [50, 200, 450])
def test_good_times_do_not_hide_a_new_regression(percent, at_most, history):
    chance = random.Random(history)
    failures = []
    for _ in range(50):
        test = ErrorTest(ErrorTestOptions(), percent * 100)
        for number in range(history * 4):
            on_grpc = chance.random() * 100 < percent
            if number % 4:
                test.answered(on_grpc)
            elif test.failed(on_grpc, 0.0) is not None:
                break
        else:
            count = 1
            while test.failed(True, 0.0) is None:
                count += 1
            failures.append(count)
    assert len(failures) > 45
    assert max(failures) <= at_most + 4
    assert median(failures) <= at_most


def test_a_move_of_the_percentage_stakes_more_of_what_was_kept():
    still, moved = (ErrorTest(ErrorTestOptions(), 2500) for _ in range(2))
    for test in (still, moved):
        for number in range(400):
            test.failed(number % 4 == 0, 0.0)
    moved.moved(2500)
    assert moved.e_value == pytest.approx(still.e_value)
    counts = []
    for test in (still, moved):
        counts.append(1)
        while test.failed(True, 0.0) is None:
            counts[-1] += 1
    assert counts[1] < counts[0]


@pytest.mark.parametrize(("events", "later_s"), [(EVENTS, 1.0), (3, RENEW_AFTER_S)])
def test_it_begins_anew_after_many_events_or_a_day(events, later_s):
    test = ErrorTest(ErrorTestOptions(), 500)
    for _ in range(events):
        test.failed(False, 0.0)
    assert test.evidence.errors == events
    worn = test.e_value
    test.failed(True, later_s)
    assert test.evidence.errors == 1
    assert test.e_value > 5 > 1 > worn


def test_without_a_legacy_side_there_is_no_evidence():
    test = ErrorTest(ErrorTestOptions(), 10_000)
    assert feed(test, [(True, True)] * 400) is None
    assert test.e_value == pytest.approx(1.0)


def test_errors_on_legacy_alone_are_no_reason():
    test = ErrorTest(ErrorTestOptions(), 5000)
    assert feed(test, [(False, True)] * 2000) is None


def test_an_allowed_ratio_takes_more_to_end():
    strict, lenient = (ErrorTest(ErrorTestOptions(allowed_ratio=each), 500) for each in (1.0, 4.0))
    for test in (strict, lenient):
        test.failed(True, 0.0)
    assert lenient.e_value < strict.e_value


def test_the_share_begins_at_the_percentage_and_goes_where_the_requests_are():
    share = Share(500)
    assert share.value == pytest.approx(0.05)
    for _ in range(1000):
        share.count(True)
        share.count(False)
    assert share.value == pytest.approx(0.5, abs=0.01)
    assert "of 2000" in repr(share)


def test_the_share_follows_clients_that_come_and_go():
    share = Share(500)
    for number in range(100_000):
        share.count(number % 2 == 0)
    for _ in range(60_000):
        share.count(False)
    assert share.value < 0.05


def test_the_evidence_reads_as_a_reason():
    test = ErrorTest(ErrorTestOptions(), 500)
    evidence = feed(test, [(True, True)] * 5)
    assert evidence is not None
    assert str(evidence) == (
        f"{evidence.errors} of {evidence.errors} errors on gRPC, which has "
        f"{evidence.share * 100:.1f} % of the requests: e-value {evidence.e_value:.4g}"
    )
    assert str(evidence) in repr(test)
