"""The status and the audit log, as the admin port tells them."""

import pytest

from proxy.admin.status import time_text
from proxy.cutover.guard import Trigger, Trip
from tests.admin.stand import Stand
from tests.exchange.test_gatekeeping import FAILS, FakeGate

KEYS = {
    *("name", "rpc", "stage", "percent", "rolled_back", "paused", "owner", "target_date", "file"),
    *("ramp", "e_value", "breaker", "last_move", "drift", "arms", "gate"),
    *("mirror_percent", "rules"),
}


async def test_every_route_stands_in_the_status_with_the_same_keys(stand: Stand):
    status = (await stand.get("/admin/v1/status")).json()
    assert set(status) == {
        *("version", "digest", "revision", "durable", "state_problem", "kill_switch", "reload"),
        "routes",
    }
    assert {frozenset(row) for row in status["routes"]} == {frozenset(KEYS)}
    assert (status["revision"], status["kill_switch"]) == (0, {"on": False})


async def test_a_percentage_is_shown_in_canary_alone(stand: Stand):
    assert (await stand.status_of("list-items"))["percent"] == 25
    assert (await stand.status_of("get-item"))["percent"] is None


async def test_a_ramp_is_shown_with_its_step(stand: Stand):
    await stand.move("delete-item", "promote")
    ramp = (await stand.status_of("delete-item"))["ramp"]
    assert (ramp["steps"], ramp["step"]) == ([1, 5, 100], 2)
    assert ramp["held_s"] is None


async def test_a_rollback_tells_its_numbers(stand: Stand):
    stand.control.roll_back("list-items", Trip(Trigger.ERROR_RATE, "gRPC 5 of 5, legacy 0 of 20"))
    await stand.control.settle()
    row = await stand.status_of("list-items")
    assert (row["stage"], row["rolled_back"]) == ("legacy", "gRPC 5 of 5, legacy 0 of 20")
    assert row["last_move"]["who"] == "system"


async def test_an_end_is_told_of_moves_and_of_the_kill_switch(stand: Stand):
    await stand.move("list-items", "percent", percent=1, ttl_s=3600)
    await stand.kill(on=True, ttl_s=60)
    assert (await stand.status_of("list-items"))["last_move"]["expires"].endswith("Z")
    switch = (await stand.get("/admin/v1/status")).json()["kill_switch"]
    assert switch["since"] < switch["expires"]


async def test_a_switch_made_by_hand_is_shown_as_what_it_says(stand: Stand):
    (stand.control.state.path / "kill").write_text("the backend is on fire\n")
    switch = (await stand.get("/admin/v1/status")).json()["kill_switch"]
    assert (switch["on"], switch["reason"], switch["who"]) == (True, "the backend is on fire", "")


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "10001", "9" * 500, "1.5", "٣", "²"])
async def test_an_audit_limit_that_is_none_is_400(stand: Stand, limit: str):
    reply = await stand.get(f"/admin/v1/audit?limit={limit_of(limit)}")
    assert reply.status == 400
    assert "from 1 to 10000" in reply.json()["error"]


def limit_of(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


async def test_the_audit_gives_the_newest_of_one_route(stand: Stand):
    for percent in (1, 2, 3):
        await stand.move("list-items", "percent", percent=percent)
    await stand.move("delete-item", "promote")
    reply = await stand.get("/admin/v1/audit?route=list-items&limit=0002")
    assert [entry["to"] for entry in reply.json()["entries"]] == ["canary 3 %", "canary 2 %"]
    assert (await stand.get("/admin/v1/audit?route=nothing")).json() == {"entries": []}


def test_times_are_utc():
    assert time_text(1_700_000_000.9) == "2023-11-14T22:13:20Z"


async def test_a_gate_is_told_as_it_was_last_asked_and_never_asked_for_a_status(stand: Stand):
    """A table that is renewed every second must not read the evidence every second."""
    gate = stand.control.gate = FakeGate(FAILS)
    assert (await stand.status_of("delete-item"))["gate"] == {
        "verdict": "fail",
        "because": ["forbid type: $.id, 3 times"],
        "compared": 5000,
        "mismatches": 3,
        "upper": None,
    }
    assert (await stand.status_of("list-items"))["gate"] is None
    assert gate.asked == 0
