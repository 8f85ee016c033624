"""Pins: bounded, shared by processes, and never another side than the last write's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from mmap import mmap
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.pins import MAX_TTL_S, SET_BYTES, WAYS, Pins
from proxy.cutover.stages import Side

SIDES = (Side.LEGACY, Side.GRPC)

#: Where the clock of whole seconds begins anew.
WRAP_S = 2**32

sides = st.sampled_from(SIDES)


def pins_of(sets: int) -> Pins:
    return Pins(memoryview(bytearray(sets * SET_BYTES)))


def key_of(number: int) -> str:
    return f"user-{number}"


@pytest.mark.parametrize("side", SIDES)
def test_key_stays_on_the_side_of_its_write_for_its_time(side: Side):
    pins = pins_of(64)
    pins.pin("records", "u-1", side, 1000.0, 30.0)
    assert pins.side_of("records", "u-1", 1000.0) is side
    assert pins.side_of("records", "u-1", 1030.0) is side
    assert pins.side_of("records", "u-1", 1031.0) is None


@given(st.floats(0, 1e7), st.floats(0.001, MAX_TTL_S), st.floats(0, 1))
def test_pin_holds_at_least_as_long_as_it_should_and_a_second_more_at_most(
    now_s: float, ttl_s: float, part: float
):
    pins = pins_of(1)
    pins.pin("records", "u-1", Side.GRPC, now_s, ttl_s)
    assert pins.side_of("records", "u-1", now_s + ttl_s * part) is Side.GRPC
    assert pins.side_of("records", "u-1", now_s + ttl_s + 1) is None


def test_last_write_holds():
    pins = pins_of(64)
    pins.pin("records", "u-1", Side.LEGACY, 0.0, 300.0)
    pins.pin("records", "u-1", Side.GRPC, 1.0, 30.0)
    assert pins.side_of("records", "u-1", 2.0) is Side.GRPC
    assert pins.side_of("records", "u-1", 100.0) is None


def test_pins_of_one_group_are_none_of_another():
    pins = pins_of(64)
    pins.pin("records", "u-1", Side.GRPC, 0.0, 30.0)
    assert pins.side_of("zones", "u-1", 1.0) is None


def test_whatever_a_client_sends_can_be_pinned():
    pins = pins_of(64)
    for key in ("caf\udce9", "\0", "x" * 100_000):
        pins.pin("records", key, Side.GRPC, 0.0, 30.0)
        assert pins.side_of("records", key, 1.0) is Side.GRPC


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, MAX_TTL_S + 0.1, float("nan"), float("inf")])
def test_time_to_live_that_is_none_is_refused(ttl_s: float):
    with pytest.raises(ValueError, match="is not above 0 and at most 86400"):
        pins_of(1).pin("records", "u-1", Side.GRPC, 0.0, ttl_s)


def test_nothing_is_pinned_to_the_proxy():
    with pytest.raises(ValueError, match="nothing can be pinned to the side proxy"):
        pins_of(1).pin("records", "u-1", Side.PROXY, 0.0, 30.0)


@pytest.mark.parametrize("size", [0, 8, SET_BYTES - 1, SET_BYTES + 8])
def test_buffer_of_no_whole_sets_is_refused(size: int):
    with pytest.raises(ValueError, match=f"{size} bytes are no whole number of sets"):
        Pins(memoryview(bytearray(size)))


def test_buffer_that_cannot_be_written_to_is_refused():
    with pytest.raises(ValueError, match="can be written to"):
        Pins(memoryview(bytes(SET_BYTES)))


def test_empty_table_has_no_pins_at_any_time():
    pins = pins_of(1)
    for now_s in (0.0, 1.0, float(MAX_TTL_S), WRAP_S - 1.0, WRAP_S - 0.5, float(WRAP_S)):
        assert pins.side_of("records", "u-1", now_s) is None
        assert pins_of(1).pin("records", "u-1", Side.GRPC, now_s, 30.0) is False


def test_full_set_makes_room_where_a_pin_would_end_first():
    pins = pins_of(1)
    for number in range(WAYS):
        made_room = pins.pin("records", key_of(number), Side.GRPC, 0.0, 100.0 - 10 * number)
        assert made_room is False
    assert pins.pin("records", "another", Side.LEGACY, 1.0, 50.0) is True
    found = [pins.side_of("records", key_of(number), 2.0) for number in range(WAYS)]
    assert found == [Side.GRPC] * (WAYS - 1) + [None]
    assert pins.side_of("records", "another", 2.0) is Side.LEGACY


def test_pin_that_has_ended_makes_room_before_one_that_is_alive():
    pins = pins_of(1)
    for number, ttl_s in enumerate((100.0, 100.0, 5.0, 100.0)):
        pins.pin("records", key_of(number), Side.GRPC, 0.0, ttl_s)
    assert pins.pin("records", "another", Side.GRPC, 50.0, 1.0) is False
    alive = [pins.side_of("records", key_of(number), 50.0) for number in range(WAYS)]
    assert alive == [Side.GRPC, Side.GRPC, None, Side.GRPC]


def test_pin_again_takes_no_second_word():
    pins = pins_of(1)
    for now in range(100):
        assert pins.pin("records", "u-1", SIDES[now % 2], float(now), 30.0) is False
    for number in range(WAYS - 1):
        assert pins.pin("records", key_of(number), Side.GRPC, 100.0, 30.0) is False


def test_table_a_quarter_full_has_lost_hardly_any():
    sets = 4096
    pins = pins_of(sets)
    lost = sum(pins.pin("g", key_of(number), Side.GRPC, 0.0, 30.0) for number in range(sets))
    # One in 230 is what its documentation says.
    assert 0 < lost < sets / 150
    held = sum(pins.side_of("g", key_of(number), 1.0) is Side.GRPC for number in range(sets))
    assert held == sets - lost


def test_keys_that_are_not_pinned_are_not_found_in_a_full_table():
    pins = pins_of(256)
    for number in range(256 * WAYS * 4):
        pins.pin("g", key_of(number), Side.GRPC, 0.0, 30.0)
    strangers = (f"stranger-{number}" for number in range(50_000))
    assert not any(pins.side_of("g", stranger, 1.0) for stranger in strangers)


def test_word_that_a_clock_from_before_left_is_dead_when_it_ends_too_far_away():
    pins = pins_of(1)
    pins.pin("records", "u-1", Side.GRPC, 5_000_000.0, 30.0)
    for now_s in (0.0, 5_000_030.0 - MAX_TTL_S - 2, 5_000_031.0, 9e6, 2.0**31, WRAP_S - 1.0):
        assert pins.side_of("records", "u-1", now_s) is None
    # Nearer than that it cannot be told from one of now; it counts no longer than any pin may.
    assert pins.side_of("records", "u-1", 5_000_030.0 - MAX_TTL_S) is Side.GRPC


def test_dead_word_makes_room_even_when_it_seems_to_end_late():
    pins = pins_of(1)
    for number in range(WAYS):
        pins.pin("records", key_of(number), Side.GRPC, 5_000_000.0, 30.0)
    assert pins.pin("records", "another", Side.GRPC, 10.0, 1.0) is False
    assert pins.side_of("records", "another", 10.5) is Side.GRPC


@pytest.mark.parametrize("side", SIDES)
def test_pin_holds_over_the_moment_at_which_the_seconds_begin_anew(side: Side):
    pins = pins_of(1)
    pins.pin("records", "u-1", side, WRAP_S - 10.0, 30.0)
    for after_s in (-10.0, -0.5, 0.0, 20.0):
        assert pins.side_of("records", "u-1", WRAP_S + after_s) is side
    assert pins.side_of("records", "u-1", WRAP_S + 21.0) is None


operations = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 9), sides, st.integers(1, 40), st.integers(0, 9)),
    max_size=60,
)


def answers(table: list[Pins], key: str, now_s: float) -> set[Side | None]:
    return {pins.side_of("g", key, now_s) for pins in table}


@pytest.mark.parametrize("keys", [WAYS, 10])
@given(operations)
def test_two_tables_over_one_buffer_are_one_table(
    keys: int, steps: list[tuple[int, int, Side, int, int]]
):
    # A dictionary says what was pinned last and until when; one set is the narrowest table.
    table = [Pins(memoryview(buffer)) for buffer in [bytearray(SET_BYTES)] for _ in range(2)]
    last: dict[str, tuple[Side, float]] = {}
    now_s = 0.0
    for which, number, side, ttl_s, passed_s in steps:
        now_s += passed_s
        key = key_of(number % keys)
        table[which].pin("g", key, side, now_s, float(ttl_s))
        last[key] = (side, now_s + ttl_s)
        alive = {name: held for name, (held, until_s) in last.items() if now_s <= until_s}
        assert answers(table, key, now_s) == {side}
        for other in map(key_of, range(keys)):
            (found,) = answers(table, other, now_s)
            expected = alive.get(other)
            assert found is expected or (found is None and keys > WAYS)


def test_same_key_in_two_places_is_the_later_pin_and_one_place_after_the_next():
    # What two processes leave that pin one key at once.
    buffer = bytearray(SET_BYTES)
    words = memoryview(buffer).cast("Q")
    pins = Pins(memoryview(buffer))
    pins.pin("g", "u-1", Side.LEGACY, 0.0, 30.0)
    words[3], words[0] = words[0], 0
    elsewhere = memoryview(bytearray(SET_BYTES))
    Pins(elsewhere).pin("g", "u-1", Side.GRPC, 5.0, 30.0)
    words[1] = elsewhere.cast("Q")[0]
    assert pins.side_of("g", "u-1", 6.0) is Side.GRPC
    pins.pin("g", "u-1", Side.LEGACY, 7.0, 30.0)
    assert pins.side_of("g", "u-1", 8.0) is Side.LEGACY
    assert sorted(word != 0 for word in words) == [False, False, False, True]


def test_table_lets_go_of_its_buffer():
    with mmap(-1, SET_BYTES) as shared:
        view = memoryview(shared)
        pins = Pins(view)
        assert repr(pins) == "<Pins in 1 sets of 4>"
        with pytest.raises(BufferError):
            shared.close()
        pins.release()
        view.release()
    assert shared.closed


#: What the two processes pin: more keys than a set has words, so that every word is written over.
PLANS = [(key_of(number), SIDES[number % 2], 100.0 * (number + 1)) for number in range(6)]


def words_that_may_be_there() -> set[int]:
    """Each word that some pin of `PLANS` is, from a table that nobody else has."""
    words = {0}
    for key, side, ttl_s in PLANS:
        alone = memoryview(bytearray(SET_BYTES))
        Pins(alone).pin("g", key, side, 0.0, ttl_s)
        words |= set(alone.cast("Q"))
    return words


@contextmanager
def shared_set(path: str) -> Iterator[memoryview]:
    """The one set of a table in the file *path*, as every process that opens it has it."""
    with (
        Path(path).open("r+b") as file,
        mmap(file.fileno(), SET_BYTES) as shared,
        memoryview(shared) as view,
    ):
        yield view


def hammer(path: str, rounds: int) -> None:
    """Pin all of `PLANS` over and over, in a process of its own."""
    with shared_set(path) as view:
        pins = Pins(view)
        for _ in range(rounds):
            for key, side, ttl_s in PLANS:
                pins.pin("g", key, side, 0.0, ttl_s)
        pins.release()


def read_while(is_running: Callable[[], bool], path: str) -> set[int]:
    """All words that are seen in the set at *path* until nothing *is_running*."""
    seen: set[int] = set()
    with shared_set(path) as view, view.cast("Q") as words:
        while is_running():
            for _ in range(2000):
                seen.update(words)
    return seen


def test_no_process_ever_reads_half_a_word_of_another(tmp_path: Path):
    path = tmp_path / "pins"
    path.write_bytes(bytes(SET_BYTES))
    context = get_context("spawn")
    writers = [context.Process(target=hammer, args=(str(path), 10_000)) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        seen = read_while(lambda: any(writer.is_alive() for writer in writers), str(path))
    finally:
        for writer in writers:
            writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(seen) > 2
    assert seen <= words_that_may_be_there()
