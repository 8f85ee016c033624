"""More servers, more requests, and clients that are no better than they have to be."""

import pytest

from bench.faults import overload, scaling, slow_clients
from tests.scenarios.judging import missed


@pytest.mark.parametrize("transport", ["h2"])
def test_servers_come_and_go_by_name_without_a_failed_request(ground, transport):
    short = {"hold_s": 1.5, "resolve_every_s": 0.2}
    assert missed(scaling.measure(ground, transports=[transport], **short)) == []


def test_what_is_too_much_is_refused_and_what_is_not_is_served(ground):
    limits = {"delay_ms": 200.0, "max_inflight": 4}  # twenty requests per second
    assert missed(overload.measure(ground, for_s=2.0, after_s=1.0, **limits)) == []


def test_slow_connections_are_cut_and_cost_others_nothing(ground):
    attack = {"connections": 40, "header_timeout_s": 1.0, "bodies": False}
    assert missed(slow_clients.measure(ground, quiet_s=0.5, **attack)) == []
