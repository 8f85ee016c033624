"""Work beside the event loop: by whose clock it rests, and that all is as it was afterwards."""

import gc
import sys

import pytest

from proxy.cli.aside import REST_RATIO, WORK_S, Rests, aside, quick_turns
from tests.fakes import FakeClock


def test_it_rests_in_proportion_to_its_work():
    clock, slept = FakeClock(), list[float]()
    rests = Rests(clock, slept.append)
    rests()
    clock.advance(WORK_S / 2)
    rests()
    assert slept == []
    clock.advance(WORK_S)
    rests()
    rests()
    assert slept == [pytest.approx(WORK_S * 1.5 * REST_RATIO)]


def test_what_the_thread_did_before_costs_no_long_rest():
    clock, slept = FakeClock(1000.0), list[float]()
    Rests(clock, slept.append)()
    assert slept == [pytest.approx(WORK_S * 10 * REST_RATIO)]


async def test_no_garbage_is_collected_meanwhile():
    assert await aside(lambda value: (value, gc.isenabled()), 7) == (7, False)
    assert gc.isenabled()
    gc.disable()
    try:
        await aside(int)
        assert not gc.isenabled()
    finally:
        gc.enable()


async def test_what_fails_leaves_all_as_it_was():
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 / 0)
    assert gc.isenabled()


def test_threads_give_way_quickly_for_a_while():
    interval_s = sys.getswitchinterval()
    with quick_turns():
        assert sys.getswitchinterval() < interval_s
    assert sys.getswitchinterval() == interval_s


def test_whoever_ends_last_leaves_the_usual_turns():
    usual_s = sys.getswitchinterval()
    first, second = quick_turns(), quick_turns()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == usual_s
