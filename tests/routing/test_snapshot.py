"""Configuration, descriptors and rules put together: what only shows when they meet."""

import re
from datetime import date
from pathlib import Path

import pytest

from proxy.cli.composition import load_snapshot
from proxy.cutover.breaker import BreakerOptions
from proxy.cutover.canary import Canary, HeaderMatch, ValueList
from proxy.cutover.error_test import ErrorTestOptions
from proxy.cutover.guard import GuardOptions
from proxy.cutover.latency_test import LatencyTestOptions
from proxy.cutover.plan import RoutePlan
from proxy.cutover.ramp import Ramp
from proxy.cutover.stages import Stage
from proxy.cutover.sticky import ClientKey, CookieKey, HeaderKey, QueryKey
from proxy.cutover.windows import Window
from proxy.errors import ConfigError, RequestError
from proxy.example.schema import compile_folder
from proxy.routing.snapshot import Snapshot
from tests.live.edge import load

PROTO = """
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Shop {{
{rpcs}
}}
message Order {{ string id = 1; Order inner = 2; }}
"""

CONFIG = """
version: 1
descriptors: [{descriptor_set: shop.binpb}]
"""
UPSTREAMS = 'upstreams: {shop: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}}'


def rpc(name: str, rule: str) -> str:
    return f"rpc {name}(Order) returns (Order) {{ option (google.api.http) = {{{rule}}}; }}"


async def shop(place: Path, *rpcs: str, more: str = "", upstreams: str = UPSTREAMS) -> Snapshot:
    (place / "protos").mkdir()
    (place / "protos" / "shop.proto").write_text(PROTO.format(rpcs="\n".join(rpcs)))
    (place / "shop.binpb").write_bytes(compile_folder(place / "protos"))
    (place / "cutover.yaml").write_text(f"{CONFIG}{upstreams}\n{more}")
    return await load_snapshot(place, {})


async def test_duplicate_bindings_are_refused_with_both_owners(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        await shop(
            tmp_path,
            rpc("A", 'get: "/a/{id}"'),
            rpc("B", 'get: "/a/{inner.id}"'),
            rpc("C", 'get: "/c" additional_bindings {get: "/a/*"}'),
        )
    texts = [str(problem) for problem in caught.value.problems]
    assert len(texts) == 2
    assert all("GET /a/" in text and "by shop.v1.Shop.A" in text for text in texts)
    assert "shop.v1.Shop.B" in texts[0]
    assert "shop.v1.Shop.C" in texts[1]


async def test_an_rpc_without_a_rule_has_no_route(tmp_path: Path):
    snapshot = await shop(tmp_path, rpc("B", 'get: "/b"'), "rpc C(Order) returns (Order);")
    assert [route.rpc for route in snapshot.routes] == ["shop.v1.Shop.B"]


async def test_an_rpc_that_cannot_be_served_is_reported_and_the_others_are_served(tmp_path: Path):
    odd = (
        "} message Odd { string HasField = 1; } service Odds { rpc Take(Odd) returns (Order) "
        '{ option (google.api.http) = {get: "/odd"}; }'
    )
    snapshot = await shop(tmp_path, rpc("B", 'get: "/b"'), odd)
    assert [route.rpc for route in snapshot.routes] == ["shop.v1.Shop.B"]
    (line,) = snapshot.report
    assert "shop.v1.Odds.Take is not served: the field HasField of shop.v1.Odd hides" in line
    assert "shop.proto" in line


async def test_what_rpcs_share_is_compiled_once():
    snapshot = await load()
    by_name = {route.name: route for route in snapshot.routes}
    assert [one.route for one in snapshot.bindings].count(by_name["get-item"]) == 2
    assert by_name["get-item"].idempotent
    assert not by_name["items-delete"].idempotent
    assert by_name["items-list"].idempotent  # By its GET.
    assert by_name["old-item"].stage is Stage.LEGACY
    assert snapshot.config.digest[:12] in repr(snapshot)
    assert "GET /v1/items/{id}" in repr(snapshot.bindings[0])


async def test_routes_with_other_json_options_get_codecs_of_their_own():
    snapshot = await load(more="- {rpc: edge.v1.Items.Delete, names: proto}")
    bindings = {one.route.name: one for one in snapshot.bindings}
    assert bindings["items-delete"].response is not bindings["get-item"].response


async def test_the_trailing_slash_is_an_option_of_a_route():
    strict = await load(legacy=False)
    relaxed = await load(legacy=False, more="- {rpc: edge.v1.Items.Delete, trailing_slash: ignore}")
    assert strict.table.find("DELETE", "/v1/items/7/").binding is None
    found = relaxed.table.find("DELETE", "/v1/items/7/")
    assert found.captures == ("7",)
    assert relaxed.table.find("GET", "/v1/items/7/").binding is None


async def test_the_table_tells_what_is_found(lone_snapshot: Snapshot):
    table = lone_snapshot.table
    assert table.find("GET", "/v1/items/7").captures == ("7",)
    missing = table.find("GET", "/nothing")
    assert (missing.binding, missing.refusal, missing.allow) == (None, None, ())
    other = table.find("POST", "/v1/items/7")
    assert other.binding is None
    assert other.allow == ("DELETE", "GET", "HEAD", "PATCH", "PURGE")
    assert isinstance(other.refusal, RequestError)
    assert other.refusal.http_status == 405
    bad = table.find("GET", "/v1/items/%zz")
    assert bad.binding is not None
    assert isinstance(bad.refusal, RequestError)
    assert "routes" in repr(table)


async def test_a_route_has_what_its_cutover_goes_by(tmp_path: Path):
    legacy = UPSTREAMS.replace("{shop", "{legacy: {url: 'http://a'}, shop", 1)
    more = """
defaults: {owner: team-shop, canary: {sticky: [{header: X-User}, {client: true}], pin: 30s}}
routes:
- rpc: shop.v1.Shop.A
  stage: canary
  target_date: 2026-12-01
  canary:
    group: orders
    steps: [0.5, 25]
    hold: 2h
    windows: ["Mon-Fri 09:00-17:00 Europe/Berlin"]
    max_auto_percent: 1
    match: [{header: x-a, exact: b}, {header: x-a, regex: "b+"}, {header: x-a, present: true}]
    allow: {cookie: c, values: [d]}
    deny: {query: e, values: [f, g]}
- {rpc: shop.v1.Shop.B, canary: {percent: 12.5}}
- {rpc: shop.v1.Shop.C, stage: shadow, mirror: {percent: 12.5}}
"""
    rpcs = [rpc(name, f'get: "/{name}"') for name in "ABC"]
    snapshot = await shop(tmp_path, *rpcs, more=more, upstreams=legacy)
    ramping, prepared, shadowed = snapshot.routes
    assert ramping.canary == Canary(
        group="orders",
        sticky=(HeaderKey("x-user"), ClientKey()),
        match=(
            HeaderMatch("x-a", exact="b"),
            HeaderMatch("x-a", regex=re.compile("b+")),
            HeaderMatch("x-a", present=True),
        ),
        allow=ValueList(CookieKey("c"), frozenset({"d"})),
        deny=ValueList(QueryKey("e"), frozenset({"f", "g"})),
        pin_ttl_s=30.0,
    )
    window = Window.parse("Mon-Fri 09:00-17:00 Europe/Berlin")
    assert ramping.ramp == Ramp((50, 2500), 7200.0, (window,), 100)
    assert (ramping.basis_points, ramping.stage) == (50, Stage.CANARY)
    assert (ramping.owner, ramping.target_date) == ("team-shop", date(2026, 12, 1))
    assert (prepared.basis_points, prepared.ramp, prepared.stage) == (1250, None, Stage.LEGACY)
    assert prepared.canary is not None
    assert prepared.canary.group == "shop-b"  # Its own name.
    assert (shadowed.stage, shadowed.basis_points) == (Stage.SHADOW, 0)
    assert snapshot.plans == {
        "shop-a": RoutePlan("shop-a", Stage.CANARY, 50, ramping.ramp, True, True, True),
        "shop-b": RoutePlan("shop-b", Stage.LEGACY, 1250, None, True, True, True),
        "shop-c": RoutePlan("shop-c", Stage.SHADOW, 0, None, True, True, True, True),
    }


async def test_a_route_without_a_legacy_host_has_nowhere_to_turn_to(tmp_path: Path):
    snapshot = await shop(tmp_path, rpc("A", 'get: "/a"'))
    (route,) = snapshot.routes
    assert (route.canary, route.fallback_on, route.guard) == (None, frozenset(), None)
    plan = snapshot.plans["shop-a"]
    assert (plan.stage, plan.has_legacy, plan.has_grpc) == (Stage.GRPC, False, True)
    assert plan.has_sticky is False


async def test_the_guard_of_a_route_is_what_its_sections_say(tmp_path: Path):
    legacy = UPSTREAMS.replace("{shop", "{legacy: {url: 'http://a'}, shop", 1)
    more = """
defaults: {fallback: {max_ratio: 0.5}, breaker: {failures: 3, open_for: 2s}}
routes:
- rpc: shop.v1.Shop.A
  rollback: {max_e_value: 1000, allowed_ratio: 2, latency_ratio: 1.5, interval: 5m, threshold: 2,
    min_requests: 50}
- {rpc: shop.v1.Shop.B, fallback: off, breaker: off, rollback: {latency_ratio: off}}
- {rpc: shop.v1.Shop.C, rollback: off}
"""
    rpcs = [rpc(name, f'get: "/{name}"') for name in "ABC"]
    snapshot = await shop(tmp_path, *rpcs, more=more, upstreams=legacy)
    breaker = BreakerOptions(3, 2.0)
    assert [route.guard for route in snapshot.routes] == [
        GuardOptions(
            breaker, ErrorTestOptions(1000.0, 2.0), LatencyTestOptions(1.5, 300.0, 2, 50), 0.5
        ),
        GuardOptions(None, ErrorTestOptions(), None, 0.0),
        GuardOptions(breaker, None, None, 0.5),
    ]
    assert [bool(route.fallback_on) for route in snapshot.routes] == [True, False, True]


async def test_built_in_options_of_the_guard_are_those_of_its_parts(tmp_path: Path):
    legacy = UPSTREAMS.replace("{shop", "{legacy: {url: 'http://a'}, shop", 1)
    snapshot = await shop(tmp_path, rpc("A", 'get: "/a"'), upstreams=legacy)
    assert snapshot.routes[0].guard == GuardOptions()
