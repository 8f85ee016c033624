"""The traffic for mirrors: sent as planned, counted by route, and its answers looked at."""

import pytest

from proxy.example.seeded import SEEDED
from proxy.example.traffic import ASKED, Asked, send_traffic
from tests.example.conftest import RestClient


async def test_the_old_host_answers_all_of_it_as_it_should(legacy: RestClient) -> None:
    traffic = await send_traffic(legacy.base_url, clients=3, rounds=2)
    assert traffic.faults == ()
    assert traffic.total == len(ASKED) * 3 * 2
    assert traffic.requests["send-statistics"] == 2 * 3 * 2


def test_every_route_with_a_seeded_difference_is_asked() -> None:
    assert {one.route for one in SEEDED} < {one.route for one in ASKED}


async def test_an_answer_with_another_status_is_a_fault(legacy: RestClient) -> None:
    asked = (Asked("get-record", "/v4/zones/example.com/records/none"),)
    traffic = await send_traffic(legacy.base_url, asked, clients=1, rounds=1)
    assert traffic.faults == ("GET /v4/zones/example.com/records/none: status 404, not 200",)


@pytest.mark.parametrize("body", ["", "{}"])
async def test_no_answer_is_a_fault_and_counts_as_sent(body: str) -> None:
    asked = (Asked("get-record", "/v4", body=body),)
    traffic = await send_traffic("http://127.0.0.1:9", asked, clients=2, rounds=1)
    assert len(traffic.faults) == traffic.total == 2
    assert "/v4: no answer: " in traffic.faults[0]
