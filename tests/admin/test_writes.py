"""What the admin port changes: bodies of every kind, moves, the kill switch, reloads."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.cutover.moves import MAX_REASON_LENGTH
from proxy.cutover.stages import Stage
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from tests.admin.stand import Stand, guarded_snapshot, stand_of
from tests.exchange.test_gatekeeping import FAILS, PASSES, TOO_EARLY, FakeGate

PERCENT = "/admin/v1/routes/list-items:percent"
KILL = "/admin/v1/killswitch"


# --- bodies


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "percent must be a number"),
        (b"{}", "percent must be a number"),
        (b'{"percent": 5}', "reason is missing"),
        (b"{", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"reason": "\xff"}', "not JSON"),
        (b'{"percent": NaN, "reason": "r"}', "not JSON"),
        (b'{"percent": Infinity, "reason": "r"}', "not JSON"),
        ({"percent": 5, "reason": "r", "percnt": 6, "x": 1}, "unknown: percnt, x; known: if_rev"),
        ({"percent": 5, "reason": "r", "stage": "grpc"}, "unknown: stage"),
        ({"reason": "r"}, "percent must be a number"),
        ({"percent": "5", "reason": "r"}, "percent must be a number"),
        ({"percent": True, "reason": "r"}, "percent must be a number"),
        ({"percent": None, "reason": "r"}, "percent must be a number"),
        ({"percent": -0.01, "reason": "r"}, "percent must be from 0 to 100"),
        ({"percent": 100.01, "reason": "r"}, "percent must be from 0 to 100"),
        (b'{"percent": 1e400, "reason": "r"}', ""),
        (b'{"percent": 123456789012345678901234567890, "reason": "r"}', "from 0 to 100"),
        ({"percent": 5.001, "reason": "r"}, "steps of 0.01"),
        ({"percent": 5, "reason": None}, "reason is missing"),
        ({"percent": 5, "reason": ""}, "needs a reason"),
        ({"percent": 5, "reason": " \t"}, "needs a reason"),
        ({"percent": 5, "reason": 7}, "reason must be a text"),
        ({"percent": 5, "reason": "r" * (MAX_REASON_LENGTH + 1)}, "longer than 1000"),
        ({"percent": 5, "reason": "one\ntwo"}, "cannot be printed in a line"),
        ({"percent": 5, "reason": "\x1b[2J"}, "cannot be printed in a line"),
        ({"percent": 5, "reason": "r", "who": "a\x00"}, "the name has characters"),
        ({"percent": 5, "reason": "r", "who": 3}, "who must be a text"),
        ({"percent": 5, "reason": "r", "who": "system"}, "'system' is the proxy's own"),
        ({"percent": 5, "reason": "r", "who": " SYSTEM"}, "'system' is the proxy's own"),
        ({"percent": 5, "reason": "r", "ttl_s": "60"}, "ttl_s must be a number of seconds"),
        ({"percent": 5, "reason": "r", "ttl_s": True}, "ttl_s must be a number of seconds"),
        ({"percent": 5, "reason": "r", "if_revision": 1.0}, "if_revision must be a whole number"),
        ({"percent": 5, "reason": "r", "if_revision": True}, "if_revision must be a whole"),
    ],
)
async def test_a_body_that_is_not_right_is_400_with_what_is_wrong(
    stand: Stand, body: Any, told: str
):
    reply = await stand.post(PERCENT, body)
    assert (reply.status, reply["content-type"]) == (400, "application/json")
    assert told in reply.json()["error"]
    assert stand.control.overrides.revision == 0


@pytest.mark.parametrize("ttl_s", [0, -1, -0.5, 366 * 24 * 3600 + 1, 1e300])
async def test_a_ttl_that_no_move_can_have_is_refused(stand: Stand, ttl_s: float):
    reply = await stand.move("list-items", "percent", percent=5, ttl_s=ttl_s)
    assert (reply.status, reply.json()["error"]) == (
        409,
        "a ttl must be longer than 0 and at most 366 days",
    )


async def test_a_body_that_is_too_large_is_413(stand: Stand):
    reply = await stand.post(PERCENT, {"reason": "r" * (64 << 10)})
    assert reply.status == 413
    assert reply.json()["error"]


async def test_moves_of_one_kind_take_no_keys_of_another(stand: Stand):
    assert (await stand.move("list-items", "rollback", percent=5)).status == 400
    assert (await stand.move("list-items", "stage")).json()["error"] == "stage is missing"
    wrong = await stand.move("list-items", "stage", stage="grcp")
    assert wrong.json()["error"] == "stage must be one of legacy, shadow, canary, grpc"


@pytest.mark.parametrize(
    "name",
    ["nothing", "List-Items", "list-items%20", "%2e%2e", "list%2Fitems", "a:b", "%00", "%C3%A9"],
)
async def test_a_route_that_is_not_there_is_404(stand: Stand, name: str):
    reply = await stand.move(name, "rollback")
    assert reply.status == 404
    assert reply.json()["error"]


@pytest.mark.parametrize("action", ["kill", "advance", "settle", "expire", "Rollback", "drop"])
async def test_only_moves_of_operators_can_be_asked_for(stand: Stand, action: str):
    reply = await stand.move("list-items", action)
    assert (reply.status, stand.control.overrides.revision) == (404, 0)


# --- moves


async def test_a_move_counts_at_once_and_says_what_it_did(stand: Stand):
    reply = await stand.move("list-items", "percent", percent=12.34)
    told = reply.json()
    assert (reply.status, told["revision"], told["durable"]) == (200, 1, False)
    assert told["change"] == "list-items: canary 25 % -> canary 12.34 %"
    row = await stand.status_of("list-items")
    assert (row["percent"], row["last_move"]["who"]) == (12.34, "tester")
    assert "the file says canary 25 %" in row["drift"]
    (entry,) = (await stand.get("/admin/v1/audit")).json()["entries"]
    assert (entry["id"], entry["who"], entry["why"]) == (told["audit_id"], "tester", "a test")


async def test_each_move_of_an_operator_can_be_made(stand: Stand):
    for action, facts, stage in (
        ("promote", {}, "canary"),
        ("pause", {}, "canary"),
        ("resume", {}, "canary"),
        ("rollback", {}, "legacy"),
        ("resume", {}, "canary"),
        ("stage", {"stage": "grpc"}, "grpc"),
    ):
        assert (await stand.move("delete-item", action, **facts)).status == 200, action
        assert (await stand.status_of("delete-item"))["stage"] == stage


async def test_a_move_that_makes_no_sense_is_409_with_the_reason(stand: Stand):
    reply = await stand.move("old-item", "rollback")
    assert (reply.status, reply.json()["error"]) == (
        409,
        "nothing to roll back: old-item is legacy",
    )
    streaming = await stand.move("upload", "stage", stage="canary")
    assert streaming.status == 409


async def test_who_moves_by_an_old_revision_is_told_the_new_one(stand: Stand):
    assert (await stand.move("list-items", "percent", percent=5, if_revision=0)).status == 200
    for stale in (0, 7, -1):
        reply = await stand.move("list-items", "percent", percent=6, if_revision=stale)
        assert (reply.status, reply.json()["revision"]) == (409, 1)


async def test_of_two_moves_at_once_by_one_revision_one_is_made(stand: Stand):
    replies = await asyncio.gather(
        *(
            stand.move("list-items", "percent", percent=percent, if_revision=0)
            for percent in range(1, 7)
        )
    )
    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409, 409, 409]
    assert stand.control.overrides.revision == 1


async def test_moves_of_many_at_once_are_all_made(stand: Stand):
    replies = await asyncio.gather(
        *(stand.move("list-items", "percent", percent=percent) for percent in range(1, 9))
    )
    assert {reply.status for reply in replies} == {200}
    assert sorted(reply.json()["revision"] for reply in replies) == [*range(1, 9)]
    entries = (await stand.get("/admin/v1/audit")).json()["entries"]
    assert [entry["revision"] for entry in entries] == [*range(8, 0, -1)]


async def test_a_state_that_cannot_be_changed_is_503_and_nothing_moves(
    guarded: Snapshot, tmp_path: Path
):
    async with stand_of(guarded, StateDirectory(tmp_path / "state")) as stand:
        (tmp_path / "state" / "state.json").write_text("{")
        reply = await stand.move("list-items", "percent", percent=5)
        assert (reply.status, "cannot be understood" in reply.json()["error"]) == (503, True)
        assert (await stand.status_of("list-items"))["percent"] == 25
        assert (
            "cannot be understood" in (await stand.get("/admin/v1/status")).json()["state_problem"]
        )
        audit = await stand.get("/admin/v1/audit")
        assert audit.status == 503


# --- gates


async def test_a_promotion_that_the_evidence_does_not_bear_is_409_with_the_reasons(stand: Stand):
    stand.control.gate = FakeGate(TOO_EARLY)
    reply = await stand.move("delete-item", "promote")
    assert (reply.status, reply.json()) == (
        409,
        {
            "error": "the gate of delete-item does not pass: inconclusive",
            "verdict": "inconclusive",
            "because": ["min_keys 200, have 3", "min_duration 24h"],
        },
    )
    assert stand.control.overrides.revision == 0


async def test_a_forced_promotion_warns_and_is_in_the_audit_with_its_verdict(stand: Stand):
    stand.control.gate = FakeGate(FAILS)
    reply = await stand.move("delete-item", "promote", force=True)
    said = "forced, fail: forbid type: $.id, 3 times"
    assert (reply.status, reply.json()["warning"]) == (200, f"the gate does not pass: {said}")
    (entry,) = (await stand.get("/admin/v1/audit")).json()["entries"]
    assert (entry["gate"], entry["why"]) == (said, "a test")


async def test_a_promotion_that_passes_warns_of_nothing(stand: Stand):
    stand.control.gate = FakeGate(PASSES)
    assert (await stand.move("delete-item", "promote", force=False)).json()["warning"] is None


async def test_a_force_without_a_reason_is_refused(stand: Stand):
    stand.control.gate = FakeGate(FAILS)
    for reason in (None, "", " "):
        reply = await stand.move("delete-item", "promote", force=True, reason=reason)
        assert (reply.status, "reason" in reply.json()["error"]) == (400, True)
    assert stand.control.overrides.revision == 0


async def test_only_a_promotion_can_be_forced(stand: Stand):
    for action in ("percent", "stage", "rollback"):
        reply = await stand.move("delete-item", action, force=True)
        assert (reply.status, "unknown: force" in reply.json()["error"]) == (400, True)
    assert (await stand.move("delete-item", "promote", force="yes")).status == 400


async def test_a_share_that_is_raised_by_hand_is_raised_with_a_warning(stand: Stand):
    stand.control.gate = FakeGate(TOO_EARLY)
    raised = (await stand.move("delete-item", "percent", percent=5)).json()
    assert raised["warning"] == (
        "the gate does not pass: inconclusive: min_keys 200, have 3; min_duration 24h"
    )
    lowered = (await stand.move("delete-item", "percent", percent=1)).json()
    assert lowered["warning"] is None
    whole = (await stand.move("delete-item", "stage", stage="grpc")).json()
    assert whole["warning"] == raised["warning"]


# --- the kill switch


async def test_the_kill_switch_goes_on_and_off(stand: Stand):
    on = await stand.kill(on=True)
    assert (on.status, on.json()["change"]) == (
        200,
        "all routes: kill switch off -> kill switch on",
    )
    assert stand.control.killed
    shown = (await stand.get("/admin/v1/status")).json()["kill_switch"]
    assert (shown["on"], shown["who"], shown["reason"]) == (True, "admin", "a test")
    assert (await stand.kill(on=False)).status == 200
    assert not stand.control.killed
    again = await stand.kill(on=False)
    assert (again.status, again.json()["error"]) == (409, "the kill switch is not on")


@pytest.mark.parametrize("on", [None, "on", 1, 0])
async def test_a_kill_switch_is_on_or_off_and_nothing_else(stand: Stand, on: Any):
    reply = await stand.kill(on=on)
    assert (reply.status, stand.control.killed) == (400, False)


async def test_a_kill_switch_that_would_send_requests_nowhere_is_refused():
    lone = await guarded_snapshot(legacy=False, more="")
    async with stand_of(lone) as stand:
        reply = await stand.kill(on=True)
        assert (reply.status, reply.json()["error"]) == (
            409,
            "the kill switch changes nothing: there is no legacy upstream",
        )
        assert not (stand.control.state.path / "kill").exists()


async def test_a_kill_switch_that_cannot_be_recorded_is_on_and_says_so(
    guarded: Snapshot, tmp_path: Path
):
    async with stand_of(guarded, StateDirectory(tmp_path / "state")) as stand:
        (tmp_path / "state" / "state.json").write_text("{")
        reply = await stand.kill(on=True)
        assert (reply.status, reply.json()["audit_id"]) == (200, None)
        assert "could not be recorded" in reply.json()["warning"]
        assert stand.control.killed


# --- reloads


async def test_a_reload_passes_on_who_and_why(stand: Stand):
    reply = await stand.post("/-/reload", {"who": "ann", "reason": "r", "force": True})
    assert (reply.status, reply.json()["result"]) == (200, "applied")
    assert stand.reloads == [{"force": True, "who": "ann", "reason": "r"}]


async def test_a_reload_needs_no_body(stand: Stand):
    assert (await stand.ask("POST", "/-/reload")).status == 200
    assert stand.reloads == [{"force": False, "who": "admin", "reason": ""}]


@pytest.mark.parametrize(
    "body",
    [
        {"force": True},
        {"force": True, "reason": " "},
        {"force": "yes"},
        {"who": "a\nb"},
        {"who": "system"},
        {"reason": "\x1b[2J"},
        {"folder": "/etc"},
    ],
)
async def test_a_reload_that_is_asked_for_wrongly_is_not_made(stand: Stand, body: Any):
    assert (await stand.post("/-/reload", body)).status == 400
    assert stand.reloads == []


async def test_a_refused_reload_is_409_with_its_problems(stand: Stand):
    problem = {"place": "a.yaml:1", "message": "bad"}
    stand.reload_result |= {"result": "refused", "problems": [problem]}
    reply = await stand.post("/-/reload", {})
    assert (reply.status, reply.json()["problems"]) == (409, [problem])


async def test_a_stage_is_one_of_the_four(stand: Stand):
    for stage in Stage:
        assert (await stand.move("list-items", "stage", stage=stage)).status == 200
