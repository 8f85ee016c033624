"""The audit log from the command line."""

import json

import pytest

from tests.cli.operating import Shell


async def test_moves_are_listed_the_latest_last(shell: Shell):
    await shell.stand.move("list-items", "percent", percent=1)
    await shell.stand.move("delete-item", "promote")
    head, *lines = (await shell.run("audit")).stdout.splitlines()
    assert head.split() == ["time", "who", "route", "from", "to", "why", "id"]
    assert [line.split()[2] for line in lines] == ["list-items", "delete-item"]
    assert "canary 25 %" in lines[0]


async def test_a_route_and_a_limit_can_be_named(shell: Shell):
    for percent in (1, 2, 3):
        await shell.stand.move("list-items", "percent", percent=percent)
    await shell.stand.kill(on=True)
    result = await shell.run("audit", "--route", "list-items", "--limit", "2", "--json")
    entries = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["to"] for entry in entries] == ["canary 2 %", "canary 3 %"]
    assert (await shell.run("audit", "--route", "a b&limit=0")).stdout.count("\n") == 1
    whole = (await shell.run("audit")).stdout.splitlines()[-1]
    assert " -  " in whole, "the kill switch is of no route"


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "x"])
async def test_a_limit_out_of_range_is_wrong_use(shell: Shell, limit: str):
    await shell.run("audit", "--limit", limit, code=2)
