"""Whose turn it is to have a place."""

import asyncio

import pytest

from proxy.programs.turns import Turns
from tests.waiting import until

AMPLE_S = 50.0


async def waiting(turns: Turns, kind: str, taken: list[str], timeout_s: float = AMPLE_S) -> None:
    await turns.take(kind, timeout_s)
    taken.append(kind)


async def test_kinds_take_turns_however_many_of_one_wait():
    turns, taken = Turns(1), list[str]()
    await turns.take("a", AMPLE_S)
    tasks = [asyncio.create_task(waiting(turns, kind, taken)) for kind in "aaabbc"]
    await until(lambda: repr(turns) == "<Turns free=0 waiting=6>")
    for number in range(1, 7):
        turns.give_back()
        await until(lambda number=number: len(taken) == number)
    await asyncio.gather(*tasks)
    assert taken == ["a", "b", "c", "a", "b", "a"]
    turns.give_back()
    assert repr(turns) == "<Turns free=1 waiting=0>"


async def test_who_waits_too_long_leaves_nothing_behind():
    turns = Turns(1)
    await turns.take("a", AMPLE_S)
    with pytest.raises(TimeoutError):
        await turns.take("b", 0.001)
    assert repr(turns) == "<Turns free=0 waiting=0>"


async def test_a_place_is_not_lost_with_who_leaves_as_it_is_given():
    turns, taken = Turns(1), list[str]()
    await turns.take("a", AMPLE_S)
    leaving = asyncio.create_task(waiting(turns, "b", taken))
    staying = asyncio.create_task(waiting(turns, "c", taken))
    await until(lambda: repr(turns) == "<Turns free=0 waiting=2>")
    turns.give_back()
    leaving.cancel()
    await asyncio.wait({leaving, staying})
    assert taken == ["c"]


async def test_who_has_left_is_passed_over():
    turns, taken = Turns(1), list[str]()
    await turns.take("a", AMPLE_S)
    tasks = [asyncio.create_task(waiting(turns, "b", taken)) for _ in range(2)]
    await until(lambda: repr(turns) == "<Turns free=0 waiting=2>")
    tasks[0].cancel()
    turns.give_back()
    await asyncio.wait(tasks)
    assert taken == ["b"]
    turns.give_back()
    assert repr(turns) == "<Turns free=1 waiting=0>"
