"""What breaks beside a proxy, or in it: others go on, and no write is done twice."""

import pytest

from bench.faults import crashes, freezes, misbehaviour, outages
from tests.scenarios.judging import missed


def test_a_killed_worker_takes_only_its_own_requests_with_it(ground):
    assert missed(crashes.measure(ground, times=2)) == []


def test_reads_survive_the_death_of_their_server_and_writes_are_done_once(ground):
    assert missed(outages.measure(ground, times=1, down_s=0.7, up_s=0.7)) == []


def test_a_frozen_server_costs_its_own_callers_their_deadline_and_others_nothing(ground):
    assert missed(freezes.measure(ground, for_s=3.0, quiet_s=0.5, timeout_s=0.5)) == []


@pytest.mark.parametrize(
    ("transport", "behaviour"), [("h2", "goaway"), ("grpcio", "reset"), ("h2", "one-stream")]
)
def test_a_misbehaving_server_neither_hangs_calls_nor_gets_a_write_twice(
    ground, transport, behaviour
):
    cases = [(transport, behaviour)]
    assert missed(misbehaviour.measure(ground, cases=cases, for_s=2.5)) == []
