"""Programs in processes of their own: what they give, and what becomes of hostile ones."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from proxy.children import start_module
from proxy.programs.pool import MAX_ENDS, MAX_STARTS, Cause, ProgramFailed, ProgramPool, start_child
from proxy.shape.programs import Program
from tests.fakes import FakeClock
from tests.waiting import until

#: So long that no program of these tests takes it, however busy the machine is.
AMPLE_S = 50.0


def program(source: str, *, timeout_s: float = AMPLE_S, max_bytes: int = 1 << 20) -> Program:
    return Program(source, timeout_s, max_bytes)


@asynccontextmanager
async def pool_of(**options) -> AsyncIterator[ProgramPool]:
    pool = ProgramPool(**options)
    try:
        yield pool
    finally:
        await pool.close()


async def failure(pool: ProgramPool, program: Program, text: bytes = b"{}") -> ProgramFailed:
    with pytest.raises(ProgramFailed) as raised:
        await pool.run(program, text)
    return raised.value


async def test_a_program_makes_json_of_json():
    async with pool_of() as pool:
        made = await pool.run(program(".items | map({n: .name})"), b'{"items": [{"name": "a"}]}')
        assert json.loads(made) == [{"n": "a"}]


async def test_integers_that_double_precision_cannot_hold_pass_unchanged():
    text = b'{"a": 9007199254740993, "b": [-9223372036854775808], "c": 1.5, "d": "\xee\x80\x80x"}'
    async with pool_of() as pool:
        made = await pool.run(program("{x: .a, y: .b[0], c, d}"), text)
        assert json.loads(made) == {
            "x": 9007199254740993,
            "y": -9223372036854775808,
            "c": 1.5,
            "d": "\ue000x",
        }


async def test_a_program_that_computes_with_such_an_integer_fails():
    async with pool_of() as pool:
        failed = await failure(pool, program(".a + 1"), b'{"a": 9007199254740993}')
        assert failed.cause is Cause.PROGRAM
        assert "cannot be added" in failed.text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('error("not like this")', "not like this"),
        ("empty", "the program gives no value, or several"),
        ("1, 2", "the program gives no value, or several"),
        ("repeat(1)", "the program gives no value, or several"),
        ("input", "break"),
        ("halt", "the program gives no value, or several"),
        ('"text" | halt_error(0)', "the program gives no value, or several"),
        (".a.b.c + 1 | .x", "Cannot index number"),
    ],
)
async def test_a_failure_is_told_in_the_programs_words(source: str, text: str):
    async with pool_of() as pool:
        failed = await failure(pool, program(source))
        assert failed.cause is Cause.PROGRAM
        assert text in failed.text
        assert await pool.run(program("."), b"1") == b"1"


@pytest.mark.parametrize("text", [b"{", b"[1] 2", b"NaN", b"1e999", b"[" * 100_000])
async def test_what_is_no_json_is_no_input(text: bytes):
    async with pool_of() as pool:
        assert (await failure(pool, program("."), text)).cause is Cause.PROGRAM


async def test_a_program_sees_nothing_of_where_it_runs():
    source = "[$ENV, env, input_filename, get_search_list]"
    async with pool_of() as pool:
        assert json.loads(await pool.run(program(source), b"1")) == [{}, {}, None, []]


async def test_a_program_that_never_ends_is_ended_and_others_go_on():
    endless = program("last(range(1e15))", timeout_s=0.05)
    async with pool_of(processes=1) as pool:
        assert await pool.run(program("."), b"1") == b"1"
        assert (await failure(pool, endless)).cause is Cause.TIMEOUT
        assert await pool.run(program("."), b"1") == b"1"
        assert repr(pool) == "<ProgramPool idle=1 jobs=0>"


async def test_a_program_that_eats_memory_ends_its_own_process():
    eater = program("[range(1e9)] | length")
    start = partial(start_module, "proxy.programs.child_process", str(128 << 20))
    async with pool_of(processes=1, start=start) as pool:
        assert (await failure(pool, eater)).cause in (Cause.PROCESS, Cause.PROGRAM)
        assert await pool.run(program("."), b"1") == b"1"


async def test_more_than_may_go_in_or_out_is_refused():
    async with pool_of(processes=1) as pool:
        small = program(".", max_bytes=10)
        assert (await failure(pool, small, b'"0123456789"')).cause is Cause.SIZE
        grown = program('"a" * 100', max_bytes=10)
        assert (await failure(pool, grown)).cause is Cause.SIZE
        assert await pool.run(small, b"1") == b"1"


async def test_who_waits_too_long_for_a_process_has_no_room():
    async with pool_of(processes=1) as pool:
        running = asyncio.create_task(failure(pool, program("last(range(1e15))", timeout_s=2.0)))
        await until(lambda: pool.jobs == 1)
        assert (await failure(pool, program(".", timeout_s=0.001))).cause is Cause.ROOM
        running.cancel()
        await asyncio.wait({running})


async def test_only_so_many_wait():
    async with pool_of(processes=1, max_jobs=1) as pool:
        running = asyncio.create_task(failure(pool, program("last(range(1e15))", timeout_s=0.5)))
        await until(lambda: pool.jobs == 1)
        assert (await failure(pool, program("."))).cause is Cause.ROOM
        assert (await running).cause is Cause.TIMEOUT


async def test_who_leaves_leaves_the_process_to_others():
    async with pool_of(processes=1) as pool:
        leaving = asyncio.create_task(pool.run(program("[range(200000)] | length"), b"1"))
        await until(lambda: pool.jobs == 1)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert await pool.run(program("."), b'"mine"') == b'"mine"'


async def test_a_program_halts_only_itself():
    async with pool_of(processes=1) as pool:
        halting = program("if . == 1 then halt else . end")
        assert (await failure(pool, halting, b"1")).cause is Cause.PROGRAM
        assert await pool.run(halting, b"2") == b"2"


async def test_only_so_many_of_one_program_wait():
    async with pool_of(processes=1, max_jobs_of_one=1) as pool:
        endless = program("last(range(1e15))", timeout_s=0.5)
        failures = asyncio.gather(*(failure(pool, endless) for _ in range(3)))
        assert await pool.run(program("."), b"1") == b"1"
        causes = [each.cause for each in await failures]
        assert causes == [Cause.TIMEOUT, Cause.ROOM, Cause.ROOM]


async def test_a_program_that_ends_processes_again_and_again_is_not_run_for_a_while():
    """Others are: who makes the program of one route slow must not stop those of all routes."""
    clock, endless = FakeClock(), program("last(range(1e15))", timeout_s=0.001)
    async with pool_of(processes=1, clock=clock) as pool:
        for _ in range(MAX_ENDS):
            assert (await failure(pool, endless)).cause is Cause.TIMEOUT
        assert (await failure(pool, endless)).cause is Cause.SUSPENDED
        assert await pool.run(program("."), b"1") == b"1"
        clock.advance(60)
        assert (await failure(pool, endless)).cause is Cause.TIMEOUT


async def test_processes_are_not_started_for_ever():
    clock = FakeClock()
    async with pool_of(processes=1, clock=clock) as pool:
        for number in range(MAX_STARTS):
            endless = program(f"last(range(1e15)) + {number}", timeout_s=0.001)
            assert (await failure(pool, endless)).cause is Cause.TIMEOUT
        assert (await failure(pool, program("."))).cause is Cause.ROOM
        clock.advance(60)
        assert await pool.run(program("."), b"1") == b"1"


async def test_a_process_that_cannot_be_started_is_a_failure():
    def refuse():
        raise OSError("no more processes")

    async with pool_of(start=refuse) as pool:
        assert (await failure(pool, program("."))).cause is Cause.PROCESS


async def test_a_process_that_ends_before_it_begins_is_a_failure():
    start = partial(start_module, "proxy.programs.nothing")
    async with pool_of(start=start) as pool:
        assert (await failure(pool, program("."))).cause is Cause.PROCESS


async def test_a_process_that_is_killed_is_replaced():
    started = []

    def start():
        started.append(start_child())
        return started[-1]

    async with pool_of(processes=1, start=start) as pool:
        assert await pool.run(program("."), b"1") == b"1"
        os.kill(started[0][0].pid, 9)
        await asyncio.to_thread(started[0][0].wait)
        assert (await failure(pool, program("."))).cause is Cause.PROCESS
        assert await pool.run(program("."), b"2") == b"2"


async def test_nothing_runs_after_the_end():
    pool = ProgramPool()
    await pool.run(program("."), b"1")
    await pool.close()
    assert (await failure(pool, program("."))).cause is Cause.ROOM
