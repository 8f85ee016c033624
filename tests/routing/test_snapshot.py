"""Configuration, descriptors and rules put together: what only shows when they meet."""

from pathlib import Path

import pytest

from proxy.cli.composition import load_snapshot
from proxy.cutover.stages import Stage
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
upstreams: {shop: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}}
"""


def rpc(name: str, rule: str) -> str:
    return f"rpc {name}(Order) returns (Order) {{ option (google.api.http) = {{{rule}}}; }}"


async def shop(place: Path, *rpcs: str, more: str = "") -> Snapshot:
    (place / "protos").mkdir()
    (place / "protos" / "shop.proto").write_text(PROTO.format(rpcs="\n".join(rpcs)))
    (place / "shop.binpb").write_bytes(compile_folder(place / "protos"))
    (place / "cutover.yaml").write_text(CONFIG + more)
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
