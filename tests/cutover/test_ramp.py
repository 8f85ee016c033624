"""Ramps: when the next step is taken, and when it never is."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.percent import WHOLE, percent_text
from proxy.cutover.ramp import Ramp, RampProgress, advance, next_share
from proxy.cutover.windows import Window

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SUNDAY_NOON = MONDAY_NOON - timedelta(days=1)
HOLD_S = 3600.0
OFFICE = Window.parse("Mon-Thu 09:00-16:00 UTC")
RAMP = Ramp((100, 500, 2500, 5000, WHOLE), HOLD_S, (OFFICE,), 5000)

ramps = st.builds(
    lambda steps, limit: Ramp(tuple(sorted(steps)), HOLD_S, (), limit),
    st.sets(st.integers(1, WHOLE), min_size=1, max_size=8),
    st.integers(0, WHOLE),
)


@pytest.mark.parametrize(
    ("held_s", "at", "healthy"),
    [
        case
        for case in product(
            [HOLD_S - 0.001, HOLD_S, 1e12], [MONDAY_NOON, SUNDAY_NOON], [True, False]
        )
        if case not in ((HOLD_S, MONDAY_NOON, True), (1e12, MONDAY_NOON, True))
    ],
)
def test_a_step_waits_for_the_hold_the_window_and_health(
    held_s: float, at: datetime, healthy: bool
):
    assert advance(RAMP, 0, held_s, at, healthy=healthy) == 0


@pytest.mark.parametrize("held_s", [HOLD_S, 1e12])
def test_only_one_step_is_taken_however_long_it_was_held(held_s: float):
    assert advance(RAMP, 0, held_s, MONDAY_NOON, healthy=True) == 1


def test_one_open_window_is_enough():
    ramp = Ramp((100, 500), HOLD_S, (Window.parse("Sun 09:00-16:00 UTC"), OFFICE))
    assert [advance(ramp, 0, HOLD_S, at, healthy=True) for at in (MONDAY_NOON, SUNDAY_NOON)] == [
        1,
        1,
    ]


def test_without_windows_every_time_is_open():
    assert advance(Ramp((100, 500), HOLD_S), 0, HOLD_S, SUNDAY_NOON, healthy=True) == 1


def test_beyond_the_limit_for_automatic_steps_nothing_goes_by_itself():
    steps = [advance(RAMP, step, 1e12, MONDAY_NOON, healthy=True) for step in range(5)]
    assert steps == [1, 2, 3, 3, 4]


@given(ramps, st.integers(0, 9), st.floats(0, 1e9), st.booleans())
def test_an_automatic_step_is_one_step_within_the_limit(
    ramp: Ramp, step: int, held_s: float, healthy: bool
):
    after = advance(ramp, step, held_s, MONDAY_NOON, healthy=healthy)
    assert after in (step, step + 1)
    if after > step:
        assert ramp.steps[after] <= ramp.max_auto_basis_points
        assert healthy
        assert held_s >= ramp.hold_s


@given(ramps, st.integers(0, WHOLE))
def test_a_changed_ramp_never_raises_what_was_reached(ramp: Ramp, basis_points: int):
    floor = ramp.floor(basis_points)
    assert floor <= basis_points
    assert floor == basis_points or floor in ramp.steps


@given(ramps, st.integers(0, WHOLE))
def test_promoting_ends_with_all_clients(ramp: Ramp, basis_points: int):
    shares: list[int] = []
    share: int | None = basis_points
    while (share := next_share(ramp.steps, share)) is not None:
        shares.append(share)
    assert shares == sorted(set(shares))
    assert shares[-1:] == ([] if basis_points == WHOLE else [WHOLE])


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((), "needs a step"),
        ((500, 500), "must rise: 500, 500"),
        ((500, 100), "must rise"),
        ((0, 100), "within 1 and 10000"),
        ((100, 10_001), "within 1 and 10000"),
    ],
)
def test_steps_that_make_no_ramp_are_refused(steps: tuple[int, ...], message: str):
    with pytest.raises(ValueError, match=message):
        Ramp(steps)


def test_a_hold_begins_anew_with_a_move_and_in_bad_health():
    progress = RampProgress.begun("one", 0.0)
    progress = progress.seen("one", 50.0, healthy=True)
    assert progress.held_s(60.0) == 60.0
    assert progress.seen("two", 60.0, healthy=True).held_s(61.0) == 1.0
    assert progress.seen("one", 60.0, healthy=False).held_s(61.0) == 1.0


@given(st.integers(0, WHOLE))
def test_a_percentage_is_told_exactly(basis_points: int):
    number = percent_text(basis_points).removesuffix(" %")
    assert round(float(number) * 100) == basis_points
    assert not number.startswith("0") or number == "0" or number.startswith("0.")
