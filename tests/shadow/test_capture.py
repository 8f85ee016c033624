"""What is kept of a request: within its caps, whole or not at all, and let go of at once."""

import gzip
import sys

from proxy.gate.evidence import Epoch, Observation
from proxy.routing.snapshot import Snapshot
from proxy.shadow.pool import PoolLimits
from proxy.shadow.sample import Failed, Life, Sample
from tests.shadow.stand import FakeExaminer, Pools, capture_of, lives_of, matched
from tests.shadow.test_pool import mirror_of


async def test_the_cap_of_a_body_is_its_last_byte(pools: Pools, shadowed: Snapshot):
    pool = pools.make()
    mirror = mirror_of(pool, shadowed, FakeExaminer(), "list-items", max_request_bytes=10)
    for size in (10, 11):
        pool.submit(capture_of(pool, mirror, shadowed, body=b"x" * size))
    await pool.close(30.0)
    assert lives_of(pool) == {
        "eligible": 2,
        "sent": 1,
        "compared": 1,
        "skipped{body_too_large}": 1,
    }


async def test_the_cap_of_an_answer_is_its_last_byte(pools: Pools, shadowed: Snapshot):
    pool = pools.make()
    mirror = mirror_of(pool, shadowed, FakeExaminer(), "list-items", max_response_bytes=10)
    for pieces in ((b"x" * 10,), (b"x" * 11,), (b"x" * 6, b"x" * 4), (b"x" * 6, b"x" * 5, b"x")):
        capture = capture_of(pool, mirror, shadowed)
        for piece in pieces:
            capture.answer_piece(piece)
        pool.submit(capture)
    await pool.close(30.0)
    assert lives_of(pool)["compared"] == lives_of(pool)["skipped{response_too_large}"] == 2


async def test_what_is_given_up_holds_nothing_from_then_on(pools: Pools, shadowed: Snapshot):
    pool = pools.make()
    capture = capture_of(
        pool, mirror_of(pool, shadowed, FakeExaminer(), "list-items"), shadowed, b"b" * 100
    )
    assert pool.room.used > 100
    capture.stop(Life.SKIPPED, "client_gone")
    capture.stop(Life.SKIPPED, "loop")
    for keep in (capture.body_piece, capture.answer_piece, capture.body_came, capture.body_read):
        keep(b"x" * 1000)
    assert pool.room.used == 0
    assert "stopped skipped client_gone" in repr(capture)
    pool.submit(capture)
    assert lives_of(pool) == {"eligible": 1, "skipped{client_gone}": 1}


async def test_a_body_in_tiny_pieces_takes_the_room_that_its_pieces_do(
    pools: Pools, shadowed: Snapshot
):
    """A client that sends two bytes at a time must not hold a hundred where two are counted."""
    pool = pools.make()
    mirror = mirror_of(pool, shadowed, FakeExaminer(), "list-items")
    pieces = [b"%02d" % (number % 100) for number in range(1000)]
    capture = capture_of(pool, mirror, shadowed)
    before = pool.room.used
    for piece in pieces:
        capture.body_piece(piece)
        capture.answer_piece(piece)
    held = 2 * sum(sys.getsizeof(piece) + 8 for piece in pieces)
    assert pool.room.used - before >= held
    pool.submit(capture)
    await pool.close(30.0)


async def test_a_body_that_two_sides_read_is_kept_once(pools: Pools, shadowed: Snapshot):
    """gRPC read it and failed; legacy got it next."""
    pool = pools.make()
    capture = capture_of(pool, mirror_of(pool, shadowed, FakeExaminer(), "list-items"), shadowed)
    capture.body_read(b"once")
    capture.body_came(b"once")
    sample = capture.whole()
    assert isinstance(sample, Sample)
    assert sample.body == b"once"
    pool.submit(capture)
    await pool.close(30.0)


async def test_a_decoded_body_needs_room_too(pools: Pools, shadowed: Snapshot):
    pool = pools.make(PoolLimits(max_total_bytes=20_000, max_cpu=1e6))
    capture = capture_of(pool, mirror_of(pool, shadowed, FakeExaminer(), "list-items"), shadowed)
    capture._codings = ("gzip",)
    capture.body_came(gzip.compress(b" " * 30_000))
    assert capture.whole() == Failed(Life.DROPPED, "bytes")
    pool.submit(capture)
    assert lives_of(pool) == {"eligible": 1, "dropped{bytes}": 1}


async def test_what_a_mirror_holds_counts_until_its_end(pools: Pools, shadowed: Snapshot):
    """The answers that it gets are as large as those that were captured."""
    pool = pools.make(PoolLimits(max_total_bytes=20_000, max_cpu=1e6))
    held: list[int] = []

    async def hold(sample: Sample, epoch: Epoch) -> Observation | Failed:
        assert sample.hold(10_000)
        assert not sample.hold(10_000)
        held.append(pool.room.used)
        return matched(epoch)

    mirror = mirror_of(pool, shadowed, FakeExaminer(hold), "list-items")
    capture = capture_of(pool, mirror, shadowed)
    before = pool.room.used
    pool.submit(capture)
    await pool.close(30.0)
    assert held == [before + 10_000]
    assert pool.room.used == 0
    assert lives_of(pool) == {"eligible": 1, "sent": 1, "compared": 1}


async def test_an_answer_or_a_body_that_is_not_whole_is_not_mirrored(
    pools: Pools, shadowed: Snapshot
):
    pool = pools.make()
    mirror = mirror_of(pool, shadowed, FakeExaminer(), "list-items")
    capture = capture_of(pool, mirror, shadowed)
    assert capture.missing() is None
    capture.body_is_whole = False
    assert capture.missing() == "body_unread"
    capture.answer_is_whole = False
    assert capture.missing() == "primary_failed"
    pool.submit(capture)
    await pool.close(30.0)
