"""Routes whose move has come to a halt."""

import json
from datetime import date
from typing import Any

import pytest

from proxy.cli.stale import stale_routes
from tests.cli.operating import Shell

TODAY = date(2026, 7, 1)


def row(**facts: Any) -> dict[str, Any]:
    usual = {
        "name": "r",
        "owner": None,
        "stage": "canary",
        "percent": 5,
        "target_date": None,
        "rolled_back": None,
        "paused": False,
        "mirror_percent": None,
        "rules": [],
    }
    return {**usual, **facts}


def rule(expires: str) -> dict[str, str]:
    return {"text": "$.a ignore", "expires": expires}


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, None),
        ({"target_date": "2026-07-01"}, None),
        ({"target_date": "2026-06-30"}, "was to be on gRPC by 2026-06-30, is in stage canary"),
        ({"target_date": "2026-06-30", "stage": "grpc", "percent": None}, None),
        ({"stage": "legacy", "percent": None}, None),
        ({"percent": 99.99}, None),
        ({"percent": 100}, "all clients are on gRPC, and the route still keeps legacy"),
        ({"rolled_back": "5 of 5"}, "rolled back: 5 of 5"),
        ({"paused": True}, "paused"),
        ({"mirror_percent": 10.0}, None),
        ({"stage": "grpc", "percent": None, "mirror_percent": None}, None),
        (
            {"stage": "grpc", "percent": None, "mirror_percent": 12.5},
            "on gRPC, and 12.5 % of its requests still go to legacy too",
        ),
        ({"rules": []}, None),
        ({"rules": [rule("2026-07-16")]}, None),
        ({"rules": [rule("2026-07-15")]}, "the rule $.a ignore expires on 2026-07-15"),
        ({"rules": [rule("2026-07-01")]}, "the rule $.a ignore expires on 2026-07-01"),
        (
            {"rules": [rule("2027-01-01"), rule("2026-06-30")]},
            "the rule $.a ignore expired on 2026-06-30: reloads are refused",
        ),
    ],
)
def test_what_is_stale(facts: dict[str, Any], why: str | None):
    found = [each["why"] for each in stale_routes([row(**facts)], TODAY)]
    assert found == ([] if why is None else [why])


def test_a_route_has_a_row_for_each_reason():
    stale = row(target_date="2020-01-01", percent=100, paused=True, owner="ann")
    assert [each["owner"] for each in stale_routes([stale], TODAY)] == ["ann"] * 3


async def test_nothing_stale_is_silence_and_0(shell: Shell):
    result = await shell.run("stale", "--check")
    assert result.output == ""
    assert json.loads((await shell.run("stale", "--json")).stdout) == {"stale": []}


async def test_a_check_fails_when_something_is_stale(shell: Shell):
    await shell.stand.move("list-items", "percent", percent=100)
    result = await shell.run("stale")
    head, line = result.stdout.splitlines()
    assert head.split() == ["route", "owner", "why"]
    assert line.split()[:2] == ["list-items", "-"]
    await shell.run("stale", "--check", code=1)
    told = json.loads((await shell.run("stale", "--check", "--json", code=1)).stdout)
    assert [each["route"] for each in told["stale"]] == ["list-items"]
