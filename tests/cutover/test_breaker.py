"""The breaker: when legacy takes over for a moment, and how gRPC comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.breaker import Breaker, BreakerOptions, BreakerState
from proxy.cutover.result import Result

OPTIONS = BreakerOptions(failures=3, open_for_s=0.5)


def breaker_open_at(opened_s: float) -> Breaker:
    breaker = Breaker(OPTIONS)
    for _ in range(OPTIONS.failures):
        breaker.record(Result.UNREACHABLE, opened_s, opened_s)
    assert breaker.state(opened_s) is BreakerState.OPEN
    return breaker


def test_it_opens_after_so_many_failures_in_a_row():
    breaker = Breaker(OPTIONS)
    for now_s in (1.0, 2.0):
        breaker.record(Result.UNREACHABLE, now_s, now_s)
        assert breaker.allows(now_s, may_probe=False)
    breaker.record(Result.UNREACHABLE, 3.0, 3.0)
    assert not breaker.allows(3.1, may_probe=True)
    assert (breaker.openings, breaker.state(3.1)) == (1, BreakerState.OPEN)
    assert "openings=1" in repr(breaker)


@pytest.mark.parametrize("result", [Result.ANSWERED, Result.FAILED])
def test_any_answer_says_that_the_server_is_there(result):
    breaker = Breaker(OPTIONS)
    for now_s in range(100):
        breaker.record(result if now_s % 3 == 2 else Result.UNREACHABLE, now_s, now_s)
    assert breaker.state(100) is BreakerState.CLOSED


def test_requests_that_were_given_up_are_neither_failures_nor_answers():
    breaker = Breaker(OPTIONS)
    for now_s in range(100):
        breaker.record(Result.ABANDONED, now_s, now_s)
    assert breaker.state(100) is BreakerState.CLOSED
    for now_s in range(101, 104):
        breaker.record(Result.ABANDONED, now_s, now_s)
        breaker.record(Result.UNREACHABLE, now_s, now_s)
    assert breaker.state(103) is BreakerState.OPEN


def test_one_probe_goes_at_a_time_and_its_success_closes():
    breaker = breaker_open_at(10.0)
    assert breaker.state(10.5) is BreakerState.HALF_OPEN
    assert breaker.allows(10.5, may_probe=True)
    assert not breaker.allows(10.5, may_probe=True)
    breaker.record(Result.ANSWERED, 10.5, 10.6)
    assert breaker.state(10.6) is BreakerState.CLOSED
    assert all(breaker.allows(10.6, may_probe=False) for _ in range(9))


def test_a_probe_that_fails_opens_it_again():
    breaker = breaker_open_at(10.0)
    assert breaker.allows(10.5, may_probe=True)
    breaker.record(Result.UNREACHABLE, 10.5, 10.7)
    assert not breaker.allows(11.1, may_probe=True)
    assert breaker.allows(11.2, may_probe=True)
    assert breaker.openings == 2


def test_a_probe_that_is_given_up_makes_room_for_the_next():
    breaker = breaker_open_at(10.0)
    assert breaker.allows(10.5, may_probe=True)
    breaker.record(Result.ABANDONED, 10.5, 10.51)
    assert breaker.allows(10.52, may_probe=True)


def test_a_probe_that_is_never_heard_of_again_does_not_lock_it():
    breaker = breaker_open_at(10.0)
    assert breaker.allows(10.5, may_probe=True)
    assert not breaker.allows(15.4, may_probe=True)
    assert breaker.allows(15.5, may_probe=True)


def test_giving_up_another_request_does_not_end_the_probe():
    breaker = breaker_open_at(10.0)
    assert breaker.allows(10.5, may_probe=True)
    breaker.record(Result.ABANDONED, 9.9, 10.6)
    assert not breaker.allows(10.7, may_probe=True)


def test_writes_probe_only_when_nothing_else_comes():
    breaker = breaker_open_at(10.0)
    assert not breaker.allows(12.4, may_probe=False)
    assert breaker.allows(12.5, may_probe=False)
    assert not breaker.allows(12.5, may_probe=False)


def test_a_route_of_writes_alone_recovers():
    breaker, now_s = breaker_open_at(10.0), 10.0
    while not breaker.allows(now_s, may_probe=False):
        now_s += 0.01
        assert now_s < 13
    breaker.record(Result.ANSWERED, now_s, now_s)
    assert breaker.state(now_s) is BreakerState.CLOSED


def test_answers_from_before_it_opened_do_not_close_it():
    breaker = breaker_open_at(10.0)
    breaker.record(Result.ANSWERED, 9.9, 10.1)
    assert breaker.state(10.1) is BreakerState.OPEN


def test_an_answer_to_a_request_that_was_forced_through_closes_it():
    breaker = breaker_open_at(10.0)
    breaker.record(Result.ANSWERED, 10.1, 10.2)
    assert breaker.state(10.2) is BreakerState.CLOSED


def test_failures_from_before_it_opened_do_not_keep_it_open():
    breaker = breaker_open_at(10.0)
    breaker.record(Result.UNREACHABLE, 9.0, 10.4)
    assert breaker.allows(10.5, may_probe=True)


def test_failures_from_before_it_closed_do_not_open_it_again():
    breaker = breaker_open_at(10.0)
    assert breaker.allows(10.5, may_probe=True)
    breaker.record(Result.ANSWERED, 10.5, 10.6)
    for _ in range(100):
        breaker.record(Result.UNREACHABLE, 9.9, 25.0)
    assert breaker.state(25.0) is BreakerState.CLOSED


def test_what_it_found_closed_is_told_by_the_time():
    breaker = breaker_open_at(10.0)
    assert breaker.was_closed(9.9)
    assert not breaker.was_closed(10.2)
    breaker.record(Result.ANSWERED, 10.5, 10.6)
    assert breaker.was_closed(10.7)


@given(st.lists(st.tuples(st.sampled_from(Result), st.floats(0, 2), st.booleans()), max_size=60))
def test_it_never_stays_shut_for_good(steps):
    breaker, now_s = Breaker(OPTIONS), 0.0
    for result, gap_s, may_probe in steps:
        now_s += gap_s
        if breaker.allows(now_s, may_probe):
            breaker.record(result, now_s, now_s + gap_s)
    later_s = now_s + 100
    assert breaker.allows(later_s, may_probe=False)
    breaker.record(Result.ANSWERED, later_s, later_s)
    assert breaker.state(later_s) is BreakerState.CLOSED
