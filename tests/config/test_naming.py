"""Names of routes, and which upstream serves a service."""

import pytest

from proxy.config.naming import ServiceTable, default_route_name, did_you_mean, service_of


@pytest.mark.parametrize(
    ("rpc", "name"),
    [
        ("dns.v1.RecordService.GetRecord", "record-service-get-record"),
        ("HelloWorldHandler.SayHello", "hello-world-handler-say-hello"),
        ("a.HTTPStore.GetHTTPBody", "http-store-get-http-body"),
        ("a.V2Api.get_v2_item", "v2-api-get-v2-item"),
        ("a.S._Get__It_", "s-get-it"),
    ],
)
def test_default_route_name(rpc: str, name: str) -> None:
    assert default_route_name(rpc) == name


TABLE = ServiceTable({"a.*": "a", "a.b.*": "ab", "a.b.C": "abc", "Plain": "plain"})


@pytest.mark.parametrize(
    ("service", "upstream"),
    [
        ("a.b.C", "abc"),
        ("a.b.D", "ab"),
        ("a.b.c.D", "ab"),
        ("a.bb.D", "a"),
        ("a.D", "a"),
        ("Plain", "plain"),
        ("a", None),
        ("aa.D", None),
        ("Plain.D", None),
        ("a.b.C.D", "ab"),
    ],
)
def test_most_specific_entry_wins(service: str, upstream: str | None) -> None:
    assert TABLE.find(service) == upstream


def test_star_takes_the_rest() -> None:
    assert ServiceTable({"*": "all", "a.*": "a"}).find("b.C") == "all"


def test_service_of_an_rpc() -> None:
    assert service_of("dns.v1.RecordService.GetRecord") == "dns.v1.RecordService"


def test_no_guess_when_nothing_is_near() -> None:
    assert did_you_mean("zebra", ["timeout", "stage"]) == ""


def test_table_shows_its_entries() -> None:
    assert repr(ServiceTable({"*": "a"})) == "ServiceTable({'*': 'a'})"
