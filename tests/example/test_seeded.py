"""The statistics differ between the servers just as the table says.

What the profile would make equal is made equal here by hand.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.example.documents import TIME_PATTERN
from proxy.example.replies import FAULTS
from proxy.example.seeded import SEEDED
from proxy.example.server import STATISTICS_SERVICE
from tests.example.conftest import RestAnswer, RestClient, RpcClient, RpcError

ZONES = ("example.com", "fresh.example", "large.example", "secondary.example", "damaged.example")


async def both(
    legacy: RestClient, dns: RpcClient, zone: str, path: str, rpc: str
) -> tuple[Any, Any]:
    answer = await legacy.send("GET", f"/v4/zones/{zone}/{path}")
    return answer.json()["result"], await dns.unary(STATISTICS_SERVICE, rpc, {"zone": zone})


async def statistics(
    legacy: RestClient, dns: RpcClient, zone: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    old, new = await both(legacy, dns, zone, "statistics", "GetStatistics")
    return old, {
        "href": f"/v4/{new['name']}",
        "queries": int(new["queries"]),
        "failures": new.get("failures", 0),
        "last_query_on": datetime.fromisoformat(new["lastQueryTime"]).strftime(TIME_PATTERN),
        "peak_per_second": new["peakPerSecond"],
        "collector": new["collector"],
    }


def members(route: str) -> set[str]:
    return {one.path.removeprefix("$.result.") for one in SEEDED if one.route == route}


@pytest.mark.parametrize("zone", ZONES)
async def test_statistics_differ_in_the_seeded_members_alone(
    legacy: RestClient, dns: RpcClient, zone: str
) -> None:
    old, new = await statistics(legacy, dns, zone)
    # The collectors differ as well, which is right: they are two processes.
    seeded = members("get-statistics") | {"collector"}
    assert {name: old[name] for name in old.keys() - seeded} == {
        name: new[name] for name in new.keys() - seeded
    }
    assert old["collector"] != new["collector"]
    last = datetime.strptime(new["last_query_on"], TIME_PATTERN).replace(tzinfo=UTC)
    assert (int(old["queries"]), datetime.fromisoformat(old["last_query_on"])) == (
        new["queries"],
        last,
    )


async def test_each_seeded_member_differs_in_some_zone(legacy: RestClient, dns: RpcClient) -> None:
    found = set()
    for zone in ZONES:
        old, new = await statistics(legacy, dns, zone)
        found |= {name for name in new if old.get(name) != new[name]}
    assert found == members("get-statistics") | {"collector"}


async def test_defaults_and_values_do_not_differ_in_every_zone(
    legacy: RestClient, dns: RpcClient
) -> None:
    """What is seeded shows in a share of the answers, as in life."""
    old, new = await statistics(legacy, dns, "damaged.example")
    assert old["failures"] == new["failures"]
    old, new = await statistics(legacy, dns, "fresh.example")
    assert old["peak_per_second"] == new["peak_per_second"]


async def test_top_hosts_are_the_same_in_another_order(legacy: RestClient, dns: RpcClient) -> None:
    old, new = await both(legacy, dns, "example.com", "statistics/hosts", "ListTopHosts")
    assert old != new["hosts"]
    assert sorted(old, key=str) == sorted(new["hosts"], key=str)
    shares = [host["share"] for host in old]
    assert shares == sorted(shares, reverse=True)
    assert members("list-top-hosts") == {"$.result"}


async def test_statistics_of_no_zone_are_refused_alike(legacy: RestClient, dns: RpcClient) -> None:
    for path, rpc in (("statistics", "GetStatistics"), ("statistics/hosts", "ListTopHosts")):
        answer = await legacy.send("GET", f"/v4/zones/none/{path}")
        with pytest.raises(RpcError) as caught:
            await dns.unary(STATISTICS_SERVICE, rpc, {"zone": "none"})
        assert (answer.status, code_of(answer)) == (404, FAULTS[reason_of(caught.value)].code)


async def test_statistics_are_mailed_by_either_side(legacy: RestClient, dns: RpcClient) -> None:
    path = "/v4/zones/example.com/statistics:send"
    request = {"zone": "example.com", "to": "ada@example.com"}
    answer = await legacy.send("POST", path, {"to": "ada@example.com", "copy_me": True})
    assert (answer.status, answer.json()["result"]) == (202, {})
    assert await dns.unary(STATISTICS_SERVICE, "SendStatistics", request) == {}


async def test_mail_to_nowhere_is_refused_alike(legacy: RestClient, dns: RpcClient) -> None:
    answer = await legacy.send("POST", "/v4/zones/example.com/statistics:send", {"to": "ada"})
    with pytest.raises(RpcError) as caught:
        await dns.unary(STATISTICS_SERVICE, "SendStatistics", {"zone": "example.com", "to": "ada"})
    assert (answer.status, code_of(answer)) == (400, FAULTS[reason_of(caught.value)].code)


def code_of(answer: RestAnswer) -> object:
    return answer.json()["errors"][0]["code"]


def reason_of(error: RpcError) -> str:
    reason: str = error.status["details"][0]["reason"]
    return reason
