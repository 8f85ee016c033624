"""When requests are too many: the limit that follows how late the loop is."""

import pytest

from proxy.server.admission import AT_EASE_S, LEAST, MAX_DELAY_S, PATIENCE, WINDOW_S, Admission

LATE_S = 2 * MAX_DELAY_S
PRESSED_S = 2 * AT_EASE_S


def admission_of(max_inflight: int) -> Admission:
    """An admission to a process whose CPU nobody has measured."""
    return Admission(max_inflight, lambda: 0.0, patience=2)


def pass_windows(admission: Admission, count: int, delay_s: float, began_s: float = 0.0) -> float:
    """Begin a request at the end of each of *count* windows; gives the time after them."""
    now_s = began_s
    for _ in range(count):
        now_s += WINDOW_S
        admission.began(delay_s, now_s)
    return now_s


def busy(admission: Admission, inflight: int) -> Admission:
    admission.inflight = inflight
    return admission


def test_what_the_configuration_allows_is_the_limit():
    admission = busy(admission_of(3), 2)
    assert not admission.is_full()
    admission.inflight = 3
    assert (admission.is_full(), admission.is_over()) == (True, False)
    admission.inflight = 4
    assert admission.is_over()
    admission.allow(5)
    assert not admission.is_full()
    assert repr(admission) == "<Admission 4 of 5, at most 5>"


def test_streams_that_have_begun_do_not_keep_others_out_while_the_loop_is_late():
    admission = busy(admission_of(1000), 900)
    pass_windows(admission, 3, LATE_S)
    assert admission.is_full()
    admission.streaming = 800
    assert not admission.is_full()
    admission.streaming, admission.inflight = 1000, 1000
    assert admission.is_full()


def test_one_late_window_changes_nothing():
    admission = busy(admission_of(1000), 500)
    pass_windows(admission, 1, LATE_S)
    assert admission.limit == 1000
    pass_windows(admission, 5, 0.0, 1.0)
    pass_windows(admission, 1, LATE_S, 2.0)
    assert admission.limit == 1000


def test_late_windows_are_borne_for_a_second_and_a_half():
    admission = busy(Admission(1000, lambda: 0.0), 500)
    now_s = pass_windows(admission, PATIENCE - 1, LATE_S)
    assert admission.limit == 1000
    pass_windows(admission, 1, LATE_S, now_s)
    assert admission.limit == 250


def test_one_request_in_time_makes_a_window_good():
    admission, now_s = busy(admission_of(1000), 500), 0.0
    for _ in range(10):
        now_s += WINDOW_S
        for delay_s in (LATE_S, 0.001, LATE_S):
            admission.began(delay_s, now_s)
    assert admission.limit == 1000


def test_a_loop_that_is_always_late_serves_fewer_at_once_but_never_none():
    admission = busy(admission_of(1000), 500)
    pass_windows(admission, 2, LATE_S)
    assert admission.limit == 250
    pass_windows(admission, 20, LATE_S, 1.0)
    assert admission.limit == LEAST


def test_a_limit_below_the_least_stays_what_was_configured():
    admission = busy(admission_of(3), 3)
    pass_windows(admission, 10, LATE_S)
    assert admission.limit == 3


def test_the_limit_is_back_within_three_seconds():
    admission = busy(admission_of(1024), 500)
    now_s = pass_windows(admission, 20, LATE_S)
    assert admission.limit == LEAST
    assert pass_windows(admission, 30, 0.0, now_s) - now_s == pytest.approx(3.0)
    assert admission.limit == 1024


def test_the_limit_rises_though_all_are_refused():
    """Long calls may hold all places that are left; then no request begins, and none is late."""
    admission = busy(admission_of(1000), 500)
    now_s = pass_windows(admission, 20, LATE_S)
    while admission.is_full():
        now_s += WINDOW_S
        admission.refused(now_s)
        admission.refused(now_s)
    assert now_s < 5.0


def test_a_loop_that_is_nearly_late_gets_little_more():
    admission = busy(admission_of(1000), 400)
    now_s = pass_windows(admission, 2, LATE_S)
    pressed = admission.limit
    pass_windows(admission, 1, PRESSED_S, now_s)
    assert pressed < admission.limit < pressed * 1.05


def test_a_process_that_uses_its_core_gets_little_more_though_its_loop_is_in_time():
    cpu_s = 0.0
    admission = busy(Admission(1000, lambda: cpu_s, patience=2), 400)
    now_s = pass_windows(admission, 2, LATE_S)
    lowered = admission.limit
    cpu_s += 0.95 * WINDOW_S
    now_s = pass_windows(admission, 1, 0.0, now_s)
    pressed = admission.limit
    assert lowered < pressed < lowered * 1.05
    cpu_s += 0.5 * WINDOW_S
    pass_windows(admission, 1, 0.0, now_s)
    assert admission.limit > pressed * 1.2


# --- a loop that has too much to do


class Loop:
    """A loop that serves *capacity* requests a second in turns, for *load* times as many.

    A request takes *turns* turns; a turn takes as long as its share of the work of all that are in
    flight, and what came during a turn is admitted or refused at its end. Time passes by turns.
    """

    def __init__(self, admission: Admission, capacity: float, load: float, turns: int = 5) -> None:
        self.admission = admission
        self.cost_s = 1 / capacity
        self.arrivals = capacity * load
        self.turns = turns
        self.stages = [0] * turns
        self.now_s = self.owed = 0.0
        self.served = self.refused = self.most = 0

    def turn(self) -> None:
        inflight = sum(self.stages)
        took_s = max(1e-4, inflight * self.cost_s / self.turns)
        self.now_s += took_s
        self.served += self.stages[-1]
        self.stages = [0, *self.stages[:-1]]
        self.admission.inflight = sum(self.stages)
        self._arrive(took_s)
        if self.stages[0]:
            self.admission.began(1.5 * took_s, self.now_s)
        self.most = max(self.most, self.admission.inflight)

    def _arrive(self, took_s: float) -> None:
        self.owed += self.arrivals * took_s
        while self.owed >= 1:
            self.owed -= 1
            if self.admission.is_full():
                self.refused += 1
                self.admission.refused(self.now_s)
            else:
                self.stages[0] += 1
                self.admission.inflight += 1

    def run(self, until_s: float) -> None:
        while self.now_s < until_s:
            self.turn()


@pytest.mark.parametrize("capacity", [100.0, 1_000.0, 10_000.0])
def test_three_times_what_can_be_served_is_served_all_the_same(capacity: float):
    admission = admission_of(1024)
    loop = Loop(admission, capacity, 3.0)
    loop.run(5.0)
    assert loop.served > 0.9 * capacity * loop.now_s - 1024
    before = loop.now_s
    loop.run(before + 5.0)
    # What is in flight has to wait for the CPU no longer than some turns that are hardly late.
    assert admission.inflight * loop.cost_s < 10 * MAX_DELAY_S + LEAST * loop.cost_s
    assert loop.refused > loop.served


@pytest.mark.parametrize("capacity", [100.0, 1_000.0, 10_000.0])
def test_less_than_can_be_served_is_never_refused(capacity: float):
    loop = Loop(admission_of(1024), capacity, 0.8)
    loop.run(5.0)
    assert loop.refused == 0


def test_a_loop_recovers_when_the_load_has_gone():
    loop = Loop(admission_of(1024), 1_000.0, 3.0)
    loop.run(5.0)
    loop.arrivals = 700.0
    loop.run(8.0)
    loop.refused = 0
    loop.run(10.0)
    assert loop.refused == 0
