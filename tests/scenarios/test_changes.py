"""What operators do to a proxy that serves: nobody may notice."""

from bench.faults import moving, reloads, restarts
from tests.scenarios.judging import missed


def test_reloads_lose_no_request_and_mix_no_snapshots(ground):
    assert missed(reloads.measure(ground, times=6, quiet_s=0.5)) == []


def test_a_rolling_restart_loses_no_request(ground):
    assert missed(restarts.measure(ground, times=1)) == []


def test_a_route_that_moves_has_each_request_answered_once_by_the_side_in_the_log(ground):
    assert missed(moving.measure(ground, times=9)) == []
