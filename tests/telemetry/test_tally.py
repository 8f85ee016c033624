"""Tallies: written, read again, added up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.tally import Arms, Definition, Kind, Merge, Tally

COUNTER = Definition("c", "Counted.", Kind.COUNTER, ("route",))
HISTOGRAM = Definition("h", "Durations.", Kind.HISTOGRAM, (), bounds=(1.0, 2.0))


def gauge(merge: Merge) -> Definition:
    return Definition(f"g_{merge}", "A gauge.", Kind.GAUGE, (), merge)


def tally_of(number: float) -> Tally:
    tally = Tally()
    tally.put(COUNTER, ("a",), number)
    tally.put(HISTOGRAM, (), number, 0, 1, 0.5)
    for merge in Merge:
        tally.put(gauge(merge), (), number)
    tally.arms["a"] = Arms(1, {"grpc": [number, 0, 1]})
    return tally


def numbers(tally: Tally, definition: Definition, *labels: str) -> list[float]:
    return tally.families[definition.name].samples[labels]


def test_counts_are_summed_and_gauges_are_as_their_rule_says() -> None:
    tally = tally_of(1)
    tally.merge(tally_of(3))
    assert numbers(tally, COUNTER, "a") == [4]
    assert numbers(tally, HISTOGRAM) == [4, 0, 2, 1.0]
    assert [numbers(tally, gauge(merge)) for merge in Merge] == [[4], [1], [3]]
    assert tally.arms["a"].sides == {"grpc": [4, 0, 2]}


def test_what_only_one_of_them_has_counted_stays() -> None:
    tally = tally_of(1)
    other = Tally()
    other.put(COUNTER, ("b",), 5)
    other.arms["b"] = Arms(0, {"legacy": [1, 1, 1]})
    tally.merge(other)
    assert numbers(tally, COUNTER, "a") == [1]
    assert numbers(tally, COUNTER, "b") == [5]
    assert tally.arms["b"].sides == {"legacy": [1, 1, 1]}


def test_merging_leaves_the_other_as_it_was() -> None:
    first, second, third = tally_of(1), tally_of(2), tally_of(4)
    total = Tally()
    for each in (first, second, third):
        total.merge(each)
    assert numbers(total, COUNTER, "a") == [7]
    assert numbers(first, COUNTER, "a") == [1]
    assert first.arms["a"].sides == {"grpc": [1, 0, 1]}


def test_arms_of_before_a_move_do_not_count_after_it() -> None:
    behind, ahead = Tally(), Tally()
    behind.arms["a"] = Arms(1, {"grpc": [100, 50, 100]})
    ahead.arms["a"] = Arms(2, {"legacy": [1, 0, 1]})
    for first, second in ((behind, ahead), (ahead, behind)):
        total = Tally()
        total.merge(first)
        total.merge(second)
        assert total.arms["a"] == Arms(2, {"legacy": [1, 0, 1]})


def test_of_the_past_only_gauges_are_gone() -> None:
    past = tally_of(1).of_the_past()
    assert set(past.families) == {"c", "h"}
    assert past.arms["a"].sides


def test_histogram_of_another_version_keeps_its_total() -> None:
    mine, theirs = tally_of(1), Tally()
    theirs.put(Definition("h", "", Kind.HISTOGRAM, (), bounds=(0.5, 1.5, 8.0)), (), 1, 2, 4, 8, 9.5)
    mine.merge(theirs)
    assert numbers(mine, HISTOGRAM) == [2, 2, 13, 10.0]


def test_sums_are_the_same_in_any_order() -> None:
    """Else a counter falls by its last bit when a worker is replaced."""
    parts = [tally_of_sum(0.1 * number) for number in range(1, 30)]
    forwards, backwards, in_pairs = Tally(), Tally(), Tally()
    for part in parts:
        forwards.merge(part)
    for part in reversed(parts):
        backwards.merge(part)
    for first, second in zip(parts[::2], [*parts[1::2], Tally()], strict=True):
        first.merge(second)
        in_pairs.merge(first)
    assert numbers(forwards, COUNTER, "a") == numbers(backwards, COUNTER, "a")
    assert numbers(forwards, COUNTER, "a") == numbers(in_pairs, COUNTER, "a")
    assert numbers(forwards, COUNTER, "a") == [pytest.approx(43.5, abs=1e-4)]


def tally_of_sum(number: float) -> Tally:
    tally = Tally()
    tally.put(COUNTER, ("a",), number)
    return tally


samples = st.dictionaries(
    st.text(max_size=3), st.integers(0, 2**53) | st.floats(0, 1e300), max_size=3
)


@given(samples, samples)
def test_what_was_written_is_read_again(
    counters: dict[str, float], gauges: dict[str, float]
) -> None:
    tally = tally_of(7)
    for label, value in counters.items():
        tally.put(COUNTER, (label,), value)
    for label, value in gauges.items():
        tally.put(Definition("other", "é", Kind.GAUGE, ("x",), Merge.MIN), (label,), value)
    read = Tally.load(tally.dump())
    assert read.families == tally.families
    assert read.arms == tally.arms


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"form":2}', b"null"])
def test_what_is_no_tally_is_refused(written: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Tally.load(written)
