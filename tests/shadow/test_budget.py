"""What mirrors may use: never more than was granted, and all of it."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.shadow.budget import CpuBudget, Rate, Room
from tests.fakes import FakeClock


@given(
    per_s=st.floats(0.1, 1000),
    waits_s=st.lists(st.floats(0, 3), min_size=1, max_size=200),
)
def test_a_rate_never_gives_more_than_it_may(per_s: float, waits_s: list[float]):
    clock = FakeClock()
    rate = Rate(per_s, clock)
    taken = 0
    for wait_s in waits_s:
        clock.advance(wait_s)
        taken += rate.take()
        assert taken <= max(1.0, per_s) + per_s * clock.now_s + 1e-6


def test_a_rate_gives_all_that_it_may():
    clock = FakeClock()
    rate = Rate(10.0, clock)
    taken = 0
    for _ in range(1000):
        clock.advance(0.01)
        taken += rate.take()
    assert 100 <= taken <= 110
    assert "10.0/s" in repr(rate)


def test_a_slow_rate_gives_one_at_once():
    clock = FakeClock()
    rate = Rate(0.1, clock)
    assert [rate.take(), rate.take()] == [True, False]
    clock.advance(10.001)
    assert [rate.take(), rate.take()] == [True, False]


def test_processor_time_may_be_overdrawn_once_and_is_made_up_for():
    clock = FakeClock()
    budget = CpuBudget(0.2, clock, FakeClock())
    assert not budget.is_spent
    budget.charge(1.02)
    assert budget.is_spent
    clock.advance(4.9)
    assert budget.is_spent
    clock.advance(0.2)
    assert not budget.is_spent
    assert "20.0%" in repr(budget)


def test_processor_time_is_not_saved_up():
    clock = FakeClock()
    budget = CpuBudget(0.2, clock, FakeClock())
    clock.advance(1e6)
    assert not budget.is_spent
    budget.charge(0.0201)
    assert budget.is_spent


def test_mirrors_yield_to_what_keeps_the_core_busy():
    """Beside others that take 60 %, a fifth is 3.2 %; beside all of it, 0.8 %."""
    for busy, granted in ((0.0, "20.0%"), (0.6, "3.2%"), (1.0, "0.8%")):
        clock, cpu_clock = FakeClock(), FakeClock()
        budget = CpuBudget(0.2, clock, cpu_clock)
        clock.advance(1.0)
        cpu_clock.advance(busy)
        assert not budget.is_spent
        assert granted in repr(budget)


def test_another_share_of_the_processor_counts_from_then_on():
    clock = FakeClock()
    budget = CpuBudget(0.2, clock, FakeClock())
    budget.charge(0.52)
    clock.advance(1.0)
    budget.limit(0.01)
    clock.advance(1.0)
    assert budget.is_spent
    clock.advance(30.0)
    assert not budget.is_spent


@given(st.lists(st.integers(0, 60), max_size=50))
def test_room_is_never_overfull_and_comes_back_whole(sizes: list[int]):
    room = Room(100)
    held = [size for size in sizes if room.take(size)]
    assert room.used == sum(held) <= 100
    for size in held:
        room.give_back(size)
    assert repr(room) == "<Room 0 of 100 bytes>"
