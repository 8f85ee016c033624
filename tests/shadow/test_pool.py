"""The pool: its bounds, its fairness, its end, and that every mirror is counted once."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
import structlog

from proxy.gate.evidence import Epoch, Observation
from proxy.routing.snapshot import Snapshot
from proxy.shadow.epochs import Versions
from proxy.shadow.mirror import RouteMirror
from proxy.shadow.pool import MirrorPool, PoolLimits
from proxy.shadow.sample import Failed, Life, Sample
from tests.fakes import FakeClock
from tests.shadow.stand import (
    PLENTY,
    FakeExaminer,
    HeldExaminer,
    Pools,
    capture_of,
    lives_of,
    matched,
    options_of,
)
from tests.waiting import until


def mirror_of(
    pool: MirrorPool, snapshot: Snapshot, examiner: FakeExaminer, name: str, **options: int
) -> RouteMirror:
    route = next(route for route in snapshot.routes if route.name == name)
    return RouteMirror(
        route,
        replace(options_of(route), **options),
        examiner,
        pool.ledger.counts_of(Versions().epoch_of(route)),
        snapshot,
        has_sink=False,
        random=lambda: 0.0,
        clock=FakeClock(),
    )


async def test_what_is_submitted_is_examined_and_its_observation_kept(
    pools: Pools, shadowed: Snapshot
):
    pool, examiner = pools.make(), FakeExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    pool.submit(capture_of(pool, mirror, shadowed, b"question", b"answer"))
    assert pool.running == 1
    await until(lambda: not pool.running)
    assert lives_of(pool) == {"eligible": 1, "sent": 1, "compared": 1}
    assert (examiner.samples[0].body, examiner.samples[0].answer.body) == (b"question", b"answer")
    assert [each.epoch.route for each in pools.evidence.observations] == ["list-items"]


async def test_submitting_runs_nothing_of_the_mirror(pools: Pools, shadowed: Snapshot):
    """The handler that submits has yet to return: the mirror must not run in its turn."""
    pool, examiner = pools.make(), FakeExaminer()
    pool.submit(capture_of(pool, mirror_of(pool, shadowed, examiner, "list-items"), shadowed))
    assert examiner.samples == []
    await pool.close(30.0)
    assert len(examiner.samples) == 1


async def test_no_more_run_than_may_and_the_newest_are_dropped(pools: Pools, shadowed: Snapshot):
    pool, examiner = pools.make(PoolLimits(max_concurrency=3, max_pending=4)), HeldExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    for number in range(20):
        pool.submit(capture_of(pool, mirror, shadowed, answer=b"%d" % number))
    assert (pool.running, pool.waiting) == (3, 4)
    await until(lambda: examiner.held == 3)
    examiner.go.set()
    await until(lambda: not pool.running + pool.waiting)
    assert examiner.most == 3
    assert [int(sample.answer.body) for sample in examiner.samples] == list(range(7))
    assert lives_of(pool) == {
        "eligible": 20,
        "sent": 7,
        "compared": 7,
        "dropped{queue_full}": 13,
    }


async def test_of_bodies_that_cannot_be_decoded_one_is_tried_in_a_turn_of_the_loop(
    pools: Pools, shadowed: Snapshot
):
    """To find that out takes its time, and all that waited must not hold up requests."""
    pool = pools.make(PoolLimits(max_concurrency=1, max_cpu=PLENTY))
    held = HeldExaminer()
    pool.submit(capture_of(pool, mirror_of(pool, shadowed, held, "list-items"), shadowed))
    await until(lambda: held.held == 1)
    mirror = mirror_of(pool, shadowed, FakeExaminer(), "list-items", max_pending=100)
    for _ in range(50):
        capture = capture_of(pool, mirror, shadowed, body=b"no gzip")
        capture._codings = ("gzip",)
        pool.submit(capture)
    ended: list[int] = []

    def look() -> None:
        ended.append(lives_of(pool).get("not_comparable{coding}", 0))
        if pool.waiting:
            asyncio.get_running_loop().call_soon(look)

    held.go.set()
    look()
    await until(lambda: not pool.running + pool.waiting)
    assert lives_of(pool)["not_comparable{coding}"] == 50
    assert max(after - before for before, after in pairwise(ended)) == 1


async def test_the_time_that_decoding_takes_is_charged(pools: Pools, shadowed: Snapshot):
    pool = pools.make(PoolLimits(max_cpu=1.0))
    mirror = mirror_of(pool, shadowed, FakeExaminer(), "list-items")
    left_s = pool.cpu._left_s
    capture = capture_of(pool, mirror, shadowed, body=b"no gzip")
    capture._codings = ("gzip",)
    pool.submit(capture)
    assert pool.cpu._left_s < left_s


async def test_a_route_has_bounds_of_its_own(pools: Pools, shadowed: Snapshot):
    pool, examiner = pools.make(), HeldExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items", max_concurrency=2, max_pending=3)
    for _ in range(9):
        pool.submit(capture_of(pool, mirror, shadowed))
    assert (pool.running, pool.waiting) == (2, 3)
    await until(lambda: examiner.held == 2)
    examiner.go.set()
    await pool.close(30.0)
    assert examiner.most == 2
    assert lives_of(pool)["dropped{queue_full}"] == 4


async def test_a_route_that_hangs_leaves_places_to_the_others(pools: Pools, shadowed: Snapshot):
    pool = pools.make(PoolLimits(max_concurrency=4, max_pending=1000))
    hanging, quick = HeldExaminer(), FakeExaminer()
    slow = mirror_of(pool, shadowed, hanging, "list-items", max_concurrency=3)
    fast = mirror_of(pool, shadowed, quick, "create-item")
    for _ in range(100):
        pool.submit(capture_of(pool, slow, shadowed))
    for _ in range(10):
        pool.submit(capture_of(pool, fast, shadowed))
    await until(lambda: len(quick.samples) == 10)
    assert (hanging.held, lives_of(pool, "create-item")["sent"]) == (3, 10)
    await pool.close(0.0)


async def test_routes_that_wait_take_turns(pools: Pools, shadowed: Snapshot):
    pool, examiner = pools.make(PoolLimits(max_concurrency=1)), FakeExaminer()
    names = ("list-items", "create-item", "watch-item")
    mirrors = [mirror_of(pool, shadowed, examiner, name) for name in names]
    for mirror in mirrors:
        for number in range(3):
            pool.submit(capture_of(pool, mirror, shadowed, answer=b"%d" % number))
    await until(lambda: not pool.running + pool.waiting)
    # The first had its place at once; of those that wait, each route has one in its turn.
    begun = [
        f"{each.binding.route.name[0]}{each.answer.body.decode()}" for each in examiner.samples
    ]
    assert begun == ["l0", "l1", "c0", "w0", "l2", "c1", "w1", "c2", "w2"]


async def test_memory_of_bodies_is_bounded_and_given_back(pools: Pools, shadowed: Snapshot):
    pool, examiner = pools.make(PoolLimits(max_total_bytes=50_000)), HeldExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    for _ in range(100):
        pool.submit(capture_of(pool, mirror, shadowed, b"x" * 4000, b"y" * 4000))
        assert pool.room.used <= 50_000
    assert lives_of(pool)["dropped{bytes}"] == 96
    await pool.close(0.0)
    assert pool.room.used == 0


async def test_comparisons_over_their_processor_time_are_dropped_until_it_is_made_up_for(
    pools: Pools, shadowed: Snapshot
):
    pool, examiner = pools.make(PoolLimits(max_cpu=0.1)), FakeExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    pool.cpu.charge(0.21)
    pool.submit(capture_of(pool, mirror, shadowed))
    pools.clock.advance(1.9)
    pool.submit(capture_of(pool, mirror, shadowed))
    assert lives_of(pool) == {"eligible": 2, "dropped{cpu}": 2}
    pools.clock.advance(0.2)
    pool.submit(capture_of(pool, mirror, shadowed))
    await pool.close(30.0)
    assert lives_of(pool)["compared"] == 1


async def test_what_waits_is_dropped_too_when_the_processor_time_is_used_up(
    pools: Pools, shadowed: Snapshot
):
    pool = pools.make(PoolLimits(max_concurrency=1))

    async def costly(_: Sample, epoch: Epoch) -> Observation | Failed:
        pool.cpu.charge(10.0)
        return matched(epoch)

    mirror = mirror_of(pool, shadowed, FakeExaminer(costly), "list-items")
    for _ in range(5):
        pool.submit(capture_of(pool, mirror, shadowed))
    await pool.close(30.0)
    assert lives_of(pool) == {"eligible": 5, "sent": 1, "compared": 1, "dropped{cpu}": 4}


async def test_a_mirror_has_a_deadline(pools: Pools, shadowed: Snapshot):
    pool, examiner = pools.make(longest_s=0.0), HeldExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    pool.submit(capture_of(pool, mirror, shadowed))
    await until(lambda: not pool.running)
    assert lives_of(pool) == {"eligible": 1, "sent": 1, "candidate_timeout{deadline}": 1}
    assert examiner.held == 0


@pytest.mark.parametrize(
    "failure", [RuntimeError("m4rk"), TimeoutError(), asyncio.CancelledError(), KeyError()]
)
async def test_a_bug_costs_one_mirror_and_is_told_once(
    pools: Pools, shadowed: Snapshot, failure: BaseException
):
    async def fail(_: Sample, __: Epoch) -> Observation | Failed:
        raise failure

    pool = pools.make()
    mirror = mirror_of(pool, shadowed, FakeExaminer(fail), "list-items")
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            pool.submit(capture_of(pool, mirror, shadowed))
        await until(lambda: not pool.running)
    assert lives_of(pool) == {"eligible": 5, "sent": 5, "candidate_error{internal}": 5}
    assert [log["route"] for log in logs if log["event"] == "mirror failed"] == ["list-items"]


async def test_an_end_that_is_none_is_a_bug(pools: Pools, shadowed: Snapshot):
    async def skip(_: Sample, __: Epoch) -> Observation | Failed:
        return Failed(Life.SKIPPED, "head")

    pool = pools.make()
    pool.submit(
        capture_of(pool, mirror_of(pool, shadowed, FakeExaminer(skip), "list-items"), shadowed)
    )
    await until(lambda: not pool.running)
    assert lives_of(pool) == {"eligible": 1, "sent": 1, "candidate_error{internal}": 1}


@pytest.mark.parametrize("life", ["candidate_error", "candidate_timeout", "not_comparable"])
async def test_failures_are_counted_by_their_reasons(pools: Pools, shadowed: Snapshot, life: str):
    async def fail(_: Sample, __: Epoch) -> Observation | Failed:
        return Failed(Life(life), "why")

    pool = pools.make()
    mirror = mirror_of(pool, shadowed, FakeExaminer(fail), "list-items")
    pool.submit(capture_of(pool, mirror, shadowed))
    await until(lambda: not pool.running)
    assert lives_of(pool) == {"eligible": 1, "sent": 1, f"{life}{{why}}": 1}


async def test_an_observation_that_cannot_be_kept_still_counts_as_compared(
    pools: Pools, shadowed: Snapshot
):
    pool = pools.make()
    pools.evidence.has_room = False
    pool.submit(capture_of(pool, mirror_of(pool, shadowed, FakeExaminer(), "list-items"), shadowed))
    await pool.close(30.0)
    assert lives_of(pool)["compared"] == 1


# --- the end


async def test_a_drain_lets_mirrors_end_and_takes_no_more(pools: Pools, shadowed: Snapshot):
    pool, examiner = pools.make(PoolLimits(max_concurrency=1)), HeldExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    for _ in range(3):
        pool.submit(capture_of(pool, mirror, shadowed))
    closing = asyncio.ensure_future(pool.close(30.0))
    await until(lambda: pool.is_closed)
    pool.submit(capture_of(pool, mirror, shadowed))
    examiner.go.set()
    await closing
    assert lives_of(pool) == {
        "eligible": 4,
        "sent": 3,
        "compared": 3,
        "dropped{draining}": 1,
    }


async def test_a_drain_without_time_cuts_all_off_and_counts_them(pools: Pools, shadowed: Snapshot):
    pool, examiner = pools.make(PoolLimits(max_concurrency=2)), HeldExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    for _ in range(5):
        pool.submit(capture_of(pool, mirror, shadowed))
    # Nothing of the two has run yet: a task that is cancelled so never begins.
    await pool.close(0.0)
    assert lives_of(pool) == {
        "eligible": 5,
        "sent": 2,
        "dropped{draining}": 3,
        "candidate_timeout{draining}": 2,
    }
    assert pools.evidence.counts.total() == 12


async def test_running_mirrors_are_cancelled_when_the_time_is_over(
    pools: Pools, shadowed: Snapshot
):
    pool, examiner = pools.make(), HeldExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    pool.submit(capture_of(pool, mirror, shadowed))
    await until(lambda: examiner.held == 1)
    await pool.close(0.0)
    assert examiner.held == 0
    assert lives_of(pool)["candidate_timeout{draining}"] == 1


async def test_a_mirror_that_does_not_end_is_told_of_and_does_not_hold_the_process(
    pools: Pools, shadowed: Snapshot
):
    stubborn, go = asyncio.Event(), asyncio.Event()

    async def stay(_: Sample, epoch: Epoch) -> Observation | Failed:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stubborn.set()
            await go.wait()
        return matched(epoch)

    pool = pools.make()
    mirror = mirror_of(pool, shadowed, FakeExaminer(stay), "list-items")
    pool.submit(capture_of(pool, mirror, shadowed))
    await until(lambda: pool.running == 1)
    with structlog.testing.capture_logs() as logs:
        await pool.close(0.0)
    assert stubborn.is_set()
    assert [log["event"] for log in logs] == ["mirrors do not end"]
    go.set()
    await until(lambda: not pool.running)
    assert lives_of(pool)["compared"] == 1


async def test_only_the_mirrors_of_a_replaced_snapshot_are_cut_off(
    pools: Pools, shadowed: Snapshot
):
    pool, examiner = pools.make(PoolLimits(max_concurrency=2)), HeldExaminer()
    old = mirror_of(pool, shadowed, examiner, "list-items")
    new = mirror_of(pool, shadowed, examiner, "list-items")
    new.generation = object()
    for mirror in (old, new, old, new):
        pool.submit(capture_of(pool, mirror, shadowed))
    await pool.settle(old.generation, 0.0)
    assert (pool.running, pool.waiting) == (2, 0)
    examiner.go.set()
    await pool.close(30.0)
    assert lives_of(pool) == {
        "eligible": 4,
        "sent": 3,
        "compared": 2,
        "candidate_timeout{draining}": 1,
        "dropped{draining}": 1,
    }


async def test_limits_can_be_set_anew(pools: Pools, shadowed: Snapshot):
    pool, examiner = pools.make(PoolLimits(max_concurrency=1, max_pending=1)), HeldExaminer()
    mirror = mirror_of(pool, shadowed, examiner, "list-items")
    pool.submit(capture_of(pool, mirror, shadowed))
    pool.limit(PoolLimits(max_concurrency=2, max_pending=1))
    for _ in range(3):
        pool.submit(capture_of(pool, mirror, shadowed))
    assert (pool.running, pool.waiting) == (2, 1)
    await pool.close(0.0)
    assert "waiting=0" in repr(pool)


async def test_ten_thousand_mirrors_that_hang_leave_nothing_behind(
    pools: Pools, shadowed: Snapshot
):
    """Memory is bounded by what may run and wait, and comes back whole (`room` too)."""
    pool = pools.make(PoolLimits(max_concurrency=8, max_pending=64, max_cpu=PLENTY), longest_s=0.0)
    mirror = mirror_of(pool, shadowed, HeldExaminer(), "list-items")
    before = len(asyncio.all_tasks())
    for number in range(10_000):
        pool.submit(capture_of(pool, mirror, shadowed, answer=b"y" * 100))
        assert pool.running <= 8
        assert pool.waiting <= 64
        if number % 500 == 0:
            await until(lambda: not pool.running + pool.waiting)
    await until(lambda: not pool.running + pool.waiting)
    lives = lives_of(pool)
    assert lives["eligible"] == 10_000
    assert lives["candidate_timeout{deadline}"] == lives["sent"] > 1000
    await until(lambda: len(asyncio.all_tasks()) <= before)
