"""What is explained of mirrors is what would become of the request."""

from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cutover.overrides import NOTHING_MOVED, KillSwitch, Overrides
from proxy.exchange.described import describe
from proxy.exchange.explanation import Inquiry, explain
from proxy.routing.snapshot import Snapshot
from tests.live.edge import load

ROUTES = """\
- {rpc: edge.v1.Items.List, name: list-items, stage: shadow, mirror: {percent: 12.5, depth: rpc}}
- {rpc: edge.v1.Items.Create, name: create-item, stage: shadow, mirror: {percent: 100}}
- {rpc: edge.v1.Items.Watch, name: watch-item, stage: legacy, mirror: {percent: 100}}
- {rpc: edge.v1.Items.Check, name: check-item, stage: canary,
   canary: {percent: 0, sticky: [{header: x-user}]}, mirror: {percent: 50, sample_by: sticky}}
"""


@pytest.fixture
async def mirrored() -> Snapshot:
    return await load(more=ROUTES)


def explained(
    snapshot: Snapshot,
    http_method: str,
    target: str,
    overrides: Overrides = NOTHING_MOVED,
    **headers: str,
) -> Any:
    pairs = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    inquiry = Inquiry(http_method, target, CIMultiDictProxy(pairs), b"{}", "192.0.2.7")
    return describe(explain(snapshot, inquiry, overrides))["mirror"]


def test_side_depth_and_share_are_told(mirrored: Snapshot):
    assert explained(mirrored, "GET", "/v1/items") == {
        "side": "grpc",
        "depth": "rpc",
        "percent": 12.5,
        "sampled": None,
        "never": None,
    }
    assert explained(mirrored, "POST", "/v1/items")["depth"] == "translate"


def test_of_sampled_clients_it_is_told_whether_this_is_one(mirrored: Snapshot):
    told = {
        explained(mirrored, "POST", "/v1/items/1:check", x_user=str(user))["sampled"]
        for user in range(20)
    }
    assert told == {True, False}


def test_a_request_that_is_never_mirrored_has_its_reason(mirrored: Snapshot):
    assert explained(mirrored, "HEAD", "/v1/items")["never"] == "head"
    killed = Overrides(kill=KillSwitch())
    assert explained(mirrored, "GET", "/v1/items", killed)["never"] == "kill_switch"


@pytest.mark.parametrize("target", ["/v1/items/1:watch", "/v1/old/1", "/nowhere"])
def test_nothing_is_told_where_there_is_no_mirror(mirrored: Snapshot, target: str):
    assert explained(mirrored, "GET", target) is None
