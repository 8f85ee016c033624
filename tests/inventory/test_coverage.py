"""The whole survey: shares, traffic, what is unused, and what no document tells of."""

import json

import pytest

from proxy.inventory.coverage import Survey
from proxy.inventory.extras import Extras
from proxy.inventory.hits import Hit, parse_time
from proxy.inventory.traffic import MAX_NAMES, MAX_PATTERNS
from proxy.routing.snapshot import Snapshot
from tests.inventory.stand import paths_api, shop_snapshot, survey

PATHS = """\
  /v1/orders/{id}: {get: {deprecated: true}, put: {}}
  /v1/orders/search: {get: {}}
  /v2/orders: {get: {}}
"""


def day(number: int) -> float:
    at_s = parse_time(f"2026-01-{number:02}T00:00:00Z")
    assert at_s is not None
    return at_s


def hit(path: str, times: int = 1, http_method: str = "GET", at: int = 1, **more) -> Hit:
    return Hit(http_method, path, day(at), 200, times=times, **more)


def test_without_traffic_operations_are_counted(snapshot: Snapshot):
    result = survey(snapshot, paths_api(PATHS))
    assert result["mapped"] == {"of": "operations", "total": 4, "mapped": 1, "share": 0.25}
    assert result["traffic"] is None
    assert {name: row["operations"] for name, row in result["standings"].items()} == {
        "mapped": 1,
        "partial": 0,
        "method_mismatch": 1,
        "shadowed": 1,
        "not_served": 0,
        "unmapped": 1,
    }
    (first, *_) = result["endpoints"]
    assert (first["hits"], first["share"], first["unused"]) == (None, None, None)
    assert first["deprecated"]
    assert json.loads(json.dumps(result)) == result


def test_with_traffic_requests_are_counted(snapshot: Snapshot):
    hits = (
        hit("/v1/orders/1", 90),
        hit("/v1/orders/search", 6),
        hit("/v1/orders/2", 3, "PUT"),
        hit("/v2/orders/", 1),
    )
    result = survey(snapshot, paths_api(PATHS), *hits)
    assert result["mapped"] == {"of": "requests", "total": 100, "mapped": 90, "share": 0.9}
    shares = {f"{e['http_method']} {e['path']}": e["share"] for e in result["endpoints"]}
    assert shares["GET /v1/orders/{id}"] == 0.9
    assert shares["GET /v1/orders/search"] == 0.06, "shadowed is not mapped"
    assert result["standings"]["method_mismatch"]["requests"] == 3
    assert result["endpoints"][0]["statuses"] == {"2xx": 90}


def test_head_counts_with_get(snapshot: Snapshot):
    result = survey(snapshot, paths_api(PATHS), hit("/v1/orders/1", http_method="HEAD"))
    assert (result["endpoints"][0]["hits"], result["mapped"]["mapped"]) == (1, 1)


def test_requests_of_no_operation_are_told_by_what_they_have_in_common(snapshot: Snapshot):
    hits = [hit(f"/status/{n}") for n in range(5)]
    hits += [hit("/v1/items", 3), hit("/v1/items", 2, "POST"), hit("/v1/orders:upload", 4, "POST")]
    result = survey(snapshot, paths_api(PATHS), *hits)
    told = [
        (e["http_method"], e["pattern"], e["standing"], e["hits"]) for e in result["undocumented"]
    ]
    assert told == [
        ("GET", "/status/{}", "unmapped", 5),
        ("POST", "/v1/orders:upload", "unmapped", 4),
        ("GET", "/v1/items", "mapped", 3),
        ("POST", "/v1/items", "method_mismatch", 2),
    ]
    assert result["undocumented"][2]["rpc"] == "shop.v1.Orders.ListItems"


def test_a_log_alone_is_held_against_the_bindings(snapshot: Snapshot):
    result = survey(snapshot, None, hit("/v1/orders/1", 3), hit("/v2/x"))
    assert (result["api"], result["endpoints"], result["without_operation"]) == (None, [], [])
    assert result["mapped"]["share"] == 0.75
    assert [each["standing"] for each in result["undocumented"]] == ["mapped", "unmapped"]


def test_bindings_that_no_operation_leads_to(snapshot: Snapshot):
    result = survey(snapshot, paths_api(PATHS), hit("/v1/items", 3))
    hits = {each["binding"]: each["hits"] for each in result["without_operation"]}
    assert hits["GET /v1/items"] == 3
    assert hits["GET /v1/orders"] == 0
    assert "GET /v1/orders/{id}" not in hits


def unused(snapshot: Snapshot, days: int, *hits: Hit) -> list[bool | None]:
    result = survey(snapshot, paths_api(PATHS), *hits, days=days)
    return [each["unused"] for each in result["endpoints"]]


def test_unused_is_what_the_end_of_a_log_that_is_long_enough_has_not(snapshot: Snapshot):
    hits = (hit("/v1/orders/1", at=1), hit("/v1/orders/1", http_method="PUT", at=20))
    assert unused(snapshot, 10, *hits) == [True, False, True, True]
    assert unused(snapshot, 19, *hits) == [False, False, True, True]
    # The log covers 19 days: of 20 nothing can be said but what it has.
    assert unused(snapshot, 20, *hits) == [False, False, None, None]


def test_a_log_without_times_calls_nothing_unused(snapshot: Snapshot):
    assert unused(snapshot, 1, Hit("GET", "/v1/orders/1")) == [None] * 4


def test_requests_before_a_time_are_left_out(snapshot: Snapshot):
    held = Survey(snapshot, paths_api(PATHS), since_s=day(5))
    for each in (hit("/v2/orders", 7, at=4), hit("/v2/orders", at=5), Hit("GET", "/v2/orders")):
        held.add(each)
    result = held.result()
    assert result["traffic"]["before_since"] == 7
    assert result["traffic"]["first"] == "2026-01-05T00:00:00Z"
    assert result["endpoints"][-1]["hits"] == 2


def test_parameters_that_clients_send_are_counted_documented_or_not(snapshot: Snapshot):
    paths = "  /v1/orders: {get: {parameters: [{name: page, in: query}]}}\n"
    sent = hit("/v1/orders", 5, names=("page", "page_size", "sort", "alt"), unknown=("sort",))
    (endpoint,) = survey(snapshot, paths_api(paths), sent)["endpoints"]
    told = {
        f["path"]: (f["hits"], f["detail"]) for f in endpoint["findings"] if f["kind"] == "no_field"
    }
    assert set(told) == {"page", "sort"}
    assert told["page"][0] == 5
    assert told["sort"] == (5, "clients send it, undocumented")
    assert endpoint["unknown_fields"] == {"sort": 5}


PAGED = """\
routes:
- rpc: shop.v1.Orders.ListOrders
  shape:
    paging: {page: page, per_page: per_page, items: orders}
- rpc: shop.v1.Orders.PutPicture
  shape: {urls: {method_override: {parameter: _verb}}}
"""


def test_parameters_that_the_shape_takes_are_no_difference(tmp_path):
    paged = shop_snapshot(tmp_path, PAGED)
    paths = "  /v1/orders: {get: {parameters: [{name: page, in: query}]}}\n"
    sent = hit("/v1/orders", names=("per_page",))
    (endpoint,) = survey(paged, paths_api(paths), sent)["endpoints"]
    assert [each for each in endpoint["findings"] if each["kind"] == "no_field"] == []
    (verb,) = [each for each in paged.bindings if each.route.rpc == "shop.v1.Orders.PutPicture"]
    options = paged.config.options_for(verb.route.rpc)
    assert Extras.of(options.shape, verb.binding) == Extras(frozenset({"_verb"}))


QUIRKS = "defaults: {shape: {urls: {suffixes: [.json], trailing_slash: true}}}\n"


def test_requests_by_legacy_forms_of_a_url_are_those_of_the_operation(tmp_path):
    quirky = shop_snapshot(tmp_path, QUIRKS)
    paths = "  /v1/orders: {get: {}}\n"
    hits = [hit(path) for path in ("/v1/orders", "/v1/orders.json", "/v1/orders.json/")]
    result = survey(quirky, paths_api(paths), *hits)
    assert [each["hits"] for each in result["endpoints"]] == [3]
    assert result["undocumented"] == []
    # Two operations that one binding takes: which of them is meant cannot be told.
    two = paths_api("  /v1/orders/a: {get: {}}\n  /v1/orders/b: {get: {}}\n")
    result = survey(quirky, two, hit("/v1/orders/a.json"))
    assert [each["pattern"] for each in result["undocumented"]] == ["/v1/orders/{id}"]


def test_memory_does_not_grow_with_the_log(snapshot: Snapshot):
    held = Survey(snapshot, paths_api(PATHS))
    for n in range(MAX_PATTERNS + 500):
        word = "".join(chr(97 + int(digit)) for digit in str(n))
        held.add(hit(f"/{word}"))
        held.add(hit("/v1/orders/1", names=(word,)))
    result = held.result()
    assert len(result["undocumented"]) == MAX_PATTERNS
    assert result["traffic"]["beyond_patterns"] == 500
    assert len(held._traffic.by_operation["GET /v1/orders/{id}"].names) == MAX_NAMES
    assert result["traffic"]["requests"] == 2 * (MAX_PATTERNS + 500)


@pytest.mark.parametrize("hits", [(), (Hit("GET", "/v1/orders/1"),)], ids=["no traffic", "traffic"])
def test_a_survey_says_so_where_there_is_nothing_to_count(snapshot: Snapshot, hits):
    result = survey(snapshot, None, *hits)
    assert result["mapped"]["share"] == (1.0 if hits else None)
