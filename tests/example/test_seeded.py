"""The statistics differ between the servers just as the table says."""

from typing import Any

import pytest

from proxy.example.seeded import SEEDED
from proxy.example.server import STATISTICS_SERVICE
from tests.example.conftest import RestClient, RpcClient, RpcError

ZONES = ("example.com", "fresh.example", "large.example", "secondary.example", "damaged.example")


async def both(
    legacy: RestClient, dns: RpcClient, zone: str, path: str, rpc: str
) -> tuple[Any, Any]:
    answer = await legacy.send("GET", f"/v4/zones/{zone}/{path}")
    return answer.json(), await dns.unary(STATISTICS_SERVICE, rpc, {"zone": zone})


def members(route: str) -> set[str]:
    return {one.path.removeprefix("$.") for one in SEEDED if one.route == route}


@pytest.mark.parametrize("zone", ZONES)
async def test_statistics_differ_in_the_seeded_members_alone(
    legacy: RestClient, dns: RpcClient, zone: str
) -> None:
    old, new = await both(legacy, dns, zone, "statistics", "GetStatistics")
    # The collectors differ as well, which is right: they are two processes.
    seeded = members("get-statistics") | {"collector"}
    assert {name: old[name] for name in old.keys() - seeded} == {
        name: new[name] for name in new.keys() - seeded
    }
    assert old["collector"] != new["collector"]
    assert (old["queries"], old["lastQueryTime"]) == (
        int(new["queries"]),
        new["lastQueryTime"].replace("250Z", "250000+00:00"),
    )


async def test_each_seeded_member_differs_in_some_zone(legacy: RestClient, dns: RpcClient) -> None:
    found = set()
    for zone in ZONES:
        old, new = await both(legacy, dns, zone, "statistics", "GetStatistics")
        found |= {name for name in old if old[name] != new.get(name)}
    assert found == members("get-statistics") | {"collector"}


async def test_defaults_and_values_do_not_differ_in_every_zone(
    legacy: RestClient, dns: RpcClient
) -> None:
    """What is seeded shows in a share of the answers, as in life."""
    old, new = await both(legacy, dns, "damaged.example", "statistics", "GetStatistics")
    assert old["failures"] == new["failures"]
    old, new = await both(legacy, dns, "fresh.example", "statistics", "GetStatistics")
    assert old["peakPerSecond"] == new["peakPerSecond"]


async def test_top_hosts_are_the_same_in_another_order(legacy: RestClient, dns: RpcClient) -> None:
    old, new = await both(legacy, dns, "example.com", "statistics/hosts", "ListTopHosts")
    assert old["hosts"] != new["hosts"]
    assert sorted(old["hosts"], key=str) == sorted(new["hosts"], key=str)
    shares = [host["share"] for host in old["hosts"]]
    assert shares == sorted(shares, reverse=True)
    assert members("list-top-hosts") == {"hosts"}


async def test_statistics_of_no_zone_are_refused_alike(legacy: RestClient, dns: RpcClient) -> None:
    for path, rpc in (("statistics", "GetStatistics"), ("statistics/hosts", "ListTopHosts")):
        answer = await legacy.send("GET", f"/v4/zones/none/{path}")
        with pytest.raises(RpcError) as caught:
            await dns.unary(STATISTICS_SERVICE, rpc, {"zone": "none"})
        assert (answer.status, answer.json()) == (404, caught.value.status)


async def test_statistics_are_mailed_by_either_side(legacy: RestClient, dns: RpcClient) -> None:
    path = "/v4/zones/example.com/statistics:send"
    request = {"zone": "example.com", "to": "ada@example.com"}
    answer = await legacy.send("POST", path, {"to": "ada@example.com", "copyMe": True})
    assert (answer.status, answer.json()) == (200, {})
    assert await dns.unary(STATISTICS_SERVICE, "SendStatistics", request) == {}


async def test_mail_to_nowhere_is_refused_alike(legacy: RestClient, dns: RpcClient) -> None:
    answer = await legacy.send("POST", "/v4/zones/example.com/statistics:send", {"to": "ada"})
    with pytest.raises(RpcError) as caught:
        await dns.unary(STATISTICS_SERVICE, "SendStatistics", {"zone": "example.com", "to": "ada"})
    assert (answer.status, answer.json()) == (400, caught.value.status)
